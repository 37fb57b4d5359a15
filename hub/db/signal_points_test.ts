import { deepEqual, equal, throws } from "node:assert/strict";
import { CHUNK_POINTS_MAX, PointBuffer, unpackPoints } from "./signal_points.ts";

function pointsOf(buffer: PointBuffer) {
  return Array.from({ length: buffer.n }, (_, i) => buffer.point(i));
}

Deno.test("signal points: what is packed comes back, nulls and all", () => {
  const buffer = new PointBuffer();
  buffer.put(9_999, 1e300, NaN, -5, 5);
  buffer.put(0, 0.1, 4.5, NaN, 5);
  buffer.put(1_000, NaN, -4.5, -5, 5);
  const back = unpackPoints(buffer.pack());
  deepEqual(pointsOf(back), pointsOf(buffer));
  deepEqual(back.summary(), {
    n: 2,
    lowest: 0.1,
    highest: 1e300,
    total: 1e300,
    latest: 1e300,
    score: 4.5,
    low: -5,
    high: 5,
  });
});

Deno.test("signal points: columns that say nothing cost nothing, exact halves four bytes", () => {
  const plain = new PointBuffer();
  const odd = new PointBuffer();
  for (let i = 0; i < 10; i++) {
    plain.put(i * 1_000, i / 2, NaN, 0.25, 8);
    odd.put(i * 1_000, i / 3, i, NaN, NaN);
  }
  equal(plain.pack().length, 3 + 20 + 4 + 40 + 8 + 8);
  equal(odd.pack().length, 3 + 20 + 4 + 80 + 40);
});

Deno.test("signal points: the later value of one moment replaces the earlier, and room is bounded", () => {
  const buffer = new PointBuffer();
  equal(buffer.put(5, 1, NaN, NaN, NaN), "changed");
  equal(buffer.put(5, 1, NaN, NaN, NaN), "same");
  equal(buffer.put(5, 2, NaN, NaN, NaN), "changed");
  deepEqual([buffer.n, buffer.summary().latest], [1, 2]);
  for (let i = 1; i < CHUNK_POINTS_MAX; i++) buffer.put(5 + i, i, NaN, NaN, NaN);
  equal(buffer.put(9_000, 1, NaN, NaN, NaN), "full");
  equal(unpackPoints(buffer.pack()).n, CHUNK_POINTS_MAX);
});

Deno.test("signal points: bytes that are cut short or of another version are refused", () => {
  const buffer = new PointBuffer();
  buffer.put(5, 1.5, 2, 3, 4);
  buffer.put(6, 2.5, 3, 4, 5);
  const bytes = buffer.pack();
  throws(() => unpackPoints(bytes.subarray(0, bytes.length - 1)), /cannot be read/);
  throws(() => unpackPoints(Uint8Array.of(9, ...bytes.subarray(1))), /cannot be read/);
  throws(() => unpackPoints(new Uint8Array()), /cannot be read/);
});
