/**
 * The broker probe against a real Mosquitto and the embedded broker, over TCP.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Connection } from "@shared/dialer.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { denoDialer } from "@shared/platform/deno_dialer.ts";
import { systemRandom } from "@shared/platform/random.ts";
import { probeBroker } from "../../agent/connectors/broker_probe.ts";
import {
  type BrokerGrant,
  judgeBroker,
  type ProbeFinding,
} from "../../agent/connectors/broker_verdict.ts";
import { MqttSession, type SessionEvents } from "../../agent/connectors/mqtt_session.ts";
import { serveBroker } from "../../tools/broker/server.ts";
import { waitUntil } from "../support/commands.ts";
import { startMosquitto } from "../support/mosquitto.ts";

const GRANT: BrokerGrant = {
  broker: "plant",
  connack: { receiveMaximum: 20, sessionExpirySeconds: null, maximumQos: 2 },
  grantedQos: 1,
  windowAsked: 65_535,
  sessionExpirySeconds: 86_400,
};
const FAITHFUL: ProbeFinding = {
  kind: "done",
  facts: {
    grantedQos: 1,
    windowAsked: 50,
    windowSeen: 50,
    doesSessionSurvive: true,
    keepsOrder: true,
    keepsPacketIds: true,
  },
};

Deno.test("broker probe: finds the embedded broker exactly-once (M7)", async () => {
  const server = serveBroker({ hostname: "127.0.0.1", port: 0 });
  try {
    const finding = await probe(`mqtt://${server.address}`);
    deepEqual(finding, FAITHFUL);
    deepEqual(judgeBroker(GRANT, finding), { guarantee: "exactly-once", reason: "" });
  } finally {
    server.close();
  }
});

Deno.test("broker probe: finds Mosquitto exactly-once, with its own limits set low too (M7)", async () => {
  for (const settings of [[], ["max_inflight_messages 20", "max_queued_messages 1000"]]) {
    const broker = await startMosquitto({ settings });
    try {
      const finding = await probe(broker.url);
      deepEqual(finding, FAITHFUL);
      equal(judgeBroker(GRANT, finding).guarantee, "exactly-once");
    } finally {
      await broker.stop();
    }
  }
});

Deno.test("broker probe: a Mosquitto that forbids the topic is unknown in bounded time, and says why (M7)", async () => {
  const acl = await Deno.makeTempFile({ prefix: "penstock-acl-" });
  await Deno.writeTextFile(acl, "topic readwrite plant/#\n");
  const broker = await startMosquitto({ settings: [`acl_file ${acl}`] });
  const startMs = performance.now();
  try {
    const finding = await probe(broker.url);
    equal(finding.kind, "unknown");
    const { guarantee, reason } = judgeBroker(GRANT, finding);
    equal(guarantee, "exactly-once");
    match(reason, /could not be probed \(it refused to .*not authorized \(0x87\)\)/);
    ok(performance.now() - startMs < 15_000);
  } finally {
    await broker.stop();
    await Deno.remove(acl);
  }
});

Deno.test("broker probe: where a Mosquitto gives all clients of a user one session, a source loses nothing by it (M7)", async () => {
  const broker = await startMosquitto({ settings: ["use_username_as_clientid true"] });
  try {
    const before = await Reader.connect(broker.url);
    before.session.subscribe(["plant/a"]);
    await waitUntil("subscription", () => Promise.resolve(before.isSubscribed));
    for (const id of [11, 12, 13]) before.session.publish("plant/a", id, Uint8Array.of(id));
    await waitUntil("messages", () => Promise.resolve(before.packetIds.length === 3));
    const finding = await probe(broker.url, "agent");
    match(finding.kind === "unknown" ? finding.reason : "done", /same session/);
    const after = await Reader.connect(broker.url);
    await waitUntil("redelivery", () => Promise.resolve(after.packetIds.length === 3));
    deepEqual([after.isSessionPresent, after.packetIds], [true, before.packetIds]);
    await after.session.disconnect({ endsSession: true });
  } finally {
    await broker.stop();
  }
});

/** A source's session: takes messages, acknowledges none. */
class Reader {
  readonly session: MqttSession;
  readonly packetIds: number[] = [];
  isSubscribed = false;
  isSessionPresent: boolean | null = null;

  constructor(connection: Connection) {
    const events: SessionEvents = {
      connected: (profile) => this.isSessionPresent = profile.isSessionPresent,
      subscribed: () => this.isSubscribed = true,
      published: () => {},
      batchStarted: () => {},
      message: ({ packetId }) => this.packetIds.push(packetId),
      batchEnded: () => {},
      closed: () => {},
    };
    this.session = new MqttSession(connection, {
      clientId: "source",
      username: "agent",
      password: null,
      keepAliveSeconds: 30,
      sessionExpirySeconds: 3600,
      receiveMaximum: 100,
      maxPayloadBytes: 100,
    }, { events, clock: systemClock });
  }

  static async connect(url: string): Promise<Reader> {
    const reader = new Reader(await denoDialer(url, { caPem: null }));
    await waitUntil("CONNACK", () => Promise.resolve(reader.isSessionPresent !== null));
    return reader;
  }
}

function probe(url: string, username: string | null = null): Promise<ProbeFinding> {
  const config = { name: "plant", url, username, password: null, caPem: null };
  return probeBroker(config, { dial: denoDialer, clock: systemClock, random: systemRandom });
}
