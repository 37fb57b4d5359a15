/**
 * Packs sections into one blob, the unit that is uploaded, named by its SHA-256 (P9), and opens it again.
 *
 * Pure. Sections lie one behind the other in blocks of about `BLOCK_BYTES`; a block is compressed when it is
 * full, so that a large state is packed in small slices of time and small sections compress each other.
 *
 * Version 2: "PNSP", u8 version, u32 index length, index, blocks. The index: varint count of blocks and for
 * each u8 compression, varint stored bytes, varint plain bytes; varint count of uids and their texts; varint
 * count of sections and for each u8 kind, varint uid, varint group, varint plain bytes.
 *
 * Version 1 has no blocks: each section is compressed by itself. Its index: varint count, then for each
 * section u8 kind, text uid, varint group, u8 compression, varint stored bytes, varint plain bytes.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { Digest } from "@shared/ids.ts";
import type { SectionRef } from "@shared/manifest.ts";
import { ByteReader, ByteWriter, CorruptStateError, release } from "./byte_stream.ts";

export const PIECE_VERSION = 2;
/** Written before sections shared blocks; read for ever. */
const PIECE_VERSION_1 = 1;

/** Longest block or section after decompression, bytes. */
export const SECTION_BYTES_MAX = 512 * 1024 * 1024;

/** A block is closed behind the section that fills it to here. */
const BLOCK_BYTES = 64 * 1024;
/** Blocks below this many bytes do not get smaller by compression. */
const COMPRESS_FROM_BYTES = 128;
const ZSTD_LEVEL = 1;

const MAGIC = new TextEncoder().encode("PNSP");
const KINDS: readonly SectionRef["kind"][] = [
  "keyed",
  "source",
  "sink",
  "delta",
  "broadcast",
  "time",
];
const PLAIN = 0;
const ZSTD = 1;

/** Names a section within a subtask; `group` is 0 for all but `keyed` and `delta`. */
export interface SectionName {
  readonly kind: SectionRef["kind"];
  readonly uid: string;
  readonly group: number;
}

export interface PackedSection extends SectionName {
  /** Bytes it takes in the piece: its share of its block. */
  readonly storedBytes: number;
}

export interface Piece {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  readonly sections: readonly PackedSection[];
}

interface Block {
  readonly stored: Uint8Array;
  readonly isCompressed: boolean;
  readonly plainBytes: number;
}

/** Collects sections; `finish` makes the piece. */
export class PiecePacker {
  readonly #open = new ByteWriter();
  readonly #blocks: Block[] = [];
  readonly #uids = new Map<string, number>();
  readonly #sections: (SectionName & { plainBytes: number; block: number })[] = [];

  add(name: SectionName, plain: Uint8Array): void {
    this.write(name, (to) => to.raw(plain));
  }

