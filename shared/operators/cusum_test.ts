import { equal, ok } from "node:assert/strict";
import { calm, edgesOf, onsetFrom, stateBehind } from "./detector_rig.ts";
import { cusum, type CusumOptions } from "./cusum.ts";

const of = (options: Partial<CusumOptions<number>> = {}) =>
  cusum<number>({ value: (value) => value, ...options });

Deno.test("CUSUM: sums what exceeds the slack, on each side", () => {
  const state = stateBehind(of({ warmUp: 2, minStdDev: 1, threshold: 4 }), [9, 11, 13, 12]);
  // Mean 10, deviation 1, slack 0.5: 2.5, then 1.5 more.
  equal(state.above, 4);
  equal(state.below, 0);
});

Deno.test("CUSUM: finds a shift of one deviation, and which way it goes", () => {
  const up = [...calm(500), ...calm(100, 51.2)];
  equal(edgesOf(of(), calm(3_000)), "");
  ok(onsetFrom(edgesOf(of(), up), 500) < 540);
  equal(edgesOf(of({ direction: "down" }), up), "");
});

Deno.test("CUSUM: the end of a long anomaly is found as fast as its onset", () => {
  const edges = edgesOf(of(), [...calm(300), ...calm(5_000, 53), ...calm(300)]);
  const end = Number(edges.split(",")[1]!.slice(1));
  equal(edges.split(",").length, 2, edges);
  ok(end > 5_300 && end < 5_340, edges);
});
