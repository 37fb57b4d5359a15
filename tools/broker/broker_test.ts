import { deepEqual, equal } from "node:assert/strict";
import mqtt from "mqtt";
import type { IClientOptions, IPublishPacket, MqttClient } from "mqtt";
import { serveBroker } from "./server.ts";
import { isFilter, matches } from "./topics.ts";

Deno.test("broker: matches filters as MQTT 5 says", () => {
  const cases: [string, string, boolean][] = [
    ["a/b", "a/b", true],
    ["a/+", "a/b", true],
    ["a/+", "a/b/c", false],
    ["a/#", "a", true],
    ["a/#", "a/b/c", true],
    ["#", "a/b", true],
    ["#", "$SYS/x", false],
    ["+/x", "$SYS/x", false],
    ["$SYS/#", "$SYS/x", true],
    ["+", "/a", false],
    ["+/+", "/a", true],
    ["a/b", "a", false],
  ];
  for (const [filter, topic, expected] of cases) equal(matches(filter, topic), expected, filter);
  deepEqual(["#", "a/#", "+/a", "a#", "a/#/b", "a+", ""].map(isFilter), [
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

for (const protocolVersion of [5, 4] as const) {
  Deno.test(`broker: delivers at QoS 0 and 1 to wildcards, with retained messages, version ${protocolVersion}`, async () => {
    await using world = new World();
    const publisher = await world.client({ protocolVersion });
    await publisher.publishAsync("plant/a/state", "on", { qos: 1, retain: true });
    await publisher.publishAsync("plant/b/state", "gone", { qos: 1, retain: true });
    await publisher.publishAsync("plant/b/state", "", { qos: 1, retain: true });
    const subscriber = await world.client({ protocolVersion });
    const got = world.record(subscriber);
    await subscriber.subscribeAsync("plant/+/state", { qos: 1 });
    await publisher.publishAsync("plant/c/state", "é", { qos: 1 });
    await publisher.publishAsync("plant/d/state", "late", { qos: 0 });
    await publisher.publishAsync("other", "x", { qos: 1 });
    await got.until(3);
    deepEqual(got.lines, ["plant/a/state on 1 r", "plant/c/state é 1", "plant/d/state late 0"]);
  });
}

Deno.test("broker: passes user properties on", async () => {
  await using world = new World();
  const subscriber = await world.client({});
  await subscriber.subscribeAsync("t", { qos: 1 });
  const got = world.record(subscriber);
  const publisher = await world.client({});
  const properties = { userProperties: { "penstock-id": "7" } };
  await publisher.publishAsync("t", "x", { qos: 1, properties });
  await got.until(1);
  deepEqual({ ...got.packets[0]!.properties!.userProperties }, { "penstock-id": "7" });
});

Deno.test("broker: keeps a session and its messages while the client is away, for the session expiry", async () => {
  await using world = new World();
  const options = { clientId: "s", clean: false, properties: { sessionExpiryInterval: 60 } };
  const first = await world.client(options);
  await first.subscribeAsync("t", { qos: 1 });
  await first.endAsync();
  const publisher = await world.client({});
  for (const n of [1, 2, 3]) await publisher.publishAsync("t", String(n), { qos: 1 });
  const second = await world.client(options);
  const got = world.record(second);
  await got.until(3);
  deepEqual(got.lines.map((line) => line.split(" ")[1]), ["1", "2", "3"]);
  const clean = await world.client({ ...options, clean: true });
  equal(world.sessionPresent.get(clean), false);
});

Deno.test("broker: ends a session with its connection when it has no expiry", async () => {
  await using world = new World();
  const first = await world.client({ clientId: "s", clean: false });
  await first.subscribeAsync("t", { qos: 1 });
  await first.endAsync();
  equal(world.sessionPresent.get(await world.client({ clientId: "s", clean: false })), false);
});

Deno.test("broker: a takeover tells the old client 0x8E", async () => {
  await using world = new World();
  const first = await world.client({ clientId: "s", reconnectPeriod: 0 });
  const reason = new Promise<number>((resolve) =>
    first.on("disconnect", (packet) => resolve(packet.reasonCode ?? 0))
  );
  await world.client({ clientId: "s" });
  equal(await reason, 0x8e);
});

Deno.test("broker: sends the will of a client that breaks off, not of one that says goodbye", async () => {
  await using world = new World();
  const watcher = await world.client({});
  await watcher.subscribeAsync("will/#", { qos: 1 });
  const got = world.record(watcher);
  const will = (name: string) => ({ topic: `will/${name}`, payload: "gone", qos: 1 as const });
  const polite = await world.client({ will: { ...will("polite"), retain: false } });
  await polite.endAsync();
  const rude = await world.client({ will: { ...will("rude"), retain: false }, reconnectPeriod: 0 });
  rude.stream.destroy();
  await got.until(1);
  deepEqual(got.lines, ["will/rude gone 1"]);
});

/** A broker of the test's own and its clients. */
class World {
  readonly #server = serveBroker({ hostname: "127.0.0.1", port: 0 });
  readonly #clients: MqttClient[] = [];
  readonly #recorders = new Map<MqttClient, Recorder>();
  readonly sessionPresent = new Map<MqttClient, boolean>();

  async client(options: IClientOptions): Promise<MqttClient> {
    const client = mqtt.connect(`mqtt://${this.#server.address}`, {
      protocolVersion: 5,
      ...options,
    });
    this.#clients.push(client);
    // Before the connection is up: what was kept for it comes at once.
    this.#recorders.set(client, recorder(client));
    await new Promise<void>((resolve, reject) => {
      client.once("connect", ({ sessionPresent }) => {
        this.sessionPresent.set(client, sessionPresent);
        resolve();
      });
      client.once("error", reject);
    });
    return client;
  }

  record(client: MqttClient): Recorder {
    return this.#recorders.get(client)!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client.endAsync(true);
    this.#server.close();
  }
}

type Recorder = ReturnType<typeof recorder>;

/** What a client gets, as `topic payload qos[ r]`. */
function recorder(client: MqttClient) {
  const packets: IPublishPacket[] = [];
  const lines: string[] = [];
  let wake = () => {};
  client.on("message", (topic, payload, packet) => {
    packets.push(packet);
    lines.push(`${topic} ${payload} ${packet.qos}${packet.retain ? " r" : ""}`);
    wake();
  });
  const until = async (count: number) => {
    while (lines.length < count) await new Promise<void>((resolve) => wake = resolve);
  };
  return { packets, lines, until };
}
