/**
 * Decides which rows of a long table are drawn, and where keys and clicks lead in it.
 *
 * Pure. Rows have one height, so a place in the table is a number of rows.
 *
 * @module
 */

export interface RowSpan {
  /** First row drawn. */
  readonly from: number;
  /** Row behind the last one drawn. */
  readonly to: number;
}

/** Rows drawn above and below what is seen, so that a flick shows rows and not emptiness. */
export const OVERSCAN_ROWS = 8;

/** The rows to draw of `count`, `scrollPx` below the top of a view `viewPx` high. */
export function rowsInView(
  view: { readonly scrollPx: number; readonly viewPx: number },
  rowPx: number,
  count: number,
): RowSpan {
  const first = Math.floor(Math.max(0, view.scrollPx) / rowPx);
  const seen = Math.ceil(view.viewPx / rowPx) + 1;
  const from = Math.max(0, Math.min(first, count - 1) - OVERSCAN_ROWS);
  return { from, to: Math.min(count, first + seen + OVERSCAN_ROWS) };
}

/** The row that `key` leads to from row `at`; null for a key that does not move. */
export function rowForKey(
  key: string,
  at: number,
  table: { readonly count: number; readonly pageRows: number },
): number | null {
  const last = table.count - 1;
  if (last < 0) return null;
  const step = Math.max(1, table.pageRows - 1);
  switch (key) {
    case "ArrowDown":
      return Math.min(last, at + 1);
    case "ArrowUp":
      return Math.max(0, at - 1);
    case "PageDown":
      return Math.min(last, at + step);
    case "PageUp":
      return Math.max(0, at - step);
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return null;
  }
}

/** How far to scroll so that row `index` is seen whole below a head `headPx` high. */
export function scrollToShow(
  index: number,
  view: { readonly scrollPx: number; readonly viewPx: number },
  rowPx: number,
  headPx: number,
): number {
  const top = index * rowPx;
  if (top < view.scrollPx) return top;
  const bottom = top + rowPx + headPx;
  return bottom > view.scrollPx + view.viewPx ? bottom - view.viewPx : view.scrollPx;
}

/** `ids` with one row turned over; with `anchor`, all rows between the two as the anchor is. */
export function selectedAfter(
  ids: ReadonlySet<string>,
  keys: readonly string[],
  turn: { readonly index: number; readonly anchor: number | null },
): ReadonlySet<string> {
  const next = new Set(ids);
  const key = keys[turn.index];
  if (key === undefined) return ids;
  if (turn.anchor === null) {
    if (!next.delete(key)) next.add(key);
    return next;
  }
  const isChosen = ids.has(keys[turn.anchor] ?? "");
  const from = Math.min(turn.anchor, turn.index);
  const to = Math.max(turn.anchor, turn.index);
  for (const one of keys.slice(from, to + 1)) {
    if (isChosen) next.add(one);
    else next.delete(one);
  }
  return next;
}
