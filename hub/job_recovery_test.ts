import { deepEqual, equal, ok } from "node:assert/strict";
import { eq } from "drizzle-orm";
import { graphOf, HubWorld, JOB_ID } from "../tests/support/hub_world.ts";
import type { AgentId, RegionId } from "@shared/ids.ts";
import { setDraining } from "./db/agent_store.ts";
import { listCheckpoints } from "./db/checkpoint_views.ts";
import { getJob } from "./db/job_store.ts";
import { createOperation, getOperation } from "./db/operation_store.ts";
import { checkpointRegions } from "./db/schema.ts";
import { listAttempts } from "./db/region_store.ts";
import { heldParts } from "./db/retention_store.ts";
import { listSavepoints } from "./db/savepoint_store.ts";
import type { FailPoint } from "./ports.ts";

const REGION_0 = "telemetry.0" as RegionId;

/** Ends the process at a fail point: nothing behind it happens, in this hub's life. */
class Crash extends Error {}

function test(title: string, run: (world: HubWorld) => Promise<void>): void {
  Deno.test(title, async () => {
    const world = await HubWorld.open();
    try {
      await world.addAgent("a");
      await world.addAgent("b");
      await world.deploy();
      await world.allRunning();
      await run(world);
    } finally {
      await world.close();
    }
  });
}

/** The hub dies at `point`, comes back after a while, and its agents find it. */
async function crashAt(world: HubWorld, point: FailPoint): Promise<void> {
  let hasCrashed = false;
  world.failPoint = (name) => {
    if (name !== point && !hasCrashed) return;
    hasCrashed = true;
    throw new Crash(point);
  };
  await world.until(() => hasCrashed, `the hub reaches ${point}`);
  await restart(world);
}

async function restart(world: HubWorld): Promise<void> {
  await world.stopHub();
  world.failPoint = () => {};
  await world.startHub();
  await world.pass(1_000);
  for (const agent of world.agents.values()) agent.connect(world.sessions);
}

const POINTS: FailPoint[] = [
  "before-trigger-row",
  "after-trigger",
  "first-ack",
  "before-commit",
  "after-commit-before-notify",
];
for (const point of POINTS) {
  test(`recovery: a hub that dies at ${point} restarts no attempt and goes on (F7, H1)`, async (world) => {
    await world.completed(1);
    const kept = (await world.regions()).map(({ lastCompletedId }) => lastCompletedId!);
    await crashAt(world, point);
    const [newest] = await listCheckpoints(world.db, JOB_ID, { limit: 1, beforeId: null });
    await world.completed(newest!.id + 1);
    const regions = await world.regions();
    deepEqual(regions.map(({ attempt }) => attempt), [1, 1]);
    ok(regions.every(({ lastCompletedId }, i) => lastCompletedId! > kept[i]!));
    for (const agent of world.agents.values()) {
      for (const [regionId, { lastCompletedId }] of agent.regions) {
        const row = regions.find((region) => region.regionId === regionId)!;
        equal(lastCompletedId, row.lastCompletedId, "A completion was never told");
      }
    }
  });
}

test("recovery: agents that find a restarted hub late, within lease and grace, lose nothing (F5)", async (world) => {
  await world.completed(1);
  await world.stopHub();
  await world.pass(60_000);
  await world.startHub();
  await world.pass(7_400);
  for (const agent of world.agents.values()) agent.connect(world.sessions);
  const [newest] = await listCheckpoints(world.db, JOB_ID, { limit: 1, beforeId: null });
  await world.completed(newest!.id + 1);
  deepEqual((await world.regions()).map(({ attempt }) => attempt), [1, 1]);
});

test("recovery: what waits when the hub starts is spread over the agents, not given to the first", async (world) => {
  await world.stopHub();
  for (const agent of world.agents.values()) agent.kill();
  await world.startHub();
  world.agents.get("b")!.connect(world.sessions);
  await world.pass(2_000);
  deepEqual((await world.regions()).map(({ agentId }) => agentId), ["a", null]);
  world.agents.get("a")!.connect(world.sessions);
  await world.allRunning();
  deepEqual((await world.regions()).map(({ agentId }) => agentId), ["a", "b"]);
});

