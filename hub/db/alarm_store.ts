/**
 * Alarms, one row per occurrence, and the edges that made them.
 *
 * Touches the database. Edges carry ids made where the record was processed: after a restore the same
 * records give the same ids, and an edge taken in before changes nothing and rings nobody.
 *
 *   raise edge ──▶ active ──clear edge──▶ cleared      acknowledged: set by a person, in either state
 *
 * @module
 */
import { and, desc, eq, isNotNull, lt, or, type SQL, sql } from "drizzle-orm";
import type { AlarmView } from "@shared/api.ts";
import type { AlarmEdge } from "@shared/messages.ts";
import type { Db } from "./client.ts";
import { alarmEdges, alarms } from "./schema.ts";

/** Rows per INSERT; keeps a statement far below PostgreSQL's 65,535 parameters. */
const ROWS_PER_INSERT = 500;

/**
 * Takes edges in, each id once, in one transaction.
 *
 * A raise opens the occurrence, a clear ends it; a clear whose raise is not known opens it as ended,
 * so a raise that arrives after its clear does not ring.
 *
 * @returns The edges that were new, for events and live views.
 */
export async function recordEdges(
  db: Db,
  edges: readonly AlarmEdge[],
  nowMs: number,
): Promise<{ raised: AlarmEdge[]; cleared: AlarmEdge[] }> {
  if (edges.length === 0) return { raised: [], cleared: [] };
  return await db.transaction(async (tx) => {
    const fresh = await insertNewEdges(tx, edges, nowMs);
    const raised = fresh.filter((edge) => edge.isActive);
    const cleared = fresh.filter((edge) => !edge.isActive);
    await openOccurrences(tx, raised);
    await openOccurrences(tx, cleared);
    await endOccurrences(tx, cleared);
    return { raised, cleared };
  });
}

async function insertNewEdges(
  tx: Db,
  edges: readonly AlarmEdge[],
  nowMs: number,
): Promise<AlarmEdge[]> {
  const byId = new Map(edges.map((edge) => [edge.edgeId, edge]));
  const fresh: AlarmEdge[] = [];
  for (const chunk of chunksOf([...byId.values()])) {
    const inserted = await tx.insert(alarmEdges).values(chunk.map((edge) => ({
      id: edge.edgeId,
      alarmId: edge.alarmId,
      isActive: edge.isActive,
      at: new Date(edge.atMs),
      receivedAt: new Date(nowMs),
    }))).onConflictDoNothing().returning({ id: alarmEdges.id });
    for (const row of inserted) fresh.push(byId.get(row.id)!);
  }
  return fresh.sort((a, b) => a.atMs - b.atMs);
}

async function openOccurrences(tx: Db, edges: readonly AlarmEdge[]): Promise<void> {
  const first = new Map<string, AlarmEdge>();
  for (const edge of edges) if (!first.has(edge.alarmId)) first.set(edge.alarmId, edge);
  for (const chunk of chunksOf([...first.values()])) {
    await tx.insert(alarms).values(chunk.map((edge) => ({
      id: edge.alarmId,
      jobId: edge.jobId,
      operatorUid: edge.operatorUid,
      sinkUid: edge.sinkUid,
      equipment: edge.key,
      priority: edge.priority,
      text: edge.text,
      response: edge.response,
      isActive: edge.isActive,
      raisedAt: new Date(edge.atMs),
      clearedAt: edge.isActive ? null : new Date(edge.atMs),
      value: edge.value,
      score: edge.score,
      threshold: edge.threshold,
    }))).onConflictDoUpdate({
      target: alarms.id,
      set: { raisedAt: sql`least(${alarms.raisedAt}, excluded.raised_at)` },
    });
  }
}

async function endOccurrences(tx: Db, edges: readonly AlarmEdge[]): Promise<void> {
  if (edges.length === 0) return;
  const ends = edges.map((edge) => ({ id: edge.alarmId, at: new Date(edge.atMs).toISOString() }));
  await tx.execute(sql`
    update alarms set is_active = false, cleared_at = v.at
    from jsonb_to_recordset(${JSON.stringify(ends)}::text::jsonb) as v(id text, at timestamptz)
    where alarms.id = v.id and alarms.is_active`);
}

export interface AlarmPage {
  readonly limit: number;
  /** Of the last alarm of the previous page. */
  readonly before: { readonly raisedAtMs: number; readonly id: string } | null;
  readonly jobId?: string;
  readonly equipment?: string;
  readonly priority?: string;
  readonly isActive?: boolean;
  readonly isAcknowledged?: boolean;
  /** Only what a detector scored. */
  readonly isScored?: boolean;
}

