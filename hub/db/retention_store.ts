/**
 * Lets parts of old checkpoints go: their manifests and references leave in one transaction.
 *
 * Touches the database. What may go is decided by `hub/coordinator/retention.ts`; the objects are
 * removed later by the garbage collection (G2).
 *
 * @module
 */
import { and, asc, eq, inArray, isNotNull } from "drizzle-orm";
import type { CheckpointId, HubTerm, JobId, RegionId } from "@shared/ids.ts";
import type { Db } from "./client.ts";
import { withReign } from "./hub_state_store.ts";
import { blobRefs, blobs, checkpointRegions, checkpoints } from "./schema.ts";

export interface HeldPart {
  readonly checkpointId: CheckpointId;
  readonly regionId: RegionId;
  readonly isSavepoint: boolean;
  readonly isAbandoned: boolean;
}

/** Parts of a job that still hold their manifest. */
export async function heldParts(db: Db, jobId: JobId): Promise<HeldPart[]> {
  const rows = await db.select({
    checkpointId: checkpointRegions.checkpointId,
    regionId: checkpointRegions.regionId,
    status: checkpointRegions.status,
    isSavepoint: checkpoints.isSavepoint,
    trigger: checkpoints.trigger,
  }).from(checkpointRegions).innerJoin(
    checkpoints,
    and(
      eq(checkpoints.jobId, checkpointRegions.jobId),
      eq(checkpoints.checkpointId, checkpointRegions.checkpointId),
    ),
  ).where(and(eq(checkpointRegions.jobId, jobId), isNotNull(checkpointRegions.snapshots)));
  return rows.map((row) => ({
    checkpointId: row.checkpointId as CheckpointId,
    regionId: row.regionId as RegionId,
    // The copy that a job was started from belongs to nobody but the job.
    isSavepoint: row.isSavepoint && row.trigger !== "restore",
    isAbandoned: row.status === "abandoned",
  }));
}

/**
 * Lets parts go. A checkpoint that loses a part is `subsumed` (an abandoned one stays that); one that
 * has no part left is not retained.
 */
export function letPartsGo(
  db: Db,
  hubTerm: HubTerm,
  letGo: {
    readonly jobId: JobId;
    readonly parts: readonly { checkpointId: CheckpointId; regionId: RegionId }[];
    readonly nowMs: number;
  },
): Promise<void> {
  return withReign(db, hubTerm, async (tx) => {
    const { jobId, parts, nowMs } = letGo;
    for (const part of parts) {
      await tx.update(checkpointRegions).set({ snapshots: null }).where(and(
        eq(checkpointRegions.jobId, jobId),
        eq(checkpointRegions.checkpointId, part.checkpointId),
        eq(checkpointRegions.regionId, part.regionId),
      ));
      await dropPartRefs(tx, { jobId, ...part }, nowMs);
    }
    for (const checkpointId of new Set(parts.map((part) => part.checkpointId))) {
      await subsume(tx, jobId, checkpointId);
    }
  });
}

async function subsume(tx: Db, jobId: JobId, checkpointId: CheckpointId): Promise<void> {
  const ofThis = and(eq(checkpoints.jobId, jobId), eq(checkpoints.checkpointId, checkpointId));
  await tx.update(checkpoints).set({ status: "subsumed" })
    .where(and(ofThis, inArray(checkpoints.status, ["completed", "degraded"])));
  const held = await tx.select({ regionId: checkpointRegions.regionId }).from(checkpointRegions)
    .where(and(
      eq(checkpointRegions.jobId, jobId),
      eq(checkpointRegions.checkpointId, checkpointId),
      isNotNull(checkpointRegions.snapshots),
    )).limit(1);
  if (held.length === 0) await tx.update(checkpoints).set({ isRetained: false }).where(ofThis);
}

/** The grace of the blobs that lose a reference begins now. */
async function dropPartRefs(
  tx: Db,
  part: { jobId: JobId; checkpointId: CheckpointId; regionId: RegionId },
  nowMs: number,
): Promise<void> {
  const rows = await tx.delete(blobRefs).where(and(
    eq(blobRefs.jobId, part.jobId),
    eq(blobRefs.checkpointId, part.checkpointId),
    eq(blobRefs.regionId, part.regionId),
  )).returning({ digest: blobRefs.digest });
  if (rows.length === 0) return;
  const locked = await tx.select({ digest: blobs.digest }).from(blobs)
    .where(and(inArray(blobs.digest, rows.map(({ digest }) => digest)), eq(blobs.state, "stored")))
    .orderBy(asc(blobs.digest)).for("update");
  if (locked.length === 0) return;
  await tx.update(blobs).set({ changedAt: new Date(nowMs) })
    .where(inArray(blobs.digest, locked.map(({ digest }) => digest)));
}
