import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { Connection } from "@shared/dialer.ts";
import { PenstockError } from "@shared/errors.ts";
import type { CheckpointId } from "@shared/ids.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import type { RegionEvent } from "@shared/messages.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import { silentLogger } from "../../tests/support/logger.ts";
import type { ProbeFinding } from "./broker_verdict.ts";
import { ByteReader, ByteWriter, PACKET, packet } from "./mqtt_packets.ts";
import { createMqttSource, type MqttSourceSpec } from "./mqtt_source.ts";

const FIRST = 1 as CheckpointId;

Deno.test("mqtt source: connects with Clean Start 0, a window and no Maximum Packet Size, and subscribes without retained messages (M1, M7, M9)", async () => {
  const world = new World();
  await world.start();
  const connect = new ByteReader(world.broker.packets[0]!.body);
  equal(connect.text(), "MQTT");
  deepEqual([connect.byte(), connect.byte(), connect.uint16()], [5, 0, 30]);
  deepEqual([...connect.properties()], [[0x11, 3600], [0x21, 100]]);
  equal(connect.text(), "penstock-job-1-telemetry-0");
  const subscribe = world.broker.packets[1]!;
  deepEqual([subscribe.type, [...subscribe.body.slice(-1)]], [PACKET.SUBSCRIBE, [0x21]]);
});

Deno.test("mqtt source: redelivery right behind CONNACK is not lost, before SUBACK too (M11)", async () => {
  const world = new World();
  world.broker.onConnect = () => [connack(true), publish(1, `{"v":1}`), publish(2, `{"v":2}`)];
  await world.start();
  deepEqual(world.records, [[{ v: 1 }, 1], [{ v: 2 }, 2]]);
});

Deno.test("mqtt source: acknowledges behind the completed checkpoint, with a ping behind the acks (C9, M3a)", async () => {
  const world = await World.started();
  await world.send(publish(7, `{"v":1}`), publish(8, `{"v":2}`));
  world.source.capture(FIRST);
  await world.settle();
  deepEqual(world.acks(), []);
  world.source.notifyCompleted(FIRST);
  await world.settle();
  deepEqual(world.acks(), [7, 8]);
  equal(world.broker.packets.at(-1)!.type, PACKET.PINGREQ);
  equal(world.source.metrics().windowUsed, 2);
  await world.send(Uint8Array.of(PACKET.PINGRESP << 4, 0));
  equal(world.source.metrics().windowUsed, 0);
});

Deno.test("mqtt source: a message cut anywhere over two reads is read whole", async () => {
  const world = await World.started();
  const bytes = publish(9, `{"name":"pump é"}`);
  for (let cut = 1; cut < bytes.length; cut += 1) {
    await world.send(bytes.subarray(0, cut));
    await world.send(bytes.subarray(cut));
    // Small reads in quick succession would be gathered.
    world.clock.advance(20);
  }
  equal(world.records.length, bytes.length - 1);
  deepEqual(new Set(world.records.map(([value]) => JSON.stringify(value))).size, 1);
  deepEqual(world.records[0]![0], { name: "pump é" });
});

Deno.test("mqtt source: what is no record goes to the dead letters and is acknowledged like any other", async () => {
  const world = await World.started();
  const deep = "[".repeat(65) + "]".repeat(65);
  const escaped = `{"\\u005f_proto__":{"a":1}}`;
  const bad = [
    "nonsense",
    deep,
    `{"a":{"__proto__":{}}}`,
    escaped,
    `{"constructor":{"prototype":1}}`,
  ];
  bad.push(`"${"x".repeat(2000)}"`, "y".repeat(300_000));
  const good = ["[".repeat(64) + "]".repeat(64), `{"constructor":"me","proto":"__proto__"}`];
  await world.send(...[...bad, ...good].map((payload, i) => publish(i + 1, payload)));
  deepEqual(world.deadLetters.map(([position]) => position), [1, 2, 3, 4, 5, 6, 7]);
  equal(world.records.length, 2);
  world.source.capture(FIRST);
  world.source.notifyCompleted(FIRST);
  await world.settle();
  equal(world.acks().length, 9);
});

