/**
 * The values of one channel to bytes and back, exactly as the state's value codec keeps them, and short:
 * the names of an object's fields are sent once, and so is a text that comes again.
 *
 * Pure. Both ends keep what was sent: shapes (lists of field names) and texts, numbered as they came. A
 * channel is FIFO without gaps (A1), so both ends number alike. What is neither a number, a text, a list
 * nor a plain object goes through the state's value codec.
 *
 * A text is numbered while there is room, and in a field whose texts do come again: the ids of messages
 * would only fill the list.
 *
 * @module
 */
import { ByteReader, ByteWriter } from "../state/byte_stream.ts";
import {
  isPlainObject,
  readValue,
  setOwn,
  UnsupportedValueError,
  VALUE_DEPTH_MAX,
  writeValue,
} from "../state/value_codec.ts";
import {
  CorruptFrameError,
  type FrameReader,
  type FrameWriter,
  isShortInt,
} from "./frame_bytes.ts";

const UNDEFINED = 0;
const NULL = 1;
const FALSE = 2;
const TRUE = 3;
const INT = 4;
const FLOAT = 5;
/** A text as it is. */
const TEXT = 6;
/** A text that gets the next number. */
const NEW_TEXT = 7;
/** The number of a text. */
const KNOWN_TEXT = 8;
const LIST = 9;
/** Field names that get the next number, then the values. */
const NEW_SHAPE = 10;
/** The number of a shape, then the values. */
const KNOWN_SHAPE = 11;
/** Length, then bytes of the state's value codec. */
const OTHER = 12;

/** Shapes that a channel numbers; behind them objects go with their names. */
export const SHAPES_MAX = 1_024;
const SHAPE_FIELDS_MAX = 64;
/** Texts that a channel numbers, and the longest. */
export const TEXTS_MAX = 4_096;
export const TEXT_LENGTH_MAX = 64;
/** New texts of a field before it has to show that they come again. */
const NEW_TEXTS_PROBED = 256;

class Field {
  readonly name: string;
  newTexts = 0;
  knownTexts = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Whether another text of this field is worth a number. */
  get isRepeating(): boolean {
    return this.newTexts < NEW_TEXTS_PROBED || this.knownTexts > this.newTexts;
  }
}

interface Shape {
  readonly number: number;
  readonly fields: readonly Field[];
}

const SEPARATOR = "\0";

/** The sending end. After it has thrown, the channel is of no more use. */
export class ValueWriter {
  readonly #shapes = new Map<string, Shape>();
  /** Shapes below this number are known at the other end. */
  #toldShapes = 0;
  /** Of the object before; records of a channel look alike. */
  #latest: Shape | null = null;
  readonly #texts = new Map<string, number>();
  readonly #elsewhere = new Field("");
  readonly #other = new ByteWriter();

  /** @throws {UnsupportedValueError} Naming what was found and where. */
  write(to: FrameWriter, value: unknown): void {
    this.#value(to, value, this.#elsewhere, 0);
  }

  #value(to: FrameWriter, value: unknown, field: Field, depth: number): void {
    switch (typeof value) {
      case "string":
        return this.#text(to, value, field);
      case "number":
        return writeNumber(to, value);
      case "boolean":
        return to.u8(value ? TRUE : FALSE);
      case "undefined":
        return to.u8(UNDEFINED);
      case "object":
        if (value === null) return to.u8(NULL);
        if (depth >= VALUE_DEPTH_MAX) {
          throw new UnsupportedValueError("a cycle or deep nesting", "");
        }
        if (Array.isArray(value)) return this.#list(to, value, field, depth);
        if (isPlainObject(value)) {
          return this.#object(to, value as Record<string, unknown>, depth);
        }
    }
    this.#throughState(to, value);
  }

  #text(to: FrameWriter, value: string, field: Field): void {
    if (value.length > TEXT_LENGTH_MAX) {
      to.u8(TEXT);
      return to.text(value);
    }
    const isRepeating = field.isRepeating;
    const known = isRepeating ? this.#texts.get(value) : undefined;
    if (known !== undefined) {
      field.knownTexts++;
      to.u8(KNOWN_TEXT);
      return to.varint(known);
    }
    if (isRepeating && this.#texts.size < TEXTS_MAX) {
      this.#texts.set(value, this.#texts.size);
      to.u8(NEW_TEXT);
    } else to.u8(TEXT);
    field.newTexts++;
    to.text(value);
  }

  #list(to: FrameWriter, items: readonly unknown[], field: Field, depth: number): void {
    to.u8(LIST);
    to.varint(items.length);
    let index = 0;
    try {
      for (; index < items.length; index++) this.#value(to, items[index], field, depth + 1);
    } catch (thrown) {
      throw within(`[${index}]`, thrown);
    }
  }

  #object(to: FrameWriter, value: Record<string, unknown>, depth: number): void {
    const shape = this.#shapeOf(value);
    if (shape === null) return this.#throughState(to, value);
    this.#latest = shape;
    this.#shapeHead(to, shape);
    const { fields } = shape;
    let at = 0;
    try {
      // The engine knows where the field of a name that `in` gives lies; of any other it looks it up.
      for (const name in value) {
        this.#value(to, value[name], fields[at]!, depth + 1);
        at++;
      }
    } catch (thrown) {
      throw within(`.${fields[at]!.name}`, thrown);
    }
  }

  #shapeHead(to: FrameWriter, shape: Shape): void {
    if (shape.number < this.#toldShapes) {
      to.u8(KNOWN_SHAPE);
      return to.varint(shape.number);
    }
    this.#toldShapes++;
    to.u8(NEW_SHAPE);
    to.varint(shape.fields.length);
    for (const { name } of shape.fields) to.text(name);
  }

  /** The shape of a plain object: its names in their order. Null for one that is not worth a number. */
  #shapeOf(value: Record<string, unknown>): Shape | null {
    const latest = this.#latest;
    if (latest !== null && hasShape(value, latest)) return latest;
    const names = Object.keys(value);
    if (names.length > SHAPE_FIELDS_MAX) return null;
    // Lengths in front: a name may hold the separator.
    const text = names.map(({ length }) => length).join() + SEPARATOR + names.join(SEPARATOR);
    const known = this.#shapes.get(text);
    if (known !== undefined) return known;
    if (this.#shapes.size >= SHAPES_MAX) return null;
    const shape = { number: this.#shapes.size, fields: names.map((name) => new Field(name)) };
    this.#shapes.set(text, shape);
    return shape;
  }

  #throughState(to: FrameWriter, value: unknown): void {
    this.#other.clear();
    writeValue(this.#other, value);
    const bytes = this.#other.take();
    to.u8(OTHER);
    to.varint(bytes.length);
    to.raw(bytes);
  }
}

