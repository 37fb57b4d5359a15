/**
 * Checkpoints of the past, packed: every one a job ever took, with the phases of each subtask.
 *
 * Touches the database. A row holds checkpoints of one job and one day (UTC), oldest first: JSON, zstd,
 * base64. Invariants:
 *
 *  1. A checkpoint is either a live row or in the archive: one transaction moves it, under this hub's
 *     reign (F2).
 *  2. Pending ones, those that hold parts, savepoints, and the newest of each outcome stay live: what
 *     decides by looking at rows finds what it found before.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import { and, asc, desc, eq, gte, inArray, lt, lte, max, ne, notInArray } from "drizzle-orm";
import { assert } from "@shared/assert.ts";
import type { CheckpointDetail } from "@shared/job_api.ts";
import type { HubTerm } from "@shared/ids.ts";
import { checkpointDetails } from "./checkpoint_views.ts";
import type { Db } from "./client.ts";
import { withReign } from "./hub_state_store.ts";
import { checkpointArchive, checkpointRegions, checkpoints, jobs } from "./schema.ts";

const DAY_MS = 86_400_000;
/** Checkpoints of one row: enough for the packing, few enough to be read for a page. */
const CHECKPOINTS_PER_ROW_MAX = 1_000;
/** Checkpoints read from the tables at a time. */
const CHECKPOINTS_PER_READ = 100;
/** Text from which a row is full: of a job with many subtasks it holds fewer checkpoints. */
const ROW_CHARS_WANTED = 8 * 1024 * 1024;
/** Rows that one call writes. */
const ROWS_PER_CALL_MAX = 200;
const ZSTD_LEVEL = 9;
/** Longest text a row may unpack to. */
const UNPACKED_BYTES_MAX = 256 * 1024 * 1024;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/**
 * Moves checkpoints of whole days that ended before `beforeMs` into the archive.
 *
 * @returns How many it moved; call again when it is not 0 and everything shall go at once.
 */
export async function archiveCheckpointsBefore(
  db: Db,
  hubTerm: HubTerm,
  beforeMs: number,
): Promise<number> {
  const before = new Date(Math.floor(beforeMs / DAY_MS) * DAY_MS);
  let moved = 0;
  let rowsLeft = ROWS_PER_CALL_MAX;
  const known = await db.select({ id: jobs.id }).from(jobs).orderBy(asc(jobs.id));
  for (const { id } of known) {
    while (rowsLeft > 0) {
      const batch = await oldestBatch(db, id, before);
      if (batch === null) break;
      moved += await moveBatch(db, hubTerm, batch);
      rowsLeft--;
    }
  }
  return moved;
}

interface Batch {
  readonly jobId: string;
  /** Ascending. */
  readonly ids: readonly number[];
}

/** The oldest checkpoints of a job that may go: of one day. Plain scans, since PGlite has no statistics. */
async function oldestBatch(db: Db, jobId: string, before: Date): Promise<Batch | null> {
  const newest = await db.select({ id: max(checkpoints.checkpointId) }).from(checkpoints)
    .where(and(eq(checkpoints.jobId, jobId), eq(checkpoints.isSavepoint, false)))
    .groupBy(checkpoints.status);
  const rows = await db
    .select({ id: checkpoints.checkpointId, triggeredAt: checkpoints.triggeredAt })
    .from(checkpoints).where(and(
      eq(checkpoints.jobId, jobId),
      eq(checkpoints.isRetained, false),
      eq(checkpoints.isSavepoint, false),
      ne(checkpoints.status, "pending"),
      lt(checkpoints.endedAt, before),
      lt(checkpoints.triggeredAt, before),
      notInArray(checkpoints.checkpointId, newest.map(({ id }) => id ?? 0)),
    )).orderBy(asc(checkpoints.checkpointId)).limit(CHECKPOINTS_PER_ROW_MAX);
  const [first] = rows;
  if (first === undefined) return null;
  const sameDay = rows.filter(({ triggeredAt }) => dayOf(triggeredAt) === dayOf(first.triggeredAt));
  return { jobId, ids: sameDay.map(({ id }) => id) };
}

function dayOf(at: Date): number {
  return Math.floor(at.getTime() / DAY_MS);
}

async function moveBatch(
  db: Db,
  hubTerm: HubTerm,
  { jobId, ids: wanted }: Batch,
): Promise<number> {
  const details = await detailsOfRow(db, jobId, wanted);
  const ids = details.map(({ id }) => id);
  const row = await packRow(jobId, details);
  await withReign(db, hubTerm, async (tx) => {
    const mine = and(
      eq(checkpointRegions.jobId, jobId),
      inArray(checkpointRegions.checkpointId, ids),
    );
    await tx.insert(checkpointArchive).values(row);
    await tx.delete(checkpointRegions).where(mine);
    const gone = await tx.delete(checkpoints).where(and(
      eq(checkpoints.jobId, jobId),
      inArray(checkpoints.checkpointId, ids),
      eq(checkpoints.isRetained, false),
    )).returning({ id: checkpoints.checkpointId });
    assert(gone.length === ids.length, "A checkpoint changed on its way into the archive");
  });
  return ids.length;
}

