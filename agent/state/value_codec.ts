/**
 * One value of the author's to bytes and back, exactly: what JSON and MessagePack lose stays apart here
 * (undefined and null, -0 and 0, NaN, infinities, lone surrogates).
 *
 * Pure. A tag byte, then the content. Plain objects keep the order of their keys; an object without a
 * prototype comes back as a plain one, a hole in an array as undefined, the lists and maps of state kinds as
 * arrays and Maps. Functions, symbols, class
 * instances and cycles are refused: they cannot come back as what they were.
 *
 * @module
 */
import { type ByteReader, type ByteWriter, ZIGZAG_MAX } from "./byte_stream.ts";
import { PersistentList } from "./persistent_list.ts";
import { PersistentMap } from "./persistent_map.ts";

const UNDEFINED = 0;
const NULL = 1;
const FALSE = 2;
const TRUE = 3;
const INT = 4;
const FLOAT = 5;
const TEXT = 6;
const ARRAY = 7;
const OBJECT = 8;
const BIGINT = 9;
const DATE = 10;
const MAP = 11;
const SET = 12;
const BYTES = 13;
const FLOATS = 14;

/** Deepest nesting of a value; a cycle runs into it. */
export const VALUE_DEPTH_MAX = 200;

/** A value that has no stored form; `path` leads to it from the state: `.history[3]`. */
export class UnsupportedValueError extends Error {
  override name = "UnsupportedValueError";
  readonly found: string;
  readonly path: string;

  constructor(found: string, path: string) {
    super(`${found} at ${path === "" ? "the top" : path}`);
    this.found = found;
    this.path = path;
  }
}

/** Whether `value` is an integer that the short form holds exactly. */
export function isShortInt(value: number): boolean {
  return Number.isInteger(value) && value <= ZIGZAG_MAX && value >= -ZIGZAG_MAX &&
    !Object.is(value, -0);
}

/** Whether `value` is an object that a plain object can stand for: no class, no symbol keys. */
export function isPlainObject(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) &&
    Object.getOwnPropertySymbols(value).length === 0;
}

