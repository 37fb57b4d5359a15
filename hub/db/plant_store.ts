/**
 * The plant as it is stored: where equipment stands, which alarms are open, which jobs run, what happened.
 *
 * Touches the database.
 *
 * @module
 */
import { eq, sql } from "drizzle-orm";
import type { AlarmPriority, ChartMarker } from "@shared/plant_api.ts";
import { type Db, rowsOf } from "./client.ts";
import { alarms, equipmentPlaces, jobs } from "./schema.ts";

const PLACES_PER_STATEMENT = 5_000;
/** Markers of one answer. */
const MARKERS_MAX = 500;

/** Path and job by equipment. */
export async function readPlaces(
  db: Db,
): Promise<[string, { path: readonly string[]; jobId: string }][]> {
  const rows = await db.select().from(equipmentPlaces);
  return rows.map(({ equipment, path, jobId }) => [equipment, { path, jobId }]);
}

/** Equipment stands where this says afterwards; of one named twice the last counts. */
export async function writePlaces(
  db: Db,
  jobId: string,
  places: readonly { readonly key: string; readonly path: readonly string[] }[],
  nowMs: number,
): Promise<void> {
  const last = [...new Map(places.map((place) => [place.key, place])).values()]
    .sort((a, b) => a.key < b.key ? -1 : 1);
  for (let i = 0; i < last.length; i += PLACES_PER_STATEMENT) {
    const json = JSON.stringify(last.slice(i, i + PLACES_PER_STATEMENT));
    await db.execute(sql`
      insert into equipment_places (equipment, path, job_id, changed_at)
      select r.key, r.path, ${jobId}::text, ${new Date(nowMs).toISOString()}::timestamptz
      from jsonb_to_recordset(${json}::text::jsonb) as r(key text, path jsonb)
      on conflict (equipment) do update set path = excluded.path, job_id = excluded.job_id,
        changed_at = excluded.changed_at`);
  }
}

/** Jobs that are to run, and what their authors call the levels of the plant. */
export async function runningJobs(db: Db): Promise<Map<string, readonly string[]>> {
  const rows = await db.select({
    id: jobs.id,
    levels: sql<readonly string[] | null>`${jobs.graph} -> 'levels'`,
  }).from(jobs).where(eq(jobs.desiredState, "running"));
  return new Map(rows.map(({ id, levels }) => [id, levels ?? []]));
}

/** Open alarms of one signal and priority. */
export interface OpenAlarms {
  readonly jobId: string;
  readonly operatorUid: string;
  readonly equipment: string;
  readonly priority: AlarmPriority;
  /** Shelved, suppressed or out of service. */
  readonly isHidden: boolean;
  readonly active: number;
  readonly unacknowledged: number;
  /** Active or unacknowledged. */
  readonly open: number;
}

export async function openAlarms(db: Db, nowMs: number): Promise<OpenAlarms[]> {
  const rows = rowsOf<{ [Name in keyof OpenAlarms]: OpenAlarms[Name] }>(
    await db.execute(sql`
      select a.job_id as "jobId", a.operator_uid as "operatorUid", a.equipment, a.priority,
        coalesce(p.shelved_until > ${new Date(nowMs).toISOString()}::timestamptz, false)
          or p.suppressed_by is not null or p.out_of_service_by is not null as "isHidden",
        count(*) filter (where a.is_active)::int as active,
        count(*) filter (where not a.is_acknowledged)::int as unacknowledged,
        count(*)::int as open
      from alarms a left join alarm_points p
        on p.job_id = a.job_id and p.sink_uid = a.sink_uid and p.equipment = a.equipment
      where a.is_rung and (a.is_active or not a.is_acknowledged)
      group by 1, 2, 3, 4, 5`),
  );
  return rows;
}

