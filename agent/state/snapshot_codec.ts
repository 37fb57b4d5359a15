/**
 * One key group of one operator to the bytes of a section and back.
 *
 * Pure. The section is columnar: keys, then each state slot, then last-write times if the state expires,
 * then timers. It is not compressed; `piece_codec.ts` does that.
 *
 * Version 1: u8 version, varint entry count, varint slot count, texts of keys, one column a slot, u8 1 and
 * a column of times or u8 0, varint timer count, column of entry indexes, column of times.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import { ByteReader, ByteWriter } from "./byte_stream.ts";
import {
  readColumn,
  readTexts,
  UnsupportedColumnError,
  writeColumn,
  writeTexts,
} from "./column_codec.ts";

export const SECTION_VERSION = 1;

/** Entries of one key group as columns: index i is one entry in all of them. */
export interface GroupColumns {
  readonly keys: readonly string[];
  /** One array for each state slot; undefined where an entry has no value in it. */
  readonly slots: readonly (readonly unknown[])[];
  /** Wall clock of each entry's last write, ms since the epoch; null when the state does not expire. */
  readonly lastWriteMs: readonly number[] | null;
  /** Processing-time timers of each entry, ascending, ms since the epoch; null where there are none. */
  readonly timers: readonly (readonly number[] | null)[];
}

/**
 * @param uid Operator whose state it is, for the message.
 * @throws {UserError} `state-not-encodable` naming operator, key and the place in the value.
 */
export function encodeSection(columns: GroupColumns, uid: string): Uint8Array {
  const to = new ByteWriter();
  to.u8(SECTION_VERSION);
  to.varint(columns.keys.length);
  to.varint(columns.slots.length);
  writeTexts(to, columns.keys);
  for (const [slot, values] of columns.slots.entries()) {
    try {
      writeColumn(to, values);
    } catch (thrown) {
      if (!(thrown instanceof UnsupportedColumnError)) throw thrown;
      throw notEncodable(uid, columns.keys[thrown.index] ?? "", slot, thrown);
    }
  }
  to.u8(columns.lastWriteMs === null ? 0 : 1);
  if (columns.lastWriteMs !== null) writeColumn(to, columns.lastWriteMs);
  writeTimers(to, columns.timers);
  return to.take();
}

/** @throws {CorruptStateError} Naming what was wanted and where. */
export function decodeSection(bytes: Uint8Array, subject: string): GroupColumns {
  const from = new ByteReader(bytes, subject);
  const version = from.u8();
  if (version !== SECTION_VERSION) {
    throw from.corrupt(`section version ${SECTION_VERSION}`, String(version));
  }
  const entryCount = from.count();
  const slotCount = from.count();
  const keys = readTexts(from, entryCount);
  const slots = Array.from({ length: slotCount }, () => readColumn(from, entryCount));
  const lastWriteMs = from.u8() === 1 ? readNumbers(from, entryCount) : null;
  const timers = readTimers(from, entryCount);
  from.end();
  return { keys, slots, lastWriteMs, timers };
}

function writeTimers(to: ByteWriter, timers: GroupColumns["timers"]): void {
  const entries: number[] = [];
  const times: number[] = [];
  for (let index = 0; index < timers.length; index++) {
    const ofEntry = timers[index]!;
    if (ofEntry === null) continue;
    for (const timeMs of ofEntry) {
      entries.push(index);
      times.push(timeMs);
    }
  }
  to.varint(times.length);
  writeColumn(to, entries);
  writeColumn(to, times);
}

function readTimers(from: ByteReader, entryCount: number): GroupColumns["timers"] {
  const count = from.count();
  const entries = readNumbers(from, count);
  const times = readNumbers(from, count);
  const timers = new Array<number[] | null>(entryCount).fill(null);
  for (const [i, entry] of entries.entries()) {
    if (entry < 0 || entry >= entryCount) {
      throw from.corrupt(`an entry below ${entryCount}`, String(entry));
    }
    const ofEntry = timers[entry];
    if (ofEntry === null || ofEntry === undefined) timers[entry] = [times[i]!];
    else ofEntry.push(times[i]!);
  }
  return timers;
}

function readNumbers(from: ByteReader, count: number): number[] {
  const column = readColumn(from, count);
  if (column.some((value) => typeof value !== "number")) {
    throw from.corrupt("a column of numbers", "other values");
  }
  return column as number[];
}

function notEncodable(
  uid: string,
  key: string,
  slot: number,
  thrown: UnsupportedColumnError,
): UserError {
  return new UserError(
    "state-not-encodable",
    `Cannot store the state of operator "${uid}", key "${key}", state ${slot}: ` +
      `found ${thrown.value.message}; keep numbers, texts, booleans, bigints, dates, bytes, and ` +
      `plain objects, arrays, Maps and Sets of them`,
    { cause: thrown },
  );
}
