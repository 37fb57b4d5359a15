import { deepEqual, equal } from "node:assert/strict";
import type { AgentId } from "@shared/ids.ts";
import {
  createDetector,
  type DetectorInput,
  type FailureDetector,
  stepDetector,
  verdictOf,
} from "./failure_detector.ts";

const LIMITS = { leaseTtlMs: 6_000, startGraceMs: 2_000, reassignWithinMs: 30_000 };
const A = "a" as AgentId;

function run(inputs: readonly DetectorInput[], startedMs = 0) {
  let state: FailureDetector = createDetector(LIMITS, startedMs);
  const effects: string[] = [];
  for (const input of inputs) {
    const step = stepDetector(state, input);
    state = step.state;
    effects.push(...step.effects.map(({ kind, agentId }) => `${kind} ${agentId}`));
  }
  return { effects, verdict: verdictOf(state, A) };
}

const at = (kind: "expect" | "heartbeat" | "gone", nowMs: number): DetectorInput => (
  { kind, agentId: A, nowMs }
);
const hello = (nowMs: number, canGoAutonomous: boolean): DetectorInput => (
  { kind: "hello", agentId: A, nowMs, canGoAutonomous }
);
const tick = (nowMs: number): DetectorInput => ({ kind: "tick", nowMs });

Deno.test("failure detector: a lease expires its time after the last heartbeat, once", () => {
  const held = [at("heartbeat", 10_000), tick(15_999)];
  deepEqual(run(held), { effects: [], verdict: "held" });
  deepEqual(run([...held, tick(16_000), tick(17_000)]), {
    effects: ["expired a"],
    verdict: "reassignable",
  });
});

Deno.test("failure detector: nothing expires before start, lease and grace are over (F5)", () => {
  const inputs = [at("expect", 100_000), tick(107_999)];
  deepEqual(run(inputs, 100_000).effects, []);
  deepEqual(run([...inputs, tick(108_000)], 100_000).effects, ["expired a"]);
  deepEqual(run([at("heartbeat", 100_500), tick(107_000)], 100_000).effects, []);
});

Deno.test("failure detector: after the window an agent that is able to is possibly autonomous (P6)", () => {
  const lost = [hello(9_000, true), at("heartbeat", 10_000), tick(16_000)];
  equal(run([...lost, tick(46_000)]).verdict, "reassignable");
  deepEqual(run([...lost, tick(46_001)]), {
    effects: ["expired a", "unreachable a"],
    verdict: "possibly-autonomous",
  });
});

Deno.test("failure detector: one that cannot go autonomous stays reassignable after the window (P6)", () => {
  const lost = [hello(9_000, false), at("heartbeat", 10_000), tick(16_000), tick(46_001)];
  deepEqual(run(lost), { effects: ["expired a", "unreachable a"], verdict: "reassignable" });
});

Deno.test("failure detector: time in which the hub stood still expires nobody (F5)", () => {
  const stalled: DetectorInput = { kind: "stalled", forMs: 60_000 };
  const inputs = [at("heartbeat", 10_000), stalled, tick(75_999)];
  deepEqual(run(inputs), { effects: [], verdict: "held" });
  deepEqual(run([...inputs, tick(76_000)]).effects, ["expired a"]);
  deepEqual(run([at("expect", 0), stalled, tick(67_999)]).effects, []);
  deepEqual(run([at("expect", 0), stalled, tick(68_000)]).effects, ["expired a"]);
});

Deno.test("failure detector: the window to reassign is not prolonged by a hub that stood still (P6)", () => {
  const lost = [hello(10_000, true), { kind: "stalled", forMs: 20_000 } as const, tick(36_000)];
  equal(run([...lost, tick(46_000)]).verdict, "reassignable");
  equal(run([...lost, tick(46_001)]).verdict, "possibly-autonomous");
});

Deno.test("failure detector: one that said goodbye or was removed is reassignable at once and stays so (P6)", () => {
  const gone = [at("heartbeat", 10_000), at("gone", 10_001), tick(100_000)];
  deepEqual(run(gone), { effects: ["expired a"], verdict: "reassignable" });
  const removed = [at("heartbeat", 10_000), tick(16_000), tick(50_000), at("gone", 50_001)];
  deepEqual(run(removed), {
    effects: ["expired a", "unreachable a", "expired a"],
    verdict: "reassignable",
  });
});

Deno.test("failure detector: a heartbeat brings an agent back", () => {
  for (const lostForMs of [7_000, 60_000]) {
    const inputs = [
      at("heartbeat", 10_000),
      tick(10_000 + lostForMs),
      tick(50_000 + lostForMs),
      at("heartbeat", 90_000 + lostForMs),
    ];
    const { effects, verdict } = run(inputs);
    deepEqual([effects.at(-1), verdict], ["returned a", "held"]);
  }
  equal(run([]).verdict, "reassignable");
});
