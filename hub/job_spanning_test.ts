import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { eq } from "drizzle-orm";
import { exchangeGraph, HubWorld, JOB_ID } from "../tests/support/hub_world.ts";
import type { FakeAgent } from "../tests/support/fake_agent.ts";
import type { AgentId, RegionId, SubtaskId } from "@shared/ids.ts";
import { setDraining } from "./db/agent_store.ts";
import { listCheckpoints } from "./db/checkpoint_views.ts";
import { agentLoads, agentsWithRegions, listAttempts, regionsOnAgent } from "./db/region_store.ts";
import { checkpointRegions, regions } from "./db/schema.ts";

const REGION = "telemetry.0" as RegionId;

interface Setup {
  readonly agents?: readonly string[];
  readonly parallelism?: number;
}

/** One region over three agents: two splits, three keyed subtasks. */
function test(
  title: string,
  run: (world: HubWorld) => Promise<void>,
  { agents = ["a", "b", "c"], parallelism = 3 }: Setup = {},
): void {
  Deno.test(title, async () => {
    const world = await HubWorld.open();
    try {
      for (const id of agents) await world.addAgent(id);
      await world.deploy(exchangeGraph(), parallelism);
      await world.allRunning();
      await run(world);
    } finally {
      await world.close();
    }
  });
}

/** The one region. */
async function regionOf(world: HubWorld) {
  const [region, ...others] = await world.regions();
  deepEqual(others, [], "A job with an exchange is one region");
  return region!;
}

function deployments(world: HubWorld, attempt: number) {
  return [...world.agents.values()].flatMap((agent) =>
    agent.messages("deploy").filter((message) => message.attempt === attempt)
      .map((message) => ({ agent, message }))
  );
}

test("spanning region: each agent gets its own subtasks, and a key that only this attempt has (P7)", async (world) => {
  const { placement, agentId, attempt } = await regionOf(world);
  equal(agentId, placement["telemetry.0" as SubtaskId]);
  deepEqual(Object.keys(placement).sort(), [
    "count.0",
    "count.1",
    "count.2",
    "telemetry.0",
    "telemetry.1",
  ]);
  deepEqual([...new Set(Object.values(placement))].sort(), ["a", "b", "c"]);
  const sent = deployments(world, attempt);
  for (const { agent, message } of sent) {
    for (const { subtaskId } of message.subtasks) equal(placement[subtaskId], agent.id);
    equal(message.exchange?.broker, "plant");
    equal(atob(message.exchange!.key).length, 32);
  }
  equal(sent.flatMap(({ message }) => message.subtasks).length, 5);
  const keys = new Set(sent.map(({ message }) => message.exchange!.key));
  equal(keys.size, 1, "Agents of one attempt cannot read each other");
  world.agents.get("c")!.kill();
  world.agents.get("c")!.connect(world.sessions);
  await world.allRunning();
  const next = (await regionOf(world)).attempt;
  ok(next > attempt);
  for (const { message } of deployments(world, next)) ok(!keys.has(message.exchange!.key));
});

test("spanning region: nobody runs before every agent has restored (C8)", async (world) => {
  const order: string[] = [];
  for (const agent of world.agents.values()) {
    agent.onMessage = ({ kind }) => {
      if (kind === "deploy" || kind === "run") order.push(kind);
    };
  }
  const slow = world.agents.get("b")!;
  slow.ignoresDeploys = true;
  world.agents.get("c")!.kill();
  world.agents.get("c")!.connect(world.sessions);
  await world.pass(3_000);
  equal((await regionOf(world)).status, "restoring");
  deepEqual(order, ["deploy", "deploy", "deploy"]);
  slow.ignoresDeploys = false;
  slow.kill();
  slow.connect(world.sessions);
  await world.allRunning();
  deepEqual(order, [...Array(6).fill("deploy"), ...Array(3).fill("run")]);
});

test("spanning region: a checkpoint is complete when the subtasks of every agent acknowledged (C2)", async (world) => {
  await world.completed(1);
  const [row] = await world.db.select().from(checkpointRegions)
    .where(eq(checkpointRegions.status, "completed"));
  deepEqual(row!.snapshots!.map(({ subtaskId }) => subtaskId), [
    "count.0",
    "count.1",
    "count.2",
    "telemetry.0",
    "telemetry.1",
  ]);
  for (const agent of world.agents.values()) ok(agent.messages("completed").length > 0);
  world.agents.get("b")!.declines = "snapshot-failed";
  const before = (await regionOf(world)).lastCompletedId!;
  await world.pass(8_000);
  equal((await regionOf(world)).lastCompletedId, before);
  const [newest] = await listCheckpoints(world.db, JOB_ID, { limit: 1, beforeId: null });
  equal(newest!.status, "aborted");
  for (const agent of world.agents.values()) {
    ok(agent.messages("aborted").length > 0, `${agent.id} was not told of the abort`);
  }
});

