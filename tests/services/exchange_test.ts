/**
 * The exchange between agents over a real broker: order, credit, lost connections, wrong keys, old attempts.
 */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import type { Attempt, CheckpointId, RegionId, SubtaskId } from "@shared/ids.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { denoDialer } from "@shared/platform/deno_dialer.ts";
import { MqttSession } from "../../agent/connectors/mqtt_session.ts";
import { ChannelTable } from "../../agent/exchange/channel_table.ts";
import { FRAMES_WINDOW_MAX } from "../../agent/exchange/channel_credit.ts";
import {
  BARRIER,
  BatchBuilder,
  CHANNEL_CREDIT_RECORDS,
  END,
  WATERMARK,
} from "../../agent/runner/exchange_batch.ts";
import { serveBroker } from "../../tools/broker/server.ts";
import { withBrokers } from "../support/brokers.ts";
import { pause, waitUntil } from "../support/commands.ts";
import { EXCHANGE_KEY, ExchangeEnd } from "../support/exchange_end.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";

const RECORDS = 1_000_000;
const A_TO_B = "a.0>b.0";
const TOPIC_OF_B = "penstock/x/019ab001-0000-7000-8000-000000000001/in.0/1/b.0";

onEachBroker(
  "exchange: a million records each way arrive once, in order, within the credit (A1, A4)",
  async (brokerUrl) => {
    const takers = [new OrderProbe(), new OrderProbe()];
    const open = (index: number, sends: string, receives: string): Promise<ExchangeEnd> =>
      ExchangeEnd.open({
        brokerUrl,
        sends: [sends],
        receives: [receives],
        onBatch: (_, { values }) => takers[index]!.take(values),
      });
    const a = await open(0, A_TO_B, "b.0>a.0");
    const b = await open(1, "b.0>a.0", A_TO_B);
    const record = (seq: number) => ({ machine: `press-${seq % 500}`, seq, value: seq / 7 });
    await Promise.all([a.sendRecords(RECORDS, record), b.sendRecords(RECORDS, record)]);
    await waitUntil("all records", () => Promise.resolve(takers.every((t) => t.next === RECORDS)));
    deepStrictEqual(takers.map(({ isExact }) => isExact), [true, true]);
    deepStrictEqual([...a.failures, ...b.failures], []);
    await a.exchange.close();
    await b.exchange.close();
  },
);

onEachBroker(
  "exchange: barriers and watermarks come in the same order as the records around them (A2, A7)",
  async (brokerUrl) => {
    const b = await ExchangeEnd.open({ brokerUrl, receives: [A_TO_B] });
    const a = await ExchangeEnd.open({ brokerUrl, sends: [A_TO_B] });
    a.send((batch) => {
      batch.record(2, { n: 1 }, { atMs: 10, position: 1 }, 99);
      batch.watermark(10);
      batch.barrier(4 as CheckpointId);
      batch.record(0, { n: 2 }, { atMs: 11, position: 2 }, 98);
    });
    a.send((batch) => batch.end());
    await waitUntil("both batches", () => Promise.resolve(b.batches.length === 2));
    deepStrictEqual(b.batches[0], {
      edges: [2, WATERMARK, BARRIER, 0],
      values: [{ n: 1 }, undefined, undefined, { n: 2 }],
      times: [10, 10, 0, 11],
      positions: [1, 0, 4, 2],
      lanes: [99, 0, 0, 98],
      recordCount: 2,
    });
    deepStrictEqual(b.batches[1]!.edges, [END]);
    await a.exchange.close();
    await b.exchange.close();
  },
);

