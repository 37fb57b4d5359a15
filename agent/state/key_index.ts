/**
 * Finds the row of a key.
 *
 * Pure. One typed array instead of a map: a few bytes a key, and nothing for the collector to visit, which would
 * stand between two records. Texts that are a whole number count as that number.
 *
 * @module
 */
import { mapKeyOf, type TableKey } from "./table_entry.ts";

/** Answer for a key that is not there. */
export const NO_ROW = -1;

const SLOTS_MIN = 64;
/** Above this share of slots in use the array grows. */
const FILL_MAX = 0.75;
/** Multiplier of Fibonacci hashing: 2^32 divided by the golden ratio. */
const GOLDEN = 0x9e3779b1;
const HASH_BITS = 32;
/** Slots looked at for a key. Only keys made up to collide need more; a map takes those. */
export const PROBES_MAX = 128;
const NO_CELL = -1;

export class KeyIndex {
  /** The text of each row, kept by the owner; a row's text is there before it is added. */
  readonly #keys: readonly string[];
  /**
   * Open addressing with linear probing. A slot is two cells side by side, so that a look costs one cache line:
   * the number or the hash of the text, and a tag. That is the row plus 1 for a number, the complement of the
   * row for a text, 0 for a free slot.
   */
  #cells = new Int32Array(2 * SLOTS_MIN);
  #count = 0;
  #shift = HASH_BITS - Math.log2(SLOTS_MIN);
  readonly #collided = new Map<TableKey, number>();

  constructor(keys: readonly string[]) {
    this.#keys = keys;
  }

  get size(): number {
    return this.#count + this.#collided.size;
  }

  /** Row of `key`, or `NO_ROW`. */
  find(key: TableKey): number {
    const mapKey = mapKeyOf(key);
    const cell = this.#cellOf(mapKey);
    const tag = cell === NO_CELL ? 0 : this.#cells[cell + 1]!;
    if (tag !== 0) return rowOf(tag);
    return this.#collided.size === 0 ? NO_ROW : this.#collided.get(mapKey) ?? NO_ROW;
  }

  /** Adds a key that is not there. */
  add(key: TableKey, row: number): void {
    if (this.#count >= this.#cells.length / 2 * FILL_MAX) this.#grow();
    this.#place(mapKeyOf(key), row);
  }

  /** Takes a key out that is there. */
  delete(key: TableKey): void {
    const mapKey = mapKeyOf(key);
    if (this.#collided.delete(mapKey)) return;
    this.#count--;
    this.#close(this.#cellOf(mapKey));
  }

  #place(mapKey: TableKey, row: number): void {
    const cell = this.#cellOf(mapKey);
    if (cell === NO_CELL) {
      this.#collided.set(mapKey, row);
      return;
    }
    this.#count++;
    const isNumber = typeof mapKey === "number";
    this.#cells[cell] = isNumber ? mapKey : hashOfText(mapKey);
    this.#cells[cell + 1] = isNumber ? row + 1 : ~row;
  }

  /** First cell of the key, or of the free slot where it belongs; `NO_CELL` when there is none near. */
  #cellOf(mapKey: TableKey): number {
    return typeof mapKey === "number" ? this.#cellOfNumber(mapKey) : this.#cellOfText(mapKey);
  }

  #cellOfNumber(number: number): number {
    const cells = this.#cells;
    const mask = cells.length - 1;
    let cell = this.#homeOf(number);
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      const tag = cells[cell + 1]!;
      if (tag === 0 || (tag > 0 && cells[cell] === number)) return cell;
      cell = (cell + 2) & mask;
    }
    return NO_CELL;
  }

  #cellOfText(text: string): number {
    const hash = hashOfText(text);
    const cells = this.#cells;
    const mask = cells.length - 1;
    let cell = this.#homeOf(hash);
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      const tag = cells[cell + 1]!;
      if (tag === 0) return cell;
      if (cells[cell] === hash && tag < 0 && this.#keys[~tag] === text) return cell;
      cell = (cell + 2) & mask;
    }
    return NO_CELL;
  }

  #homeOf(code: number): number {
    return (Math.imul(code, GOLDEN) >>> this.#shift) << 1;
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
    this.#count = 0;
    for (let old = 0; old < before.length; old += 2) {
      const tag = before[old + 1]!;
      if (tag === 0) continue;
      this.#place(tag > 0 ? before[old]! : this.#keys[~tag]!, rowOf(tag));
    }
  }
}

function rowOf(tag: number): number {
  return tag > 0 ? tag - 1 : ~tag;
}

/** FNV-1a over the text's 16-bit units. */
function hashOfText(text: string): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
