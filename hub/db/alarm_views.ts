/**
 * Alarms as people read them: lists, counts, one alarm with its history, the log.
 *
 * Touches the database, reads only.
 *
 * @module
 */
import { type SQL, sql } from "drizzle-orm";
import type {
  AlarmDetail,
  AlarmPriority,
  AlarmTransitionView,
  AlarmView,
} from "@shared/plant_api.ts";
import { labelOf } from "../coordinator/alarm_state.ts";
import { ALARM_TABLES, type AlarmFilter, selects, timeOf } from "./alarm_filter.ts";
import { type AlarmKind, type JobAlarms, jobAlarms, ms, rulesFor } from "./alarm_points.ts";
import { type Db, rowsOf } from "./client.ts";
import { placesOf } from "./equipment_paths.ts";

const TRANSITIONS_OF_ALARM_MAX = 200;
const SIMILAR_MAX = 10;

export interface AlarmPage extends AlarmFilter {
  readonly limit: number;
  /** Of the last alarm of the previous page. */
  readonly before: { readonly raisedAtMs: number; readonly id: string } | null;
}

/** Newest first. */
export async function listAlarms(db: Db, page: AlarmPage, nowMs: number): Promise<AlarmView[]> {
  const { before, limit } = page;
  const behind = before === null
    ? sql`true`
    : sql`(a.raised_at, a.id) < (${timeOf(before.raisedAtMs)}, ${before.id})`;
  const where = sql`${selects({ filter: page }, nowMs)} and ${behind}`;
  return await alarmViews(db, where, limit, nowMs);
}

export async function getAlarm(db: Db, id: string, nowMs: number): Promise<AlarmView | null> {
  return (await alarmViews(db, selects({ ids: [id] }, nowMs), 1, nowMs))[0] ?? null;
}

/** Alarms that `where` takes, newest first. */
export async function alarmViews(
  db: Db,
  where: SQL,
  limit: number,
  nowMs: number,
): Promise<AlarmView[]> {
  const rows = rowsOf<ViewRow & Record<string, unknown>>(
    await db.execute(sql`
    select a.id, a.job_id as "jobId", a.operator_uid as "operatorUid", a.sink_uid as "sinkUid",
      a.equipment, a.kind, a.priority, a.text, a.response, a.is_active as "isActive",
      a.is_acknowledged as "isAcknowledged", a.acknowledged_by as "acknowledgedBy",
      ${ms("a.acknowledged_at")} as "acknowledgedAtMs", a.comment,
      ${ms("a.raised_at")} as "raisedAtMs", ${ms("a.cleared_at")} as "clearedAtMs",
      a.occurrences, a.value, a.score, a.threshold, a.low, a.high,
      ${ms("s.shelved_until")} as "shelvedUntilMs", s.shelved_by as "shelvedBy",
      s.shelve_reason as "shelveReason", s.suppressed_by as "suppressedBy",
      s.out_of_service_by as "outOfServiceBy", s.out_of_service_reason as "outOfServiceReason",
      s.out_of_service_at is not null as "isOutOfService",
      s.chattering_since is not null as "isChattering"
    from ${ALARM_TABLES} where ${where} order by a.raised_at desc, a.id desc limit ${limit}`),
  );
  const jobs = await jobAlarms(db, rows.map(({ jobId }) => jobId));
  return rows.map((row) => viewOf(row, jobs, nowMs));
}

interface ViewRow {
  readonly id: string;
  readonly jobId: string;
  readonly operatorUid: string;
  readonly sinkUid: string;
  readonly equipment: string;
  readonly kind: AlarmKind;
  readonly priority: AlarmPriority;
  readonly text: string;
  readonly response: string;
  readonly isActive: boolean;
  readonly isAcknowledged: boolean;
  readonly acknowledgedBy: string | null;
  readonly acknowledgedAtMs: number | null;
  readonly comment: string | null;
  readonly raisedAtMs: number;
  readonly clearedAtMs: number | null;
  readonly occurrences: number;
  readonly value: number | null;
  readonly score: number | null;
  readonly threshold: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly shelvedUntilMs: number | null;
  readonly shelvedBy: string | null;
  readonly shelveReason: string | null;
  readonly suppressedBy: string | null;
  readonly outOfServiceBy: string | null;
  readonly outOfServiceReason: string | null;
  readonly isOutOfService: boolean;
  readonly isChattering: boolean;
}

function viewOf(row: ViewRow, jobs: ReadonlyMap<string, JobAlarms>, nowMs: number): AlarmView {
  const { acknowledgedAtMs, raisedAtMs, clearedAtMs, shelvedUntilMs, isOutOfService, ...rest } =
    row;
  const { cause, consequence } = rulesFor(jobs, row);
  const isShelved = shelvedUntilMs !== null && shelvedUntilMs > nowMs;
  return {
    ...rest,
    cause,
    consequence,
    state: labelOf(row, row, nowMs),
    acknowledgedAt: timeText(acknowledgedAtMs),
    raisedAt: new Date(raisedAtMs).toISOString(),
    clearedAt: row.isActive ? null : timeText(clearedAtMs),
    shelvedUntil: isShelved ? timeText(shelvedUntilMs) : null,
    shelvedBy: isShelved ? row.shelvedBy : null,
    shelveReason: isShelved ? row.shelveReason : null,
    outOfServiceBy: isOutOfService ? row.outOfServiceBy : null,
    outOfServiceReason: isOutOfService ? row.outOfServiceReason : null,
  };
}