onEachBroker(
  "exchange: a batch longer than a broker's message comes whole",
  async (brokerUrl) => {
    const b = await ExchangeEnd.open({ brokerUrl, receives: [A_TO_B] });
    const a = await ExchangeEnd.open({ brokerUrl, sends: [A_TO_B] });
    const long = "é".repeat(1_500_000);
    a.send((batch) => batch.record(0, { long }, { atMs: 1, position: 1 }, 0));
    a.send((batch) => batch.record(0, { short: 1 }, { atMs: 2, position: 2 }, 0));
    await waitUntil("both batches", () => Promise.resolve(b.batches.length === 2));
    ok((b.values[0] as { long: string }).long === long);
    deepStrictEqual(b.values[1], { short: 1 });
    await a.exchange.close();
    await b.exchange.close();
  },
);

onEachBroker(
  "exchange: a consumer that works nothing off stops the producer, not the barrier, and nothing is lost (A4, A7, F28)",
  async (brokerUrl) => {
    const b = await ExchangeEnd.open({ brokerUrl, receives: [A_TO_B], worksOff: false });
    const a = await ExchangeEnd.open({ brokerUrl, sends: [A_TO_B] });
    const count = 3 * CHANNEL_CREDIT_RECORDS;
    const sent = a.sendRecords(count, (index) => index);
    await waitUntil("the credit's end", () => Promise.resolve(a.exchange.credit(0) <= 0));
    a.send((batch) => batch.barrier(1 as CheckpointId));
    const hasBarrier = () => b.batches.some(({ edges }) => edges.includes(BARRIER));
    await waitUntil("the barrier", () => Promise.resolve(hasBarrier()));
    strictEqual(b.values.length, CHANNEL_CREDIT_RECORDS);
    strictEqual(a.credits, 0);
    for (let workedOff = 0; workedOff < count; await pause(5)) {
      b.exchange.grant(0, b.values.length - workedOff);
      workedOff = b.values.length;
    }
    await sent;
    deepStrictEqual(b.values, Array.from({ length: count }, (_, i) => i));
    await a.exchange.close();
    await b.exchange.close();
  },
);

onEachBroker(
  "exchange: more frames than the window wait at the producer and all arrive (A7)",
  async (brokerUrl) => {
    const b = await ExchangeEnd.open({ brokerUrl, receives: [A_TO_B] });
    const a = await ExchangeEnd.open({ brokerUrl, sends: [A_TO_B] });
    const count = 10 * FRAMES_WINDOW_MAX;
    for (let ms = 1; ms <= count; ms++) a.send((batch) => batch.watermark(ms));
    await waitUntil("every watermark", () => Promise.resolve(b.batches.length === count));
    deepStrictEqual(
      b.batches.map(({ times }) => times[0]),
      [...Array(count).keys()].map((i) => i + 1),
    );
    await a.exchange.close();
    await b.exchange.close();
  },
);

onEachBroker(
  "exchange: a lost connection fails the attempt at the end that lost it, and can be tried again (P7)",
  async (brokerUrl) => {
    const proxy = new TcpProxy(Number(new URL(brokerUrl).port));
    const b = await ExchangeEnd.open({ brokerUrl, receives: [A_TO_B] });
    const a = await ExchangeEnd.open({
      brokerUrl: `mqtt://127.0.0.1:${proxy.port}`,
      sends: [A_TO_B],
    });
    a.send((batch) => batch.watermark(1));
    await waitUntil("the first batch", () => Promise.resolve(b.batches.length === 1));
    proxy.cut();
    await waitUntil("the failure", () => Promise.resolve(a.failures.length > 0));
    strictEqual(a.failures.length, 1);
    strictEqual(a.failures[0]!.isRetryable, true);
    match(a.failures[0]!.reason, /exchange over broker "plant" cannot go on: it was lost/);
    a.send((batch) => batch.watermark(2));
    await pause(100);
    strictEqual(b.batches.length, 1);
    deepStrictEqual(b.failures, []);
    proxy.stop();
    await a.exchange.close();
    await b.exchange.close();
  },
);

