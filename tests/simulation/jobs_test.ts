/**
 * Jobs under random faults, one test a seed: keys within their split, and keys through an exchange.
 *
 * `SIM_SEEDS=200 deno task test:sim` runs more seeds, `SIM_SEED=41` one of them.
 */
import { ok } from "node:assert/strict";
import { Simulation } from "./simulation.ts";

const SEEDS = Number(Deno.env.get("SIM_SEEDS") ?? 6);
const only = Deno.env.get("SIM_SEED");

for (const seed of only === undefined ? [...Array(SEEDS).keys()] : [Number(only)]) {
  for (const flow of ["local", "exchange"] as const) {
    Deno.test(`simulation: ${flow} keys, seed ${seed}: every record counts once through kills, zombies, lost disks and an absent hub (C9, M3, F4, F5)`, async () => {
      const { faults } = await Simulation.run(flow, seed);
      ok(faults.length > 5, `Only ${faults.length} faults`);
    });
  }
}
