/**
 * Which blobs are known, who needs them, and which are going (tables `blobs`, `blob_refs`, `blob_pins`).
 *
 *   (none) ──request──▶ granted ──verified──▶ stored
 *                          │                     │
 *                          └─ no reference, no pin, past the grace ─▶ deleting ──▶ (none)
 *
 * Invariants:
 *
 *   G1  A blob is answered as held only after a pin for it is written, in the same transaction.
 *   G1  A reference is written only while its blob is `stored`, in the transaction that needs it.
 *   G2  `deleting` is final: such a blob is neither held, granted nor referenced until its row is gone.
 *
 * Every function that decides about a blob locks its row first, rows in the order of their digests.
 * Collection locks its candidates, and only then, with a fresh view, looks for pins and references:
 * whoever pinned before is seen, whoever comes later waits and finds `deleting`.
 *
 * @module
 */
import { and, asc, eq, exists, gt, inArray, lt, ne, not, sql } from "drizzle-orm";
import type { Attempt, CheckpointId, Digest, JobId, RegionId } from "@shared/ids.ts";
import type { Db } from "./client.ts";
import { blobPins, blobRefs, blobs } from "./schema.ts";

export interface BlobSize {
  readonly digest: Digest;
  readonly bytes: number;
}

/** The part of a checkpoint that asks for blobs. */
export interface BlobOwner {
  readonly jobId: JobId;
  readonly regionId: RegionId;
  readonly attempt: Attempt;
  readonly checkpointId: CheckpointId;
}

/** `have`: held and pinned. `put`: pinned, to be uploaded. `deleting`: ask again later. */
export interface UploadAnswer extends BlobSize {
  readonly kind: "have" | "put" | "deleting";
}

/** Rows one statement takes; keeps its parameters below what the wire protocol holds. */
const ROWS_MAX = 1_000;

/**
 * Answers which blobs have to be uploaded; every blob answered `have` or `put` is pinned for `owner`.
 *
 * @param wanted At most 1,000.
 * @param time `pinUntilMs`: when the pins lapse by themselves, ms since the epoch.
 * @returns One answer per distinct digest, in the order first asked.
 */
export async function requestUpload(
  tx: Db,
  owner: BlobOwner,
  wanted: readonly BlobSize[],
  time: { readonly nowMs: number; readonly pinUntilMs: number },
): Promise<UploadAnswer[]> {
  const distinct = new Map(wanted.map((blob) => [blob.digest, blob]));
  if (distinct.size === 0) return [];
  const changedAt = new Date(time.nowMs);
  const locked = await tx.insert(blobs)
    .values(
      sorted([...distinct.keys()]).map((digest) => ({
        digest,
        bytes: distinct.get(digest)!.bytes,
        state: "granted",
        changedAt,
      })),
    )
    .onConflictDoUpdate({
      target: blobs.digest,
      set: { changedAt },
      setWhere: ne(blobs.state, "deleting"),
    })
    .returning({ digest: blobs.digest, state: blobs.state });
  const stateOf = new Map(locked.map(({ digest, state }) => [digest, state]));
  if (locked.length > 0) {
    const expiresAt = new Date(time.pinUntilMs);
    await tx.insert(blobPins)
      .values(sorted([...stateOf.keys()]).map((digest) => ({ digest, ...owner, expiresAt })))
      .onConflictDoUpdate({
        target: [blobPins.digest, blobPins.jobId, blobPins.regionId, blobPins.checkpointId],
        set: { attempt: owner.attempt, expiresAt },
      });
  }
  return [...distinct.values()].map((blob) => {
    const state = stateOf.get(blob.digest);
    if (state === undefined) return { ...blob, kind: "deleting" };
    return { ...blob, kind: state === "stored" ? "have" : "put" };
  });
}

