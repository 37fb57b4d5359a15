/**
 * What people do to alarms, one or many at a time, and what the clock undoes again.
 *
 * Touches the database, inside the caller's transaction. Acknowledging concerns one occurrence; shelving
 * and taking out of service concern sink and equipment, so later occurrences are silent too.
 *
 * @module
 */
import { lte, type SQL, sql } from "drizzle-orm";
import type { AlarmTransitionKind } from "@shared/plant_api.ts";
import { CHATTER_QUIET_MS, labelOf } from "../coordinator/alarm_state.ts";
import { ALARM_TABLES, type AlarmSelection, selects, timeOf } from "./alarm_filter.ts";
import { heardOf, type LoggedAlarm, type LoggedStep, logSteps } from "./alarm_log.ts";
import {
  type AlarmPointKey,
  chunksOf,
  jobAlarms,
  OPEN_SIDE,
  type PointSide,
  rulesFor,
  sidesOf,
  sideText,
} from "./alarm_points.ts";
import { lockAlarms } from "./alarm_store.ts";
import { type OpenAlarm, openAlarmsOf } from "./alarm_suppression.ts";
import { type Db, rowsOf } from "./client.ts";
import { alarmPoints } from "./schema.ts";

type Point = Omit<AlarmPointKey, "kind">;

/** Who acts, and when; names, not principals. */
export interface Act {
  readonly by: string;
  readonly nowMs: number;
  readonly comment: string | null;
}

const ALARM_COLUMNS = sql.raw(`a.id, a.job_id as "jobId", a.sink_uid as "sinkUid",
  a.operator_uid as "operatorUid", a.equipment, a.priority, a.text, a.kind, a.value, a.score,
  a.threshold, a.is_active as "isActive", a.is_acknowledged as "isAcknowledged"`);

/**
 * Acknowledges what nobody had; the first person stays named.
 *
 * @returns The alarms that it changed.
 */
export async function acknowledgeAlarms(
  tx: Db,
  selection: AlarmSelection,
  { by, nowMs, comment }: Act,
): Promise<AcknowledgedAlarm[]> {
  await lockAlarms(tx);
  const from = labelSql(sql`false`, nowMs);
  const to = labelSql(sql`true`, nowMs);
  const changed = rowsOf<AcknowledgedAlarm & Record<string, unknown>>(
    await tx.execute(sql`
    with changed as (
      update alarms set is_acknowledged = true, acknowledged_by = ${by},
        acknowledged_at = ${timeOf(nowMs)}, comment = ${comment}
      where id = any(array(select a.id from ${ALARM_TABLES}
        where not a.is_acknowledged and ${selects(selection, nowMs)}))
      returning *
    ), logged as (
      insert into alarm_transitions (alarm_id, job_id, sink_uid, equipment, priority, at, kind,
        from_state, to_state, cause, by, comment, value)
      select a.id, a.job_id, a.sink_uid, a.equipment, a.priority, ${timeOf(nowMs)}, 'acknowledged',
        ${from}, ${to}, 'person', ${by}, ${comment}, a.value
      from changed a left join alarm_points s
        on s.job_id = a.job_id and s.sink_uid = a.sink_uid and s.equipment = a.equipment
    )
    select id, job_id as "jobId", sink_uid as "sinkUid", equipment, kind, is_active as "isActive"
    from changed`),
  );
  await setReAlarms(tx, changed, nowMs);
  return changed;
}

/** An alarm that a person has just acknowledged. */
export type AcknowledgedAlarm = AlarmPointKey & { readonly id: string; readonly isActive: boolean };

/** SQL: `labelOf` for a row of the alarms' tables. */
function labelSql(isAcknowledged: SQL, nowMs: number): SQL {
  return sql`case when s.out_of_service_at is not null then 'out-of-service'
    when s.suppressed_by is not null then 'suppressed'
    when s.shelved_until > ${timeOf(nowMs)} then 'shelved'
    when a.is_active then case when ${isAcknowledged} then 'acknowledged' else 'unacknowledged' end
    else case when ${isAcknowledged} then 'normal' else 'returned-unacknowledged' end end`;
}

