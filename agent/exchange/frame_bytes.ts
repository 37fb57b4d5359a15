/**
 * Numbers and texts of exchange frames as bytes, one pass each way.
 *
 * Pure. The state's byte streams check and allocate at each step, which a snapshot can afford and a record
 * on its way to another agent cannot; here small numbers and short ASCII texts have a path of their own.
 * Numbers are little-endian; whole numbers are varints of 7 bits a byte, low bits first.
 *
 * @module
 */
import { PenstockError } from "@shared/errors.ts";

const INITIAL_BYTES = 32 * 1024;
/** A buffer that one large batch has grown is given back down to this. */
const KEPT_BYTES_MAX = 1024 * 1024;
/** Largest magnitude whose zigzag form is still an exact number. */
export const ZIGZAG_MAX = 2 ** 51;
const SHORT_TEXT_MAX = 48;
const VARINT_BYTES_MAX = 8;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A frame's bytes are not what its format says. */
export class CorruptFrameError extends PenstockError {
  override name = "CorruptFrameError";
  constructor(wanted: string, found: string) {
    super(`Cannot read an exchange frame: want ${wanted}, found ${found}`, {
      code: "exchange-frame-corrupt",
      domain: "external",
      isRetryable: true,
    });
  }
}

/** Whether the short form holds `value` exactly. */
export function isShortInt(value: number): boolean {
  return Number.isInteger(value) && value <= ZIGZAG_MAX && value >= -ZIGZAG_MAX &&
    (value !== 0 || 1 / value > 0);
}

/** Grows as it is written to; used again and again. */
export class FrameWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  constructor(initialBytes: number = INITIAL_BYTES) {
    this.#bytes = new Uint8Array(initialBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** Forgets what was written. */
  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#replace(new Uint8Array(INITIAL_BYTES));
  }

  /** A view on what was written; valid until the next write. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  u8(value: number): void {
    if (this.#length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#length++] = value;
  }

  f64(value: number): void {
    this.#room(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  /** @param value Integer, `0 <= value <= Number.MAX_SAFE_INTEGER`. */
  varint(value: number): void {
    this.#room(VARINT_BYTES_MAX);
    const bytes = this.#bytes;
    let rest = value;
    while (rest >= 0x8000_0000) {
      bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest >= 0x80) {
      bytes[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[this.#length++] = rest;
  }

  /** @param value Integer of at most `ZIGZAG_MAX` either side of 0. */
  zigzag(value: number): void {
    this.varint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /**
   * A string of any UTF-16 code units. Length in the upper bits, in the lower two how: 0 ASCII, 1 UTF-8,
   * 2 code units, because a lone surrogate has no UTF-8 form.
   */
  text(value: string): void {
    const { length } = value;
    if (length <= SHORT_TEXT_MAX && this.#ascii(value, length)) return;
    if (!value.isWellFormed()) return this.#codeUnits(value);
    const bytes = encoder.encode(value);
    this.varint(bytes.length * 4 + 1);
    this.raw(bytes);
  }

  /** Writes `value` if it is ASCII; else nothing. */
  #ascii(value: string, length: number): boolean {
    const start = this.#length;
    this.varint(length * 4);
    this.#room(length);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) {
        this.#length = start;
        return false;
      }
      bytes[at++] = code;
    }
    this.#length = at;
    return true;
  }

  #codeUnits(value: string): void {
    this.varint(value.length * 4 + 2);
    this.#room(value.length * 2);
    for (let i = 0; i < value.length; i++) {
      this.#view.setUint16(this.#length, value.charCodeAt(i), true);
      this.#length += 2;
    }
  }

  #room(count: number): void {
    if (this.#length + count > this.#bytes.length) this.#grow(count);
  }

  #grow(count: number): void {
    const grown = new Uint8Array(Math.max(this.#length + count, this.#bytes.length * 2));
    grown.set(this.written());
    this.#replace(grown);
  }

  #replace(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/** Reads what a `FrameWriter` wrote. @throws {CorruptFrameError} From every read past the end. */
export class FrameReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new CorruptFrameError("one byte more", "the end");
    this.#at++;
    return byte;
  }

  f64(): number {
    return this.#view.getFloat64(this.#advance(8), true);
  }

  varint(): number {
    let byte = this.u8();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 0x80;
    for (let count = 1; count < VARINT_BYTES_MAX; count++) {
      byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new CorruptFrameError(`a number of at most ${VARINT_BYTES_MAX} bytes`, "a longer one");
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A count of things that take at least one byte each: never more than there are bytes left. */
  count(): number {
    const value = this.varint();
    if (value <= this.remaining) return value;
    throw new CorruptFrameError(`a count of at most ${this.remaining}`, String(value));
  }

  /** A view, not a copy. */
  raw(count: number): Uint8Array {
    const start = this.#advance(count);
    return this.#bytes.subarray(start, start + count);
  }

  text(): string {
    const head = this.varint();
    const length = Math.floor(head / 4);
    switch (head % 4) {
      case 0:
        return length <= SHORT_TEXT_MAX ? this.#ascii(length) : this.#utf8(length);
      case 1:
        return this.#utf8(length);
      case 2:
        return this.#codeUnits(length);
      default:
        throw new CorruptFrameError("a text form of 0 to 2", "3");
    }
  }

  /** @throws {CorruptFrameError} If anything is left. */
  end(): void {
    if (this.remaining > 0) throw new CorruptFrameError("the end", `${this.remaining} more bytes`);
  }

  /** Eight characters a step: a call per character, or one into the decoder, costs more. */
  #ascii(length: number): string {
    let at = this.#advance(length);
    const bytes = this.#bytes;
    const end = at + length;
    let text = "";
    for (; at + 8 <= end; at += 8) {
      text += String.fromCharCode(
        bytes[at]!,
        bytes[at + 1]!,
        bytes[at + 2]!,
        bytes[at + 3]!,
        bytes[at + 4]!,
        bytes[at + 5]!,
        bytes[at + 6]!,
        bytes[at + 7]!,
      );
    }
    for (; at < end; at++) text += String.fromCharCode(bytes[at]!);
    return text;
  }

  #utf8(length: number): string {
    const bytes = this.raw(length);
    try {
      return decoder.decode(bytes);
    } catch {
      throw new CorruptFrameError("UTF-8 text", "other bytes");
    }
  }

  #codeUnits(length: number): string {
    const start = this.#advance(length * 2);
    let text = "";
    for (let i = 0; i < length; i++) {
      text += String.fromCharCode(this.#view.getUint16(start + i * 2, true));
    }
    return text;
  }

  #advance(count: number): number {
    if (count > this.remaining) {
      throw new CorruptFrameError(`${count} bytes more`, String(this.remaining));
    }
    const start = this.#at;
    this.#at += count;
    return start;
  }
}
