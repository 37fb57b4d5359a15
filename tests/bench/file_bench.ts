/**
 * How fast a local run works a file off, and what share that is of a loop written for the one purpose.
 *
 * Touches files in a temporary folder. Engine and loop run in turns, each in a process of its own, cold as a
 * run on a laptop is; the figures are medians. What both write is held against each other.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { differences } from "../support/workload_oracle.ts";
import { type Workload, workloadInput } from "../support/workload_input.ts";
import { median } from "./machine.ts";

const ROUNDS = 5;
const SEED = 1;
/** Records of W1, W2 and W4; rounds of W3. */
const COUNTS: Readonly<Record<Workload, number>> = {
  W1: 2_000_000,
  W2: 1_200_000,
  W3: 400,
  W4: 2_000_000,
};

/** Runs the benchmark, about two minutes. */
export async function benchFile(
  note: (text: string) => void,
  workloads: readonly Workload[] = ["W1", "W2", "W3", "W4"],
): Promise<Record<string, number>> {
  const folder = await Deno.makeTempDir({ prefix: "penstock-bench-" });
  const figures: Record<string, number> = {};
  try {
    for (const workload of workloads) {
      const { engine, loop } = await measure(workload, folder);
      const ratio = median(engine.map((rate, round) => rate / loop[round]!));
      const shown = (rates: number[]) => `${Math.round(median(rates) / 1_000)}k/s`;
      note(`${workload}: engine ${shown(engine)}, loop ${shown(loop)}`);
      const name = workload.toLowerCase();
      if (workload !== "W3") figures[`${name}FilePerSecond`] = median(engine);
      figures[`${name}VsLoop`] = ratio;
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return figures;
}

async function measure(workload: Workload, folder: string) {
  const input = `${folder}/${workload}.jsonl`;
  const lines = workloadInput(workload, COUNTS[workload], SEED);
  await Deno.writeTextFile(input, lines.join("\n") + "\n");
  const rates: Record<"engine" | "loop", number[]> = { engine: [], loop: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const kind of ["engine", "loop"] as const) {
      rates[kind].push(await runOnce([kind, workload, input, `${folder}/${kind}.out`]));
    }
  }
  const results = await Promise.all(
    ["loop", "engine"].map(async (kind) =>
      (await Deno.readTextFile(`${folder}/${kind}.out`)).trim().split("\n")
        .map((line) => JSON.parse(line))
    ),
  );
  const faults = differences(workload, results[0]!, results[1]!);
  if (faults.length > 0) throw new Error(`${workload}: engine and loop differ: ${faults[0]}`);
  return rates;
}

async function runOnce(args: readonly string[]): Promise<number> {
  const script = fileURLToPath(new URL("file_run.ts", import.meta.url));
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", script, ...args],
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`The run failed: ${text(stderr)}`);
  return Number(text(stdout));
}
