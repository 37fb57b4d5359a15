/**
 * Savepoints: reading them, deleting one, and starting another job from one.
 *
 * Touches the database. They are made by the checkpoint store, in the transaction of their checkpoint.
 *
 * @module
 */
import { and, desc, eq, gt, inArray, isNotNull, lt, or, sql } from "drizzle-orm";
import type { SavepointView } from "@shared/job_api.ts";
import type { CheckpointId, HubTerm, JobId, RegionId } from "@shared/ids.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import { digestsOf, type SubtaskSnapshot } from "@shared/manifest.ts";
import { addRefs, dropRefs } from "./blob_store.ts";
import type { Db } from "./client.ts";
import { principalNames } from "./principal_names.ts";
import { withReign } from "./hub_state_store.ts";
import { checkpointRegions, checkpoints, jobs, regions, savepoints } from "./schema.ts";

export interface SavepointRecord extends SavepointView {
  readonly jobId: JobId;
  readonly checkpointId: CheckpointId;
  readonly lineage: number;
  readonly graph: JobGraph;
}

export interface SavepointPart {
  readonly regionId: RegionId;
  readonly snapshots: readonly SubtaskSnapshot[];
}

export async function getSavepoint(db: Db, id: string): Promise<SavepointRecord | null> {
  const rows = await db.select({ savepoint: savepoints, lineage: checkpoints.lineage })
    .from(savepoints).innerJoin(checkpoints, ofCheckpoint()).where(eq(savepoints.id, id));
  if (rows[0] === undefined) return null;
  const { savepoint, lineage } = rows[0];
  return {
    ...(await viewsOf(db, [savepoint]))[0]!,
    jobId: savepoint.jobId as JobId,
    checkpointId: savepoint.checkpointId as CheckpointId,
    lineage,
    graph: savepoint.graph,
  };
}

/** Newest first; ids sort by time, so the last id of a page is the cursor of the next. */
export async function listSavepoints(
  db: Db,
  page: { readonly limit: number; readonly beforeId: string | null; readonly jobId: string | null },
): Promise<SavepointView[]> {
  const rows = await db.select().from(savepoints).where(and(
    page.beforeId === null ? undefined : lt(savepoints.id, page.beforeId),
    page.jobId === null ? undefined : eq(savepoints.jobId, page.jobId),
  )).orderBy(desc(savepoints.id)).limit(page.limit);
  return await viewsOf(db, rows);
}

/** What the regions saved, sorted by region. */
export async function savepointParts(
  db: Db,
  savepoint: { readonly jobId: JobId; readonly checkpointId: CheckpointId },
): Promise<SavepointPart[]> {
  const rows = await db.select({
    regionId: checkpointRegions.regionId,
    snapshots: checkpointRegions.snapshots,
  }).from(checkpointRegions).where(and(
    eq(checkpointRegions.jobId, savepoint.jobId),
    eq(checkpointRegions.checkpointId, savepoint.checkpointId),
  )).orderBy(checkpointRegions.regionId);
  return rows.map((row) => ({
    regionId: row.regionId as RegionId,
    snapshots: row.snapshots ?? [],
  }));
}

/**
 * Deletes a savepoint and its references, unless a running job still needs it.
 *
 * @returns `needed` when a region's only recovery base is this savepoint (L2).
 */
export function deleteSavepoint(
  db: Db,
  hubTerm: HubTerm,
  ask: { readonly id: string; readonly nowMs: number },
): Promise<"deleted" | "not-found" | "pending" | "needed"> {
  return withReign(db, hubTerm, async (tx) => {
    const [row] = await tx.select().from(savepoints).where(eq(savepoints.id, ask.id)).for("update");
    if (row === undefined) return "not-found";
    if (row.status === "pending") return "pending";
    const bases = await tx.select({ regionId: regions.regionId }).from(regions)
      .innerJoin(jobs, eq(jobs.id, regions.jobId)).where(and(
        eq(regions.jobId, row.jobId),
        eq(jobs.desiredState, "running"),
        sql`coalesce(${regions.lastCompletedId}, ${regions.restoredFromId}) = ${row.checkpointId}`,
      )).for("update", { of: regions });
    if (bases.length > 0) return "needed";
    await removeSavepoint(tx, row, ask.nowMs);
    return "deleted";
  });
}

/**
 * Deletes the savepoints whose claim is spent: the job that took one over has completed a checkpoint of
 * its own, and no region of it would start from its copy any more.
 *
 * @returns Ids of the savepoints that are gone.
 */
export function deleteSpentClaims(db: Db, hubTerm: HubTerm, nowMs: number): Promise<string[]> {
  return withReign(db, hubTerm, async (tx) => {
    const rows = await tx.select().from(savepoints).where(and(
      isNotNull(savepoints.claimedByJobId),
      eq(savepoints.status, "completed"),
      sql`exists (select 1 from ${checkpoints} own where own.job_id = ${savepoints.claimedByJobId}
        and not own.is_savepoint and own.status in ('completed', 'degraded', 'subsumed'))`,
      sql`not exists (select 1 from ${checkpoints} copy where copy.job_id = ${savepoints.claimedByJobId}
        and copy.trigger = 'restore' and copy.is_retained)`,
      sql`not exists (select 1 from ${regions} r join ${jobs} j on j.id = r.job_id
        where r.job_id = ${savepoints.jobId} and j.desired_state = 'running'
        and coalesce(r.last_completed_id, r.restored_from_id) = ${savepoints.checkpointId})`,
    )).for("update");
    for (const row of rows) await removeSavepoint(tx, row, nowMs);
    return rows.map(({ id }) => id);
  });
}

