/**
 * How long the plant waits: from SIGKILL of an agent to the first output of the new owner, and from the
 * restart of a killed hub to its next completed checkpoint. Default leases, embedded broker.
 *
 * @module
 */
import { Scenario } from "../support/scenario.ts";
import { median } from "./machine.ts";

const ROUNDS = 3;
/** Undo the short leases of the fault tests: what ships is what is measured. */
const DEFAULT_LEASES = ["--heartbeat-interval", "2s", "--lease-ttl", "6s"];

export interface RecoveryFigures {
  readonly failoverMs: number;
  readonly hubRestartMs: number;
}

export async function benchRecovery(say: (line: string) => void): Promise<RecoveryFigures> {
  const scenario = await Scenario.open({ brokerUrl: null, hubFlags: DEFAULT_LEASES });
  try {
    await scenario.startCounting();
    const failovers: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      failovers.push(await failover(scenario));
      say(`failover ${round + 1}: ${failovers.at(-1)!.toFixed(0)} ms`);
    }
    const restarts: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      restarts.push(await hubRestart(scenario));
      say(`hub restart ${round + 1}: ${restarts.at(-1)!.toFixed(0)} ms`);
    }
    await scenario.verifyExact();
    return { failoverMs: median(failovers), hubRestartMs: median(restarts) };
  } finally {
    await scenario.close();
  }
}

/** Kills an agent that runs something; the clock stops at the first output holding a later record. */
async function failover(scenario: Scenario): Promise<number> {
  await scenario.untilCheckpoints(2);
  const job = await scenario.job();
  const region = job.regions[1]!;
  const agents = await Promise.all(["agent-1", "agent-2"].map((name) => scenario.agentView(name)));
  const victim = agents.find((agent) => agent.id === region.agentId)!;
  const split = Number(region.regionId.split(".").at(-1));
  const keys = [...scenario.load.oracle.keys()].filter((key) => Number(key.slice(4)) % 2 === split);
  const before = new Map(keys.map((key) => [key, scenario.load.oracle.get(key)!.n]));
  const startMs = performance.now();
  await scenario.cluster.killAgent(victim.name);
  await scenario.until("output of the new owner", () => {
    const isNew = keys.some((key) => (scenario.totals.latest.get(key)?.n ?? 0) > before.get(key)!);
    return Promise.resolve(isNew ? true : null);
  });
  const tookMs = performance.now() - startMs;
  await scenario.untilMovedFrom(victim.id);
  await scenario.cluster.startAgent(victim.name, victim.labels);
  return tookMs;
}

async function hubRestart(scenario: Scenario): Promise<number> {
  await scenario.untilCheckpoints(1);
  const last = Math.max(...(await scenario.checkpoints()).map((checkpoint) => checkpoint.id));
  await scenario.cluster.killHub();
  const startMs = performance.now();
  await scenario.cluster.startHub();
  await scenario.until("a completed checkpoint", async () => {
    const done = (await scenario.checkpoints()).some((c) =>
      c.status === "completed" && c.id > last
    );
    return done ? true : null;
  });
  return performance.now() - startMs;
}
