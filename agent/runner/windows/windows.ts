/**
 * What all kinds of windows have in common: what a windowed operator asks of them, and what they ask of it.
 *
 * Pure types.
 *
 * @module
 */
import type { StateTable, TableKey } from "../../state/state_table.ts";

/** The windows of every key of one operator; what they hold is slot 0 of the operator's table. */
export interface Windows {
  /**
   * Takes one record into the windows of its key.
   *
   * @param atMs Time of the record by the clock of the windows, ms since the epoch.
   * @param watermarkMs No more records up to this time are expected; `-Infinity` when nothing is late.
   * @returns False when every window of the record was over: it came too late.
   */
  add(record: unknown, key: TableKey, at: RecordTime): boolean;
  /** Fires and forgets what is due for `key` up to `atMs`; nothing happens when nothing is. */
  wake(key: string, atMs: number): void;
}

/** Times of the record being added; one object, set anew for each record. */
export interface RecordTime {
  /** Time of the record by the clock of the windows, ms since the epoch. */
  atMs: number;
  /** No more records up to this time are expected; `-Infinity` when nothing is ever late. */
  watermarkMs: number;
}

/** What an entry of any kind of time-driven window holds beside its windows. */
export interface Waking {
  /** When `wake` is next to be called, ms; `Infinity` for never. In the state, so that a restore finds it. */
  wake: number;
}

/** One firing of one window of one key. */
export interface Firing {
  readonly key: string;
  readonly acc: unknown;
  readonly start: number;
  readonly end: number;
  readonly isLate: boolean;
}

/** Where windows are kept, and who is told. */
export interface WindowPlace {
  /** A table whose values may be changed in place. */
  readonly table: StateTable;
  /** Asks for `wake(key, atMs)` once time has reached `atMs`; answered in the order of time, then of keys. */
  readonly wakeAt: (key: string, atMs: number) => void;
  /** Called for every result, in order. */
  readonly fire: (firing: Firing) => void;
}

/** The largest multiple of `step` away from `offset` that is not above `value`. */
export function floorTo(value: number, step: number, offset: number): number {
  return offset + Math.floor((value - offset) / step) * step;
}

/** Greatest common divisor of two whole numbers above 0. */
export function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Index of the first of the ascending `times` that is not below `time`; their number when there is none. */
export function lowerBound(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
