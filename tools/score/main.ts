/**
 * `deno task score nab IN_DIR OUT_DIR` and `deno task score skab IN_DIR OUT_DIR`: what the detectors say of
 * every row of recorded series, for a scorer to judge.
 *
 * Touches files. Every CSV below IN_DIR is read in order, once, row by row, through the `detect` operator of a
 * job; OUT_DIR gets a file of the same name with one row for each.
 *
 * @module
 */
import { resolve } from "node:path";
import { messageOf } from "@shared/errors.ts";
import { note } from "../cli/terminal.ts";
import { csvFilesBelow, scoreFile } from "./score_file.ts";
import { NAB, type Series, SKAB } from "./series.ts";

const SERIES: Readonly<Record<string, Series>> = { nab: NAB, skab: SKAB };

if (import.meta.main) {
  // A task runs in the project's folder; names are those of the folder it was called from.
  const calledFrom = Deno.env.get("INIT_CWD") ?? Deno.cwd();
  const [name = "", ...folders] = Deno.args;
  const [inFolder, outFolder] = folders.map((folder) => resolve(calledFrom, folder));
  const series = SERIES[name];
  if (series === undefined || inFolder === undefined || outFolder === undefined) {
    note("Usage: deno task score nab|skab IN_DIR OUT_DIR");
    Deno.exit(2);
  }
  try {
    const startMs = performance.now();
    let rows = 0;
    const paths = csvFilesBelow(inFolder);
    for (const path of paths) rows += scoreFile(series, { path, inFolder, outFolder });
    const seconds = (performance.now() - startMs) / 1_000;
    note(`${paths.length} files, ${rows} rows in ${seconds.toFixed(1)} s`);
  } catch (thrown) {
    note(messageOf(thrown));
    Deno.exit(1);
  }
}
