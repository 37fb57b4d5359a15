/**
 * One key's state as a table keeps it, and how its key is looked up.
 *
 * Pure. An entry is small, because there are hundreds of thousands: what most operators do not use (further
 * slots, timers) lives in a part of its own that most entries do not have.
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

interface Extra {
  rest: unknown[] | null;
  restMs: number[] | null;
  timers: readonly number[] | null;
  eventTimers: readonly number[] | null;
}

/** Where an entry is, for its table. */
export interface EntryPlace<Group> {
  readonly group: Group;
  readonly position: number;
  readonly interval: number;
}

/** An entry of a table whose groups are of type `Group`. */
export class OwnEntry<Group> implements Entry {
  readonly key: string;
  readonly group: Group;
  first: unknown = undefined;
  lastWriteMs = UNTIMED;
  /** Index in the entries of its group; -1 once removed. */
  position: number;
  /** Interval between captures in which it was made. */
  readonly madeIn: number;
  /** Interval in which it was last changed; a capture that ended an earlier one reads it as it is. */
  changedIn: number;
  #extra: Extra | null = null;

  constructor(key: string, { group, position, interval }: EntryPlace<Group>) {
    this.key = key;
    this.group = group;
    this.position = position;
    this.madeIn = interval;
    this.changedIn = interval;
  }

  get rest(): readonly unknown[] | null {
    return this.#extra === null ? null : this.#extra.rest;
  }

  get restMs(): readonly number[] | null {
    return this.#extra === null ? null : this.#extra.restMs;
  }

  get timers(): readonly number[] | null {
    return this.#extra === null ? null : this.#extra.timers;
  }

  get eventTimers(): readonly number[] | null {
    return this.#extra === null ? null : this.#extra.eventTimers;
  }

  /** Whether it has neither a value nor a timer. */
  get isEmpty(): boolean {
    if (this.first !== undefined) return false;
    const extra = this.#extra;
    if (extra === null) return true;
    if (extra.timers !== null || extra.eventTimers !== null) return false;
    return extra.rest === null || extra.rest.every((value) => value === undefined);
  }

  /** @param slotCount Slots of the table. */
  setSlot(slot: number, value: unknown, slotCount: number): void {
    if (slot === 0) {
      this.first = value;
      return;
    }
    if (value === undefined && this.rest === null) return;
    const extra = this.#withExtra();
    extra.rest ??= new Array<unknown>(slotCount - 1).fill(undefined);
    extra.rest[slot - 1] = value;
  }

  setTime(slot: number, timeMs: number, slotCount: number): void {
    if (slot === 0) {
      this.lastWriteMs = timeMs;
      return;
    }
    const extra = this.#withExtra();
    extra.restMs ??= new Array<number>(slotCount - 1).fill(UNTIMED);
    extra.restMs[slot - 1] = timeMs;
  }

  setTimers(domain: TimeDomain, timers: readonly number[] | null): void {
    if (timers === null && this.#extra === null) return;
    const extra = this.#withExtra();
    if (domain === "processing") extra.timers = timers;
    else extra.eventTimers = timers;
  }

  /** Takes over the content of `other`. */
  assign(other: Entry): void {
    this.first = other.first;
    this.lastWriteMs = other.lastWriteMs;
    const { rest, restMs, timers, eventTimers } = other;
    const isPlain = rest === null && restMs === null && timers === null && eventTimers === null;
    this.#extra = isPlain ? null : {
      rest: rest === null ? null : [...rest],
      restMs: restMs === null ? null : [...restMs],
      timers,
      eventTimers,
    };
  }

  #withExtra(): Extra {
    return this.#extra ??= { rest: null, restMs: null, timers: null, eventTimers: null };
  }
}

/** The value of one slot; undefined where there is none. Says nothing of its age. */
export function slotOf(entry: Entry, slot: number): unknown {
  return slot === 0 ? entry.first : entry.rest?.[slot - 1];
}

/** When the slot was last written, ms since the epoch; 0 when that is not known or not kept. */
export function timeOf(entry: Entry, slot: number): number {
  return slot === 0 ? entry.lastWriteMs : entry.restMs?.[slot - 1] ?? UNTIMED;
}

export function timersOf(entry: Entry, domain: TimeDomain): readonly number[] | null {
  return domain === "processing" ? entry.timers : entry.eventTimers;
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
