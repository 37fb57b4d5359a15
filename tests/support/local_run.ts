/** Runs a job on lines held in memory, as `penstock jobs run` does on a file. Touches nothing. @module */
import type { JobDefinition } from "penstock";
import type { InputFile } from "../../agent/local/record_reader.ts";
import { runJob, type RunSummary } from "../../agent/local/run_job.ts";

export interface LocalRun {
  /** Lines of all sinks, in order. */
  readonly results: readonly string[];
  readonly summary: RunSummary;
  /** What a person was told. */
  readonly notes: readonly string[];
}

export interface LocalRunOptions {
  readonly parallelism?: number;
  readonly params?: Readonly<Record<string, string>>;
  readonly format?: InputFile["format"];
  /** Source that gets the lines; the first unless given. */
  readonly sourceUid?: string;
}

/** The lines of `text` as a file. */
export function memoryFile(
  path: string,
  text: string,
  format: InputFile["format"] = "jsonl",
): InputFile {
  return {
    path,
    format,
    open() {
      const bytes = new TextEncoder().encode(text);
      let at = 0;
      const read = (into: Uint8Array) => {
        const size = Math.min(into.length, bytes.length - at);
        into.set(bytes.subarray(at, at + size));
        at += size;
        return size;
      };
      return { read, close: () => {} };
    },
  };
}

export async function runOnLines(
  definition: JobDefinition,
  lines: readonly string[],
  options: LocalRunOptions = {},
): Promise<LocalRun> {
  const job = definition.build(options.params ?? {});
  const uid = options.sourceUid ?? job.graph.operators[0]!.uid;
  const file = memoryFile(`input.${options.format ?? "jsonl"}`, lines.join("\n"), options.format);
  return await runOnFiles(definition, new Map([[uid, [file]]]), options);
}

export async function runOnFiles(
  definition: JobDefinition,
  inputs: ReadonlyMap<string, readonly InputFile[]>,
  { parallelism = 1, params = {} }: LocalRunOptions = {},
): Promise<LocalRun> {
  const results: string[] = [];
  const notes: string[] = [];
  const summary = await runJob(definition.build(params), {
    inputs,
    parallelism,
    startMs: Date.UTC(2026, 0, 1),
    line: (_uid, line) => void results.push(line),
    note: (text) => void notes.push(text),
    monotonicMs: () => 0,
    yieldTurn: () => Promise.resolve(),
    isStopped: () => false,
  });
  return { results, summary, notes };
}