Deno.test("mqtt source: a lost session is told, and fails the source where the job says so, once subscribed (M9)", async () => {
  for (const onGap of ["continue", "fail"] as const) {
    const world = await World.started({ onGap });
    await world.send(publish(1, "1"));
    world.broker.onConnect = () => [connack(false)];
    world.broker.drop();
    await world.settle();
    world.clock.advance(2_000);
    await world.settle();
    equal(world.events.filter(({ type }) => type === "session-lost").length, 1);
    equal(world.events.find(({ type }) => type === "session-lost")!.fields.pendingCount, 1);
    equal(world.broker.packets.at(-1)!.type, PACKET.SUBSCRIBE);
    equal(world.failures.length, onGap === "fail" ? 1 : 0);
  }
});

Deno.test("mqtt source: after a takeover notice it asks for ownership before it reconnects (M2)", async () => {
  const world = await World.started();
  await world.send(Uint8Array.of(PACKET.DISCONNECT << 4, 1, 0x8e));
  world.clock.advance(2_000);
  await world.settle();
  equal(world.asked.length, 1);
  equal(world.broker.dials, 1);
  world.asked[0]!.resolve(false);
  await world.settle();
  equal(world.broker.dials, 1);
  ok(/another owner/.test(world.failures[0]!));
  ok(world.events.some(({ type }) => type === "session-taken-over"));
});

Deno.test("mqtt source: one unexplained close reconnects, the second near it asks first (M2)", async () => {
  const world = await World.started();
  world.broker.onConnect = () => [connack(true)];
  world.broker.drop();
  await world.settle();
  world.clock.advance(2_000);
  await world.settle();
  deepEqual([world.broker.dials, world.asked.length], [2, 0]);
  world.broker.drop();
  await world.settle();
  world.clock.advance(3_000);
  await world.settle();
  deepEqual([world.broker.dials, world.asked.length], [2, 1]);
  world.asked[0]!.reject(new Error("hub is away"));
  await world.settle();
  world.clock.advance(3_000);
  await world.settle();
  deepEqual([world.broker.dials, world.asked.length], [2, 2]);
  world.asked[1]!.resolve(true);
  await world.settle();
  equal(world.broker.dials, 3);
});

Deno.test("mqtt source: an unreachable broker is tried again without failing", async () => {
  const world = new World();
  world.broker.isReachable = false;
  const started = world.source.start();
  for (let i = 0; i < 10; i += 1) {
    await world.settle();
    world.clock.advance(13_000);
  }
  ok(world.broker.dials >= 10);
  deepEqual(world.failures, []);
  equal(world.events.filter(({ type }) => type === "broker-disconnected").length, 1);
  world.broker.isReachable = true;
  await world.settle();
  world.clock.advance(13_000);
  await world.settle();
  await started;
});

