/**
 * Checkpoints of a job and their regions' parts, as the job's loop writes them.
 *
 * Touches the database; reads for people are in `checkpoint_views.ts`. Invariants:
 *
 *   F1  A checkpoint id is taken by raising the job's counter and is never given out again.
 *   F2  A part completes only while its region's attempt is the part's.
 *   C3  The part, its manifest, its references and the region's recovery base change in one transaction.
 *   C4  Completing n aborts older pending parts of the region; nothing revives an aborted one.
 *   G1  Every blob that a part refers to is there and not marked for deletion when it completes.
 *
 * @module
 */
import { and, eq, inArray, lt, sql } from "drizzle-orm";
import type {
  AgentId,
  Attempt,
  CheckpointId,
  HubTerm,
  JobId,
  RegionId,
  SubtaskId,
} from "@shared/ids.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import { digestsOf, type SnapshotStats, type SubtaskSnapshot } from "@shared/manifest.ts";
import { addRefs, dropRefs } from "./blob_store.ts";
import type { Db } from "./client.ts";
import { withReign } from "./hub_state_store.ts";
import { updateOperation } from "./operation_store.ts";
import { blobPins, checkpointRegions, checkpoints, jobs, regions, savepoints } from "./schema.ts";

export type CheckpointTrigger =
  | "periodic"
  | "window-pressure"
  | "person"
  | "stop"
  | "rescale"
  | "restore";

export interface NewCheckpoint {
  readonly jobId: JobId;
  readonly lineage: number;
  readonly trigger: CheckpointTrigger;
  readonly parts: readonly { regionId: RegionId; attempt: Attempt; agentId: AgentId }[];
  readonly nowMs: number;
  /** Given for a savepoint: its row is made in the same transaction. */
  readonly savepoint: NewSavepoint | null;
}

export interface NewSavepoint {
  readonly id: string;
  readonly label: string | null;
  readonly owner: string;
  readonly jobName: string;
  readonly bundleDigest: string;
  readonly graph: JobGraph;
}

/** @returns The new id, or null when the job is of another lineage or is not to run any more. */
export function startCheckpoint(
  db: Db,
  hubTerm: HubTerm,
  start: NewCheckpoint,
): Promise<CheckpointId | null> {
  return withReign(db, hubTerm, async (tx) => {
    const { jobId, lineage, savepoint, parts } = start;
    const rows = await tx.update(jobs)
      .set({ lastCheckpointId: sql`${jobs.lastCheckpointId} + 1` })
      .where(
        and(eq(jobs.id, jobId), eq(jobs.lineage, lineage), eq(jobs.desiredState, "running")),
      ).returning({ id: jobs.lastCheckpointId });
    if (rows[0] === undefined) return null;
    const checkpointId = rows[0].id as CheckpointId;
    await tx.insert(checkpoints).values({
      jobId,
      checkpointId,
      lineage,
      isSavepoint: savepoint !== null,
      status: "pending",
      trigger: start.trigger,
      triggeredAt: new Date(start.nowMs),
    });
    await tx.insert(checkpointRegions).values(
      parts.map((part) => ({ jobId, checkpointId, ...part, status: "pending" })),
    );
    if (savepoint !== null) {
      await tx.insert(savepoints).values({
        ...savepoint,
        jobId,
        checkpointId,
        status: "pending",
        createdAt: new Date(start.nowMs),
      });
    }
    return checkpointId;
  });
}

export interface CompletedPart {
  readonly jobId: JobId;
  readonly checkpointId: CheckpointId;
  readonly regionId: RegionId;
  readonly attempt: Attempt;
  readonly isSavepoint: boolean;
  readonly subtasks: readonly {
    readonly subtaskId: SubtaskId;
    readonly snapshot: SubtaskSnapshot;
    readonly stats: SnapshotStats;
  }[];
  readonly nowMs: number;
}

/** Ends the transaction of a part that may not complete. */
class PartRefused extends Error {}

/**
 * Completes one region's part: the commit point of C3.
 *
 * Calling it again after a lost answer is safe: a part that is completed under this attempt is reported
 * as completed, and a transaction still under way is waited for on its row.
 *
 * @returns `refused` when the part was aborted, the attempt is over, or a blob is not there.
 */
export async function completePart(
  db: Db,
  hubTerm: HubTerm,
  part: CompletedPart,
): Promise<"completed" | "refused"> {
  try {
    return await withReign(db, hubTerm, (tx) => completePartIn(tx, part));
  } catch (thrown) {
    if (thrown instanceof PartRefused) return "refused";
    throw thrown;
  }
}

