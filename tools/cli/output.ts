/** What the command line prints: tables for people, JSON and YAML for programs. Touches stdout. @module */
import Table from "cli-table3";
import { stringify } from "yaml";
import { print } from "./terminal.ts";

export type OutputFormat = "table" | "json" | "yaml";
export const OUTPUT_FORMATS = ["table", "json", "yaml"] as const;

/** One column: its heading and the cell of a row. */
export type Columns<T> = Readonly<Record<string, (row: T) => string | number | null>>;

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

/** Prints rows as a table, or the values themselves as JSON or YAML. */
export function printRows<T>(rows: readonly T[], columns: Columns<T>, format: OutputFormat): void {
  if (format !== "table") return printValue(rows, format);
  const table = new Table({
    head: Object.keys(columns).map((name) => name.toUpperCase()),
    chars: NO_BORDER,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  for (const row of rows) {
    table.push(Object.values(columns).map((cell) => String(cell(row) ?? "-")));
  }
  print(table.toString());
}

/** Prints one value: as `key: value` lines for people. */
export function printOne<T extends object>(
  value: T,
  columns: Columns<T>,
  format: OutputFormat,
): void {
  if (format !== "table") return printValue(value, format);
  const names = Object.keys(columns);
  const width = Math.max(...names.map((name) => name.length));
  for (const [name, cell] of Object.entries(columns)) {
    print(`${(name + ":").padEnd(width + 2)}${cell(value) ?? "-"}`);
  }
}

export function printValue(value: unknown, format: OutputFormat): void {
  print(format === "yaml" ? stringify(value).trimEnd() : JSON.stringify(value, null, 2));
}

/** `3 s ago`, `5 min ago`; `never` for null. */
export function age(iso: string | null, nowMs: number = Date.now()): string {
  if (iso === null) return "never";
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(iso)) / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}

/** `12.3 kB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

export function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? "-" : pairs.sort().join(",");
}
