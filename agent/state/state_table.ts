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
import { columnsOf, countSince, isExpired, isGone, savedEntry } from "./captured_group.ts";
import { EntryRows, RowCursor } from "./entry_rows.ts";
import type { GroupColumns } from "./group_columns.ts";
import { NO_ROW } from "./key_index.ts";
import { createGroup, noteRemoved, removedKeys, type TableGroup } from "./table_group.ts";
import { migrated, type StoredLayout, type TableSlot } from "./table_slots.ts";
import {
  type Entry,
  slotOf,
  type TableKey,
  type TimeDomain,
  UNTIMED,
  withTime,
} from "./table_entry.ts";

export { type Entry, slotOf, type TableKey, type TimeDomain } from "./table_entry.ts";

/** A group is written whole when more than this share of it changed: a delta would save too little. */
export const DELTA_SHARE_MAX = 0.8;
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

export class StateTable {
  readonly uid: string;
  readonly slotCount: number;
  readonly ttlMs: number | null;
  /** Time to live of each slot, ms; null keeps its values for ever. */
  readonly ttls: readonly (number | null)[];
  readonly #slots: readonly TableSlot[];
  readonly #isMutable: boolean;
  readonly #expires: boolean;
  readonly #rows: EntryRows;
  /** What `find` answers. */
  readonly #found: RowCursor;
  readonly #groups: readonly TableGroup[];
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
    this.#rows = new EntryRows(options.slotCount);
    this.#found = new RowCursor(this.#rows);
    this.#groups = Array.from({ length: KEY_GROUP_COUNT }, createGroup);
  }

  /** Entries held, expired ones that were not yet swept included. */
  get size(): number {
    return this.#rows.index.size;
  }

  /**
   * The entry of `key`; undefined when there is none or all of it has expired by `nowMs`. The answer shows
   * the entry of the next `find` after that: use it at once.
   */
  find(key: TableKey, nowMs: number): Entry | undefined {
    const row = this.#rows.index.find(key);
    if (row === NO_ROW) return undefined;
    const entry = this.#found.at(row);
    if (this.#expires && isGone(entry, this.ttls, this.#observe(nowMs))) return undefined;
    return entry;
  }

  /** The value of one slot; undefined where there is none or it has expired by `nowMs`. */
  read(entry: Entry, slot: number, nowMs: number): unknown {
    const value = slotOf(entry, slot);
    if (value === undefined || this.ttls[slot] === null) return value;
    const latestMs = this.#observe(nowMs);
    return isExpired(entry, slot, { ttls: this.ttls, latestMs }) ? undefined : value;
  }

  /** Sets one slot of `key`; undefined clears it. An entry left without value and timer is removed. */
  put(key: string, slot: number, value: unknown, nowMs: number): void {
    const row = this.#rows.index.find(key);
    if (row !== NO_ROW) this.#write(row, slot, value, nowMs);
    else if (value !== undefined) this.#set(this.#create(key), slot, value, nowMs);
  }

  /** `put` for an entry that `find` has just given. */
  write(found: Entry, slot: number, value: unknown, nowMs: number): void {
    const { row } = found as RowCursor;
    if (slot !== 0 || value === undefined || this.#expires) {
      this.#write(row, slot, value, nowMs);
      return;
    }
    // The common case, once a record.
    if (this.#rows.changedIn[row] !== this.#interval) this.#beforeWrite(row);
    this.#rows.setFirst(row, value);
  }

  /** Begins the time to live of one slot anew, for state that is kept by reading it. */
  touch(found: Entry, slot: number, nowMs: number): void {
    const { row } = found as RowCursor;
    if (this.ttls[slot] === null || this.#rows.timeOf(row, slot) >= nowMs) return;
    this.#beforeWrite(row);
    this.#rows.setTime(row, slot, nowMs);
  }

  /** Announces that the values of `key` are about to be changed in place; for mutable tables. */
  beforeChange(key: string): void {
    const row = this.#rows.index.find(key);
    if (row !== NO_ROW) this.#beforeWrite(row);
  }

  /** Adds a timer of `key`. @returns False when it had that timer already. */
  addTimer(key: string, domain: TimeDomain, timeMs: number, _nowMs: number): boolean {
    const row = this.#rowFor(key);
    const timers = this.#rows.timers(row, domain) ?? [];
    if (timers.includes(timeMs)) return false;
    this.#beforeWrite(row);
    this.#rows.setTimers(row, domain, withTime(timers, timeMs));
    return true;
  }

  /** Removes a timer of `key`. @returns False when it had no such timer. */
  removeTimer(key: string, domain: TimeDomain, timeMs: number): boolean {
    const row = this.#rows.index.find(key);
    if (row === NO_ROW) return false;
    const timers = this.#rows.timers(row, domain);
    if (timers?.includes(timeMs) !== true) return false;
    this.#beforeWrite(row);
    const left = timers.filter((other) => other !== timeMs);
    this.#rows.setTimers(row, domain, left.length === 0 ? null : left);
    if (this.#rows.isEmpty(row)) this.#remove(row);
    return true;
  }

  /** Puts `key` back to what it was when `before` was taken with `snapshotOf`. */
  rollBack(key: string, before: Entry | null): void {
    if (before === null) {
      const row = this.#rows.index.find(key);
      if (row !== NO_ROW) this.#remove(row);
      return;
    }
    const row = this.#rowFor(key);
    this.#beforeWrite(row);
    this.#rows.assign(row, before);
  }

  /** A copy of the entry of `key` as it is now; null when there is none. */
  snapshotOf(key: string): Entry | null {
    const row = this.#rows.index.find(key);
    return row === NO_ROW ? null : savedEntry(this.#rows, row, false);
  }

  /** Removes what has expired in the next groups, about `entriesMax` entries looked at. @returns Entries removed. */
  sweep(nowMs: number, entriesMax: number): number {
    if (!this.#expires) return 0;
    const latestMs = this.#observe(nowMs);
    let removed = 0;
    let seen = 0;
    for (let turn = 0; turn < KEY_GROUP_COUNT && seen < entriesMax; turn++) {
      const { rows } = this.#groups[this.#sweepGroup]!;
      this.#sweepGroup = (this.#sweepGroup + 1) % KEY_GROUP_COUNT;
      seen += rows.length;
      for (let i = rows.length - 1; i >= 0; i--) {
        if (this.#sweepRow(rows[i]!, latestMs)) removed++;
      }
    }
    return removed;
  }

  /** Key groups that hold anything, ascending. */
  presentGroups(): number[] {
    const present: number[] = [];
    for (let i = 0; i < KEY_GROUP_COUNT; i++) {
      if (this.#groups[i]!.rows.length > 0) present.push(i);
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
    const of = {
      rows: this.#rows,
      rowsOfGroup: own.rows,
      saved: own.saved,
      interval: this.#interval,
    };
    own.isWanted = false;
    own.saved = [];
    if (since !== null && since >= own.removedFrom) {
      const removed = removedKeys(own, since, this.#interval);
      const { count, changed } = countSince(of, since);
      if (changed + removed.length <= count * DELTA_SHARE_MAX) {
        const columns = columnsOf(of, this.ttls, (_, changedIn) => changedIn > since);
        return { kind: "delta", columns: columns.finish(removed) };
      }
    }
    const isLive = (entry: Entry) => !this.#expires || !isGone(entry, this.ttls, this.#capturedMs);
    return { kind: "keyed", columns: columnsOf(of, this.ttls, isLive).finish([]) };
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
        const row = this.#rows.index.find(key);
        if (row !== NO_ROW) this.#detach(row);
      }
    }
    for (const [i, key] of columns.keys.entries()) {
      const replaced = this.#rows.index.find(key);
      if (replaced !== NO_ROW) this.#detach(replaced);
      this.#fill(this.#adopt(key, group, interval), columns, { i, layout });
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
      for (const row of this.#groups.flatMap(({ rows }) => rows)) {
        if (this.#rows.timeOf(row, slot) !== UNTIMED) continue;
        if (this.#rows.slot(row, slot) !== undefined) this.#rows.setTime(row, slot, nowMs);
      }
    }
  }

  /** Shows the key and the value of slot 0 of every entry, in no order that matters. */
  forEachFirst(show: (key: string, first: unknown) => void): void {
    for (const { rows } of this.#groups) {
      for (const row of [...rows]) show(this.#rows.key(row), this.#rows.first(row));
    }
  }

  /** The latest timer of processing time; -Infinity when there is none. */
  lastTimerMs(): number {
    let lastMs = -Infinity;
    if (!this.#rows.keepsTimers) return lastMs;
    for (const { timers } of this.entries()) lastMs = Math.max(lastMs, timers?.at(-1) ?? -Infinity);
    return lastMs;
  }

  /** A copy of every entry, in no order that matters. */
  *entries(): IterableIterator<Entry> {
    for (const { rows } of this.#groups) {
      for (const row of [...rows]) yield savedEntry(this.#rows, row, false);
    }
  }

  #write(row: number, slot: number, value: unknown, nowMs: number): void {
    this.#beforeWrite(row);
    this.#set(row, slot, value, nowMs);
    if (value === undefined && this.#rows.isEmpty(row)) this.#remove(row);
  }

  #set(row: number, slot: number, value: unknown, nowMs: number): void {
    this.#rows.setSlot(row, slot, value);
    // Without a time to live nobody asks.
    if (!this.#expires || this.ttls[slot] === null) return;
    this.#rows.setTime(row, slot, Math.max(this.#rows.timeOf(row, slot), nowMs));
  }

  #rowFor(key: string): number {
    const row = this.#rows.index.find(key);
    return row === NO_ROW ? this.#create(key) : row;
  }

  #create(key: string): number {
    const group = keyGroupOf(key);
    this.#groups[group]!.writtenIn = this.#interval;
    return this.#adopt(key, group, this.#interval);
  }

  #adopt(key: string, group: number, interval: number): number {
    const { rows } = this.#groups[group]!;
    const row = this.#rows.add(key, { group, position: rows.length, interval });
    rows.push(row);
    return row;
  }

  #fill(
    row: number,
    columns: GroupColumns,
    { i, layout }: { i: number; layout: StoredLayout },
  ): void {
    for (const [stored, slot] of layout.slots.entries()) {
      if (slot < 0) continue;
      const value = columns.slots[stored]?.[i];
      const version = layout.versions[stored];
      this.#rows.setSlot(row, slot, migrated(value, version, this.#slots[slot]));
      const times = columns.times[stored];
      if (times !== null && times !== undefined && this.ttls[slot] !== null) {
        this.#rows.setTime(row, slot, times[i] ?? UNTIMED);
      }
    }
    if (layout.keepsTimers) {
      this.#rows.setTimers(row, "processing", columns.timers[i] ?? null);
      this.#rows.setTimers(row, "event", columns.eventTimers[i] ?? null);
    }
    if (this.#rows.isEmpty(row)) this.#detach(row);
  }

  #remove(row: number): void {
    this.#beforeWrite(row);
    const group = this.#groups[this.#rows.groups[row]!]!;
    const isNew = this.#rows.madeIn[row] === this.#interval;
    const key = this.#rows.key(row);
    this.#detach(row);
    // No capture has seen a key that came and went in one interval.
    if (isNew) return;
    noteRemoved(group, key, this.#interval);
  }

  #detach(row: number): void {
    const { rows } = this.#groups[this.#rows.groups[row]!]!;
    const last = rows.pop()!;
    if (last !== row) {
      const position = this.#rows.positions[row]!;
      rows[position] = last;
      this.#rows.positions[last] = position;
    }
    this.#rows.remove(row);
  }

  /** Clears expired slots. @returns True when nothing was left of the entry. */
  #sweepRow(row: number, latestMs: number): boolean {
    const entry = this.#found.at(row);
    for (let slot = 0; slot < this.slotCount; slot++) {
      const isHeld = slotOf(entry, slot) !== undefined;
      if (!isHeld || !isExpired(entry, slot, { ttls: this.ttls, latestMs })) continue;
      this.#beforeWrite(row);
      this.#rows.setSlot(row, slot, undefined);
    }
    if (!this.#rows.isEmpty(row)) return false;
    this.#remove(row);
    return true;
  }

  /** The latest time ever seen. */
  #observe(nowMs: number): number {
    if (nowMs > this.#latestMs) this.#latestMs = nowMs;
    return this.#latestMs;
  }

  /** Marks entry and group as changed, and saves the entry if a capture still wants it as it is. */
  #beforeWrite(row: number): void {
    const interval = this.#interval;
    const { changedIn } = this.#rows;
    if (changedIn[row] === interval) return;
    const group = this.#groups[this.#rows.groups[row]!]!;
    group.writtenIn = interval;
    if (group.isWanted) group.saved.push(savedEntry(this.#rows, row, this.#isMutable));
    changedIn[row] = interval;
  }
}
