/**
 * Checkpoints as the REST API shows them.
 *
 * Touches the database; reads only.
 *
 * @module
 */
import { and, desc, eq, getTableColumns, gte, inArray, lt, lte, sql } from "drizzle-orm";
import type { CheckpointDetail, CheckpointView } from "@shared/job_api.ts";
import type { SubtaskStats } from "./checkpoint_store.ts";
import type { Db } from "./client.ts";
import { agents, attempts, checkpointRegions, checkpoints } from "./schema.ts";

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

/** Which checkpoints of a job are asked for; null: all. */
export interface CheckpointFilter {
  readonly statuses: readonly string[] | null;
  readonly isSavepoint: boolean | null;
  /** Triggered at or after, and at or before. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

/** Live rows, newest first; page on with the id of the last one. */
export async function listCheckpoints(
  db: Db,
  jobId: string,
  page: { readonly limit: number; readonly beforeId: number | null } & Partial<CheckpointFilter>,
): Promise<CheckpointView[]> {
  const { beforeId, statuses = null, isSavepoint = null, fromMs = null, toMs = null } = page;
  const rows = await db.select().from(checkpoints).where(and(
    eq(checkpoints.jobId, jobId),
    beforeId === null ? undefined : lt(checkpoints.checkpointId, beforeId),
    statuses === null ? undefined : inArray(checkpoints.status, [...statuses]),
    isSavepoint === null ? undefined : eq(checkpoints.isSavepoint, isSavepoint),
    fromMs === null ? undefined : gte(checkpoints.triggeredAt, new Date(fromMs)),
    toMs === null ? undefined : lte(checkpoints.triggeredAt, new Date(toMs)),
  )).orderBy(desc(checkpoints.checkpointId)).limit(page.limit);
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

/** One live checkpoint with the parts of its regions; null when there is none. */
export async function getCheckpoint(
  db: Db,
  jobId: string,
  checkpointId: number,
): Promise<CheckpointDetail | null> {
  return (await checkpointDetails(db, jobId, [checkpointId]))[0] ?? null;
}

/** Live checkpoints with the parts of their regions, ascending. */
export async function checkpointDetails(
  db: Db,
  jobId: string,
  checkpointIds: readonly number[],
): Promise<CheckpointDetail[]> {
  const ids = [...checkpointIds];
  const rows = await db.select().from(checkpoints)
    .where(and(eq(checkpoints.jobId, jobId), inArray(checkpoints.checkpointId, ids)))
    .orderBy(checkpoints.checkpointId);
  const parts = await partsOf(db, jobId, ids);
  const byCheckpoint = Map.groupBy(parts, ({ part }) => part.checkpointId);
  const names = await agentNames(db);
  const totals = await totalsOf(db, jobId, ids);
  return rows.map((row) => ({
    ...viewOf(row, totals.get(row.checkpointId) ?? NO_PARTS),
    regions: (byCheckpoint.get(row.checkpointId) ?? []).map((one) => regionPartOf(one, names)),
  }));
}

interface PlacedPart {
  readonly part: Omit<typeof checkpointRegions.$inferSelect, "snapshots">;
  /** Of the attempt: which agent each subtask was on. */
  readonly placement: Readonly<Record<string, string>> | null;
}

function partsOf(db: Db, jobId: string, checkpointIds: number[]): Promise<PlacedPart[]> {
  const { snapshots: _large, ...part } = getTableColumns(checkpointRegions);
  return db.select({ part, placement: attempts.placement }).from(checkpointRegions)
    .leftJoin(
      attempts,
      and(
        eq(attempts.jobId, checkpointRegions.jobId),
        eq(attempts.regionId, checkpointRegions.regionId),
        eq(attempts.attempt, checkpointRegions.attempt),
      ),
    ).where(and(
      eq(checkpointRegions.jobId, jobId),
      inArray(checkpointRegions.checkpointId, checkpointIds),
    )).orderBy(checkpointRegions.regionId);
}

async function agentNames(db: Db): Promise<ReadonlyMap<string, string>> {
  const rows = await db.select({ id: agents.id, name: agents.name }).from(agents);
  return new Map(rows.map(({ id, name }) => [id, name]));
}

function regionPartOf(
  { part, placement }: PlacedPart,
  names: ReadonlyMap<string, string>,
): CheckpointDetail["regions"][number] {
  const onAgent = (subtaskId: string) => {
    const agentId = placement?.[subtaskId] ?? part.agentId;
    return { subtaskId, agentId, agentName: names.get(agentId) ?? null };
  };
  const stats = (part.stats ?? []) as unknown as SubtaskStats[];
  return {
    regionId: part.regionId,
    agentId: part.agentId,
    agentName: names.get(part.agentId) ?? null,
    attempt: part.attempt,
    status: part.status,
    completedAt: part.completedAt?.toISOString() ?? null,
    reason: part.reason,
    subtasks: stats.flatMap((one) =>
      "isMissing" in one ? [] : [{ ...one, ...onAgent(one.subtaskId) }]
    ),
    missing: stats.flatMap((one) =>
      "isMissing" in one
        ? [{ ...onAgent(one.subtaskId), reason: one.reason, detail: one.detail }]
        : []
    ),
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