/** The row, its parts and its references; the checkpoint's own row stays as history. */
async function removeSavepoint(
  tx: Db,
  row: typeof savepoints.$inferSelect,
  nowMs: number,
): Promise<void> {
  const checkpointId = row.checkpointId as CheckpointId;
  await dropRefs(tx, row.jobId as JobId, [checkpointId], nowMs);
  await tx.update(checkpointRegions).set({ snapshots: null }).where(and(
    eq(checkpointRegions.jobId, row.jobId),
    eq(checkpointRegions.checkpointId, checkpointId),
  ));
  await tx.update(checkpoints).set({ isRetained: false, status: "subsumed" }).where(and(
    eq(checkpoints.jobId, row.jobId),
    eq(checkpoints.checkpointId, checkpointId),
  ));
  await tx.delete(savepoints).where(eq(savepoints.id, row.id));
}

/** Whether the job has told its brokers, since the checkpoint, that later records are done (P1, K2). */
export async function isAcknowledgedSince(
  db: Db,
  savepoint: { readonly jobId: JobId; readonly checkpointId: CheckpointId },
): Promise<boolean> {
  const rows = await db.select({ id: checkpoints.checkpointId }).from(checkpoints).where(and(
    eq(checkpoints.jobId, savepoint.jobId),
    gt(checkpoints.checkpointId, savepoint.checkpointId),
    inArray(checkpoints.status, ["completed", "degraded", "subsumed"]),
    or(eq(checkpoints.isSavepoint, false), eq(checkpoints.trigger, "stop")),
  )).limit(1);
  return rows.length > 0;
}

/** What the regions of a job would start from now: their last completed parts. */
export async function lastParts(
  db: Db,
  jobId: JobId,
): Promise<{ readonly checkpointId: CheckpointId; readonly parts: SavepointPart[] } | null> {
  const base = sql<number>`coalesce(${regions.lastCompletedId}, ${regions.restoredFromId})`;
  const rows = await db.select({
    regionId: checkpointRegions.regionId,
    checkpointId: checkpointRegions.checkpointId,
    snapshots: checkpointRegions.snapshots,
  }).from(regions).innerJoin(
    checkpointRegions,
    and(
      eq(checkpointRegions.jobId, regions.jobId),
      eq(checkpointRegions.regionId, regions.regionId),
      sql`${checkpointRegions.checkpointId} = ${base}`,
    ),
  ).where(eq(regions.jobId, jobId)).orderBy(checkpointRegions.regionId);
  if (rows.length === 0) return null;
  return {
    checkpointId: Math.max(...rows.map((row) => row.checkpointId)) as CheckpointId,
    parts: rows.map((row) => ({
      regionId: row.regionId as RegionId,
      snapshots: row.snapshots ?? [],
    })),
  };
}

/**
 * Copies a savepoint of another job into `jobId` as its first checkpoint, references included, so that
 * the new job depends on nothing of the old one.
 *
 * @returns The id of the copy, or null when one of its blobs is not there any more.
 */
export async function adoptSavepoint(
  tx: Db,
  into: {
    readonly jobId: JobId;
    readonly lineage: number;
    readonly parts: readonly SavepointPart[];
    readonly nowMs: number;
  },
): Promise<CheckpointId | null> {
  const { jobId, lineage, parts } = into;
  const at = new Date(into.nowMs);
  const [row] = await tx.update(jobs)
    .set({ lastCheckpointId: sql`${jobs.lastCheckpointId} + 1` })
    .where(eq(jobs.id, jobId)).returning({ id: jobs.lastCheckpointId });
  const checkpointId = row!.id as CheckpointId;
  await tx.insert(checkpoints).values({
    jobId,
    checkpointId,
    lineage,
    isSavepoint: true,
    status: "completed",
    trigger: "restore",
    triggeredAt: at,
    endedAt: at,
  });
  for (const { regionId, snapshots } of parts) {
    await tx.insert(checkpointRegions).values({
      jobId,
      checkpointId,
      regionId,
      attempt: 0,
      agentId: "",
      status: "completed",
      completedAt: at,
      snapshots: [...snapshots],
    });
    const refs = await addRefs(tx, { jobId, checkpointId, regionId }, digestsOf(snapshots));
    if (refs.kind === "missing") return null;
  }
  return checkpointId;
}

function ofCheckpoint() {
  return and(
    eq(checkpoints.jobId, savepoints.jobId),
    eq(checkpoints.checkpointId, savepoints.checkpointId),
  );
}

async function viewsOf(
  db: Db,
  rows: readonly (typeof savepoints.$inferSelect)[],
): Promise<SavepointView[]> {
  const names = await principalNames(db, rows.map((row) => row.owner));
  return rows.map((row) => ({
    id: row.id,
    jobId: row.jobId,
    jobName: row.jobName,
    checkpointId: row.checkpointId,
    label: row.label,
    owner: row.owner,
    ownerName: names.get(row.owner) ?? null,
    claimedByJobId: row.claimedByJobId,
    bundleDigest: row.bundleDigest,
    status: row.status as SavepointView["status"],
    reason: row.reason,
    createdAt: row.createdAt.toISOString(),
    completedAt: row.completedAt?.toISOString() ?? null,
    fullBytes: row.fullBytes,
  }));
}
