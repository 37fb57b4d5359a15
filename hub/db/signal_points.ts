/**
 * The points of one series within one span of ten seconds: gathered, merged, summed up and packed.
 *
 * Pure. Packed points take about 10 to 20 bytes each: a column that is empty or always the same costs next
 * to nothing, and a value is kept in 4 bytes where these hold it exactly.
 *
 *   u8 version │ u16 n │ n × u16 offset in ms │ value, score, low, high: u8 kind, then its numbers
 *
 * Invariants:
 *  1. Offsets ascend strictly: one point for each ms; a later one for the same ms replaces the earlier.
 *  2. Putting the same points again, in whatever order and split, changes nothing.
 *  3. A null is NaN in memory and stays null through packing. Score, low and high have 24 bits of precision.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import { PenstockError } from "@shared/errors.ts";

/** Span of one packed row. */
export const CHUNK_MS = 10_000;
/** Points of one span; more than 50 a second is no signal for a chart. */
export const CHUNK_POINTS_MAX = 500;

const VERSION = 1;
const HEAD_BYTES = 3;
const STRIDE = 5;
/** Room for points: of a signal that comes rarely, then of one that comes once a second, then doubled. */
const FIRST_CAPACITY = 2;
const USUAL_CAPACITY = 12;
const COLUMNS = ["value", "score", "low", "high"] as const;
const KIND = { empty: 0, constant: 1, single: 2, double: 3 } as const;

/** What a chart needs of a span. */
export interface Summary {
  /** Points that have a value. */
  readonly n: number;
  readonly lowest: number | null;
  readonly highest: number | null;
  readonly total: number;
  readonly latest: number | null;
  /** Furthest from 0. */
  readonly score: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** One point; NaN stands for null. */
export interface Point {
  readonly offsetMs: number;
  readonly value: number;
  readonly score: number;
  readonly low: number;
  readonly high: number;
}

/** The points of one span, ascending. */
export class PointBuffer {
  n = 0;
  #cells = new Float64Array(FIRST_CAPACITY * STRIDE);

