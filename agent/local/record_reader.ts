/**
 * Records of the files that stand in for one source, one behind the other, decoded as the source would.
 *
 * Touches the files through the port it is given. What cannot be decoded is not a record but a fault, which
 * says why; it never ends the reading.
 *
 * @module
 */
import { messageOf } from "@shared/errors.ts";
import type { SourceSpec } from "@shared/sdk/operator.ts";
import { decodeJson, RecordRefused, SCAN_CHARS_MIN, SUSPECTS } from "../connectors/json_decoder.ts";
import { createCsvDecoder } from "./csv.ts";
import { LineReader, type ReadChunk } from "./line_reader.ts";

/** Longest record, as for sources that do not say another. */
const LINE_BYTES_MAX = 1024 * 1024;

export interface InputFile {
  readonly path: string;
  readonly format: "jsonl" | "csv";
  /** @throws {UserError} If the file cannot be read. */
  open(): { readonly read: ReadChunk; close(): void };
}

type Decode = (line: string) => unknown;

export class RecordReader {
  readonly #files: readonly InputFile[];
  readonly #spec: SourceSpec;
  readonly #lineBytesMax: number;
  #file = -1;
  #lines: LineReader | null = null;
  #close: () => void = () => {};
  #decode: Decode = decodeJson;
  #linesBefore = 0;
  /** The record `next` found; undefined when there was a fault. */
  value: unknown = undefined;
  /** Why the line is no record; null when it is one. */
  fault: string | null = null;

  /** @param files At least one. */
  constructor(files: readonly InputFile[], spec: SourceSpec) {
    this.#files = files;
    this.#spec = spec;
    this.#lineBytesMax = spec.connector === "mqtt" ? spec.maxPayloadBytes : LINE_BYTES_MAX;
  }

  /** Number of the line over all files, from 1. */
  get position(): number {
    return this.#linesBefore + (this.#lines?.number ?? 0);
  }

  /** `path:line` of the line last read. */
  get place(): string {
    return `${this.#files[this.#file]?.path ?? ""}:${this.#lines?.number ?? 0}`;
  }

  /** The line last read; empty when it was too long. */
  get text(): string {
    return this.#lines?.line ?? "";
  }

  /** Whether the next record needs a read. */
  get isDrained(): boolean {
    return this.#lines?.isDrained ?? true;
  }

  /** Moves on to the next record or fault; false at the end of the last file. */
  next(): boolean {
    while (this.#lines === null || !this.#lines.next()) {
      if (!this.#openNext()) return false;
    }
    this.fault = null;
    try {
      if (this.#lines.isTooLong) {
        throw new RecordRefused(`the line is longer than ${this.#lineBytesMax} bytes`);
      }
      this.value = this.#decode(this.#lines.line);
    } catch (thrown) {
      this.value = undefined;
      this.fault = messageOf(thrown);
    }
    return true;
  }

  close(): void {
    this.#close();
    this.#close = () => {};
  }

  #openNext(): boolean {
    this.close();
    const file = this.#files[this.#file + 1];
    if (file === undefined) return false;
    this.#file++;
    this.#linesBefore += this.#lines?.number ?? 0;
    const { read, close } = file.open();
    this.#close = close;
    this.#lines = new LineReader(read, this.#lineBytesMax, SUSPECTS);
    this.#decode = file.format === "csv"
      ? this.#csvDecode(this.#lines, file)
      : lineDecode(this.#spec, this.#lines);
    return true;
  }

  /** Takes the header; a file without a line has no record either. */
  #csvDecode(lines: LineReader, { path }: InputFile): Decode {
    if (!lines.next()) return decodeJson;
    try {
      return createCsvDecoder(lines.line).decode;
    } catch (thrown) {
      const reason = `${path}: ${messageOf(thrown)}`;
      return () => {
        throw new RecordRefused(reason);
      };
    }
  }
}

function lineDecode(spec: SourceSpec, lines: LineReader): Decode {
  if (spec.connector === "mqtt" && spec.decode !== null) {
    const { decode } = spec;
    const encoder = new TextEncoder();
    const topic = spec.topics[0]?.[0] ?? "";
    return (line) => decode(encoder.encode(line), topic);
  }
  return (line) => {
    if (line.length >= SCAN_CHARS_MIN || lines.isSuspect) return decodeJson(line);
    try {
      return JSON.parse(line);
    } catch {
      return decodeJson(line);
    }
  };
}
