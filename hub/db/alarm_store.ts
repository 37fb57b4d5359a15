/**
 * Alarms, one row per occurrence, and the edges that made them.
 *
 * Touches the database. Edges carry ids made where the record was processed: after a restore the same
 * records give the same ids, and an edge taken in before changes nothing and rings nobody.
 *
 * The rows follow the pure life cycle of `hub/coordinator/alarm_state.ts`.
 *
 * @module
 */
import { and, asc, desc, eq, inArray, isNotNull, lt, or, type SQL, sql } from "drizzle-orm";
import type { AlarmView } from "@shared/api.ts";
import type { AlarmEdge } from "@shared/messages.ts";
import {
  acknowledgeAlarm as acknowledged,
  type AlarmState,
  applyEdge,
} from "../coordinator/alarm_state.ts";
import type { Db } from "./client.ts";
import { alarmEdges, alarms } from "./schema.ts";

/** Rows per INSERT; keeps a statement far below PostgreSQL's 65,535 parameters. */
const ROWS_PER_INSERT = 500;

/** Number of the advisory lock that takes edges in one after the other: they may concern one alarm. */
const ALARM_LOCK = 7004;

/** What people are told of edges that were taken in. */
export interface AlarmChanges {
  readonly raised: readonly AlarmEdge[];
  readonly cleared: readonly AlarmEdge[];
}

/**
 * Takes edges in, each id once, in one transaction; what becomes of each alarm is decided by its life
 * cycle (`hub/coordinator/alarm_state.ts`).
 *
 * @returns The edges that changed their alarm, for events and live views.
 */
