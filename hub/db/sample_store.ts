/**
 * Decimated signals of equipment, for the charts.
 *
 * Touches the database. Writes go in one statement per batch; reads are cut to a number of points that
 * a chart can draw, keeping the extremes so that a spike never disappears.
 *
 * @module
 */
import { lt, type SQL, sql } from "drizzle-orm";
import type { SampleSeries } from "@shared/api.ts";
import type { SignalSample } from "@shared/messages.ts";
import { type Db, rowsOf } from "./client.ts";
import { samples } from "./schema.ts";

const ROWS_PER_INSERT = 5000;
/** A bucket of a long span gives up to this many points: lowest, highest, highest score. */
const POINTS_PER_BUCKET = 3;

/** Stores samples; a later one for the same moment replaces the earlier. */
export async function recordSamples(
  db: Db,
  jobId: string,
  batch: readonly SignalSample[],
): Promise<void> {
  const rows = new Map<string, Record<string, unknown>>();
  for (const sample of batch) {
    rows.set(`${sample.operatorUid}/${sample.atMs}/${sample.key}`, {
      u: sample.operatorUid,
      e: sample.key,
      t: new Date(sample.atMs).toISOString(),
      v: sample.value,
      s: sample.score,
    });
  }
  const list = [...rows.values()];
  for (let i = 0; i < list.length; i += ROWS_PER_INSERT) {
    const json = JSON.stringify(list.slice(i, i + ROWS_PER_INSERT));
    await db.execute(sql`
      insert into samples (job_id, operator_uid, equipment, at, value, score)
      select ${jobId}::text, r.u, r.e, r.t, r.v, r.s
      from jsonb_to_recordset(${json}::text::jsonb)
        as r(u text, e text, t timestamptz, v double precision, s double precision)
      on conflict (job_id, operator_uid, equipment, at)
      do update set value = excluded.value, score = excluded.score`);
  }
}

export interface SampleQuery {
  readonly equipment: string;
  readonly jobId: string | null;
  readonly operatorUid: string | null;
  readonly fromMs: number;
  readonly toMs: number;
  readonly pointsMax: number;
}

/** One series per job and operator that has samples of the equipment, each at most `pointsMax` points. */
export async function readSamples(db: Db, query: SampleQuery): Promise<SampleSeries[]> {
  const buckets = Math.max(1, Math.floor(query.pointsMax / POINTS_PER_BUCKET));
  const bucketMs = Math.max(1, (query.toMs - query.fromMs) / buckets);
  const conditions: SQL[] = [
    sql`equipment = ${query.equipment}`,
    sql`at >= ${new Date(query.fromMs).toISOString()}::timestamptz`,
    sql`at < ${new Date(query.toMs).toISOString()}::timestamptz`,
  ];
  if (query.jobId !== null) conditions.push(sql`job_id = ${query.jobId}`);
  if (query.operatorUid !== null) conditions.push(sql`operator_uid = ${query.operatorUid}`);
  const rows = rowsOf<SampleRow>(
    await db.execute(sql`
    with bucketed as (
      select job_id, operator_uid, value, score, extract(epoch from at)::float8 * 1000 as at_ms,
        floor((extract(epoch from at)::float8 * 1000 - ${query.fromMs}::float8) / ${bucketMs}::float8) as bucket
      from samples where ${sql.join(conditions, sql` and `)}
    ), ranked as (
      select *,
        row_number() over (w order by value asc nulls last, at_ms) as lowest,
        row_number() over (w order by value desc nulls last, at_ms) as highest,
        row_number() over (w order by abs(score) desc nulls last, at_ms) as oddest
      from bucketed window w as (partition by job_id, operator_uid, bucket)
    )
    select job_id as "jobId", operator_uid as "operatorUid", at_ms as "atMs", value, score from ranked
    where lowest = 1 or highest = 1 or oddest = 1
    order by job_id, operator_uid, at_ms`),
  );
  return seriesOf(query.equipment, rows);
}

/** Deletes samples older than `beforeMs`. */
export async function deleteSamplesBefore(db: Db, beforeMs: number): Promise<void> {
  await db.delete(samples).where(lt(samples.at, new Date(beforeMs)));
}

/** Newest sample of every signal since `fromMs`. */
export async function latestSamples(
  db: Db,
  fromMs: number,
): Promise<
  {
    jobId: string;
    operatorUid: string;
    equipment: string;
    atMs: number;
    value: number | null;
    score: number | null;
  }[]
> {
  const rows = rowsOf<SampleRow & { equipment: string }>(
    await db.execute(sql`
    select distinct on (job_id, operator_uid, equipment)
      job_id as "jobId", operator_uid as "operatorUid", equipment,
      extract(epoch from at)::float8 * 1000 as "atMs", value, score
    from samples where at >= ${new Date(fromMs).toISOString()}::timestamptz
    order by job_id, operator_uid, equipment, at desc`),
  );
  return rows.map((row) => ({
    jobId: row.jobId,
    operatorUid: row.operatorUid,
    equipment: row.equipment,
    atMs: Math.round(Number(row.atMs)),
    value: row.value,
    score: row.score,
  }));
}

type SampleRow = {
  readonly jobId: string;
  readonly operatorUid: string;
  readonly atMs: number;
  readonly value: number | null;
  readonly score: number | null;
};

function seriesOf(equipment: string, rows: readonly SampleRow[]): SampleSeries[] {
  const series = new Map<string, {
    jobId: string;
    operatorUid: string;
    equipment: string;
    at: number[];
    value: (number | null)[];
    score: (number | null)[];
  }>();
  for (const row of rows) {
    const key = `${row.jobId}/${row.operatorUid}`;
    let one = series.get(key);
    if (one === undefined) {
      one = {
        jobId: row.jobId,
        operatorUid: row.operatorUid,
        equipment,
        at: [],
        value: [],
        score: [],
      };
      series.set(key, one);
    }
    one.at.push(Math.round(Number(row.atMs)));
    one.value.push(row.value);
    one.score.push(row.score);
  }
  return [...series.values()];
}
