/**
 * The entries of one table as rows of columns: row `r` is index `r` in all of them.
 *
 * Pure. There are hundreds of thousands of entries on a small machine. As objects each cost two hundred
 * bytes and a visit of the collector; as rows they cost what their key and value cost and a few bytes more.
 * Columns that no entry of the table uses do not exist.
 *
 * @module
 */
import { KeyIndex } from "./key_index.ts";
import { type Entry, type TimeDomain, UNTIMED } from "./table_entry.ts";

const ROWS_MIN = 16;
const GROWTH = 1.5;

export class EntryRows {
  readonly #keys: string[] = [];
  readonly index = new KeyIndex(this.#keys);
  readonly #slotCount: number;
  /** Rows in use or free. */
  #end = 0;
  readonly #free: number[] = [];
  #first: unknown[] = [];
  #rest: (unknown[] | null)[] | null = null;
  #firstMs: Float64Array | null = null;
  #restMs: (number[] | null)[] | null = null;
  #timers: (readonly number[] | null)[] | null = null;
  #eventTimers: (readonly number[] | null)[] | null = null;
  /** Key group of each row. */
  groups: Uint8Array = new Uint8Array(ROWS_MIN);
  /** Index in the rows of its group. */
  positions: Int32Array = new Int32Array(ROWS_MIN);
  /** Interval between captures in which it was made. */
  madeIn: Int32Array = new Int32Array(ROWS_MIN);
  /** Interval in which it was last changed; a capture that ended an earlier one reads it as it is. */
  changedIn: Int32Array = new Int32Array(ROWS_MIN);

  constructor(slotCount: number) {
    this.#slotCount = slotCount;
  }

  /** A new, empty row of `key`. */
  add(key: string, of: { group: number; position: number; interval: number }): number {
    const row = this.#free.pop() ?? this.#end++;
    if (row === this.positions.length) this.#grow();
    this.#keys[row] = key;
    this.#first[row] = undefined;
    this.groups[row] = of.group;
    this.positions[row] = of.position;
    this.madeIn[row] = of.interval;
    this.changedIn[row] = of.interval;
    this.index.add(key, row);
    return row;
  }

  /** Takes the row out; its number is given to another key. */
  remove(row: number): void {
    this.index.delete(this.#keys[row]!);
    this.#keys[row] = "";
    this.#first[row] = undefined;
    if (this.#rest !== null) this.#rest[row] = null;
    if (this.#firstMs !== null) this.#firstMs[row] = UNTIMED;
    if (this.#restMs !== null) this.#restMs[row] = null;
    if (this.#timers !== null) this.#timers[row] = null;
    if (this.#eventTimers !== null) this.#eventTimers[row] = null;
    this.#free.push(row);
  }

  key(row: number): string {
    return this.#keys[row]!;
  }

  first(row: number): unknown {
    return this.#first[row];
  }

  rest(row: number): readonly unknown[] | null {
    return this.#rest === null ? null : this.#rest[row] ?? null;
  }

  firstMs(row: number): number {
    return this.#firstMs === null ? UNTIMED : this.#firstMs[row]!;
  }

  restMs(row: number): readonly number[] | null {
    return this.#restMs === null ? null : this.#restMs[row] ?? null;
  }

  timers(row: number, domain: TimeDomain): readonly number[] | null {
    const timers = domain === "processing" ? this.#timers : this.#eventTimers;
    return timers === null ? null : timers[row] ?? null;
  }

  /** The value of one slot; undefined where there is none. Says nothing of its age. */
  slot(row: number, slot: number): unknown {
    return slot === 0 ? this.#first[row] : this.rest(row)?.[slot - 1];
  }

  /** When the slot was last written, ms since the epoch; 0 when that is not known or not kept. */
  timeOf(row: number, slot: number): number {
    return slot === 0 ? this.firstMs(row) : this.restMs(row)?.[slot - 1] ?? UNTIMED;
  }

  /** Whether a row ever had a timer of processing time. */
  get keepsTimers(): boolean {
    return this.#timers !== null;
  }

  /** Whether it has neither a value nor a timer. */
  isEmpty(row: number): boolean {
    if (this.#first[row] !== undefined || this.hasTimers(row)) return false;
    const rest = this.rest(row);
    return rest === null || rest.every((value) => value === undefined);
  }

  hasTimers(row: number): boolean {
    return this.timers(row, "processing") !== null || this.timers(row, "event") !== null;
  }

  setFirst(row: number, value: unknown): void {
    this.#first[row] = value;
  }

  setSlot(row: number, slot: number, value: unknown): void {
    if (slot === 0) {
      this.#first[row] = value;
      return;
    }
    if (value === undefined && this.rest(row) === null) return;
    this.#rest ??= [];
    const rest = this.#rest[row] ??= new Array<unknown>(this.#slotCount - 1).fill(undefined);
    rest[slot - 1] = value;
  }

  setTime(row: number, slot: number, timeMs: number): void {
    if (slot === 0) {
      this.#firstMs ??= new Float64Array(this.positions.length);
      this.#firstMs[row] = timeMs;
      return;
    }
    this.#restMs ??= [];
    const restMs = this.#restMs[row] ??= new Array<number>(this.#slotCount - 1).fill(UNTIMED);
    restMs[slot - 1] = timeMs;
  }

  setTimers(row: number, domain: TimeDomain, timers: readonly number[] | null): void {
    if (timers === null && this.timers(row, domain) === null) return;
    if (domain === "processing") (this.#timers ??= [])[row] = timers;
    else (this.#eventTimers ??= [])[row] = timers;
  }

  /** Takes over the content of `entry`. */
  assign(row: number, entry: Entry): void {
    for (let slot = 0; slot < this.#slotCount; slot++) {
      this.setSlot(row, slot, slot === 0 ? entry.first : entry.rest?.[slot - 1]);
      const timeMs = slot === 0 ? entry.lastWriteMs : entry.restMs?.[slot - 1] ?? UNTIMED;
      if (timeMs !== this.timeOf(row, slot)) this.setTime(row, slot, timeMs);
    }
    this.setTimers(row, "processing", entry.timers);
    this.setTimers(row, "event", entry.eventTimers);
  }

  #grow(): void {
    const length = Math.ceil(this.positions.length * GROWTH);
    this.groups = longer(this.groups, new Uint8Array(length));
    this.positions = longer(this.positions, new Int32Array(length));
    this.madeIn = longer(this.madeIn, new Int32Array(length));
    this.changedIn = longer(this.changedIn, new Int32Array(length));
    if (this.#firstMs !== null) this.#firstMs = longer(this.#firstMs, new Float64Array(length));
  }
}

function longer<Column extends Uint8Array | Int32Array | Float64Array>(
  from: Column,
  to: Column,
): Column {
  to.set(from);
  return to;
}

/** One row seen as an entry; moved from row to row, so that a look costs no object. */
export class RowCursor implements Entry {
  readonly #rows: EntryRows;
  row = 0;

  constructor(rows: EntryRows) {
    this.#rows = rows;
  }

  at(row: number): this {
    this.row = row;
    return this;
  }

  get key(): string {
    return this.#rows.key(this.row);
  }

  get first(): unknown {
    return this.#rows.first(this.row);
  }

  get rest(): readonly unknown[] | null {
    return this.#rows.rest(this.row);
  }

  get lastWriteMs(): number {
    return this.#rows.firstMs(this.row);
  }

  get restMs(): readonly number[] | null {
    return this.#rows.restMs(this.row);
  }

  get timers(): readonly number[] | null {
    return this.#rows.timers(this.row, "processing");
  }

  get eventTimers(): readonly number[] | null {
    return this.#rows.timers(this.row, "event");
  }
}
