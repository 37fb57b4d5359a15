/**
 * Objects in an S3 bucket: `blobs/<digest>`, path style.
 *
 * Touches the network; every request ends within a time limit. Invariants: S14 a signed URL fixes
 * method, key, size and content: `content-length`, `x-amz-content-sha256` and
 * `x-amz-checksum-sha256` are among its signed headers. Correctness never rests on a conditional
 * PUT, which several stores ignore (P3).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { AwsClient, AwsV4Signer } from "aws4fetch";
import { Client as BucketClient } from "minio";
import { messageOf, PenstockError } from "@shared/errors.ts";
import { type Digest, DIGEST_PATTERN } from "@shared/ids.ts";
import type { ObjectStore, SignedUrl } from "@shared/object_store.ts";
import { OBJECT_URL_TTL_MAX_MS } from "@shared/object_url.ts";

export interface S3Location {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  readonly bucket: string;
}

export interface S3Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
}

const REGION = "us-east-1";
const PREFIX = "blobs/";
const REQUEST_TIMEOUT_MS = 30_000;
const LIST_TIMEOUT_MS = 300_000;
const RETRIES_MAX = 2;

export class S3ObjectStore implements ObjectStore {
  readonly #location: S3Location;
  readonly #credentials: S3Credentials;
  readonly #objects: AwsClient;
  readonly #buckets: BucketClient;

  constructor(location: S3Location, credentials: S3Credentials) {
    this.#location = location;
    this.#credentials = credentials;
    this.#objects = new AwsClient({
      accessKeyId: credentials.accessKey,
      secretAccessKey: credentials.secretKey,
      service: "s3",
      region: REGION,
      retries: RETRIES_MAX,
    });
    this.#buckets = new BucketClient({
      endPoint: location.host,
      port: location.port,
      useSSL: location.isTls,
      accessKey: credentials.accessKey,
      secretKey: credentials.secretKey,
      region: REGION,
      pathStyle: true,
    });
  }

  async put(digest: Digest, bytes: Uint8Array): Promise<void> {
    const response = await this.#request("PUT", digest, {
      headers: contentHeaders(digest),
      body: bytes as Uint8Array<ArrayBuffer>,
    });
    await response.body?.cancel();
  }

  async get(digest: Digest): Promise<Uint8Array | null> {
    const response = await this.#request("GET", digest);
    if (response.status !== 404) return await response.bytes();
    await response.body?.cancel();
    return null;
  }

  async stat(digest: Digest): Promise<{ bytes: number; isDigestVerified: boolean } | null> {
    const headers = { "x-amz-checksum-mode": "ENABLED" };
    const response = await this.#request("HEAD", digest, { headers });
    await response.body?.cancel();
    if (response.status === 404) return null;
    const checksum = response.headers.get("x-amz-checksum-sha256");
    return {
      bytes: Number(response.headers.get("content-length")),
      isDigestVerified: checksum === base64Of(digest),
    };
  }

  async delete(digest: Digest): Promise<void> {
    const response = await this.#request("DELETE", digest);
    await response.body?.cancel();
  }

  async *list(): AsyncIterable<{ digest: Digest; bytes: number; modifiedAtMs: number }> {
    const listing = this.#buckets.listObjectsV2(this.#location.bucket, PREFIX, true);
    const timer = setTimeout(
      () => listing.destroy(this.#failure("list", `no end within ${LIST_TIMEOUT_MS} ms`)),
      LIST_TIMEOUT_MS,
    );
    try {
      for await (const { name, size, lastModified } of listing) {
        const digest = (name ?? "").slice(PREFIX.length);
        if (!DIGEST_PATTERN.test(digest) || lastModified === undefined) continue;
        yield { digest: digest as Digest, bytes: size, modifiedAtMs: lastModified.getTime() };
      }
    } finally {
      clearTimeout(timer);
    }
  }

  signPut(digest: Digest, sizeBytes: number): Promise<SignedUrl> {
    return this.#sign("PUT", digest, {
      "content-length": String(sizeBytes),
      ...contentHeaders(digest),
    });
  }

  signGet(digest: Digest): Promise<SignedUrl> {
    return this.#sign("GET", digest, {});
  }

  /** The bucket exists afterwards and answers. */
  async check(): Promise<void> {
    const { bucket } = this.#location;
    const found = this.#buckets.bucketExists(bucket).then((exists) =>
      exists ? undefined : this.#buckets.makeBucket(bucket, REGION)
    );
    await this.#withinLimit("check", found);
  }

  async #request(
    method: "PUT" | "GET" | "HEAD" | "DELETE",
    digest: Digest,
    init: { headers?: Record<string, string>; body?: Uint8Array<ArrayBuffer> } = {},
  ): Promise<Response> {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    let response: Response;
    try {
      response = await this.#objects.fetch(this.#url(digest), { method, signal, ...init });
    } catch (cause) {
      throw this.#failure(`${method} ${digest}`, messageOf(cause), cause);
    }
    const isExpected = response.ok || (response.status === 404 && method !== "PUT");
    if (isExpected) return response;
    const text = await response.text();
    throw this.#failure(`${method} ${digest}`, `status ${response.status}: ${text.slice(0, 300)}`);
  }

  async #sign(
    method: "GET" | "PUT",
    digest: Digest,
    headers: Record<string, string>,
  ): Promise<SignedUrl> {
    const url = new URL(this.#url(digest));
    url.searchParams.set("X-Amz-Expires", String(OBJECT_URL_TTL_MAX_MS / 1000));
    const signed = await new AwsV4Signer({
      method,
      url: url.href,
      headers,
      accessKeyId: this.#credentials.accessKey,
      secretAccessKey: this.#credentials.secretKey,
      service: "s3",
      region: REGION,
      signQuery: true,
      allHeaders: true,
    }).sign();
    return { url: signed.url.href, headers };
  }

  #url(digest: Digest): string {
    if (!DIGEST_PATTERN.test(digest)) {
      throw new PenstockError(`"${digest}" names no object: a name is a lower-case hex SHA-256`, {
        code: "bad-digest",
        domain: "internal",
      });
    }
    const { host, port, isTls, bucket } = this.#location;
    return `${isTls ? "https" : "http"}://${host}:${port}/${bucket}/${PREFIX}${digest}`;
  }

  async #withinLimit<T>(what: string, work: Promise<T>): Promise<T> {
    const limit = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => limit.reject(this.#failure(what, `no answer within ${REQUEST_TIMEOUT_MS} ms`)),
      REQUEST_TIMEOUT_MS,
    );
    try {
      return await Promise.race([work, limit.promise]);
    } catch (cause) {
      throw cause instanceof PenstockError ? cause : this.#failure(what, messageOf(cause), cause);
    } finally {
      clearTimeout(timer);
    }
  }

  #failure(what: string, found: string, cause?: unknown): PenstockError {
    const { host, port, bucket } = this.#location;
    return new PenstockError(`Object store ${host}:${port}/${bucket} failed at ${what}: ${found}`, {
      code: "object-store-failed",
      domain: "external",
      isRetryable: true,
      cause,
    });
  }
}

/** Lets the store refuse bytes that are not those of the name, and keep their checksum. */
function contentHeaders(digest: Digest): Record<string, string> {
  return { "x-amz-content-sha256": digest, "x-amz-checksum-sha256": base64Of(digest) };
}

function base64Of(digest: Digest): string {
  return Buffer.from(digest, "hex").toString("base64");
}
