import { deepEqual, equal } from "node:assert/strict";
import { append, gapLimitMs, newestOf, newestRows, type Series } from "./series.ts";

const NOTHING = { value: null, score: null, low: null, high: null };

function seriesOf(at: number[], value: (number | null)[] = at.map(() => 1)): Series {
  const nulls = at.map(() => null);
  return { at, value, score: nulls, low: nulls, high: nulls };
}
const point = (atMs: number, value: number | null = 2) => ({ ...NOTHING, atMs, value });

Deno.test("series: streamed samples follow what was fetched, known ones are not added again", () => {
  const grown = append(seriesOf([1_000, 2_000]), [point(2_000), point(3_000)], 0);
  deepEqual(grown.at, [1_000, 2_000, 3_000]);
  deepEqual(grown.value, [1, 1, 2]);
});

Deno.test("series: what has left the range is dropped from the start", () => {
  const grown = append(seriesOf([1_000, 2_000, 3_000]), [point(4_000)], 2_500);
  deepEqual(grown.at, [3_000, 4_000]);
  equal(append(seriesOf([1_000]), [point(1_500)], 2_000).at.length, 0);
});

Deno.test("series: a span without samples is left empty, not joined by a line", () => {
  const fetched = seriesOf([0, 1_000, 2_000, 3_000]);
  const grown = append(fetched, [point(13_000), point(14_000)], 0);
  deepEqual(grown.at, [0, 1_000, 2_000, 3_000, 8_000, 13_000, 14_000]);
  deepEqual(grown.value, [1, 1, 1, 1, null, 2, 2]);
});

Deno.test("series: jitter is no gap, and slow signals have a rhythm of their own", () => {
  equal(gapLimitMs([0, 900, 2_000]), 4_000);
  equal(gapLimitMs([0, 60_000, 120_000]), 210_000);
  const slow = append(seriesOf([0, 60_000, 120_000]), [point(200_000)], 0);
  deepEqual(slow.value, [1, 1, 1, 2]);
});

Deno.test("series: the newest point is the last one with a value", () => {
  equal(newestOf(seriesOf([1, 2, 3], [5, 6, null]))!.atMs, 2);
  equal(newestOf(seriesOf([1], [null])), null);
  const rows = newestRows(seriesOf([1, 2, 3, 4], [5, null, 7, 8]), 2);
  deepEqual(rows.map(({ atMs, value }) => [atMs, value]), [[4, 8], [3, 7]]);
});