export async function recordEdges(
  db: Db,
  edges: readonly AlarmEdge[],
  nowMs: number,
): Promise<AlarmChanges> {
  if (edges.length === 0) return { raised: [], cleared: [] };
  return await db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${ALARM_LOCK}::bigint)`);
    const fresh = await insertNewEdges(tx, edges, nowMs);
    const states = await statesBefore(tx, fresh);
    const first = new Map<string, AlarmEdge>();
    const changes: Record<"raised" | "cleared", AlarmEdge[]> = { raised: [], cleared: [] };
    for (const edge of fresh) {
      const step = applyEdge(states.get(edge.alarmId) ?? null, edge);
      states.set(edge.alarmId, step.state);
      if (!first.has(edge.alarmId)) first.set(edge.alarmId, edge);
      if (step.change !== "none") changes[step.change].push(edge);
    }
    await writeAlarms(tx, [...first.values()], states);
    return changes;
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

/** Alarms as the edges known before `fresh` made them. */
async function statesBefore(tx: Db, fresh: readonly AlarmEdge[]): Promise<Map<string, AlarmState>> {
  const states = new Map<string, AlarmState>();
  const freshIds = new Set(fresh.map(({ edgeId }) => edgeId));
  for (const chunk of chunksOf([...new Set(fresh.map(({ alarmId }) => alarmId))])) {
    const rows = await tx.select().from(alarmEdges).where(inArray(alarmEdges.alarmId, chunk));
    for (const { id, alarmId, isActive, at } of rows) {
      if (freshIds.has(id)) continue;
      const edge = { edgeId: id, isActive, atMs: at.getTime() };
      states.set(alarmId, applyEdge(states.get(alarmId) ?? null, edge).state);
    }
  }
  return states;
}

async function writeAlarms(
  tx: Db,
  edges: readonly AlarmEdge[],
  states: ReadonlyMap<string, AlarmState>,
): Promise<void> {
  for (const chunk of chunksOf(edges)) {
    await tx.insert(alarms).values(chunk.map((edge) => {
      const { isActive, raisedAtMs, clearedAtMs } = states.get(edge.alarmId)!;
      return {
        id: edge.alarmId,
        jobId: edge.jobId,
        operatorUid: edge.operatorUid,
        sinkUid: edge.sinkUid,
        equipment: edge.key,
        priority: edge.priority,
        text: edge.text,
        response: edge.response,
        isActive,
        raisedAt: new Date(raisedAtMs),
        clearedAt: clearedAtMs === null ? null : new Date(clearedAtMs),
        value: edge.value,
        score: edge.score,
        threshold: edge.threshold,
      };
    })).onConflictDoUpdate({
      target: alarms.id,
      set: {
        isActive: sql`excluded.is_active`,
        raisedAt: sql`excluded.raised_at`,
        clearedAt: sql`excluded.cleared_at`,
      },
    });
  }
}

export interface AlarmFilter {
  readonly jobId?: string;
  readonly equipment?: string;
  readonly priority?: string;
  readonly isActive?: boolean;
  readonly isAcknowledged?: boolean;
  /** Only what a detector scored. */
  readonly isScored?: boolean;
}

export interface AlarmPage extends AlarmFilter {
  readonly limit: number;
  /** Of the last alarm of the previous page. */
  readonly before: { readonly raisedAtMs: number; readonly id: string } | null;
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
  conditions.push(...conditionsOf(page));
  const rows = await db.select().from(alarms).where(and(...conditions))
    .orderBy(desc(alarms.raisedAt), desc(alarms.id)).limit(page.limit);
  return rows.map(viewOf);
}

function conditionsOf(filter: AlarmFilter): SQL[] {
  const conditions: SQL[] = [];
  if (filter.jobId !== undefined) conditions.push(eq(alarms.jobId, filter.jobId));
  if (filter.equipment !== undefined) conditions.push(eq(alarms.equipment, filter.equipment));
  if (filter.priority !== undefined) conditions.push(eq(alarms.priority, filter.priority));
  if (filter.isActive !== undefined) conditions.push(eq(alarms.isActive, filter.isActive));
  if (filter.isAcknowledged !== undefined) {
    conditions.push(eq(alarms.isAcknowledged, filter.isAcknowledged));
  }
  if (filter.isScored === true) conditions.push(isNotNull(alarms.score));
  return conditions;
}

export async function getAlarm(db: Db, id: string): Promise<AlarmView | null> {
  const rows = await db.select().from(alarms).where(eq(alarms.id, id));
  return rows[0] === undefined ? null : viewOf(rows[0]);
}

/** Acknowledges once; the first person stays named. @returns The alarm as it is now, null when absent. */
export async function acknowledgeAlarm(
  tx: Db,
  id: string,
  by: { readonly principal: string; readonly nowMs: number },
): Promise<AlarmView | null> {
  await acknowledgeAlarms(tx, { ids: [id] }, by);
  return await getAlarm(tx, id);
}

/**
 * Acknowledges the alarms that are named, or all that the filter takes.
 *
 * @returns Ids of those that nobody had acknowledged before.
 */
export async function acknowledgeAlarms(
  tx: Db,
  which: { readonly ids: readonly string[] } | { readonly filter: AlarmFilter },
  by: { readonly principal: string; readonly nowMs: number },
): Promise<string[]> {
  const chosen = "ids" in which ? [inArray(alarms.id, [...which.ids])] : conditionsOf(which.filter);
  const rows = await tx.select({
    id: alarms.id,
    isAcknowledged: alarms.isAcknowledged,
    acknowledgedBy: alarms.acknowledgedBy,
    acknowledgedAt: alarms.acknowledgedAt,
  }).from(alarms).where(and(eq(alarms.isAcknowledged, false), ...chosen))
    .orderBy(asc(alarms.id)).for("update");
  const changed: string[] = [];
  for (const chunk of chunksOf(rows)) {
    const ids = chunk.filter((row) => {
      const state = { ...row, acknowledgedAtMs: row.acknowledgedAt?.getTime() ?? null };
      return acknowledged(state, by.principal, by.nowMs) !== null;
    }).map(({ id }) => id);
    await tx.update(alarms).set({
      isAcknowledged: true,
      acknowledgedBy: by.principal,
      acknowledgedAt: new Date(by.nowMs),
    }).where(inArray(alarms.id, ids));
    changed.push(...ids);
  }
  return changed;
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