function timeText(atMs: number | null): string | null {
  return atMs === null ? null : new Date(atMs).toISOString();
}

export interface AlarmCount {
  readonly total: number;
  readonly unacknowledged: number;
  readonly byPriority: Readonly<Record<AlarmPriority, number>>;
}

export async function countAlarms(db: Db, filter: AlarmFilter, nowMs: number): Promise<AlarmCount> {
  const rows = rowsOf<{ priority: AlarmPriority; n: number; unseen: number }>(
    await db.execute(sql`
    select a.priority, count(*)::int as n,
      (count(*) filter (where not a.is_acknowledged))::int as unseen
    from ${ALARM_TABLES} where ${selects({ filter }, nowMs)} group by a.priority`),
  );
  const byPriority = { low: 0, medium: 0, high: 0, critical: 0 };
  for (const { priority, n } of rows) byPriority[priority] = n;
  return {
    total: rows.reduce((sum, { n }) => sum + n, 0),
    unacknowledged: rows.reduce((sum, { unseen }) => sum + unseen, 0),
    byPriority,
  };
}

/** An alarm with its log, where it stands, and what its point did before; null when there is none. */
export async function alarmDetail(db: Db, id: string, nowMs: number): Promise<AlarmDetail | null> {
  const alarm = await getAlarm(db, id, nowMs);
  if (alarm === null) return null;
  const transitions = await listTransitions(db, {
    alarmId: id,
    limit: TRANSITIONS_OF_ALARM_MAX,
    beforeId: null,
  });
  const similar = await alarmViews(
    db,
    sql`a.is_rung and a.job_id = ${alarm.jobId} and a.sink_uid = ${alarm.sinkUid}
      and a.equipment = ${alarm.equipment} and a.kind = ${alarm.kind}
      and (a.raised_at, a.id) < (${timeOf(Date.parse(alarm.raisedAt))}, ${id})`,
    SIMILAR_MAX,
    nowMs,
  );
  const jobName = (await jobAlarms(db, [alarm.jobId])).get(alarm.jobId)?.name ?? null;
  const places = await placesOf(db, [alarm.equipment]);
  return { ...alarm, jobName, path: places(alarm.equipment), transitions, similar };
}

/** An alarm as it is told to channels. */
export type AlarmBrief = Omit<AlarmDetail, "transitions" | "similar">;

/** The alarms with these ids, those that are there, with where they stand. */
export async function alarmBriefs(
  db: Db,
  ids: readonly string[],
  nowMs: number,
): Promise<Map<string, AlarmBrief>> {
  const views = await alarmViews(db, selects({ ids }, nowMs), ids.length, nowMs);
  const jobs = await jobAlarms(db, views.map(({ jobId }) => jobId));
  const places = await placesOf(db, views.map(({ equipment }) => equipment));
  return new Map(views.map((view) => {
    const { jobId, equipment } = view;
    return [view.id, {
      ...view,
      jobName: jobs.get(jobId)?.name ?? null,
      path: places(equipment),
    }];
  }));
}

export interface TransitionPage {
  readonly limit: number;
  readonly beforeId: number | null;
  readonly alarmId?: string | undefined;
  readonly equipment?: string | undefined;
  readonly kinds?: readonly string[] | undefined;
  readonly fromState?: string | undefined;
  readonly toState?: string | undefined;
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

/** The log of alarms, newest first. */
export async function listTransitions(
  db: Db,
  page: TransitionPage,
): Promise<AlarmTransitionView[]> {
  const { beforeId, alarmId, equipment, kinds, fromState, toState, fromMs, toMs } = page;
  const conditions = [
    sql`true`,
    ...(beforeId === null ? [] : [sql`id < ${beforeId}`]),
    ...(alarmId === undefined ? [] : [sql`alarm_id = ${alarmId}`]),
    ...(equipment === undefined ? [] : [sql`equipment = ${equipment}`]),
    ...(kinds === undefined ? [] : [sql`kind in ${[...kinds]}`]),
    ...(fromState === undefined ? [] : [sql`from_state = ${fromState}`]),
    ...(toState === undefined ? [] : [sql`to_state = ${toState}`]),
    ...(fromMs === undefined ? [] : [sql`at >= ${timeOf(fromMs)}`]),
    ...(toMs === undefined ? [] : [sql`at < ${timeOf(toMs)}`]),
  ];
  const rows = rowsOf<Omit<AlarmTransitionView, "at"> & { atMs: number } & Record<string, unknown>>(
    await db.execute(sql`
    select id::float8 as id, alarm_id as "alarmId", ${ms("at")} as "atMs", kind,
      from_state as "from", to_state as "to", cause, by, comment, value, equipment,
      sink_uid as "sinkUid", priority
    from alarm_transitions where ${sql.join(conditions, sql` and `)}
    order by id desc limit ${page.limit}`),
  );
  return rows.map(({ atMs, ...row }) => ({ ...row, at: new Date(atMs).toISOString() }));
}
