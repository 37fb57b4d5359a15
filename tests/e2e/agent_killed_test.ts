/**
 * Agents that die: at rest and at every named point of a checkpoint and of a restore.
 *
 * In each case the oracle must hold: every key's count and sum as acknowledged to the publisher.
 *
 * @module
 */
import { notStrictEqual, ok } from "node:assert/strict";
import { pauseMs, type Scenario, withScenario } from "../support/scenario.ts";
import { withBrokers } from "../support/brokers.ts";

/** Points of F2, in the order a checkpoint passes them. */
const FAIL_POINTS = [
  "barrier-before-snapshot:2",
  "barrier-after-snapshot:2",
  "upload-started:2",
  "uploaded-before-ack:2",
  "after-ack:2",
  "completed-received-agent:2",
  "completed-received:2",
  "pubacks-partly-written:2",
] as const;

withBrokers(
  "F1: agent killed between checkpoints, its region moves and nothing is counted twice",
  (brokerUrl) =>
    withScenario({ brokerUrl }, async (scenario) => {
      await scenario.startCounting();
      await scenario.untilCheckpoints(2);
      const victim = await scenario.agentView("agent-2");
      ok(victim.regions.length > 0, "the victim must run something");
      await scenario.cluster.killAgent("agent-2");
      const job = await scenario.untilMovedFrom(victim.id);
      ok(job.regions.some((region) => region.attempt > 1), "a region has a new attempt");
      await scenario.untilCheckpoints(1);
      await scenario.cluster.startAgent("agent-2", { line: "2" });
      await scenario.verifyExact();
    }),
);

for (const failPoint of FAIL_POINTS) {
  withBrokers(
    `F2: agent killed at ${failPoint}`,
    (brokerUrl) =>
      withScenario({ brokerUrl, agentEnv: { "agent-2": { FP: failPoint } } }, async (scenario) => {
        const victim = await scenario.agentView("agent-2");
        await scenario.startCounting();
        await scenario.cluster.agent("agent-2").exited;
        await scenario.untilMovedFrom(victim.id);
        await scenario.untilCheckpoints(1);
        await scenario.verifyExact();
      }),
  );
}

for (const failPoint of ["restore-half-loaded:1", "restored-before-run:1"] as const) {
  withBrokers(`F2: new owner killed at ${failPoint} of its restore`, (brokerUrl) =>
    withScenario({
      brokerUrl,
      agents: { "agent-1": { line: "1" }, "agent-2": { line: "2" } },
    }, async (scenario) => {
      await scenario.startCounting();
      await scenario.untilCheckpoints(2);
      const first = await scenario.agentView("agent-2");
      await scenario.cluster.startAgent("agent-3", { line: "2" }, { FP: failPoint });
      await scenario.cluster.killAgent("agent-2");
      await scenario.cluster.agent("agent-3").exited;
      await scenario.untilMovedFrom(first.id);
      await scenario.untilCheckpoints(1);
      await scenario.verifyExact();
    }));
}

withBrokers(
  "F3: a frozen agent that wakes up as a zombie is refused and comes back empty",
  (brokerUrl) =>
    withScenario({ brokerUrl }, async (scenario) => {
      await scenario.startCounting();
      await scenario.untilCheckpoints(2);
      const zombie = await scenario.agentView("agent-2");
      const before = await regionsOf(scenario, zombie.id);
      scenario.cluster.agent("agent-2").signal("SIGSTOP");
      await scenario.untilMovedFrom(zombie.id);
      await scenario.untilCheckpoints(2);
      scenario.cluster.agent("agent-2").signal("SIGCONT");
      await scenario.until("the zombie to rejoin", async () => {
        const view = await scenario.agentView("agent-2");
        return view.status === "online" && view.regions.length === 0 ? view : null;
      });
      await pauseMs(2000);
      const attempts = await scenario.attempts();
      for (const regionId of before) {
        const count = attempts.filter((attempt) => attempt.regionId === regionId).length;
        ok(count <= 2, `no ping-pong: ${regionId} had ${count} attempts`);
      }
      await scenario.untilCheckpoints(1);
      await scenario.verifyExact();
      notStrictEqual(before.length, 0);
    }),
);

async function regionsOf(scenario: Scenario, agentId: string): Promise<string[]> {
  const job = await scenario.job();
  return job.regions.filter((region) => region.agentId === agentId).map((region) =>
    region.regionId
  );
}
