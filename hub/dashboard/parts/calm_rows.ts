/**
 * Keeps the rows of a list where they are while somebody points at one of them.
 *
 * Pure.
 *
 * 1. While held, no row moves: those that left stay, marked as gone; those that came wait and are counted.
 * 2. What a row says is always of now.
 *
 * @module
 */

export interface CalmRows<T> {
  readonly rows: readonly T[];
  /** Keys of rows that no longer belong to the list. */
  readonly gone: ReadonlySet<string>;
  /** Rows that wait to be shown. */
  readonly waiting: number;
}

/**
 * @param held Rows as they stood when the holding began; null while nothing is held.
 * @param rows The list as it is now.
 */
export function calmRows<T>(
  held: readonly T[] | null,
  rows: readonly T[],
  keyOf: (row: T) => string,
): CalmRows<T> {
  if (held === null) return { rows, gone: new Set(), waiting: 0 };
  const now = new Map(rows.map((row) => [keyOf(row), row]));
  const heldKeys = new Set(held.map(keyOf));
  const gone = new Set([...heldKeys].filter((key) => !now.has(key)));
  const lastHeld = held.findLast((row) => now.has(keyOf(row)));
  // Rows behind the last one held are a further page: they move nothing.
  const lastAt = lastHeld === undefined
    ? -1
    : rows.findIndex((row) => keyOf(row) === keyOf(lastHeld));
  const behind = rows.slice(lastAt + 1).filter((row) => !heldKeys.has(keyOf(row)));
  const waiting = rows.slice(0, lastAt + 1).filter((row) => !heldKeys.has(keyOf(row))).length;
  return {
    rows: [...held.map((row) => now.get(keyOf(row)) ?? row), ...behind],
    gone,
    waiting,
  };
}
