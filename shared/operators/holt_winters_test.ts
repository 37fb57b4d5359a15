import { equal, ok } from "node:assert/strict";
import { calm, edgesOf, onsetFrom, stateBehind } from "./detector_rig.ts";
import { holtWinters, type HoltWintersOptions } from "./holt_winters.ts";

const HOUR_MS = 3_600_000;
const DAY = 24;

type Options = Partial<HoltWintersOptions<number | null>>;

const of = (options: Options = {}) =>
  holtWinters<number | null>({ value: (v) => v, season: "1d", phase: "1h", ...options });

/** Hours with a season of 20 up and down, a trend, and noise of 1. */
function hours(count: number, trendPerDay = 0): number[] {
  return calm(count, 100).map((value, i) =>
    value + 20 * Math.sin(i / DAY * 2 * Math.PI) + trendPerDay * i / DAY
  );
}

Deno.test("Holt-Winters: what is usual at its hour raises nothing, with a trend too", () => {
  equal(edgesOf(of(), hours(60 * DAY), HOUR_MS), "");
  equal(edgesOf(of({ trend: 0.02 }), hours(60 * DAY, 2), HOUR_MS), "");
});

Deno.test("Holt-Winters: the value of noon is an anomaly in the evening", () => {
  const values = hours(20 * DAY);
  const at = 15 * DAY + 18;
  values[at] = values[at + 1] = 120;
  const edges = edgesOf(of(), values, HOUR_MS);
  equal(onsetFrom(edges, 0), at + 1, edges);
});

Deno.test("Holt-Winters: missing values shift no phase", () => {
  const values: (number | null)[] = hours(20 * DAY);
  values.fill(null, 10 * DAY + 3, 12 * DAY + 8);
  equal(edgesOf(of(), values, HOUR_MS), "");
});

Deno.test("Holt-Winters: nothing is judged before the seasons of warm-up", () => {
  const values = hours(4 * DAY);
  values.fill(500, 2 * DAY, 3 * DAY - 4);
  equal(onsetFrom(edgesOf(of({ warmUpSeasons: 3 }), values, HOUR_MS), 0) >= 3 * DAY, true);
});

Deno.test("Holt-Winters: an anomaly teaches little", () => {
  const values = hours(30 * DAY);
  const calmState = stateBehind(of(), values, HOUR_MS);
  values.fill(1_000, 20 * DAY, 20 * DAY + 5);
  const state = stateBehind(of(), values, HOUR_MS);
  ok(Math.abs(state.level - calmState.level) < 2, `${state.level} ${calmState.level}`);
});

Deno.test("Holt-Winters: a first value from far ahead does not blind it", () => {
  const detector = of();
  let state = detector.step(detector.initial(), 100, 10_000 * DAY * HOUR_MS, 100);
  const see = (value: number, hour: number) => {
    state = detector.step(state, value, hour * HOUR_MS, value);
    return detector.judge(state).isAnomalous;
  };
  const anomalous = hours(10 * DAY).filter((value, hour) => see(value, hour));
  equal(anomalous.length, 0);
  see(500, 10 * DAY);
  equal(see(500, 10 * DAY + 1), true);
});
