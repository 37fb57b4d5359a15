import { deepEqual, equal, ok } from "node:assert/strict";
import { exchangeGraph, graphOf, HubWorld, JOB_ID } from "../tests/support/hub_world.ts";
import type { RegionId, SubtaskId } from "@shared/ids.ts";
import { getCheckpoint } from "./db/checkpoint_views.ts";
import { getJob } from "./db/job_store.ts";
import { getOperation } from "./db/operation_store.ts";
import { listAttempts } from "./db/region_store.ts";

const REGION = "telemetry.0" as RegionId;

interface Setup {
  readonly agents?: readonly string[];
  readonly parallelism?: number;
  readonly graph?: ReturnType<typeof graphOf>;
}

function test(title: string, run: (world: HubWorld) => Promise<void>, setup: Setup = {}): void {
  const { agents = ["a", "b"], parallelism = 1, graph = exchangeGraph() } = setup;
  Deno.test(title, async () => {
    const world = await HubWorld.open();
    try {
      for (const id of agents) await world.addAgent(id);
      await world.deploy(graph, parallelism);
      await world.allRunning();
      await run(world);
    } finally {
      await world.close();
    }
  });
}

async function regionOf(world: HubWorld) {
  return (await world.regions())[0]!;
}

/** Key ranges of the region's present attempt, as its agents were told. */
async function rangesOf(world: HubWorld) {
  const { attempt } = await regionOf(world);
  return [...world.agents.values()]
    .flatMap((agent) => agent.messages("deploy"))
    .filter((message) => message.attempt === attempt)
    .flatMap(({ subtasks }) => subtasks.map(({ keyGroups }) => keyGroups))
    .filter((range) => range !== null)
    .sort((x, y) => x[0] - y[0]);
}

test("rescale: new attempts restore the new ranges from a checkpoint taken right before (C8)", async (world) => {
  await world.completed(1);
  const before = await regionOf(world);
  const rescaled = await world.ended(await world.order("rescale", { parallelism: 3 }));
  equal(rescaled.status, "succeeded");
  const after = await regionOf(world);
  ok(after.attempt > before.attempt);
  ok(after.restoredFromId! > before.lastCompletedId!);
  const checkpoint = await getCheckpoint(world.db, JOB_ID, after.restoredFromId!);
  deepEqual([checkpoint!.trigger, checkpoint!.isSavepoint], ["rescale", false]);
  equal((await getJob(world.db, JOB_ID))!.parallelism, 3);
  deepEqual(await rangesOf(world), [[0, 42], [43, 85], [86, 127]]);
  equal(Object.keys(after.placement).length, 5);
  for (const subtaskId of ["telemetry.0", "telemetry.1", "count.0"] as SubtaskId[]) {
    equal(after.placement[subtaskId], before.placement[subtaskId], `${subtaskId} moved`);
  }
  for (const agent of world.agents.values()) {
    const released = agent.messages("completed").map(({ checkpointId }) => checkpointId);
    ok(released.includes(after.restoredFromId!), "What the checkpoint holds was not released");
  }
  const { pauseMs, parallelism } = rescaled.result as { pauseMs: number; parallelism: number };
  equal(parallelism, 3);
  ok(pauseMs >= 0 && pauseMs < 5_000, `Paused ${pauseMs} ms`);
  await world.completed(after.restoredFromId! + 1);
});

test("rescale: down again, positions go on and no id is reused (F1)", async (world) => {
  await world.completed(1);
  equal((await world.ended(await world.order("rescale", { parallelism: 1 }))).status, "succeeded");
  deepEqual(await rangesOf(world), [[0, 127]]);
  const { restoredFromId, placement } = await regionOf(world);
  equal(Object.keys(placement).length, 3);
  const position = world.agents.get("a")!.regions.get(REGION)!.position;
  ok(position >= 200, `Starts at ${position}`);
  await world.completed(restoredFromId! + 1);
}, { parallelism: 4 });

test("rescale: leaves alone what it cannot do, and says why", async (world) => {
  for (
    const [parallelism, code, status] of [
      [0, "bad-parallelism", 400],
      [2.5, "bad-parallelism", 400],
      [1, "parallelism-unchanged", 409],
    ] as const
  ) {
    const { error } = await world.ended(await world.order("rescale", { parallelism }));
    deepEqual([error?.code, error?.status], [code, status]);
  }
  await world.completed(1);
  world.agents.get("b")!.declines = "snapshot-failed";
  const failed = await world.ended(await world.order("rescale", { parallelism: 3 }));
  equal(failed.error?.code, "checkpoint-failed");
  world.agents.get("b")!.declines = null;
  await world.completed(Number((await regionOf(world)).lastCompletedId) + 1);
  deepEqual([(await regionOf(world)).attempt, (await getJob(world.db, JOB_ID))!.parallelism], [
    1,
    1,
  ]);
});

test("rescale: a job without a keyed stage has nothing to rescale", async (world) => {
  const { error } = await world.ended(await world.order("rescale", { parallelism: 3 }));
  equal(error?.code, "no-keyed-stage");
}, { graph: graphOf() });

