/**
 * Keeps the pages of a long list that one scrolls through, and renews those that are seen.
 *
 * Touches what it is given to load pages with. A cursor names a place in the order of the list and not a
 * number of rows, so one page can be fetched again without the others.
 *
 * 1. No row is shown twice, and none between two pages is missing: a page that is renewed is fetched on
 *    until it reaches the place where the next one begins.
 * 2. A renewal never empties the list: what was there stays until the answer comes.
 *
 * @module
 */
import type { Page } from "@shared/api.ts";

export interface PagedWorld<T> {
  /** The page behind `cursor`; the first one for null. */
  load(cursor: string | null, signal: AbortSignal): Promise<Page<T>>;
  keyOf(item: T): string;
  /** Negative when `a` stands before `b` in the list; 0 where only the hub knows. */
  order(a: T, b: T): number;
}

interface Kept<T> {
  readonly cursor: string | null;
  readonly items: readonly T[];
}

export interface PagedList<T> {
  readonly items: readonly T[];
  readonly hasMore: boolean;
  /** Loads the first page, or one more behind the last. */
  more(signal: AbortSignal): Promise<void>;
  /** Renews the first page and those that hold rows `from` up to `to`. */
  renew(from: number, to: number, signal: AbortSignal): Promise<void>;
}

/** Fetches that may be needed until a renewed page meets the next one; then the rest is let go. */
const MEETING_FETCHES_MAX = 5;

export function createPagedList<T>(world: PagedWorld<T>): PagedList<T> {
  let pages: readonly Kept<T>[] = [];
  /** Cursor behind the last page; undefined before the first answer. */
  let next: string | null | undefined;
  let items: readonly T[] = [];

  const keep = (kept: readonly Kept<T>[]) => {
    pages = kept;
    items = unique(kept.flatMap((page) => page.items), world.keyOf);
  };
  /** Page `index` anew, up to where the page behind it begins. */
  const renewOne = async (index: number, signal: AbortSignal) => {
    const { cursor } = pages[index]!;
    const boundary = pages.slice(index + 1).find((page) => page.items.length > 0)?.items[0];
    const found: T[] = [];
    let at: string | null = cursor;
    for (let fetch = 0; fetch < MEETING_FETCHES_MAX; fetch++) {
      const page: Page<T> = await world.load(at, signal);
      const before = page.items.slice(0, placeOf(boundary, page.items, world));
      found.push(...before);
      at = page.next;
      const hasMet = boundary !== undefined &&
        (before.length < page.items.length || at === pages[index + 1]?.cursor);
      if (boundary === undefined) next = page.next;
      if (hasMet || boundary === undefined) {
        return keep(pages.with(index, { cursor, items: found }));
      }
      if (at === null) break;
    }
    // The rows behind are gone, or too far away to be worth the way: they load again as one scrolls.
    next = at;
    keep([...pages.slice(0, index), { cursor, items: found }]);
  };

  return {
    get items() {
      return items;
    },
    get hasMore() {
      return next !== null;
    },
    async more(signal) {
      if (next === null) return;
      const cursor = next ?? null;
      const page = await world.load(cursor, signal);
      next = page.next;
      keep([...pages, { cursor, items: page.items }]);
    },
    async renew(from, to, signal) {
      if (pages.length === 0) return;
      for (const index of pagesWith(pages, from, to)) {
        if (index < pages.length) await renewOne(index, signal);
      }
    },
  };
}

/** Index at which the next page begins among `items`; their number when it does not. */
function placeOf<T>(boundary: T | undefined, items: readonly T[], world: PagedWorld<T>): number {
  if (boundary === undefined) return items.length;
  const key = world.keyOf(boundary);
  const at = items.findIndex((item) =>
    world.keyOf(item) === key || world.order(item, boundary) > 0
  );
  return at < 0 ? items.length : at;
}

/** Numbers of the pages that hold rows `from` up to `to`, the first page among them always. */
function pagesWith<T>(pages: readonly Kept<T>[], from: number, to: number): number[] {
  const wanted: number[] = [];
  let start = 0;
  pages.forEach((page, index) => {
    const end = start + page.items.length;
    if (index === 0 || (start < to && end > from)) wanted.push(index);
    start = end;
  });
  return wanted;
}

/** Rows that moved between two fetches may be in two pages; the first stands. */
function unique<T>(items: readonly T[], keyOf: (item: T) => string): readonly T[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const key = keyOf(item);
    return !seen.has(key) && seen.add(key);
  });
}

/**
 * One list made of several, each wholly before the next; their cursors say which of them they belong to.
 *
 * @param loads One loader for each part, in the order of the list.
 */
export function chained<T>(
  loads: readonly PagedWorld<T>["load"][],
): PagedWorld<T>["load"] {
  return async (cursor, signal) => {
    let { part, inner } = readChained(cursor);
    for (;;) {
      const load = loads[part];
      if (load === undefined) return { items: [], next: null };
      const page = await load(inner, signal);
      const isLast = part === loads.length - 1;
      const following = isLast ? null : `${part + 1}:`;
      const next = page.next === null ? following : `${part}:${page.next}`;
      if (page.items.length > 0 || next === null) return { items: page.items, next };
      ({ part, inner } = readChained(next));
    }
  };
}

function readChained(cursor: string | null): { part: number; inner: string | null } {
  if (cursor === null) return { part: 0, inner: null };
  const colon = cursor.indexOf(":");
  const inner = cursor.slice(colon + 1);
  return { part: Number(cursor.slice(0, colon)), inner: inner === "" ? null : inner };
}
