/**
 * Whether an object is stored whole and right: asked before a snapshot is counted (C1, S16).
 *
 * Touches the object store alone. Where the store checked the digest at upload a stat is enough;
 * otherwise the object is read once.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Digest } from "@shared/ids.ts";
import type { ObjectStore } from "@shared/object_store.ts";

export type BlobVerdict =
  | { readonly kind: "verified" }
  | { readonly kind: "absent" }
  | { readonly kind: "wrong-size"; readonly foundBytes: number }
  | { readonly kind: "wrong-digest"; readonly foundDigest: string };

/**
 * @param bytes Size that the manifest states.
 * @throws {PenstockError} When the store does not answer.
 */
export async function verifyStored(
  store: ObjectStore,
  digest: Digest,
  bytes: number,
): Promise<BlobVerdict> {
  const found = await store.stat(digest);
  if (found === null) return { kind: "absent" };
  if (found.bytes !== bytes) return { kind: "wrong-size", foundBytes: found.bytes };
  if (found.isDigestVerified) return { kind: "verified" };
  const content = await store.get(digest);
  if (content === null) return { kind: "absent" };
  const foundDigest = createHash("sha256").update(content).digest("hex");
  return foundDigest === digest ? { kind: "verified" } : { kind: "wrong-digest", foundDigest };
}
