/**
 * Hubs that die: at rest and at every named point of a checkpoint. Nothing healthy is restarted, no
 * completed checkpoint is lost, and what was pending is aborted.
 *
 * @module
 */
import { deepStrictEqual, ok } from "node:assert/strict";
import { type Scenario, withScenario } from "../support/scenario.ts";

const FAIL_POINTS = [
  "before-trigger-row:4",
  "after-trigger:4",
  "first-ack:4",
  "before-commit:4",
  "after-commit-before-notify:4",
] as const;

Deno.test("F7: hub killed at rest restarts no healthy attempt and loses no completed checkpoint (H1, F5)", () =>
  withScenario({ brokerUrl: null }, async (scenario) => {
    await scenario.startCounting();
    await scenario.untilCheckpoints(2);
    await killAndRestart(scenario, () => scenario.cluster.killHub());
    await scenario.verifyExact();
  }));

for (const failPoint of FAIL_POINTS) {
  Deno.test(`F7: hub killed at ${failPoint} (H1, C3)`, () =>
    withScenario({ brokerUrl: null, hubEnv: { FP: failPoint } }, async (scenario) => {
      await scenario.startCounting();
      await killAndRestart(scenario, () => scenario.cluster.hub.exited);
      await scenario.verifyExact();
    }));
}

Deno.test("F7: a savepoint asked for just before the hub dies still ends, once (H2)", () =>
  withScenario({ brokerUrl: null }, async (scenario) => {
    await scenario.startCounting();
    await scenario.untilCheckpoints(1);
    const operation = await scenario.api.post<{ id: string }>(
      `/jobs/${scenario.jobId}/savepoints`,
      {
        label: "before the crash",
      },
    );
    await scenario.cluster.killHub();
    await scenario.cluster.startHub();
    const ended = await scenario.until("the operation to end", async () => {
      const current = await scenario.api.operation(operation.id, 1);
      return current.status === "succeeded" || current.status === "failed" ? current : null;
    });
    deepStrictEqual(ended.status, "succeeded", JSON.stringify(ended.error));
    const savepoints = await scenario.api.list<{ status: string }>("/savepoints");
    deepStrictEqual(savepoints.filter((savepoint) => savepoint.status === "completed").length, 1);
    await scenario.verifyExact();
  }));

/** Ends the hub, starts it again, and holds what it kept against what was there. */
async function killAndRestart(scenario: Scenario, end: () => Promise<unknown>): Promise<void> {
  const attempts = await scenario.attempts().catch(() => []);
  const completed = (await scenario.checkpoints().catch(() => [])).filter((c) =>
    c.status === "completed"
  );
  await end();
  await scenario.cluster.startHub({ FP: "" });
  await scenario.untilCheckpoints(2);
  const kept = await scenario.checkpoints();
  for (const checkpoint of completed) {
    const now = kept.find((c) => c.id === checkpoint.id);
    ok(now === undefined || now.status !== "aborted", `checkpoint ${checkpoint.id} was lost`);
  }
  ok(kept.filter((c) => c.status === "pending").length <= 1, "old pending checkpoints are aborted");
  const after = await scenario.attempts();
  deepStrictEqual(
    after.map((a) => `${a.regionId}/${a.attempt}`).sort(),
    (attempts.length > 0 ? attempts : after.filter((a) => a.attempt === 1))
      .map((a) => `${a.regionId}/${a.attempt}`).sort(),
    "no healthy attempt is restarted",
  );
}
