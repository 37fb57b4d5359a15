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

export interface ObjectStore {
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
