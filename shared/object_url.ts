/**
 * Signed addresses of the hub's own object route, for a hub that keeps objects as files.
 *
 * Pure: HMAC over method, digest, size and expiry. Invariant: S14 a URL opens one method on one
 * object, for at most 15 minutes, and a PUT for one size only.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import { assert } from "@shared/assert.ts";
import { type Digest, DIGEST_PATTERN } from "@shared/ids.ts";

/** Longest life of a signed URL of any store (S14). */
export const OBJECT_URL_TTL_MAX_MS = 15 * 60 * 1000;

export interface ObjectGrant {
  readonly method: "GET" | "PUT";
  readonly digest: Digest;
  /** Exact body size of a PUT; null for a GET. */
  readonly sizeBytes: number | null;
  /** Milliseconds since the Unix epoch after which the URL is refused. */
  readonly expiresAtMs: number;
}

export type ObjectUrlVerdict =
  | { readonly kind: "granted"; readonly grant: ObjectGrant }
  | { readonly kind: "refused"; readonly reason: "malformed" | "expired" | "bad-signature" };

/** `<baseUrl>/objects/<digest>?expires=…&size=…&sig=…`; `baseUrl` has no trailing slash. */
export function signObjectUrl(baseUrl: string, grant: ObjectGrant, secret: string): string {
  assert(DIGEST_PATTERN.test(grant.digest), `"${grant.digest}" is no digest`);
  assert((grant.method === "PUT") === (grant.sizeBytes !== null), "a PUT has a size, a GET none");
  const query = new URLSearchParams({ expires: String(grant.expiresAtMs) });
  if (grant.sizeBytes !== null) query.set("size", String(grant.sizeBytes));
  query.set("sig", signatureOf(grant, secret).toString("base64url"));
  return `${baseUrl}/objects/${grant.digest}?${query}`;
}

/** Judges a request to the object route by its method and address at `nowMs`. */
export function verifyObjectUrl(
  request: { readonly method: string; readonly url: string },
  secret: string,
  nowMs: number,
): ObjectUrlVerdict {
  const grant = parse(request);
  if (grant === null) return { kind: "refused", reason: "malformed" };
  const given = Buffer.from(new URL(request.url).searchParams.get("sig") ?? "", "base64url");
  const wanted = signatureOf(grant, secret);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    return { kind: "refused", reason: "bad-signature" };
  }
  const isTimely = nowMs < grant.expiresAtMs && grant.expiresAtMs <= nowMs + OBJECT_URL_TTL_MAX_MS;
  return isTimely ? { kind: "granted", grant } : { kind: "refused", reason: "expired" };
}

const COUNT = /^(0|[1-9][0-9]{0,15})$/;

function parse({ method, url }: { method: string; url: string }): ObjectGrant | null {
  const { pathname, searchParams } = new URL(url);
  const digest = pathname.slice(pathname.lastIndexOf("/") + 1);
  const expires = searchParams.get("expires") ?? "";
  const size = searchParams.get("size");
  if (!DIGEST_PATTERN.test(digest) || !COUNT.test(expires)) return null;
  if (method === "GET" && size === null) {
    return { method, digest: digest as Digest, sizeBytes: null, expiresAtMs: Number(expires) };
  }
  if (method !== "PUT" || size === null || !COUNT.test(size)) return null;
  const sizeBytes = Number(size);
  return { method, digest: digest as Digest, sizeBytes, expiresAtMs: Number(expires) };
}

function signatureOf(grant: ObjectGrant, secret: string): Buffer {
  const { method, digest, sizeBytes, expiresAtMs } = grant;
  return createHmac("sha256", secret)
    .update(`penstock-object/1\n${method}\n${digest}\n${sizeBytes ?? ""}\n${expiresAtMs}`)
    .digest();
}
