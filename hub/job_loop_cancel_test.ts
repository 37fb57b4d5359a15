import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { JobId } from "@shared/ids.ts";
import { HubWorld, JOB_ID } from "../tests/support/hub_world.ts";
import { listCheckpoints } from "./db/checkpoint_views.ts";
import { getJob } from "./db/job_store.ts";
import { getOperation } from "./db/operation_store.ts";

function test(title: string, run: (world: HubWorld) => Promise<void>): void {
  Deno.test(title, async () => {
    const world = await HubWorld.open();
    try {
      await world.addAgent("a");
      await world.addAgent("b");
      await world.deploy();
      await world.allRunning();
      await world.completed(1);
      await run(world);
    } finally {
      await world.close();
    }
  });
}

const cancel = (world: HubWorld, id: string) => world.loops.cancelOperation(JOB_ID as JobId, id);

async function phaseOf(world: HubWorld, id: string): Promise<string> {
  return (await getOperation(world.db, id))!.progress.phase;
}

test("cancel of an operation: a savepoint under way is aborted, and checkpoints go on", async (world) => {
  for (const agent of world.agents.values()) agent.ignoresTriggers = true;
  const order = await world.order("savepoint", { label: null });
  await world.until(async () => await phaseOf(world, order) === "snapshot", "the savepoint began");
  deepEqual(await cancel(world, order), { kind: "cancelled" });
  const operation = await getOperation(world.db, order);
  deepEqual([operation!.status, operation!.progress.phase], ["cancelled", "cancelled"]);
  const ended = world.events.filter(({ type }) => type === "operation.ended").at(-1);
  deepEqual([ended!.body["operationId"], ended!.body["status"]], [order, "cancelled"]);
  for (const agent of world.agents.values()) agent.ignoresTriggers = false;
  const known = (await world.regions()).map(({ lastCompletedId }) => lastCompletedId!);
  await world.completed(Math.max(...known) + 1);
  const savepoints = (await listCheckpoints(world.db, JOB_ID, {
    limit: 50,
    beforeId: null,
  })).filter(({ isSavepoint }) => isSavepoint);
  deepEqual(savepoints.map(({ status }) => status), ["aborted"]);
  equal((await getOperation(world.db, order))!.status, "cancelled", "it stays so");
});

test("cancel of an operation: a stop that waits for its savepoint leaves the job running", async (world) => {
  for (const agent of world.agents.values()) agent.ignoresTriggers = true;
  const order = await world.order("stop", { savepoint: true, drain: false });
  await world.until(async () => await phaseOf(world, order) === "snapshot", "the savepoint began");
  deepEqual(await cancel(world, order), { kind: "cancelled" });
  for (const agent of world.agents.values()) agent.ignoresTriggers = false;
  await world.pass(10_000);
  equal((await getJob(world.db, JOB_ID))!.desiredState, "running");
  ok((await world.regions()).every(({ status }) => status === "running"));
});

test("cancel of an operation: twice is the same as once", async (world) => {
  for (const agent of world.agents.values()) agent.ignoresTriggers = true;
  const order = await world.order("savepoint", { label: null });
  deepEqual(await cancel(world, order), { kind: "cancelled" });
  deepEqual(await cancel(world, order), { kind: "cancelled" });
});

test("cancel of an operation: what stops regions already goes on, with the reason", async (world) => {
  for (const agent of world.agents.values()) agent.ignoresStops = true;
  const order = await world.order("stop", { savepoint: false, drain: false });
  await world.until(async () => await phaseOf(world, order) === "stopping", "regions are stopped");
  const verdict = await cancel(world, order);
  equal(verdict.kind, "refused");
  match(verdict.kind === "refused" ? verdict.detail : "", /stops regions already/);
  equal((await getOperation(world.db, order))!.status, "running");
});

test("cancel of an operation: one that ended is refused", async (world) => {
  const order = await world.order("savepoint", { label: null });
  equal((await world.ended(order)).status, "succeeded");
  const verdict = await cancel(world, order);
  equal(verdict.kind === "refused" && verdict.code, "operation-ended");
});
