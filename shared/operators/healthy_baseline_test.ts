import { equal, ok } from "node:assert/strict";
import { calm, edgesOf, onsetFrom, stateBehind } from "./detector_rig.ts";
import { healthyBaseline, type HealthyBaselineOptions } from "./healthy_baseline.ts";

interface Reading {
  readonly flow: number | null;
  readonly celsius: number | null;
}

const of = (options: Partial<HealthyBaselineOptions<Reading>> = {}) =>
  healthyBaseline<Reading>({ signals: (reading) => ({ ...reading }), ...options });

/** A flow with noise, and a temperature that follows the weather. */
function rig(count: number, flow = 32): Reading[] {
  return calm(count, flow, 0.4).map((value, i) => ({
    flow: value,
    celsius: 20 + 5 * Math.sin(i / 150),
  }));
}

Deno.test("healthy baseline: what a signal that wanders does is no shift, a leap of it is", () => {
  equal(edgesOf(of(), rig(5_000)), "");
  const warmer = (by: number) =>
    rig(1_000).map((reading, i) => ({ ...reading, celsius: reading.celsius! + by * i / 1_000 }));
  equal(edgesOf(of(), [...rig(942), ...warmer(10)]), "");
  const leapt = rig(300).map((reading) => ({ ...reading, celsius: reading.celsius! + 1_000 }));
  ok(onsetFrom(edgesOf(of(), [...rig(500), ...leapt]), 0) < 520);
});

Deno.test("healthy baseline: a shift of two deviations is found within a minute, and its end", () => {
  const edges = edgesOf(of(), [...rig(600), ...rig(300, 31.2), ...rig(300)]);
  const onset = onsetFrom(edges, 0);
  ok(onset >= 600 && onset < 660, edges);
  equal(edges.split(",").length, 2, edges);
});

Deno.test("healthy baseline: nothing is learned behind the beginning", () => {
  const state = stateBehind(of(), [...rig(400), ...rig(5_000, 31)]);
  ok(of().judge(state).isAnomalous);
  equal(state.rows.length, 0);
  equal(state.models[1]!.mean, stateBehind(of(), rig(400)).models[1]!.mean);
});

Deno.test("healthy baseline: a record without a signal leaves it as it was", () => {
  const state = stateBehind(of(), rig(450));
  const { smoothed } = state.models[1]!;
  const after = of().step(state, 1, 0, { flow: null, celsius: 21 });
  equal(after.names[1], "flow");
  equal(after.models[1]!.smoothed, smoothed);
});

Deno.test("healthy baseline: one wild value is no shift", () => {
  const wild = { flow: 1e9, celsius: 20 };
  equal(edgesOf(of(), [...rig(500), wild, ...rig(500)]), "");
});
