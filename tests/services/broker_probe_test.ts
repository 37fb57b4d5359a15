/**
 * The broker probe against a real Mosquitto and the embedded broker, over TCP.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { systemClock } from "@shared/platform/clock.ts";
import { denoDialer } from "@shared/platform/deno_dialer.ts";
import { systemRandom } from "@shared/platform/random.ts";
import { probeBroker } from "../../agent/connectors/broker_probe.ts";
import {
  type BrokerGrant,
  judgeBroker,
  type ProbeFinding,
} from "../../agent/connectors/broker_verdict.ts";
import { serveBroker } from "../../tools/broker/server.ts";
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
    ok(performance.now() - startMs < 10_500);
  } finally {
    await broker.stop();
    await Deno.remove(acl);
  }
});

function probe(url: string): Promise<ProbeFinding> {
  const config = { name: "plant", url, username: null, password: null, caPem: null };
  return probeBroker(config, { dial: denoDialer, clock: systemClock, random: systemRandom });
}
