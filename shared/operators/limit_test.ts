import { equal } from "node:assert/strict";
import { edgesOf, stateBehind } from "./detector_rig.ts";
import { limit, type LimitOptions } from "./limit.ts";

const of = (options: Partial<LimitOptions<number>> = {}) =>
  limit<number>({ value: (value) => value, high: 90, ...options });

Deno.test("limit: the limit itself is inside", () => {
  equal(edgesOf(of(), [90, 90.1, 90]), "+1,-2");
  equal(edgesOf(limit({ value: (v: number) => v, low: 10 }), [10, 9.9, 10]), "+1,-2");
});

Deno.test("limit: a value that trembles within the deadband is one anomaly", () => {
  const values = [80, 91, 89, 91, 89, 91, 87.5, 89];
  equal(edgesOf(of({ deadband: 2 }), values), "+1,-6");
  equal(edgesOf(of(), values), "+1,-2,+3,-4,+5,-6");
});

Deno.test("limit: a delay passes over what is short", () => {
  equal(
    edgesOf(of({ minConsecutive: 3 }), [91, 91, 80, 91, 91, 91, 80, 80, 91, 80, 80, 80]),
    "+5,-11",
  );
});

Deno.test("limit: the score is how far a value is beyond the nearer limit", () => {
  equal(stateBehind(of({ low: 10 }), [95]).excess, 5);
  equal(stateBehind(of({ low: 10 }), [3]).excess, 7);
  equal(stateBehind(of({ low: 10 }), [50]).excess, -40);
});
