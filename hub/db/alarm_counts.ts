/**
 * Alarms counted and named for other parts of the hub: equipment, metrics, rollback plans.
 *
 * Touches the database, reads only.
 *
 * @module
 */
import { and, desc, eq, sql } from "drizzle-orm";
import type { Db } from "./client.ts";
import { PRIORITIES } from "./notification_store.ts";
import { alarms } from "./schema.ts";

/** Alarms of a job raised after `sinceMs`, newest first; what a rollback concerns. */
export async function alarmsRaisedSince(
  db: Db,
  jobId: string,
  sinceMs: number,
  limit: number,
): Promise<{ id: string; equipment: string; text: string; raisedAt: string }[]> {
  const rows = await db.select().from(alarms)
    .where(and(
      eq(alarms.jobId, jobId),
      eq(alarms.isRung, true),
      sql`${alarms.raisedAt} > ${new Date(sinceMs).toISOString()}`,
    ))
    .orderBy(desc(alarms.raisedAt)).limit(limit);
  return rows.map((row) => ({
    id: row.id,
    equipment: row.equipment,
    text: row.text,
    raisedAt: row.raisedAt.toISOString(),
  }));
}

export interface AlarmCounts {
  readonly active: number;
  readonly unacknowledged: number;
  readonly highestPriority: string | null;
}

/** Active or unacknowledged alarms by `job/operator/equipment`. */
export async function openAlarmCounts(db: Db): Promise<Map<string, AlarmCounts>> {
  const rows = await db.select({
    jobId: alarms.jobId,
    operatorUid: alarms.operatorUid,
    equipment: alarms.equipment,
    priority: alarms.priority,
    active: sql<number>`count(*) filter (where ${alarms.isActive})::int`,
    unacknowledged: sql<number>`count(*) filter (where not ${alarms.isAcknowledged})::int`,
  }).from(alarms).where(sql`${alarms.isActive} or not ${alarms.isAcknowledged}`)
    .groupBy(alarms.jobId, alarms.operatorUid, alarms.equipment, alarms.priority);
  const counts = new Map<string, AlarmCounts>();
  for (const row of rows) {
    const key = `${row.jobId}/${row.operatorUid}/${row.equipment}`;
    const before = counts.get(key);
    counts.set(key, {
      active: (before?.active ?? 0) + row.active,
      unacknowledged: (before?.unacknowledged ?? 0) + row.unacknowledged,
      highestPriority: row.active === 0
        ? before?.highestPriority ?? null
        : higher(before?.highestPriority ?? null, row.priority),
    });
  }
  return counts;
}

/** How many alarms are active, by priority and whether a person has seen them. */
export async function alarmTotals(
  db: Db,
): Promise<{ priority: string; isAcknowledged: boolean; count: number }[]> {
  return await db.select({
    priority: alarms.priority,
    isAcknowledged: alarms.isAcknowledged,
    count: sql<number>`count(*)::int`,
  }).from(alarms).where(sql`${alarms.isActive}`)
    .groupBy(alarms.priority, alarms.isAcknowledged);
}

function higher(a: string | null, b: string): string {
  const rank = (name: string) => PRIORITIES.findIndex((one) => one === name);
  return a !== null && rank(a) > rank(b) ? a : b;
}
