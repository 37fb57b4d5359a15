import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { and, eq } from "drizzle-orm";
import { HubWorld, JOB_ID } from "../tests/support/hub_world.ts";
import type { Attempt, CheckpointId, RegionId } from "@shared/ids.ts";
import type { Db } from "./db/client.ts";
import { listGaps } from "./db/gap_store.ts";
import { listAttempts } from "./db/region_store.ts";
import { listSavepoints } from "./db/savepoint_store.ts";
import { getCheckpoint, listCheckpoints } from "./db/checkpoint_views.ts";
import { getJob } from "./db/job_store.ts";
import { blobRefs, checkpointRegions } from "./db/schema.ts";

const REGION_0 = "telemetry.0" as RegionId;
const REGION_1 = "telemetry.1" as RegionId;

async function runningJob(agents: readonly string[] = ["a", "b"]): Promise<HubWorld> {
  const world = await HubWorld.open();
  for (const id of agents) await world.addAgent(id);
  await world.deploy();
  await world.allRunning();
  return world;
}

function test(title: string, run: (world: HubWorld) => Promise<void>, agents?: string[]): void {
  Deno.test(title, async () => {
    const world = await runningJob(agents);
    try {
      await run(world);
    } finally {
      await world.close();
    }
  });
}

test("job loop: a deployment spreads the regions and starts each only after it restored (C8)", async (world) => {
  const regions = await world.regions();
  deepEqual(regions.map(({ agentId }) => agentId), ["a", "b"]);
  deepEqual(regions.map(({ attempt }) => attempt), [1, 1]);
  for (const agent of world.agents.values()) {
    const kinds = agent.received.map(({ kind }) => kind)
      .filter((kind) => kind === "deploy" || kind === "run");
    deepEqual(kinds, ["deploy", "run"]);
  }
});

test("job loop: agents hear of a completion only when its COMMIT is in the database (C3)", async (world) => {
  const statuses: Promise<string | undefined>[] = [];
  world.agents.get("a")!.onMessage = (message) => {
    if (message.kind !== "completed") return;
    const { checkpointId, regionId } = message;
    statuses.push(
      world.db.select().from(checkpointRegions).where(and(
        eq(checkpointRegions.checkpointId, checkpointId),
        eq(checkpointRegions.regionId, regionId),
      )).then(([row]) => row?.status),
    );
  };
  await world.completed(2);
  deepEqual([...new Set(await Promise.all(statuses))], ["completed"]);
  const [newest] = await listCheckpoints(world.db, JOB_ID, { limit: 1, beforeId: null });
  equal(newest!.regionsCompleted, 2);
});

test("job loop: an agent that dies loses its regions to another, restored from the last completed checkpoint", async (world) => {
  await world.completed(2);
  const before = (await world.regions())[0]!;
  world.agents.get("a")!.kill();
  await world.until(async () => (await world.regions())[0]!.agentId === "b", "b takes over");
  await world.allRunning();
  const after = (await world.regions())[0]!;
  equal(after.attempt, before.attempt + 1);
  const deploy = world.agents.get("b")!.messages("deploy").at(-1)!;
  equal(deploy.regionId, REGION_0);
  equal(deploy.restore?.checkpointId, after.restoredFromId);
  ok((deploy.restore?.snapshots[0]?.splits[0]?.position ?? 0) >= 200);
  await world.completed(Number(after.restoredFromId) + 2);
});

