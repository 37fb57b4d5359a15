/**
 * Checkpoints as the REST API shows them.
 *
 * Touches the database; reads only.
 *
 * @module
 */
import { and, desc, eq, inArray, lt, sql } from "drizzle-orm";
import type { CheckpointDetail, CheckpointView } from "@shared/api.ts";
import type { SnapshotStats } from "@shared/manifest.ts";
import type { Db } from "./client.ts";
import { agents, checkpointRegions, checkpoints } from "./schema.ts";

type CheckpointRow = typeof checkpoints.$inferSelect;

interface PartTotals {
  readonly regionsCompleted: number;
  readonly regionsTotal: number;
  readonly fullBytes: number;
  readonly uploadedBytes: number;
}

const P99_SAMPLES_MAX = 200;

const NO_PARTS: PartTotals = {
  regionsCompleted: 0,
  regionsTotal: 0,
  fullBytes: 0,
  uploadedBytes: 0,
};

/** Newest first; page on with the id of the last one. */
export async function listCheckpoints(
  db: Db,
  jobId: string,
  page: { readonly limit: number; readonly beforeId: number | null },
): Promise<CheckpointView[]> {
  const ofJob = eq(checkpoints.jobId, jobId);
  const rows = await db.select().from(checkpoints)
    .where(page.beforeId === null ? ofJob : and(ofJob, lt(checkpoints.checkpointId, page.beforeId)))
    .orderBy(desc(checkpoints.checkpointId)).limit(page.limit);
  const totals = await totalsOf(db, jobId, rows.map((row) => row.checkpointId));
  return rows.map((row) => viewOf(row, totals.get(row.checkpointId) ?? NO_PARTS));
}

/** 99th percentile of the durations of a job's last checkpoints; null when it has none. */
export async function recentCheckpointP99Ms(db: Db, jobId: string): Promise<number | null> {
  const rows = await db
    .select({ triggeredAt: checkpoints.triggeredAt, endedAt: checkpoints.endedAt })
    .from(checkpoints).where(and(
      eq(checkpoints.jobId, jobId),
      inArray(checkpoints.status, ["completed", "degraded", "subsumed"]),
    )).orderBy(desc(checkpoints.checkpointId)).limit(P99_SAMPLES_MAX);
  const durationsMs = rows
    .flatMap(({ triggeredAt, endedAt }) => endedAt === null ? [] : [+endedAt - +triggeredAt])
    .sort((a, b) => a - b);
  return durationsMs[Math.ceil(0.99 * durationsMs.length) - 1] ?? null;
}

/** One checkpoint with the parts of its regions; null when there is none. */
export async function getCheckpoint(
  db: Db,
  jobId: string,
  checkpointId: number,
): Promise<CheckpointDetail | null> {
  const [row] = await db.select().from(checkpoints)
    .where(and(eq(checkpoints.jobId, jobId), eq(checkpoints.checkpointId, checkpointId)));
  if (row === undefined) return null;
  const parts = await db.select({ part: checkpointRegions, agentName: agents.name })
    .from(checkpointRegions).leftJoin(agents, eq(agents.id, checkpointRegions.agentId))
    .where(and(
      eq(checkpointRegions.jobId, jobId),
      eq(checkpointRegions.checkpointId, checkpointId),
    )).orderBy(checkpointRegions.regionId);
  const totals = await totalsOf(db, jobId, [checkpointId]);
  return {
    ...viewOf(row, totals.get(checkpointId) ?? NO_PARTS),
    regions: parts.map(({ part, agentName }) => ({
      regionId: part.regionId,
      agentId: part.agentId,
      agentName,
      attempt: part.attempt,
      status: part.status,
      completedAt: part.completedAt?.toISOString() ?? null,
      reason: part.reason,
      subtasks: (part.stats ?? []) as unknown as ({ subtaskId: string } & SnapshotStats)[],
    })),
  };
}

async function totalsOf(
  db: Db,
  jobId: string,
  checkpointIds: readonly number[],
): Promise<Map<number, PartTotals>> {
  if (checkpointIds.length === 0) return new Map();
  const rows = await db.select({
    checkpointId: checkpointRegions.checkpointId,
    regionsTotal: sql<number>`count(*)::int`,
    regionsCompleted: sql<
      number
    >`count(*) filter (where ${checkpointRegions.completedAt} is not null)::int`,
    fullBytes: sql<number>`sum(${checkpointRegions.fullBytes})::float8`,
    uploadedBytes: sql<number>`sum(${checkpointRegions.uploadedBytes})::float8`,
  }).from(checkpointRegions).where(and(
    eq(checkpointRegions.jobId, jobId),
    inArray(checkpointRegions.checkpointId, [...checkpointIds]),
  )).groupBy(checkpointRegions.checkpointId);
  return new Map(rows.map(({ checkpointId, ...totals }) => [checkpointId, totals]));
}

function viewOf(row: CheckpointRow, totals: PartTotals): CheckpointView {
  return {
    id: row.checkpointId,
    lineage: row.lineage,
    isSavepoint: row.isSavepoint,
    status: row.status,
    trigger: row.trigger,
    triggeredAt: row.triggeredAt.toISOString(),
    endedAt: row.endedAt?.toISOString() ?? null,
    durationMs: row.endedAt === null ? null : row.endedAt.getTime() - row.triggeredAt.getTime(),
    reason: row.reason,
    ...totals,
  };
}
