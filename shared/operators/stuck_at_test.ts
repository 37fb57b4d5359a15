import { equal } from "node:assert/strict";
import { edgesOf } from "./detector_rig.ts";
import { stuckAt, type StuckAtOptions } from "./stuck_at.ts";

const of = (options: Partial<StuckAtOptions<number | null>> = {}) =>
  stuckAt<number | null>({ value: (value) => value, after: "5s", ...options });

Deno.test("stuck at: begins when a value has stood for the time, and ends with the first movement", () => {
  equal(edgesOf(of(), [1, 2, 2, 2, 2, 2, 2, 2, 3, 3]), "+6,-8");
});

Deno.test("stuck at: what moves within the deadband stands still", () => {
  const values = [10, 10.1, 9.9, 10, 10.1, 9.9, 10, 10.1];
  equal(edgesOf(of(), values), "");
  equal(edgesOf(of({ deadband: 0.2 }), values), "+5");
});

Deno.test("stuck at: a slow drift is movement", () => {
  const values = Array.from({ length: 60 }, (_, i) => 10 + i / 10);
  equal(edgesOf(of({ deadband: 0.35 }), values), "");
});

Deno.test("stuck at: a machine that is off may stand still", () => {
  const values = [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4];
  equal(edgesOf(of({ isNormalAt: (value) => value === 0 }), values), "+15");
});

Deno.test("stuck at: time without values counts when the next is the same", () => {
  equal(edgesOf(of(), [1, 2, null, null, null, null, null, 2, 3]), "+7,-8");
});