test("job loop: an acknowledgement of an older attempt is refused and told stale (C2, F3)", async (world) => {
  await world.completed(1);
  const zombie = world.agents.get("a")!;
  const old = zombie.regions.get(REGION_0)!;
  const snapshot = (await getPart(world.db, REGION_0)).snapshots![0]!;
  zombie.freeze();
  zombie.ignoresTriggers = true;
  await world.until(async () => (await world.regions())[0]!.agentId === "b", "b takes over");
  await world.allRunning();
  const { attempt, position } = world.agents.get("b")!.regions.get(REGION_0)!;
  ok(attempt > old.attempt);
  zombie.regions.set(REGION_0, old);
  zombie.connect(world.sessions);
  zombie.acknowledge(REGION_0, 1_000_000 as CheckpointId, snapshot);
  await world.pass(1_000);
  const stale = zombie.messages("stale").at(-1)!;
  equal(stale.currentAttempt, attempt);
  equal(zombie.regions.has(REGION_0), false);
  ok(world.agents.get("b")!.regions.get(REGION_0)!.position >= position);
  equal((await world.regions())[0]!.agentId, "b");
});

test("job loop: a restarted hub adopts what runs and begins no new attempt (H1, F5)", async (world) => {
  await world.completed(2);
  const before = await listAttempts(world.db, JOB_ID, 100);
  world.agents.get("a")!.ignoresTriggers = true;
  await world.until(async () => await pendingCount(world.db) > 0, "a checkpoint is pending");
  await world.stopHub();
  await world.startHub();
  await world.pass(3_000);
  for (const agent of world.agents.values()) {
    agent.ignoresTriggers = false;
    agent.connect(world.sessions);
  }
  const pending = (await listCheckpoints(world.db, JOB_ID, { limit: 1, beforeId: null }))[0]!;
  await world.completed(pending.id + 1);
  const after = await listAttempts(world.db, JOB_ID, 100);
  deepEqual(after.map(({ attempt }) => attempt), before.map(({ attempt }) => attempt));
  ok(world.agents.get("a")!.messages("aborted").some((m) => m.checkpointId === pending.id));
  notEqual((await getCheckpoint(world.db, JOB_ID, pending.id))!.status, "pending");
});

test("job loop: a deposed hub changes nothing and says so (F2)", async (world) => {
  const old = world.loops;
  await world.startHub();
  old.wake(JOB_ID);
  old.agentLost("a" as never);
  await world.pass(6_000);
  equal(world.isDeposed, true);
  await old.stop();
  await world.pass(1_000);
  deepEqual((await world.regions()).map(({ attempt }) => attempt), [1, 1]);
});

test("job loop: a COMMIT whose answer is lost is asked for again and stands (C3)", async (world) => {
  await world.completed(1);
  await world.stopHub();
  let losses = 0;
  world.wrapDb = (db) => losingAnswers(db, () => isArmed && losses++ < 3);
  let isArmed = false;
  await world.startHub();
  for (const agent of world.agents.values()) agent.connect(world.sessions);
  await world.pass(2_000);
  world.failPoint = (name) => {
    if (name === "before-commit") isArmed = true;
    if (name === "after-commit-before-notify") isArmed = false;
  };
  await world.pump(
    async () => (await world.regions()).every(({ lastCompletedId }) => lastCompletedId! >= 3),
    "checkpoint 3 completes",
  );
  await world.idle();
  ok(losses > 0, "No answer was lost: the test shows nothing");
  for (const agent of world.agents.values()) {
    deepEqual(agent.messages("aborted"), [], "A checkpoint that stands was called aborted");
    const told = agent.messages("completed").map(({ checkpointId }) => Number(checkpointId));
    ok([2, 3].every((checkpointId) => told.includes(checkpointId)), `Told of ${told}`);
  }
  deepEqual((await world.regions()).map(({ attempt }) => attempt), [1, 1]);
});

