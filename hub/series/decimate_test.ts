import { deepEqual, equal, ok } from "node:assert/strict";
import { decimate, type Stretch } from "./decimate.ts";

function sample(atMs: number, value: number | null, score: number | null = null): Stretch {
  return { atMs, spanMs: 0, lowest: value, highest: value, score, low: 1.25, high: 9.1 };
}

function minute(atMs: number, lowest: number, highest: number): Stretch {
  return { atMs, spanMs: 60_000, lowest, highest, score: 0.5, low: null, high: null };
}

const HOUR = { fromMs: 0, toMs: 3_600_000 };

Deno.test("decimation: few samples stay as they are, with their range", () => {
  const curve = decimate([sample(0, 5, 4.2), sample(1_000, null), sample(2_000, 6)], HOUR, 600);
  deepEqual(curve, {
    at: [0, 1_000, 2_000],
    value: [5, null, 6],
    score: [4.2, null, null],
    low: [1.25, 1.25, 1.25],
    high: [9.1, 9.1, 9.1],
  });
});

Deno.test("decimation: spike, dip and the oddest score stay, and the points are bounded", () => {
  const samples = Array.from({ length: 3_600 }, (_, i) => sample(i * 1_000, Math.sin(i / 50)));
  samples[1_234] = sample(1_234_000, 99);
  samples[2_345] = sample(2_345_000, -99);
  samples[3_000] = sample(3_000_000, 0.5, -7.5);
  const { at, value, score } = decimate(samples, HOUR, 600);
  ok(at.length <= 600 && at.length > 200, `${at.length} points`);
  deepEqual(at, [...at].sort((a, b) => a - b));
  equal(at[value.indexOf(99)], 1_234_000);
  equal(at[value.indexOf(-99)], 2_345_000);
  ok(score.includes(-7.5));
  ok(!value.includes(null), "a steady signal has no gap");
});

Deno.test("decimation: silence clearly longer than the rhythm is a gap, whatever the rhythm", () => {
  const steady = [0, 1, 2, 3, 10, 11].map((s) => sample(s * 1_000, s));
  deepEqual(decimate(steady, HOUR, 600).value, [0, 1, 2, 3, null, 10, 11]);
  const slow = [0, 600, 1_200, 1_800].map((s) => sample(s * 1_000, s));
  deepEqual(decimate(slow, HOUR, 600).value, [0, 600, 1_200, 1_800]);
  const jittery = [0, 1, 3, 4, 7, 8, 9].map((s) => sample(s * 1_000, s));
  ok(!decimate(jittery, HOUR, 600).value.includes(null));
});

Deno.test("decimation: a gap survives being cut down", () => {
  const samples = Array.from({ length: 3_600 }, (_, i) => sample(i * 1_000, 1))
    .filter(({ atMs }) => atMs < 1_200_000 || atMs > 1_800_000);
  const { at, value } = decimate(samples, HOUR, 200);
  ok(at.length <= 200);
  equal(value.filter((one) => one === null).length, 1);
  const gap = at[value.indexOf(null)]!;
  ok(gap >= 1_199_000 && gap < 1_800_000, `gap at ${gap}`);
});

Deno.test("decimation: a roll-up shows both ends of its range", () => {
  const curve = decimate([minute(0, 1, 5), minute(60_000, 4, 4), minute(360_000, 0, 9)], HOUR, 600);
  deepEqual(curve.at, [0, 30_000, 60_000, 120_000, 360_000, 390_000]);
  deepEqual(curve.value, [5, 1, 4, null, 0, 9]);
  const day = { fromMs: 0, toMs: 86_400_000 };
  const many = Array.from({ length: 1_440 }, (_, i) => minute(i * 60_000, -i, i === 700 ? 5e3 : i));
  const cut = decimate(many, day, 600);
  ok(cut.at.length <= 600 && cut.at.length > 200);
  equal(Math.max(...cut.value.map(Number)), 5e3);
  equal(Math.min(...cut.value.map(Number)), -1_439);
});
