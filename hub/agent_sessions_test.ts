import { deepEqual, equal, ok } from "node:assert/strict";
import { HubWorld } from "../tests/support/hub_world.ts";
import { type AgentSocket, CLOSE_CODES } from "./agent_sessions.ts";
import type { AgentId, Attempt, CheckpointId, Digest, JobId, RegionId } from "@shared/ids.ts";
import type { HubMessage } from "@shared/messages.ts";
import { blobPins } from "./db/schema.ts";
import { listGaps } from "./db/gap_store.ts";
import { JOB_ID } from "../tests/support/hub_world.ts";

const REGION_0 = "telemetry.0" as RegionId;

/** A socket without an agent behind it. */
class BareSocket implements AgentSocket {
  readyState = 1;
  bufferedAmount = 0;
  closeCode: number | null = null;
  readonly received: HubMessage[] = [];
  #listen: (event: { data: unknown }) => void = () => {};
  #closed: () => void = () => {};

  send(text: string): void {
    this.received.push(JSON.parse(text));
  }
  close(code: number): void {
    this.closeCode = code;
    this.readyState = 3;
    this.#closed();
  }
  addEventListener(type: string, listener: (event: { data: unknown }) => void): void {
    if (type === "message") this.#listen = listener;
    if (type === "close") this.#closed = () => listener({ data: null });
  }
  say(message: unknown): void {
    this.#listen({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }
}

const HELLO = {
  kind: "hello",
  version: 1,
  agentVersion: "test",
  bootId: "b1",
  labels: {},
  regions: [],
};

function test(title: string, run: (world: HubWorld) => Promise<void>): void {
  Deno.test(title, async () => {
    const world = await HubWorld.open();
    try {
      await run(world);
    } finally {
      await world.close();
    }
  });
}

function accept(world: HubWorld, id = "a"): BareSocket {
  const socket = new BareSocket();
  world.sessions.accept(socket, { id: id as AgentId, name: id }, "127.0.0.1");
  return socket;
}

test("agent sessions: an agent that says no hello within 5 s is closed", async (world) => {
  const socket = accept(world);
  await world.pass(4_800);
  equal(socket.closeCode, null);
  await world.pass(400);
  equal(socket.closeCode, CLOSE_CODES.noHello);
});

test("agent sessions: what is not of this version, or no hello first, is closed", async (world) => {
  const cases = [
    { ...HELLO, version: 2 },
    "no json",
    { kind: "heartbeat", seq: 1 },
    { kind: "unheard-of" },
  ];
  for (const message of cases) {
    const socket = accept(world);
    socket.say(message);
    equal(socket.closeCode, CLOSE_CODES.badMessage, JSON.stringify(message));
  }
  const socket = accept(world);
  socket.say(HELLO);
  socket.say(HELLO);
  equal(socket.closeCode, CLOSE_CODES.badMessage);
  await world.idle();
});

test("agent sessions: the newest session of an agent wins, and closing the older changes nothing", async (world) => {
  const older = accept(world);
  older.say(HELLO);
  const newer = accept(world);
  newer.say(HELLO);
  await world.idle();
  equal(older.closeCode, CLOSE_CODES.replaced);
  equal(newer.closeCode, null);
  equal(newer.received[0]?.kind, "welcome");
  equal(world.sessions.isOnline("a" as AgentId), true);
  newer.say({ kind: "heartbeat", seq: 4 });
  deepEqual(newer.received.at(-1), { kind: "heartbeatAck", seq: 4 });
});

test("agent sessions: a session without heartbeats loses its lease and is closed", async (world) => {
  const socket = accept(world);
  await world.pass(3_000);
  socket.say(HELLO);
  await world.pass(5_800);
  equal(socket.closeCode, null);
  await world.pass(600);
  equal(socket.closeCode, CLOSE_CODES.leaseExpired);
  equal(world.sessions.verdict("a" as AgentId), "reassignable");
  ok(world.events.some(({ type }) => type === "agent.expired"));
});

test("agent sessions: a removed agent is cut off and its regions go elsewhere at once (S4)", async (world) => {
  await world.addAgent("a");
  await world.deploy();
  await world.allRunning();
  await world.addAgent("b");
  world.sessions.cut("a" as AgentId, "Removed");
  await world.until(
    async () => (await world.regions()).every(({ agentId }) => agentId === "b"),
    "the regions moved",
  );
  equal(world.agents.get("a")!.closeCode, CLOSE_CODES.removed);
});

test("agent sessions: uploads are granted to the current attempt alone, pinned (F3, G1)", async (world) => {
  const agent = await world.addAgent("a");
  await world.deploy();
  await world.allRunning();
  const blobs = [{ digest: "c".repeat(64) as Digest, bytes: 5 }];
  const ask = (requestId: string, attempt: number) =>
    agent.say({
      kind: "uploadRequest",
      requestId,
      jobId: JOB_ID,
      regionId: REGION_0,
      attempt: attempt as Attempt,
      checkpointId: 1 as CheckpointId,
      blobs,
    });
  ask("good", 1);
  await world.idle();
  equal(agent.messages("uploadGrant").at(-1)?.blobs[0]?.put?.url, `memory:${blobs[0]!.digest}`);
  equal((await world.db.select().from(blobPins)).length, 1);
  agent.regions.delete(REGION_0);
  agent.disconnect();
  agent.connect(world.sessions);
  await world.allRunning();
  ask("late", 1);
  await world.idle();
  equal(agent.messages("uploadRefused").at(-1)?.requestId, "late");
  equal(agent.messages("stale").at(-1)?.currentAttempt, 2);
});

test("agent sessions: an agent that asks is told whether it owns a region (M2)", async (world) => {
  const agent = await world.addAgent("a");
  await world.deploy();
  await world.allRunning();
  const ask = (requestId: string, over: Record<string, unknown>) =>
    agent.say({
      kind: "askOwnership",
      jobId: JOB_ID,
      regionId: REGION_0,
      attempt: 1 as Attempt,
      requestId,
      ...over,
    });
  ask("mine", {});
  ask("unknown", { jobId: "other" as JobId });
  await world.idle();
  deepEqual(
    agent.messages("ownership").map(({ requestId, isOwner }) => [requestId, isOwner]),
    [["mine", true], ["unknown", false]],
  );
});

test("agent sessions: a lost session is recorded as a gap of the region's split (M9)", async (world) => {
  const agent = await world.addAgent("a");
  await world.deploy();
  await world.allRunning();
  agent.say({
    kind: "event",
    jobId: JOB_ID,
    regionId: REGION_0,
    attempt: 1 as Attempt,
    event: {
      type: "session-lost",
      detail: "forgotten",
      fields: { position: 40, fromMs: 1_000, toMs: 2_000, pendingCount: 3 },
    },
  });
  await world.idle();
  const [gap] = await listGaps(world.db, JOB_ID, { limit: 1, beforeId: null });
  deepEqual(
    [gap?.cause, gap?.sourceUid, gap?.splitIndex, gap?.fromPosition, gap?.records],
    ["session-lost", "telemetry", 0, 40, null],
  );
});

test("agent sessions: what a broker gives is published once, however often an agent tells it (M7)", async (world) => {
  const agent = await world.addAgent("a");
  await world.deploy();
  await world.allRunning();
  const tell = (guarantee: string) =>
    agent.say({
      kind: "event",
      jobId: JOB_ID,
      regionId: REGION_0,
      attempt: 1 as Attempt,
      event: { type: "broker-profile", detail: guarantee, fields: { guarantee } },
    });
  tell("exactly-once");
  tell("exactly-once");
  tell("at-least-once");
  await world.idle();
  const published = world.events.filter(({ type }) => type === "region.broker-profile");
  deepEqual(published.map(({ body }) => body["detail"]), ["exactly-once", "at-least-once"]);
});

test("agent sessions: a goodbye that is handled late does not end the agent's next session", async (world) => {
  const old = accept(world);
  // The hello is still being handled, so the goodbye waits behind it.
  old.say(HELLO);
  old.say({ kind: "goodbye", reason: "restart" });
  accept(world).say(HELLO);
  await world.pass(400);
  equal(world.sessions.verdict("a" as AgentId), "held");
});

test("agent sessions: a hello that cannot be handled closes the session, so that the agent says it again (H1)", async (world) => {
  const socket = accept(world);
  world.loops.agentArrived = () => Promise.reject(new Error("Connection refused"));
  socket.say(HELLO);
  await world.pass(4_000);
  equal(socket.closeCode, CLOSE_CODES.helloFailed);
});

test("agent sessions: a hub that stood still takes no lease away for it (F5)", async (world) => {
  accept(world).say(HELLO);
  await world.pass(2_000);
  const { monotonicMs } = world.clock;
  let stoodMs = 0;
  world.clock.monotonicMs = () => monotonicMs.call(world.clock) + stoodMs;
  await world.pass(2_000);
  stoodMs = 60_000;
  await world.pass(1_800);
  equal(world.sessions.verdict("a" as AgentId), "held");
  await world.pass(5_000);
  equal(world.sessions.verdict("a" as AgentId), "reassignable");
});
