/**
 * Savepoints and rollbacks on a whole Penstock, with crashes between.
 *
 * @module
 */
import { deepStrictEqual, ok, rejects } from "node:assert/strict";
import type { OperationView } from "@shared/api.ts";
import type { CheckpointView, GapView, RollbackPlan, SavepointView } from "@shared/job_api.ts";
import type { KeyStateView, SavepointDiff } from "@shared/state_api.ts";
import { CliError } from "../../tools/cli/hub_api.ts";
import { type Scenario, withScenario } from "../support/scenario.ts";

Deno.test("F36: a savepoint releases nothing, and a crash recovers from a checkpoint (C9, K2)", () =>
  withScenario({ brokerUrl: null }, async (scenario) => {
    await scenario.startCounting();
    await scenario.untilCheckpoints(2);
    const savepointId = await takeSavepoint(scenario);
    const savepoint = await scenario.api.get<SavepointView>(`/savepoints/${savepointId}`);
    deepStrictEqual(savepoint.status, "completed");
    const victim = await scenario.agentView("agent-2");
    await scenario.cluster.killAgent("agent-2");
    const job = await scenario.untilMovedFrom(victim.id);
    for (const region of job.regions.filter((r) => r.attempt > 1)) {
      const base = await scenario.api.get<CheckpointView>(
        `/jobs/${scenario.jobId}/checkpoints/${region.restoredFromId}`,
      );
      ok(!base.isSavepoint, "recovery takes a checkpoint");
    }
    await scenario.untilCheckpoints(1);
    await scenario.verifyExact();
  }));

Deno.test("F37: rollback needs consent to its gap, then state and gap account for every record (P4, L1)", () =>
  withScenario({ brokerUrl: null }, async (scenario) => {
    await scenario.startCounting();
    await scenario.untilCheckpoints(2);
    const savepointId = await takeSavepoint(scenario);
    await scenario.untilCheckpoints(2);
    await scenario.load.pause();
    await scenario.untilCheckpoints(2);

    const path = `/jobs/${scenario.jobId}/rollbacks`;
    const body = { savepointId, reason: "test" };
    const plan = await scenario.api.post<RollbackPlan>(path, {
      ...body,
      allowGap: false,
      dryRun: true,
    });
    ok(plan.needsAllowGap && plan.gaps.length === 2, "both splits went on after the savepoint");
    const refused = scenario.api.post(path, { ...body, allowGap: false, dryRun: false });
    await rejects(refused, (error: CliError) => error.problem?.code === "gap-needs-consent");

    const first = await rollBack(scenario, savepointId);
    ok(Number(first.result?.["lineage"]) > 1, "a rollback starts a lineage");

    // Every key gets records again, so that every total shows the state after the rollback.
    scenario.load.run();
    await scenario.untilCheckpoints(2);
    await scenario.load.pause();
    await scenario.untilCheckpoints(1);
    await verifyWithGap(scenario);
  }));

Deno.test("F37: the same savepoint twice, while checkpoints complete; one lineage wins each time (L1)", () =>
  withScenario({ brokerUrl: null }, async (scenario) => {
    await scenario.startCounting();
    await scenario.untilCheckpoints(1);
    const savepointId = await takeSavepoint(scenario);
    await scenario.untilCheckpoints(1);
    const lineages: number[] = [];
    for (let round = 0; round < 2; round++) {
      const done = await rollBack(scenario, savepointId);
      lineages.push(Number(done.result?.["lineage"]));
      await scenario.untilCheckpoints(1);
    }
    deepStrictEqual(lineages, [2, 3]);
    const ids = (await scenario.checkpoints()).map((checkpoint) => checkpoint.id);
    deepStrictEqual(new Set(ids).size, ids.length, "no id is used twice (F1)");
    const savepoint = await scenario.api.get<SavepointView>(`/savepoints/${savepointId}`);
    const old = (await scenario.checkpoints()).filter((c) =>
      c.lineage < 3 && c.status === "completed" && !c.isSavepoint && c.id > savepoint.checkpointId
    );
    deepStrictEqual(old, [], "newer checkpoints of an old lineage are abandoned");
    const victim = await scenario.agentView("agent-2");
    await scenario.cluster.killAgent("agent-2");
    const job = await scenario.untilMovedFrom(victim.id);
    for (const region of job.regions) {
      const base = (await scenario.checkpoints()).find((c) => c.id === region.restoredFromId);
      ok(
        base === undefined || base.lineage === 3 || base.isSavepoint,
        "recovery stays in the lineage",
      );
    }
  }));