/** What happened around a piece of equipment, oldest first; of too much the newest. */
export async function readMarkers(
  db: Db,
  equipment: string,
  span: { readonly fromMs: number; readonly toMs: number },
): Promise<ChartMarker[]> {
  const from = sql`${new Date(span.fromMs).toISOString()}::timestamptz`;
  const to = sql`${new Date(span.toMs).toISOString()}::timestamptz`;
  const within = (column: string) =>
    sql`${sql.raw(column)} >= ${from} and ${sql.raw(column)} < ${to}`;
  const rows = rowsOf<MarkerRow>(
    await db.execute(sql`
      with feeding as (select distinct job_id from series where kind = 'signal' and subject = ${equipment}),
      own as (
        select * from alarms where equipment = ${equipment} and is_rung and raised_at < ${to}
          and (cleared_at is null or cleared_at >= ${from})
          order by raised_at desc limit ${MARKERS_MAX}
      ), found as (
        select 'alarm' as kind, raised_at as at, cleared_at as until, text, job_id, id as alarm_id, priority
          from own
        union all select 'acknowledged', acknowledged_at, null,
          'Acknowledged by ' || coalesce(acknowledged_by, 'nobody known'), job_id, id, priority
          from own where ${within("acknowledged_at")}
        union all select 'cleared', cleared_at, null, text, job_id, id, priority
          from own where ${within("cleared_at")}
        union all select 'deploy', created_at, null, 'Job ' || name || ' deployed', id, null, null
          from jobs where id in (select job_id from feeding) and ${within("created_at")}
        union all select 'savepoint', completed_at, null,
          'Savepoint ' || coalesce(label, checkpoint_id::text), job_id, null, null
          from savepoints where status = 'completed' and job_id in (select job_id from feeding)
            and ${within("completed_at")}
        union all select 'rollback', updated_at, null, 'Rolled back', job_id, null, null
          from operations where kind = 'rollback' and status = 'succeeded'
            and job_id in (select job_id from feeding) and ${within("updated_at")}
        union all select 'restore', min(running_at), null,
          'Restored from checkpoint ' || restored_from_id || ' (' || cause || ')', job_id, null, null
          from attempts where restored_from_id is not null and job_id in (select job_id from feeding)
            and ${within("running_at")}
          group by job_id, restored_from_id, cause
      )
      select kind, extract(epoch from at)::float8 as t, extract(epoch from until)::float8 as u, text,
        job_id as "jobId", alarm_id as "alarmId", priority
      from found order by at desc limit ${MARKERS_MAX}`),
  );
  return rows.reverse().map(({ t, u, ...row }) => ({
    ...row,
    at: new Date(Number(t) * 1000).toISOString(),
    until: u === null ? null : new Date(Number(u) * 1000).toISOString(),
  }));
}

type MarkerRow =
  & Pick<ChartMarker, "kind" | "text" | "jobId" | "alarmId" | "priority">
  & { t: number; u: number | null };

/** What an alarm says of the signal it rang for. */
export interface AlarmOnset {
  readonly jobId: string;
  readonly operatorUid: string;
  readonly equipment: string;
  readonly raisedAtMs: number;
  readonly clearedAtMs: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export async function readOnset(db: Db, alarmId: string): Promise<AlarmOnset | null> {
  const [row] = await db.select({
    jobId: alarms.jobId,
    operatorUid: alarms.operatorUid,
    equipment: alarms.equipment,
    raisedAt: alarms.raisedAt,
    clearedAt: alarms.clearedAt,
    low: alarms.low,
    high: alarms.high,
  }).from(alarms).where(eq(alarms.id, alarmId));
  if (row === undefined) return null;
  const { raisedAt, clearedAt, ...rest } = row;
  return {
    ...rest,
    raisedAtMs: raisedAt.getTime(),
    clearedAtMs: clearedAt?.getTime() ?? null,
  };
}

export async function hasJob(db: Db, jobId: string): Promise<boolean> {
  return (await db.select({ id: jobs.id }).from(jobs).where(eq(jobs.id, jobId))).length > 0;
}