  /** Adds the section that `encode` writes; when it throws, the packer must not be used afterwards. */
  write({ kind, uid, group }: SectionName, encode: (to: ByteWriter) => void): void {
    const start = this.#open.length;
    encode(this.#open);
    const plainBytes = this.#open.length - start;
    if (!this.#uids.has(uid)) this.#uids.set(uid, this.#uids.size);
    this.#sections.push({ kind, uid, group, plainBytes, block: this.#blocks.length });
    if (this.#open.length >= BLOCK_BYTES) this.#close();
  }

  /** The piece of all sections added; the packer must not be used afterwards. */
  finish(): Piece {
    if (this.#open.length > 0) this.#close();
    const index = this.#index();
    const head = new ByteWriter();
    head.raw(MAGIC);
    head.u8(PIECE_VERSION);
    head.u32(index.length);
    head.raw(index);
    const prefix = head.take();
    const blockBytes = this.#blocks.reduce((sum, { stored }) => sum + stored.length, 0);
    const bytes = new Uint8Array(prefix.length + blockBytes);
    bytes.set(prefix);
    let offset = prefix.length;
    const storedBytes = this.#blocks.map(({ stored }) => stored.length);
    for (const { stored } of this.#blocks) {
      bytes.set(stored, offset);
      offset += stored.length;
      release(stored);
    }
    this.#open.release();
    const sections = this.#sections.map(({ kind, uid, group, plainBytes, block }) => {
      const blockPlainBytes = this.#blocks[block]?.plainBytes ?? 0;
      const share = shareOf(plainBytes, storedBytes[block] ?? 0, blockPlainBytes);
      return { kind, uid, group, storedBytes: share };
    });
    return { bytes, digest: digestOf(bytes), sections };
  }

  #close(): void {
    const plain = this.#open.take();
    const isCompressed = plain.length >= COMPRESS_FROM_BYTES;
    const stored = isCompressed ? compress(plain) : plain.slice();
    this.#blocks.push({ stored, isCompressed, plainBytes: plain.length });
    this.#open.clear();
  }

  #index(): Uint8Array {
    const index = new ByteWriter();
    index.varint(this.#blocks.length);
    for (const { stored, isCompressed, plainBytes } of this.#blocks) {
      index.u8(isCompressed ? ZSTD : PLAIN);
      index.varint(stored.length);
      index.varint(plainBytes);
    }
    index.varint(this.#uids.size);
    for (const uid of this.#uids.keys()) index.text(uid);
    index.varint(this.#sections.length);
    for (const { kind, uid, group, plainBytes } of this.#sections) {
      index.u8(KINDS.indexOf(kind));
      index.varint(this.#uids.get(uid)!);
      index.varint(group);
      index.varint(plainBytes);
    }
    return index.take();
  }
}

/** Compressed bytes, of one section or of several; decompressed once, when first asked for. */
interface StoredBlock {
  readonly bytes: Uint8Array;
  readonly compression: number;
  readonly plainBytes: number;
}

interface SectionPlace {
  readonly block: StoredBlock;
  readonly start: number;
  readonly plainBytes: number;
}

/** A piece whose index was read; sections are decompressed when asked for. */
export class OpenPiece {
  readonly sections: readonly PackedSection[];
  readonly #places = new Map<string, SectionPlace>();
  readonly #subject: string;
  /** The block read last: sections are asked for in their order. */
  #last: { block: StoredBlock; plain: Uint8Array } | null = null;

  /** @throws {CorruptStateError} If the bytes are not a piece of a known version. */
  constructor(bytes: Uint8Array, digest: Digest) {
    this.#subject = `piece ${digest}`;
    const from = new ByteReader(bytes, this.#subject);
    const magic = from.raw(MAGIC.length);
    if (magic.some((byte, i) => byte !== MAGIC[i])) throw from.corrupt('"PNSP"', "other bytes");
    const version = from.u8();
    if (version !== PIECE_VERSION && version !== PIECE_VERSION_1) {
      throw from.corrupt(`piece version up to ${PIECE_VERSION}`, String(version));
    }
    const index = new ByteReader(from.raw(from.u32()), `index of ${this.#subject}`);
    const sections: PackedSection[] = [];
    if (version === PIECE_VERSION_1) this.#readSections1(index, from, sections);
    else this.#readSections(index, from, sections);
    index.end();
    from.end();
    this.sections = sections;
  }

  /**
   * The section's bytes; a view, good until the next call.
   *
   * @throws {CorruptStateError} If the section is not there or does not decompress to its length.
   */
  section(name: SectionName): Uint8Array {
    const subject = `${name.kind} section ${name.group} of "${name.uid}" in ${this.#subject}`;
    const place = this.#places.get(idOf(name));
    if (place === undefined) {
      throw new CorruptStateError(`Cannot read ${subject}: the piece does not hold it`);
    }
    const { block, start, plainBytes } = place;
    if (this.#last?.block !== block) this.#last = { block, plain: plainOf(block, subject) };
    return this.#last.plain.subarray(start, start + plainBytes);
  }

  #readSections(index: ByteReader, from: ByteReader, sections: PackedSection[]): void {
    const blocks: StoredBlock[] = [];
    for (let left = index.count(); left > 0; left--) blocks.push(readBlock(index, from));
    const uids = Array.from({ length: index.count() }, () => index.text());
    let at = 0;
    let start = 0;
    for (let left = index.count(); left > 0; left--) {
      const kind = readKind(index);
      const uid = uids[index.varint()];
      if (uid === undefined) throw index.corrupt(`a uid of ${uids.length}`, "another one");
      const group = index.varint();
      const plainBytes = index.varint();
      while (at < blocks.length && start === blocks[at]!.plainBytes) [at, start] = [at + 1, 0];
      const block = blocks[at] ?? { bytes: new Uint8Array(0), compression: PLAIN, plainBytes: 0 };
      if (start + plainBytes > block.plainBytes) {
        throw index.corrupt(`a section within its block`, `${plainBytes} bytes`);
      }
      this.#places.set(idOf({ kind, uid, group }), { block, start, plainBytes });
      const storedBytes = shareOf(plainBytes, block.bytes.length, block.plainBytes);
      sections.push({ kind, uid, group, storedBytes });
      start += plainBytes;
    }
  }

  #readSections1(index: ByteReader, from: ByteReader, sections: PackedSection[]): void {
    for (let left = index.count(); left > 0; left--) {
      const name = { kind: readKind(index), uid: index.text(), group: index.varint() };
      const block = readBlock(index, from);
      this.#places.set(idOf(name), { block, start: 0, plainBytes: block.plainBytes });
      sections.push({ ...name, storedBytes: block.bytes.length });
    }
  }
}

/** What a section of `plainBytes` takes of its block. */
function shareOf(plainBytes: number, storedBytes: number, blockBytes: number): number {
  return blockBytes === 0 ? 0 : Math.ceil(plainBytes * storedBytes / blockBytes);
}

function readBlock(index: ByteReader, from: ByteReader): StoredBlock {
  const compression = index.u8();
  const storedBytes = index.varint();
  const plainBytes = index.varint();
  return { bytes: from.raw(storedBytes), compression, plainBytes };
}

function readKind(index: ByteReader): SectionName["kind"] {
  const tag = index.u8();
  const kind = KINDS[tag];
  if (kind === undefined) throw index.corrupt(`a section kind up to ${KINDS.length - 1}`, `${tag}`);
  return kind;
}

function plainOf(block: StoredBlock, subject: string): Uint8Array {
  const { bytes, compression, plainBytes } = block;
  if (plainBytes > SECTION_BYTES_MAX || (compression !== PLAIN && compression !== ZSTD)) {
    throw new CorruptStateError(
      `Cannot read ${subject}: want compression ${PLAIN} or ${ZSTD} and at most ` +
        `${SECTION_BYTES_MAX} bytes, found ${compression} and ${plainBytes}`,
    );
  }
  const plain = compression === PLAIN ? bytes : decompress(block, subject);
  if (plain.length !== plainBytes) {
    throw new CorruptStateError(
      `Cannot read ${subject}: want ${plainBytes} bytes, found ${plain.length}`,
    );
  }
  return plain;
}

/** Lower-case hex SHA-256. */
export function digestOf(bytes: Uint8Array): Digest {
  return createHash("sha256").update(bytes).digest("hex") as Digest;
}

function compress(plain: Uint8Array): Uint8Array {
  const stored = zstdCompressSync(plain, {
    chunkSize: BLOCK_BYTES,
    params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL },
  });
  // A copy of its own: what zlib gives holds a whole chunk, for as long as the piece is gathered.
  const own = bytesOf(stored).slice();
  // Small results come out of memory that is shared with others.
  if (stored.buffer.byteLength >= BLOCK_BYTES) release(stored);
  return own;
}

/** The same bytes without the Buffer around them, whose `slice` is a view. */
function bytesOf(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** The output is capped at the length the index states, so a bomb stops there. */
function decompress({ bytes, plainBytes }: StoredBlock, subject: string): Uint8Array {
  try {
    const maxOutputLength = Math.max(1, plainBytes);
    return bytesOf(zstdDecompressSync(bytes, { maxOutputLength }));
  } catch (cause) {
    throw new CorruptStateError(
      `Cannot read ${subject}: want ${plainBytes} bytes of zstd, found other bytes`,
      cause,
    );
  }
}

function idOf(name: SectionName): string {
  return `${name.kind}/${name.uid}/${name.group}`;
}