function hasShape(value: Record<string, unknown>, { fields }: Shape): boolean {
  let at = 0;
  for (const name in value) {
    if (at === fields.length || fields[at]!.name !== name) return false;
    at++;
  }
  return at === fields.length;
}

function writeNumber(to: FrameWriter, value: number): void {
  if (isShortInt(value)) {
    to.u8(INT);
    return to.zigzag(value);
  }
  to.u8(FLOAT);
  to.f64(value);
}

/** What was thrown below `step`; a refusal gets `step` in front of its path. */
function within(step: string, thrown: unknown): unknown {
  if (!(thrown instanceof UnsupportedValueError)) return thrown;
  return new UnsupportedValueError(thrown.found, step + thrown.path);
}

/** The receiving end. After it has thrown, the channel is of no more use. */
export class ValueReader {
  readonly #shapes: (readonly string[])[] = [];
  readonly #texts: string[] = [];

  /** @throws {CorruptFrameError} If the bytes are not the next value of this channel. */
  read(from: FrameReader): unknown {
    return this.#value(from, 0);
  }

  #value(from: FrameReader, depth: number): unknown {
    const tag = from.u8();
    switch (tag) {
      case KNOWN_TEXT:
        return this.#texts[from.varint()] ?? refuse("the number of a text", "another");
      case INT:
        return from.zigzag();
      case FLOAT:
        return from.f64();
      case TEXT:
        return from.text();
      case NEW_TEXT:
        return this.#newText(from);
      case FALSE:
        return false;
      case TRUE:
        return true;
      case UNDEFINED:
        return undefined;
      case NULL:
        return null;
      case OTHER:
        return readThroughState(from);
      default:
        return this.#container(from, tag, depth + 1);
    }
  }

  #container(from: FrameReader, tag: number, depth: number): unknown {
    if (depth > VALUE_DEPTH_MAX) refuse("a value", "too deep nesting");
    switch (tag) {
      case KNOWN_SHAPE: {
        const names = this.#shapes[from.varint()] ?? refuse("the number of a shape", "another");
        return this.#object(from, names, depth);
      }
      case NEW_SHAPE:
        return this.#object(from, this.#newShape(from), depth);
      case LIST: {
        const items: unknown[] = [];
        for (let left = from.count(); left > 0; left--) items.push(this.#value(from, depth));
        return items;
      }
      default:
        return refuse(`a value tag up to ${OTHER}`, String(tag));
    }
  }

  #object(from: FrameReader, names: readonly string[], depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    for (let i = 0; i < names.length; i++) setOwn(object, names[i]!, this.#value(from, depth));
    return object;
  }

  #newShape(from: FrameReader): readonly string[] {
    if (this.#shapes.length >= SHAPES_MAX) refuse(`at most ${SHAPES_MAX} shapes`, "one more");
    const names: string[] = [];
    for (let left = from.count(); left > 0; left--) names.push(from.text());
    this.#shapes.push(names);
    return names;
  }

  #newText(from: FrameReader): string {
    if (this.#texts.length >= TEXTS_MAX) refuse(`at most ${TEXTS_MAX} texts`, "one more");
    const text = from.text();
    this.#texts.push(text);
    return text;
  }
}

function readThroughState(from: FrameReader): unknown {
  const bytes = new ByteReader(from.raw(from.count()), "a value of an exchange frame");
  const value = readValue(bytes);
  bytes.end();
  return value;
}

function refuse(wanted: string, found: string): never {
  throw new CorruptFrameError(wanted, found);
}
