import { deepEqual, equal } from "node:assert/strict";
import { openTestHub, testGraph } from "../tests/support/hub_app.ts";
import { HubWorld, JOB_ID } from "../tests/support/hub_world.ts";
import { beginRequest } from "./db/idempotency_store.ts";
import { forgetHistory, type HistoryContext } from "./history_retention.ts";
import {
  alarmEdges,
  alarms,
  attempts,
  bundles,
  events,
  gaps,
  hubState,
  jobs,
  operations,
  regions,
  savepoints,
} from "./db/schema.ts";
import { pageCheckpoints } from "./db/checkpoint_history.ts";
import { getCheckpoint, listCheckpoints } from "./db/checkpoint_views.ts";
import { listSavepoints } from "./db/savepoint_store.ts";

const DAY_MS = 86_400_000;

Deno.test("history: days that are over are packed and nothing is lost; what holds parts and every savepoint stays (L2)", async () => {
  const world = await HubWorld.open();
  await world.addAgent("a");
  await world.deploy();
  await world.allRunning();
  equal((await world.ended(await world.order("savepoint", {}))).status, "succeeded");
  await world.completed(6);
  const page = { limit: 100, beforeId: null };
  const before = await listCheckpoints(world.db, JOB_ID, page);
  const whole = async () =>
    (await pageCheckpoints(world.db, JOB_ID, page, {
      statuses: null,
      isSavepoint: null,
      fromMs: null,
      toMs: null,
    })).items;
  const [reign] = await world.db.select().from(hubState);
  const context = (afterMs: number) => ({
    db: world.db,
    clock: { ...world.clock, nowMs: () => world.clock.nowMs() + afterMs },
    hubTerm: reign!.hubTerm,
    settings: { current: () => ({ eventRetentionMs: 7 * DAY_MS }) },
  } as unknown as HistoryContext);

  await forgetHistory(context(DAY_MS));
  deepEqual(await listCheckpoints(world.db, JOB_ID, page), before);
  await forgetHistory(context(9 * DAY_MS));
  const live = (await listCheckpoints(world.db, JOB_ID, page)).map(({ id }) => id);
  const [savepoint] = await listSavepoints(world.db, { ...page, jobId: JOB_ID });
  const others = before.map(({ id }) => id).filter((id) => id !== savepoint!.checkpointId);
  // Three hold parts, and the newest of those that hold none stays where it was.
  const wanted = [savepoint!.checkpointId, ...others.slice(0, 4)];
  deepEqual(live, wanted.sort((a, b) => b - a));
  deepEqual(await whole(), before);
  equal((await getCheckpoint(world.db, JOB_ID, savepoint!.checkpointId))!.status, "completed");
  const [next] = await world.regions();
  await world.completed(Number(next!.lastCompletedId) + 1);
  await world.close();
});

Deno.test("idempotency: a request that never said how it ended frees its key after ten minutes (H2)", async () => {
  const world = await HubWorld.open();
  const request = { principal: "p", key: "k", requestHash: "h" };
  const begin = async (nowMs: number) => (await beginRequest(world.db, { ...request, nowMs })).kind;
  deepEqual([await begin(0), await begin(600_000), await begin(600_001)], [
    "new",
    "under-way",
    "new",
  ]);
  await world.close();
});

