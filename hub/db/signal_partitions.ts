/**
 * Partitions of the tables that hold signals: made ahead and on demand, dropped whole when they are old.
 *
 * Touches the database. Each table is cut into equal spans of time, aligned to the epoch; a partition's name
 * tells where it begins, so that what is there can be read from the names alone. Making one that is there
 * already, and dropping one that is gone, change nothing.
 *
 * @module
 */
import { sql } from "drizzle-orm";
import { type Db, rowsOf } from "./client.ts";

/** Packed points, roll-ups of a minute, roll-ups of an hour. */
export type SignalLevel = "chunk" | "minute" | "hour";

export const SIGNAL_LEVELS: readonly SignalLevel[] = ["chunk", "minute", "hour"];
export const TABLE_OF: Readonly<Record<SignalLevel, string>> = {
  chunk: "signal_chunks",
  minute: "signal_minutes",
  hour: "signal_hours",
};

const HOUR_MS = 3_600_000;
/** Span of one partition. */
export const PARTITION_MS: Readonly<Record<SignalLevel, number>> = {
  chunk: 6 * HOUR_MS,
  minute: 7 * 24 * HOUR_MS,
  hour: 91 * 24 * HOUR_MS,
};

/** Where the partition that holds `atMs` begins. */
export function partitionStart(level: SignalLevel, atMs: number): number {
  return Math.floor(atMs / PARTITION_MS[level]) * PARTITION_MS[level];
}

/** There is a partition for the span that begins at `startMs` afterwards. */
export async function makePartition(db: Db, level: SignalLevel, startMs: number): Promise<void> {
  const table = TABLE_OF[level];
  const from = new Date(startMs).toISOString();
  const to = new Date(startMs + PARTITION_MS[level]).toISOString();
  await db.execute(sql.raw(
    `create table if not exists "${nameOf(level, startMs)}" partition of "${table}" ` +
      `for values from ('${from}') to ('${to}')`,
  ));
}

/** Drops every partition of `level` that ended at or before `beforeMs`. @returns Their starts. */
export async function dropPartitions(
  db: Db,
  level: SignalLevel,
  beforeMs: number,
): Promise<number[]> {
  const dropped: number[] = [];
  for (const startMs of await partitionsOf(db, level)) {
    if (startMs + PARTITION_MS[level] > beforeMs) continue;
    await db.execute(sql.raw(`drop table if exists "${nameOf(level, startMs)}"`));
    dropped.push(startMs);
  }
  return dropped;
}

/** Starts of the partitions that are there, ascending. */
export async function partitionsOf(db: Db, level: SignalLevel): Promise<number[]> {
  const rows = rowsOf<{ name: string }>(
    await db.execute(sql`
      select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = ${TABLE_OF[level]}::text::regclass`),
  );
  return rows.map(({ name }) => Number(name.slice(name.lastIndexOf("_") + 1)) * 1000)
    .sort((a, b) => a - b);
}

/** The epoch second at which it begins ends the name. */
function nameOf(level: SignalLevel, startMs: number): string {
  return `${TABLE_OF[level]}_${startMs / 1000}`;
}
