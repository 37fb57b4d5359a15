/**
 * Batches of one channel to bytes and back: columns for what a record brings with it, then the values.
 *
 * Pure. One pass. A body is the version, the count of elements, then five columns:
 *
 *   edges      runs: code, how many in a row
 *   times      whole numbers as differences, or 8 bytes each
 *   positions  as times
 *   lanes      nothing when all are 0, else 8 bytes each
 *   values     of records only; see `value_stream.ts`
 *
 * @module
 */
import { type ElementBatch, END } from "../runner/exchange_batch.ts";
import { CorruptFrameError, FrameReader, type FrameWriter, isShortInt } from "./frame_bytes.ts";
import { ValueReader, ValueWriter } from "./value_stream.ts";

/** Raised when the form of a body changes; agents of one region may be of different builds. */
const BODY_VERSION = 1;

const DIFFERENCES = 0;
const FLOATS = 1;
const ALL_ZERO = 2;

/** Elements of one body; a batch of the runner has far fewer. */
const ELEMENTS_MAX = 1_000_000;
/** Differences of whole numbers up to this stay exact in their short form. */
const DIFFERENCE_MAX = 2 ** 50;

/** The sending end of one channel. After it has thrown, the channel is of no more use. */
export class BatchEncoder {
  readonly #values = new ValueWriter();

  /** Appends the body of `batch`. @throws {UnsupportedValueError} */
  encode(to: FrameWriter, { edges, values, times, positions, lanes }: ElementBatch): void {
    to.u8(BODY_VERSION);
    to.varint(edges.length);
    writeRuns(to, edges);
    writeNumbers(to, times);
    writeNumbers(to, positions);
    writeLanes(to, lanes);
    for (let i = 0; i < edges.length; i++) {
      if (edges[i]! >= 0) this.#values.write(to, values[i]);
    }
  }
}

/** The receiving end of one channel. After it has thrown, the channel is of no more use. */
export class BatchDecoder {
  readonly #values = new ValueReader();

  /** @throws {CorruptFrameError} If `body` is not the next of this channel. */
  decode(body: Uint8Array): ElementBatch {
    const from = new FrameReader(body);
    const version = from.u8();
    if (version !== BODY_VERSION) {
      throw new CorruptFrameError(`version ${BODY_VERSION}`, `${version}`);
    }
    const count = from.varint();
    if (count > ELEMENTS_MAX) {
      throw new CorruptFrameError(`at most ${ELEMENTS_MAX} elements`, `${count}`);
    }
    const edges = readRuns(from, count);
    const times = readNumbers(from, count);
    const positions = readNumbers(from, count);
    const lanes = readNumbers(from, count);
    const values: unknown[] = [];
    let recordCount = 0;
    for (let i = 0; i < count; i++) {
      if (edges[i]! < 0) values.push(undefined);
      else {
        values.push(this.#values.read(from));
        recordCount++;
      }
    }
    from.end();
    return { edges, values, times, positions, lanes, recordCount };
  }
}

function writeRuns(to: FrameWriter, edges: readonly number[]): void {
  for (let start = 0; start < edges.length;) {
    const edge = edges[start]!;
    let end = start + 1;
    while (end < edges.length && edges[end] === edge) end++;
    to.zigzag(edge);
    to.varint(end - start);
    start = end;
  }
}

function readRuns(from: FrameReader, count: number): number[] {
  const edges: number[] = [];
  while (edges.length < count) {
    const edge = from.zigzag();
    const length = from.varint();
    if (edge < END) throw new CorruptFrameError(`an edge or a code from ${END}`, `${edge}`);
    if (length === 0 || length > count - edges.length) {
      throw new CorruptFrameError(`a run of 1 to ${count - edges.length}`, `${length}`);
    }
    for (let left = length; left > 0; left--) edges.push(edge);
  }
  return edges;
}

function writeNumbers(to: FrameWriter, numbers: readonly number[]): void {
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i]!;
    if (isShortInt(number) && number <= DIFFERENCE_MAX && number >= -DIFFERENCE_MAX) continue;
    return writeFloats(to, numbers);
  }
  to.u8(DIFFERENCES);
  let before = 0;
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i]!;
    to.zigzag(number - before);
    before = number;
  }
}

function writeLanes(to: FrameWriter, lanes: readonly number[]): void {
  for (let i = 0; i < lanes.length; i++) {
    if (!Object.is(lanes[i], 0)) return writeFloats(to, lanes);
  }
  to.u8(ALL_ZERO);
}

function writeFloats(to: FrameWriter, numbers: readonly number[]): void {
  to.u8(FLOATS);
  for (let i = 0; i < numbers.length; i++) to.f64(numbers[i]!);
}

function readNumbers(from: FrameReader, count: number): number[] {
  const form = from.u8();
  const numbers: number[] = [];
  switch (form) {
    case DIFFERENCES: {
      let number = 0;
      for (let i = 0; i < count; i++) {
        number += from.zigzag();
        numbers.push(number);
      }
      return numbers;
    }
    case FLOATS:
      for (let i = 0; i < count; i++) numbers.push(from.f64());
      return numbers;
    case ALL_ZERO:
      for (let i = 0; i < count; i++) numbers.push(0);
      return numbers;
    default:
      throw new CorruptFrameError(`a form of numbers up to ${ALL_ZERO}`, `${form}`);
  }
}