test("spanning region: an agent cannot acknowledge for a subtask of another (C2, F3)", async (world) => {
  await world.completed(1);
  const { placement, lastCompletedId } = await regionOf(world);
  const [row] = await world.db.select().from(checkpointRegions)
    .where(eq(checkpointRegions.status, "completed"));
  const silent = world.agents.get(placement["count.1" as SubtaskId]!)!;
  const other = [...world.agents.values()].find(({ id }) => id !== silent.id)!;
  const foreign = row!.snapshots!.filter(({ subtaskId }) => placement[subtaskId] === silent.id);
  silent.ignoresTriggers = true;
  let isAnswered = false;
  other.onMessage = (message) => {
    if (message.kind !== "trigger" || isAnswered) return;
    isAnswered = true;
    for (const snapshot of foreign) other.acknowledge(REGION, message.checkpointId, snapshot);
  };
  await world.until(() => isAnswered, "a checkpoint is triggered");
  await world.pass(2_000);
  equal((await regionOf(world)).lastCompletedId, lastCompletedId);
});

type Ending = [how: string, end: (agent: FakeAgent, world: HubWorld) => void];
const ENDINGS: Ending[] = [
  ["loses its lease", (agent) => agent.freeze()],
  ["restarts", (agent, world) => {
    agent.kill();
    agent.connect(world.sessions);
  }],
  ["fails", (agent) => {
    const { jobId, attempt } = agent.regions.get(REGION)!;
    const said = { kind: "status", jobId, regionId: REGION, attempt, status: "failed" } as const;
    agent.regions.delete(REGION);
    agent.say({ ...said, reason: "broken", isRetryable: true });
  }],
];
for (const [how, end] of ENDINGS) {
  test(`spanning region: when one agent ${how}, all begin a new attempt and the others keep their subtasks (F3)`, async (world) => {
    await world.completed(1);
    const before = await regionOf(world);
    const lost = world.agents.get("c")!;
    end(lost, world);
    await world.until(
      async () => (await regionOf(world)).attempt > before.attempt,
      "another attempt begins",
    );
    await world.allRunning();
    const after = await regionOf(world);
    equal(after.attempt, before.attempt + 1);
    equal(after.restoredFromId, before.lastCompletedId);
    const stayed = Object.entries(before.placement).filter(([, agentId]) => agentId !== lost.id);
    equal(stayed.length, 4);
    for (const [subtaskId, agentId] of stayed) {
      equal(after.placement[subtaskId as SubtaskId], agentId, `${subtaskId} moved`);
    }
    for (const id of ["a", "b"]) {
      const stops = world.agents.get(id)!.messages("stop");
      deepEqual(stops.map(({ attempt }) => attempt), [before.attempt]);
    }
    await world.completed(after.restoredFromId! + 1);
  });
}

test("spanning region: a restore gives keyed subtasks all snapshots, a source only its own (C8)", async (world) => {
  await world.completed(1);
  world.agents.get("b")!.kill();
  world.agents.get("b")!.connect(world.sessions);
  await world.allRunning();
  for (const { message } of deployments(world, (await regionOf(world)).attempt)) {
    const { snapshots, urls } = message.restore!;
    const isKeyed = message.subtasks.some(({ keyGroups }) => keyGroups !== null);
    const own = message.subtasks.map(({ subtaskId }) => subtaskId);
    const ids = snapshots.map(({ subtaskId }) => subtaskId);
    deepEqual(isKeyed ? ids.length : ids, isKeyed ? 5 : own);
    equal(Object.keys(urls).length, snapshots.length);
  }
});

test("spanning region: a restarted hub adopts it when every agent still lists the attempt (H1, F5)", async (world) => {
  await world.completed(2);
  await world.stopHub();
  await world.startHub();
  await world.pass(1_000);
  for (const agent of world.agents.values()) {
    await world.pass(1_000);
    agent.connect(world.sessions);
  }
  const { lastCompletedId, attempt } = await regionOf(world);
  await world.completed(lastCompletedId! + 2);
  equal((await regionOf(world)).attempt, attempt);
  equal((await listAttempts(world.db, JOB_ID, 10)).length, 1);
});

test("spanning region: a restarted hub begins it anew when one of its agents does not list it (H1)", async (world) => {
  await world.completed(1);
  const { attempt } = await regionOf(world);
  await world.stopHub();
  world.agents.get("b")!.regions.clear();
  await world.startHub();
  for (const agent of world.agents.values()) agent.connect(world.sessions);
  await world.pass(1_000);
  await world.allRunning();
  equal((await regionOf(world)).attempt, attempt + 1);
});

