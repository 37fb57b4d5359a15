import { deepEqual, equal, match } from "node:assert/strict";
import type { Guarantee } from "@shared/job_graph.ts";
import {
  type BrokerGrant,
  type Delivery,
  factsOf,
  judgeBroker,
  type ProbeFacts,
  profileEvent,
  unassuredFacts,
} from "./broker_verdict.ts";

const GRANT: BrokerGrant = {
  broker: "plant",
  connack: { receiveMaximum: 20, sessionExpirySeconds: null, maximumQos: 2 },
  grantedQos: 1,
  windowAsked: 65_535,
  sessionExpirySeconds: 86_400,
};

const GOOD: ProbeFacts = {
  grantedQos: 1,
  windowAsked: 50,
  windowSeen: 50,
  doesSessionSurvive: true,
  keepsOrder: true,
  keepsPacketIds: true,
};

Deno.test("broker verdict: the guarantee is the least that any fact allows (M7, M3b, M10)", () => {
  const lostSession = { doesSessionSurvive: false, keepsOrder: null, keepsPacketIds: null };
  const rows: [Partial<ProbeFacts>, Partial<BrokerGrant>, Guarantee, RegExp][] = [
    [{}, {}, "exactly-once", /^$/],
    [{ windowSeen: 60 }, {}, "exactly-once", /60 messages unacknowledged where 50 were asked/],
    [{ windowSeen: 20 }, {}, "exactly-once", /window of 20 messages, 65535 were asked/],
    [{ windowSeen: 20 }, { windowAsked: 20 }, "exactly-once", /^$/],
    [{ keepsOrder: false }, {}, "at-least-once", /in another order: .*count twice/],
    [{ keepsPacketIds: false }, {}, "at-least-once", /under other packet ids: /],
    [
      { keepsOrder: false, keepsPacketIds: false, windowSeen: 60 },
      {},
      "at-least-once",
      /60 .*\. .*in another order and under other packet ids/,
    ],
    [lostSession, {}, "at-most-once", /lost the unacknowledged messages/],
    [unassuredFacts(50), {}, "at-most-once", /delivered the probe at QoS 0/],
    [{}, { grantedQos: 0 }, "at-most-once", /delivers at QoS 0 only/],
    [{}, { connack: { ...GRANT.connack, maximumQos: 0 } }, "at-most-once", /QoS 0 only/],
    [
      {},
      { connack: { ...GRANT.connack, sessionExpirySeconds: 0 } },
      "at-most-once",
      /keeps no session/,
    ],
    [
      {},
      { connack: { ...GRANT.connack, sessionExpirySeconds: 600 } },
      "exactly-once",
      /for 600 s, 86400 s were asked/,
    ],
    [lostSession, { grantedQos: 0 }, "at-most-once", /QoS 0 only/],
  ];
  for (const [facts, grant, guarantee, reason] of rows) {
    const finding = { kind: "done", facts: { ...GOOD, ...facts } } as const;
    const verdict = judgeBroker({ ...GRANT, ...grant }, finding);
    equal(verdict.guarantee, guarantee, JSON.stringify([facts, grant]));
    match(verdict.reason, reason);
  }
});

Deno.test("broker verdict: without a probe CONNACK and SUBACK decide, and the reason says so (M7)", () => {
  const unknown = { kind: "unknown", reason: "it refused to subscribe", isFinal: true } as const;
  const verdict = judgeBroker(GRANT, unknown);
  equal(verdict.guarantee, "exactly-once");
  match(verdict.reason, /"plant" could not be probed \(it refused to subscribe\)/);
  equal(judgeBroker({ ...GRANT, grantedQos: 0 }, unknown).guarantee, "at-most-once");
  const { fields } = profileEvent(GRANT, unknown);
  deepEqual(
    [fields.probe, fields.isWindowHonoured, fields.doesSessionSurvive, fields.windowGiven],
    ["unknown", null, null, 65_535],
  );
});

Deno.test("broker verdict: what came again is held against what had come (M7)", () => {
  const first = run([1, 2, 3, 4]);
  const [a, b, c, d] = [first[0]!, first[1]!, first[2]!, first[3]!];
  const fifth = { seq: 5, packetId: 15, qos: 1 };
  const renumbered = first.map((delivery) => ({ ...delivery, packetId: delivery.packetId + 7 }));
  const rows: [string, Partial<Parameters<typeof factsOf>[0]>, (boolean | null)[]][] = [
    ["the same, then new ones", { second: [...first, fifth] }, [true, true, true]],
    ["new ones before", { second: [fifth, ...first] }, [true, false, true]],
    ["two changed places", { second: [a, c, b, d] }, [true, false, true]],
    ["other ids", { second: renumbered }, [true, true, false]],
    ["one did not come again", { second: [a, b, d] }, [false, null, null]],
    ["nothing came again", { second: [] }, [false, null, null]],
    ["no session", { isSessionPresent: false, second: [] }, [false, null, null]],
    ["out of order at once", { first: [b, a, c, d], second: [b, a, c, d] }, [true, false, true]],
    ["sent again unasked", { first: [...first, a, b], second: first }, [true, true, true]],
  ];
  for (const [title, seen, expected] of rows) {
    const facts = factsOf({
      ...{ windowAsked: 50, first, isSessionPresent: true, second: first },
      ...seen,
    });
    deepEqual([facts.doesSessionSurvive, facts.keepsOrder, facts.keepsPacketIds], expected, title);
    equal(facts.windowSeen, 4);
  }
  const lowered = factsOf({
    windowAsked: 50,
    first: first.map((delivery) => ({ ...delivery, qos: 0, packetId: 0 })),
    isSessionPresent: true,
    second: [],
  });
  deepEqual(lowered, unassuredFacts(50));
});

function run(seqs: readonly number[]): Delivery[] {
  return seqs.map((seq) => ({ seq, packetId: seq + 10, qos: 1 }));
}