/** Sets when the alarms that were just acknowledged ring again, of the sinks that ask for it. */
async function setReAlarms(
  tx: Db,
  changed: readonly AcknowledgedAlarm[],
  nowMs: number,
): Promise<void> {
  const active = changed.filter(({ isActive }) => isActive);
  const jobs = await jobAlarms(tx, active.map(({ jobId }) => jobId));
  const sinks = new Map(active.map((alarm) => [`${alarm.jobId} ${alarm.sinkUid}`, alarm]));
  for (const { jobId, sinkUid, kind } of sinks.values()) {
    const { reAlarmMs } = rulesFor(jobs, { jobId, sinkUid, kind });
    if (reAlarmMs === null) continue;
    await tx.execute(sql`
      update alarms set due_at = least(due_at, ${timeOf(nowMs + reAlarmMs)})
      where is_active and is_acknowledged and acknowledged_at = ${timeOf(nowMs)}
        and job_id = ${jobId} and sink_uid = ${sinkUid}`);
  }
}

/** What a person, or the clock, changes of points. */
export type PointChange =
  | { readonly kind: "shelved"; readonly untilMs: number }
  | { readonly kind: "unshelved" }
  | { readonly kind: "out-of-service" }
  | { readonly kind: "returned-to-service" };

export interface ChangedPoints {
  /** How many points were not so before. */
  readonly points: number;
  readonly steps: readonly LoggedStep[];
}

/**
 * Changes the points of the alarms chosen; what was so already stays, but a new end of shelving counts. Of
 * each point that a filter takes, the newest alarm is logged beside those that are open: its past is not.
 */
export async function changePoints(
  tx: Db,
  selection: AlarmSelection,
  change: PointChange,
  act: Act,
): Promise<ChangedPoints> {
  await lockAlarms(tx);
  const once = sql.raw("ids" in selection ? "" : "distinct on (a.job_id, a.sink_uid, a.equipment)");
  const chosen = rowsOf<OpenAlarm & Record<string, unknown>>(
    await tx.execute(sql`
    select ${once} ${ALARM_COLUMNS} from ${ALARM_TABLES} where ${selects(selection, act.nowMs)}
    order by a.job_id, a.sink_uid, a.equipment, a.raised_at desc, a.id desc`),
  );
  return await changeThese(tx, chosen, change, { ...act, cause: "person" });
}

async function changeThese(
  tx: Db,
  chosen: readonly (Point & Partial<OpenAlarm>)[],
  change: PointChange,
  act: Act & { readonly cause: "person" | "clock" },
): Promise<ChangedPoints> {
  const all = distinctPoints(chosen);
  const before = await sidesOf(tx, all);
  const points = all.filter((point) => isChanging(before.get(sideText(point)), change, act.nowMs));
  if (points.length === 0) return { points: 0, steps: [] };
  await writePoints(tx, points, change, act);
  const isChanged = new Set(points.map(sideText));
  const alarms = new Map<string, OpenAlarm>();
  for (const alarm of await openAlarmsOf(tx, points)) alarms.set(alarm.id, alarm);
  for (const alarm of chosen) {
    if (alarm.id !== undefined && isChanged.has(sideText(alarm))) {
      alarms.set(alarm.id, alarm as OpenAlarm);
    }
  }
  const isSounding = change.kind === "unshelved" || change.kind === "returned-to-service";
  const heard = isSounding ? await heardOf(tx, [...alarms.keys()]) : new Set<string>();
  const steps = [...alarms.values()].map((alarm): LoggedStep => {
    const side = before.get(sideText(alarm)) ?? OPEN_SIDE;
    return {
      alarm,
      kind: change.kind satisfies AlarmTransitionKind,
      atMs: act.nowMs,
      cause: act.cause,
      from: labelOf(alarm, side, change.kind === "unshelved" ? 0 : act.nowMs),
      to: labelOf(alarm, changedSide(side, change), act.nowMs),
      by: act.cause === "clock" ? null : act.by,
      comment: act.comment,
      isNews: isSounding && alarm.isActive && !alarm.isAcknowledged && !heard.has(alarm.id),
    };
  });
  await logSteps(tx, steps, act.nowMs);
  return { points: points.length, steps };
}

function isChanging(side: PointSide = OPEN_SIDE, change: PointChange, nowMs: number): boolean {
  switch (change.kind) {
    case "shelved":
      return side.shelvedUntilMs !== change.untilMs || change.untilMs <= nowMs;
    case "unshelved":
      return side.shelvedUntilMs !== null;
    case "out-of-service":
      return !side.isOutOfService;
    case "returned-to-service":
      return side.isOutOfService;
  }
}

