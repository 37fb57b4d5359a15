/**
 * Numbers of series: a signal of an operator, or a figure of a subtask.
 *
 * Touches the database. A number is given once and stays; a series that has nothing stored any more is
 * forgotten, and gets a new number if it comes again.
 *
 * @module
 */
import { and, eq, inArray, sql } from "drizzle-orm";
import { type Db, rowsOf } from "./client.ts";
import { series } from "./schema.ts";

export interface SeriesName {
  readonly jobId: string;
  readonly kind: "signal" | "metric";
  /** Operator of a signal, subtask of a metric. */
  readonly source: string;
  /** Equipment of a signal, name of a metric. */
  readonly subject: string;
}

export interface SeriesRecord extends SeriesName {
  readonly id: number;
}

const NAMES_PER_STATEMENT = 5_000;

/** Numbers for `names`, in their order; those that had none have one afterwards. */
export async function numberSeries(db: Db, names: readonly SeriesName[]): Promise<number[]> {
  const numbers: number[] = [];
  for (let i = 0; i < names.length; i += NAMES_PER_STATEMENT) {
    numbers.push(...await numberSome(db, names.slice(i, i + NAMES_PER_STATEMENT)));
  }
  return numbers;
}

async function numberSome(db: Db, names: readonly SeriesName[]): Promise<number[]> {
  const json = JSON.stringify(
    names.map((name, n) => ({ n, j: name.jobId, k: name.kind, s: name.source, e: name.subject })),
  );
  const wanted = sql`json_to_recordset(${json}::text::json)
    as r(n int, j text, k text, s text, e text)`;
  // No conflict uses up a number: only what is missing is inserted.
  await db.execute(sql`
    insert into series (job_id, kind, source, subject)
    select r.j, r.k, r.s, r.e from ${wanted}
    where not exists (select 1 from series o where o.job_id = r.j and o.kind = r.k
      and o.source = r.s and o.subject = r.e)
    on conflict do nothing`);
  const rows = rowsOf<{ n: number; id: number }>(
    await db.execute(sql`
      select r.n, o.id from ${wanted} join series o
        on o.job_id = r.j and o.kind = r.k and o.source = r.s and o.subject = r.e
      order by r.n`),
  );
  return rows.map(({ id }) => id);
}

export async function listSeries(
  db: Db,
  filter: Partial<SeriesName> = {},
): Promise<SeriesRecord[]> {
  const rows = await db.select().from(series).where(and(
    ...(filter.jobId === undefined ? [] : [eq(series.jobId, filter.jobId)]),
    ...(filter.kind === undefined ? [] : [eq(series.kind, filter.kind)]),
    ...(filter.source === undefined ? [] : [eq(series.source, filter.source)]),
    ...(filter.subject === undefined ? [] : [eq(series.subject, filter.subject)]),
  )).orderBy(series.id);
  return rows as SeriesRecord[];
}

/** Series without a point or a roll-up anywhere. */
export async function emptySeries(db: Db, limit: number): Promise<SeriesRecord[]> {
  const rows = rowsOf<Record<string, unknown>>(
    await db.execute(sql`
      select s.id, s.job_id as "jobId", s.kind, s.source, s.subject from series s
      where not exists (select 1 from signal_hours h where h.series_id = s.id)
        and not exists (select 1 from signal_minutes m where m.series_id = s.id)
        and not exists (select 1 from signal_chunks c where c.series_id = s.id)
      order by s.id limit ${limit}`),
  );
  return rows as unknown as SeriesRecord[];
}

export async function deleteSeries(db: Db, ids: readonly number[]): Promise<void> {
  if (ids.length > 0) await db.delete(series).where(inArray(series.id, [...ids]));
}
