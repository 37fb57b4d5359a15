import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import mqtt from "mqtt";
import type { CheckpointId } from "@shared/ids.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import { silentLogger } from "../../tests/support/logger.ts";
import { TcpProxy } from "../../tests/support/tcp_proxy.ts";
import { serveBroker } from "../../tools/broker/server.ts";
import type { SinkWriter } from "./connector.ts";
import { createMqttSink, type MqttSinkSpec } from "./mqtt_sink.ts";

const at = (id: number) => id as CheckpointId;

Deno.test("mqtt sink: direct outputs go out at once, with their id, and flush waits for every PUBACK (C1, K1)", async () => {
  await using world = await World.open();
  const sink = world.sink({ delivery: "direct" });
  for (let i = 0; i < 50; i += 1) sink.write({ n: i }, `id-${i}`);
  equal(sink.pendingCount, 50);
  await sink.flush();
  equal(sink.pendingCount, 0);
  await world.until(50);
  deepEqual(world.got[49], [`out/49`, `{"n":49}`, "id-49"]);
  equal(sink.capture(at(1)), null);
});

Deno.test("mqtt sink: staged outputs go out behind their checkpoint, not before (K1, K2)", async () => {
  await using world = await World.open();
  const sink = world.sink({ delivery: "staged" });
  sink.write({ n: 1 }, "a");
  sink.capture(at(1));
  sink.write({ n: 2 }, "b");
  sink.capture(at(2));
  sink.write({ n: 3 }, "c");
  await sink.flush();
  equal(sink.pendingCount, 3);
  sink.notifyCompleted(at(2));
  await world.until(2);
  deepEqual(world.ids(), ["a", "b"]);
  await world.settled(() => sink.pendingCount === 1);
});

Deno.test("mqtt sink: a close right behind a completion cuts no staged output off (K2, L3)", async () => {
  await using world = await World.open();
  const sink = world.sink({ delivery: "staged" });
  sink.write({ n: 0 }, "first");
  sink.capture(at(1));
  sink.notifyCompleted(at(1));
  await world.settled(() => sink.pendingCount === 0);
  for (let i = 1; i <= 3_000; i += 1) sink.write({ n: i }, String(i));
  sink.capture(at(2));
  sink.notifyCompleted(at(2));
  await sink.close();
  await world.until(3_001);
  equal(new Set(world.ids()).size, 3_001);
});

Deno.test("mqtt sink: unconfirmed staged outputs are in later snapshots and go out again on restore, same ids (C5, K2)", async () => {
  await using world = await World.open();
  const unreachable = world.sink({ delivery: "staged" }, "mqtt://127.0.0.1:1");
  unreachable.write({ n: 1 }, "a");
  unreachable.capture(at(1));
  unreachable.notifyCompleted(at(1));
  unreachable.write({ n: 2 }, "b");
  const section = unreachable.capture(at(2))!;
  const sink = world.sink({ delivery: "staged" });
  sink.restore(section, at(2));
  await world.until(2);
  deepEqual(world.ids(), ["a", "b"]);
  await world.settled(() => sink.pendingCount === 0);
  deepEqual([...sink.capture(at(3))!], [1, 0, 0, 0, 0]);
});

Deno.test("mqtt sink: outputs written while the broker is away come through after a reconnect", async () => {
  await using world = await World.open();
  const proxy = new TcpProxy(world.port);
  const sink = world.sink({ delivery: "direct" }, `mqtt://127.0.0.1:${proxy.port}`);
  sink.write({ n: 0 }, "0");
  await sink.flush();
  proxy.blackhole();
  for (let i = 1; i <= 20; i += 1) sink.write({ n: i }, String(i));
  const flushed = sink.flush();
  proxy.cut();
  proxy.heal();
  await flushed;
  equal(new Set(world.ids()).size, 21);
  await sink.close();
  proxy.stop();
});

Deno.test("mqtt sink: refuses a topic with a wildcard, and closing rejects a flush that waits (C1)", async () => {
  await using world = await World.open();
  const sink = world.sink({ delivery: "direct", topic: () => "a/#" });
  throws(() => sink.write({}, "1"), /cannot publish to "a\/#"/);
  const away = world.sink({ delivery: "direct" }, "mqtt://127.0.0.1:1");
  away.write({ n: 1 }, "1");
  const flushed = rejects(away.flush(), /was closed/);
  await away.close();
  await flushed;
  deepEqual(world.failures, []);
});

Deno.test("mqtt sink: retained outputs are retained", async () => {
  await using world = await World.open();
  const sink = world.sink({ delivery: "direct", isRetained: true });
  sink.write({ n: 5 }, "five");
  await sink.flush();
  const late = mqtt.connect(world.url, { protocolVersion: 5 });
  const got = new Promise<boolean>((resolve) =>
    late.on("message", (_topic, _payload, packet) => resolve(packet.retain))
  );
  late.subscribe("out/#");
  ok(await got);
  await late.endAsync(true);
});

/** An embedded broker, a subscriber, and the sinks of one test. */
class World {
  readonly got: string[][] = [];
  readonly failures: string[] = [];
  readonly #server = serveBroker({ hostname: "127.0.0.1", port: 0 });
  readonly #sinks: SinkWriter[] = [];
  #subscriber: mqtt.MqttClient | null = null;

  static async open(): Promise<World> {
    const world = new World();
    const subscriber = mqtt.connect(world.url, { protocolVersion: 5 });
    subscriber.on("message", (topic, payload, packet) => {
      const id = packet.properties?.userProperties?.["penstock-id"];
      world.got.push([topic, payload.toString(), String(id)]);
    });
    await subscriber.subscribeAsync("out/#", { qos: 1 });
    world.#subscriber = subscriber;
    return world;
  }

  get url(): string {
    return `mqtt://${this.#server.address}`;
  }

  get port(): number {
    return Number(this.#server.address.split(":")[1]);
  }

  sink(spec: Partial<MqttSinkSpec>, url = this.url): SinkWriter {
    const sink = createMqttSink({
      spec: {
        connector: "mqtt",
        broker: "plant",
        topic: (record: { n: number }) => `out/${record.n}`,
        encode: null,
        delivery: "direct",
        qos: 1,
        isRetained: false,
        ...spec,
      },
      sinkUid: "counts",
      jobId: "job-1",
      broker: { name: "plant", url, username: null, password: null, caPem: null },
      clock: systemClock,
      random: new SeededRandom(this.#sinks.length),
      logger: silentLogger,
      failed: (message) => this.failures.push(message),
    });
    this.#sinks.push(sink);
    return sink;
  }

  ids(): string[] {
    return this.got.map(([, , id]) => id!);
  }

  until(count: number): Promise<void> {
    return this.settled(() => this.got.length >= count);
  }

  async settled(isSettled: () => boolean): Promise<void> {
    while (!isSettled()) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const sink of this.#sinks) await sink.close();
    await this.#subscriber?.endAsync(true);
    this.#server.close();
  }
}