function changedSide(side: PointSide, change: PointChange): PointSide {
  switch (change.kind) {
    case "shelved":
      return { ...side, shelvedUntilMs: change.untilMs };
    case "unshelved":
      return { ...side, shelvedUntilMs: null };
    case "out-of-service":
      return { ...side, isOutOfService: true };
    case "returned-to-service":
      return { ...side, isOutOfService: false };
  }
}

async function writePoints(
  tx: Db,
  points: readonly Point[],
  change: PointChange,
  { by, nowMs, comment }: Act,
): Promise<void> {
  const isOut = change.kind === "out-of-service";
  const columns = change.kind === "shelved" || change.kind === "unshelved"
    ? {
      names: sql.raw("shelved_until, shelved_by, shelve_reason"),
      values: change.kind === "shelved"
        ? sql`${timeOf(change.untilMs)}, ${by}::text, ${comment}::text`
        : sql`null::timestamptz, null::text, null::text`,
      set: sql.raw(`shelved_until = excluded.shelved_until, shelved_by = excluded.shelved_by,
        shelve_reason = excluded.shelve_reason`),
    }
    : {
      names: sql.raw("out_of_service_at, out_of_service_by, out_of_service_reason"),
      values: isOut
        ? sql`${timeOf(nowMs)}, ${by}::text, ${comment}::text`
        : sql`null::timestamptz, null::text, null::text`,
      set: sql.raw(`out_of_service_at = excluded.out_of_service_at,
        out_of_service_by = excluded.out_of_service_by,
        out_of_service_reason = excluded.out_of_service_reason`),
    };
  for (const chunk of chunksOf(points)) {
    await tx.execute(sql`
      insert into alarm_points (job_id, sink_uid, equipment, ${columns.names})
      select r."jobId", r."sinkUid", r.equipment, ${columns.values}
      from jsonb_to_recordset(${JSON.stringify(chunk)}::text::jsonb)
        as r("jobId" text, "sinkUid" text, equipment text)
      on conflict (job_id, sink_uid, equipment) do update set ${columns.set}`);
  }
}

function distinctPoints(alarms: readonly Point[]): Point[] {
  return [
    ...new Map(alarms.map(({ jobId, sinkUid, equipment }) => {
      const point = { jobId, sinkUid, equipment };
      return [sideText(point), point];
    })).values(),
  ];
}

/** Adds what a person has to say to an alarm's log. @returns The alarm, or null when there is none. */
export async function commentOnAlarm(tx: Db, id: string, act: Act): Promise<LoggedAlarm | null> {
  const [alarm] = rowsOf<OpenAlarm & Record<string, unknown>>(
    await tx.execute(sql`
    select ${ALARM_COLUMNS} from ${ALARM_TABLES} where ${selects({ ids: [id] }, act.nowMs)}`),
  );
  if (alarm === undefined) return null;
  const side = (await sidesOf(tx, [alarm])).get(sideText(alarm)) ?? OPEN_SIDE;
  const label = labelOf(alarm, side, act.nowMs);
  await logSteps(tx, [{
    alarm,
    kind: "commented",
    atMs: act.nowMs,
    cause: "person",
    from: label,
    to: label,
    by: act.by,
    comment: act.comment,
    isNews: false,
  }], act.nowMs);
  return alarm;
}

/** Ends shelving whose time is up. */
export async function unshelveDue(db: Db, nowMs: number): Promise<readonly LoggedStep[]> {
  const due = await db.select({ until: alarmPoints.shelvedUntil }).from(alarmPoints)
    .where(lte(alarmPoints.shelvedUntil, new Date(nowMs))).limit(1);
  if (due.length === 0) return [];
  return await db.transaction(async (tx) => {
    await lockAlarms(tx);
    const points = rowsOf<Point & Record<string, unknown>>(
      await tx.execute(sql`
      select job_id as "jobId", sink_uid as "sinkUid", equipment from alarm_points
      where shelved_until <= ${timeOf(nowMs)}`),
    );
    if (points.length === 0) return [];
    const act = { by: "", nowMs, comment: null, cause: "clock" } as const;
    return (await changeThese(tx, points, { kind: "unshelved" }, act)).steps;
  });
}

/** Takes the flag from points that did not chatter for long enough. */
export async function endChattering(db: Db, nowMs: number): Promise<void> {
  await db.execute(sql`
    update alarm_points s set chattering_since = null where s.chattering_since is not null
      and not exists (select from alarms a where a.job_id = s.job_id and a.sink_uid = s.sink_uid
        and a.equipment = s.equipment and a.raised_at > ${timeOf(nowMs - CHATTER_QUIET_MS)})`);
}
