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
 * Every entry knows the interval of its last change, and a group knows the keys it lost and when, so that
 * what changed since any earlier capture can be told without reading what was stored.
 *
 * Invariants:
 *
 *   A5  What `take` returns is the group as it was at the capture, whatever was written since.
 *   P9  A delta since interval i holds every entry changed and every key removed after i, and no other.
 *   S4  A clock that goes back revives nothing: expiry is judged by the latest time ever seen.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import { KEY_GROUP_COUNT } from "@shared/job_graph.ts";
import { keyGroupOf } from "@shared/key_groups.ts";
import { columnsOf, type GroupColumns } from "./group_columns.ts";
import { migrated, type StoredLayout, type TableSlot } from "./table_slots.ts";
import {
  type Entry,
  mapKeyOf,
  OwnEntry,
  slotOf,
  type TableKey,
  type TimeDomain,
  timeOf,
  timersOf,
  UNTIMED,
  withTime,
} from "./table_entry.ts";
import { cloneValue } from "./value_clone.ts";

export { type Entry, slotOf, type TableKey, type TimeDomain } from "./table_entry.ts";

/** A group is written whole when more than this share of it changed: a delta would save too little. */
export const DELTA_SHARE_MAX = 0.8;
/** Removed keys remembered per group beyond the number of its entries; with more it is written whole. */
const TOMBSTONES_SPARE_MAX = 64;

export interface TableOptions {
  readonly uid: string;
  readonly slotCount: number;
  /** Values not written for this long are gone, ms, unless `slots` says otherwise; null keeps them for ever. */
  readonly ttlMs: number | null;
  /** Values may be changed in place by their operator. */
  readonly isMutable: boolean;
  /** What is special about each slot; nothing unless given. */
  readonly slots?: readonly TableSlot[];
}

/** What a capture gives of one group. */
export interface TakenGroup {
  /** `keyed`: all of it. `delta`: what changed since the interval that was asked for. */
  readonly kind: "keyed" | "delta";
  readonly columns: GroupColumns;
}

/** A stored section on its way into a table. */
export interface StoredGroup extends TakenGroup {
  readonly group: number;
  /** Counts the pieces that are restored, oldest first; `KeyedState.beginPiece` gives it. */
  readonly interval: number;
}

interface SavedEntry extends Entry {
  readonly changedIn: number;
}

interface Group {
  readonly entries: OwnEntry<Group>[];
  /** Number of the interval between captures in which it was last written. */
  writtenIn: number;
  /** A capture has yet to take it. */
  isWanted: boolean;
  /** Entries changed or removed since that capture, as they were. */
  saved: SavedEntry[];
  /** Keys removed, with the interval of it, oldest first; a key may be there twice. */
  removed: { readonly key: string; readonly interval: number }[];
  /** Keys removed before this interval are not all known. */
  removedFrom: number;
}

export class StateTable {
  readonly uid: string;
  readonly slotCount: number;
  readonly ttlMs: number | null;
  /** Time to live of each slot, ms; null keeps its values for ever. */
  readonly ttls: readonly (number | null)[];
  readonly #slots: readonly TableSlot[];
  readonly #isMutable: boolean;
  readonly #expires: boolean;
  readonly #entries = new Map<TableKey, OwnEntry<Group>>();
  readonly #groups: readonly Group[];
  #interval = 1;
  #latestMs = 0;
  /** The latest time seen before the capture: by it the snapshot leaves expired entries out. */
  #capturedMs = 0;
  #sweepGroup = 0;

