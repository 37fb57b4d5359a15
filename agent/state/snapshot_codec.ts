/**
 * One key group of one operator to the bytes of a section and back.
 *
 * Pure. The section is columnar: keys, then each state slot, then last-write times of the slots that expire,
 * then timers, then the keys that are gone. It is not compressed; `piece_codec.ts` does that.
 *
 * Version 2: u8 version, varint entry count, varint slot count, texts of keys, one column a slot; for each
 * slot u8 1 and a column of times or u8 0; for processing-time timers, then event-time timers: varint timer
 * count, column of entry indexes, column of times; varint count and texts of removed keys.
 *
 * Version 1 has one column of times or none for all slots, no event-time timers and no removed keys.
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
import type { GroupColumns } from "./group_columns.ts";

export type { GroupColumns } from "./group_columns.ts";

export const SECTION_VERSION = 2;
/** Written before timers of event time and removed keys were stored; read for ever. */
const SECTION_VERSION_1 = 1;

/**
 * @param uid Operator whose state it is, for the message.
 * @throws {UserError} `state-not-encodable` naming operator, key and the place in the value.
 */
export function encodeSection(columns: GroupColumns, uid: string): Uint8Array {
  const to = new ByteWriter();
  writeSection(to, columns, uid);
  return to.take();
}

/**
 * `encodeSection` into a writer that may hold more.
 *
 * @throws {UserError} `state-not-encodable`; the writer then holds the beginning of a section.
 */
export function writeSection(to: ByteWriter, columns: GroupColumns, uid: string): void {
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
  for (const times of columns.times) {
    to.u8(times === null ? 0 : 1);
    if (times !== null) writeColumn(to, times);
  }
  writeTimers(to, columns.timers);
  writeTimers(to, columns.eventTimers);
  to.varint(columns.removed.length);
  writeTexts(to, columns.removed);
}

/** @throws {CorruptStateError} Naming what was wanted and where. */
export function decodeSection(bytes: Uint8Array, subject: string): GroupColumns {
  const from = new ByteReader(bytes, subject);
  const version = from.u8();
  if (version !== SECTION_VERSION && version !== SECTION_VERSION_1) {
    throw from.corrupt(`section version up to ${SECTION_VERSION}`, String(version));
  }
  const entryCount = from.count();
  const slotCount = from.count();
  const keys = readTexts(from, entryCount);
  const slots = Array.from({ length: slotCount }, () => readColumn(from, entryCount));
  const head = { keys, slots };
  const columns = version === SECTION_VERSION_1
    ? readTail1(from, head, entryCount)
    : readTail(from, head, entryCount);
  from.end();
  return columns;
}

type Head = Pick<GroupColumns, "keys" | "slots">;

function readTail(from: ByteReader, head: Head, entryCount: number): GroupColumns {
  const times = head.slots.map(() => readTimes(from, entryCount));
  const timers = readTimers(from, entryCount);
  const eventTimers = readTimers(from, entryCount);
  const removed = readTexts(from, from.count());
  return { ...head, times, timers, eventTimers, removed };
}

function readTail1(from: ByteReader, head: Head, entryCount: number): GroupColumns {
  const lastWriteMs = readTimes(from, entryCount);
  const times = head.slots.map(() => lastWriteMs);
  const timers = readTimers(from, entryCount);
  const eventTimers = new Array<null>(entryCount).fill(null);
  return { ...head, times, timers, eventTimers, removed: [] };
}

function readTimes(from: ByteReader, entryCount: number): number[] | null {
  return from.u8() === 1 ? readNumbers(from, entryCount) : null;
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
