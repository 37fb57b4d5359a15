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
  /** Open addressing with linear probing; a slot is free when its row is 0, so rows are kept plus 1. */
  #numbers = new Int32Array(SLOTS_MIN);
  #rows = new Int32Array(SLOTS_MIN);
  #numberCount = 0;
  #shift = HASH_BITS - Math.log2(SLOTS_MIN);

  get size(): number {
    return this.#texts.size + this.#numberCount;
  }

  /** Row of `key`, or `NO_ROW`. */
  find(key: TableKey): number {
    const mapKey = mapKeyOf(key);
    if (typeof mapKey === "string") return this.#texts.get(mapKey) ?? NO_ROW;
    return this.#rows[this.#slotOf(mapKey)]! - 1;
  }

  /** Adds a key that is not there. */
  add(key: TableKey, row: number): void {
    const mapKey = mapKeyOf(key);
    if (typeof mapKey === "string") {
      this.#texts.set(mapKey, row);
      return;
    }
    if (++this.#numberCount > this.#rows.length * FILL_MAX) this.#grow();
    const slot = this.#slotOf(mapKey);
    this.#numbers[slot] = mapKey;
    this.#rows[slot] = row + 1;
  }

  /** Takes a key out that is there. */
  delete(key: TableKey): void {
    const mapKey = mapKeyOf(key);
    if (typeof mapKey === "string") {
      this.#texts.delete(mapKey);
      return;
    }
    this.#numberCount--;
    this.#close(this.#slotOf(mapKey));
  }

  /** Slot of `number`, or the free one where it belongs. */
  #slotOf(number: number): number {
    const rows = this.#rows;
    const numbers = this.#numbers;
    const mask = rows.length - 1;
    let slot = Math.imul(number, GOLDEN) >>> this.#shift;
    while (rows[slot] !== 0 && numbers[slot] !== number) slot = (slot + 1) & mask;
    return slot;
  }

  /** Frees a slot; what had to go behind it moves up, so that no search ends too early. */
  #close(freed: number): void {
    const mask = this.#rows.length - 1;
    let hole = freed;
    this.#rows[hole] = 0;
    for (let at = (hole + 1) & mask; this.#rows[at] !== 0; at = (at + 1) & mask) {
      const home = Math.imul(this.#numbers[at]!, GOLDEN) >>> this.#shift;
      // It may stay when its home lies behind the hole, going round.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.#numbers[hole] = this.#numbers[at]!;
      this.#rows[hole] = this.#rows[at]!;
      this.#rows[at] = 0;
      hole = at;
    }
  }

  #grow(): void {
    const [numbers, rows] = [this.#numbers, this.#rows];
    this.#numbers = new Int32Array(rows.length * 2);
    this.#rows = new Int32Array(rows.length * 2);
    this.#shift--;
    for (let old = 0; old < rows.length; old++) {
      if (rows[old] === 0) continue;
      const slot = this.#slotOf(numbers[old]!);
      this.#numbers[slot] = numbers[old]!;
      this.#rows[slot] = rows[old]!;
    }
  }
}