for (const awayMs of [1_000, 20_000]) {
  test(`recovery: a stop whose hub dies behind its savepoint releases it before it stops an agent that comes after ${awayMs} ms (K2, L3)`, async (world) => {
    await world.completed(1);
    const order = await world.order("stop", { savepoint: true });
    for (const agent of world.agents.values()) agent.ignoresStops = true;
    await world.until(
      async () => (await getJob(world.db, JOB_ID))!.desiredState === "stopped",
      "the stop is durable",
    );
    await world.stopHub();
    for (const agent of world.agents.values()) {
      agent.ignoresStops = false;
      agent.received.length = 0;
    }
    await world.startHub();
    await world.pass(awayMs);
    for (const agent of world.agents.values()) agent.connect(world.sessions);
    equal((await world.ended(order)).status, "succeeded");
    await world.pass(1_000);
    for (const agent of world.agents.values()) {
      equal(agent.regions.size, 0);
      const kinds = agent.received.map(({ kind }) => kind);
      ok(kinds.includes("completed") && kinds.indexOf("completed") < kinds.indexOf("stop"));
      equal(agent.messages("completed").at(-1)!.isSavepoint, false);
    }
  });
}

test("recovery: a rollback goes on after a crash behind its transaction (H2)", async (world) => {
  await world.completed(1);
  const saved = await world.ended(await world.order("savepoint", {}));
  const savepoint = saved.result as { savepointId: string };
  await world.completed(Number((await world.regions())[0]!.lastCompletedId) + 1);
  for (const agent of world.agents.values()) agent.ignoresDeploys = true;
  const order = await world.order("rollback", { ...savepoint, allowGap: true });
  await world.until(async () => {
    const operation = await getOperation(world.db, order);
    return operation?.progress.phase === "restoring";
  }, "the rollback is committed");
  for (const agent of world.agents.values()) agent.ignoresDeploys = false;
  await restart(world);
  const done = await world.ended(order);
  equal(done.status, "succeeded");
  equal((done.result as { lineage: number }).lineage, 2);
});

test("recovery: an operation stored while the hub was away is carried out (H2)", async (world) => {
  await world.completed(1);
  await world.stopHub();
  const nowMs = world.clock.nowMs();
  const request = { savepoint: true, drain: false };
  const row = { id: "late", kind: "stop", jobId: JOB_ID, agentId: null, request } as const;
  await createOperation(world.db, { ...row, createdBy: "test", nowMs });
  await restart(world);
  const stopped = await world.ended("late");
  equal(stopped.status, "succeeded");
  const [savepoint] = await listSavepoints(world.db, { limit: 1, beforeId: null, jobId: JOB_ID });
  equal(savepoint!.status, "completed");
  deepEqual(stopped.result, {
    outcome: "stopped",
    savepointId: savepoint!.id,
    uncommittedRegions: [],
  });
});

test("recovery: regions leave an agent that drains, restored elsewhere from their last checkpoint", async (world) => {
  await world.completed(1);
  const nowMs = world.clock.nowMs();
  const agentId = "a" as AgentId;
  const row = { id: "drain", kind: "drain", jobId: null, agentId, request: {} } as const;
  await createOperation(world.db, { ...row, createdBy: "test", nowMs });
  await setDraining(world.db, agentId, true);
  world.loops.fleetChanged();
  equal((await world.ended("drain")).status, "succeeded");
  await world.allRunning();
  const regions = await world.regions();
  deepEqual(regions.map((region) => region.agentId), ["b", "b"]);
  equal(regions[0]!.restoredFromId! >= 1, true);
  equal(world.agents.get("a")!.regions.size, 0);
});

test("recovery: a move that a crash of the hub interrupts is finished", async (world) => {
  await world.completed(1);
  const agent = world.agents.get("a")!;
  agent.ignoresStops = true;
  await setDraining(world.db, agent.id, true);
  world.loops.fleetChanged();
  await world.until(
    async () => (await world.regions())[0]!.status === "stopping",
    "the region is asked to stop",
  );
  await restart(world);
  await world.allRunning();
  deepEqual((await world.regions()).map((region) => region.agentId), ["b", "b"]);
});

