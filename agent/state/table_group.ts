/**
 * One key group of a table: which rows are its own, what a capture still wants of it, which keys it lost.
 *
 * Pure.
 *
 * @module
 */
import type { SavedEntry } from "./captured_group.ts";

/** Removed keys remembered per group beyond the number of its entries; with more it is written whole. */
const TOMBSTONES_SPARE_MAX = 64;

export interface TableGroup {
  /** Its entries, in no order that matters. */
  readonly rows: number[];
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

export function createGroup(): TableGroup {
  return { rows: [], writtenIn: 0, isWanted: false, saved: [], removed: [], removedFrom: 0 };
}

/** Remembers that `key` was removed; forgets all such keys when there are too many. */
export function noteRemoved(group: TableGroup, key: string, interval: number): void {
  group.removed.push({ key, interval });
  if (group.removed.length <= group.rows.length + TOMBSTONES_SPARE_MAX) return;
  group.removed = [];
  group.removedFrom = interval;
}

/** Keys removed after interval `since` and before `until`, each once. */
export function removedKeys(group: TableGroup, since: number, until: number): string[] {
  const keys = new Set<string>();
  for (const { key, interval } of group.removed) {
    if (interval > since && interval < until) keys.add(key);
  }
  return [...keys];
}