Deno.test("history: old rows go after ninety days, unless something needs them", async () => {
  const test = await openTestHub();
  const { db, hubTerm } = test.hub;
  const at = new Date(test.clock.nowMs());
  const digest = (letter: string) => letter.repeat(64);
  for (const letter of ["a", "b", "c"]) {
    await db.insert(bundles).values({ digest: digest(letter), bundle: "text", createdAt: at });
  }
  const job = (id: string, letter: string, ended: boolean) => ({
    id,
    name: id,
    bundleDigest: digest(letter),
    params: {},
    graph: testGraph(id),
    desiredState: ended ? "stopped" : "running",
    checkpointIntervalMs: 1_000,
    createdAt: at,
    createdBy: "test",
    stoppedAt: ended ? at : null,
  });
  await db.insert(jobs).values([job("runs", "a", false), job("ended", "b", true)]);
  await db.insert(jobs).values(job("kept", "c", true));
  await db.insert(savepoints).values({
    id: "s",
    jobId: "kept",
    checkpointId: 1,
    owner: "test",
    jobName: "kept",
    bundleDigest: digest("c"),
    graph: testGraph("kept"),
    status: "completed",
    createdAt: at,
  });
  await db.insert(regions).values({ jobId: "runs", regionId: "r", attempt: 2, status: "running" });
  const attempt = (n: number, endedAt: Date | null) => ({
    jobId: "runs",
    regionId: "r",
    attempt: n,
    agentId: "x",
    cause: "deploy",
    startedAt: at,
    endedAt,
  });
  await db.insert(attempts).values([attempt(1, at), attempt(2, null)]);
  const operation = (id: string, status: string) => ({
    id,
    kind: "savepoint",
    jobId: "runs",
    status,
    request: {},
    progress: { done: 0, total: 0, phase: "" },
    createdBy: "test",
    createdAt: at,
    updatedAt: at,
  });
  await db.insert(operations).values([operation("o1", "failed"), operation("o2", "running")]);
  const alarm = (id: string, isActive: boolean) => ({
    id,
    jobId: "runs",
    operatorUid: "u",
    sinkUid: "s",
    equipment: "e",
    priority: "low",
    text: "",
    response: "",
    isActive,
    raisedAt: at,
  });
  const onset = (id: string, continuesId: string | null) => ({
    ...alarm(id, false),
    isAcknowledged: true,
    isRung: false,
    continuesId,
  });
  await db.insert(alarms).values([
    ...[alarm("over", false), alarm("on", true)],
    ...[onset("short", null), onset("again", "over"), onset("goes-on", "on")],
  ]);
  const edge = (id: string, alarmId: string) => ({
    id,
    alarmId,
    isActive: true,
    at,
    receivedAt: at,
  });
  await db.insert(alarmEdges).values([
    ...[edge("e1", "over"), edge("e2", "on"), edge("e3", "goes-on"), edge("e4", "short")],
  ]);
  const gap = (id: string, jobId: string, cause: string) => ({
    id,
    jobId,
    regionId: "r",
    sourceUid: "u",
    splitIndex: 0,
    cause,
    createdAt: at,
  });
  await db.insert(gaps).values([
    gap("g1", "runs", "session-lost"),
    gap("g2", "runs", "rollback"),
    gap("g3", "ended", "rollback"),
  ]);
  const forget = (days: number) =>
    forgetHistory({
      db,
      clock: { ...test.clock, nowMs: () => test.clock.nowMs() + days * DAY_MS },
      hubTerm,
      settings: { current: () => ({ eventRetentionMs: 7 * DAY_MS }) },
    } as unknown as HistoryContext);
  const left = async () => ({
    attempts: (await db.select().from(attempts)).map((row) => row.attempt),
    operations: (await db.select().from(operations)).map((row) => row.id),
    edges: (await db.select().from(alarmEdges)).map((row) => row.id).sort(),
    alarms: (await db.select().from(alarms)).map((row) => row.id).sort(),
    gaps: (await db.select().from(gaps)).map((row) => row.id).sort(),
    texts: (await db.select().from(bundles)).filter((row) => row.bundle !== "").length,
  });

  await forget(89);
  deepEqual(await left(), {
    attempts: [1, 2],
    operations: ["o1", "o2"],
    edges: ["e1", "e2", "e3", "e4"],
    alarms: ["again", "goes-on", "on", "over", "short"],
    gaps: ["g1", "g2", "g3"],
    texts: 3,
  });
  await forget(91);
  deepEqual(await left(), {
    attempts: [2],
    operations: ["o2"],
    edges: ["e2", "e3"],
    alarms: ["goes-on", "on", "over"],
    gaps: ["g2"],
    texts: 2,
  });
  await test.close();
});

Deno.test("history: events are kept as long as the settings say at the moment", async () => {
  const test = await openTestHub();
  try {
    const { hub } = test;
    test.events.publish("job.status", { jobId: "job" }, {});
    await test.events.flush();
    const left = async () => (await hub.db.select().from(events)).length;
    test.clock.advance(3 * DAY_MS);
    await forgetHistory(hub);
    equal(await left(), 1);
    const by = { principal: "test", nowMs: test.clock.nowMs() };
    const changed = await hub.settings.change(hub.db, { eventRetentionMs: 2 * DAY_MS }, by, null);
    await forgetHistory(hub);
    equal(await left(), 1, "not in force before its commit");
    if (changed.kind === "stored") changed.takeForce();
    await forgetHistory(hub);
    equal(await left(), 0);
  } finally {
    await test.close();
  }
});
