/**
 * Lets go of rows that only tell what was: ended attempts and operations, edges of alarms that are over,
 * onsets that never rang, gaps of jobs that ended, texts of bundles that nothing runs.
 *
 * Touches the database, under this hub's reign (F2), a bounded number of rows at a time. What something
 * still needs stays whatever its age:
 *
 *  1. An attempt that is its region's present one, and the newest of each region.
 *  2. An operation that has not ended.
 *  3. The edges of an alarm that is active, of every onset of it: they say that its condition holds, and
 *     keep a replay from ringing twice. Alarms themselves stay.
 *  4. Gaps of rollbacks of a job that runs: ordinals go on behind them (P4).
 *  5. The text of a bundle that a running job or any savepoint names.
 *
 * @module
 */
import { sql } from "drizzle-orm";
import type { HubTerm } from "@shared/ids.ts";
import type { Db } from "./client.ts";
import { withReign } from "./hub_state_store.ts";

/** Rows of one table that one round deletes; a round comes every hour. */
const DELETED_MAX = 100_000;

/** What of a hub's history may go. */
export type HistoryKind =
  | "attempts"
  | "operations"
  | "alarmEdges"
  | "silentOnsets"
  | "gaps"
  | "bundles";

/** One statement each; `before` is an ISO time. */
const STATEMENTS: Readonly<Record<HistoryKind, (before: string) => ReturnType<typeof sql>>> = {
  attempts: (before) =>
    sql`
    delete from attempts a using (
      select t.job_id, t.region_id, t.attempt from attempts t
      where t.ended_at < ${before}::timestamptz
        and t.attempt < (select max(n.attempt) from attempts n
                         where n.job_id = t.job_id and n.region_id = t.region_id)
        and not exists (select 1 from regions r where r.job_id = t.job_id
                        and r.region_id = t.region_id and r.attempt = t.attempt)
      order by t.ended_at limit ${DELETED_MAX}
    ) old where a.job_id = old.job_id and a.region_id = old.region_id and a.attempt = old.attempt`,
  operations: (before) =>
    sql`
    delete from operations where id in (
      select id from operations
      where status not in ('pending', 'running') and updated_at < ${before}::timestamptz
      order by updated_at limit ${DELETED_MAX})`,
  alarmEdges: (before) =>
    sql`
    delete from alarm_edges where id in (
      select e.id from alarm_edges e
      where e.received_at < ${before}::timestamptz
        and not exists (select 1 from alarms o join alarms a on a.id in (o.id, o.continues_id)
                        where o.id = e.alarm_id and a.is_active)
      order by e.received_at limit ${DELETED_MAX})`,
  silentOnsets: (before) =>
    sql`
    delete from alarms where id in (
      select o.id from alarms o
      where not o.is_rung and o.due_at is null and o.raised_at < ${before}::timestamptz
        and not exists (select 1 from alarm_edges e where e.alarm_id = o.id)
      order by o.raised_at limit ${DELETED_MAX})`,
  gaps: (before) =>
    sql`
    delete from gaps where id in (
      select g.id from gaps g join jobs j on j.id = g.job_id
      where g.created_at < ${before}::timestamptz
        and (g.cause <> 'rollback' or (j.desired_state <> 'running' and j.stopped_at < ${before}::timestamptz))
      order by g.created_at limit ${DELETED_MAX})`,
  bundles: (before) =>
    sql`
    update bundles b set bundle = ''
    where b.bundle <> '' and b.created_at < ${before}::timestamptz
      and not exists (select 1 from jobs j where j.bundle_digest = b.digest
        and (j.desired_state = 'running' or j.stopped_at >= ${before}::timestamptz))
      and not exists (select 1 from savepoints s where s.bundle_digest = b.digest)`,
};

/** Lets history of one kind go that was over before `beforeMs`. */
export async function deleteHistoryBefore(
  db: Db,
  hubTerm: HubTerm,
  kind: HistoryKind,
  beforeMs: number,
): Promise<void> {
  const statement = STATEMENTS[kind](new Date(beforeMs).toISOString());
  await withReign(db, hubTerm, async (tx) => void await tx.execute(statement));
}
