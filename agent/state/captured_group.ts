/**
 * A key group as it was at a capture: entries saved before they changed, and rows that have not changed since.
 *
 * Pure.
 *
 * @module
 */
import { type EntryRows, RowCursor } from "./entry_rows.ts";
import { ColumnsBuilder } from "./group_columns.ts";
import { type Entry, slotOf, timeOf } from "./table_entry.ts";
import { cloneValue } from "./value_clone.ts";

/** An entry as it was, with the interval of its last change then. */
export interface SavedEntry extends Entry {
  readonly changedIn: number;
}

/** One group of a capture that began `interval`. */
export interface CapturedGroup {
  readonly rows: EntryRows;
  /** Rows of the group now; those changed in `interval` or later are in `saved` instead, or new. */
  readonly rowsOfGroup: readonly number[];
  readonly saved: readonly SavedEntry[];
  readonly interval: number;
}

/** @param isMutable Its values may be changed in place, so they are cloned. */
export function savedEntry(rows: EntryRows, row: number, isMutable: boolean): SavedEntry {
  const [first, rest, restMs] = [rows.first(row), rows.rest(row), rows.restMs(row)];
  return {
    key: rows.key(row),
    first: isMutable ? cloneValue(first) : first,
    rest: rest === null ? null : isMutable ? rest.map(cloneValue) : [...rest],
    lastWriteMs: rows.firstMs(row),
    restMs: restMs === null ? null : [...restMs],
    timers: rows.timers(row, "processing"),
    eventTimers: rows.timers(row, "event"),
    changedIn: rows.changedIn[row]!,
  };
}

/** How many entries the group had, and how many of them had changed after interval `since`. */
export function countSince(
  { rows, rowsOfGroup, saved, interval }: CapturedGroup,
  since: number,
): { count: number; changed: number } {
  let [count, changed] = [saved.length, 0];
  for (const entry of saved) if (entry.changedIn > since) changed++;
  for (const row of rowsOfGroup) {
    const changedIn = rows.changedIn[row]!;
    if (changedIn === interval) continue;
    count++;
    if (changedIn > since) changed++;
  }
  return { count, changed };
}

/** The entries for which `isWanted`, which also gets the interval of their last change. */
export function columnsOf(
  { rows, rowsOfGroup, saved, interval }: CapturedGroup,
  ttls: readonly (number | null)[],
  isWanted: (entry: Entry, changedIn: number) => boolean,
): ColumnsBuilder {
  const builder = new ColumnsBuilder(ttls);
  for (const entry of saved) if (isWanted(entry, entry.changedIn)) builder.add(entry);
  const cursor = new RowCursor(rows);
  for (const row of rowsOfGroup) {
    const changedIn = rows.changedIn[row]!;
    if (changedIn !== interval && isWanted(cursor.at(row), changedIn)) builder.add(cursor);
  }
  return builder;
}

/** Without timers, and every value had expired at `latestMs`. */
export function isGone(entry: Entry, ttls: readonly (number | null)[], latestMs: number): boolean {
  if (entry.timers !== null || entry.eventTimers !== null) return false;
  for (let slot = 0; slot < ttls.length; slot++) {
    if (slotOf(entry, slot) !== undefined && !isExpired(entry, slot, { ttls, latestMs })) {
      return false;
    }
  }
  return true;
}

/** Whether the value of one slot had expired at `latestMs`. */
export function isExpired(
  entry: Entry,
  slot: number,
  by: { readonly ttls: readonly (number | null)[]; readonly latestMs: number },
): boolean {
  const ttlMs = by.ttls[slot] ?? null;
  return ttlMs !== null && by.latestMs - timeOf(entry, slot) > ttlMs;
}
