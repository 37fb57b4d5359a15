/**
 * Entries of one key group as columns, the form in which they are stored.
 *
 * Pure.
 *
 * @module
 */
import { type Entry, slotOf, timeOf } from "./table_entry.ts";

/** Entries of one key group as columns: index i is one entry in all of them. */
export interface GroupColumns {
  readonly keys: readonly string[];
  /** One array for each state slot; undefined where an entry has no value in it. */
  readonly slots: readonly (readonly unknown[])[];
  /** For each slot the wall clock of each entry's last write, ms since the epoch; null when it does not expire. */
  readonly times: readonly (readonly number[] | null)[];
  /** Processing-time timers of each entry, ascending, ms since the epoch; null where there are none. */
  readonly timers: readonly (readonly number[] | null)[];
  /** Event-time timers of each entry, likewise. */
  readonly eventTimers: readonly (readonly number[] | null)[];
  /** Keys removed since the section that a delta builds upon; they go before the entries come. */
  readonly removed: readonly string[];
}

/**
 * @param ttls For each slot its time to live, or null.
 * @param removed Keys removed, for a delta.
 */
export function columnsOf(
  entries: readonly Entry[],
  ttls: readonly (number | null)[],
  removed: readonly string[],
): GroupColumns {
  const count = entries.length;
  const keys = new Array<string>(count);
  const timers = new Array<readonly number[] | null>(count);
  const eventTimers = new Array<readonly number[] | null>(count);
  const slots = ttls.map(() => new Array<unknown>(count));
  const times = ttls.map((ttlMs) => ttlMs === null ? null : new Array<number>(count));
  for (let i = 0; i < count; i++) {
    const entry = entries[i]!;
    keys[i] = entry.key;
    timers[i] = entry.timers;
    eventTimers[i] = entry.eventTimers;
    for (let slot = 0; slot < slots.length; slot++) {
      slots[slot]![i] = slotOf(entry, slot);
      const ofSlot = times[slot]!;
      if (ofSlot !== null) ofSlot[i] = timeOf(entry, slot);
    }
  }
  return { keys, slots, times, timers, eventTimers, removed };
}
