/**
 * Immutable blobs named by their SHA-256, as a port.
 *
 * Compare-and-set is never asked of it (P3): the same name always means the same bytes, so writing
 * twice is harmless. Keys are built by the hub from typed ids only (S15).
 *
 * @module
 */
import type { Digest } from "@shared/ids.ts";

/** Where an agent sends or fetches one blob; short-lived, fixed to one method, key and size (S14). */
export interface SignedUrl {
  readonly url: string;
  /** Headers the request must carry exactly as given. */
  readonly headers: Readonly<Record<string, string>>;
}

/** On a signed upload: the store takes the object in parts, as {@linkcode contentRange} says. */
export const UPLOAD_RANGES_HEADER = "x-penstock-upload-ranges";

/** On the answer 202 to a part: bytes that have arrived, where the next part begins. */
export const UPLOAD_OFFSET_HEADER = "x-penstock-upload-offset";

/**
 * The `Content-Range` of one part of an upload. With `offset` null the body is empty and the request asks
 * where to go on: `bytes * /<total>` without the blank.
 */
export function contentRange(offset: number | null, partBytes: number, totalBytes: number): string {
  if (offset === null) return `bytes */${totalBytes}`;
  return `bytes ${offset}-${offset + partBytes - 1}/${totalBytes}`;
}

/** What {@linkcode contentRange} made, read; null when it is something else. */
export function readContentRange(
  text: string,
):
  | { readonly offset: number | null; readonly partBytes: number; readonly totalBytes: number }
  | null {
  const match = /^bytes (?:\*|(\d{1,15})-(\d{1,15}))\/(\d{1,15})$/.exec(text);
  if (match === null) return null;
  const totalBytes = Number(match[3]);
  if (match[1] === undefined) return { offset: null, partBytes: 0, totalBytes };
  const offset = Number(match[1]);
  const partBytes = Number(match[2]) - offset + 1;
  if (partBytes < 1 || offset + partBytes > totalBytes) return null;
  return { offset, partBytes, totalBytes };
}

/** Uploads that are under way; durable enough to outlive the process, removed when nobody goes on. */
export interface PartialObjects {
  /** Bytes that have arrived; 0 when there is nothing. */
  size(digest: Digest): Promise<number>;
  /**
   * Adds `bytes` at `offset` if that is where the arrived bytes end.
   *
   * @returns Bytes that have arrived afterwards.
   */
  append(digest: Digest, offset: number, bytes: Uint8Array): Promise<number>;
  /** All that has arrived, which is gone from here afterwards. */
  take(digest: Digest): Promise<Uint8Array>;
}

export interface ObjectStore {
  /** Only where uploads pass through the hub. */
  readonly partial?: PartialObjects;
  /** Stores `bytes`; resolves when they are durable. */
  put(digest: Digest, bytes: Uint8Array): Promise<void>;
  /** @returns The bytes, not yet verified, or null when there is no such object. */
  get(digest: Digest): Promise<Uint8Array | null>;
  /** @returns Size in bytes and, where the store checked it at upload, its digest; null when absent. */
  stat(digest: Digest): Promise<{ bytes: number; isDigestVerified: boolean } | null>;
  delete(digest: Digest): Promise<void>;
  /** Every stored object with its age; for the sweep of unreferenced ones (G2). */
  list(): AsyncIterable<{ digest: Digest; bytes: number; modifiedAtMs: number }>;
  signPut(digest: Digest, sizeBytes: number): Promise<SignedUrl>;
  signGet(digest: Digest): Promise<SignedUrl>;
  /** Throws when the store cannot be read and written; for /readyz. */
  check(): Promise<void>;
}
