/**
 * Spans of records known lost, from rollbacks and lost sessions (P4, M9).
 *
 * Touches the database.
 *
 * @module
 */
import { and, desc, eq, lt, max } from "drizzle-orm";
import type { GapView } from "@shared/job_api.ts";
import type { JobId, RegionId } from "@shared/ids.ts";
import type { RestorePlan } from "@shared/messages.ts";
import type { Db } from "./client.ts";
import { gaps } from "./schema.ts";

export interface NewGap {
  readonly id: string;
  readonly jobId: JobId;
  readonly regionId: RegionId;
  readonly sourceUid: string;
  readonly splitIndex: number;
  readonly cause: "rollback" | "session-lost";
  /** Null when not known. */
  readonly fromPosition: number | null;
  readonly toPosition: number | null;
  readonly fromAtMs: number | null;
  readonly toAtMs: number | null;
  readonly savepointId: string | null;
  readonly nowMs: number;
}

export async function insertGaps(tx: Db, rows: readonly NewGap[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.insert(gaps).values(rows.map(({ fromAtMs, toAtMs, nowMs, ...gap }) => ({
    ...gap,
    fromAt: fromAtMs === null ? null : new Date(fromAtMs),
    toAt: toAtMs === null ? null : new Date(toAtMs),
    createdAt: new Date(nowMs),
  })));
}

/** A span of records of one split that a rollback left behind. */
export interface GapSpan {
  readonly regionId: RegionId;
  readonly sourceUid: string;
  readonly splitIndex: number;
  /** Last record before the span, and its last record. */
  readonly fromPosition: number;
  readonly toPosition: number;
  readonly fromAtMs: number | null;
  readonly toAtMs: number | null;
}

/** The spans that rollbacks of the job left behind, by split and position. */
export async function listGapSpans(db: Db, jobId: JobId): Promise<GapSpan[]> {
  const rows = await db.select().from(gaps)
    .where(and(eq(gaps.jobId, jobId), eq(gaps.cause, "rollback")))
    .orderBy(gaps.regionId, gaps.sourceUid, gaps.splitIndex, gaps.fromPosition);
  return rows.flatMap(({ fromPosition, toPosition, ...row }) =>
    fromPosition === null || toPosition === null ? [] : [{
      regionId: row.regionId as RegionId,
      sourceUid: row.sourceUid,
      splitIndex: row.splitIndex,
      fromPosition,
      toPosition,
      fromAtMs: row.fromAt?.getTime() ?? null,
      toAtMs: row.toAt?.getTime() ?? null,
    }]
  );
}

/**
 * Ordinals that a lineage of the region has given to records before a rollback, the highest of each split:
 * whatever is restored, the next record of the split is another one (P4).
 */
export async function positionFloors(
  db: Db,
  region: { readonly jobId: JobId; readonly regionId: RegionId },
): Promise<RestorePlan["positionFloors"]> {
  const rows = await db.select({
    sourceUid: gaps.sourceUid,
    splitIndex: gaps.splitIndex,
    position: max(gaps.toPosition),
  }).from(gaps).where(and(
    eq(gaps.jobId, region.jobId),
    eq(gaps.regionId, region.regionId),
    eq(gaps.cause, "rollback"),
  )).groupBy(gaps.sourceUid, gaps.splitIndex);
  return rows.map((row) => ({ ...row, position: Number(row.position ?? 0) }))
    .filter(({ position }) => position > 0);
}

/** Newest first; ids sort by time, so the last id of a page is the cursor of the next. */
export async function listGaps(
  db: Db,
  jobId: string,
  page: { readonly limit: number; readonly beforeId: string | null },
): Promise<GapView[]> {
  const ofJob = eq(gaps.jobId, jobId);
  const rows = await db.select().from(gaps)
    .where(page.beforeId === null ? ofJob : and(ofJob, lt(gaps.id, page.beforeId)))
    .orderBy(desc(gaps.id)).limit(page.limit);
  return rows.map((row) => ({
    id: row.id,
    jobId: row.jobId,
    regionId: row.regionId,
    sourceUid: row.sourceUid,
    splitIndex: row.splitIndex,
    cause: row.cause,
    fromPosition: row.fromPosition,
    toPosition: row.toPosition,
    records: row.fromPosition === null || row.toPosition === null
      ? null
      : row.toPosition - row.fromPosition,
    fromAt: row.fromAt?.toISOString() ?? null,
    toAt: row.toAt?.toISOString() ?? null,
    savepointId: row.savepointId,
    createdAt: row.createdAt.toISOString(),
  }));
}
