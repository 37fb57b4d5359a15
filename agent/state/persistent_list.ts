/**
 * An immutable list to which one item more costs nothing.
 *
 * Pure. Lists that grow from one another share one array, of which each knows its own length; only the
 * longest may append to it, another one copies first.
 *
 * @module
 */
export class PersistentList {
  static readonly EMPTY = new PersistentList([], 0);
  readonly size: number;
  /** Its first `size` items are this list's; they never change. */
  readonly #shared: unknown[];

  private constructor(shared: unknown[], size: number) {
    this.#shared = shared;
    this.size = size;
  }

  /** @param items Taken over: not changed by anybody else afterwards. */
  static of(items: unknown[]): PersistentList {
    return new PersistentList(items, items.length);
  }

  append(item: unknown): PersistentList {
    const isLongest = this.#shared.length === this.size && this.size > 0;
    const shared = isLongest ? this.#shared : this.#shared.slice(0, this.size);
    shared.push(item);
    return new PersistentList(shared, this.size + 1);
  }

  /** A copy, which the caller may keep. */
  toArray(): unknown[] {
    return this.#shared.slice(0, this.size);
  }
}