test("recovery: a database that is away for a while costs no attempt and no checkpoint (F10, F11)", async (world) => {
  await world.completed(1);
  await world.stopHub();
  let isAway = false;
  world.wrapDb = (db) =>
    new Proxy(db, {
      get(target, name) {
        if (isAway) throw new Error("Connection refused");
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  await world.startHub();
  for (const agent of world.agents.values()) agent.connect(world.sessions);
  await world.pass(1_000);
  isAway = true;
  const backMs = world.clock.monotonicMs() + 60_000;
  await world.pump(() => world.clock.monotonicMs() > backMs, "a minute has passed");
  isAway = false;
  await world.pump(() => world.clock.monotonicMs() > backMs + 3_000, "the hub has noticed");
  const [newest] = await listCheckpoints(world.db, JOB_ID, { limit: 1, beforeId: null });
  await world.completed(newest!.id + 1);
  deepEqual((await world.regions()).map(({ attempt }) => attempt), [1, 1]);
});

test("recovery: an agent that restarted empty gets its region back at once, under a new attempt", async (world) => {
  await world.completed(1);
  const agent = world.agents.get("a")!;
  agent.kill();
  agent.connect(world.sessions);
  await world.pass(1_000);
  const region = (await world.regions())[0]!;
  deepEqual([region.attempt, region.status], [2, "running"]);
  const causes = (await listAttempts(world.db, JOB_ID, 10)).map(({ cause }) => cause);
  ok(causes.includes("agent-restarted"));
});

test("recovery: a broken connection alone restarts nothing (F4)", async (world) => {
  await world.completed(1);
  const agent = world.agents.get("a")!;
  agent.disconnect();
  await world.pass(3_000);
  agent.connect(world.sessions);
  const [newest] = await listCheckpoints(world.db, JOB_ID, { limit: 1, beforeId: null });
  await world.completed(newest!.id + 1);
  deepEqual((await world.regions()).map(({ attempt }) => attempt), [1, 1]);
});

test("recovery: a failing region backs off longer each time (F46)", async (world) => {
  const fail = () => {
    const agent = [...world.agents.values()].find(({ regions }) => regions.has(REGION_0))!;
    const { jobId, regionId, attempt } = agent.regions.get(REGION_0)!;
    agent.regions.delete(REGION_0);
    const about = { kind: "status", jobId, regionId, attempt, isRetryable: true } as const;
    agent.say({ ...about, status: "failed", reason: "It broke" });
  };
  const pauses: number[] = [];
  for (let round = 0; round < 3; round++) {
    fail();
    await world.idle();
    const { notBeforeMs, status } = (await world.regions())[0]!;
    equal(status, "backing-off");
    pauses.push(notBeforeMs! - world.clock.nowMs());
    await world.allRunning();
  }
  ok(pauses[0]! >= 800 && pauses[0]! <= 1_200, `${pauses}`);
  ok(pauses[2]! > 2 * pauses[0]!, `${pauses}`);
  equal((await world.regions())[1]!.attempt, 1);
});

test("recovery: only the retained checkpoints and the savepoints hold their parts (L2)", async (world) => {
  const saved = await world.ended(await world.order("savepoint", {}));
  equal(saved.status, "succeeded");
  const [savepoint] = await listSavepoints(world.db, { limit: 1, beforeId: null, jobId: JOB_ID });
  await world.completed(savepoint!.checkpointId + 6);
  const held = (await heldParts(world.db, JOB_ID)).filter(({ regionId }) => regionId === REGION_0);
  equal(held.filter(({ isSavepoint }) => !isSavepoint).length, 3);
  deepEqual(
    held.filter(({ isSavepoint }) => isSavepoint).map(({ checkpointId }) => checkpointId),
    [savepoint!.checkpointId],
  );
});

test("recovery: an acknowledgement of blobs that are not stored is a decline (C1)", async (world) => {
  await world.completed(1);
  const stat = world.objects.stat.bind(world.objects);
  world.objects.stat = (digest) => stat(digest).then((found) => found && { ...found, bytes: 1 });
  const lastId = (await world.regions())[0]!.lastCompletedId!;
  await world.pass(12_000);
  equal((await world.regions())[0]!.lastCompletedId, lastId);
  const reasons = (await world.db.select().from(checkpointRegions)
    .where(eq(checkpointRegions.status, "aborted"))).map(({ reason }) => reason);
  deepEqual([...new Set(reasons)], ["upload-failed"]);
  world.objects.stat = stat;
  await world.completed(lastId + 3);
});

Deno.test("recovery: a rollback of one agent's regions leaves the others running", async () => {
  const world = await HubWorld.open();
  await world.addAgent("a");
  await world.addAgent("b");
  await world.deploy(graphOf(2));
  await world.allRunning();
  await world.completed(1);
  const saved = await world.ended(await world.order("savepoint", {}));
  const { savepointId } = saved.result as { savepointId: string };
  await world.completed(Number((await world.regions())[0]!.lastCompletedId) + 1);
  const request = { savepointId, agents: "a", allowGap: true };
  equal((await world.ended(await world.order("rollback", request))).status, "succeeded");
  const [first, second] = await world.regions();
  deepEqual([second!.attempt, second!.agentId], [1, "b"]);
  ok(first!.attempt > 1);
  await world.close();
});
