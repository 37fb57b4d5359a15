import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import type { CheckpointId } from "@shared/ids.ts";
import {
  BUNDLE,
  deployOf,
  digestOf,
  JOB,
  REGION,
  settle,
  snapshotWith,
  utf8,
  World,
} from "./testdata/fake_world.ts";

Deno.test("agent: hello carries credential in a header, version and labels", async () => {
  const world = new World();
  await world.agent();
  world.link.welcome();
  equal(world.link.url, "ws://hub/api/v1/agents/connect");
  equal(world.link.headers, { authorization: "Bearer secret" });
  const [hello] = world.link.of("hello");
  equal([hello?.labels, hello?.regions], [{ line: "1" }, []]);
});

Deno.test("agent: deploys, restores and runs a region only on the hub's word (C8)", async () => {
  const world = new World();
  await world.agent();
  world.link.welcome();
  world.link.tell(deployOf(1));
  await settle();
  equal(world.link.statuses(), "restoring restored");
  equal(world.child.kinds(), ["init", "start"]);
  equal(world.child.commands[0]?.body, BUNDLE);
  world.link.tell({ kind: "run", ...world.region(1) });
  await settle();
  equal(world.link.statuses(), "restoring restored running");
});

Deno.test("agent: a bundle that does not match its digest fails the region for good", async () => {
  const world = new World();
  world.web.set("GET http://hub/bundle", () => new Response("something else"));
  await world.agent();
  world.link.welcome();
  world.link.tell(deployOf(1));
  await settle();
  const failed = world.link.of("status").at(-1);
  equal([failed?.status, failed?.isRetryable], ["failed", false]);
  match(failed!.reason, new RegExp(digestOf(BUNDLE)));
});

Deno.test("agent: a restore sends verified pieces before start (C8)", async () => {
  const world = new World();
  const piece = utf8("state");
  const url = `http://store/${digestOf(piece)}`;
  world.web.set(`GET ${url}`, () => new Response("state"));
  await world.agent();
  world.link.welcome();
  await world.deployAndRun(1, { restore: restorePlan(piece, url) });
  equal(world.child.kinds(), ["init", "restorePiece", "start", "run"]);
  equal(world.child.commands[1]?.body, piece);
  const [hello] = world.link.of("hello");
  equal(hello?.regions, []);
});

Deno.test("agent: the runner hears where ordinals go on and what may be left behind (P4, S2)", async () => {
  const world = new World();
  const piece = utf8("state");
  const url = `http://store/${digestOf(piece)}`;
  world.web.set(`GET ${url}`, () => new Response("state"));
  await world.agent();
  world.link.welcome();
  const { splitIndex } = deployOf(1).subtasks[0]!;
  const sourceUid = "telemetry";
  const restore = {
    ...restorePlan(piece, url),
    positionFloors: [
      { sourceUid, splitIndex: splitIndex + 1, position: 7 },
      { sourceUid, splitIndex, position: 90 },
    ],
    allowNonRestoredState: true,
  };
  await world.deployAndRun(1, { restore });
  const start = world.child.commands.map(({ command }) => command)
    .find((command) => command.kind === "start");
  equal(start?.restore?.positionFloors, restore.positionFloors);
  equal(start?.restore?.allowNonRestoredState, true);
});

for (
  const [title, answer] of [
    ["missing", () => new Response("", { status: 404 })],
    ["corrupt", () => new Response("stale")],
    ["truncated", () => new Response("sta")],
  ] as const
) {
  Deno.test(`agent: a ${title} object fails the restore, naming it, not to be retried (F13)`, async () => {
    const world = new World();
    const piece = utf8("state");
    const url = `http://store/${digestOf(piece)}`;
    world.web.set(`GET ${url}`, answer);
    await world.agent();
    world.link.welcome();
    world.link.tell(deployOf(1, { restore: restorePlan(piece, url) }));
    await settle();
    const failed = world.link.of("status").at(-1);
    equal([failed?.status, failed?.isRetryable], ["failed", false]);
    match(failed!.reason, new RegExp(digestOf(piece)));
    ok(!world.child.kinds().includes("start"));
  });
}

Deno.test("agent: restores from its own copy, and replaces one that is corrupt", async () => {
  const world = new World();
  const piece = utf8("state");
  const url = `http://store/${digestOf(piece)}`;
  const path = `/data/pieces/${digestOf(piece)}`;
  world.web.set(`GET ${url}`, () => new Response("state"));
  world.files.content.set(path, piece);
  await world.agent();
  world.link.welcome();
  await world.deployAndRun(1, { restore: restorePlan(piece, url) });
  ok(!world.requests.includes(`GET ${url}`));
  world.files.content.set(path, utf8("rotten"));
  await world.deployAndRun(2, { restore: restorePlan(piece, url) });
  ok(world.requests.includes(`GET ${url}`));
  equal(world.files.content.get(path), piece);
  match(world.link.statuses(), /running$/);
});

