import { equal, ok } from "node:assert/strict";
import { addSize, createTailSketch, surpriseOf } from "./tail_sketch.ts";

/** Sizes of an exponential distribution with mean 1, spread evenly over its quantiles, in no order. */
function exponential(count: number): number[] {
  return Array.from({ length: count }, (_, i) => -Math.log(1 - (i * 7_919 % count + 0.5) / count));
}

function sketchOf(sizes: readonly number[]) {
  const sketch = createTailSketch();
  for (const size of sizes) addSize(sketch, size);
  return sketch;
}

Deno.test("tail sketch: the surprise is the decades of the probability, in sight and beyond", () => {
  const sketch = sketchOf(exponential(5_000));
  for (const probability of [0.5, 0.1, 0.01, 1e-4, 1e-8]) {
    const surprise = surpriseOf(sketch, -Math.log(probability));
    const decades = -Math.log10(probability);
    ok(Math.abs(surprise - decades) < 0.02 + 0.08 * decades, `${probability}: ${surprise}`);
  }
});

Deno.test("tail sketch: does not depend on the unit", () => {
  const small = sketchOf(exponential(1_000).map((size) => size * 1e-6));
  const large = sketchOf(exponential(1_000).map((size) => size * 1e6));
  ok(Math.abs(surpriseOf(small, 8e-6) - surpriseOf(large, 8e6)) < 0.2);
});

Deno.test("tail sketch: among zeros alone a zero is no surprise, anything else is", () => {
  const sketch = sketchOf(Array<number>(500).fill(0));
  ok(surpriseOf(sketch, 0) < 0.4);
  ok(surpriseOf(sketch, 1) > 10);
});

Deno.test("tail sketch: an empty one is never surprised", () => {
  equal(surpriseOf(createTailSketch(), 1e9), 0);
});

Deno.test("tail sketch: a larger size is never less surprising", () => {
  const sketch = sketchOf(exponential(3_000));
  let before = 0;
  for (let size = 0; size < 30; size += 0.01) {
    const surprise = surpriseOf(sketch, size);
    ok(surprise >= before - 0.05, `${size}: ${surprise} after ${before}`);
    before = surprise;
  }
});

Deno.test("tail sketch: old sizes fade", () => {
  const sketch = sketchOf([
    ...exponential(5_000).map((size) => size * 100),
    ...exponential(30_000),
  ]);
  ok(surpriseOf(sketch, 30) > 2);
});
