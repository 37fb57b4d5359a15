/**
 * The keyed state of one operator in one subtask: entries by key, grouped by key group, with a
 * copy-on-write capture for snapshots.
 *
 * Pure: time comes in as a value. A capture copies nothing. It ends a write interval; an entry of a group
 * that the snapshot still wants is saved when a write is about to change it for the first time, so that
 * the cost of a capture is spread over the writes behind it. What is saved is references: values are
 * replaced, never changed in place. A table of which that is not true says `isMutable` and has its values
 * cloned.
 *
 *   group:  open ──capture──▶ wanted, entries saved on write ──take──▶ open
 *
 * Invariants:
 *
 *   A5  What `take` returns is the group as it was at the capture, whatever was written since.
 *   S4  A clock that goes back revives nothing: expiry is judged by the latest time ever seen.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import { KEY_GROUP_COUNT } from "@shared/job_graph.ts";
import { keyGroupOf } from "@shared/key_groups.ts";
import type { GroupColumns } from "./snapshot_codec.ts";
import { cloneValue } from "./value_clone.ts";

export interface TableOptions {
  readonly uid: string;
  readonly slotCount: number;
  /** Entries not written for this long are gone, ms; null keeps them for ever. */
  readonly ttlMs: number | null;
  /** Values may be changed in place by their operator. */
  readonly isMutable: boolean;
}

/** One key's state. Lives while it has a value or a timer. Changed only through its table. */
export interface Entry {
  readonly key: string;
  /** Value of slot 0; undefined where there is none. Most operators have one slot, so it needs no list. */
  readonly first: unknown;
  /** Values of slots 1 and up; null when the table has one slot or none. */
  readonly rest: readonly unknown[] | null;
  readonly lastWriteMs: number;
  /** Processing-time timers, ascending, each once; null when there are none. */
  readonly timers: readonly number[] | null;
  /** Event-time timers, likewise. */
  readonly eventTimers: readonly number[] | null;
}

/** The clock that a timer waits for. */
export type TimeDomain = "processing" | "event";

interface OwnEntry {
  readonly key: string;
  readonly group: Group;
  first: unknown;
  rest: unknown[] | null;
  lastWriteMs: number;
  timers: readonly number[] | null;
  eventTimers: readonly number[] | null;
  /** Index in `group.entries`; -1 once removed. */
  position: number;
  /** Interval in which it was made, or saved for a capture; a capture does not read it any more then. */
  savedIn: number;
}

interface Group {
  readonly entries: OwnEntry[];
  /** Number of the interval between captures in which it was last written. */
  writtenIn: number;
  /** A capture has yet to take it. */
  isWanted: boolean;
  /** Entries changed or removed since that capture, as they were. */
  saved: Entry[];
}

/** A key as text, or as the whole number that its text is. */
export type TableKey = string | number;

/**
 * How a key is looked up. A whole number costs a fraction of a text in a map, so texts that are one are
 * looked up as numbers; the entry keeps the text.
 */
type MapKey = string | number;

/** Written at no known time. */
const UNTIMED = 0;

/** The value of one slot; undefined where there is none. */
export function slotOf(entry: Entry, slot: number): unknown {
  return slot === 0 ? entry.first : entry.rest?.[slot - 1];
}

function setSlot(entry: OwnEntry, slot: number, value: unknown): void {
  if (slot === 0) entry.first = value;
  else entry.rest![slot - 1] = value;
}

const NUMBER_DIGITS_MAX = 9;
const DIGIT_0 = 48;
const DIGIT_9 = 57;

function timersOf(entry: Entry, domain: TimeDomain): readonly number[] | null {
  return domain === "processing" ? entry.timers : entry.eventTimers;
}

function setTimers(entry: OwnEntry, domain: TimeDomain, timers: readonly number[] | null): void {
  if (domain === "processing") entry.timers = timers;
  else entry.eventTimers = timers;
}

