/**
 * The log of what happened to alarms, and what is to be told of it: written in one go.
 *
 * Touches the database, inside the caller's transaction, so that a step, its row in the log and the
 * messages about it are kept together or not at all.
 *
 * @module
 */
import { sql } from "drizzle-orm";
import type { AlarmStateLabel, AlarmTransitionKind } from "@shared/plant_api.ts";
import { isHidden } from "../coordinator/alarm_state.ts";
import type { AlarmRow } from "./alarm_points.ts";
import { chunksOf } from "./alarm_points.ts";
import { type Db, rowsOf } from "./client.ts";
import { enqueueNotifications } from "./notification_store.ts";

/** Kinds with which an alarm begins to sound for people. */
export const SOUNDING: readonly AlarmTransitionKind[] = [
  "raised",
  "re-alarmed",
  "unshelved",
  "unsuppressed",
  "returned-to-service",
];

/** What the log and people need to know of an alarm. */
export type LoggedAlarm =
  & Pick<
    AlarmRow,
    "id" | "jobId" | "sinkUid" | "operatorUid" | "equipment" | "priority" | "text" | "kind"
  >
  & Pick<AlarmRow, "value" | "score" | "threshold">;

export interface LoggedStep {
  readonly alarm: LoggedAlarm;
  readonly kind: AlarmTransitionKind;
  readonly atMs: number;
  readonly cause: "edge" | "clock" | "no-data" | "person";
  readonly from: AlarmStateLabel | null;
  readonly to: AlarmStateLabel;
  readonly by?: string | null;
  readonly comment?: string | null;
  /** Told to channels, unless the alarm is hidden. */
  readonly isNews: boolean;
}

/** Adds steps to the log and their messages to the outbox. */
export async function logSteps(
  tx: Db,
  steps: readonly LoggedStep[],
  nowMs: number,
): Promise<void> {
  for (const chunk of chunksOf(steps.map(rowOf))) {
    await tx.execute(sql`
      insert into alarm_transitions (alarm_id, job_id, sink_uid, equipment, priority, at, kind,
        from_state, to_state, cause, by, comment, value)
      select a, j, s, e, p, at, k, f, t, c, b, m, v
      from jsonb_to_recordset(${JSON.stringify(chunk)}::text::jsonb) as r(a text, j text, s text,
        e text, p text, at timestamptz, k text, f text, t text, c text, b text, m text,
        v double precision)`);
  }
  await enqueueNotifications(tx, steps.filter(isTold), nowMs);
}

/** A sounding alarm is told as it begins to sound, its end also while it is hidden. */
function isTold({ isNews, kind, to }: LoggedStep): boolean {
  return isNews && (kind === "cleared" || !isHidden(to) && SOUNDING.includes(kind));
}

function rowOf(step: LoggedStep) {
  const { alarm, kind, atMs, cause, from, to, by, comment } = step;
  return {
    a: alarm.id,
    j: alarm.jobId,
    s: alarm.sinkUid,
    e: alarm.equipment,
    p: alarm.priority,
    at: new Date(atMs).toISOString(),
    k: kind,
    f: from,
    t: to,
    c: cause,
    b: by ?? null,
    m: comment ?? null,
    v: alarm.value,
  };
}

/** Those of `alarmIds` whose last onset people have heard of, then or since. */
export async function heardOf(tx: Db, alarmIds: readonly string[]): Promise<Set<string>> {
  const heard = new Set<string>();
  for (const chunk of chunksOf(alarmIds)) {
    const rows = rowsOf<{ id: string }>(
      await tx.execute(sql`
      select t.alarm_id as id from alarm_transitions t where t.alarm_id in ${chunk}
        and t.to_state in ('unacknowledged', 'acknowledged') and t.kind in ${[...SOUNDING]}
      group by t.alarm_id having max(t.id) >= (select max(o.id) from alarm_transitions o
        where o.alarm_id = t.alarm_id and o.kind in ('raised', 're-alarmed'))`),
    );
    for (const { id } of rows) heard.add(id);
  }
  return heard;
}
