/**
 * Checkpoints of a job as one history: live rows and the archive behind one cursor, and their summary.
 *
 * Touches the database; reads only.
 *
 * @module
 */
import { and, asc, desc, eq, gt, gte, isNotNull, lte, sql } from "drizzle-orm";
import type {
  CheckpointDetail,
  CheckpointSummary,
  CheckpointView,
  Percentiles,
} from "@shared/job_api.ts";
import { findArchived, readArchive } from "./checkpoint_archive_store.ts";
import { type CheckpointFilter, getCheckpoint, listCheckpoints } from "./checkpoint_views.ts";
import { type Db, rowsOf } from "./client.ts";
import { attempts, checkpoints } from "./schema.ts";

/** Archive rows read for one page, until it is full; a filter that finds little gives a short page. */
const ARCHIVE_ROWS_TRIED = [0, 1, 3, 20];
/** Archive rows read for one summary. */
const ARCHIVE_ROWS_PER_SUMMARY = 400;
/** Live checkpoints whose parts are read at a time. */
const LIVE_PER_READ = 5_000;
/** Statuses of checkpoints that completed. */
const COMPLETED = ["completed", "degraded", "subsumed"];

export interface HistoryPage {
  readonly items: readonly CheckpointView[];
  /** Page on below this id; null at the end. A page may be short, even empty, before it. */
  readonly nextBeforeId: number | null;
}

/** One page of a job's checkpoints, newest first, wherever they are kept. */
export async function pageCheckpoints(
  db: Db,
  jobId: string,
  page: { readonly limit: number; readonly beforeId: number | null },
  filter: CheckpointFilter,
): Promise<HistoryPage> {
  const { limit, beforeId } = page;
  const live = await listCheckpoints(db, jobId, { ...page, ...filter, limit: limit + 1 });
  const span = { beforeId, fromMs: filter.fromMs, toMs: filter.toMs };
  for (const rowsMax of ARCHIVE_ROWS_TRIED) {
    const keep = (one: CheckpointDetail) => matches(one, filter) ? withoutParts(one) : null;
    const { kept, unread } = await readArchive(db, jobId, span, { rowsMax, keep });
    // Rows that were not read hold ids up to and with this.
    const floor = unread?.lastId ?? 0;
    const found = [...live, ...kept].filter(({ id }) => id > floor).sort((a, b) => b.id - a.id);
    const items = found.slice(0, limit);
    if (found.length > limit) return { items, nextBeforeId: items.at(-1)!.id };
    if (unread === null) return { items, nextBeforeId: null };
    if (rowsMax === ARCHIVE_ROWS_TRIED.at(-1)) return { items, nextBeforeId: floor + 1 };
  }
  throw new Error("The last try answers");
}

function matches(one: CheckpointView, { statuses, isSavepoint }: CheckpointFilter): boolean {
  return (statuses === null || statuses.includes(one.status)) &&
    (isSavepoint === null || one.isSavepoint === isSavepoint);
}

function withoutParts({ regions: _parts, ...view }: CheckpointDetail): CheckpointView {
  return view;
}

/** One checkpoint with its parts, wherever it is kept; null when there is none. */
export async function findCheckpoint(
  db: Db,
  jobId: string,
  checkpointId: number,
): Promise<CheckpointDetail | null> {
  return await getCheckpoint(db, jobId, checkpointId) ??
    await findArchived(db, jobId, checkpointId);
}

/** What the summary needs of one checkpoint; phases are those of its slowest subtask. */
interface Figures {
  readonly status: string;
  readonly triggeredAtMs: number;
  readonly durationMs: number | null;
  readonly startDelayMs: number | null;
  readonly alignmentMs: number | null;
  readonly syncMs: number | null;
  readonly asyncMs: number | null;
  readonly fullBytes: number;
  readonly uploadedBytes: number;
}

/**
 * Counts and percentiles of the checkpoints that were triggered in a span.
 *
 * @param rowsMax Archive rows it reads at most. Where the span holds more, `from` of the answer says since
 *   when it counts.
 */
export async function summarizeCheckpoints(
  db: Db,
  jobId: string,
  span: { readonly fromMs: number; readonly toMs: number },
  rowsMax: number = ARCHIVE_ROWS_PER_SUMMARY,
): Promise<Omit<CheckpointSummary, "config">> {
  const keep = (one: CheckpointDetail) => figuresOf(one);
  const { kept, unread } = await readArchive(db, jobId, { beforeId: null, ...span }, {
    rowsMax,
    keep,
  });
  const fromMs = unread === null ? span.fromMs : Math.max(span.fromMs, unread.toMs + 1);
  const all = [...await liveFigures(db, jobId, { ...span, fromMs }), ...kept]
    .filter(({ triggeredAtMs }) => triggeredAtMs >= fromMs);
  const counts: Record<string, number> = {};
  for (const { status } of all) counts[status] = (counts[status] ?? 0) + 1;
  const completed = all.filter(({ status }) => COMPLETED.includes(status));
  const spread = (pick: (one: Figures) => number | null) =>
    percentilesOf(completed.map(pick).filter((value) => value !== null));
  return {
    from: new Date(fromMs).toISOString(),
    to: new Date(span.toMs).toISOString(),
    counts,
    durationMs: spread((one) => one.durationMs),
    startDelayMs: spread((one) => one.startDelayMs),
    alignmentMs: spread((one) => one.alignmentMs),
    syncMs: spread((one) => one.syncMs),
    asyncMs: spread((one) => one.asyncMs),
    fullBytes: spread((one) => one.fullBytes),
    uploadedBytes: spread((one) => one.uploadedBytes),
    latest: {
      completed: await newest(db, jobId, { statuses: COMPLETED, isSavepoint: false }),
      failed: await newest(db, jobId, { statuses: ["aborted"], isSavepoint: null }),
      savepoint: await newest(db, jobId, { statuses: COMPLETED, isSavepoint: true }),
      restored: await newestRestore(db, jobId),
    },
  };
}