Deno.test("mqtt source: a refused subscription fails the start with the topic and the reason", async () => {
  const world = new World();
  world.broker.subackCode = 0x87;
  const started = world.source.start();
  await rejects(started, /plant\/#": not authorized \(0x87\)/);
});

Deno.test("mqtt source: paused in the middle of a chunk, it emits no further record until resumed", async () => {
  const world = await World.started();
  world.onRecord = () => world.records.length === 2 && world.source.pause();
  await world.send(...[1, 2, 3, 4].map((id) => publish(id, String(id))));
  equal(world.records.length, 2);
  world.source.resume();
  await world.settle();
  equal(world.records.length, 4);
});

Deno.test("mqtt source: asks for an early checkpoint at half a window, once per checkpoint (M8)", async () => {
  const world = await World.started();
  const batch = (from: number) => Array.from({ length: 50 }, (_, i) => publish(from + i, "1"));
  await world.send(...batch(1));
  await world.send(...batch(51).slice(0, 10));
  equal(world.pressure, 1);
  world.source.notifyAborted(FIRST);
  await world.send(publish(99, "1"));
  equal(world.pressure, 2);
});

Deno.test("mqtt source: restored from a checkpoint, drops what the state holds and acknowledges it at once (M3, M5)", async () => {
  const before = await World.started();
  await before.send(publish(1, `"a"`), publish(2, `"b"`));
  const { section, position } = before.source.capture(FIRST);
  equal(position.position, 2);
  const world = new World();
  world.source.restore(section, { isSavepoint: false, positionFloor: 0 });
  world.broker.onConnect =
    () => [connack(true), publish(1, `"a"`), publish(2, `"b"`), publish(3, `"c"`)];
  await world.start();
  deepEqual(world.records, [["c", 3]]);
  await world.settle();
  deepEqual(world.acks(), [1, 2]);
  equal(world.source.metrics().duplicatesDropped, 2);
});

Deno.test("mqtt source: half of the window is half of what the broker gives, where that is less (M8)", async () => {
  const world = new World();
  world.finding = {
    kind: "done",
    facts: {
      grantedQos: 1,
      windowAsked: 60,
      windowSeen: 4,
      doesSessionSurvive: true,
      keepsOrder: true,
      keepsPacketIds: true,
    },
  };
  await world.start();
  equal(world.source.metrics().windowSize, 4);
  await world.send(publish(1, "1"));
  equal(world.pressure, 0);
  await world.send(publish(2, "2"));
  equal(world.pressure, 1);
});

Deno.test("mqtt source: reports once per connection what the broker grants and the guarantee that follows (M7)", async () => {
  const world = await World.started();
  world.broker.subackCode = 0;
  world.broker.drop();
  await world.settle();
  world.clock.advance(2_000);
  await world.settle();
  const profiles = world.events.filter(({ type }) => type === "broker-profile");
  deepEqual(
    profiles.map(({ fields }) => [fields.grantedQos, fields.guarantee, fields.probe]),
    [[1, "exactly-once", "unknown"], [0, "at-most-once", "unknown"]],
  );
  ok(profiles[0]!.detail.includes("not probed here"));
});

Deno.test("mqtt source: a probe message is no record and no dead letter, and is acknowledged (M7)", async () => {
  const world = await World.started();
  await world.send(publish(1, "penstock probe 0", "penstock/probe/x"), publish(2, "1"));
  deepEqual([world.records, world.deadLetters], [[[1, 2]], []]);
  world.source.capture(FIRST);
  world.source.notifyCompleted(FIRST);
  await world.settle();
  deepEqual(world.acks(), [1, 2]);
});

Deno.test("mqtt source: a dead peer is noticed by the missing PINGRESP", async () => {
  const world = await World.started();
  for (let i = 0; i < 3; i += 1) {
    world.clock.advance(15_000);
    await world.settle();
  }
  ok(
    world.events.some(({ type, detail }) =>
      type === "broker-disconnected" && /PINGRESP/.test(detail)
    ),
  );
});

Deno.test("mqtt source: close waits for the confirmation of written acks at most one second, then says goodbye", async () => {
  const world = await World.started();
  await world.send(publish(1, "1"));
  world.source.capture(FIRST);
  world.source.notifyCompleted(FIRST);
  const closed = world.source.close();
  await world.send(publish(2, "2"));
  world.clock.advance(1_000);
  await closed;
  equal(world.broker.packets.at(-1)!.type, PACKET.DISCONNECT);
  equal(world.records.length, 1);
});

Deno.test("mqtt source: a fail point sees half of the acks on the wire (M3)", async () => {
  const world = new World();
  const seen: number[] = [];
  world.failPoint = () => seen.push(world.acks().length);
  await world.start();
  await world.send(...[1, 2, 3, 4].map((id) => publish(id, "1")));
  world.source.capture(FIRST);
  world.source.notifyCompleted(FIRST);
  await world.settle();
  deepEqual(seen, [2]);
  equal(world.acks().length, 4);
});

const SPEC: MqttSourceSpec = {
  connector: "mqtt",
  broker: "plant",
  topics: [["plant/#"]],
  receiveMaximum: 100,
  sessionExpirySeconds: 3600,
  onGap: "continue",
  maxPayloadBytes: 1000,
  decode: null,
  eventTime: null,
};

/** A source on a scripted broker. */
class World {
  readonly broker = new ScriptedBroker();
  readonly clock = new ManualClock();
  readonly records: [unknown, number][] = [];
  readonly deadLetters: [number, string][] = [];
  readonly events: RegionEvent[] = [];
  readonly failures: string[] = [];
  readonly asked: PromiseWithResolvers<boolean>[] = [];
  pressure = 0;
  onRecord: () => unknown = () => {};
  failPoint: (() => void) | null = null;
  finding: ProbeFinding = { kind: "unknown", reason: "not probed here", isFinal: true };
  readonly #spec: MqttSourceSpec;
  #source: ReturnType<typeof createMqttSource> | null = null;

  constructor(spec: Partial<MqttSourceSpec> = {}) {
    this.#spec = { ...SPEC, ...spec };
  }

  static async started(spec: Partial<MqttSourceSpec> = {}): Promise<World> {
    const world = new World(spec);
    await world.start();
    return world;
  }

  get source() {
    return this.#source ??= createMqttSource({
      spec: this.#spec,
      sourceUid: "telemetry",
      splitIndex: 0,
      jobId: "job-1",
      broker: { name: "plant", url: "mqtt://x", username: null, password: null, caPem: null },
      dial: () => this.broker.dial(),
      probe: () => Promise.resolve(this.finding),
      clock: this.clock,
      random: new SeededRandom(1),
      logger: silentLogger,
      failPoint: this.failPoint,
      output: {
        record: (value, position) => {
          this.records.push([value, position]);
          this.onRecord();
        },
        deadLetter: (reason, _payload, position) => this.deadLetters.push([position, reason]),
        windowPressure: () => this.pressure += 1,
        event: (event) => this.events.push(event),
        failed: (message) => this.failures.push(message),
        askOwnership: () => {
          this.asked.push(Promise.withResolvers<boolean>());
          return this.asked.at(-1)!.promise;
        },
      },
    });
  }

  async start(): Promise<void> {
    await this.source.start();
    await this.settle();
  }

  async send(...packets: Uint8Array[]): Promise<void> {
    this.broker.send(joined(packets));
    await this.settle();
  }

  /** Lets everything that needs no time happen. */
  async settle(): Promise<void> {
    for (let i = 0; i < 50; i += 1) await Promise.resolve();
  }

  acks(): number[] {
    return this.broker.packets
      .filter(({ type }) => type === PACKET.PUBACK)
      .map(({ body }) => (body[0]! << 8) | body[1]!);
  }
}

