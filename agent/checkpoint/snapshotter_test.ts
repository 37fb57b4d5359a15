import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import type { CheckpointId } from "@shared/ids.ts";
import type { AlarmEdge } from "@shared/messages.ts";
import { digestOf, JOB, REGION, settle, SUBTASK, utf8, World } from "../testdata/fake_world.ts";
import { OUTBOX_EDGES_MAX } from "../alarm_outbox.ts";

const OLD = utf8("old piece");
const FRESH = utf8("fresh piece");

function edge(edgeId: string): AlarmEdge {
  return {
    edgeId,
    alarmId: "a",
    jobId: JOB,
    regionId: REGION,
    operatorUid: "drift",
    sinkUid: "anomalies",
    key: "pump-1",
    isActive: true,
    priority: "high",
    text: "",
    response: "",
    atMs: 1,
    value: null,
    score: null,
    threshold: null,
  };
}

async function triggered(id = 1): Promise<World> {
  const world = new World();
  await world.running(1);
  world.trigger(1, id);
  await settle();
  return world;
}

Deno.test("snapshotter: acknowledges only when the hub holds every piece (C1)", async () => {
  const world = await triggered();
  ok(world.child.kinds().includes("trigger"));
  await world.snapshot(1, 1, [FRESH], [OLD]);
  const [request] = world.link.of("uploadRequest");
  equal(request?.blobs.map((blob) => blob.digest), [digestOf(OLD), digestOf(FRESH)]);
  equal(world.link.of("acknowledge"), []);
  await world.grant([OLD]);
  equal(world.uploaded, new Map([[`http://store/${digestOf(FRESH)}`, FRESH]]));
  const [acknowledge] = world.link.of("acknowledge");
  equal(acknowledge?.subtaskId, SUBTASK);
  equal(acknowledge?.stats, {
    startDelayMs: 0,
    alignmentMs: 0,
    syncMs: 1,
    asyncMs: 2,
    fullBytes: OLD.length + FRESH.length,
    uploadedBytes: FRESH.length,
  });
});

Deno.test("snapshotter: an empty snapshot is acknowledged without a request (C7)", async () => {
  const world = await triggered();
  await world.snapshot(1, 1, []);
  equal(world.link.of("uploadRequest"), []);
  equal(world.link.of("acknowledge").length, 1);
});

Deno.test("snapshotter: an alarm raised before the snapshot is stored before the acknowledgement (C1)", async () => {
  const world = await triggered();
  world.child.report({ kind: "alarms", edges: [edge("e1")] });
  await world.snapshot(1, 1, [FRESH]);
  await world.grant();
  equal(world.link.of("acknowledge"), []);
  world.child.report({ kind: "alarms", edges: [edge("e2")] });
  await settle();
  const [first, second] = world.link.of("alarms");
  world.link.tell({ kind: "alarmsStored", seq: second!.seq });
  await settle();
  equal(world.link.of("acknowledge"), []);
  world.link.tell({ kind: "alarmsStored", seq: first!.seq });
  await settle();
  equal(world.link.of("acknowledge").length, 1);
});

Deno.test("snapshotter: alarms that are not stored are sent again after a reconnect", async () => {
  const world = await triggered();
  world.child.report({ kind: "alarms", edges: [edge("e1")] });
  world.child.report({ kind: "alarms", edges: [edge("e2")] });
  await settle();
  world.link.tell({ kind: "alarmsStored", seq: world.link.of("alarms")[0]!.seq });
  world.link.close("gone");
  await settle();
  world.clock.advance(500);
  world.link.welcome();
  equal(world.link.of("alarms").map((message) => message.edges.map((e) => e.edgeId)), [["e2"]]);
});

Deno.test("snapshotter: alarms that the hub does not answer are sent again, the link being up", async () => {
  const world = await triggered();
  world.child.report({ kind: "alarms", edges: [edge("e1")] });
  await settle();
  await world.pass(10);
  const seqs = world.link.of("alarms").map((message) => message.seq);
  ok(seqs.length > 1);
  equal(new Set(seqs).size, 1);
});

Deno.test("snapshotter: an attempt that had to drop alarms acknowledges nothing any more (C1)", async () => {
  const world = await triggered();
  const edges = Array.from({ length: OUTBOX_EDGES_MAX + 1 }, (_, index) => edge(`e${index}`));
  world.child.report({ kind: "alarms", edges });
  await settle();
  for (const { seq } of world.link.of("alarms")) world.link.tell({ kind: "alarmsStored", seq });
  await world.snapshot(1, 1, []);
  const [decline] = world.link.of("decline");
  equal(decline?.reason, "sink-failed");
  match(decline!.detail, /^1 alarm edges/);
});

Deno.test("snapshotter: a store that fails twice gets its third try", async () => {
  const world = await triggered();
  let tries = 0;
  const url = `http://store/${digestOf(FRESH)}`;
  world.web.set(`PUT ${url}`, () => new Response("", { status: ++tries < 3 ? 503 : 200 }));
  await world.snapshot(1, 1, [FRESH]);
  await world.grant();
  await world.pass(2);
  equal(world.link.of("acknowledge").length, 1);
  equal(tries, 3);
});

Deno.test("snapshotter: an upload that is refused is declined at once", async () => {
  const world = await triggered();
  const url = `http://store/${digestOf(FRESH)}`;
  world.web.set(`PUT ${url}`, () => new Response("XAmzContentSHA256Mismatch", { status: 400 }));
  await world.snapshot(1, 1, [FRESH]);
  await world.grant();
  const [decline] = world.link.of("decline");
  equal(decline?.reason, "upload-failed");
  match(decline!.detail, /SHA256Mismatch/);
  equal(world.requests.filter((request) => request === `PUT ${url}`).length, 1);
});

