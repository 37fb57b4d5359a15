/**
 * Rows that were looked up lately: at most so many, none older than allowed.
 *
 * Pure: time comes in as a value. Not state: a restored operator begins with an empty one and looks up again.
 *
 * @module
 */

interface Cached {
  readonly row: unknown;
  readonly readAtMs: number;
}

export class LookupCache {
  readonly #ttlMs: number;
  readonly #max: number;
  /** In the order of use, the row used least lately first. */
  readonly #rows = new Map<string, Cached>();

  constructor({ ttlMs, max }: { ttlMs: number; max: number }) {
    this.#ttlMs = ttlMs;
    this.#max = max;
  }

  get size(): number {
    return this.#rows.size;
  }

  /** The row of `key`, from `lookup` unless one is held that is not older than allowed. */
  get(key: string, nowMs: number, lookup: (key: string) => unknown): unknown {
    const cached = this.#rows.get(key);
    if (cached !== undefined) {
      this.#rows.delete(key);
      if (nowMs - cached.readAtMs < this.#ttlMs) {
        this.#rows.set(key, cached);
        return cached.row;
      }
    }
    const row = lookup(key);
    this.#rows.set(key, { row, readAtMs: nowMs });
    if (this.#rows.size > this.#max) this.#rows.delete(this.#rows.keys().next().value!);
    return row;
  }
}