test("spanning region: it never waits for an agent that may go on alone: it holds (P5)", async (world) => {
  for (const agent of world.agents.values()) agent.canGoAutonomous = true;
  await world.completed(1);
  const lost = world.agents.get("c")!;
  lost.disconnect();
  lost.connect(world.sessions);
  await world.pass(1_000);
  const { attempt } = await regionOf(world);
  lost.disconnect();
  await world.pass(9_000);
  await world.allRunning();
  const after = await regionOf(world);
  equal(after.attempt, attempt + 1);
  ok(!Object.values(after.placement).includes(lost.id));
  lost.connect(world.sessions);
  await world.pass(1_000);
  equal(lost.regions.size, 0, "The attempt that is over was not stopped");
  equal((await regionOf(world)).attempt, attempt + 1, "Somebody's return moved the region");
});

test("spanning region: a drain moves the subtasks of its agent alone", async (world) => {
  await world.completed(1);
  const before = await regionOf(world);
  await setDraining(world.db, "c", true);
  world.loops.fleetChanged();
  await world.until(
    async () => !Object.values((await regionOf(world)).placement).includes("c" as AgentId),
    "the agent is empty",
  );
  await world.allRunning();
  const after = await regionOf(world);
  equal(after.attempt, before.attempt + 1);
  for (const [subtaskId, agentId] of Object.entries(before.placement)) {
    if (agentId !== "c") equal(after.placement[subtaskId as SubtaskId], agentId);
  }
  deepEqual(await regionsOnAgent(world.db, "c"), []);
  equal((await regionsOnAgent(world.db, "b")).length, 1);
});

test("spanning region: a stop waits for every agent", async (world) => {
  await world.completed(1);
  const last = world.agents.get("c")!;
  last.ignoresStops = true;
  const order = await world.order("stop", {});
  await world.pass(1_000);
  equal((await regionOf(world)).status, "stopping");
  last.ignoresStops = false;
  last.disconnect();
  last.connect(world.sessions);
  equal((await world.ended(order)).status, "succeeded");
  equal((await regionOf(world)).status, "stopped");
  for (const agent of world.agents.values()) equal(agent.regions.size, 0);
});

test("spanning region: an agent that joins gets nothing by itself", async (world) => {
  const before = await regionOf(world);
  const joined = await world.addAgent("d");
  await world.pass(10_000);
  deepEqual((await regionOf(world)).placement, before.placement);
  deepEqual(joined.messages("deploy"), []);
});

test("spanning region: counts as load on each of its agents, and all are expected after a start", async (world) => {
  deepEqual(await agentsWithRegions(world.db), ["a", "b", "c"]);
  const loads = await agentLoads(world.db, "another" as never);
  equal([...loads.values()].reduce((sum, n) => sum + n, 0), 5);
  await world.db.update(regions).set({ placement: {} });
  deepEqual(await agentsWithRegions(world.db), [(await regionOf(world)).agentId]);
});

test("spanning region: with one agent it is on it, without an exchange", async (world) => {
  const { placement } = await regionOf(world);
  deepEqual([...new Set(Object.values(placement))], ["a"]);
  equal(world.agents.get("a")!.messages("deploy")[0]!.exchange, null);
  await world.completed(2);
}, { agents: ["a"] });

Deno.test("spanning region: a job without a broker has nothing to exchange over, and stays on one agent", async () => {
  const world = await HubWorld.open();
  try {
    await world.addAgent("a");
    await world.addAgent("b");
    const graph = exchangeGraph();
    const [source, ...rest] = graph.operators;
    const splits = source!.source!.splits;
    const generated = { ...source!, source: { connector: "generator", splits } as const };
    await world.deploy({ ...graph, operators: [generated, ...rest] }, 4);
    await world.allRunning();
    const region = await regionOf(world);
    equal(Object.keys(region.placement).length, 6);
    equal(new Set(Object.values(region.placement)).size, 1);
    notEqual(region.agentId, null);
  } finally {
    await world.close();
  }
});

test("spanning region: a stop that drains says so with its trigger, and one that fails begins anew (L3)", async (world) => {
  await world.completed(1);
  const { attempt, lastCompletedId } = await regionOf(world);
  const agent = world.agents.get("b")!;
  agent.declines = "sink-failed";
  const failed = await world.ended(await world.order("stop", { drain: true }));
  equal(failed.error?.code, "savepoint-failed");
  agent.declines = null;
  await world.until(async () => (await regionOf(world)).attempt > attempt, "a new attempt begins");
  await world.allRunning();
  equal((await regionOf(world)).restoredFromId, lastCompletedId);
  const drained = () =>
    [...world.agents.values()].map((one) =>
      one.messages("trigger").filter(({ drain }) => drain === true).length
    );
  deepEqual(drained(), [1, 1, 1]);
  const stopped = await world.ended(await world.order("stop", { drain: true }));
  equal(stopped.status, "succeeded");
  deepEqual(drained(), [2, 2, 2]);
  const plain = [...world.agents.values()].flatMap((one) => one.messages("trigger"))
    .filter(({ drain }) => drain === undefined);
  ok(plain.length > 0);
});