/** Sets an own property whatever its name is, `__proto__` too. */
export function setOwn(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== "__proto__") {
    target[name] = value;
    return;
  }
  Object.defineProperty(target, name, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

/** @throws {UnsupportedValueError} Naming what was found and where. */
export function writeValue(to: ByteWriter, value: unknown, depth = 0): void {
  switch (typeof value) {
    case "undefined":
      return to.u8(UNDEFINED);
    case "boolean":
      return to.u8(value ? TRUE : FALSE);
    case "number":
      return writeNumber(to, value);
    case "string":
      to.u8(TEXT);
      return to.text(value);
    case "bigint":
      to.u8(BIGINT);
      return to.text(value.toString());
    case "object":
      if (value === null) return to.u8(NULL);
      if (depth >= VALUE_DEPTH_MAX) throw new UnsupportedValueError("a cycle or deep nesting", "");
      return writeObject(to, value, depth);
    default:
      throw new UnsupportedValueError(`a ${typeof value}`, "");
  }
}

function writeNumber(to: ByteWriter, value: number): void {
  if (isShortInt(value)) {
    to.u8(INT);
    to.zigzag(value);
    return;
  }
  to.u8(FLOAT);
  to.f64(value);
}

function writeObject(to: ByteWriter, value: object, depth: number): void {
  if (Array.isArray(value)) return writeItems(to, ARRAY, value, "", depth);
  if (isPlainObject(value)) return writePlain(to, value as Record<string, unknown>, depth);
  switch (Object.getPrototypeOf(value)) {
    case Date.prototype:
      to.u8(DATE);
      return to.f64((value as Date).getTime());
    case Map.prototype:
      return writeMap(to, value as Map<unknown, unknown>, depth);
    case PersistentMap.prototype:
      return writeMap(to, value as PersistentMap, depth);
    case PersistentList.prototype:
      return writeItems(to, ARRAY, (value as PersistentList).toArray(), "", depth);
    case Set.prototype:
      return writeItems(to, SET, [...value as Set<unknown>], ".values()", depth);
    case Uint8Array.prototype:
      to.u8(BYTES);
      to.varint((value as Uint8Array).length);
      return to.raw(value as Uint8Array);
    case Float64Array.prototype:
      to.u8(FLOATS);
      to.varint((value as Float64Array).length);
      return (value as Float64Array).forEach((item) => to.f64(item));
    default:
      throw new UnsupportedValueError(describe(value), "");
  }
}

function writeItems(
  to: ByteWriter,
  tag: number,
  items: readonly unknown[],
  step: string,
  depth: number,
): void {
  to.u8(tag);
  to.varint(items.length);
  let index = 0;
  try {
    for (; index < items.length; index++) writeValue(to, items[index], depth + 1);
  } catch (thrown) {
    throw within(`${step}[${index}]`, thrown);
  }
}

function writePlain(to: ByteWriter, value: Record<string, unknown>, depth: number): void {
  const names = Object.keys(value);
  to.u8(OBJECT);
  to.varint(names.length);
  let current = "";
  try {
    for (const name of names) {
      current = name;
      to.text(name);
      writeValue(to, value[name], depth + 1);
    }
  } catch (thrown) {
    throw within(`.${current}`, thrown);
  }
}

function writeMap(
  to: ByteWriter,
  value: Map<unknown, unknown> | PersistentMap,
  depth: number,
): void {
  to.u8(MAP);
  to.varint(value.size);
  let index = 0;
  try {
    for (const [key, item] of value) {
      writeValue(to, key, depth + 1);
      writeValue(to, item, depth + 1);
      index++;
    }
  } catch (thrown) {
    throw within(`.entries()[${index}]`, thrown);
  }
}

function describe(value: object): string {
  if (Object.getOwnPropertySymbols(value).length > 0) return "an object with symbol keys";
  const name = (value.constructor as { name?: unknown } | undefined)?.name;
  return `an instance of class ${
    typeof name === "string" && name !== "" ? name : "without a name"
  }`;
}

/** What was thrown below `step`; a refusal gets `step` in front of its path. */
function within(step: string, thrown: unknown): unknown {
  if (!(thrown instanceof UnsupportedValueError)) return thrown;
  return new UnsupportedValueError(thrown.found, step + thrown.path);
}

/** @throws {CorruptStateError} If the bytes are not a value. */
export function readValue(from: ByteReader, depth = 0): unknown {
  if (depth > VALUE_DEPTH_MAX) throw from.corrupt("a value", "too deep nesting");
  const tag = from.u8();
  switch (tag) {
    case UNDEFINED:
      return undefined;
    case NULL:
      return null;
    case FALSE:
      return false;
    case TRUE:
      return true;
    case INT:
      return from.zigzag();
    case FLOAT:
      return from.f64();
    case TEXT:
      return from.text();
    case BIGINT:
      return readBigint(from);
    case DATE:
      return new Date(from.f64());
    case BYTES:
      return from.raw(from.count()).slice();
    case FLOATS:
      return Float64Array.from({ length: from.count() }, () => from.f64());
    default:
      return readContainer(from, tag, depth + 1);
  }
}

function readContainer(from: ByteReader, tag: number, depth: number): unknown {
  switch (tag) {
    case ARRAY:
      return Array.from({ length: from.count() }, () => readValue(from, depth));
    case OBJECT: {
      const object: Record<string, unknown> = {};
      for (let left = from.count(); left > 0; left--) {
        setOwn(object, from.text(), readValue(from, depth));
      }
      return object;
    }
    case MAP: {
      const map = new Map<unknown, unknown>();
      for (let left = from.count(); left > 0; left--) {
        const key = readValue(from, depth);
        map.set(key, readValue(from, depth));
      }
      return map;
    }
    case SET:
      return new Set(Array.from({ length: from.count() }, () => readValue(from, depth)));
    default:
      throw from.corrupt(`a value tag up to ${FLOATS}`, String(tag));
  }
}

function readBigint(from: ByteReader): bigint {
  const text = from.text();
  if (!/^-?[0-9]+$/.test(text)) throw from.corrupt("a whole number", JSON.stringify(text));
  return BigInt(text);
}