/** `times` and `timeMs`, ascending. */
function withTime(times: readonly number[], timeMs: number): number[] {
  const all = [...times];
  let at = all.length;
  while (at > 0 && all[at - 1]! > timeMs) at--;
  all.splice(at, 0, timeMs);
  return all;
}

function mapKeyOf(key: TableKey): MapKey {
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

export class StateTable {
  readonly uid: string;
  readonly slotCount: number;
  readonly ttlMs: number | null;
  readonly #isMutable: boolean;
  readonly #entries = new Map<MapKey, OwnEntry>();
  readonly #groups: readonly Group[];
  #interval = 1;
  #latestMs = 0;
  #sweepGroup = 0;

  constructor(options: TableOptions) {
    this.uid = options.uid;
    this.slotCount = options.slotCount;
    this.ttlMs = options.ttlMs;
    this.#isMutable = options.isMutable;
    this.#groups = Array.from(
      { length: KEY_GROUP_COUNT },
      () => ({ entries: [], writtenIn: 0, isWanted: false, saved: [] }),
    );
  }

  /** Entries held, expired ones that were not yet swept included. */
  get size(): number {
    return this.#entries.size;
  }

  /** The entry of `key`; undefined when there is none or it has expired by `nowMs`. */
  find(key: TableKey, nowMs: number): Entry | undefined {
    const entry = this.#entries.get(mapKeyOf(key));
    if (entry === undefined || this.ttlMs === null) return entry;
    return this.#isExpired(entry, nowMs) ? undefined : entry;
  }

  /** Sets one slot of `key`; undefined clears it. An entry left without value and timer is removed. */
  put(key: string, slot: number, value: unknown, nowMs: number): void {
    const entry = this.#entries.get(mapKeyOf(key));
    if (entry !== undefined) this.write(entry, slot, value, nowMs);
    else if (value !== undefined) this.#insert(key, slot, value, nowMs);
  }

  /** `put` for an entry that `find` has just given. */
  write(found: Entry, slot: number, value: unknown, nowMs: number): void {
    const entry = found as OwnEntry;
    this.#beforeWrite(entry);
    if (this.ttlMs !== null) {
      if (this.#isExpired(entry, nowMs)) {
        entry.first = undefined;
        entry.rest = this.#emptyRest();
      }
      entry.lastWriteMs = Math.max(entry.lastWriteMs, nowMs);
    }
    setSlot(entry, slot, value);
    if (value === undefined) this.#removeIfEmpty(entry);
  }

  /** Announces that the values of `key` are about to be changed in place; for mutable tables. */
  beforeChange(key: string): void {
    const entry = this.#entries.get(mapKeyOf(key));
    if (entry !== undefined) this.#beforeWrite(entry);
  }

  /** Adds a timer of `key`. @returns False when it had that timer already. */
  addTimer(key: string, domain: TimeDomain, timeMs: number, nowMs: number): boolean {
    const entry = this.#entries.get(mapKeyOf(key)) ?? this.#create(key, nowMs);
    const timers = timersOf(entry, domain) ?? [];
    if (timers.includes(timeMs)) return false;
    this.#beforeWrite(entry);
    setTimers(entry, domain, withTime(timers, timeMs));
    return true;
  }

  /** Removes a timer of `key`. @returns False when it had no such timer. */
  removeTimer(key: string, domain: TimeDomain, timeMs: number): boolean {
    const entry = this.#entries.get(mapKeyOf(key));
    if (entry === undefined) return false;
    const timers = timersOf(entry, domain);
    if (timers?.includes(timeMs) !== true) return false;
    this.#beforeWrite(entry);
    const left = timers.filter((other) => other !== timeMs);
    setTimers(entry, domain, left.length === 0 ? null : left);
    this.#removeIfEmpty(entry);
    return true;
  }

  /** Puts `key` back to what it was when `before` was taken with `snapshotOf`. */
  rollBack(key: string, before: Entry | null): void {
    const entry = this.#entries.get(mapKeyOf(key));
    if (before === null) {
      if (entry !== undefined) this.#remove(entry);
      return;
    }
    const target = entry ?? this.#create(key, before.lastWriteMs);
    this.#beforeWrite(target);
    target.first = before.first;
    target.rest = before.rest === null ? null : [...before.rest];
    target.lastWriteMs = before.lastWriteMs;
    target.timers = before.timers;
    target.eventTimers = before.eventTimers;
  }

  /** A copy of the entry of `key` as it is now; null when there is none. */
  snapshotOf(key: string): Entry | null {
    const entry = this.#entries.get(mapKeyOf(key));
    return entry === undefined
      ? null
      : { ...entry, rest: entry.rest === null ? null : [...entry.rest] };
  }

  /** Removes expired entries of the next groups, about `entriesMax` looked at. @returns How many. */
  sweep(nowMs: number, entriesMax: number): number {
    if (this.ttlMs === null) return 0;
    let removed = 0;
    let seen = 0;
    for (let turn = 0; turn < KEY_GROUP_COUNT && seen < entriesMax; turn++) {
      const { entries } = this.#groups[this.#sweepGroup]!;
      this.#sweepGroup = (this.#sweepGroup + 1) % KEY_GROUP_COUNT;
      seen += entries.length;
      for (let i = entries.length - 1; i >= 0; i--) {
        if (!this.#isExpired(entries[i]!, nowMs)) continue;
        this.#remove(entries[i]!);
        removed++;
      }
    }
    return removed;
  }

  /** Key groups that hold anything, ascending. */
  presentGroups(): number[] {
    const present: number[] = [];
    for (let i = 0; i < KEY_GROUP_COUNT; i++) {
      if (this.#groups[i]!.entries.length > 0) present.push(i);
    }
    return present;
  }

  /** Whether `group` was written after the capture that ended `interval`. */
  isWrittenSince(group: number, interval: number): boolean {
    return this.#groups[group]!.writtenIn > interval;
  }

  /**
   * Begins a capture; a capture that is not over is dropped.
   *
   * @param wanted Groups whose content of this moment will be asked for with `take`.
   */
  capture(wanted: readonly number[]): void {
    this.dropCapture();
    for (const group of wanted) this.#groups[group]!.isWanted = true;
    this.#interval++;
  }

  /** The group as it was at the capture. Each wanted group can be taken once. */
  take(group: number): GroupColumns {
    const own = this.#groups[group]!;
    assert(own.isWanted, `Group ${group} of "${this.uid}" is not part of the capture`);
    const entries: Entry[] = own.saved;
    for (const entry of own.entries) if (entry.savedIn !== this.#interval) entries.push(entry);
    own.isWanted = false;
    own.saved = [];
    return this.#columnsOf(entries);
  }

  /** Forgets the capture and what was copied for it. */
  dropCapture(): void {
    for (const group of this.#groups) {
      group.isWanted = false;
      group.saved = [];
    }
  }

  /**
   * Takes over a stored group. Nothing in it counts as written since.
   *
   * @param slotOf Slot of this table for each stored slot.
   */
  load(group: number, columns: GroupColumns, slotOf: readonly number[]): void {
    const own = this.#groups[group]!;
    for (const [i, key] of columns.keys.entries()) {
      const entry = this.#adopt(key, own, columns.times[0]?.[i] ?? UNTIMED);
      entry.timers = columns.timers[i] ?? null;
      entry.eventTimers = columns.eventTimers[i] ?? null;
      for (const [stored, slot] of slotOf.entries()) {
        setSlot(entry, slot, columns.slots[stored]?.[i]);
      }
    }
  }

  /**
   * Entries that came without a time of writing, because the operator had no time to live then, count as
   * written at `nowMs`; for use behind the last `load`.
   */
  stampUntimed(nowMs: number): void {
    if (this.ttlMs === null) return;
    for (const entry of this.#entries.values()) {
      if (entry.lastWriteMs === UNTIMED) entry.lastWriteMs = nowMs;
    }
  }

  /** Every entry, in no order that matters. */
  entries(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  #insert(key: string, slot: number, value: unknown, nowMs: number): void {
    setSlot(this.#create(key, nowMs), slot, value);
  }

  #create(key: string, nowMs: number): OwnEntry {
    const group = this.#groups[keyGroupOf(key)]!;
    group.writtenIn = this.#interval;
    // Without a time to live nobody asks, and a time costs an object of its own in every entry.
    const entry = this.#adopt(key, group, this.ttlMs === null ? 0 : nowMs);
    entry.savedIn = this.#interval;
    return entry;
  }

  #adopt(key: string, group: Group, lastWriteMs: number): OwnEntry {
    const entry: OwnEntry = {
      key,
      group,
      first: undefined,
      rest: this.#emptyRest(),
      lastWriteMs,
      timers: null,
      eventTimers: null,
      position: group.entries.length,
      savedIn: 0,
    };
    group.entries.push(entry);
    this.#entries.set(mapKeyOf(key), entry);
    return entry;
  }

  #emptyRest(): unknown[] | null {
    return this.slotCount > 1 ? new Array<unknown>(this.slotCount - 1).fill(undefined) : null;
  }

  #removeIfEmpty(entry: OwnEntry): void {
    if (entry.timers !== null || entry.eventTimers !== null) return;
    if (entry.first !== undefined) return;
    if (entry.rest?.some((value) => value !== undefined) === true) return;
    this.#remove(entry);
  }

  #remove(entry: OwnEntry): void {
    const { group } = entry;
    this.#beforeWrite(entry);
    const last = group.entries.pop()!;
    if (last !== entry) {
      group.entries[entry.position] = last;
      last.position = entry.position;
    }
    entry.position = -1;
    this.#entries.delete(mapKeyOf(entry.key));
  }

  #isExpired(entry: Entry, nowMs: number): boolean {
    if (this.ttlMs === null || entry.timers !== null || entry.eventTimers !== null) return false;
    if (nowMs > this.#latestMs) this.#latestMs = nowMs;
    return this.#latestMs - entry.lastWriteMs > this.ttlMs;
  }

  /** Marks the group as written, and saves the entry if a capture still wants it as it is. */
  #beforeWrite(entry: OwnEntry): void {
    const { group } = entry;
    group.writtenIn = this.#interval;
    if (!group.isWanted || entry.savedIn === this.#interval) return;
    entry.savedIn = this.#interval;
    const { key, lastWriteMs, timers, eventTimers } = entry;
    group.saved.push({
      key,
      first: this.#kept(entry.first),
      rest: entry.rest === null ? null : entry.rest.map((value) => this.#kept(value)),
      lastWriteMs,
      timers,
      eventTimers,
    });
  }

  #kept(value: unknown): unknown {
    return this.#isMutable ? cloneValue(value) : value;
  }

  #columnsOf(all: readonly Entry[]): GroupColumns {
    const { ttlMs } = this;
    const entries = ttlMs === null ? all : all.filter((entry) => !this.#isExpired(entry, 0));
    const count = entries.length;
    const keys = new Array<string>(count);
    const timers = new Array<readonly number[] | null>(count);
    const eventTimers = new Array<readonly number[] | null>(count);
    const slots = Array.from({ length: this.slotCount }, () => new Array<unknown>(count));
    const firstSlot = slots[0] ?? [];
    for (let i = 0; i < count; i++) {
      const entry = entries[i]!;
      keys[i] = entry.key;
      timers[i] = entry.timers;
      eventTimers[i] = entry.eventTimers;
      firstSlot[i] = entry.first;
      for (let slot = 1; slot < slots.length; slot++) slots[slot]![i] = entry.rest![slot - 1];
    }
    const written = ttlMs === null ? null : entries.map((entry) => entry.lastWriteMs);
    const times = slots.map(() => written);
    return { keys, slots, times, timers, eventTimers, removed: [] };
  }
}
