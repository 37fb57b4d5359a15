/**
 * What the command line prints: tables for people, JSON and YAML of exactly the API's shape for programs.
 *
 * Touches stdout. Tables are cut to the terminal's width, never when they go to a file or a pipe; colour is
 * for what is not as it should be.
 *
 * @module
 */
import Table from "cli-table3";
import { stringify } from "yaml";
import { harmless, note, type Paint, painted, print, terminalWidth } from "./terminal.ts";

export const OUTPUT_FORMATS = ["table", "wide", "json", "yaml"] as const;
export type OutputFormat = typeof OUTPUT_FORMATS[number];

/** One column: its heading and the cell of a row. */
export type Columns<T> = Readonly<
  Record<string, (row: T) => string | number | null | undefined>
>;

export interface PrinterOptions {
  readonly format: OutputFormat;
  /** Headings over the columns of tables. */
  readonly hasHeaders: boolean;
  /** No hints and no progress on stderr. */
  readonly isQuiet: boolean;
}

const NO_BORDER = {
  "top": "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  "bottom": "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  "left": "",
  "left-mid": "",
  "mid": "",
  "mid-mid": "",
  "right": "",
  "right-mid": "",
  "middle": "  ",
};
const GAP_WIDTH = 2;
const COLUMN_WIDTH_WANTED = 8;
const KEPT_WIDTH_WANTED = 12;
const COLUMN_WIDTH_MIN = 3;
/** Columns that people copy from. */
const KEPT_COLUMNS: ReadonlySet<string> = new Set(["id", "name"]);

/** Words that are shown in colour when they are all of a cell. */
const PAINTS: Readonly<Record<string, Paint>> = {
  critical: "red",
  failed: "red",
  fail: "red",
  offline: "red",
  aborted: "red",
  incompatible: "red",
  unacknowledged: "red",
  error: "red",
  high: "yellow",
  warn: "yellow",
  stale: "yellow",
  degraded: "yellow",
  restarting: "yellow",
  restoring: "yellow",
  autonomous: "yellow",
  "returned-unacknowledged": "yellow",
};

export class Printer {
  readonly #options: PrinterOptions;

  constructor(options: PrinterOptions) {
    this.#options = options;
  }

  get format(): OutputFormat {
    return this.#options.format;
  }

  /** Whether a person reads it, not a program. */
  get isForPeople(): boolean {
    return this.format === "table" || this.format === "wide";
  }

  get isQuiet(): boolean {
    return this.#options.isQuiet;
  }

  /** Prints rows as a table, with the columns of `wide` for `-o wide`; or the values themselves. */
  rows<T>(rows: readonly T[], columns: Columns<T>, wide: Columns<T> = {}): void {
    if (!this.isForPeople) return this.value(rows);
    const shown = this.format === "wide" ? { ...columns, ...wide } : columns;
    const cells = rows.map((row) =>
      Object.values(shown).map((cell) => harmless(String(cell(row) ?? "-")))
    );
    const head = this.#options.hasHeaders
      ? Object.keys(shown).map((name) => name.toUpperCase())
      : [];
    if (cells.length === 0 && head.length === 0) return;
    const width = this.format === "wide" ? null : terminalWidth();
    const kept = new Set(
      Object.keys(shown).flatMap((name, i) => KEPT_COLUMNS.has(name) ? [i] : []),
    );
    const table = new Table({
      head: head.map((name) => painted(name, "dim")),
      chars: NO_BORDER,
      style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
      ...(width === null ? {} : { colWidths: columnWidths([head, ...cells], width, kept) }),
    });
    table.push(...cells.map((row) => row.map(paintedCell)));
    print(table.toString().split("\n").map((line) => line.trimEnd()).join("\n"));
  }

  /** Prints one value: as `key: value` lines for people. */
  one<T extends object>(value: T, columns: Columns<T>, wide: Columns<T> = {}): void {
    if (!this.isForPeople) return this.value(value);
    const shown = this.format === "wide" ? { ...columns, ...wide } : columns;
    const names = Object.keys(shown);
    const width = Math.max(...names.map((name) => name.length));
    for (const [name, cell] of Object.entries(shown)) {
      print(
        `${(name + ":").padEnd(width + 2)}${paintedCell(harmless(String(cell(value) ?? "-")))}`,
      );
    }
  }

  value(value: unknown): void {
    print(this.format === "yaml" ? stringify(value).trimEnd() : JSON.stringify(value, null, 2));
  }

  /** A line of text between tables; nothing for programs. */
  text(line: string): void {
    if (this.isForPeople) print(line);
  }

  /** A hint on stderr, unless `--quiet`. */
  note(line: string): void {
    if (!this.isQuiet) note(line);
  }
}

function paintedCell(text: string): string {
  const paint = PAINTS[text];
  return paint === undefined ? text : painted(text, paint);
}

/**
 * Widths that fit a terminal of `width` columns. The widest column gives way first, those in `kept` last: an
 * id that is cut cannot be copied. Pure.
 */
export function columnWidths(
  rows: readonly (readonly string[])[],
  width: number,
  kept: ReadonlySet<number> = new Set(),
): number[] {
  const count = Math.max(...rows.map((row) => row.length));
  const widths = Array.from(
    { length: count },
    (_, i) => Math.max(1, ...rows.map((row) => (row[i] ?? "").length)),
  );
  const room = width - GAP_WIDTH * (count - 1);
  const shrink = (least: number, isKept: (column: number) => boolean) => {
    for (let excess = sum(widths) - room; excess > 0; excess--) {
      const open = widths.map((one, i) => isKept(i) ? 0 : one);
      const widest = Math.max(...open);
      if (widest <= least) return;
      widths[open.indexOf(widest)]! -= 1;
    }
  };
  shrink(COLUMN_WIDTH_WANTED, (column) => kept.has(column));
  shrink(KEPT_WIDTH_WANTED, () => false);
  shrink(COLUMN_WIDTH_MIN, () => false);
  return widths;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** `3 s ago`, `5 min ago`; `never` for null. */
export function age(iso: string | null | undefined, nowMs: number = Date.now()): string {
  if (iso === null || iso === undefined) return "never";
  return `${span(Math.max(0, nowMs - Date.parse(iso)))} ago`;
}

/** `in 5 min`, or how long ago. */
export function until(iso: string, nowMs: number = Date.now()): string {
  const ms = Date.parse(iso) - nowMs;
  return ms < 0 ? age(iso, nowMs) : `in ${span(ms)}`;
}

/** `3 s`, `5 min`, `2 h`, `9 d`. */
export function span(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** `12.3 kB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(1)} kB`;
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`;
  return `${(bytes / 1_000_000_000).toFixed(1)} GB`;
}

/** `12 keys`, `1 key`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

export function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? "-" : pairs.sort().join(",");
}