async function completePartIn(tx: Db, part: CompletedPart): Promise<"completed" | "refused"> {
  const { jobId, checkpointId, regionId, attempt } = part;
  const [row] = await tx.select({
    status: checkpointRegions.status,
    attempt: checkpointRegions.attempt,
  }).from(checkpointRegions).where(samePart(part)).for("update");
  if (row === undefined || row.attempt !== attempt) return "refused";
  if (row.status === "completed") return "completed";
  if (row.status !== "pending") return "refused";

  await tx.update(checkpointRegions).set({
    status: "completed",
    completedAt: new Date(part.nowMs),
    snapshots: part.subtasks.map(({ snapshot }) => snapshot),
    stats: part.subtasks.map(({ subtaskId, stats }) => ({ subtaskId, ...stats })),
    fullBytes: part.subtasks.reduce((sum, { stats }) => sum + stats.fullBytes, 0),
    uploadedBytes: part.subtasks.reduce((sum, { stats }) => sum + stats.uploadedBytes, 0),
  }).where(samePart(part));
  const moved = await tx.update(regions)
    .set(part.isSavepoint ? { attempt } : { lastCompletedId: checkpointId })
    .where(
      and(eq(regions.jobId, jobId), eq(regions.regionId, regionId), eq(regions.attempt, attempt)),
    ).returning({ attempt: regions.attempt });
  if (moved.length === 0) throw new PartRefused();
  const refs = await addRefs(tx, part, digestsOf(part.subtasks.map(({ snapshot }) => snapshot)));
  if (refs.kind === "missing") throw new PartRefused();
  await tx.update(checkpointRegions).set({ status: "aborted", reason: "superseded" }).where(and(
    eq(checkpointRegions.jobId, jobId),
    eq(checkpointRegions.regionId, regionId),
    lt(checkpointRegions.checkpointId, checkpointId),
    eq(checkpointRegions.status, "pending"),
  ));
  return "completed";
}

/** A row of `checkpoint_regions.stats`: what a subtask took, or why it did not acknowledge. */
export type SubtaskStats =
  | { readonly subtaskId: string } & SnapshotStats
  | {
    readonly subtaskId: string;
    readonly isMissing: true;
    /** Null when another subtask's failure ended the wait. */
    readonly reason: string | null;
    readonly detail: string | null;
  };

/** The part is aborted if it is still pending. */
export function abortPart(
  db: Db,
  hubTerm: HubTerm,
  part: {
    readonly jobId: JobId;
    readonly checkpointId: CheckpointId;
    readonly regionId: RegionId;
    readonly reason: string;
    /** What each subtask had come to; left out when nobody knows any more. */
    readonly subtasks?: readonly SubtaskStats[];
  },
): Promise<void> {
  const { reason, subtasks } = part;
  const stats = subtasks?.map((one) => ({ ...one }));
  return withReign(db, hubTerm, async (tx) => {
    await tx.update(checkpointRegions)
      .set({ status: "aborted", reason, ...(stats === undefined ? {} : { stats }) })
      .where(and(samePart(part), eq(checkpointRegions.status, "pending")));
  });
}

export interface CheckpointEnd {
  readonly jobId: JobId;
  readonly checkpointId: CheckpointId;
  readonly status: "completed" | "degraded" | "aborted";
  readonly reason: string | null;
  readonly nowMs: number;
  /** An operation that ends with this savepoint: both become durable together (H2). */
  readonly succeeds?: { readonly operationId: string; readonly result: Record<string, unknown> };
  /** The savepoint of a stop: it becomes the recovery base, and the job is not to run any more (L3). */
  readonly stopsJob?: { readonly operationId: string; readonly savepointId: string };
}

/** The checkpoint as a whole has ended; does nothing when it ended before. */
export function endCheckpoint(db: Db, hubTerm: HubTerm, end: CheckpointEnd): Promise<void> {
  return withReign(db, hubTerm, (tx) => endCheckpointIn(tx, end));
}

/** {@linkcode endCheckpoint} within a transaction that checks the reign itself. */
export async function endCheckpointIn(tx: Db, end: CheckpointEnd): Promise<void> {
  const { jobId, checkpointId } = end;
  const at = new Date(end.nowMs);
  const rows = await tx.update(checkpoints)
    .set({
      status: end.status,
      reason: end.reason,
      endedAt: at,
      isRetained: end.status !== "aborted",
    })
    .where(and(
      eq(checkpoints.jobId, jobId),
      eq(checkpoints.checkpointId, checkpointId),
      eq(checkpoints.status, "pending"),
    )).returning({ isSavepoint: checkpoints.isSavepoint });
  if (rows[0] === undefined) return;
  await tx.delete(blobPins)
    .where(and(eq(blobPins.jobId, jobId), eq(blobPins.checkpointId, checkpointId)));
  if (rows[0].isSavepoint) await endSavepointIn(tx, end);
  if (end.succeeds !== undefined) {
    await updateOperation(tx, end.succeeds.operationId, {
      status: "succeeded",
      result: end.succeeds.result,
      nowMs: end.nowMs,
    });
  }
  if (end.stopsJob !== undefined) await stopJobIn(tx, end, end.stopsJob);
}

