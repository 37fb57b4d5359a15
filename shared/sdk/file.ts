/**
 * Files as source and sink: for runs on a laptop and for tests.
 *
 * Pure: read and written by `penstock jobs run`. A runner has no right to any file, so the hub refuses to
 * deploy a job with one of these.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import { callSiteOf } from "./call_site.ts";
import { checkChoice, checkFunction, checkOptionNames } from "./options.ts";
import type { Sink } from "./sink.ts";
import { type Source, specOf } from "./source.ts";
import { planSourceTime, SOURCE_TIME_OPTIONS, type SourceTimeOptions } from "./source_time.ts";

export type FileFormat = "jsonl" | "csv";

/** One of `path` and `pattern` must be given. */
export interface FileSourceOptions<Out> extends SourceTimeOptions<Out> {
  /** The file. */
  readonly path?: string;
  /** Files by name, in one folder: `*` stands for any part of a name. Read one behind the other, sorted. */
  readonly pattern?: string;
  /** `csv` for names that end with `.csv`, otherwise `jsonl`, unless given. */
  readonly format?: FileFormat;
}

/**
 * Reads records from a file: one JSON text a line, or CSV with a header whose numbers become numbers.
 *
 * Works with `jobs run` and `testJob`; a job with it cannot be deployed.
 *
 * @throws {UserError} If an option is missing or out of its range; the error names it.
 *
 * @example
 * ```ts
 * import { ok } from "node:assert/strict";
 * import { fileSource } from "penstock";
 *
 * interface Reading { equipment: string; ts: number }
 *
 * const recorded = fileSource<Reading>({
 *   pattern: "recordings/2026-*.csv",
 *   eventTime: (reading) => reading.ts,
 * });
 * ok(recorded.label === "file recordings/2026-*.csv, csv");
 * ```
 */
export function fileSource<Out>(options: FileSourceOptions<Out>): Source<Out> {
  const at = callSiteOf(fileSource);
  checkOptionNames("fileSource", options, {
    known: ["path", "pattern", "format", ...SOURCE_TIME_OPTIONS],
    at,
  });
  if ((options.path === undefined) === (options.pattern === undefined)) {
    throw new UserError("bad-option", "fileSource needs one of path and pattern", { at });
  }
  const name = options.path ?? options.pattern;
  const isPattern = options.pattern !== undefined;
  const path = checkPath(isPattern ? "pattern" : "path", name, at);
  if (isPattern && /\*.*\//.test(path)) {
    throw new UserError(
      "bad-option",
      `pattern is "${path}": "*" can stand in the last part of a path alone`,
      { at },
    );
  }
  const format = checkChoice("format", options.format ?? formatOf(path), {
    allowed: ["jsonl", "csv"],
    at,
  });
  const timing = planSourceTime(options, { maxFutureSkew: null, at });
  return {
    descriptor: { connector: "file", path, format, splits: [{ topics: [], near: {} }], ...timing },
    label: `file ${path}, ${format}`,
    spec: {
      connector: "file",
      path,
      isPattern,
      format,
      eventTime: options.eventTime ?? null,
      ...specOf(timing),
    },
  };
}

/** Format of a file by its name. */
export function formatOf(path: string): FileFormat {
  return /\.csv$/i.test(path) ? "csv" : "jsonl";
}

export interface FileSinkOptions<In> {
  readonly path: string;
  /** Makes a line of a record; JSON unless given. */
  readonly encode?: (record: In) => string | Uint8Array;
}

/**
 * Writes each record as one line to a file, which it replaces.
 *
 * Works with `jobs run` and `testJob`; a job with it cannot be deployed.
 *
 * @throws {UserError} If an option is missing or out of its range; the error names it.
 *
 * @example
 * ```ts
 * import { ok } from "node:assert/strict";
 * import { fileSink } from "penstock";
 *
 * const means = fileSink<{ mean: number }>({ path: "means.jsonl" });
 * ok(means.label === "file means.jsonl");
 * ```
 */
export function fileSink<In>(options: FileSinkOptions<In>): Sink<In> {
  const at = callSiteOf(fileSink);
  checkOptionNames("fileSink", options, { known: ["path", "encode"], at });
  const path = checkPath("path", options.path, at);
  if (options.encode !== undefined) checkFunction("encode", options.encode, at);
  return {
    descriptor: { connector: "file", path, delivery: "direct" },
    label: `file ${path}`,
    spec: { connector: "file", path, encode: options.encode ?? null },
  };
}

const PATH_LENGTH_MAX = 150;

function checkPath(name: string, path: unknown, at: string | null): string {
  if (typeof path === "string" && path !== "" && path.length <= PATH_LENGTH_MAX) return path;
  throw new UserError(
    "bad-option",
    `${name} is ${JSON.stringify(path)}: give a path of up to ${PATH_LENGTH_MAX} characters`,
    { at },
  );
}
