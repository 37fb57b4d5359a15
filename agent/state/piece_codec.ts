/**
 * Packs sections into one blob, the unit that is uploaded, named by its SHA-256 (P9), and opens it again.
 *
 * Pure. Sections are compressed one by one, so that a large state is packed in small slices of time.
 *
 * Version 1: "PNSP", u8 version, u32 index length, index, section bytes. The index: varint count, then for
 * each section u8 kind, text uid, varint group, u8 compression, varint stored bytes, varint plain bytes.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { Digest } from "@shared/ids.ts";
import type { SectionRef } from "@shared/manifest.ts";
import { ByteReader, ByteWriter, CorruptStateError } from "./byte_stream.ts";

export const PIECE_VERSION = 1;

/** Longest section after decompression, bytes. */
export const SECTION_BYTES_MAX = 512 * 1024 * 1024;

/** Sections below this many bytes do not get smaller by compression. */
const COMPRESS_FROM_BYTES = 128;
const ZSTD_LEVEL = 1;

const MAGIC = new TextEncoder().encode("PNSP");
const KINDS: readonly SectionRef["kind"][] = ["keyed", "source", "sink", "delta", "broadcast"];
const PLAIN = 0;
const ZSTD = 1;

/** Names a section within a subtask; `group` is 0 for all but `keyed` and `delta`. */
export interface SectionName {
  readonly kind: SectionRef["kind"];
  readonly uid: string;
  readonly group: number;
}

export interface PackedSection extends SectionName {
  /** Bytes it takes in the piece. */
  readonly storedBytes: number;
}

export interface Piece {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  readonly sections: readonly PackedSection[];
}

/** Collects sections; `finish` makes the piece. */
export class PiecePacker {
  readonly #index = new ByteWriter();
  readonly #bodies: Uint8Array[] = [];
  readonly #sections: PackedSection[] = [];
  #bodyBytes = 0;

  add({ kind, uid, group }: SectionName, plain: Uint8Array): void {
    const isCompressed = plain.length >= COMPRESS_FROM_BYTES;
    const stored = isCompressed ? compress(plain) : plain;
    this.#index.u8(KINDS.indexOf(kind));
    this.#index.text(uid);
    this.#index.varint(group);
    this.#index.u8(isCompressed ? ZSTD : PLAIN);
    this.#index.varint(stored.length);
    this.#index.varint(plain.length);
    this.#bodies.push(stored);
    this.#bodyBytes += stored.length;
    this.#sections.push({ kind, uid, group, storedBytes: stored.length });
  }

  /** The piece of all sections added; the packer must not be used afterwards. */
  finish(): Piece {
    const head = new ByteWriter();
    head.varint(this.#sections.length);
    const count = head.take();
    const index = this.#index.take();
    const indexBytes = count.length + index.length;
    const start = new ByteWriter();
    start.raw(MAGIC);
    start.u8(PIECE_VERSION);
    start.u32(indexBytes);
    start.raw(count);
    start.raw(index);
    const prefix = start.take();
    const bytes = new Uint8Array(prefix.length + this.#bodyBytes);
    bytes.set(prefix);
    let offset = prefix.length;
    for (const body of this.#bodies) {
      bytes.set(body, offset);
      offset += body.length;
    }
    return { bytes, digest: digestOf(bytes), sections: this.#sections };
  }
}

interface StoredSection {
  readonly bytes: Uint8Array;
  readonly compression: number;
  readonly plainBytes: number;
}

/** A piece whose index was read; sections are decompressed when asked for. */
export class OpenPiece {
  readonly sections: readonly PackedSection[];
  readonly #stored: ReadonlyMap<string, StoredSection>;
  readonly #subject: string;

  /** @throws {CorruptStateError} If the bytes are not a piece of this version. */
  constructor(bytes: Uint8Array, digest: Digest) {
    this.#subject = `piece ${digest}`;
    const from = new ByteReader(bytes, this.#subject);
    const magic = from.raw(MAGIC.length);
    if (magic.some((byte, i) => byte !== MAGIC[i])) throw from.corrupt('"PNSP"', "other bytes");
    const version = from.u8();
    if (version !== PIECE_VERSION) {
      throw from.corrupt(`piece version ${PIECE_VERSION}`, String(version));
    }
    const index = new ByteReader(from.raw(from.u32()), `index of ${this.#subject}`);
    const sections: PackedSection[] = [];
    const stored = new Map<string, StoredSection>();
    for (let left = index.count(); left > 0; left--) {
      const name = readName(index);
      const compression = index.u8();
      const storedBytes = index.varint();
      const plainBytes = index.varint();
      stored.set(idOf(name), { bytes: from.raw(storedBytes), compression, plainBytes });
      sections.push({ ...name, storedBytes });
    }
    index.end();
    from.end();
    this.sections = sections;
    this.#stored = stored;
  }

  /** @throws {CorruptStateError} If the section is not there or does not decompress to its length. */
  section(name: SectionName): Uint8Array {
    const subject = `${name.kind} section ${name.group} of "${name.uid}" in ${this.#subject}`;
    const stored = this.#stored.get(idOf(name));
    if (stored === undefined) {
      throw new CorruptStateError(`Cannot read ${subject}: the piece does not hold it`);
    }
    if (stored.compression === PLAIN) return stored.bytes;
    if (stored.compression !== ZSTD || stored.plainBytes > SECTION_BYTES_MAX) {
      throw new CorruptStateError(
        `Cannot read ${subject}: want compression ${PLAIN} or ${ZSTD} and at most ` +
          `${SECTION_BYTES_MAX} bytes, found ${stored.compression} and ${stored.plainBytes}`,
      );
    }
    return decompress(stored, subject);
  }
}

/** Lower-case hex SHA-256. */
export function digestOf(bytes: Uint8Array): Digest {
  return createHash("sha256").update(bytes).digest("hex") as Digest;
}

function compress(plain: Uint8Array): Uint8Array {
  return bytesOf(zstdCompressSync(plain, {
    params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL },
  }));
}

/** The same bytes without the Buffer around them, whose `slice` is a view. */
function bytesOf(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** The output is capped at the length the index states, so a bomb stops there. */
function decompress(stored: StoredSection, subject: string): Uint8Array {
  let plain: Uint8Array;
  try {
    const maxOutputLength = Math.max(1, stored.plainBytes);
    plain = bytesOf(zstdDecompressSync(stored.bytes, { maxOutputLength }));
  } catch (cause) {
    throw new CorruptStateError(
      `Cannot read ${subject}: want ${stored.plainBytes} bytes of zstd, found other bytes`,
      cause,
    );
  }
  if (plain.length !== stored.plainBytes) {
    throw new CorruptStateError(
      `Cannot read ${subject}: want ${stored.plainBytes} bytes, found ${plain.length}`,
    );
  }
  return plain;
}

function readName(from: ByteReader): SectionName {
  const tag = from.u8();
  const kind = KINDS[tag];
  if (kind === undefined) throw from.corrupt(`a section kind up to ${KINDS.length - 1}`, `${tag}`);
  return { kind, uid: from.text(), group: from.varint() };
}

function idOf(name: SectionName): string {
  return `${name.kind}/${name.uid}/${name.group}`;
}
