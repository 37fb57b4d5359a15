/**
 * Suppression by design: while an alarm of a named sink of the same equipment is active, others are silent.
 *
 * Touches the database, inside the transaction that changed the alarms.
 *
 * @module
 */
import { sql } from "drizzle-orm";
import type { AlarmRules } from "../coordinator/alarm_rules.ts";
import { labelOf } from "../coordinator/alarm_state.ts";
import { heardOf, type LoggedAlarm, type LoggedStep } from "./alarm_log.ts";
import {
  type AlarmPointKey,
  chunksOf,
  type JobAlarms,
  OPEN_SIDE,
  sidesOf,
  sideText,
} from "./alarm_points.ts";
import { type Db, rowsOf } from "./client.ts";

type Point = Omit<AlarmPointKey, "kind">;

export interface Suppression {
  /** What suppresses each point that was looked at, null for nothing; by `sideText`. */
  readonly now: ReadonlyMap<string, string | null>;
  /** Steps of alarms that were open before. */
  readonly steps: readonly LoggedStep[];
}

/** Brings the suppression of `points`, and of those that they suppress, up to date. */
export async function suppressPoints(
  tx: Db,
  points: readonly Point[],
  { jobs, nowMs, isRaised }: {
    readonly jobs: ReadonlyMap<string, JobAlarms>;
    readonly nowMs: number;
    /** Alarms raised in this transaction: their raise says that they are suppressed. */
    readonly isRaised: ReadonlySet<string>;
  },
): Promise<Suppression> {
  const concerned = concernedBy(points, jobs);
  if (concerned.length === 0) return { now: new Map(), steps: [] };
  const active = await activeSinks(tx, concerned);
  const sides = await sidesOf(tx, concerned);
  const now = new Map<string, string | null>();
  const changed: (Point & { by: string | null })[] = [];
  for (const point of concerned) {
    const key = sideText(point);
    const by = rulesOf(jobs, point).suppressedBy.find((sinkUid) =>
      active.has(sideText({ ...point, sinkUid }))
    ) ?? null;
    now.set(key, by);
    if (by !== (sides.get(key)?.suppressedBy ?? null)) {
      changed.push({ ...point, by });
    }
  }
  if (changed.length === 0) return { now, steps: [] };
  await writeSuppression(tx, changed);
  const open = (await openAlarmsOf(tx, changed)).filter(({ id }) => !isRaised.has(id));
  const heard = await heardOf(tx, open.map(({ id }) => id));
  const steps = open.flatMap((alarm): LoggedStep[] => {
    const side = sides.get(sideText(alarm)) ?? OPEN_SIDE;
    const by = now.get(sideText(alarm)) ?? null;
    if ((by === null) === (side.suppressedBy === null)) return [];
    return [{
      alarm,
      kind: by === null ? "unsuppressed" : "suppressed",
      atMs: nowMs,
      cause: "edge",
      from: labelOf(alarm, side, nowMs),
      to: labelOf(alarm, { ...side, suppressedBy: by }, nowMs),
      comment: by ?? side.suppressedBy,
      isNews: by === null && alarm.isActive && !alarm.isAcknowledged && !heard.has(alarm.id),
    }];
  });
  return { now, steps };
}

/** Points that something may suppress: those given, and those of the same equipment that name a given sink. */
function concernedBy(points: readonly Point[], jobs: ReadonlyMap<string, JobAlarms>): Point[] {
  const found = new Map<string, Point>();
  for (const { jobId, sinkUid, equipment } of points) {
    for (const [uid, rules] of jobs.get(jobId)?.sinks ?? []) {
      if (rules.suppressedBy.length === 0) continue;
      if (uid !== sinkUid && !rules.suppressedBy.includes(sinkUid)) continue;
      const point = { jobId, sinkUid: uid, equipment };
      found.set(sideText(point), point);
    }
  }
  return [...found.values()];
}

function rulesOf(jobs: ReadonlyMap<string, JobAlarms>, { jobId, sinkUid }: Point): AlarmRules {
  return jobs.get(jobId)!.sinks.get(sinkUid)!;
}

/** Sinks with an active alarm, of the equipment of `points`; by `sideText`. */
async function activeSinks(tx: Db, points: readonly Point[]): Promise<Set<string>> {
  const found = new Set<string>();
  for (const chunk of chunksOf(points)) {
    const rows = rowsOf<Point & Record<string, unknown>>(
      await tx.execute(sql`
      select distinct a.job_id as "jobId", a.sink_uid as "sinkUid", a.equipment from alarms a
      join jsonb_to_recordset(${JSON.stringify(chunk)}::text::jsonb)
        as p("jobId" text, equipment text)
      on a.equipment = p.equipment and a.job_id = p."jobId" where a.is_active`),
    );
    for (const row of rows) found.add(sideText(row));
  }
  return found;
}

async function writeSuppression(
  tx: Db,
  points: readonly (Point & { readonly by: string | null })[],
): Promise<void> {
  for (const chunk of chunksOf(points)) {
    await tx.execute(sql`
      insert into alarm_points (job_id, sink_uid, equipment, suppressed_by)
      select r."jobId", r."sinkUid", r.equipment, r.by
      from jsonb_to_recordset(${JSON.stringify(chunk)}::text::jsonb)
        as r("jobId" text, "sinkUid" text, equipment text, by text)
      on conflict (job_id, sink_uid, equipment) do update set suppressed_by = excluded.suppressed_by`);
  }
}

/** An alarm that is active or that nobody has acknowledged. */
export type OpenAlarm = LoggedAlarm & {
  readonly isActive: boolean;
  readonly isAcknowledged: boolean;
};

export async function openAlarmsOf(tx: Db, points: readonly Point[]): Promise<OpenAlarm[]> {
  const found: OpenAlarm[] = [];
  for (const chunk of chunksOf(points)) {
    found.push(...rowsOf<OpenAlarm & Record<string, unknown>>(
      await tx.execute(sql`
      select a.id, a.job_id as "jobId", a.sink_uid as "sinkUid", a.operator_uid as "operatorUid",
        a.equipment, a.priority, a.text, a.kind, a.value, a.score, a.threshold,
        a.is_active as "isActive", a.is_acknowledged as "isAcknowledged"
      from alarms a join jsonb_to_recordset(${JSON.stringify(chunk)}::text::jsonb)
        as p("jobId" text, "sinkUid" text, equipment text)
      on a.job_id = p."jobId" and a.sink_uid = p."sinkUid" and a.equipment = p.equipment
      where a.is_active or not a.is_acknowledged order by a.raised_at, a.id`),
    ));
  }
  return found;
}