Deno.test("agent: drops orders of a lower attempt (F3)", async () => {
  const world = new World();
  await world.running(3);
  const count = world.child.commands.length;
  world.link.tell(deployOf(2));
  world.link.tell({
    kind: "completed",
    ...world.region(2),
    checkpointId: 9 as CheckpointId,
    isSavepoint: false,
  });
  world.trigger(2, 9);
  await settle();
  equal(world.children.length, 1);
  equal(world.child.commands.length, count);
});

Deno.test("agent: a higher attempt ends the lower one before it starts (F3)", async () => {
  const world = new World();
  await world.running(1);
  const [old] = world.children;
  await world.deployAndRun(2);
  ok(old!.kinds().includes("stop"));
  ok(old!.isDead);
  equal(world.children.length, 2);
  const last = world.link.of("status").at(-1);
  equal([last?.attempt, last?.status], [2, "running"]);
});

Deno.test("agent: an order of an unknown higher attempt ends what runs here (F3)", async () => {
  const world = new World();
  await world.running(1);
  world.link.tell({ kind: "run", ...world.region(2) });
  await settle();
  ok(world.child.isDead);
  const last = world.link.of("status").at(-1);
  equal([last?.attempt, last?.status, last?.isRetryable], [2, "failed", true]);
  await world.deployAndRun(2);
  equal(world.link.of("status").at(-1)?.status, "running");
});

Deno.test("agent: an order between two attempts does not let the higher one begin early (F3)", async () => {
  const world = new World();
  world.prepare = (child) => child.mute.add("stop");
  await world.running(1);
  const child = world.child;
  world.link.tell({ kind: "stop", ...world.region(2), reason: "moved" });
  world.link.tell(deployOf(3));
  await settle();
  equal(world.link.of("status").filter(({ status }) => status === "stopped"), []);
  ok(!child.commands.some(({ command }) => command.kind === "start" && command.attempt === 3));
  const { jobId: _jobId, ...first } = world.region(1);
  child.report({ kind: "stopped", ...first });
  await settle();
  await settle();
  equal(world.link.of("status").at(-1)?.attempt, 3);
  equal(world.link.of("status").at(-1)?.status, "restored");
});

Deno.test("agent: stale stops that attempt and says nothing", async () => {
  const world = new World();
  await world.running(1);
  const before = world.link.statuses();
  const { jobId, regionId, attempt } = world.region(1);
  world.link.tell({ kind: "stale", jobId, regionId, attempt, currentAttempt: deployOf(2).attempt });
  await settle();
  ok(world.child.isDead);
  equal(world.link.statuses(), before);
});

Deno.test("agent: stop waits for the runner, reports, and ends the empty runner", async () => {
  const world = new World();
  await world.running(1);
  world.link.tell({ kind: "stop", ...world.region(1), reason: "cancelled" });
  await settle();
  const last = world.link.of("status").at(-1);
  equal([last?.status, last?.reason], ["stopped", "cancelled"]);
  ok(world.child.isDead);
});

Deno.test("agent: a runner that does not stop within 3 s is killed", async () => {
  const world = new World();
  world.prepare = (child) => child.mute.add("stop");
  await world.running(1);
  world.link.tell({ kind: "stop", ...world.region(1), reason: "cancelled" });
  await settle();
  ok(!world.child.isDead);
  world.clock.advance(3_000);
  await settle();
  ok(world.child.isDead);
  equal(world.link.of("status").at(-1)?.status, "stopped");
});

Deno.test("agent: regions of one job share a runner; stopping one leaves the other", async () => {
  const world = new World();
  await world.running(1);
  const regionId = "telemetry.1" as typeof REGION;
  world.link.tell(deployOf(1, { regionId }));
  await settle();
  equal(world.children.length, 1);
  world.link.tell({ kind: "stop", ...world.region(1), reason: "moved" });
  await settle();
  ok(!world.child.isDead);
});

Deno.test("agent: a runner that exits fails its regions, to be retried, with the reason", async () => {
  const world = new World();
  await world.running(1);
  world.child.exit(133, "SIGTRAP", "Fatal JavaScript out of memory: Reached heap limit");
  await settle();
  const last = world.link.of("status").at(-1);
  equal([last?.status, last?.isRetryable], ["failed", true]);
  match(last!.reason, /out of memory: its heap limit is 64 MB/);
  equal(world.link.of("event").map((message) => message.event.type), ["runner-exited"]);
});

Deno.test("agent: a bundle that cannot be evaluated is not retried", async () => {
  const world = new World();
  world.prepare = (child) => {
    child.mute.add("init");
    child.report({ kind: "broken", message: "SyntaxError: no" });
    child.exit(1);
  };
  await world.agent();
  world.link.welcome();
  world.link.tell(deployOf(1));
  await settle();
  const last = world.link.of("status").at(-1);
  equal([last?.status, last?.isRetryable, last?.reason], ["failed", false, "SyntaxError: no"]);
});