onEachBroker(
  "exchange: a frame lost on the way is a gap and fails the attempt (A1, F27)",
  async (brokerUrl) => {
    const b = await ExchangeEnd.open({ brokerUrl, receives: [A_TO_B] });
    const stranger = await Stranger.connect(brokerUrl);
    const frames = framesOf(3, {});
    stranger.publish(frames[0]!, frames[2]!);
    await waitUntil("the failure", () => Promise.resolve(b.failures.length > 0));
    deepStrictEqual(b.failures, [{
      reason: "Channel a.0 to b.0 is broken: frame 2 is missing, 3 came",
      isRetryable: true,
    }]);
    deepStrictEqual(b.values, [0]);
    stranger.close();
    await b.exchange.close();
  },
);

onEachBroker(
  "exchange: frames repeated, of an old attempt, forged or no frames at all change nothing and are told (F3, F4, F27, S10)",
  async (brokerUrl) => {
    const b = await ExchangeEnd.open({ brokerUrl, attempt: 2, receives: [A_TO_B] });
    const stranger = await Stranger.connect(brokerUrl, TOPIC_OF_B.replace("/1/b.0", "/2/b.0"));
    const frames = framesOf(2, { attempt: 2 });
    const old = framesOf(2, { attempt: 1 });
    const otherKey = framesOf(2, { attempt: 2, key: btoa("x".repeat(32)) });
    stranger.publish(old[0]!, otherKey[0]!, new Uint8Array(3), frames[0]!, frames[0]!);
    stranger.publish(old[1]!, otherKey[1]!, new Uint8Array(400_000), frames[1]!, frames[0]!);
    await waitUntil("both records", () => Promise.resolve(b.values.length === 2));
    await pause(100);
    deepStrictEqual(b.values, [0, 1]);
    deepStrictEqual(b.failures, []);
    deepStrictEqual(b.events.map(({ type, detail }) => [type, detail]), [
      [
        "late-frame-refused",
        "Refused exchange frames of another attempt: attempt 1, this one is 2",
      ],
      [
        "forged-frame-refused",
        "Refused exchange frames that were not made with the key of this attempt: they name no channel of this agent",
      ],
    ]);
    stranger.close();
    await b.exchange.close();
  },
);

onEachBroker(
  "exchange: two attempts of a region run side by side, and neither hears the other (A2, F4)",
  async (brokerUrl) => {
    const ends = await Promise.all([1, 2].map(async (attempt) => ({
      b: await ExchangeEnd.open({ brokerUrl, attempt, receives: [A_TO_B] }),
      a: await ExchangeEnd.open({ brokerUrl, attempt, sends: [A_TO_B] }),
    })));
    await Promise.all(ends.map(({ a }, i) => a.sendRecords(20_000, (index) => ({ i, index }))));
    const all = () => ends.every(({ b }) => b.values.length >= 20_000);
    await waitUntil("all records", () => Promise.resolve(all()));
    for (const [i, { a, b }] of ends.entries()) {
      deepStrictEqual(b.values, Array.from({ length: 20_000 }, (_, index) => ({ i, index })));
      deepStrictEqual([b.failures, b.events], [[], []]);
      await a.exchange.close();
      await b.exchange.close();
    }
  },
);

onEachBroker(
  "exchange: what was sent before the end is at the consumer when close has resolved",
  async (brokerUrl) => {
    const b = await ExchangeEnd.open({ brokerUrl, receives: [A_TO_B] });
    const a = await ExchangeEnd.open({ brokerUrl, sends: [A_TO_B] });
    a.send((batch) => batch.end());
    await a.exchange.close();
    await waitUntil("the end", () => Promise.resolve(b.batches.length === 1));
    deepStrictEqual(a.failures, []);
    await b.exchange.close();
  },
);

Deno.test("exchange: goes on where the broker takes one message at a time and queues almost none", async () => {
  const settings = ["max_inflight_messages 1", "max_queued_messages 1"];
  const broker = await startMosquitto({ settings });
  try {
    const b = await ExchangeEnd.open({ brokerUrl: broker.url, receives: [A_TO_B] });
    const a = await ExchangeEnd.open({ brokerUrl: broker.url, sends: [A_TO_B] });
    await a.sendRecords(50_000, (index) => index);
    await waitUntil("all records", () => Promise.resolve(b.values.length === 50_000));
    deepStrictEqual(b.values, Array.from({ length: 50_000 }, (_, i) => i));
    deepStrictEqual([a.failures, b.failures], [[], []]);
    await a.exchange.close();
    await b.exchange.close();
  } finally {
    await broker.stop();
  }
});

