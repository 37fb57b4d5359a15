/**
 * What the watch over silent signals needs: jobs that run, and silences that are alarms now.
 *
 * Touches the database, reads only.
 *
 * @module
 */
import { and, eq, sql } from "drizzle-orm";
import type { AlarmPriority, JobGraph } from "@shared/job_graph.ts";
import { ms } from "./alarm_points.ts";
import { type Db, rowsOf } from "./client.ts";
import { jobs } from "./schema.ts";

/** Graphs of running jobs with a sink that asks for alarms of silence. */
export async function runningGraphs(db: Db): Promise<{ id: string; graph: JobGraph }[]> {
  return await db.select({ id: jobs.id, graph: jobs.graph }).from(jobs).where(and(
    eq(jobs.desiredState, "running"),
    sql`jsonb_path_exists(${jobs.graph}, '$.operators[*].sink.noData')`,
  ));
}

/** Silences that go on. */
export async function openSilences(db: Db): Promise<
  {
    id: string;
    jobId: string;
    sinkUid: string;
    operatorUid: string;
    equipment: string;
    priority: AlarmPriority;
    raisedAtMs: number;
  }[]
> {
  return rowsOf(
    await db.execute(sql`
    select a.id, a.job_id as "jobId", a.sink_uid as "sinkUid", a.operator_uid as "operatorUid",
      a.equipment, a.priority, ${ms("a.raised_at")} as "raisedAtMs"
    from alarms o join alarms a on a.job_id = o.job_id and a.sink_uid = o.sink_uid
      and a.equipment = o.equipment and a.continues_id = o.id
    where o.is_active and o.kind = 'no-data'
      and not exists (select from alarm_edges e where e.alarm_id = a.id and not e.is_active)`),
  );
}
