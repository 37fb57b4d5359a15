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

/** Gathers entries into columns. */
export class ColumnsBuilder {
  readonly #keys: string[] = [];
  readonly #timers: (readonly number[] | null)[] = [];
  readonly #eventTimers: (readonly number[] | null)[] = [];
  readonly #slots: unknown[][];
  readonly #times: (number[] | null)[];

  /** @param ttls For each slot its time to live, or null. */
  constructor(ttls: readonly (number | null)[]) {
    this.#slots = ttls.map(() => []);
    this.#times = ttls.map((ttlMs) => ttlMs === null ? null : []);
  }

  /** Takes over what `entry` holds at this moment. */
  add(entry: Entry): void {
    this.#keys.push(entry.key);
    this.#timers.push(entry.timers);
    this.#eventTimers.push(entry.eventTimers);
    for (let slot = 0; slot < this.#slots.length; slot++) {
      this.#slots[slot]!.push(slotOf(entry, slot));
      this.#times[slot]?.push(timeOf(entry, slot));
    }
  }

  /** @param removed Keys removed, for a delta. */
  finish(removed: readonly string[]): GroupColumns {
    return {
      keys: this.#keys,
      slots: this.#slots,
      times: this.#times,
      timers: this.#timers,
      eventTimers: this.#eventTimers,
      removed,
    };
  }
}
