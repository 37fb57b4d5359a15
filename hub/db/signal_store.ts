/**
 * Stored signals: packed points of ten seconds, and roll-ups of a minute and an hour made from them.
 *
 * Touches the database.
 *
 * Invariants:
 *  1. Writing the same points again changes nothing; points of a span that is stored are merged with it.
 *  2. Whatever changed a span marks the minute around it as due, in the same transaction; rolling a minute up
 *     marks its hour. A roll-up is computed anew from all of the level below, so doing it twice is harmless.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { sql } from "drizzle-orm";
import { type Db, rowsOf } from "./client.ts";
import { type SignalLevel, TABLE_OF } from "./signal_partitions.ts";
import { CHUNK_MS, type PointBuffer, type Summary, unpackPoints } from "./signal_points.ts";

/** Span of one roll-up. */
export const ROLLUP_MS = { minute: 60_000, hour: 3_600_000 } as const;
export type RollupLevel = keyof typeof ROLLUP_MS;

/** The points of one series in the span that begins at `atMs`, aligned to `CHUNK_MS`. */
export interface Chunk {
  readonly seriesId: number;
  readonly atMs: number;
  readonly points: PointBuffer;
}

/** What a chart shows of a roll-up, or of a chunk. */
export interface RollupRow extends Pick<Summary, "lowest" | "highest" | "score" | "low" | "high"> {
  readonly seriesId: number;
  readonly atMs: number;
}

/** Beyond it a total is cut, so that no sum of totals leaves the range of a double. */
const TOTAL_MAX = 1e300;

const COLUMNS = sql.raw(
  "series_id, at, n, lowest, highest, total, latest, score, low, high, points",
);
const RECORD = sql.raw(
  "r(i int, t bigint, n int, lo float8, hi float8, su float8, la float8, sc float4, l float4, h float4, p text)",
);
const VALUES = sql.raw(
  "r.i, to_timestamp(r.t), r.n, r.lo, r.hi, r.su, r.la, r.sc, r.l, r.h, decode(r.p, 'base64')",
);

/**
 * Stores chunks, each series and span named once. The partitions are there. A statement for everything that
 * is new; what is stored already is read, merged and written.
 *
 * @param tx A transaction.
 * @returns Those that changed what is stored.
 */
export async function writeChunks(tx: Db, chunks: readonly Chunk[]): Promise<Chunk[]> {
  const sorted = [...chunks].sort((a, b) => a.seriesId - b.seriesId || a.atMs - b.atMs);
  const inserted = rowsOf<{ i: number; t: number | string }>(
    await tx.execute(sql`
      insert into signal_chunks (${COLUMNS})
      select ${VALUES} from json_to_recordset(${jsonOf(sorted)}::text::json) as ${RECORD}
      on conflict do nothing
      returning series_id as i, extract(epoch from at)::bigint as t`),
  );
  let changed = sorted;
  if (inserted.length < sorted.length) {
    const isNew = new Set(inserted.map(({ i, t }) => `${i}/${t}`));
    const known = sorted.filter((chunk) => !isNew.has(`${chunk.seriesId}/${chunk.atMs / 1000}`));
    const merged = await mergeChunks(tx, known);
    const isChanged = new Set(merged.map((chunk) => chunk.key));
    changed = sorted.filter((chunk) =>
      isNew.has(`${chunk.seriesId}/${chunk.atMs / 1000}`) || isChanged.has(keyOf(chunk))
    );
  }
  await markDue(tx, "minute", changed.map(({ atMs }) => atMs));
  return changed;
}

async function mergeChunks(tx: Db, chunks: readonly Chunk[]): Promise<(Chunk & { key: string })[]> {
  const keys = JSON.stringify(
    chunks.map(({ seriesId, atMs }) => ({ i: seriesId, t: atMs / 1000 })),
  );
  const rows = rowsOf<StoredPoints>(
    await tx.execute(sql`
      select c.series_id as i, extract(epoch from c.at)::bigint as t, c.points as p
      from signal_chunks c join json_to_recordset(${keys}::text::json) as r(i int, t bigint)
        on c.series_id = r.i and c.at = to_timestamp(r.t)
      order by c.series_id, c.at for update of c`),
  );
  const stored = new Map(rows.map((row) => [`${row.i}/${Number(row.t) * 1000}`, row]));
  const merged: (Chunk & { key: string })[] = [];
  for (const chunk of chunks) {
    const key = keyOf(chunk);
    const row = stored.get(key);
    if (row === undefined) continue;
    const points = unpackPoints(row.p);
    if (points.merge(chunk.points)) merged.push({ ...chunk, points, key });
  }
  if (merged.length > 0) {
    await tx.execute(sql`
      update signal_chunks c set (n, lowest, highest, total, latest, score, low, high, points) =
        (r.n, r.lo, r.hi, r.su, r.la, r.sc, r.l, r.h, decode(r.p, 'base64'))
      from json_to_recordset(${jsonOf(merged)}::text::json) as ${RECORD}
      where c.series_id = r.i and c.at = to_timestamp(r.t)`);
  }
  return merged;
}

type StoredPoints = { i: number; t: number | string; p: Uint8Array };

function keyOf({ seriesId, atMs }: Chunk): string {
  return `${seriesId}/${atMs}`;
}

function jsonOf(chunks: readonly Chunk[]): string {
  return JSON.stringify(chunks.map(({ seriesId, atMs, points }) => {
    const { n, lowest, highest, total, latest, score, low, high } = points.summary();
    return {
      i: seriesId,
      t: atMs / 1000,
      n,
      lo: lowest,
      hi: highest,
      su: Math.max(-TOTAL_MAX, Math.min(TOTAL_MAX, total)),
      la: latest,
      sc: score,
      l: low,
      h: high,
      p: Buffer.from(points.pack()).toString("base64"),
    };
  }));
}

