/**
 * Runs the rows of a file through a job with one `detect` operator, and writes what it said of each.
 *
 * Touches files.
 *
 * @module
 */
import { basename, dirname, join, relative } from "node:path";
import { messageOf, UserError } from "@shared/errors.ts";
import type { DetectState } from "@shared/operators/anomaly_edges.ts";
import { defineJob, fileSink, fileSource } from "penstock";
import { type TestJob, testJob } from "penstock/testing";
import { createCsvDecoder } from "../../agent/local/csv.ts";
import { type Judged, type Row, type Series, timeOf } from "./series.ts";

const SOURCE = "rows";
const DETECT = "anomalies";
/** Only one series is in a job at a time. */
const KEY = "series";

/** Every CSV file below a folder, in order of its path. @throws {UserError} `input-not-found`. */
export function csvFilesBelow(folder: string): string[] {
  try {
    return filesBelow(folder).filter((path) => path.endsWith(".csv")).sort();
  } catch (cause) {
    throw new UserError("input-not-found", `Cannot read the folder ${folder}`, { cause });
  }
}

function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = join(folder, name);
    return isDirectory ? filesBelow(path) : [path];
  });
}

export interface ScorePlace {
  readonly path: string;
  readonly inFolder: string;
  readonly outFolder: string;
}

/**
 * Scores one file, and answers how many rows it has.
 *
 * @throws {UserError} `row-unreadable` if a row does not have the fields of the header.
 */
export function scoreFile(series: Series, { path, inFolder, outFolder }: ScorePlace): number {
  const [header = "", ...lines] = Deno.readTextFileSync(path).split(/\r?\n/)
    .filter((line) => line !== "");
  const rows = decodeRows(path, header, lines);
  const to = join(outFolder, dirname(relative(inFolder, path)), basename(path));
  const text = [series.header, ...judgeRows(series, rows)].join("\n") + "\n";
  Deno.mkdirSync(dirname(to), { recursive: true });
  Deno.writeTextFileSync(to, text);
  return lines.length;
}

function decodeRows(path: string, header: string, lines: readonly string[]): Row[] {
  let read = 0;
  try {
    const { decode } = createCsvDecoder(header);
    return lines.map((line) => {
      read++;
      return decode(line);
    });
  } catch (cause) {
    throw new UserError("row-unreadable", `${path}, row ${read}: ${messageOf(cause)}`, { cause });
  }
}

/** A line of the answer for each row: what the operator knew when it had read that row and no later one. */
export function judgeRows(series: Series, rows: readonly Row[]): string[] {
  const job = testJob(jobOf(series));
  return rows.map((row) => {
    job.push(SOURCE, [row]);
    return series.line(row, judgedBy(job, series, row));
  });
}

function jobOf({ name, detector, timeColumn }: Series) {
  return defineJob(`score-${name}`, (job) => {
    job.source(
      SOURCE,
      fileSource<Row>({ path: "rows.csv", eventTime: (row) => timeOf(row, timeColumn) }),
    )
      .keyByLocal(() => KEY)
      .detect(DETECT, detector)
      .sink("edges", fileSink({ path: "edges.jsonl" }));
  });
}

/** A row without a value has no score, and leaves the anomaly that is going on as it is. */
function judgedBy(job: TestJob, { detector }: Series, row: Row): Judged {
  const state = job.state(DETECT, KEY) as DetectState<unknown> | undefined;
  const { score, threshold } = detector.judge(state?.detector ?? detector.initial());
  return {
    score: detector.value(row) === null ? 0 : score,
    threshold,
    isActive: state !== undefined && state.sinceMs !== null,
  };
}