Deno.test("F36: a savepoint that is the only recovery base cannot be deleted (L2)", () =>
  withScenario({ brokerUrl: null, hubFlags: ["--checkpoint-interval", "1h"] }, async (scenario) => {
    await scenario.startCounting();
    const savepointId = await takeSavepoint(scenario);
    await scenario.load.pause();
    await rollBack(scenario, savepointId);
    const refused = scenario.api.delete(`/savepoints/${savepointId}`);
    await rejects(refused, (error: CliError) => error.exitCode === 4);
  }));

Deno.test("stop with savepoint, then start from it: every record counted once (L3, K2)", () =>
  withScenario({ brokerUrl: null }, async (scenario) => {
    await scenario.startCounting();
    await scenario.untilCheckpoints(2);
    const stop = await scenario.api.post<OperationView>(`/jobs/${scenario.jobId}/stop`, {
      savepoint: true,
      drain: false,
    });
    const stopped = await scenario.ended(stop);
    const savepointId = stopped.result?.["savepointId"];
    ok(typeof savepointId === "string", "the stop says where its savepoint is");
    deepStrictEqual(stopped.result?.["outcome"], "stopped");
    deepStrictEqual((await scenario.job()).status, "stopped");

    // Records go on coming while nobody reads: the broker keeps them in the sessions of the old job.
    const acknowledged = scenario.load.acknowledged;
    await scenario.until(
      "records that nobody reads",
      () => Promise.resolve(scenario.load.acknowledged > acknowledged + 1_000 ? true : null),
    );
    await scenario.redeploy({ fromSavepoint: savepointId, claim: true });
    await scenario.untilCheckpoints(2);
    await scenario.verifyExact();

    const key = scenario.totals.latest.keys().next().value!;
    const live = await scenario.api.get<KeyStateView>(
      `/jobs/${scenario.jobId}/state/total?key=${key}`,
    );
    deepStrictEqual(
      (Object.values(live.states)[0] as { n: number }).n,
      scenario.totals.latest.get(key)!.n,
      "what the agent answers is what left the sink",
    );
    const later = await takeSavepoint(scenario);
    const saved = await scenario.api.get<KeyStateView>(
      `/jobs/${scenario.jobId}/state/total?key=${key}&savepoint=${later}`,
    );
    deepStrictEqual(saved.states, live.states);
    const diff = await scenario.api.get<SavepointDiff>(
      `/savepoints/${later}/diff?against=${later}`,
    );
    deepStrictEqual(diff.items, []);
    ok(diff.operators[0]!.unchanged > 0);
  }));

async function takeSavepoint(scenario: Scenario): Promise<string> {
  const operation = await scenario.api.post<OperationView>(
    `/jobs/${scenario.jobId}/savepoints`,
    {},
  );
  return String((await scenario.ended(operation)).result!["savepointId"]);
}

async function rollBack(scenario: Scenario, savepointId: string): Promise<OperationView> {
  const operation = await scenario.api.post<OperationView>(`/jobs/${scenario.jobId}/rollbacks`, {
    savepointId,
    allowGap: true,
    dryRun: false,
    reason: "test",
  });
  return await scenario.ended(operation);
}

/** What is counted and what the gaps name make up everything that was published. */
async function verifyWithGap(scenario: Scenario): Promise<void> {
  const gaps = await scenario.api.list<GapView>(`/jobs/${scenario.jobId}/gaps`);
  const lost = gaps.reduce((sum, gap) => sum + (gap.records ?? 0), 0);
  const published = scenario.load.acknowledged;
  await scenario.until("counts and gap to add up", () => {
    return Promise.resolve(scenario.totals.counted + lost === published ? true : null);
  }).catch((cause) => {
    throw new Error(`published ${published}, counted ${scenario.totals.counted}, gap ${lost}`, {
      cause,
    });
  });
}
