import {
  deepStrictEqual,
  match,
  notStrictEqual,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import type { Connection } from "@shared/dialer.ts";
import type { Attempt, RegionId, SubtaskId } from "@shared/ids.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import type { RegionEvent } from "@shared/messages.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import {
  ByteReader,
  ByteWriter,
  encodePublish,
  PACKET,
  packet,
} from "../connectors/mqtt_packets.ts";
import { BatchBuilder, type ElementBatch } from "../runner/exchange_batch.ts";
import type { ChannelAddress, Exchange } from "../runner/exchange_port.ts";
import { ChannelTable, type TableOptions } from "./channel_table.ts";
import { FRAME_BYTES_MAX } from "./frame_codec.ts";
import { mqttExchangeOpener } from "./mqtt_exchange.ts";

const CHANNEL = { from: "a.0" as SubtaskId, to: "b.0" as SubtaskId };
const OF: TableOptions = {
  jobId: "job-1",
  regionId: "in.0" as RegionId,
  attempt: 3 as Attempt,
  key: btoa("k".repeat(32)),
  sends: [],
  receives: [],
};

Deno.test("mqtt exchange: a session of its own that ends with the connection, subscribed before it is open (P7, C8)", async () => {
  const world = new World();
  const opening = world.open();
  await settle();
  strictEqual(world.exchange, null);
  const connect = new ByteReader(world.broker.packets[0]!.body);
  strictEqual(connect.text(), "MQTT");
  deepStrictEqual([connect.byte(), connect.byte(), connect.uint16()], [5, 2, 10]);
  deepStrictEqual([...connect.properties()], [[0x11, 0], [0x21, 65_535]]);
  match(connect.text(), /^penstock-x-job-1-in\.0-3-[0-9a-f]{32}$/);
  world.broker.send(CONNACK);
  await settle();
  const subscribe = new ByteReader(world.broker.packets[1]!.body);
  deepStrictEqual([subscribe.uint16(), subscribe.byte()], [1, 0]);
  strictEqual(subscribe.text(), "penstock/x/job-1/in.0/3/b.0");
  strictEqual(world.exchange, null);
  world.broker.send(SUBACK);
  await opening;
  notStrictEqual(world.exchange, null);
});

Deno.test("mqtt exchange: what a broker does not grant is told when it opens, with what to do", async () => {
  const unanswered = new World();
  const late = rejects(unanswered.open(), { isRetryable: true, message: /within 10000 ms/ });
  await settle();
  unanswered.clock.advance(10_000);
  await late;

  const denied = new World();
  const refused = rejects(denied.open(), {
    isRetryable: false,
    message:
      /refused to subscribe "penstock\/x\/job-1\/in\.0\/3\/b\.0": not authorized .* Grant read/,
  });
  await settle();
  denied.broker.send(CONNACK);
  await settle();
  denied.broker.send(packet(PACKET.SUBACK << 4, new ByteWriter().uint16(1).byte(0).byte(0x87)));
  await refused;

  const weak = new World();
  const unassured = rejects(weak.open(), { isRetryable: false, message: /QoS 0 only, want 1/ });
  await settle();
  const properties = new ByteWriter().byte(0x24).byte(0);
  weak.broker.send(packet(PACKET.CONNACK << 4, new ByteWriter().byte(0).byte(0).block(properties)));
  await unassured;

  const dead = new World();
  const lost = rejects(dead.open(), { isRetryable: true, message: /was lost: closed/ });
  await settle();
  dead.broker.drop();
  await lost;
  const worlds = [unanswered, denied, weak, dead];
  deepStrictEqual(worlds.flatMap(({ failures }) => failures), []);
  ok(worlds.every(({ broker }) => broker.isClosed));
});

Deno.test("mqtt exchange: a broker that takes no packet as long as the longest frame is refused, with both numbers", async () => {
  const topicBytes = "penstock/x/job-1/in.0/3/b.0".length;
  // Head of a packet, topic and packet id, no properties; the longest frame.
  const longest = 5 + 2 + topicBytes + 2 + 1 + FRAME_BYTES_MAX;
  const connack = (maximumPacketBytes: number) => {
    const properties = new ByteWriter().byte(0x27).uint32(maximumPacketBytes);
    return packet(PACKET.CONNACK << 4, new ByteWriter().byte(0).byte(0).block(properties));
  };
  const small = new World([CHANNEL]);
  const refused = rejects(small.open(), {
    isRetryable: false,
    message: new RegExp(`at most ${longest - 1} bytes, want ${longest}. Raise`),
  });
  await settle();
  small.broker.send(connack(longest - 1));
  await refused;
  ok(small.broker.isClosed);

  const large = new World([CHANNEL]);
  const opening = large.open();
  await settle();
  large.broker.send(connack(longest));
  await settle();
  const granted = new ByteWriter().uint16(1).byte(0).byte(1).byte(1);
  large.broker.send(packet(PACKET.SUBACK << 4, granted));
  await opening;
  notStrictEqual(large.exchange, null);
});

Deno.test("mqtt exchange: frames of one read are acknowledged in one write, credit follows when the work is done (A4)", async () => {
  const world = await World.opened();
  const frames = framesOf([1, 2, 3]);
  const topic = "penstock/x/job-1/in.0/3/b.0";
  world.broker.send(...frames.map((frame, i) => encodePublish(topic, 10 + i, frame)));
  await settle();
  deepStrictEqual(world.batches.flatMap(({ values }) => values), [1, 2, 3]);
  const acks = world.broker.packets.filter(({ type }) => type === PACKET.PUBACK);
  deepStrictEqual(
    acks.map(({ body, write }) => [body[1], write]),
    [10, 11, 12].map((
      id,
    ) => [id, acks[0]!.write]),
  );
  strictEqual(world.published().length, 0);
  world.exchange!.grant(0, 3);
  world.clock.advance(5);
  await settle();
  strictEqual(world.published().length, 1);
  const producer = new ChannelTable({ ...OF, sends: [CHANNEL] });
  producer.sends[0]!.send(batchOf(1));
  producer.sends[0]!.send(batchOf(2));
  producer.sends[0]!.send(batchOf(3));
  producer.sends[0]!.takeFrames();
  const before = producer.sends[0]!.credit;
  const credit = producer.recognize(world.published()[0]!);
  ok(credit.kind === "credit");
  producer.sends[0]!.granted(credit.body);
  strictEqual(producer.sends[0]!.credit, before + 3);
});

Deno.test("mqtt exchange: a gap fails the attempt once, and nothing comes out behind it (A1)", async () => {
  const world = await World.opened();
  const frames = framesOf([1, 2, 3, 4]);
  const topic = "penstock/x/job-1/in.0/3/b.0";
  for (const index of [0, 2, 1, 3]) {
    world.broker.send(encodePublish(topic, 10 + index, frames[index]!));
  }
  await settle();
  deepStrictEqual(world.batches.flatMap(({ values }) => values), [1]);
  deepStrictEqual(world.failures, ["Channel a.0 to b.0 is broken: frame 2 is missing, 3 came"]);
  ok(world.broker.isClosed);
});

Deno.test("mqtt exchange: closed, it reports no failure and takes nothing more", async () => {
  const world = await World.opened();
  await world.exchange!.close();
  strictEqual(world.broker.packets.at(-1)!.type, PACKET.DISCONNECT);
  ok(world.broker.isClosed);
  world.exchange!.grant(0, 1);
  await world.exchange!.close();
  world.clock.advance(60_000);
  deepStrictEqual(world.failures, []);
});

const CONNACK = packet(PACKET.CONNACK << 4, new ByteWriter().byte(0).byte(0).byte(0));
const SUBACK = packet(PACKET.SUBACK << 4, new ByteWriter().uint16(1).byte(0).byte(1));

function batchOf(value: unknown): ElementBatch {
  const batch = new BatchBuilder();
  batch.record(0, value, { atMs: 1, position: 1 }, 0);
  return batch.finish();
}

function framesOf(values: readonly unknown[]): Uint8Array[] {
  const { sends: [sending] } = new ChannelTable({ ...OF, sends: [CHANNEL] });
  for (const value of values) sending!.send(batchOf(value));
  return sending!.takeFrames();
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve();
}

/** The taking end, b.0, and the broker it talks to. */
class World {
  readonly clock = new ManualClock();
  readonly broker = new FakeBroker();
  readonly batches: ElementBatch[] = [];
  readonly failures: string[] = [];
  readonly events: RegionEvent[] = [];
  readonly #sends: readonly ChannelAddress[];
  exchange: Exchange | null = null;

  constructor(sends: readonly ChannelAddress[] = []) {
    this.#sends = sends;
  }

  static async opened(): Promise<World> {
    const world = new World();
    const opening = world.open();
    await settle();
    world.broker.send(CONNACK);
    await settle();
    world.broker.send(SUBACK);
    await opening;
    return world;
  }

  async open(): Promise<void> {
    const open = mqttExchangeOpener({
      dial: () => Promise.resolve(this.broker),
      clock: this.clock,
      random: new SeededRandom(1),
    });
    const broker = { name: "plant", url: "mqtt://x", username: null, password: null, caPem: null };
    this.exchange = await open({
      ...OF,
      broker,
      sends: this.#sends,
      receives: [CHANNEL],
      onBatch: (_, batch) => void this.batches.push(batch),
      onCredit: () => {},
      event: (event) => void this.events.push(event),
      failed: (reason) => void this.failures.push(reason),
    });
  }

  /** Payloads that were published. */
  published(): Uint8Array[] {
    return this.broker.packets.filter(({ type }) => type === PACKET.PUBLISH).map(({ body }) => {
      const reader = new ByteReader(body);
      reader.text();
      reader.uint16();
      reader.properties();
      return reader.rest();
    });
  }
}

class FakeBroker implements Connection {
  readonly packets: { type: number; body: Uint8Array; write: number }[] = [];
  isClosed = false;
  #writes = 0;
  #incoming: Uint8Array[] = [];
  #hasEnded = false;
  #wake: () => void = () => {};

  /** Sends all of it as one read. */
  send(...packets: readonly Uint8Array[]): void {
    const bytes = new ByteWriter();
    for (const each of packets) bytes.raw(each);
    this.#incoming.push(bytes.bytes().slice());
    this.#wake();
  }

  drop(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#incoming.length === 0) {
      if (this.#hasEnded || this.isClosed) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const bytes = this.#incoming.shift()!;
    buffer.set(bytes);
    return bytes.length;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#writes++;
    const reader = new ByteReader(bytes.slice());
    while (reader.hasMore) {
      const type = reader.byte() >> 4;
      this.packets.push({ type, body: reader.raw(reader.varint()), write: this.#writes });
    }
    return Promise.resolve();
  }

  close(): void {
    this.isClosed = true;
    this.#wake();
  }
}
