/**
 * Writes and reads the numbers, texts and bytes that every binary format of the state is made of.
 *
 * Pure. Numbers are little-endian; counts are varints of 7 bits a byte, low bits first.
 *
 * @module
 */
import { PenstockError } from "@shared/errors.ts";

const INITIAL_BYTES = 1024;
/** Longest varint. */
const NUMBER_BYTES_MAX = 8;
const INT_MAX = 0x7fffffff;
/** Longest UTF-8 form of one UTF-16 unit. */
const UTF8_BYTES_MAX = 3;
/** Largest magnitude whose zigzag form is still an exact number. */
export const ZIGZAG_MAX = 2 ** 51;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes that are not what their format says. */
export class CorruptStateError extends PenstockError {
  override name = "CorruptStateError";
  constructor(message: string, cause?: unknown) {
    super(message, { code: "state-corrupt", domain: "external", cause });
  }
}

/** Grows as it is written to. `take` hands the bytes over. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(INITIAL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  /** @param value Integer, `0 <= value <= Number.MAX_SAFE_INTEGER`. */
  varint(value: number): void {
    this.#reserve(NUMBER_BYTES_MAX);
    this.#putVarint(value);
  }

  /** @param value Integer of at most `ZIGZAG_MAX` either side of 0. */
  zigzag(value: number): void {
    this.varint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  /** `zigzag` of each. */
  zigzags(values: readonly number[]): void {
    this.#reserve(values.length * NUMBER_BYTES_MAX);
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      this.#putVarint(value >= 0 ? value * 2 : -value * 2 - 1);
    }
  }

  /** `varint` of the length of each. */
  lengths(values: readonly string[]): void {
    this.#reserve(values.length * NUMBER_BYTES_MAX);
    for (let i = 0; i < values.length; i++) this.#putVarint(values[i]!.length);
  }

  /** `f64` of each. */
  f64s(values: readonly number[]): void {
    this.#reserve(values.length * 8);
    for (let i = 0; i < values.length; i++) {
      this.#view.setFloat64(this.#length + i * 8, values[i]!, true);
    }
    this.#length += values.length * 8;
  }

  /** Bytes as they are; the reader has to know how many. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /**
   * A string of any UTF-16 code units, with its length. UTF-8 where it can be: a lone surrogate has no
   * UTF-8 form and would come back as another string, and two keys as one.
   */
  text(value: string): void {
    if (value.isWellFormed()) return this.#utf8(value);
    this.varint(value.length * 2 + 1);
    this.#reserve(value.length * 2);
    for (let i = 0; i < value.length; i++) {
      this.#view.setUint16(this.#length, value.charCodeAt(i), true);
      this.#length += 2;
    }
  }

  /** What was written: a view, good until the writer is used again. */
  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Gives its memory back; it must not be used afterwards, nor what `take` gave. */
  release(): void {
    release(this.#bytes);
  }

  /** Forgets what was written and keeps its memory for what comes. */
  clear(): void {
    this.#length = 0;
  }

  /** There is room for it. Beyond 31 bits an integer has no cheap shift. */
  #putVarint(value: number): void {
    const bytes = this.#bytes;
    let rest = value;
    while (rest > INT_MAX) {
      bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest >= 0x80) {
      bytes[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[this.#length++] = rest;
  }

  /** Without a copy where all characters are ASCII: then there are as many bytes as characters. */
  #utf8(value: string): void {
    const { length } = value;
    this.#reserve(NUMBER_BYTES_MAX + length * UTF8_BYTES_MAX);
    const start = this.#length;
    this.varint(length * 2);
    const { written } = encoder.encodeInto(value, this.#bytes.subarray(this.#length));
    if (written !== length) {
      const bytes = this.#bytes.slice(this.#length, this.#length + written);
      this.#length = start;
      this.varint(written * 2);
      this.#bytes.set(bytes, this.#length);
    }
    this.#length += written;
  }

  #reserve(count: number): void {
    const wanted = this.#length + count;
    if (wanted <= this.#bytes.length) return;
    // In place where the memory behind it is free; what was outgrown does not wait for a collection.
    const grown = this.#bytes.buffer.transfer(Math.max(wanted, this.#bytes.length * 2));
    this.#bytes = new Uint8Array(grown);
    this.#view = new DataView(grown);
  }
}

/**
 * Gives the memory of `bytes` back now. The engine collects by how much its own heap grew; what arrays hold
 * outside it hardly counts there, and a snapshot a second would let tens of megabytes pile up. Afterwards
 * `bytes`, and everything that shares its buffer, has no length.
 */
export function release(bytes: Uint8Array): void {
  (bytes.buffer as ArrayBuffer).transfer(0);
}

/** Reads what a `ByteWriter` wrote. Every read past the end is a `CorruptStateError`. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #subject: string;
  #offset = 0;

  /** @param subject What the bytes are, for error messages: `section 12 of operator "count"`. */
  constructor(bytes: Uint8Array, subject: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#subject = subject;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#bytes[this.#advance(1)]!;
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  f64(): number {
    return this.#view.getFloat64(this.#advance(8), true);
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw this.corrupt("a number of at most 8 bytes", "a longer one");
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A count of things that take at least one byte each: never more than there are bytes left. */
  count(): number {
    const value = this.varint();
    if (value > this.remaining) {
      throw this.corrupt(`a count of at most ${this.remaining}`, `${value}`);
    }
    return value;
  }

  /** A view, not a copy. */
  raw(count: number): Uint8Array {
    const start = this.#advance(count);
    return this.#bytes.subarray(start, start + count);
  }

  text(): string {
    const head = this.varint();
    if (head % 2 === 0) {
      try {
        return decoder.decode(this.raw(head / 2));
      } catch (cause) {
        if (cause instanceof CorruptStateError) throw cause;
        throw this.corrupt("UTF-8 text", "other bytes", cause);
      }
    }
    const length = (head - 1) / 2;
    const start = this.#advance(length * 2);
    let text = "";
    for (let i = 0; i < length; i++) {
      text += String.fromCharCode(this.#view.getUint16(start + i * 2, true));
    }
    return text;
  }

  /** @throws {CorruptStateError} If anything is left. */
  end(): void {
    if (this.remaining > 0) throw this.corrupt("the end", `${this.remaining} more bytes`);
  }

  corrupt(wanted: string, found: string, cause?: unknown): CorruptStateError {
    return new CorruptStateError(
      `Cannot read ${this.#subject}: want ${wanted} at byte ${this.#offset}, found ${found}`,
      cause,
    );
  }

  #advance(count: number): number {
    if (count > this.remaining) {
      throw this.corrupt(`${count} bytes`, `${this.remaining}`);
    }
    const start = this.#offset;
    this.#offset += count;
    return start;
  }
}