Deno.test("snapshotter: a full disk declines and stops nothing (F41)", async () => {
  const world = await triggered();
  world.files.writeError = new Error("No space left on device");
  await world.snapshot(1, 1, [FRESH]);
  equal(world.link.of("decline").map((message) => message.reason), ["disk-failed"]);
  equal(world.link.statuses(), "restoring restored running");
});

Deno.test("snapshotter: what the hub missed is asked and acknowledged again after a reconnect", async () => {
  const world = await triggered();
  await world.snapshot(1, 1, [FRESH]);
  world.link.close("gone");
  await settle();
  world.clock.advance(500);
  world.link.welcome();
  await world.grant();
  equal(world.link.of("acknowledge").length, 1);
  world.link.close("gone again");
  await settle();
  world.clock.advance(1_000);
  world.link.welcome();
  equal(world.link.of("acknowledge").length, 1);
  world.link.tell({
    kind: "completed",
    ...world.region(1),
    checkpointId: 1 as CheckpointId,
    isSavepoint: false,
  });
  world.link.close("and again");
  await settle();
  world.clock.advance(1_000);
  world.link.welcome();
  equal(world.link.of("acknowledge"), []);
});

Deno.test("snapshotter: an aborted checkpoint is neither uploaded nor acknowledged (C4)", async () => {
  const world = await triggered();
  await world.snapshot(1, 1, [FRESH]);
  world.link.tell({
    kind: "aborted",
    ...world.region(1),
    checkpointId: 1 as CheckpointId,
    reason: "timeout",
  });
  await world.grant();
  equal(world.uploaded.size, 0);
  equal([world.link.of("acknowledge"), world.link.of("decline")], [[], []]);
  ok(world.child.kinds().includes("aborted"));
});

Deno.test("snapshotter: pieces of checkpoints that come to nothing do not fill the disk", async () => {
  const world = await triggered();
  const names = () => [...world.files.content.keys()].filter((path) => path.includes("/pieces/"));
  await world.snapshot(1, 1, [OLD]);
  const reason = "timeout";
  world.link.tell({ kind: "aborted", ...world.region(1), checkpointId: 1 as CheckpointId, reason });
  await settle();
  equal(names(), []);
  for (let id = 2; id < 30; id++) {
    world.trigger(1, id);
    await world.snapshot(1, id, [utf8(`piece ${id}`)]);
  }
  equal(names().length, 8);
  ok(names().includes(`/data/pieces/${digestOf(utf8("piece 29"))}`));
});

Deno.test("snapshotter: a newer trigger ends the older checkpoint (C6)", async () => {
  const world = await triggered();
  await world.snapshot(1, 1, [FRESH]);
  world.trigger(1, 2);
  await world.grant();
  equal(world.link.of("decline").map((m) => [m.checkpointId, m.reason]), [[1, "superseded"]]);
  await world.snapshot(1, 2, [], [FRESH]);
  await world.grant();
  equal(world.link.of("acknowledge").map((m) => m.checkpointId), [2]);
  equal(world.uploaded.size, 1);
});

Deno.test("snapshotter: a trigger for a region that does not run is declined", async () => {
  const world = new World();
  await world.agent();
  world.link.welcome();
  world.trigger(1, 3);
  await settle();
  equal(world.link.of("decline").map((m) => [m.checkpointId, m.reason]), [[3, "not-running"]]);
});

Deno.test("snapshotter: keeps the pieces of the last completed checkpoint, and no older ones", async () => {
  const world = await triggered();
  const complete = async (id: number, isSavepoint: boolean) => {
    const checkpointId = id as CheckpointId;
    world.link.tell({ kind: "completed", ...world.region(1), checkpointId, isSavepoint });
    await settle();
  };
  const names = () => [...world.files.content.keys()].filter((path) => path.includes("/pieces/"));
  await world.snapshot(1, 1, [OLD]);
  await world.grant();
  await complete(1, false);
  equal(names(), [`/data/pieces/${digestOf(OLD)}`]);
  world.trigger(1, 2, true);
  await world.snapshot(1, 2, [FRESH]);
  await world.grant();
  await complete(2, true);
  equal(names().length, 2);
  world.trigger(1, 3);
  await world.snapshot(1, 3, [], [FRESH]);
  await world.grant([FRESH]);
  await complete(3, false);
  equal(names(), [`/data/pieces/${digestOf(FRESH)}`]);
});

for (
  const [failPoint, expected] of [
    ["upload-started:1", { uploaded: 0, acknowledged: 0 }],
    ["uploaded-before-ack", { uploaded: 1, acknowledged: 0 }],
    ["after-ack:1", { uploaded: 1, acknowledged: 1 }],
  ] as const
) {
  Deno.test(`fail point ${failPoint}: stops the agent exactly there (F2)`, async () => {
    const world = new World();
    world.failPoint = failPoint;
    let seen: unknown;
    world.stoppedDead.push = (name) => {
      seen ??= {
        name,
        uploaded: world.uploaded.size,
        acknowledged: world.link.of("acknowledge").length,
      };
      return 1;
    };
    await world.running(1);
    world.trigger(1, 1);
    await world.snapshot(1, 1, [FRESH]);
    await world.grant();
    equal(seen, { name: failPoint.split(":")[0], ...expected });
  });
}