test("job loop: a savepoint releases nothing, a rollback to it records the gap (P1, P4, L1)", async (world) => {
  await world.completed(1);
  const saved = await world.ended(await world.order("savepoint", { label: "before" }));
  equal(saved.status, "succeeded");
  const { savepointId } = saved.result as { savepointId: string };
  const [savepoint] = await listSavepoints(world.db, { limit: 1, beforeId: null, jobId: JOB_ID });
  deepEqual([savepoint!.id, savepoint!.status, savepoint!.label], [
    savepointId,
    "completed",
    "before",
  ]);
  const told = world.agents.get("a")!.messages("completed")
    .filter(({ checkpointId }) => checkpointId === savepoint!.checkpointId);
  deepEqual(told.map(({ isSavepoint }) => isSavepoint), [true]);
  notEqual((await world.regions())[0]!.lastCompletedId, savepoint!.checkpointId);

  await world.completed(savepoint!.checkpointId + 2);
  const refused = await world.ended(await world.order("rollback", { savepointId }));
  equal(refused.error?.code, "gap-needs-consent");
  const attempts = (await world.regions()).map(({ attempt }) => attempt);

  const order = await world.order("rollback", { savepointId, allowGap: true });
  const rolledBack = await world.ended(order);
  equal(rolledBack.status, "succeeded");
  equal((rolledBack.result as { lineage: number }).lineage, 2);
  const regions = await world.regions();
  ok(regions.every((region, i) => region.attempt > attempts[i]!));
  const deploy = world.agents.get("a")!.messages("deploy").at(-1)!;
  equal(deploy.restore?.checkpointId, savepoint!.checkpointId);
  equal(deploy.restore?.isSavepoint, true);
  const gaps = await listGaps(world.db, JOB_ID, { limit: 10, beforeId: null });
  deepEqual(gaps.map(({ regionId }) => regionId).sort(), [REGION_0, REGION_1]);
  ok(gaps.every(({ records }) => records !== null && records >= 200));
  const abandoned = (await listCheckpoints(world.db, JOB_ID, { limit: 100, beforeId: null }))
    .filter(({ id, isSavepoint }) => id > savepoint!.checkpointId && !isSavepoint)
    .filter(({ lineage }) => lineage === 1);
  ok(abandoned.length > 0);
  ok(abandoned.every(({ status }) => status === "abandoned" || status === "aborted"));
  const highest = Math.max(...abandoned.map(({ id }) => id));
  await world.completed(highest + 1);
});

test("job loop: ordinals go on behind the gap, again and again, and no gap is counted twice (P4)", async (world) => {
  await world.completed(1);
  const saved = await world.ended(await world.order("savepoint", { label: "before" }));
  const { savepointId } = saved.result as { savepointId: string };
  const gapsOfRegion = async () =>
    (await listGaps(world.db, JOB_ID, { limit: 10, beforeId: null }))
      .filter(({ regionId }) => regionId === REGION_0)
      .sort((a, b) => a.fromPosition! - b.fromPosition!);
  const floors = () => {
    const deploys = [...world.agents.values()].flatMap((agent) => agent.messages("deploy"));
    const ofRegion = deploys.filter(({ regionId }) => regionId === REGION_0);
    const newest = ofRegion.reduce((a, b) => a.attempt > b.attempt ? a : b);
    return newest.restore?.positionFloors.map(({ position }) => position);
  };
  for (let round = 1; round <= 2; round++) {
    const { lastCompletedId, restoredFromId } = (await world.regions())[0]!;
    await world.completed((lastCompletedId ?? restoredFromId)! + 2);
    const order = await world.order("rollback", { savepointId, allowGap: true });
    equal((await world.ended(order)).status, "succeeded");
    await world.allRunning();
    const gaps = await gapsOfRegion();
    equal(gaps.length, round);
    if (round === 2) equal(gaps[1]!.fromPosition, gaps[0]!.toPosition);
    deepEqual(floors(), [gaps.at(-1)!.toPosition]);
  }
  world.agents.get("a")!.kill();
  await world.until(async () => (await world.regions())[0]!.agentId === "b", "b takes over");
  await world.allRunning();
  deepEqual(floors(), [(await gapsOfRegion()).at(-1)!.toPosition]);
});

