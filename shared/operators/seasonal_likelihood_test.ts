import { equal, ok } from "node:assert/strict";
import { calm, edgesOf, onsetFrom, stateBehind } from "./detector_rig.ts";
import { seasonalLikelihood, type SeasonalLikelihoodOptions } from "./seasonal_likelihood.ts";

const QUARTER_MS = 900_000;
const DAY = 96;

const of = (options: Partial<SeasonalLikelihoodOptions<number>> = {}) =>
  seasonalLikelihood<number>({ value: (value) => value, ...options });

/** Quarters of an hour: busy by day, quiet by night and at the weekend, with noise. */
function weeks(count: number): number[] {
  return calm(count * 7 * DAY, 0, 2).map((noise, i) => {
    const hour = i / 4 % 24;
    const isBusy = hour >= 8 && hour < 18 && Math.floor(i / DAY) % 7 < 5;
    return (isBusy ? 100 : 20) + noise;
  });
}

Deno.test("seasonal likelihood: what is usual at its hour of the week raises nothing", () => {
  const edges = edgesOf(of(), weeks(8), QUARTER_MS);
  equal(onsetFrom(edges, 3 * 7 * DAY), Infinity, edges);
});

Deno.test("seasonal likelihood: the work of a weekday is an anomaly on a Sunday", () => {
  const values = weeks(8);
  const sunday = (6 * 7 + 6) * DAY + 40;
  values.fill(100, sunday, sunday + 16);
  const onset = onsetFrom(edgesOf(of(), values, QUARTER_MS), 3 * 7 * DAY);
  ok(onset >= sunday && onset < sunday + 4, String(onset));
});

Deno.test("seasonal likelihood: what goes on is no news, what is worse is", () => {
  const values = weeks(8);
  const at = 7 * 7 * DAY;
  values.fill(200, at, at + 300);
  const onsets = edgesOf(of(), values, QUARTER_MS).split(",")
    .filter((edge) => edge.startsWith("+")).map((edge) => Number(edge.slice(1)))
    .filter((index) => index >= at);
  equal(onsets[0], at);
  ok(onsets.length <= 3, onsets.join());
  values.fill(5_000, at + 200, at + 210);
  const worse = edgesOf(of(), values, QUARTER_MS);
  ok(onsetFrom(worse, at + 100) <= at + 200, worse);
});

Deno.test("seasonal likelihood: the state has the same size after a day as after a month", () => {
  const numbers = (count: number) => {
    const state = stateBehind(of(), weeks(4).slice(0, count), QUARTER_MS);
    return JSON.stringify(state, (_, item) => typeof item === "number" ? 0 : item).length;
  };
  equal(numbers(DAY * 10), numbers(DAY * 28));
});

Deno.test("seasonal likelihood: an absurd value does not hide what comes after it", () => {
  const values = weeks(16);
  values[5 * 7 * DAY + 40] = 3.4e38;
  const at = 15 * 7 * DAY + 45;
  values.fill(300, at, at + 8);
  const onset = onsetFrom(edgesOf(of(), values, QUARTER_MS), at);
  ok(onset < at + 4, String(onset));
});
