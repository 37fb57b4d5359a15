/**
 * Alarms whose job has ended for good: nobody watches their condition any more, so they are over with it.
 *
 * Touches the database, reads only. A savepoint that is left, or a running job of the same name or the same
 * sessions, may know the condition and tell its end: then the alarm stays.
 *
 * @module
 */
import { sql } from "drizzle-orm";
import type { JobId, RegionId } from "@shared/ids.ts";
import type { AlarmEdge } from "@shared/messages.ts";
import { type AlarmRow, ms } from "./alarm_points.ts";
import { type Db, rowsOf } from "./client.ts";

/** Onsets that one look ends. */
const ENDED_MAX = 1_000;

type Onset =
  & Pick<AlarmRow, "id" | "jobId" | "sinkUid" | "operatorUid" | "equipment">
  & { readonly priority: AlarmEdge["priority"]; readonly endMs: number };

/** Ends of the onsets that hold such alarms active. */
export async function endsWithJobs(db: Db): Promise<AlarmEdge[]> {
  const rows = rowsOf<Onset & Record<string, unknown>>(
    await db.execute(sql`
    select a.id, a.job_id as "jobId", a.sink_uid as "sinkUid", a.operator_uid as "operatorUid",
      a.equipment, a.priority, ${ms("greatest(a.raised_at, j.stopped_at)")} as "endMs"
    from alarms o join jobs j on j.id = o.job_id join alarms a on a.job_id = o.job_id
      and a.sink_uid = o.sink_uid and a.equipment = o.equipment and a.continues_id = o.id
    where o.is_active and o.kind = 'condition' and j.desired_state <> 'running'
      and not exists (select from regions r where r.job_id = j.id and r.status <> 'stopped')
      and not exists (select from savepoints s where s.job_id = j.id and s.status <> 'failed')
      and not exists (select from jobs n where n.desired_state = 'running'
        and (n.name = j.name or n.session_job_id in (j.id, j.session_job_id)))
      and not exists (select from alarm_edges e where e.alarm_id = a.id and not e.is_active)
    limit ${ENDED_MAX}`),
  );
  return rows.map((onset) => ({
    edgeId: `${onset.id}-job-end`,
    alarmId: onset.id,
    jobId: onset.jobId as JobId,
    regionId: "" as RegionId,
    operatorUid: onset.operatorUid,
    sinkUid: onset.sinkUid,
    key: onset.equipment,
    isActive: false,
    priority: onset.priority,
    text: "",
    response: "",
    atMs: onset.endMs,
    value: null,
    score: null,
    threshold: null,
  }));
}
