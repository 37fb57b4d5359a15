import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { type AlarmRules, PLAIN_RULES } from "../../hub/coordinator/alarm_rules.ts";
import { alarmPoint } from "../support/alarm_point.ts";

const LATER_MS = 10_000_000;

const rules = fc.record({
  onDelayMs: fc.constantFrom(0, 0, 1_000, 30_000),
  offDelayMs: fc.constantFrom(0, 0, 1_000, 30_000),
  reAlarmMs: fc.constantFrom(null, 60_000),
}).map((some): AlarmRules => ({ ...PLAIN_RULES, ...some }));

/** Spans of one detector one after the other, the last one maybe without an end. */
const spans = fc.array(
  fc.record({
    pauseMs: fc.integer({ min: 1, max: 60_000 }),
    holdMs: fc.integer({ min: 0, max: 60_000 }),
  }),
  { minLength: 1, maxLength: 8 },
).chain((steps) =>
  fc.boolean().map((isOpen) => {
    let atMs = 0;
    return steps.flatMap(({ pauseMs, holdMs }, i) => {
      const fromMs = atMs + pauseMs;
      atMs = fromMs + holdMs;
      const spanId = `span-${i}`;
      const raise = { spanId, edgeId: `${spanId}-raise`, isActive: true, atMs: fromMs };
      const clear = { spanId, edgeId: `${spanId}-clear`, isActive: false, atMs };
      return isOpen && i === steps.length - 1 ? [raise] : [raise, clear];
    });
  })
);

/** Times at which deliveries in any order, with repetitions, are cut. */
const deliveries = spans.chain((edges) =>
  fc.record({
    edges: fc.constant(edges),
    order: fc.shuffledSubarray(edges, { minLength: edges.length, maxLength: edges.length }),
    again: fc.array(fc.constantFrom(...edges), { maxLength: 6 }),
    cuts: fc.array(fc.nat(edges.length + 6), { maxLength: 5 }),
  })
);

function outcome(point: ReturnType<typeof alarmPoint>) {
  return point.alarms.map(({ isActive, isAcknowledged, raisedAtMs, clearedAtMs, occurrences }) => (
    { isActive, isAcknowledged, raisedAtMs, clearedAtMs, occurrences }
  ));
}

Deno.test("alarms: order, repetition and cut of deliveries do not change what comes of them", () => {
  fc.assert(fc.property(rules, deliveries, (rules, { edges, order, again, cuts }) => {
    const known = (list: typeof edges) => list.map((edge) => ({ ...edge, heardAtMs: LATER_MS }));
    const whole = alarmPoint(rules);
    whole.deliver(known(edges), LATER_MS);
    whole.tick(LATER_MS + 100_000);
    const cut = alarmPoint(rules);
    const all = known([...order, ...again]);
    const at = [0, ...[...cuts].sort((a, b) => a - b), all.length];
    at.forEach((from, i) => {
      if (i > 0) cut.deliver(all.slice(at[i - 1], from), LATER_MS);
    });
    cut.tick(LATER_MS + 100_000);
    deepEqual(outcome(cut), outcome(whole));
    const rings = (point: typeof cut) =>
      point.told.filter(({ kind, isNews }) => kind === "raised" && isNews).length;
    equal(rings(cut), rings(whole));
    ok(rings(cut) <= 1, "nobody acknowledged: one alarm rings once");
  }));
});

const act = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("deliver" as const), count: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("tick" as const), ms: fc.nat(90_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("acknowledge" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("replay" as const), count: fc.nat(20) }) },
);

Deno.test("alarms: whatever happens, each is raised once, one is active, and looking again changes nothing", () => {
  fc.assert(fc.property(rules, spans, fc.array(act, { maxLength: 40 }), (rules, edges, acts) => {
    const point = alarmPoint(rules);
    let nowMs = 0;
    let next = 0;
    for (const one of acts) {
      if (one.do === "tick") point.tick(nowMs += one.ms);
      if (one.do === "deliver") {
        const batch = edges.slice(next, next += one.count);
        nowMs = Math.max(nowMs, ...batch.map(({ atMs }) => atMs));
        point.deliver(batch.map((edge) => ({ ...edge, heardAtMs: nowMs })), nowMs);
      }
      if (one.do === "replay") {
        const batch = edges.slice(0, Math.min(next, one.count));
        point.tick(nowMs);
        const told = point.told.length;
        point.deliver(batch.map((edge) => ({ ...edge, heardAtMs: nowMs })), nowMs);
        equal(point.told.length, told, "a replay tells nothing");
      }
      if (one.do === "acknowledge") {
        for (const { id } of point.alarms) point.acknowledge(id, nowMs);
      }
      ok(point.alarms.filter(({ isActive }) => isActive).length <= 1, "one active alarm");
    }
    const raised = point.told.filter(({ kind, isNews }) => kind === "raised" && isNews);
    equal(new Set(raised.map(({ alarmId }) => alarmId)).size, raised.length, "raised once each");
    point.tick(nowMs);
    const settled = JSON.stringify(point.alarms);
    const told = point.told.length;
    point.tick(nowMs);
    equal(JSON.stringify(point.alarms), settled);
    equal(point.told.length, told);
  }));
});
