/**
 * A column, the same slot of many entries, to bytes and back; its form is chosen by its content.
 *
 * Pure. Numbers of one kind, texts, and plain objects of one shape are stored column by column, which is
 * small, quick, and compresses well; anything else is stored value by value.
 *
 * @module
 */
import type { ByteReader, ByteWriter } from "./byte_stream.ts";
import {
  isPlainObject,
  isShortInt,
  readValue,
  setOwn,
  UnsupportedValueError,
  writeValue,
} from "./value_codec.ts";

const ABSENT = 0;
const INTS = 1;
const FLOATS = 2;
const TEXTS = 3;
const SHAPE = 4;
const MIXED = 5;

/** Objects within objects that still become columns; deeper ones are stored value by value. */
const SHAPE_DEPTH_MAX = 4;
const SHAPE_FIELDS_MAX = 64;

/** A value of a column that has no stored form. */
export class UnsupportedColumnError extends Error {
  override name = "UnsupportedColumnError";
  constructor(readonly index: number, readonly value: UnsupportedValueError) {
    super(value.message);
  }
}

/** @throws {UnsupportedColumnError} With the index of the first value that cannot be stored. */
export function writeColumn(to: ByteWriter, values: readonly unknown[], depth = 0): void {
  const form = formOf(values, depth);
  to.u8(form);
  switch (form) {
    case ABSENT:
      return;
    case INTS:
      return to.zigzags(values as readonly number[]);
    case FLOATS:
      return to.f64s(values as readonly number[]);
    case TEXTS:
      return writeTexts(to, values as readonly string[]);
    case SHAPE:
      return writeShape(to, values as readonly Record<string, unknown>[], depth);
    default:
      return writeMixed(to, values);
  }
}

/**
 * @param count How many values the column has.
 * @throws {CorruptStateError} If the bytes are not a column of `count` values.
 */
export function readColumn(from: ByteReader, count: number, depth = 0): unknown[] {
  const form = from.u8();
  switch (form) {
    case ABSENT:
      return new Array<unknown>(count).fill(undefined);
    case INTS:
      return Array.from({ length: count }, () => from.zigzag());
    case FLOATS:
      return Array.from({ length: count }, () => from.f64());
    case TEXTS:
      return readTexts(from, count);
    case SHAPE:
      if (depth > SHAPE_DEPTH_MAX) throw from.corrupt("a column", "too deep nesting");
      return readShape(from, count, depth);
    case MIXED:
      return Array.from({ length: count }, () => readValue(from));
    default:
      throw from.corrupt(`a column form up to ${MIXED}`, String(form));
  }
}

function formOf(values: readonly unknown[], depth: number): number {
  const first = values[0];
  switch (typeof first) {
    case "undefined":
      return values.every((value) => value === undefined) ? ABSENT : MIXED;
    case "number":
      return formOfNumbers(values);
    case "string":
      return values.every((value) => typeof value === "string") ? TEXTS : MIXED;
    case "object":
      return depth < SHAPE_DEPTH_MAX && haveOneShape(values) ? SHAPE : MIXED;
    default:
      return MIXED;
  }
}

function formOfNumbers(values: readonly unknown[]): number {
  let form = INTS;
  for (const value of values) {
    if (typeof value !== "number") return MIXED;
    if (!isShortInt(value)) form = FLOATS;
  }
  return form;
}

/** Whether all are plain objects with the same keys in the same order, at least one key. */
function haveOneShape(values: readonly unknown[]): boolean {
  const first = values[0];
  if (typeof first !== "object" || first === null || !isPlainObject(first)) return false;
  const names = Object.keys(first);
  if (names.length === 0 || names.length > SHAPE_FIELDS_MAX) return false;
  for (const value of values) {
    if (typeof value !== "object" || value === null || !isPlainObject(value)) return false;
    if (!hasNames(value, names)) return false;
  }
  return true;
}

/** A loop over the names, unlike a list of them, makes nothing for objects that the engine knows to be alike. */
function hasNames(value: object, names: readonly string[]): boolean {
  let count = 0;
  for (const name in value) if (name !== names[count++]) return false;
  return count === names.length;
}

function writeShape(
  to: ByteWriter,
  values: readonly Record<string, unknown>[],
  depth: number,
): void {
  const names = Object.keys(values[0]!);
  to.varint(names.length);
  for (const name of names) to.text(name);
  for (const name of names) {
    try {
      writeColumn(to, values.map((value) => value[name]), depth + 1);
    } catch (thrown) {
      if (!(thrown instanceof UnsupportedColumnError)) throw thrown;
      const { found, path } = thrown.value;
      throw new UnsupportedColumnError(
        thrown.index,
        new UnsupportedValueError(found, `.${name}${path}`),
      );
    }
  }
}

function readShape(from: ByteReader, count: number, depth: number): unknown[] {
  const names = Array.from({ length: from.count() }, () => from.text());
  const objects = Array.from({ length: count }, (): Record<string, unknown> => ({}));
  for (const name of names) {
    const column = readColumn(from, count, depth + 1);
    for (let i = 0; i < count; i++) setOwn(objects[i]!, name, column[i]);
  }
  return objects;
}

function writeMixed(to: ByteWriter, values: readonly unknown[]): void {
  for (let i = 0; i < values.length; i++) {
    try {
      writeValue(to, values[i]);
    } catch (thrown) {
      if (!(thrown instanceof UnsupportedValueError)) throw thrown;
      throw new UnsupportedColumnError(i, thrown);
    }
  }
}

/** Lengths in UTF-16 units, then all texts joined: one call encodes and decodes the whole column. */
export function writeTexts(to: ByteWriter, values: readonly string[]): void {
  to.lengths(values);
  to.text(values.join(""));
}

export function readTexts(from: ByteReader, count: number): string[] {
  const lengths = Array.from({ length: count }, () => from.varint());
  const joined = from.text();
  let start = 0;
  const texts = lengths.map((length) => joined.slice(start, start += length));
  if (start !== joined.length) {
    throw from.corrupt(`texts of ${start} characters together`, String(joined.length));
  }
  return texts;
}
