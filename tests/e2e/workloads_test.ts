/**
 * The four workloads deployed to two agents over Mosquitto, with a checkpoint each second and agents that
 * are killed: what they give is what the oracle says.
 *
 * @module
 */
import { startMosquitto } from "../support/mosquitto.ts";
import { pauseMs, type Scenario, withScenario } from "../support/scenario.ts";
import type { Workload } from "../support/workload_input.ts";
import { verifyWorkload } from "../support/workload_scenario.ts";

const SEED = 7;
/** Records, or rounds of 50 messages of W3, and how fast they are published. */
const LOADS: Readonly<Record<Workload, { count: number; recordsPerSecond: number }>> = {
  W1: { count: 30_000, recordsPerSecond: 2_000 },
  W2: { count: 80_000, recordsPerSecond: 5_000 },
  W3: { count: 60, recordsPerSecond: 200 },
  W4: { count: 40_000, recordsPerSecond: 2_500 },
};

for (const workload of ["W1", "W2", "W3", "W4"] as const) {
  for (const parallelism of [1, 3]) {
    Deno.test(`workload ${workload}: agents are killed and nothing is lost or twice, parallelism ${parallelism}`, async () => {
      const broker = await startMosquitto();
      try {
        await withScenario({ brokerUrl: broker.url }, (scenario) =>
          verifyWorkload(scenario, {
            workload,
            ...LOADS[workload],
            seed: SEED,
            parallelism,
            faults: killBoth,
          }));
      } finally {
        await broker.stop();
      }
    });
  }
}

/** Kills one agent after the other, each when the job runs again. */
async function killBoth(scenario: Scenario): Promise<void> {
  for (const [name, line] of [["agent-2", "2"], ["agent-1", "1"]] as const) {
    await scenario.untilCheckpoints(2);
    await scenario.cluster.killAgent(name);
    await pauseMs(3_000);
    await scenario.cluster.startAgent(name, { line });
    await scenario.until("the job to run again", async () => {
      const job = await scenario.job();
      return job.regions.every((region) => region.status === "running") ? job : null;
    });
  }
}
