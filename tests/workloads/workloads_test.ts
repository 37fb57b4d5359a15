/**
 * Each workload, run from a file by its example job, gives what the oracle says, at parallelism 1 and 3.
 */
import { deepEqual, equal } from "node:assert/strict";
import { createHash } from "node:crypto";
import type { JobDefinition } from "penstock";
import w1 from "../../examples/workloads/w1.ts";
import w2 from "../../examples/workloads/w2.ts";
import w3 from "../../examples/workloads/w3.ts";
import w4 from "../../examples/workloads/w4.ts";
import { type Workload, workloadInput } from "../support/workload_input.ts";
import { differences, expectedResults } from "../support/workload_oracle.ts";
import { runOnLines } from "../support/local_run.ts";

const JOBS: Readonly<Record<Workload, JobDefinition>> = { W1: w1, W2: w2, W3: w3, W4: w4 };
/** Rounds of 50 messages of W3; records of the others. W2 passes 3 minutes, so that windows close on the way. */
const COUNTS: Readonly<Record<Workload, number>> = { W1: 5_000, W2: 200_000, W3: 30, W4: 60_000 };
const SEEDS = [1, 2, 2_026];

for (const workload of ["W1", "W2", "W3", "W4"] as const) {
  for (const parallelism of [1, 3]) {
    Deno.test(`workload ${workload}: gives what the oracle says, parallelism ${parallelism}`, async () => {
      for (const seed of SEEDS) {
        const count = COUNTS[workload];
        const lines = workloadInput(workload, count, seed);
        const { results, summary, notes } = await runOnLines(JOBS[workload], lines, {
          parallelism,
        });
        const expected = expectedResults(workload, count, seed);
        deepEqual(differences(workload, expected, results.map((line) => JSON.parse(line))), []);
        equal(summary.records, lines.length);
        equal(summary.outputs, expected.length);
        equal(summary.deadLetters, 0);
        deepEqual(notes, []);
        if (workload === "W2") equal(summary.late, expected.at(-1)!.late);
      }
    });
  }
}

Deno.test("workload W2: late readings are counted as 0 when there are none", async () => {
  const lines = workloadInput("W2", 100, 5).filter((_, index) => index < 50);
  const { results } = await runOnLines(w2, lines, { parallelism: 3 });
  equal(results.at(-1), '{"late":0}');
});

/** SHA-256 of the input of seed 1, as the same generator in another language gives it. */
const DIGESTS: readonly (readonly [Workload, count: number, digest: string])[] = [
  ["W1", 1_000, "e159664d3dc7a27bddac83dd69edaa22e52555427c2defbc71998ae6f8335fd5"],
  ["W2", 5_000, "a9a0d8fc8baffff87c4c7393d3629ed635579cb2e35b7de98d19350381a270db"],
  ["W3", 3, "8a9a8e1233bc074f63322b57b2adad5c1ced5c1bfaa76bfebe78f3ddf4368355"],
  ["W4", 1_000, "110f941adf2960c943b9528905cbfc7182c36324d2b12e246758a77f82fcfd9b"],
];

Deno.test("workload input: the same bytes for a seed in any language", () => {
  for (const [workload, count, digest] of DIGESTS) {
    const text = workloadInput(workload, count, 1).map((line) => `${line}\n`).join("");
    equal(createHash("sha256").update(text).digest("hex"), digest);
  }
});
