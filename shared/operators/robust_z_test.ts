import { equal, ok } from "node:assert/strict";
import { calm, edgesOf, onsetFrom, stateBehind } from "./detector_rig.ts";
import { robustZ, type RobustZOptions } from "./robust_z.ts";

const of = (options: Partial<RobustZOptions<number>> = {}) =>
  robustZ<number>({ value: (value) => value, threshold: 5, minConsecutive: 1, ...options });

Deno.test("robust z: the score is that of Iglewicz and Hoaglin", () => {
  // Median 3, MAD 1.
  const state = stateBehind(of({ memory: 5, warmUp: 5 }), [1, 2, 3, 4, 100, 13]);
  equal(state.score.toFixed(3), "6.745");
});

Deno.test("robust z: outliers in the window hide no outlier", () => {
  const values = calm(200).map((value, i) => i % 5 === 0 && i < 190 ? 500 : value);
  equal(onsetFrom(edgesOf(of({ memory: 100 }), [...values, 70]), 195), 200);
});

Deno.test("robust z: where most values are equal, the mean deviation stands in", () => {
  const values = Array.from({ length: 100 }, (_, i) => i % 3 === 0 ? 11 : 10);
  equal(edgesOf(of(), [...values, 10, 11, 10]), "");
  equal(edgesOf(of(), [...values, 14, 10]), "+100,-101");
});

Deno.test("robust z: a new level is normal once it fills half of the window", () => {
  const edges = edgesOf(of({ memory: 40 }), [...calm(100), ...calm(100, 80)]);
  equal(edges.split(",").length, 2, edges);
  ok(edges.startsWith("+100,-12"), edges);
});

Deno.test("robust z: the side that is not watched raises nothing", () => {
  equal(edgesOf(of({ direction: "up" }), [...calm(100), 20, 50]), "");
  equal(edgesOf(of({ direction: "down" }), [...calm(100), 20, 50]), "+100,-101");
});
