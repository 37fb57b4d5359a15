import { equal } from "node:assert/strict";
import { edgesOf, stateBehind } from "./detector_rig.ts";
import { rateOfChange, type RateOfChangeOptions } from "./rate_of_change.ts";

const of = (options: Partial<RateOfChangeOptions<number>> = {}) =>
  rateOfChange<number>({ value: (value) => value, threshold: 5, per: "1m", ...options });
const MINUTE_MS = 60_000;

Deno.test("rate of change: is taken over the time between two values", () => {
  equal(edgesOf(of(), [20, 24, 30, 31], MINUTE_MS), "+2,-3");
  equal(edgesOf(of(), [20, 24, 30, 31], 2 * MINUTE_MS), "");
  equal(stateBehind(of(), [20, 26], 2 * MINUTE_MS).rate, 3);
});

Deno.test("rate of change: no rate is taken over a long gap", () => {
  equal(edgesOf(of({ maxGap: "30s" }), [20, 90], MINUTE_MS), "");
  equal(edgesOf(of({ maxGap: "2m" }), [20, 90], MINUTE_MS), "+1");
});

Deno.test("rate of change: no rate is taken to a value that is not later than the one before", () => {
  const detector = of();
  const first = detector.step(detector.initial(), 20, 1_000, 20);
  equal(detector.step(first, 90, 1_000, 90), first);
  equal(detector.judge(detector.step(first, 90, 500, 90)).isAnomalous, false);
});

Deno.test("rate of change: one value from far ahead does not blind it", () => {
  const detector = of();
  let state = detector.initial();
  const see = (value: number, atMs: number) => {
    state = detector.step(state, value, atMs, value);
    return detector.judge(state).isAnomalous;
  };
  see(20, 0);
  equal(see(20, 1_000 * MINUTE_MS), false);
  equal(see(20, MINUTE_MS), false);
  equal(see(40, 2 * MINUTE_MS), true);
});

Deno.test("rate of change: the change that is not watched is not told", () => {
  equal(edgesOf(of({ direction: "up" }), [20, 5, 4], MINUTE_MS), "");
  equal(edgesOf(of({ direction: "down" }), [20, 5, 4], MINUTE_MS), "+1,-2");
});
