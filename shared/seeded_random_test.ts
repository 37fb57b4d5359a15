import { deepEqual, match, notDeepEqual, ok } from "node:assert/strict";
import { SeededRandom } from "./seeded_random.ts";
import { uuidV7 } from "./uuid.ts";

const draw = (seed: number) => {
  const random = new SeededRandom(seed);
  return Array.from({ length: 1000 }, () => random.next());
};

Deno.test("seeded random: a seed fixes the sequence, another seed gives another", () => {
  deepEqual(draw(7), draw(7));
  notDeepEqual(draw(7), draw(8));
});

Deno.test("seeded random: values fill [0, 1) evenly", () => {
  const values = draw(3);
  ok(values.every((value) => value >= 0 && value < 1));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  ok(Math.abs(mean - 0.5) < 0.05, `mean of 1000 draws is ${mean}`);
});

Deno.test("uuid: texts are of version 7 and sort by time", () => {
  const random = new SeededRandom(1);
  const times = [0, 1, 255, 1_700_000_000_000, 1_700_000_000_001];
  const texts = times.map((nowMs) => uuidV7(nowMs, random.bytes(10)));
  for (const text of texts) {
    match(text, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
  deepEqual([...texts].sort(), texts);
});
