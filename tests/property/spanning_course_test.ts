/** A region over several agents, through courses of faults, drains and rescales that nobody chose by hand. */
import fc from "fast-check";
import { deepEqual, equal } from "node:assert/strict";
import { assert } from "@shared/assert.ts";
import type { AgentId, RegionId } from "@shared/ids.ts";
import { planRegions } from "@shared/regions.ts";
import { setDraining } from "../../hub/db/agent_store.ts";
import { getJob } from "../../hub/db/job_store.ts";
import { listAttempts } from "../../hub/db/region_store.ts";
import { checkpointRegions } from "../../hub/db/schema.ts";
import { exchangeGraph, HubWorld, JOB_ID } from "../support/hub_world.ts";

const REGION = "telemetry.0" as RegionId;
const IDS = ["a", "b", "c"];
const RUNS = 10;

type Step =
  | { readonly kind: "restart" | "vanish" | "cutOff" | "drain"; readonly id: string }
  | { readonly kind: "hubDies" | "rebalance" }
  | { readonly kind: "rescale"; readonly parallelism: number };

const step: fc.Arbitrary<{ readonly step: Step; readonly thenMs: number }> = fc.record({
  step: fc.oneof(
    fc.record({
      kind: fc.constantFrom("restart" as const, "vanish" as const, "cutOff" as const),
      id: fc.constantFrom(...IDS),
    }),
    fc.record({ kind: fc.constant("drain" as const), id: fc.constantFrom(...IDS) }),
    fc.record({ kind: fc.constantFrom("hubDies" as const, "rebalance" as const) }),
    fc.record({
      kind: fc.constant("rescale" as const),
      parallelism: fc.integer({ min: 1, max: 5 }),
    }),
  ),
  thenMs: fc.constantFrom(0, 200, 1_000, 7_000),
});

async function take(world: HubWorld, what: Step): Promise<void> {
  switch (what.kind) {
    case "restart":
      world.agents.get(what.id)!.kill();
      return world.agents.get(what.id)!.connect(world.sessions);
    case "vanish":
      return world.agents.get(what.id)!.kill();
    case "cutOff":
      return world.agents.get(what.id)!.disconnect();
    case "drain":
      await setDraining(world.db, what.id, true);
      return world.loops.fleetChanged();
    case "hubDies":
      await world.stopHub();
      await world.startHub();
      for (const agent of world.agents.values()) agent.connect(world.sessions);
      return;
    case "rebalance":
    case "rescale": {
      const request = what.kind === "rescale" ? { parallelism: what.parallelism } : {};
      return void await world.order(what.kind, request);
    }
  }
}

/** Everybody is back, nobody drains, time passes. */
async function heal(world: HubWorld): Promise<void> {
  for (const agent of world.agents.values()) {
    await setDraining(world.db, agent.id, false);
    agent.disconnect();
    agent.connect(world.sessions);
  }
  world.loops.fleetChanged();
  await world.pass(3_000);
  await world.until(async () => {
    const [region] = await world.regions();
    return region!.status === "running";
  }, "the region runs");
  await world.completed(Number((await world.regions())[0]!.lastCompletedId ?? 0) + 2);
}

/** The agents run exactly the plan, under one attempt, where the database says. */
async function checkWhole(world: HubWorld): Promise<void> {
  const [region] = await world.regions();
  const { graph, parallelism } = (await getJob(world.db, JOB_ID))!;
  const [plan] = planRegions(graph, parallelism);
  const running = [...world.agents.values()].flatMap(({ id, regions }) => {
    const mine = regions.get(REGION);
    if (mine === undefined) return [];
    equal(mine.attempt, region!.attempt, `${id} runs an attempt that is over`);
    return mine.subtasks.map(({ subtaskId, keyGroups }) => ({ id, subtaskId, keyGroups }));
  });
  deepEqual(
    running.map(({ subtaskId }) => subtaskId as string).sort(),
    plan!.subtasks.map(({ subtaskId }) => subtaskId as string).sort(),
  );
  for (const { id, subtaskId, keyGroups } of running) {
    equal(region!.placement[subtaskId], id as AgentId);
    deepEqual(keyGroups, plan!.subtasks.find((one) => one.subtaskId === subtaskId)!.keyGroups);
  }
}

/** No attempt twice (F1); each completed part holds every key group once (C2, S1). */
async function checkHistory(world: HubWorld): Promise<void> {
  const attempts = (await listAttempts(world.db, JOB_ID, 1_000)).map(({ attempt }) => attempt);
  equal(new Set(attempts).size, attempts.length, "An attempt was given out twice");
  for (const part of await world.db.select().from(checkpointRegions)) {
    if (part.status !== "completed" || part.snapshots === null) continue;
    const groups = part.snapshots.flatMap(({ pieces }) => pieces)
      .flatMap(({ sections }) => sections.filter(({ kind }) => kind === "keyed"))
      .flatMap((section) => section.groups)
      .sort((x, y) => x[0] - y[0]);
    let next = 0;
    for (const [from, to] of groups) {
      assert(from === next, `Checkpoint ${part.checkpointId}: group ${from} follows ${next - 1}`);
      next = to + 1;
    }
    equal(next, 128, `Checkpoint ${part.checkpointId} holds key groups up to ${next - 1}`);
    equal(part.snapshots.flatMap(({ splits }) => splits).length, 2);
  }
}

Deno.test("a region over several agents comes back whole, under one attempt, after any course of faults (C2, F1, F3)", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 7 }), async (course) => {
      const world = await HubWorld.open();
      try {
        for (const id of IDS) await world.addAgent(id);
        await world.deploy(exchangeGraph(), 3);
        await world.allRunning();
        for (const { step: what, thenMs } of course) {
          await take(world, what);
          await world.pass(thenMs);
        }
        await heal(world);
        await checkWhole(world);
        await checkHistory(world);
      } finally {
        await world.close();
      }
    }),
    { numRuns: RUNS },
  );
});
