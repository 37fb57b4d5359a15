/**
 * Recorded signals as telemetry: `;`-separated CSV with a time column first, one row a second.
 *
 * Touches files (reading alone). Columns named `anomaly` and `changepoint` are labels, not signals.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";

const LABEL_COLUMNS: ReadonlySet<string> = new Set(["anomaly", "changepoint"]);

export interface Recording {
  /** Folder and file name: `valve1-0`. */
  readonly rig: string;
  readonly signalNames: readonly string[];
  /** One array of numbers per row, in the order of `signalNames`. */
  readonly rows: readonly (readonly number[])[];
}

/**
 * Reads one CSV file, or every one in a folder, sorted by name.
 *
 * @throws {UserError} `input-not-found`, `input-empty` or `input-not-csv`.
 */
export function readRecordings(path: string): Recording[] {
  const files = csvFilesOf(path);
  if (files.length === 0) {
    throw new UserError(
      "input-empty",
      `No .csv file in ${path}: name a folder or a file of recordings`,
    );
  }
  return files.map(readRecording);
}

function csvFilesOf(path: string): string[] {
  let stat: Deno.FileInfo;
  try {
    stat = Deno.statSync(path);
  } catch (cause) {
    throw new UserError("input-not-found", `Cannot read --input ${path}: no such file or folder`, {
      cause,
    });
  }
  if (stat.isFile) return [path];
  const names = [...Deno.readDirSync(path)].map((entry) => entry.name);
  return names.filter((name) => name.endsWith(".csv")).sort(byNumber).map((name) =>
    `${path}/${name}`
  );
}

function byNumber(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

function readRecording(file: string): Recording {
  const [header, ...lines] = Deno.readTextFileSync(file).trim().split(/\r?\n/);
  const columns = header!.split(";");
  const kept = columns.map((name, index) => ({ name, index }))
    .filter(({ name, index }) => index > 0 && !LABEL_COLUMNS.has(name));
  if (kept.length === 0) {
    throw new UserError(
      "input-not-csv",
      `${file}: want a header of ;-separated columns, the time first, found "${header}"`,
    );
  }
  const rows = lines.map((line, number) => {
    const cells = line.split(";");
    const row = kept.map(({ index }) => Number(cells[index]));
    if (row.every(Number.isFinite)) return row;
    throw new UserError("input-not-csv", `${file}:${number + 2}: want numbers, found "${line}"`);
  });
  return { rig: rigOf(file), signalNames: kept.map(({ name }) => name), rows };
}

/** `…/valve1/0.csv` is rig `valve1-0`: letters, digits and `-` alone, fit for a topic. */
function rigOf(file: string): string {
  const parts = file.replace(/\.csv$/, "").split("/").slice(-2);
  return parts.join("-").toLowerCase().replaceAll(/[^a-z0-9-]+/g, "-").replace(/^-+/, "");
}