  /** @returns Whether something changed; `full` when there is no room for one more. */
  put(
    offsetMs: number,
    value: number,
    score: number,
    low: number,
    high: number,
  ): "changed" | "same" | "full" {
    assert(offsetMs >= 0 && offsetMs < CHUNK_MS, `offset ${offsetMs} is not in the span`);
    let at = this.n;
    while (at > 0 && this.#cells[(at - 1) * STRIDE]! > offsetMs) at--;
    const isThere = at > 0 && this.#cells[(at - 1) * STRIDE] === offsetMs;
    const cell = [value, Math.fround(score), Math.fround(low), Math.fround(high)];
    if (isThere) return this.#replace((at - 1) * STRIDE + 1, cell) ? "changed" : "same";
    if (this.n >= CHUNK_POINTS_MAX) return "full";
    this.#grow();
    if (at < this.n) {
      this.#cells.copyWithin((at + 1) * STRIDE, at * STRIDE, this.n * STRIDE);
    }
    this.#cells[at * STRIDE] = offsetMs;
    this.#cells.set(cell, at * STRIDE + 1);
    this.n++;
    return "changed";
  }

  point(i: number): Point {
    const at = i * STRIDE;
    const cells = this.#cells;
    return {
      offsetMs: cells[at]!,
      value: cells[at + 1]!,
      score: cells[at + 2]!,
      low: cells[at + 3]!,
      high: cells[at + 4]!,
    };
  }

  /** Takes the points of `other` in. @returns Whether something changed. */
  merge(other: PointBuffer): boolean {
    let isChanged = false;
    for (let i = 0; i < other.n; i++) {
      const { offsetMs, value, score, low, high } = other.point(i);
      isChanged = this.put(offsetMs, value, score, low, high) === "changed" || isChanged;
    }
    return isChanged;
  }

  summary(): Summary {
    let n = 0;
    let total = 0;
    let lowest = Infinity;
    let highest = -Infinity;
    const last = [NaN, NaN, NaN];
    let worst = NaN;
    for (let at = 0; at < this.n * STRIDE; at += STRIDE) {
      const value = this.#cells[at + 1]!;
      const score = this.#cells[at + 2]!;
      if (!Number.isNaN(value)) {
        n++;
        total += value;
        if (value < lowest) lowest = value;
        if (value > highest) highest = value;
        last[0] = value;
      }
      if (isWorse(score, worst)) worst = score;
      for (const column of [1, 2]) {
        const bound = this.#cells[at + 2 + column]!;
        if (!Number.isNaN(bound)) last[column] = bound;
      }
    }
    return {
      n,
      lowest: n === 0 ? null : lowest,
      highest: n === 0 ? null : highest,
      total,
      latest: orNull(last[0]!),
      score: orNull(worst),
      low: orNull(last[1]!),
      high: orNull(last[2]!),
    };
  }

  pack(): Uint8Array {
    const columns = COLUMNS.map((_, column) => this.#columnKind(column));
    const size = columns.reduce((sum, kind) => sum + 1 + bytesOf(kind, this.n), 0);
    const bytes = new Uint8Array(HEAD_BYTES + 2 * this.n + size);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, VERSION);
    view.setUint16(1, this.n);
    let at = HEAD_BYTES;
    for (let i = 0; i < this.n; i++, at += 2) view.setUint16(at, this.#cells[i * STRIDE]!);
    columns.forEach((kind, column) => {
      view.setUint8(at++, kind);
      const rows = kind === KIND.empty ? 0 : kind === KIND.constant ? 1 : this.n;
      for (let i = 0; i < rows; i++) {
        const value = this.#cells[i * STRIDE + 1 + column]!;
        if (kind === KIND.single) view.setFloat32(at, value);
        else view.setFloat64(at, value);
        at += kind === KIND.single ? 4 : 8;
      }
    });
    return bytes;
  }

  #columnKind(column: number): number {
    const first = this.#cells[1 + column]!;
    let isConstant = true;
    let isSingle = true;
    for (let i = 0; i < this.n; i++) {
      const value = this.#cells[i * STRIDE + 1 + column]!;
      isConstant &&= Object.is(value, first);
      isSingle &&= Object.is(Math.fround(value), value);
    }
    if (isConstant) return Number.isNaN(first) ? KIND.empty : KIND.constant;
    return isSingle ? KIND.single : KIND.double;
  }

  /** @returns Whether the cells were others before. */
  #replace(at: number, cell: readonly number[]): boolean {
    if (cell.every((value, i) => Object.is(this.#cells[at + i], value))) return false;
    this.#cells.set(cell, at);
    return true;
  }

  #grow(): void {
    if ((this.n + 1) * STRIDE <= this.#cells.length) return;
    const wider = new Float64Array(Math.max(this.#cells.length * 2, USUAL_CAPACITY * STRIDE));
    wider.set(this.#cells);
    this.#cells = wider;
  }
}

/** @throws {PenstockError} `signal-points-unreadable` when the bytes are no packed points. */
export function unpackPoints(bytes: Uint8Array): PointBuffer {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEAD_BYTES || view.getUint8(0) !== VERSION) throw unreadable(bytes);
  const n = view.getUint16(1);
  if (n === 0 || n > CHUNK_POINTS_MAX) throw unreadable(bytes);
  try {
    let at = HEAD_BYTES + 2 * n;
    const columns = COLUMNS.map(() => {
      const kind = view.getUint8(at++);
      const from = at;
      at += bytesOf(kind, n);
      return (i: number): number => {
        if (kind === KIND.empty) return NaN;
        if (kind === KIND.constant) return view.getFloat64(from);
        return kind === KIND.single ? view.getFloat32(from + 4 * i) : view.getFloat64(from + 8 * i);
      };
    });
    const [value, score, low, high] = columns as [Cell, Cell, Cell, Cell];
    const points = new PointBuffer();
    for (let i = 0; i < n; i++) {
      points.put(view.getUint16(HEAD_BYTES + 2 * i), value(i), score(i), low(i), high(i));
    }
    return points;
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw unreadable(bytes);
  }
}

type Cell = (i: number) => number;

/** Whether `score` is further from 0 than `worst`; both may be NaN. */
export function isWorse(score: number, worst: number): boolean {
  if (Number.isNaN(score)) return false;
  return Number.isNaN(worst) || Math.abs(score) > Math.abs(worst) ||
    (Math.abs(score) === Math.abs(worst) && score > worst);
}

function bytesOf(kind: number, n: number): number {
  if (kind === KIND.empty) return 0;
  if (kind === KIND.constant) return 8;
  return (kind === KIND.single ? 4 : 8) * n;
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

function unreadable(bytes: Uint8Array): PenstockError {
  return new PenstockError(
    `Stored points of a signal cannot be read: ${bytes.length} bytes, version ${bytes[0]}, ` +
      `wanted version ${VERSION}. Were they written by a newer hub?`,
    { code: "signal-points-unreadable", domain: "internal" },
  );
}
