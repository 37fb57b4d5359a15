/**
 * One key's state as others see it, and how its key is looked up.
 *
 * Pure. `entry_rows.ts` keeps the entries of a table.
 *
 * @module
 */

/** One key's state. Lives while it has a value or a timer. Changed only through its table. */
export interface Entry {
  readonly key: string;
  /** Value of slot 0; undefined where there is none. Most operators have one slot, so it needs no list. */
  readonly first: unknown;
  /** Values of slots 1 and up; null where there are none. */
  readonly rest: readonly unknown[] | null;
  /** Wall clock of the last write of slot 0, ms since the epoch; 0 where slot 0 does not expire. */
  readonly lastWriteMs: number;
  /** The same of slots 1 and up; null where none of them expires. */
  readonly restMs: readonly number[] | null;
  /** Processing-time timers, ascending, each once; null when there are none. */
  readonly timers: readonly number[] | null;
  /** Event-time timers, likewise. */
  readonly eventTimers: readonly number[] | null;
}

/** The clock that a timer waits for. */
export type TimeDomain = "processing" | "event";

/** A key as text, or as the whole number that its text is. */
export type TableKey = string | number;

/** Written at no known time. */
export const UNTIMED = 0;

/** The value of one slot; undefined where there is none. Says nothing of its age. */
export function slotOf(entry: Entry, slot: number): unknown {
  return slot === 0 ? entry.first : entry.rest?.[slot - 1];
}

/** When the slot was last written, ms since the epoch; 0 when that is not known or not kept. */
export function timeOf(entry: Entry, slot: number): number {
  return slot === 0 ? entry.lastWriteMs : entry.restMs?.[slot - 1] ?? UNTIMED;
}

/** `times` and `timeMs`, ascending. */
export function withTime(times: readonly number[], timeMs: number): number[] {
  const all = [...times];
  let at = all.length;
  while (at > 0 && all[at - 1]! > timeMs) at--;
  all.splice(at, 0, timeMs);
  return all;
}

const NUMBER_DIGITS_MAX = 9;
const DIGIT_0 = 48;
const DIGIT_9 = 57;

/**
 * How a key is looked up. A whole number costs a fraction of a text in a map, so texts that are one are
 * looked up as numbers; the entry keeps the text.
 */
export function mapKeyOf(key: TableKey): TableKey {
  if (typeof key === "number") return key;
  const { length } = key;
  if (length === 0 || length > NUMBER_DIGITS_MAX) return key;
  let number = 0;
  for (let i = 0; i < length; i++) {
    const digit = key.charCodeAt(i);
    if (digit < DIGIT_0 || digit > DIGIT_9) return key;
    number = number * 10 + digit - DIGIT_0;
  }
  const isCanonical = length === 1 || key.charCodeAt(0) !== DIGIT_0;
  return isCanonical ? number : key;
}