test("rescale: an agent that does not stop is not waited for longer than 5 s (F4)", async (world) => {
  await world.completed(1);
  const deaf = world.agents.get("b")!;
  deaf.ignoresStops = true;
  const rescaled = await world.ended(await world.order("rescale", { parallelism: 2 }));
  equal(rescaled.status, "succeeded");
  const { pauseMs } = rescaled.result as { pauseMs: number };
  ok(pauseMs >= 5_000 && pauseMs < 7_000, `Paused ${pauseMs} ms`);
});

/** Phases of the operation in which the hub dies. */
for (const phase of ["waiting", "snapshot", "stopping", "restoring"]) {
  test(`rescale: a hub that dies while ${phase} finishes it (H2)`, async (world) => {
    await world.completed(1);
    const before = await regionOf(world);
    for (const agent of world.agents.values()) {
      agent.ignoresTriggers = phase === "snapshot" || phase === "waiting";
      agent.ignoresStops = phase === "stopping";
      agent.ignoresDeploys = phase === "restoring";
    }
    if (phase === "waiting") {
      const busy = await world.order("savepoint", {});
      await world.pass(400);
      ok((await getOperation(world.db, busy))!.status === "running");
    }
    const order = await world.order("rescale", { parallelism: 3 });
    await world.until(
      async () => (await getOperation(world.db, order))!.progress.phase === phase,
      `the operation is ${phase}`,
    );
    await world.stopHub();
    for (const agent of world.agents.values()) {
      agent.ignoresTriggers = agent.ignoresStops = agent.ignoresDeploys = false;
    }
    await world.startHub();
    await world.pass(1_000);
    for (const agent of world.agents.values()) agent.connect(world.sessions);
    equal((await world.ended(order)).status, "succeeded");
    await world.allRunning();
    deepEqual(await rangesOf(world), [[0, 42], [43, 85], [86, 127]]);
    const after = await regionOf(world);
    ok(after.restoredFromId! >= before.lastCompletedId!);
    await world.completed(after.restoredFromId! + 1);
    const attempts = (await listAttempts(world.db, JOB_ID, 100)).map(({ attempt }) => attempt);
    equal(new Set(attempts).size, attempts.length);
  });
}

test("rescale: a rollback to a savepoint of another parallelism restores by range (C8, L1)", async (world) => {
  await world.completed(1);
  const saved = await world.ended(await world.order("savepoint", {}));
  const { savepointId } = saved.result as { savepointId: string };
  equal((await world.ended(await world.order("rescale", { parallelism: 3 }))).status, "succeeded");
  await world.completed((await regionOf(world)).restoredFromId! + 1);
  const order = await world.order("rollback", { savepointId, allowGap: true });
  equal((await world.ended(order)).status, "succeeded");
  await world.allRunning();
  deepEqual(await rangesOf(world), [[0, 42], [43, 85], [86, 127]]);
  const { attempt, restoredFromId } = await regionOf(world);
  const keyed = [...world.agents.values()].flatMap((agent) => agent.messages("deploy"))
    .filter((message) => message.attempt === attempt)
    .filter(({ subtasks }) => subtasks.some(({ keyGroups }) => keyGroups !== null));
  for (const { restore } of keyed) {
    equal(restore!.checkpointId, restoredFromId);
    deepEqual(restore!.snapshots.map(({ subtaskId }) => subtaskId), [
      "count.0",
      "telemetry.0",
      "telemetry.1",
    ]);
  }
  await world.completed(restoredFromId! + 2);
});

test(
  "rebalance: spreads over an agent that joined, moving as little as that needs",
  async (world) => {
    const joined = await world.addAgent("c");
    await world.completed(1);
    const before = await regionOf(world);
    const done = await world.ended(await world.order("rebalance", {}));
    equal(done.status, "succeeded");
    const after = await regionOf(world);
    const moved = Object.entries(after.placement)
      .filter(([subtaskId, agentId]) => before.placement[subtaskId as SubtaskId] !== agentId);
    deepEqual(moved.map(([, agentId]) => agentId), [joined.id]);
    ok(after.restoredFromId! > before.lastCompletedId!);
    const again = await world.ended(await world.order("rebalance", {}));
    deepEqual((again.result as { regions: string[] }).regions, []);
    equal((await regionOf(world)).attempt, after.attempt);
  },
  { parallelism: 3 },
);

test(
  "rebalance: moves regions of one subtask too, and leaves the others running",
  async (world) => {
    await world.addAgent("b");
    await world.completed(1);
    deepEqual((await world.regions()).map(({ agentId }) => agentId), ["a", "a", "a", "a"]);
    equal((await world.ended(await world.order("rebalance", {}))).status, "succeeded");
    const regions = await world.regions();
    deepEqual(regions.map(({ agentId }) => agentId), ["a", "a", "b", "b"]);
    deepEqual(regions.slice(0, 2).map(({ attempt }) => attempt), [1, 1]);
  },
  { agents: ["a"], graph: graphOf(4) },
);