  constructor(options: TableOptions) {
    this.uid = options.uid;
    this.slotCount = options.slotCount;
    this.ttlMs = options.ttlMs;
    this.#slots = options.slots ?? [];
    this.ttls = Array.from({ length: this.slotCount }, (_, slot) => {
      const ttlMs = this.#slots[slot]?.ttlMs;
      return ttlMs === undefined ? options.ttlMs : ttlMs;
    });
    this.#expires = this.ttls.some((ttlMs) => ttlMs !== null);
    this.#isMutable = options.isMutable;
    this.#groups = Array.from({ length: KEY_GROUP_COUNT }, () => ({
      entries: [],
      writtenIn: 0,
      isWanted: false,
      saved: [],
      removed: [],
      removedFrom: 0,
    }));
  }

  /** Entries held, expired ones that were not yet swept included. */
  get size(): number {
    return this.#entries.size;
  }

  /** The entry of `key`; undefined when there is none or all of it has expired by `nowMs`. */
  find(key: TableKey, nowMs: number): Entry | undefined {
    const entry = this.#entries.get(mapKeyOf(key));
    if (entry === undefined || !this.#expires) return entry;
    return this.#isGone(entry, this.#observe(nowMs)) ? undefined : entry;
  }

  /** The value of one slot; undefined where there is none or it has expired by `nowMs`. */
  read(entry: Entry, slot: number, nowMs: number): unknown {
    const value = slotOf(entry, slot);
    if (value === undefined || this.ttls[slot] === null) return value;
    return this.#isExpired(entry, slot, this.#observe(nowMs)) ? undefined : value;
  }

  /** Sets one slot of `key`; undefined clears it. An entry left without value and timer is removed. */
  put(key: string, slot: number, value: unknown, nowMs: number): void {
    const entry = this.#entries.get(mapKeyOf(key));
    if (entry !== undefined) this.write(entry, slot, value, nowMs);
    else if (value !== undefined) this.#set(this.#create(key), slot, value, nowMs);
  }

  /** `put` for an entry that `find` has just given. */
  write(found: Entry, slot: number, value: unknown, nowMs: number): void {
    const entry = found as OwnEntry<Group>;
    this.#beforeWrite(entry);
    this.#set(entry, slot, value, nowMs);
    if (value === undefined && entry.isEmpty) this.#remove(entry);
  }

  /** Begins the time to live of one slot anew, for state that is kept by reading it. */
  touch(found: Entry, slot: number, nowMs: number): void {
    if (this.ttls[slot] === null || timeOf(found, slot) >= nowMs) return;
    const entry = found as OwnEntry<Group>;
    this.#beforeWrite(entry);
    entry.setTime(slot, nowMs, this.slotCount);
  }

  /** Announces that the values of `key` are about to be changed in place; for mutable tables. */
  beforeChange(key: string): void {
    const entry = this.#entries.get(mapKeyOf(key));
    if (entry !== undefined) this.#beforeWrite(entry);
  }

  /** Adds a timer of `key`. @returns False when it had that timer already. */
  addTimer(key: string, domain: TimeDomain, timeMs: number, _nowMs: number): boolean {
    const entry = this.#entries.get(mapKeyOf(key)) ?? this.#create(key);
    const timers = timersOf(entry, domain) ?? [];
    if (timers.includes(timeMs)) return false;
    this.#beforeWrite(entry);
    entry.setTimers(domain, withTime(timers, timeMs));
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
    entry.setTimers(domain, left.length === 0 ? null : left);
    if (entry.isEmpty) this.#remove(entry);
    return true;
  }

  /** Puts `key` back to what it was when `before` was taken with `snapshotOf`. */
  rollBack(key: string, before: Entry | null): void {
    const entry = this.#entries.get(mapKeyOf(key));
    if (before === null) {
      if (entry !== undefined) this.#remove(entry);
      return;
    }
    const target = entry ?? this.#create(key);
    this.#beforeWrite(target);
    target.assign(before);
  }

  /** A copy of the entry of `key` as it is now; null when there is none. */
  snapshotOf(key: string): Entry | null {
    const entry = this.#entries.get(mapKeyOf(key));
    return entry === undefined ? null : copyOf(entry, false);
  }

  /** Removes what has expired in the next groups, about `entriesMax` entries looked at. @returns Entries removed. */
  sweep(nowMs: number, entriesMax: number): number {
    if (!this.#expires) return 0;
    const latestMs = this.#observe(nowMs);
    let removed = 0;
    let seen = 0;
    for (let turn = 0; turn < KEY_GROUP_COUNT && seen < entriesMax; turn++) {
      const { entries } = this.#groups[this.#sweepGroup]!;
      this.#sweepGroup = (this.#sweepGroup + 1) % KEY_GROUP_COUNT;
      seen += entries.length;
      for (let i = entries.length - 1; i >= 0; i--) {
        if (this.#sweepEntry(entries[i]!, latestMs)) removed++;
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
    this.#capturedMs = this.#latestMs;
    this.#interval++;
  }

  /**
   * The group as it was at the capture. Each wanted group can be taken once.
   *
   * @param since Ended by the capture that older sections of the group are of: what changed after it is
   *   enough. Null asks for everything; everything may come whenever it is not much more.
   */
  take(group: number, since: number | null): TakenGroup {
    const own = this.#groups[group]!;
    assert(own.isWanted, `Group ${group} of "${this.uid}" is not part of the capture`);
    const entries: SavedEntry[] = own.saved;
    for (const entry of own.entries) if (entry.changedIn !== this.#interval) entries.push(entry);
    own.isWanted = false;
    own.saved = [];
    if (since !== null && since >= own.removedFrom) {
      const changed = entries.filter((entry) => entry.changedIn > since);
      const removed = this.#removedKeys(own, since);
      if (changed.length + removed.length <= entries.length * DELTA_SHARE_MAX) {
        return { kind: "delta", columns: columnsOf(changed, this.ttls, removed) };
      }
    }
    const live = this.#expires
      ? entries.filter((entry) => !this.#isGone(entry, this.#capturedMs))
      : entries;
    return { kind: "keyed", columns: columnsOf(live, this.ttls, []) };
  }

  /** Forgets the capture and what was copied for it. */
  dropCapture(): void {
    for (const group of this.#groups) {
      group.isWanted = false;
      group.saved = [];
    }
  }

  /**
   * Forgets which keys of `group` were removed up to the capture that ended `interval`: a section of the
   * whole group of then is durable.
   */
  forgetRemoved(group: number, interval: number): void {
    const own = this.#groups[group]!;
    if (own.removed.length === 0) return;
    own.removed = own.removed.filter((one) => one.interval > interval);
    own.removedFrom = Math.max(own.removedFrom, interval);
  }

  /** Captures and changes from now on count after the restored pieces, of which `interval` is the last. */
  beginAfter(interval: number): void {
    assert(interval >= this.#interval - 1, "Intervals go forward");
    this.#interval = interval + 1;
  }

  /** Takes over a stored section. Nothing in it counts as written since. */
  load({ group, kind, columns, interval }: StoredGroup, layout: StoredLayout): void {
    const own = this.#groups[group]!;
    if (kind === "delta") {
      for (const key of columns.removed) {
        own.removed.push({ key, interval });
        const entry = this.#entries.get(mapKeyOf(key));
        if (entry !== undefined) this.#detach(entry);
      }
    }
    for (const [i, key] of columns.keys.entries()) {
      const replaced = this.#entries.get(mapKeyOf(key));
      if (replaced !== undefined) this.#detach(replaced);
      this.#fill(this.#adopt(key, own, interval), columns, { i, layout });
    }
  }

  /** Whether stored sections of this layout are what this table would write. */
  isSameLayout(columns: GroupColumns, layout: StoredLayout): boolean {
    if (layout.slots.length !== this.slotCount || !layout.keepsTimers) return false;
    return layout.slots.every((slot, stored) => {
      const version = this.#slots[slot]?.codecVersion;
      return slot === stored && (columns.times[stored] === null) === (this.ttls[slot] === null) &&
        (version === undefined || (layout.versions[stored] ?? version) === version);
    });
  }

  /**
   * Entries that came without a time of writing, because the operator had no time to live then, count as
   * written at `nowMs`; for use behind the last `load`.
   */
  stampUntimed(nowMs: number): void {
    for (let slot = 0; slot < this.slotCount; slot++) {
      if (this.ttls[slot] === null) continue;
      for (const entry of this.#entries.values()) {
        if (timeOf(entry, slot) !== UNTIMED || slotOf(entry, slot) === undefined) continue;
        entry.setTime(slot, nowMs, this.slotCount);
      }
    }
  }

  /** Every entry, in no order that matters. */
  entries(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  #set(entry: OwnEntry<Group>, slot: number, value: unknown, nowMs: number): void {
    entry.setSlot(slot, value, this.slotCount);
    // Without a time to live nobody asks, and a time costs an object of its own in every entry.
    if (!this.#expires || this.ttls[slot] === null) return;
    entry.setTime(slot, Math.max(timeOf(entry, slot), nowMs), this.slotCount);
  }

  #create(key: string): OwnEntry<Group> {
    const group = this.#groups[keyGroupOf(key)]!;
    group.writtenIn = this.#interval;
    return this.#adopt(key, group, this.#interval);
  }

  #adopt(key: string, group: Group, interval: number): OwnEntry<Group> {
    const entry = new OwnEntry<Group>(key, { group, position: group.entries.length, interval });
    group.entries.push(entry);
    this.#entries.set(mapKeyOf(key), entry);
    return entry;
  }

  #fill(
    entry: OwnEntry<Group>,
    columns: GroupColumns,
    { i, layout }: { i: number; layout: StoredLayout },
  ): void {
    for (const [stored, slot] of layout.slots.entries()) {
      if (slot < 0) continue;
      const value = columns.slots[stored]?.[i];
      const version = layout.versions[stored];
      entry.setSlot(slot, migrated(value, version, this.#slots[slot]), this.slotCount);
      const times = columns.times[stored];
      if (times !== null && times !== undefined && this.ttls[slot] !== null) {
        entry.setTime(slot, times[i] ?? UNTIMED, this.slotCount);
      }
    }
    if (layout.keepsTimers) {
      entry.setTimers("processing", columns.timers[i] ?? null);
      entry.setTimers("event", columns.eventTimers[i] ?? null);
    }
    if (entry.isEmpty) this.#detach(entry);
  }

  #remove(entry: OwnEntry<Group>): void {
    this.#beforeWrite(entry);
    this.#detach(entry);
    const { group } = entry;
    // No capture has seen a key that came and went in one interval.
    if (entry.madeIn === this.#interval) return;
    group.removed.push({ key: entry.key, interval: this.#interval });
    if (group.removed.length <= group.entries.length + TOMBSTONES_SPARE_MAX) return;
    group.removed = [];
    group.removedFrom = this.#interval;
  }

  #detach(entry: OwnEntry<Group>): void {
    const { group } = entry;
    const last = group.entries.pop()!;
    if (last !== entry) {
      group.entries[entry.position] = last;
      last.position = entry.position;
    }
    entry.position = -1;
    this.#entries.delete(mapKeyOf(entry.key));
  }

  /** Clears expired slots. @returns True when nothing was left of the entry. */
  #sweepEntry(entry: OwnEntry<Group>, latestMs: number): boolean {
    for (let slot = 0; slot < this.slotCount; slot++) {
      if (slotOf(entry, slot) === undefined || !this.#isExpired(entry, slot, latestMs)) continue;
      this.#beforeWrite(entry);
      entry.setSlot(slot, undefined, this.slotCount);
    }
    if (!entry.isEmpty) return false;
    this.#remove(entry);
    return true;
  }

  /** Without timers, and every value has expired. */
  #isGone(entry: Entry, latestMs: number): boolean {
    if (entry.timers !== null || entry.eventTimers !== null) return false;
    for (let slot = 0; slot < this.slotCount; slot++) {
      if (slotOf(entry, slot) !== undefined && !this.#isExpired(entry, slot, latestMs)) {
        return false;
      }
    }
    return true;
  }

  #isExpired(entry: Entry, slot: number, latestMs: number): boolean {
    const ttlMs = this.ttls[slot] ?? null;
    return ttlMs !== null && latestMs - timeOf(entry, slot) > ttlMs;
  }

  /** The latest time ever seen. */
  #observe(nowMs: number): number {
    if (nowMs > this.#latestMs) this.#latestMs = nowMs;
    return this.#latestMs;
  }

  /** Marks entry and group as changed, and saves the entry if a capture still wants it as it is. */
  #beforeWrite(entry: OwnEntry<Group>): void {
    const interval = this.#interval;
    if (entry.changedIn === interval) return;
    const { group } = entry;
    group.writtenIn = interval;
    if (group.isWanted) group.saved.push(copyOf(entry, this.#isMutable));
    entry.changedIn = interval;
  }

  #removedKeys(group: Group, since: number): string[] {
    const keys = new Set<string>();
    for (const { key, interval } of group.removed) {
      if (interval > since && interval < this.#interval) keys.add(key);
    }
    return [...keys];
  }
}

/** @param isMutable Its values may be changed in place, so they are cloned. */
function copyOf(entry: OwnEntry<Group>, isMutable: boolean): SavedEntry {
  const { key, first, rest, lastWriteMs, restMs, timers, eventTimers, changedIn } = entry;
  return {
    key,
    first: isMutable ? cloneValue(first) : first,
    rest: rest === null ? null : isMutable ? rest.map(cloneValue) : [...rest],
    lastWriteMs,
    restMs: restMs === null ? null : [...restMs],
    timers,
    eventTimers,
    changedIn,
  };
}