/** The roll-ups of `level` around `times` are to be made anew. */
export async function markDue(tx: Db, level: RollupLevel, times: readonly number[]): Promise<void> {
  const spanMs = ROLLUP_MS[level];
  const starts = new Set(times.map((atMs) => Math.floor(atMs / spanMs) * spanMs));
  if (starts.size === 0) return;
  const json = JSON.stringify([...starts].sort((a, b) => a - b).map((ms) => ms / 1000));
  await tx.execute(sql`
    insert into signal_due (level, at)
    select ${level}::text, to_timestamp(t::bigint) from json_array_elements_text(${json}::text::json) t
    on conflict do nothing`);
}

/** Starts of the roll-ups that are due, oldest first. */
export async function listDue(db: Db): Promise<{ level: RollupLevel; atMs: number }[]> {
  const rows = rowsOf<{ level: RollupLevel; t: number | string }>(
    await db.execute(sql`
      select level, extract(epoch from at)::bigint as t from signal_due order by level, at`),
  );
  return rows.map(({ level, t }) => ({ level, atMs: Number(t) * 1000 }));
}

export async function clearDue(tx: Db, level: RollupLevel, atMs: number): Promise<void> {
  await tx.execute(sql`
    delete from signal_due where level = ${level} and at = ${isoOf(atMs)}::timestamptz`);
}

/** Computes the roll-up that begins at `atMs` for these series anew. The partition is there. */
export async function rollUp(
  tx: Db,
  level: RollupLevel,
  atMs: number,
  seriesIds: readonly number[],
): Promise<void> {
  const below = sql.raw(TABLE_OF[level === "minute" ? "chunk" : "minute"]);
  const table = sql.raw(TABLE_OF[level]);
  await tx.execute(sql`
    insert into ${table} as o
      (series_id, at, n, lowest, highest, total, latest, score, low, high)
    select series_id, ${isoOf(atMs)}::timestamptz, sum(n)::int, min(lowest), max(highest),
      sum(total order by at),
      (array_agg(latest order by at desc) filter (where latest is not null))[1],
      case when max(score) >= -min(score) then max(score) else min(score) end,
      (array_agg(low order by at desc) filter (where low is not null))[1],
      (array_agg(high order by at desc) filter (where high is not null))[1]
    from ${below}
    where series_id = any(${arrayOf(seriesIds)}::text::int[])
      and at >= ${isoOf(atMs)}::timestamptz
      and at < ${isoOf(atMs + ROLLUP_MS[level])}::timestamptz
    group by series_id
    on conflict (series_id, at) do update set n = excluded.n, lowest = excluded.lowest,
      highest = excluded.highest, total = excluded.total, latest = excluded.latest,
      score = excluded.score, low = excluded.low, high = excluded.high
    where (o.n, o.lowest, o.highest, o.total, o.latest, o.score, o.low, o.high) is distinct from
      (excluded.n, excluded.lowest, excluded.highest, excluded.total, excluded.latest,
       excluded.score, excluded.low, excluded.high)`);
}

/** Packed points of these series whose span begins in [fromMs, toMs), by series and time. */
export async function readChunks(
  db: Db,
  seriesIds: readonly number[],
  fromMs: number,
  toMs: number,
): Promise<Chunk[]> {
  const rows = rowsOf<StoredPoints>(
    await db.execute(sql`
      select series_id as i, extract(epoch from at)::float8 as t, points as p from signal_chunks
      where series_id = any(${arrayOf(seriesIds)}::text::int[])
        and at >= ${isoOf(Math.floor(fromMs / CHUNK_MS) * CHUNK_MS)}::timestamptz
        and at < ${isoOf(toMs)}::timestamptz
      order by series_id, at`),
  );
  return rows.map(({ i, t, p }) => ({
    seriesId: i,
    atMs: Number(t) * 1000,
    points: unpackPoints(p),
  }));
}

/** Roll-ups, or summaries of chunks, that begin in [fromMs, toMs), by series and time. */
export async function readRollups(
  db: Db,
  level: SignalLevel,
  seriesIds: readonly number[],
  span: { readonly fromMs: number; readonly toMs: number },
): Promise<RollupRow[]> {
  const rows = rowsOf<StoredSummary>(
    await db.execute(sql`
      select series_id as "seriesId", extract(epoch from at)::float8 as t, lowest, highest, score,
        low, high
      from ${sql.raw(TABLE_OF[level])}
      where series_id = any(${arrayOf(seriesIds)}::text::int[])
        and at >= ${isoOf(span.fromMs)}::timestamptz and at < ${isoOf(span.toMs)}::timestamptz
      order by series_id, at`),
  );
  return rows.map(({ t, ...row }) => ({ ...row, atMs: Number(t) * 1000 }));
}

type StoredSummary = { [Name in keyof Omit<RollupRow, "atMs">]: RollupRow[Name] } & { t: number };

/** The newest chunk of every signal that has one since `fromMs`. */
export async function latestChunks(db: Db, fromMs: number): Promise<Chunk[]> {
  const rows = rowsOf<StoredPoints>(
    await db.execute(sql`
      select s.id as i, extract(epoch from c.at)::float8 as t, c.points as p from series s,
        lateral (select at, points from signal_chunks where series_id = s.id
          and at >= ${isoOf(fromMs)}::timestamptz order by at desc limit 1) c
      where s.kind = 'signal'`),
  );
  return rows.map(({ i, t, p }) => ({
    seriesId: i,
    atMs: Number(t) * 1000,
    points: unpackPoints(p),
  }));
}

function arrayOf(ids: readonly number[]): string {
  return `{${ids.join(",")}}`;
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