/** Blobs whose upload was verified are held from now on; one marked `deleting` stays so. */
export async function markStored(
  tx: Db,
  digests: readonly Digest[],
  nowMs: number,
): Promise<void> {
  for (const part of partsOf(digests)) {
    const granted = await lockRows(tx, part, "granted");
    if (granted.length === 0) continue;
    await tx.update(blobs).set({ state: "stored", changedAt: new Date(nowMs) })
      .where(inArray(blobs.digest, granted));
  }
}

/** Of `digests`, those whose upload the hub has verified before. */
export async function storedAmong(tx: Db, digests: readonly Digest[]): Promise<Set<Digest>> {
  const found = new Set<Digest>();
  for (const part of partsOf(digests)) {
    const rows = await tx.select({ digest: blobs.digest }).from(blobs)
      .where(and(inArray(blobs.digest, part), eq(blobs.state, "stored")));
    for (const { digest } of rows) found.add(digest as Digest);
  }
  return found;
}

export type AddRefsOutcome =
  | { readonly kind: "added" }
  /** Nothing was written: these are not held (never verified, or on their way out). */
  | { readonly kind: "missing"; readonly digests: readonly Digest[] };

/** Ties blobs to a region's part of a checkpoint; all of them or none (G1). */
export async function addRefs(
  tx: Db,
  owner: Omit<BlobOwner, "attempt">,
  digests: readonly Digest[],
): Promise<AddRefsOutcome> {
  const wanted = sorted(new Set(digests));
  const held = new Set<string>();
  for (const part of partsOf(wanted)) {
    const rows = await tx.select({ digest: blobs.digest }).from(blobs)
      .where(and(inArray(blobs.digest, part), eq(blobs.state, "stored")))
      .orderBy(asc(blobs.digest)).for("share");
    for (const { digest } of rows) held.add(digest);
  }
  const missing = wanted.filter((digest) => !held.has(digest));
  if (missing.length > 0) return { kind: "missing", digests: missing };
  const { jobId, checkpointId, regionId } = owner;
  for (const part of partsOf(wanted)) {
    await tx.insert(blobRefs)
      .values(part.map((digest) => ({ jobId, checkpointId, regionId, digest })))
      .onConflictDoNothing();
  }
  return { kind: "added" };
}

/** Drops the references of checkpoints that retention lets go; their blobs' grace begins now. */
export async function dropRefs(
  tx: Db,
  jobId: JobId,
  checkpointIds: readonly CheckpointId[],
  nowMs: number,
): Promise<void> {
  const dropped = new Set<Digest>();
  for (const part of partsOf(checkpointIds)) {
    const rows = await tx.delete(blobRefs)
      .where(and(eq(blobRefs.jobId, jobId), inArray(blobRefs.checkpointId, part)))
      .returning({ digest: blobRefs.digest });
    for (const { digest } of rows) dropped.add(digest as Digest);
  }
  for (const part of partsOf(sorted(dropped))) {
    const stored = await lockRows(tx, part, "stored");
    if (stored.length === 0) continue;
    await tx.update(blobs).set({ changedAt: new Date(nowMs) }).where(inArray(blobs.digest, stored));
  }
}

/** Drops the pins of a region's part of a checkpoint that ended. */
export async function unpin(tx: Db, owner: Omit<BlobOwner, "attempt">): Promise<void> {
  await tx.delete(blobPins).where(and(
    eq(blobPins.jobId, owner.jobId),
    eq(blobPins.regionId, owner.regionId),
    eq(blobPins.checkpointId, owner.checkpointId),
  ));
}

/**
 * Marks blobs that nobody needs (G2).
 *
 * @param time Untouched since `olderThanMs`; pins that lapsed by `nowMs` do not count.
 * @returns Digests newly marked `deleting`, at most `limit`.
 */