/** The broker's end: records what comes, answers CONNECT and SUBSCRIBE, sends what it is told. */
class ScriptedBroker {
  readonly packets: { type: number; body: Uint8Array }[] = [];
  onConnect: () => Uint8Array[] = () => [connack(false)];
  subackCode = 1;
  isReachable = true;
  dials = 0;
  #inbox: Uint8Array[] = [];
  #wake: () => void = () => {};
  #isOpen = false;

  dial(): Promise<Connection> {
    this.dials += 1;
    if (!this.isReachable) {
      const options = {
        code: "broker-unreachable",
        domain: "external",
        isRetryable: true,
      } as const;
      return Promise.reject(new PenstockError("Cannot connect", options));
    }
    this.#isOpen = true;
    this.#inbox = [];
    return Promise.resolve({
      read: (buffer) => this.#read(buffer),
      write: (bytes) => Promise.resolve(this.#take(bytes.slice())),
      close: () => this.drop(),
    });
  }

  send(bytes: Uint8Array): void {
    this.#inbox.push(bytes);
    this.#wake();
  }

  drop(): void {
    this.#isOpen = false;
    this.#wake();
  }

  async #read(buffer: Uint8Array): Promise<number | null> {
    while (this.#inbox.length === 0) {
      if (!this.#isOpen) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const bytes = this.#inbox.shift()!;
    const count = Math.min(bytes.length, buffer.length);
    buffer.set(bytes.subarray(0, count));
    if (count < bytes.length) this.#inbox.unshift(bytes.subarray(count));
    return count;
  }

  #take(bytes: Uint8Array): void {
    const reader = new ByteReader(bytes);
    while (reader.hasMore) {
      const type = reader.byte() >> 4;
      const body = reader.raw(reader.varint());
      this.packets.push({ type, body });
      if (type === PACKET.CONNECT) this.send(joined(this.onConnect()));
      if (type === PACKET.SUBSCRIBE) {
        const suback = new ByteWriter().raw(body.subarray(0, 2)).byte(0).byte(this.subackCode);
        this.send(packet(PACKET.SUBACK << 4, suback));
      }
    }
  }
}

function connack(isSessionPresent: boolean): Uint8Array {
  return packet(
    PACKET.CONNACK << 4,
    new ByteWriter().byte(isSessionPresent ? 1 : 0).byte(0).byte(0),
  );
}

function publish(packetId: number, payload: string, topic = "plant/a"): Uint8Array {
  const body = new ByteWriter().text(topic).uint16(packetId).byte(0);
  return packet((PACKET.PUBLISH << 4) | 2, body.raw(new TextEncoder().encode(payload)));
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter();
  for (const part of parts) writer.raw(part);
  return writer.bytes().slice();
}