/** Newest first. */
export async function listAlarms(db: Db, page: AlarmPage): Promise<AlarmView[]> {
  const conditions: (SQL | undefined)[] = [];
  if (page.before !== null) {
    const at = new Date(page.before.raisedAtMs);
    conditions.push(
      or(lt(alarms.raisedAt, at), and(eq(alarms.raisedAt, at), lt(alarms.id, page.before.id))),
    );
  }
  if (page.jobId !== undefined) conditions.push(eq(alarms.jobId, page.jobId));
  if (page.equipment !== undefined) conditions.push(eq(alarms.equipment, page.equipment));
  if (page.priority !== undefined) conditions.push(eq(alarms.priority, page.priority));
  if (page.isActive !== undefined) conditions.push(eq(alarms.isActive, page.isActive));
  if (page.isAcknowledged !== undefined) {
    conditions.push(eq(alarms.isAcknowledged, page.isAcknowledged));
  }
  if (page.isScored === true) conditions.push(isNotNull(alarms.score));
  const rows = await db.select().from(alarms).where(and(...conditions))
    .orderBy(desc(alarms.raisedAt), desc(alarms.id)).limit(page.limit);
  return rows.map(viewOf);
}

export async function getAlarm(db: Db, id: string): Promise<AlarmView | null> {
  const rows = await db.select().from(alarms).where(eq(alarms.id, id));
  return rows[0] === undefined ? null : viewOf(rows[0]);
}

/** Acknowledges once; the first person stays named. @returns The alarm as it is now, null when absent. */
export async function acknowledgeAlarm(
  db: Db,
  id: string,
  by: { readonly principal: string; readonly nowMs: number },
): Promise<AlarmView | null> {
  await db.update(alarms).set({
    isAcknowledged: true,
    acknowledgedBy: by.principal,
    acknowledgedAt: new Date(by.nowMs),
  }).where(and(eq(alarms.id, id), eq(alarms.isAcknowledged, false)));
  return await getAlarm(db, id);
}

/** Alarms of a job raised after `sinceMs`, newest first; what a rollback concerns. */
export async function alarmsRaisedSince(
  db: Db,
  jobId: string,
  sinceMs: number,
  limit: number,
): Promise<{ id: string; equipment: string; text: string; raisedAt: string }[]> {
  const rows = await db.select().from(alarms)
    .where(
      and(eq(alarms.jobId, jobId), sql`${alarms.raisedAt} > ${new Date(sinceMs).toISOString()}`),
    )
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

const PRIORITIES = ["low", "medium", "high", "critical"];

/** Active or unacknowledged alarms by `job/operator/equipment`. */
export async function openAlarmCounts(db: Db): Promise<Map<string, AlarmCounts>> {
  const rows = await db.select({
    jobId: alarms.jobId,
    operatorUid: alarms.operatorUid,
    equipment: alarms.equipment,
    priority: alarms.priority,
    active: sql<number>`count(*) filter (where ${alarms.isActive})::int`,
    unacknowledged: sql<number>`count(*) filter (where not ${alarms.isAcknowledged})::int`,
  }).from(alarms).where(or(eq(alarms.isActive, true), eq(alarms.isAcknowledged, false)))
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
  }).from(alarms).where(eq(alarms.isActive, true))
    .groupBy(alarms.priority, alarms.isAcknowledged);
}

function higher(a: string | null, b: string): string {
  return a !== null && PRIORITIES.indexOf(a) > PRIORITIES.indexOf(b) ? a : b;
}

function chunksOf<T>(rows: readonly T[]): T[][] {
  const chunks: T[][] = [];
  for (let i = 0; i < rows.length; i += ROWS_PER_INSERT) {
    chunks.push(rows.slice(i, i + ROWS_PER_INSERT));
  }
  return chunks;
}

function viewOf(row: typeof alarms.$inferSelect): AlarmView {
  const { sinkUid: _sinkUid, raisedAt, clearedAt, acknowledgedAt, ...rest } = row;
  return {
    ...rest,
    priority: row.priority as AlarmView["priority"],
    acknowledgedAt: acknowledgedAt?.toISOString() ?? null,
    raisedAt: raisedAt.toISOString(),
    clearedAt: clearedAt?.toISOString() ?? null,
  };
}