Deno.test("exchange: a broker that is away or says no is told when it opens", async () => {
  const broker = await startMosquitto({ settings: ["allow_anonymous false"] });
  try {
    await rejects(
      ExchangeEnd.open({ brokerUrl: broker.url, receives: [A_TO_B] }),
      { isRetryable: false, message: /refused the connection: not authorized/ },
    );
  } finally {
    await broker.stop();
  }
  await rejects(ExchangeEnd.open({ brokerUrl: broker.url, receives: [A_TO_B] }), {
    isRetryable: true,
    message: /Cannot connect to/,
  });
});

/** Whether numbered records came once and in order. */
class OrderProbe {
  next = 0;
  isExact = true;

  take(values: readonly unknown[]): void {
    for (const value of values) {
      if (value === undefined) continue;
      const { machine, seq, value: number } = value as Record<string, unknown>;
      const wanted = this.next++;
      this.isExact &&= seq === wanted && machine === `press-${wanted % 500}` &&
        number === wanted / 7;
    }
  }
}

/** A client that may publish to the exchange's topics and knows what the test lets it know. */
class Stranger {
  readonly #session: MqttSession;
  readonly #topic: string;
  readonly #connected = Promise.withResolvers<void>();
  #packetId = 1;

  constructor(
    session: (ports: ConstructorParameters<typeof MqttSession>[2]) => MqttSession,
    topic: string,
  ) {
    this.#topic = topic;
    this.#session = session({
      clock: systemClock,
      events: {
        connected: () => this.#connected.resolve(),
        subscribed: () => {},
        published: () => {},
        batchStarted: () => {},
        message: () => {},
        batchEnded: () => {},
        closed: () => {},
      },
    });
  }

  static async connect(brokerUrl: string, topic: string = TOPIC_OF_B): Promise<Stranger> {
    const connection = await denoDialer(brokerUrl, { caPem: null });
    const stranger = new Stranger((ports) =>
      new MqttSession(connection, {
        clientId: "stranger",
        username: null,
        password: null,
        keepAliveSeconds: 30,
        sessionExpirySeconds: 0,
        receiveMaximum: 10,
        maxPayloadBytes: 1024,
      }, ports), topic);
    await stranger.#connected.promise;
    return stranger;
  }

  publish(...frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.#session.publish(this.#topic, ++this.#packetId, frame);
  }

  close(): void {
    this.#session.abort();
  }
}

/** Frames of batches of one record each, numbered from 0, as a.0 would send them. */
function framesOf(count: number, of: { attempt?: number; key?: string }): Uint8Array[] {
  const { attempt = 1, key = EXCHANGE_KEY } = of;
  const { sends: [sending] } = new ChannelTable({
    jobId: "019ab001-0000-7000-8000-000000000001",
    regionId: "in.0" as RegionId,
    attempt: attempt as Attempt,
    key,
    sends: [{ from: "a.0" as SubtaskId, to: "b.0" as SubtaskId }],
    receives: [],
  });
  for (let i = 0; i < count; i++) {
    const batch = new BatchBuilder();
    batch.record(0, i, { atMs: i, position: i }, 0);
    sending!.send(batch.finish());
  }
  return sending!.takeFrames();
}

function onEachBroker(title: string, body: (brokerUrl: string) => Promise<void>): void {
  withBrokers(title, async (url) => {
    if (url !== null) return await body(url);
    const server = serveBroker({ hostname: "127.0.0.1", port: 0 });
    try {
      await body(`mqtt://${server.address}`);
    } finally {
      server.close();
    }
  });
}