/** The newest live one: of each outcome the archive leaves the newest where it is. */
async function newest(
  db: Db,
  jobId: string,
  wanted: Pick<CheckpointFilter, "statuses" | "isSavepoint">,
): Promise<CheckpointView | null> {
  return (await listCheckpoints(db, jobId, { ...wanted, limit: 1, beforeId: null }))[0] ?? null;
}

async function newestRestore(
  db: Db,
  jobId: string,
): Promise<CheckpointSummary["latest"]["restored"]> {
  const [row] = await db.select().from(attempts)
    .where(and(
      eq(attempts.jobId, jobId),
      isNotNull(attempts.restoredFromId),
      isNotNull(attempts.runningAt),
    )).orderBy(desc(attempts.runningAt)).limit(1);
  return row === undefined
    ? null
    : { at: row.runningAt!.toISOString(), checkpointId: row.restoredFromId! };
}

/** Live checkpoints of a span, a bounded number at a time. */
async function liveFigures(
  db: Db,
  jobId: string,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Promise<readonly Figures[]> {
  const all: Figures[] = [];
  for (let afterId = -1;;) {
    const heads = await db.select({
      id: checkpoints.checkpointId,
      status: checkpoints.status,
      triggeredAt: checkpoints.triggeredAt,
      endedAt: checkpoints.endedAt,
    }).from(checkpoints).where(and(
      eq(checkpoints.jobId, jobId),
      gt(checkpoints.checkpointId, afterId),
      gte(checkpoints.triggeredAt, new Date(fromMs)),
      lte(checkpoints.triggeredAt, new Date(toMs)),
    )).orderBy(asc(checkpoints.checkpointId)).limit(LIVE_PER_READ);
    if (heads.length === 0) return all;
    const parts = await livePartFigures(db, jobId, heads[0]!.id, heads.at(-1)!.id);
    for (const { id, status, triggeredAt, endedAt } of heads) {
      const triggeredAtMs = triggeredAt.getTime();
      const durationMs = endedAt === null ? null : endedAt.getTime() - triggeredAtMs;
      all.push({ status, triggeredAtMs, durationMs, ...together(parts.get(id) ?? []) });
    }
    if (heads.length < LIVE_PER_READ) return all;
    afterId = heads.at(-1)!.id;
  }
}

/** A plain scan of its own, put together by the caller: PGlite keeps no statistics to plan a join with. */
async function livePartFigures(
  db: Db,
  jobId: string,
  firstId: number,
  lastId: number,
): Promise<ReadonlyMap<number, readonly PartFigures[]>> {
  const longest = (name: string) =>
    sql`max((s.value->>${sql.raw(`'${name}'`)})::float8) as ${sql.raw(`"${name}"`)}`;
  const found = await db.execute(sql`
    select p.checkpoint_id::float8 as "id", f.*, p.full_bytes::float8 as "fullBytes",
      p.uploaded_bytes::float8 as "uploadedBytes"
    from checkpoint_regions p cross join lateral (
      select ${longest("startDelayMs")}, ${longest("alignmentMs")}, ${longest("syncMs")},
        ${longest("asyncMs")} from jsonb_array_elements(p.stats) s) f
    where p.job_id = ${jobId} and p.checkpoint_id between ${firstId} and ${lastId}`);
  return Map.groupBy(rowsOf<PartFigures & { id: number }>(found), ({ id }) => id);
}

type PartFigures = Omit<Figures, "status" | "triggeredAtMs" | "durationMs">;

function together(parts: readonly PartFigures[]): PartFigures {
  const longest = (pick: (part: PartFigures) => number | null) => {
    const values = parts.map(pick).filter((value) => value !== null);
    return values.length === 0 ? null : Math.max(...values);
  };
  return {
    startDelayMs: longest((part) => part.startDelayMs),
    alignmentMs: longest((part) => part.alignmentMs),
    syncMs: longest((part) => part.syncMs),
    asyncMs: longest((part) => part.asyncMs),
    fullBytes: parts.reduce((sum, part) => sum + part.fullBytes, 0),
    uploadedBytes: parts.reduce((sum, part) => sum + part.uploadedBytes, 0),
  };
}

function figuresOf(one: CheckpointDetail): Figures {
  const subtasks = one.regions.flatMap((region) => region.subtasks);
  const longest = (pick: (subtask: typeof subtasks[number]) => number) =>
    subtasks.length === 0 ? null : subtasks.reduce((most, s) => Math.max(most, pick(s)), -Infinity);
  // Field by field: what else the checkpoint holds shall not stay in memory.
  return {
    status: one.status,
    triggeredAtMs: Date.parse(one.triggeredAt),
    durationMs: one.durationMs,
    startDelayMs: longest((s) => s.startDelayMs),
    alignmentMs: longest((s) => s.alignmentMs),
    syncMs: longest((s) => s.syncMs),
    asyncMs: longest((s) => s.asyncMs),
    fullBytes: one.fullBytes,
    uploadedBytes: one.uploadedBytes,
  };
}

/** Nearest-rank percentiles; null without values. */
export function percentilesOf(values: readonly number[]): Percentiles | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  return {
    min: sorted[0]!,
    average: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    max: sorted.at(-1)!,
  };
}
