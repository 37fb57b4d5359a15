/**
 * One run of one workload over a file, in a process of its own: `file_run.ts engine|loop WORKLOAD INPUT OUTPUT`.
 *
 * Touches two files and stdout, where it says the records per second. Not measured: the start of the process
 * and the building of the job.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { JobDefinition } from "penstock";
import { runJob } from "../../agent/local/run_job.ts";
import { note, print } from "../../tools/cli/terminal.ts";
import { inputsOf } from "../../tools/local/inputs.ts";
import { openOutputs } from "../../tools/local/outputs.ts";
import type { Workload } from "../support/workload_input.ts";
import { runLoop } from "./file_loops.ts";

async function runEngine(workload: Workload, input: string, path: string): Promise<number> {
  const { default: definition } = await import(
    `../../examples/workloads/${workload.toLowerCase()}.ts`
  );
  const job = (definition as JobDefinition).build({});
  const output = openOutputs(job, { path });
  const startMs = performance.now();
  const { records } = await runJob(job, {
    inputs: inputsOf(job, [input]),
    parallelism: 1,
    startMs: Date.now(),
    line: output.line,
    note,
    monotonicMs: () => performance.now(),
    yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
    isStopped: () => false,
  });
  output.flush();
  const seconds = (performance.now() - startMs) / 1_000;
  output.close();
  return records / seconds;
}

function measureLoop(workload: Workload, input: string, path: string): number {
  const startMs = performance.now();
  const records = runLoop(workload, input, path);
  return records / (performance.now() - startMs) * 1_000;
}

const [kind, name, input, output] = Deno.args as [string, Workload, string, string];
const rate = kind === "engine"
  ? await runEngine(name, input, output)
  : measureLoop(name, input, output);
print(String(rate));