test("job loop: stop with a savepoint completes it, releases it as a checkpoint, then stops (L3, K2)", async (world) => {
  await world.completed(1);
  const stopped = await world.ended(await world.order("stop", { savepoint: true }));
  equal(stopped.status, "succeeded");
  const { savepointId } = stopped.result as { savepointId: string };
  const [savepoint] = await listSavepoints(world.db, { limit: 1, beforeId: null, jobId: JOB_ID });
  equal(savepoint!.id, savepointId);
  equal((await getJob(world.db, JOB_ID))!.desiredState, "stopped");
  deepEqual((await world.regions()).map(({ status }) => status), ["stopped", "stopped"]);
  const told = world.agents.get("a")!.messages("completed").at(-1)!;
  deepEqual([told.checkpointId, told.isSavepoint], [savepoint!.checkpointId, false]);
  equal(world.agents.get("a")!.regions.size, 0);
});

test("job loop: saved and stopped, but an agent never said so: a state of its own, and no older checkpoint (L3, K2)", async (world) => {
  await world.completed(1);
  world.agents.get("b")!.ignoresStops = true;
  const stopped = await world.ended(await world.order("stop", { savepoint: true }));
  equal(stopped.status, "succeeded");
  const { savepointId, outcome, uncommittedRegions } = stopped.result as Record<string, unknown>;
  equal(typeof savepointId, "string");
  equal(outcome, "stopped-uncommitted");
  equal((uncommittedRegions as string[]).length, 1);
  equal((await getJob(world.db, JOB_ID))!.desiredState, "stopped");
  deepEqual((await world.regions()).map(({ status }) => status), ["stopped", "stopped"]);
});

test("job loop: a stop whose savepoint fails leaves the job running (L3)", async (world) => {
  await world.completed(1);
  world.agents.get("b")!.declines = "snapshot-failed";
  const stop = await world.ended(await world.order("stop", { savepoint: true }));
  equal(stop.status, "failed");
  equal(stop.error?.code, "savepoint-failed");
  equal((await getJob(world.db, JOB_ID))!.desiredState, "running");
  world.agents.get("b")!.declines = null;
  const { id } = (await listCheckpoints(world.db, JOB_ID, { limit: 1, beforeId: null }))[0]!;
  await world.completed(id + 1);
});

test("job loop: a region that declines leaves the checkpoint degraded and the others complete (C2)", async (world) => {
  await world.completed(1);
  world.agents.get("b")!.declines = "sink-failed";
  await world.until(async () => {
    const [newest] = await listCheckpoints(world.db, JOB_ID, { limit: 1, beforeId: null });
    return newest?.status === "degraded";
  }, "a checkpoint is degraded");
  const [a, b] = await world.regions();
  ok(a!.lastCompletedId! > b!.lastCompletedId!);
});

test("job loop: too many failed checkpoints in a row restart the region (C6)", async (world) => {
  world.agents.get("b")!.declines = "snapshot-failed";
  await world.until(async () => (await world.regions())[1]!.attempt > 1, "the region restarts");
  const causes = (await listAttempts(world.db, JOB_ID, 100))
    .filter(({ attempt }) => attempt > 1).map(({ cause }) => cause);
  deepEqual([...new Set(causes)], ["checkpoint-failures"]);
  equal((await world.regions())[0]!.attempt, 1);
});

test(
  "job loop: nothing of an agent that can go autonomous is reassigned after the window, until it is back (P6)",
  async (world) => {
    const agent = world.agents.get("a")!;
    agent.disconnect();
    agent.canGoAutonomous = true;
    agent.connect(world.sessions);
    await world.completed(1);
    agent.kill();
    await world.pass(50_000);
    equal(world.loops.isPossiblyAutonomous(JOB_ID, REGION_0), true);
    await world.addAgent("late");
    await world.pass(5_000);
    deepEqual((await world.regions()).map(({ attempt }) => attempt), [1, 1] as Attempt[]);
    world.agents.get("a")!.connect(world.sessions);
    await world.allRunning();
    deepEqual((await world.regions()).map(({ attempt }) => attempt), [2, 2] as Attempt[]);
  },
  ["a"],
);

