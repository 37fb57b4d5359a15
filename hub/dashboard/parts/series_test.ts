import { deepEqual, equal } from "node:assert/strict";
import { append, gapLimitMs, type Series, withGaps } from "./series.ts";

const EMPTY: Series = { at: [], value: [], score: [] };
const every = (stepMs: number, count: number): Series => {
  const at = Array.from({ length: count }, (_, index) => index * stepMs);
  return { at, value: at.map(() => 1), score: at.map(() => 0.1) };
};

Deno.test("series: a span without samples stays empty", () => {
  const before = every(1_000, 10);
  const series = append(before, { atMs: 60_000, value: 2, score: 0.2 }, 0);
  const drawn = withGaps(series);
  equal(drawn.at.length, 12);
  deepEqual(drawn.value.slice(-2), [null, 2]);
  deepEqual(drawn.score.slice(-2), [null, 0.2]);
  equal(drawn.at[10], 34_500);
});

Deno.test("series: thinned-out history is joined, though its samples are far apart", () => {
  equal(withGaps(every(20_000, 50)).value.includes(null), false);
  equal(gapLimitMs(every(20_000, 50).at), 70_000);
});

Deno.test("series: jitter is no gap", () => {
  const jittered = { ...every(1_000, 5), at: [0, 900, 2_100, 3_000, 6_500] };
  equal(withGaps(jittered).value.includes(null), false);
});

Deno.test("series: what left the range is dropped and what is known already is not drawn twice", () => {
  const series = every(1_000, 5);
  equal(append(series, { atMs: 4_000, value: 9, score: null }, 0), series);
  deepEqual(append(series, { atMs: 5_000, value: 9, score: null }, 4_000), {
    at: [4_000, 5_000],
    value: [1, 9],
    score: [0.1, null],
  });
  deepEqual(append(EMPTY, { atMs: 5_000, value: null, score: null }, 9_000).at, [5_000]);
});