Deno.test("agent: a runner without metrics for 15 s while running is killed (F42)", async () => {
  const world = new World();
  await world.running(1);
  await world.pass(14);
  world.child.report({ kind: "metrics", subtasks: [] });
  await settle();
  await world.pass(14);
  ok(!world.child.isDead);
  await world.pass(1);
  ok(world.child.isDead);
  match(world.link.of("status").at(-1)!.reason, /without a sign of life/);
});

Deno.test("agent: samples and places of a large plant go in messages that the hub takes", async () => {
  const world = new World();
  await world.running(1);
  const keys = Array.from({ length: 20_001 }, (_, i) => `pump-${i}`);
  const ofKey = (key: string) => ({ operatorUid: "drift", key, atMs: 0, value: 1, score: 1 });
  world.child.report({ kind: "samples", samples: keys.map(ofKey) });
  world.child.report({ kind: "equipment", places: keys.map((key) => ({ key, path: ["north"] })) });
  await settle();
  equal(world.link.of("samples").flatMap(({ samples }) => samples.map(({ key }) => key)), keys);
  equal(world.link.of("equipment").flatMap(({ places }) => places.map(({ key }) => key)), keys);
});

Deno.test("agent: a hub that is back is told again where equipment stands", async () => {
  const world = new World();
  await world.running(1);
  const before = world.child.kinds();
  world.link.close("hub restarted");
  await settle();
  await world.pass(5);
  world.link.welcome();
  await settle();
  equal(world.child.kinds(), [...before, "tellPlaces"]);
});

Deno.test("agent: hello after a reconnect lists what runs, with the last completed checkpoint (H1)", async () => {
  const world = new World();
  await world.running(4);
  world.link.tell({
    kind: "completed",
    ...world.region(4),
    checkpointId: 11 as CheckpointId,
    isSavepoint: false,
  });
  world.link.tell({
    kind: "completed",
    ...world.region(4),
    checkpointId: 12 as CheckpointId,
    isSavepoint: true,
  });
  world.link.close("hub restarted");
  await settle();
  world.clock.advance(500);
  world.link.welcome(2);
  equal(world.link.of("hello")[0]?.regions, [
    { jobId: JOB, regionId: REGION, attempt: 4, status: "running", lastCompletedId: 11 },
  ]);
  equal(world.child.kinds().filter((kind) => kind === "completed").length, 2);
});

Deno.test("agent: tells a hub that comes back what the source's broker gives (M7, H1)", async () => {
  const world = new World();
  await world.running(4);
  const { regionId, attempt } = world.region(4);
  const event = { type: "broker-profile", detail: "", fields: { guarantee: "at-least-once" } };
  world.child.report({ kind: "event", regionId, attempt, event } as never);
  await settle();
  world.link.close("hub restarted");
  await settle();
  world.clock.advance(500);
  world.link.welcome(2);
  equal(world.link.of("event").map((message) => message.event), [event]);
});

Deno.test("agent: hello names a region that failed while the hub was away (H1)", async () => {
  const world = new World();
  await world.running(4);
  world.link.close("gone");
  await settle();
  world.child.exit(1);
  await settle();
  world.clock.advance(500);
  world.link.welcome();
  equal(world.link.of("hello")[0]?.regions.map(({ status }) => status), ["failed"]);
});

Deno.test("agent: a question about ownership waits for the hub and is never guessed (M2)", async () => {
  const world = new World();
  await world.running(1);
  world.link.close("gone");
  await settle();
  const { regionId, attempt } = world.region(1);
  world.child.report({ kind: "askOwnership", regionId, attempt, requestId: "q1" });
  await settle();
  ok(!world.child.kinds().includes("ownership"));
  world.clock.advance(500);
  world.link.welcome();
  const [question] = world.link.of("askOwnership");
  world.link.tell({
    kind: "ownership",
    ...world.region(1),
    requestId: question!.requestId,
    isOwner: true,
  });
  await settle();
  const answer = world.child.commands.at(-1)?.command;
  equal(answer, { kind: "ownership", requestId: "q1", isOwner: true });
});

Deno.test("agent: a stop of the agent stops its regions before it says goodbye", async () => {
  const world = new World();
  const agent = await world.running(1);
  await agent.stop("maintenance");
  equal(world.link.received.at(-1), { kind: "goodbye", reason: "maintenance" });
  ok(world.child.isDead);
});

Deno.test("agent: a fail point of the runner stops the agent dead", async () => {
  const world = new World();
  await world.running(1);
  world.child.report({ kind: "failPoint", name: "aligned" });
  await settle();
  equal(world.stoppedDead, ["aligned"]);
});

function restorePlan(piece: Uint8Array, url: string) {
  return {
    checkpointId: 5 as CheckpointId,
    isSavepoint: false,
    snapshots: [snapshotWith(piece)],
    urls: { [digestOf(piece)]: { url, headers: {} } },
    positionFloors: [],
    allowNonRestoredState: false,
  };
}