export async function markGarbage(
  tx: Db,
  time: { readonly nowMs: number; readonly olderThanMs: number },
  limit: number,
): Promise<Digest[]> {
  const now = new Date(time.nowMs);
  const isNeeded = [
    exists(tx.select({ one: sql`1` }).from(blobRefs).where(eq(blobRefs.digest, blobs.digest))),
    exists(
      tx.select({ one: sql`1` }).from(blobPins)
        .where(and(eq(blobPins.digest, blobs.digest), gt(blobPins.expiresAt, now))),
    ),
  ];
  const isUnneeded = and(ne(blobs.state, "deleting"), ...isNeeded.map((needed) => not(needed)));
  const candidates = await tx.select({ digest: blobs.digest }).from(blobs)
    .where(and(isUnneeded, lt(blobs.changedAt, new Date(time.olderThanMs))))
    .orderBy(asc(blobs.digest)).limit(Math.min(limit, ROWS_MAX))
    .for("update", { skipLocked: true });
  if (candidates.length === 0) return [];
  const marked = await tx.update(blobs).set({ state: "deleting", changedAt: now })
    .where(and(inArray(blobs.digest, candidates.map(({ digest }) => digest)), isUnneeded))
    .returning({ digest: blobs.digest });
  return sorted(marked.map(({ digest }) => digest as Digest));
}

/** Takes over blobs whose deletion nobody finished since `olderThanMs`; their wait begins anew. */
export async function reclaimDeleting(
  tx: Db,
  time: { readonly nowMs: number; readonly olderThanMs: number },
  limit: number,
): Promise<Digest[]> {
  const candidates = await tx.select({ digest: blobs.digest }).from(blobs)
    .where(and(eq(blobs.state, "deleting"), lt(blobs.changedAt, new Date(time.olderThanMs))))
    .orderBy(asc(blobs.digest)).limit(Math.min(limit, ROWS_MAX))
    .for("update", { skipLocked: true });
  if (candidates.length === 0) return [];
  const digests = candidates.map(({ digest }) => digest as Digest);
  await tx.update(blobs).set({ changedAt: new Date(time.nowMs) })
    .where(inArray(blobs.digest, digests));
  return digests;
}

/** Gives stored objects that no row knows a row that is `deleting`; returns those it could. */
export async function adoptUnknown(
  tx: Db,
  found: readonly BlobSize[],
  nowMs: number,
): Promise<Digest[]> {
  const adopted: Digest[] = [];
  const changedAt = new Date(nowMs);
  for (const part of partsOf([...found].sort((a, b) => a.digest < b.digest ? -1 : 1))) {
    const rows = await tx.insert(blobs)
      .values(part.map(({ digest, bytes }) => ({ digest, bytes, state: "deleting", changedAt })))
      .onConflictDoNothing().returning({ digest: blobs.digest });
    adopted.push(...rows.map(({ digest }) => digest as Digest));
  }
  return adopted;
}

/** Forgets blobs whose objects are gone. */
export async function forgetDeleted(tx: Db, digests: readonly Digest[]): Promise<void> {
  for (const part of partsOf(digests)) {
    await tx.delete(blobs).where(and(inArray(blobs.digest, part), eq(blobs.state, "deleting")));
  }
}

export async function dropLapsedPins(tx: Db, nowMs: number): Promise<void> {
  await tx.delete(blobPins).where(lt(blobPins.expiresAt, new Date(nowMs)));
}

/** Locks those of `digests` that are in `state`, in the order of their digests. */
async function lockRows(tx: Db, digests: readonly Digest[], state: string): Promise<string[]> {
  const rows = await tx.select({ digest: blobs.digest }).from(blobs)
    .where(and(inArray(blobs.digest, [...digests]), eq(blobs.state, state)))
    .orderBy(asc(blobs.digest)).for("update");
  return rows.map(({ digest }) => digest);
}

function sorted<T extends string>(values: Iterable<T>): T[] {
  return [...values].sort();
}

function* partsOf<T>(values: readonly T[]): Iterable<T[]> {
  for (let from = 0; from < values.length; from += ROWS_MAX) {
    yield values.slice(from, from + ROWS_MAX);
  }
}