/** The first of `ids`, as many as fill a row. */
async function detailsOfRow(
  db: Db,
  jobId: string,
  ids: readonly number[],
): Promise<CheckpointDetail[]> {
  const details: CheckpointDetail[] = [];
  let chars = 0;
  for (let at = 0; at < ids.length && chars < ROW_CHARS_WANTED; at += CHECKPOINTS_PER_READ) {
    const read = await checkpointDetails(db, jobId, ids.slice(at, at + CHECKPOINTS_PER_READ));
    chars += JSON.stringify(read).length;
    details.push(...read);
  }
  return details;
}

/** The row that holds `details`: of one job, ascending, not empty. */
export async function packRow(
  jobId: string,
  details: readonly CheckpointDetail[],
): Promise<typeof checkpointArchive.$inferInsert> {
  const first = details[0]!;
  const last = details.at(-1)!;
  const packed = await compress(Buffer.from(JSON.stringify(details)), {
    params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL },
  });
  const times = details.map(({ triggeredAt }) => Date.parse(triggeredAt));
  return {
    jobId,
    firstId: first.id,
    lastId: last.id,
    fromAt: new Date(Math.min(...times)),
    toAt: new Date(Math.max(...times)),
    count: details.length,
    packed: packed.toString("base64"),
  };
}

/** What {@linkcode packRow} packed, ascending. */
export async function unpackRow(
  { packed }: { readonly packed: string },
): Promise<readonly CheckpointDetail[]> {
  const text = await decompress(Buffer.from(packed, "base64"), {
    maxOutputLength: UNPACKED_BYTES_MAX,
  });
  return JSON.parse(text.toString());
}

/** Which part of the archive is asked for. */
export interface ArchiveSpan {
  /** Only below this id; null: no bound. */
  readonly beforeId: number | null;
  /** Triggered at or after, and at or before; null: no bound. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

/** What was read of the archive, and where it goes on. */
export interface ArchiveRead<T> {
  readonly kept: readonly T[];
  /** The newest row that was not read: its last id, and its last moment. Null when all was read. */
  readonly unread: { readonly lastId: number; readonly toMs: number } | null;
}

/**
 * Archived checkpoints of a job, newest row first. One row is in memory at a time: what `keep` makes of
 * each checkpoint is all that stays.
 *
 * @param keep Null lets a checkpoint go.
 */
export async function readArchive<T>(
  db: Db,
  jobId: string,
  span: ArchiveSpan,
  { rowsMax, keep }: {
    readonly rowsMax: number;
    readonly keep: (checkpoint: CheckpointDetail) => T | null;
  },
): Promise<ArchiveRead<T>> {
  const { beforeId, fromMs, toMs } = span;
  const { firstId, lastId, toAt } = checkpointArchive;
  const rows = await db.select({ firstId, lastId, toAt }).from(checkpointArchive).where(and(
    eq(checkpointArchive.jobId, jobId),
    beforeId === null ? undefined : lt(firstId, beforeId),
    fromMs === null ? undefined : gte(toAt, new Date(fromMs)),
    toMs === null ? undefined : lte(checkpointArchive.fromAt, new Date(toMs)),
  )).orderBy(desc(lastId)).limit(rowsMax + 1);
  const kept: T[] = [];
  for (const row of rows.slice(0, rowsMax)) {
    const [found] = await db.select({ packed: checkpointArchive.packed }).from(checkpointArchive)
      .where(and(eq(checkpointArchive.jobId, jobId), eq(firstId, row.firstId)));
    for (const checkpoint of found === undefined ? [] : await unpackRow(found)) {
      const atMs = Date.parse(checkpoint.triggeredAt);
      const isAsked = (beforeId === null || checkpoint.id < beforeId) &&
        (fromMs === null || atMs >= fromMs) && (toMs === null || atMs <= toMs);
      const one = isAsked ? keep(checkpoint) : null;
      if (one !== null) kept.push(one);
    }
  }
  const next = rows[rowsMax];
  return {
    kept,
    unread: next === undefined ? null : { lastId: next.lastId, toMs: next.toAt.getTime() },
  };
}

/** One archived checkpoint; null when the archive does not have it. */
export async function findArchived(
  db: Db,
  jobId: string,
  checkpointId: number,
): Promise<CheckpointDetail | null> {
  const rows = await db.select().from(checkpointArchive).where(and(
    eq(checkpointArchive.jobId, jobId),
    lte(checkpointArchive.firstId, checkpointId),
    gte(checkpointArchive.lastId, checkpointId),
  ));
  for (const row of rows) {
    const found = (await unpackRow(row)).find(({ id }) => id === checkpointId);
    if (found !== undefined) return found;
  }
  return null;
}
