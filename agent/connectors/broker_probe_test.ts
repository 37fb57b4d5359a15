import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Dialer } from "@shared/dialer.ts";
import { PenstockError } from "@shared/errors.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import type { BrokerConfig } from "@shared/messages.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import { type BrokerFaults, FaultyBroker } from "../../tests/support/faulty_broker.ts";
import { BrokerProbes, probeBroker } from "./broker_probe.ts";
import { judgeBroker, type ProbeFinding } from "./broker_verdict.ts";

const PLANT: BrokerConfig = {
  name: "plant",
  url: "mqtt://x",
  username: null,
  password: null,
  caPem: null,
};

Deno.test("broker probe: a good broker honours the window, keeps session, order and ids (M7)", async () => {
  const broker = new FaultyBroker();
  const finding = await probed(broker);
  deepEqual(finding, {
    kind: "done",
    facts: {
      ...{ grantedQos: 1, windowAsked: 50, windowSeen: 50 },
      ...{ doesSessionSurvive: true, keepsOrder: true, keepsPacketIds: true },
    },
  });
  equal(guaranteeOf(finding), "exactly-once");
});

Deno.test("broker probe: publishes within the broker's window and leaves no session and no connection behind (M7)", async () => {
  const broker = new FaultyBroker({}, 20);
  await probed(broker);
  ok(broker.mostUnanswered <= 20, `${broker.mostUnanswered} at once`);
  deepEqual([broker.dials, broker.openCount, broker.isSessionKept], [2, 0, false]);
  match([...broker.clientIds].join(), /^penstock-probe-[0-9a-f]{32}$/);
});

Deno.test("broker probe: each fault of a broker lowers the guarantee to what is left (M7, M3b)", async () => {
  const rows: [BrokerFaults, string][] = [
    [{ losesSession: true }, "at-most-once"],
    [{ losesInFlight: true }, "at-most-once"],
    [{ subackCode: 0 }, "at-most-once"],
    [{ renumbers: true }, "at-least-once"],
    [{ reorders: true }, "at-least-once"],
    [{ window: 20 }, "exactly-once"],
    [{ window: 1000 }, "exactly-once"],
  ];
  for (const [faults, guarantee] of rows) {
    const broker = new FaultyBroker(faults);
    const finding = await probed(broker);
    equal(finding.kind, "done");
    equal(guaranteeOf(finding), guarantee, JSON.stringify(faults));
    deepEqual([broker.openCount, broker.isSessionKept], [0, false]);
    if (finding.kind === "done" && faults.window !== undefined) {
      equal(finding.facts.windowSeen, Math.min(faults.window, 60));
    }
  }
});

Deno.test("broker probe: a broker that does not let itself be probed is unknown, with the reason, in bounded time (M7)", async () => {
  const rows: [BrokerFaults, RegExp][] = [
    [{ connackCode: 0x87 }, /refused the connection: not authorized/],
    [{ subackCode: 0x87 }, /refused to subscribe "penstock\/probe\/[0-9a-f]{32}": not authorized/],
    [{ pubackCode: 0x87 }, /refused to publish to .*: not authorized/],
    [{ isMute: true }, /none of the probe's messages arrived/],
    [{ isSilent: true }, /no (result|CONNACK) within/],
  ];
  for (const [faults, reason] of rows) {
    const broker = new FaultyBroker(faults);
    const finding = await probed(broker);
    match(finding.kind === "unknown" ? finding.reason : "done", reason);
    equal(broker.openCount, 0);
  }
  const never = await untilDone((clock) => probe(clock, () => new Promise(() => {})));
  match(never.kind === "unknown" ? never.reason : "done", /no result within 10 s/);
});

Deno.test("broker probe: asks each broker once, and again only what stayed unknown (M7)", async () => {
  const broker = new FaultyBroker();
  let isReachable = false;
  const clock = new ManualClock();
  const dial: Dialer = () =>
    isReachable ? broker.dial() : Promise.reject(
      new PenstockError("Cannot connect", { code: "broker-unreachable", domain: "external" }),
    );
  const probes = new BrokerProbes({ dial, clock, random: new SeededRandom(1) });
  deepEqual(await probes.of(PLANT), {
    kind: "unknown",
    reason: "Cannot connect",
    isFinal: false,
  });
  isReachable = true;
  const both = Promise.all([probes.of(PLANT), probes.of(PLANT)]);
  const [first, second] = await driven(clock, both);
  equal(first.kind, "done");
  equal(first, second);
  equal(await probes.of(PLANT), first);
  equal(broker.dials, 2);
});

Deno.test("broker probe: a refusal is asked for once, an unreachable broker three times (M7)", async () => {
  const refusing = new FaultyBroker({ connackCode: 0x87 });
  const clock = new ManualClock();
  const random = new SeededRandom(1);
  const probes = new BrokerProbes({ dial: () => refusing.dial(), clock, random });
  for (let i = 0; i < 5; i += 1) await driven(clock, probes.of(PLANT));
  equal(refusing.dials, 1);
  let dials = 0;
  const dial: Dialer = () => {
    dials += 1;
    return Promise.reject(new Error("gone"));
  };
  const others = new BrokerProbes({ dial, clock, random });
  for (let i = 0; i < 5; i += 1) await driven(clock, others.of(PLANT));
  equal(dials, 3);
});

Deno.test("broker probe: a session that was there before is left as it was (M7)", async () => {
  const broker = new FaultyBroker();
  broker.isSessionKept = true;
  const finding = await probed(broker);
  match(finding.kind === "unknown" ? finding.reason : "done", /same session/);
  deepEqual([broker.isSessionKept, broker.openCount, broker.dials], [true, 0, 1]);
});

function guaranteeOf(finding: ProbeFinding): string {
  const connack = { receiveMaximum: 20, sessionExpirySeconds: null, maximumQos: 2 };
  const asked = { windowAsked: 65_535, sessionExpirySeconds: 86_400 };
  return judgeBroker({ broker: "plant", connack, grantedQos: 1, ...asked }, finding).guarantee;
}

function probed(broker: FaultyBroker): Promise<ProbeFinding> {
  return untilDone((clock) => probe(clock, () => broker.dial()));
}

function probe(clock: ManualClock, dial: Dialer): Promise<ProbeFinding> {
  return probeBroker(PLANT, { dial, clock, random: new SeededRandom(1) });
}

function untilDone<T>(start: (clock: ManualClock) => Promise<T>): Promise<T> {
  const clock = new ManualClock();
  return driven(clock, start(clock));
}

/** Lets time pass until `promise` is there; after 15 s of it the probe is late. */
async function driven<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let isDone = false;
  void promise.finally(() => isDone = true);
  for (let i = 0; i < 150 && !isDone; i += 1) {
    for (let turn = 0; turn < 200; turn += 1) await Promise.resolve();
    clock.advance(100);
  }
  ok(isDone, "the probe did not end");
  return await promise;
}
