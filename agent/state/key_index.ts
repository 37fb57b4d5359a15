/**
 * Finds the row of a key.
 *
 * Pure. Whole numbers are looked up in typed arrays, which cost a few bytes a key and nothing to collect;
 * other keys in a map. Texts that are a whole number count as that number.
 *
 * @module
 */
import { mapKeyOf, type TableKey } from "./table_entry.ts";

/** Answer for a key that is not there. */
export const NO_ROW = -1;

const SLOTS_MIN = 64;
/** Above this share of slots in use the arrays grow. */
const FILL_MAX = 0.75;
/** Multiplier of Fibonacci hashing: 2^32 divided by the golden ratio. */
const GOLDEN = 0x9e3779b1;
const HASH_BITS = 32;

export class KeyIndex {
  readonly #texts = new Map<string, number>();
  /**
   * Open addressing with linear probing. A slot is two cells side by side, so that a look costs one cache
   * line: the number, and its row plus 1; 0 there is a free slot.
   */
  #cells = new Int32Array(2 * SLOTS_MIN);
  #numberCount = 0;
  #shift = HASH_BITS - Math.log2(SLOTS_MIN);

  get size(): number {
    return this.#texts.size + this.#numberCount;
  }

  /** Row of `key`, or `NO_ROW`. */
  find(key: TableKey): number {
    const mapKey = mapKeyOf(key);
    if (typeof mapKey === "string") return this.#texts.get(mapKey) ?? NO_ROW;
    return this.#cells[this.#cellOf(mapKey) + 1]! - 1;
  }

  /** Adds a key that is not there. */
  add(key: TableKey, row: number): void {
    const mapKey = mapKeyOf(key);
    if (typeof mapKey === "string") {
      this.#texts.set(mapKey, row);
      return;
    }
    if (++this.#numberCount > this.#cells.length / 2 * FILL_MAX) this.#grow();
    const cell = this.#cellOf(mapKey);
    this.#cells[cell] = mapKey;
    this.#cells[cell + 1] = row + 1;
  }

  /** Takes a key out that is there. */
  delete(key: TableKey): void {
    const mapKey = mapKeyOf(key);
    if (typeof mapKey === "string") {
      this.#texts.delete(mapKey);
      return;
    }
    this.#numberCount--;
    this.#close(this.#cellOf(mapKey));
  }

  /** First cell of `number`, or of the free slot where it belongs. */
  #cellOf(number: number): number {
    const cells = this.#cells;
    const mask = cells.length - 1;
    let cell = this.#homeOf(number);
    while (cells[cell + 1] !== 0 && cells[cell] !== number) cell = (cell + 2) & mask;
    return cell;
  }

  #homeOf(number: number): number {
    return (Math.imul(number, GOLDEN) >>> this.#shift) << 1;
  }

  /** Frees a slot; what had to go behind it moves up, so that no search ends too early. */
  #close(freed: number): void {
    const cells = this.#cells;
    const mask = cells.length - 1;
    let hole = freed;
    cells[hole + 1] = 0;
    for (let at = (hole + 2) & mask; cells[at + 1] !== 0; at = (at + 2) & mask) {
      const home = this.#homeOf(cells[at]!);
      // It may stay when its home lies behind the hole, going round.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      cells[hole] = cells[at]!;
      cells[hole + 1] = cells[at + 1]!;
      cells[at + 1] = 0;
      hole = at;
    }
  }

  #grow(): void {
    const before = this.#cells;
    this.#cells = new Int32Array(before.length * 2);
    this.#shift--;
    for (let old = 0; old < before.length; old += 2) {
      if (before[old + 1] === 0) continue;
      const cell = this.#cellOf(before[old]!);
      this.#cells[cell] = before[old]!;
      this.#cells[cell + 1] = before[old + 1]!;
    }
  }
}
