/**
 * `penstock jobs run`: a job on files, without hub and broker.
 *
 * Touches files, stdout and signals. Lines of the job's sinks go to `--output` or stdout, everything else to
 * stderr.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { buildCommand } from "@stricli/core";
import { inputsOf } from "../../local/inputs.ts";
import { openOutputs } from "../../local/outputs.ts";
import { args, argument, docs, pairs, PARAM_FLAG, textFlag, wholeNumber } from "../flags.ts";
import { CliError, EXIT_FAILED } from "../hub_api.ts";
import { note } from "../terminal.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

type RunFlags = {
  readonly input?: readonly string[];
  readonly output?: string;
  readonly sink?: string;
  readonly parallelism: number;
  readonly param?: readonly string[];
};

export const run = buildCommand({
  docs: docs(
    "Run a job on files, without hub and broker",
    [
      "jobs run job.ts --input readings.jsonl",
      "jobs run job.ts --input meters=a.csv --input orders=b.csv --output out.jsonl",
      "jobs run job.ts --input readings.csv --param threshold=65 --sink alarms",
    ],
    "Reads JSON lines or CSV in place of the job's sources, to the end, in one process. Time is what " +
      "the records say; at the end every timer fires and every window closes. What sinks would send goes to " +
      "--output, one line each; what happened to stderr.",
  ),
  parameters: {
    flags: {
      input: {
        ...textFlag("File in place of the source; SOURCE=FILE when there are several", "FILE"),
        variadic: true,
      },
      output: textFlag(
        "File for the output of all sinks; stdout, and the files of file sinks, unless given",
        "FILE",
      ),
      sink: textFlag("Write the output of this sink alone", "UID"),
      parallelism: {
        kind: "parsed",
        parse: wholeNumber,
        default: "1",
        brief: "Subtasks of each keyed stage",
        placeholder: "N",
      },
      param: PARAM_FLAG,
    },
    positional: args(argument("Job file", "FILE.ts")),
  },
  func: runOnFiles,
});

async function runOnFiles(flags: RunFlags, file: string): Promise<void> {
  const { runJob } = await import("../../../agent/local/run_job.ts");
  const { loadJob } = await import("../../build/load_job.ts");
  const job = await loadJob(file, pairs(flags.param));
  const inputs = inputsOf(job, flags.input ?? []);
  const output = openOutputs(job, { path: flags.output, only: flags.sink });
  const stop = stopOnSignal();
  const startMs = performance.now();
  try {
    const summary = await runJob(job, {
      inputs,
      parallelism: flags.parallelism,
      startMs: Date.now(),
      line: output.line,
      note,
      monotonicMs: () => performance.now(),
      yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
      isStopped: () => stop.isAsked,
    });
    output.flush();
    const seconds = (performance.now() - startMs) / 1_000;
    note(
      `${summary.records} records in ${seconds.toFixed(2)} s ` +
        `(${Math.round(summary.records / seconds)}/s), ${summary.outputs} outputs, ` +
        `${summary.late} late, ${summary.deadLetters} dead letters`,
    );
    if (!summary.isComplete) throw new CliError("Stopped before the end of the input", EXIT_FAILED);
  } finally {
    output.close();
    stop.close();
  }
}

/** The first Ctrl-C ends the run between two records; what was written so far stays. */
function stopOnSignal(): { readonly isAsked: boolean; close(): void } {
  let isAsked = false;
  const ask = () => void (isAsked = true);
  for (const signal of SIGNALS) Deno.addSignalListener(signal, ask);
  return {
    get isAsked() {
      return isAsked;
    },
    close: () => SIGNALS.forEach((signal) => Deno.removeSignalListener(signal, ask)),
  };
}
