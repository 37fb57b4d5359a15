/** Opens the object store that a configuration names. @module */
import { UserError } from "@shared/errors.ts";
import type { ObjectStore } from "@shared/object_store.ts";
import {
  FileObjectStore,
  type FileObjectStoreOptions,
} from "@shared/platform/file_object_store.ts";
import {
  type S3Credentials,
  type S3Location,
  S3ObjectStore,
} from "@shared/platform/s3_object_store.ts";

export type ObjectStoreLocation =
  | { readonly kind: "file"; readonly directory: string }
  | { readonly kind: "s3"; readonly location: S3Location };

export interface ObjectStoreOptions extends FileObjectStoreOptions {
  /** Needed for `s3://`, null otherwise. */
  readonly s3Credentials: S3Credentials | null;
}

/**
 * @param spec `file:DIRECTORY`, or `s3://HOST[:PORT]/BUCKET`, with `?tls=0` for a store without TLS.
 * @throws {UserError} `bad-object-store` when the text is neither, or credentials are missing.
 */
export function openObjectStore(spec: string, options: ObjectStoreOptions): ObjectStore {
  const found = parseObjectStore(spec);
  if (found.kind === "file") return new FileObjectStore(found.directory, options);
  if (options.s3Credentials === null) {
    throw new UserError(
      "bad-object-store",
      `Object store ${spec} needs an access and a secret key`,
    );
  }
  return new S3ObjectStore(found.location, options.s3Credentials);
}

/** @throws {UserError} `bad-object-store` naming what was wanted. */
export function parseObjectStore(spec: string): ObjectStoreLocation {
  if (spec.startsWith("file:") && spec.length > "file:".length) {
    return { kind: "file", directory: spec.slice("file:".length) };
  }
  const url = URL.canParse(spec) ? new URL(spec) : null;
  const bucket = url?.pathname.replace(/^\/|\/$/g, "") ?? "";
  if (
    url?.protocol !== "s3:" || url.hostname === "" || !/^[a-z0-9][a-z0-9.-]{1,62}$/.test(bucket)
  ) {
    throw new UserError(
      "bad-object-store",
      `Object store "${spec}" is neither file:DIRECTORY nor s3://HOST:PORT/BUCKET`,
    );
  }
  const isTls = url.searchParams.get("tls") !== "0";
  const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
  return { kind: "s3", location: { host: url.hostname, port, isTls, bucket } };
}
