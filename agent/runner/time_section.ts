/**
 * What a snapshot says of time and of the source: sections beside the keyed state.
 *
 * Pure.
 *
 * Source section, version 1: u8 version, f64 latest wall-clock time, then what the source itself saved.
 * Time section, version 1: u8 version, f64 latest wall-clock time, f64 watermark, f64 latest event time.
 *
 * @module
 */
import { ByteReader, ByteWriter } from "../state/byte_stream.ts";

const SOURCE_SECTION_VERSION = 1;
const TIME_SECTION_VERSION = 1;

/** How far event time has come in a subtask, ms since the epoch; -Infinity before the first record. */
export interface TimeState {
  readonly watermarkMs: number;
  /** Latest event time of its own source. */
  readonly latestEventMs: number;
}

export function encodeTimeSection(latestMs: number, time: TimeState): Uint8Array {
  const to = new ByteWriter();
  to.u8(TIME_SECTION_VERSION);
  to.f64(latestMs);
  to.f64(time.watermarkMs);
  to.f64(time.latestEventMs);
  return to.take();
}

/** @throws {CorruptStateError} If the section is of another version. */
export function decodeTimeSection(bytes: Uint8Array): TimeState & { latestMs: number } {
  const from = new ByteReader(bytes, "time section");
  const version = from.u8();
  if (version !== TIME_SECTION_VERSION) {
    throw from.corrupt(`time section version ${TIME_SECTION_VERSION}`, String(version));
  }
  const latestMs = from.f64();
  const watermarkMs = from.f64();
  const latestEventMs = from.f64();
  from.end();
  return { latestMs, watermarkMs, latestEventMs };
}

/** What a subtask keeps beside its source's own section: the latest time that state was judged by (S4). */
export function writeSourceSection(
  to: ByteWriter,
  latestMs: number,
  ofSource: Uint8Array,
): void {
  to.u8(SOURCE_SECTION_VERSION);
  to.f64(latestMs);
  to.raw(ofSource);
}

/** @throws {CorruptStateError} If the section is of another version. */
export function decodeSourceSection(
  bytes: Uint8Array,
): { latestMs: number; ofSource: Uint8Array } {
  const from = new ByteReader(bytes, "source section");
  const version = from.u8();
  if (version !== SOURCE_SECTION_VERSION) {
    throw from.corrupt(`source section version ${SOURCE_SECTION_VERSION}`, String(version));
  }
  return { latestMs: from.f64(), ofSource: from.raw(from.remaining).slice() };
}