async function endSavepointIn(tx: Db, end: CheckpointEnd): Promise<void> {
  const { jobId, checkpointId } = end;
  const ofThis = and(
    eq(checkpointRegions.jobId, jobId),
    eq(checkpointRegions.checkpointId, checkpointId),
  );
  if (end.status !== "completed") {
    await tx.update(checkpointRegions)
      .set({ status: "aborted", reason: end.reason, snapshots: null }).where(ofThis);
    await dropRefs(tx, jobId, [checkpointId], end.nowMs);
  }
  const parts = await tx.select({ bytes: checkpointRegions.fullBytes }).from(checkpointRegions)
    .where(ofThis);
  await tx.update(savepoints).set({
    status: end.status === "completed" ? "completed" : "failed",
    reason: end.reason,
    completedAt: end.status === "completed" ? new Date(end.nowMs) : null,
    fullBytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
  }).where(and(eq(savepoints.jobId, jobId), eq(savepoints.checkpointId, checkpointId)));
}

async function stopJobIn(
  tx: Db,
  end: CheckpointEnd,
  stop: { readonly operationId: string; readonly savepointId: string },
): Promise<void> {
  await tx.update(regions).set({ lastCompletedId: end.checkpointId, status: "stopping" })
    .where(eq(regions.jobId, end.jobId));
  await tx.update(jobs).set({ desiredState: "stopped", stoppedAt: new Date(end.nowMs) })
    .where(eq(jobs.id, end.jobId));
  await updateOperation(tx, stop.operationId, {
    status: "running",
    progress: { done: 1, total: 2, phase: "stopping" },
    result: { savepointId: stop.savepointId },
    nowMs: end.nowMs,
  });
}

/** What a region restores from. */
export interface StoredPart {
  readonly checkpointId: CheckpointId;
  readonly lineage: number;
  readonly isSavepoint: boolean;
  readonly snapshots: readonly SubtaskSnapshot[];
}

/** A completed part with its manifest; null when there is none or retention let it go. */
export async function readPart(
  db: Db,
  part: {
    readonly jobId: JobId;
    readonly checkpointId: CheckpointId;
    readonly regionId: RegionId;
  },
): Promise<StoredPart | null> {
  const [row] = await db.select({
    snapshots: checkpointRegions.snapshots,
    lineage: checkpoints.lineage,
    isSavepoint: checkpoints.isSavepoint,
  }).from(checkpointRegions)
    .innerJoin(checkpoints, ofSameCheckpoint())
    .where(and(samePart(part), inArray(checkpointRegions.status, ["completed", "abandoned"])));
  if (row === undefined || row.snapshots === null) return null;
  return {
    checkpointId: part.checkpointId,
    lineage: row.lineage,
    isSavepoint: row.isSavepoint,
    snapshots: row.snapshots,
  };
}

export interface RecoveredPart {
  readonly regionId: RegionId;
  readonly attempt: Attempt;
  readonly status: string;
}

export interface PendingCheckpoint {
  readonly checkpointId: CheckpointId;
  readonly isSavepoint: boolean;
  readonly parts: readonly RecoveredPart[];
}

/** Checkpoints that a hub left pending when it died, oldest first (H1). */
export async function pendingCheckpoints(db: Db, jobId: JobId): Promise<PendingCheckpoint[]> {
  const rows = await db.select({
    checkpointId: checkpoints.checkpointId,
    isSavepoint: checkpoints.isSavepoint,
    regionId: checkpointRegions.regionId,
    attempt: checkpointRegions.attempt,
    status: checkpointRegions.status,
  }).from(checkpoints).innerJoin(checkpointRegions, ofSameCheckpoint())
    .where(and(eq(checkpoints.jobId, jobId), eq(checkpoints.status, "pending")));
  const found = new Map<number, PendingCheckpoint & { parts: RecoveredPart[] }>();
  for (const row of rows) {
    const checkpointId = row.checkpointId as CheckpointId;
    const one = found.get(checkpointId) ??
      { checkpointId, isSavepoint: row.isSavepoint, parts: [] };
    one.parts.push({
      regionId: row.regionId as RegionId,
      attempt: row.attempt as Attempt,
      status: row.status,
    });
    found.set(checkpointId, one);
  }
  return [...found.values()].sort((a, b) => a.checkpointId - b.checkpointId);
}

function samePart(
  part: {
    readonly jobId: JobId;
    readonly checkpointId: CheckpointId;
    readonly regionId: RegionId;
  },
) {
  return and(
    eq(checkpointRegions.jobId, part.jobId),
    eq(checkpointRegions.checkpointId, part.checkpointId),
    eq(checkpointRegions.regionId, part.regionId),
  );
}

function ofSameCheckpoint() {
  return and(
    eq(checkpointRegions.jobId, checkpoints.jobId),
    eq(checkpointRegions.checkpointId, checkpoints.checkpointId),
  );
}
