/**
 * The kinds of recorded series that are scored, each with its detector and the form of its answer.
 *
 * Pure.
 *
 * @module
 */
import { type Detector, healthyBaseline, seasonalLikelihood } from "penstock";

/** One row of a CSV file; numbers are numbers, other fields text, empty ones null. */
export type Row = Readonly<Record<string, string | number | null>>;

/** What a detector made of one row. */
export interface Judged {
  readonly score: number;
  readonly threshold: number;
  /** Whether an anomaly is going on behind the row. */
  readonly isActive: boolean;
}

export interface Series {
  readonly name: string;
  /** One for all files: nothing about it depends on which file is read. */
  readonly detector: Detector<Row, unknown>;
  /** Name of the column that says when. */
  readonly timeColumn: string;
  /** Header and rows of the answer. */
  readonly header: string;
  readonly line: (row: Row, judged: Judged) => string;
}

/** Numenta Anomaly Benchmark: `timestamp,value`. A score of 0.5 is the detector's threshold. */
export const NAB: Series = {
  name: "nab",
  detector: seasonalLikelihood<Row>({ value: ({ value }) => numberOf(value) }) as Detector<
    Row,
    unknown
  >,
  timeColumn: "timestamp",
  header: "timestamp,value,anomaly_score",
  line: (row, { score, threshold }) =>
    `${row.timestamp},${row.value ?? ""},${(score / (score + threshold)).toFixed(9)}`,
};

/** Columns of a SKAB file that are no signals; the labels are never looked at. */
const SKAB_OTHERS = new Set(["datetime", "anomaly", "changepoint"]);

/** Skoltech Anomaly Benchmark: eight signals a second; the first 400 rows of each file are healthy. */
export const SKAB: Series = {
  name: "skab",
  detector: healthyBaseline<Row>({ signals: skabSignals }) as Detector<Row, unknown>,
  timeColumn: "datetime",
  header: "datetime;anomaly",
  line: (row, { isActive }) => `${row.datetime};${isActive ? 1 : 0}`,
};

function skabSignals(row: Row): Record<string, number | null> {
  const signals: Record<string, number | null> = {};
  for (const [name, value] of Object.entries(row)) {
    if (!SKAB_OTHERS.has(name)) signals[name] = numberOf(value);
  }
  return signals;
}

function numberOf(value: string | number | null | undefined): number | null {
  return typeof value === "number" ? value : null;
}

/** Time that a row says, ms since the epoch, as if its clock were UTC; NaN when it says none. */
export function timeOf(row: Row, column: string): number {
  const text = String(row[column] ?? "").trim().replace(" ", "T");
  return Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
}