test(
  "job loop: an agent that cannot go autonomous loses its regions to whoever comes, however late (P6)",
  async (world) => {
    await world.completed(1);
    world.agents.get("a")!.kill();
    await world.pass(120_000);
    equal(world.loops.isPossiblyAutonomous(JOB_ID, REGION_0), false);
    await world.addAgent("late");
    await world.allRunning();
    const regions = await world.regions();
    deepEqual(regions.map(({ agentId, attempt }) => [agentId, attempt]), [["late", 2], [
      "late",
      2,
    ]]);
  },
  ["a"],
);

for (const canGoAutonomous of [false, true]) {
  const kind = canGoAutonomous ? "autonomous" : "holding";
  test(
    `job loop: the only agent, ${kind} and away for a minute, goes on where it was (P6, F4)`,
    async (world) => {
      const agent = world.agents.get("a")!;
      agent.disconnect();
      agent.canGoAutonomous = canGoAutonomous;
      agent.connect(world.sessions);
      await world.completed(1);
      agent.disconnect();
      await world.pass(60_000);
      deepEqual((await world.regions()).map(({ status }) => status), ["waiting", "waiting"]);
      agent.connect(world.sessions);
      await world.completed(Number((await world.regions())[0]!.lastCompletedId) + 1);
      deepEqual((await world.regions()).map(({ attempt }) => attempt), [1, 1]);
      agent.kill();
      await world.pass(60_000);
      agent.connect(world.sessions);
      await world.allRunning();
      deepEqual((await world.regions()).map(({ attempt }) => attempt), [2, 2]);
    },
    ["a"],
  );
}

test("job loop: cancel stops every region and fails what was under way", async (world) => {
  world.agents.get("a")!.ignoresTriggers = true;
  const savepoint = await world.order("savepoint", {});
  await world.pass(1_000);
  const cancelled = await world.ended(await world.order("cancel", {}));
  equal(cancelled.status, "succeeded");
  equal((await world.ended(savepoint)).error?.code, "job-cancelled");
  deepEqual((await world.regions()).map(({ status }) => status), ["stopped", "stopped"]);
  equal(await pendingCount(world.db), 0);
});

test("job loop: of a job that has ended only the savepoints keep their blobs (G1, L2)", async (world) => {
  const saved = await world.ended(await world.order("savepoint", {}));
  equal(saved.status, "succeeded");
  const [savepoint] = await listSavepoints(world.db, { limit: 1, beforeId: null, jobId: JOB_ID });
  await world.completed(savepoint!.checkpointId + 2);
  equal((await world.ended(await world.order("cancel", {}))).status, "succeeded");
  const held = await world.db.selectDistinct({ id: blobRefs.checkpointId }).from(blobRefs);
  deepEqual(held.map(({ id }) => id), [savepoint!.checkpointId]);
});

async function getPart(db: Db, regionId: RegionId) {
  const rows = await db.select().from(checkpointRegions).where(and(
    eq(checkpointRegions.regionId, regionId),
    eq(checkpointRegions.status, "completed"),
  ));
  return rows[0]!;
}

async function pendingCount(db: Db): Promise<number> {
  const rows = await db.select().from(checkpointRegions)
    .where(eq(checkpointRegions.status, "pending"));
  return rows.length;
}

/** The transaction commits, and its answer never arrives. */
function losingAnswers(db: Db, isLost: () => boolean): Db {
  return new Proxy(db, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (name !== "transaction") return typeof value === "function" ? value.bind(target) : value;
      return async (...args: Parameters<Db["transaction"]>) => {
        const result = await target.transaction(...args);
        if (isLost()) throw new Error("Connection terminated");
        return result;
      };
    },
  });
}
