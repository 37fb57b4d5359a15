/** Files that stand in for the sources of a job. Touches files (reading alone). @module */
import { UserError } from "@shared/errors.ts";
import { formatOf } from "@shared/sdk/file.ts";
import type { BuiltJob, SourceSpec } from "@shared/sdk/operator.ts";
import type { InputFile } from "../../agent/local/record_reader.ts";

/**
 * Files of each source: `--input SOURCE=FILE`, `--input FILE` for a job with one source, and what a file
 * source names itself.
 *
 * @throws {UserError} `input-missing`, `input-ambiguous`, `input-not-found`.
 */
export function inputsOf(job: BuiltJob, values: readonly string[]): Map<string, InputFile[]> {
  const sources = new Map<string, SourceSpec>();
  for (const spec of job.operators.values()) {
    if (spec.kind === "source") sources.set(spec.uid, spec.source);
  }
  const inputs = new Map<string, InputFile[]>();
  for (const value of values) {
    const { uid, path } = splitInput(value, [...sources.keys()]);
    inputs.set(uid, [...inputs.get(uid) ?? [], inputFile(path, formatOf(path))]);
  }
  for (const [uid, spec] of sources) {
    if (inputs.has(uid)) continue;
    if (spec.connector !== "file") {
      throw new UserError(
        "input-missing",
        `Source "${uid}" has no input: give --input ${uid}=FILE`,
      );
    }
    inputs.set(uid, filesOf(spec));
  }
  return inputs;
}

function splitInput(value: string, uids: readonly string[]): { uid: string; path: string } {
  const uid = uids.find((candidate) => value.startsWith(`${candidate}=`));
  if (uid !== undefined) return { uid, path: value.slice(uid.length + 1) };
  if (uids.length === 1) return { uid: uids[0]!, path: value };
  throw new UserError(
    "input-ambiguous",
    `--input ${value} does not say which source it is for: give SOURCE=FILE with one of ` +
      uids.join(", "),
  );
}

function filesOf(spec: SourceSpec & { connector: "file" }): InputFile[] {
  if (!spec.isPattern) return [inputFile(spec.path, spec.format)];
  const cut = spec.path.lastIndexOf("/") + 1;
  const folder = spec.path.slice(0, cut) || ".";
  const [head = "", ...tails] = spec.path.slice(cut).split("*");
  const tail = tails.pop() ?? "";
  const names = namesIn(folder).filter((name) => matches(name, { head, middle: tails, tail }));
  if (names.length === 0) {
    throw new UserError("input-not-found", `There is no file like ${spec.path}`);
  }
  return names.sort().map((name) => inputFile(`${spec.path.slice(0, cut)}${name}`, spec.format));
}

function matches(
  name: string,
  { head, middle, tail }: { head: string; middle: readonly string[]; tail: string },
): boolean {
  if (name.length < head.length + tail.length) return false;
  if (!name.startsWith(head) || !name.endsWith(tail)) return false;
  let rest = name.slice(head.length, name.length - tail.length);
  for (const part of middle) {
    const at = rest.indexOf(part);
    if (at === -1) return false;
    rest = rest.slice(at + part.length);
  }
  return true;
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].filter((entry) => !entry.isDirectory)
      .map((entry) => entry.name);
  } catch (cause) {
    throw new UserError("input-not-found", `Cannot read the folder ${folder}`, { cause });
  }
}

function inputFile(path: string, format: InputFile["format"]): InputFile {
  return {
    path,
    format,
    open() {
      const file = openFile(path);
      return { read: (into) => file.readSync(into) ?? 0, close: () => file.close() };
    },
  };
}

function openFile(path: string): Deno.FsFile {
  try {
    if (path === "-") return Deno.openSync("/dev/stdin", { read: true });
    if (!Deno.statSync(path).isDirectory) return Deno.openSync(path, { read: true });
  } catch (cause) {
    throw new UserError("input-not-found", `Cannot read ${path}`, { cause });
  }
  throw new UserError("input-not-found", `${path} is a folder: name a file`);
}
