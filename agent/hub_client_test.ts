import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import type { AgentMessage } from "@shared/messages.ts";
import { metricsOf, settle, World } from "./testdata/fake_world.ts";
import { KEPT_MAX, RECONNECT_BACKOFF, WELCOME_TIMEOUT_MS } from "./hub_client.ts";

async function lost(world: World): Promise<void> {
  world.link.events.onClose("gone");
  await settle();
}

Deno.test("hub client: reconnects for ever, jittered, between 0.5 and 10 s (F45)", async () => {
  const world = new World();
  await world.agent();
  const waits: number[] = [];
  for (let round = 0; round < 12; round++) {
    await lost(world);
    const before = world.links.length;
    let waitedMs = 0;
    for (; world.links.length === before; waitedMs += 50) world.clock.advance(50);
    waits.push(waitedMs);
  }
  ok(
    waits.every((ms) => ms >= RECONNECT_BACKOFF.firstMs / 2 && ms <= RECONNECT_BACKOFF.maxMs + 50),
  );
  ok(waits.at(-1)! >= RECONNECT_BACKOFF.maxMs / 2);
  ok(new Set(waits.slice(-5)).size > 1);
});

Deno.test("hub client: having held a lease it tries often enough to keep it, however long the hub is away (F5)", async () => {
  const world = new World();
  await world.agent();
  world.link.welcome();
  const leaseTtlMs = 6_000;
  for (let round = 0; round < 12; round++) {
    await lost(world);
    const before = world.links.length;
    world.clock.advance(leaseTtlMs / 3);
    ok(world.links.length > before, `round ${round}: still waiting after a third of the lease`);
  }
  world.link.events.onOpen();
  world.clock.advance(leaseTtlMs);
  match(world.link.closedBecause!, /No welcome within 6000 ms/);
});

Deno.test("hub client: a welcome resets the back-off", async () => {
  const world = new World();
  await world.agent();
  for (let round = 0; round < 8; round++) {
    await lost(world);
    world.clock.advance(RECONNECT_BACKOFF.maxMs);
  }
  world.link.welcome();
  const count = world.links.length;
  await lost(world);
  world.clock.advance(RECONNECT_BACKOFF.firstMs);
  equal(world.links.length, count + 1);
});

Deno.test("hub client: ten minutes without the hub change nothing for the runner (F6, H3)", async () => {
  const world = new World();
  await world.running(1);
  const commands = world.child.commands.length;
  await lost(world);
  for (let round = 0; round < 120; round++) {
    world.child.report({ kind: "metrics", subtasks: [] });
    await world.pass(5);
    if (world.link.closedBecause === null) await lost(world);
  }
  ok(world.links.length > 100, "It gave up");
  equal(world.child.commands.length, commands);
  ok(!world.child.isDead);
});

Deno.test("hub client: gives up a link that stays silent for the lease (F6)", async () => {
  const world = new World();
  await world.running(1);
  world.link.answersHeartbeats = false;
  await world.pass(7);
  match(world.links[0]!.closedBecause!, /did not answer within the lease/);
  ok(!world.child.isDead);
});

Deno.test("hub client: a link without a welcome is closed in time", async () => {
  const world = new World();
  await world.agent();
  world.link.events.onOpen();
  world.clock.advance(WELCOME_TIMEOUT_MS);
  match(world.links[0]!.closedBecause!, /No welcome/);
});

Deno.test("hub client: a hub of a lower term is left (F1)", async () => {
  const world = new World();
  const agent = await world.agent();
  world.link.welcome(5);
  await lost(world);
  world.clock.advance(500);
  world.link.welcome(4);
  ok(!agent.isConnected);
  equal(world.link.closedBecause, "deposed");
});

Deno.test("hub client: an order before the welcome closes the link", async () => {
  const world = new World();
  await world.agent();
  world.link.events.onOpen();
  world.link.tell({ kind: "stop", ...world.region(1), reason: "" });
  match(world.link.closedBecause!, /before the welcome/);
});

Deno.test("hub client: a message that is not understood is refused, the link stays", async () => {
  const world = new World();
  const agent = await world.agent();
  world.link.welcome();
  world.link.events.onText('{"kind":"dance"}');
  ok(agent.isConnected);
  ok(world.logger.lines.some((line) => line.message === "Refused a message of the hub"));
});

Deno.test("hub client: away, statuses are kept in order and metrics are lost", async () => {
  const world = new World();
  await world.running(1);
  await lost(world);
  world.child.report({ kind: "metrics", subtasks: [] });
  world.child.exit(1);
  await settle();
  world.clock.advance(500);
  world.link.welcome();
  const kinds = world.link.received.map((message: AgentMessage) => message.kind);
  equal(kinds, ["hello", "heartbeat", "event", "status"]);
});

Deno.test("hub client: what is kept is bounded, and events give way to statuses", async () => {
  const world = new World();
  await world.running(1);
  await lost(world);
  const { regionId, attempt } = world.region(1);
  const event = { type: "window-pressure", detail: "", fields: {} } as const;
  for (let count = 0; count < KEPT_MAX + 5; count++) {
    world.child.report({ kind: "event", regionId, attempt, event });
  }
  world.child.report({ kind: "failed", regionId, attempt, message: "no", isRetryable: true });
  await settle();
  world.clock.advance(500);
  world.link.welcome();
  equal(world.link.of("event").length, KEPT_MAX - 1);
  equal(world.link.of("status").at(-1)?.reason, "no");
});

Deno.test("hub client: away, it says how long the broker's window lasts (M8)", async () => {
  const world = new World();
  await world.running(1);
  world.child.report({ kind: "metrics", subtasks: [metricsOf({ windowSecondsLeft: 65 })] });
  await settle();
  await lost(world);
  await world.pass(11);
  const line = world.logger.lines.find(({ message }) =>
    message.startsWith("Held acknowledgements")
  );
  equal(line?.fields.windowSecondsLeft, 65);
});

Deno.test("hub client: lines of the log wait while the line is congested or the hub away", async () => {
  const world = new World();
  await world.agent();
  world.logLines.push({ atMs: 1, level: "warn", message: "Lost the hub", fields: {} });
  await world.pass(2);
  world.link.welcome();
  world.link.bufferedBytes = 5 * 1024 * 1024;
  await world.pass(2);
  equal([world.logLines.length, world.link.of("logs").length], [1, 0]);
  world.link.bufferedBytes = 0;
  await world.pass(2);
  equal(world.link.of("logs").flatMap(({ lines }) => lines.map(({ message }) => message)), [
    "Lost the hub",
  ]);
});
