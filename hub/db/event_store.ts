/**
 * Stored events, in the order of their ids; the memory behind `Last-Event-ID`.
 *
 * Touches the database.
 *
 * @module
 */
import { asc, desc, gt, gte, lt } from "drizzle-orm";
import type { Db } from "./client.ts";
import { events } from "./schema.ts";

export interface StoredEvent {
  readonly id: number;
  readonly at: string;
  readonly type: string;
  readonly jobId: string | null;
  readonly agentId: string | null;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface NewEvent {
  readonly atMs: number;
  readonly type: string;
  readonly jobId: string | null;
  readonly agentId: string | null;
  readonly body: Record<string, unknown>;
}

/** Stores `batch` in its order. @returns The rows with their ids, ascending. */
export async function insertEvents(db: Db, batch: readonly NewEvent[]): Promise<StoredEvent[]> {
  if (batch.length === 0) return [];
  const rows = await db.insert(events)
    .values(batch.map(({ atMs, ...event }) => ({ ...event, at: new Date(atMs) }))).returning();
  return rows.map(eventOf).sort((a, b) => a.id - b.id);
}

/** Events with an id above `afterId`, oldest first. */
export async function eventsSince(db: Db, afterId: number, limit: number): Promise<StoredEvent[]> {
  const rows = await db.select().from(events).where(gt(events.id, afterId))
    .orderBy(asc(events.id)).limit(limit);
  return rows.map(eventOf);
}

/** Id of the newest event; 0 when there is none. */
export async function lastEventId(db: Db): Promise<number> {
  const rows = await db.select({ id: events.id }).from(events).orderBy(desc(events.id)).limit(1);
  return rows[0]?.id ?? 0;
}

/** Deletes events older than `beforeMs`. Ids ascend with time, so it looks at no more than what goes. */
export async function deleteEventsBefore(db: Db, beforeMs: number): Promise<void> {
  const before = new Date(beforeMs);
  const kept = await db.select({ id: events.id }).from(events).where(gte(events.at, before))
    .orderBy(asc(events.id)).limit(1);
  const first = kept[0]?.id;
  await db.delete(events)
    .where(first === undefined ? lt(events.at, before) : lt(events.id, first));
}

function eventOf(row: typeof events.$inferSelect): StoredEvent {
  return { ...row, at: row.at.toISOString() };
}
