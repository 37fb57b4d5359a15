import { equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { ManualClock } from "@shared/manual_clock.ts";
import { createBucket, parseRate, takeFrom, UploadBudget, waitOf } from "./upload_budget.ts";

Deno.test("upload budget: bytes taken in any span are within rate, burst and one request", () => {
  const step = fc.record({
    pauseMs: fc.integer({ min: 0, max: 5_000 }),
    bytes: fc.integer({ min: 1, max: 50_000 }),
  });
  fc.assert(fc.property(
    fc.integer({ min: 1_000, max: 100_000 }),
    fc.array(step, { maxLength: 40 }),
    (rate, steps) => {
      let nowMs = 0;
      let bucket = createBucket(rate, nowMs);
      const taken: { atMs: number; bytes: number }[] = [];
      for (const { pauseMs, bytes } of steps) {
        nowMs += pauseMs;
        nowMs += waitOf(bucket, nowMs);
        bucket = takeFrom(bucket, bytes, nowMs);
        taken.push({ atMs: nowMs, bytes });
      }
      for (const [first, from] of taken.entries()) {
        let sum = 0;
        for (const { atMs, bytes } of taken.slice(first)) {
          sum += bytes;
          ok(sum - bytes <= rate * (atMs - from.atMs) / 1000 + rate + 1);
        }
      }
    },
  ));
});

Deno.test("upload budget: a wait is never longer than paying the debt off takes", () => {
  const bucket = takeFrom(createBucket(1_000, 0), 5_000, 0);
  equal(waitOf(bucket, 0), 4_000);
  equal(waitOf(bucket, 3_999), 1);
  equal(waitOf(bucket, 4_000), 0);
  equal(waitOf(takeFrom(bucket, 1, 4_000), 4_000), 1);
});

Deno.test("upload budget: waiters go in the order they came, and leave when aborted", async () => {
  const clock = new ManualClock();
  const budget = new UploadBudget(1_000, clock);
  const done: string[] = [];
  const stop = new AbortController();
  const never = new AbortController().signal;
  const all = [
    budget.take(2_000, never).then(() => done.push("first")),
    budget.take(500, stop.signal).then(() => done.push("second")),
    budget.take(500, never).then(() => done.push("third")),
  ];
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  await settle();
  equal(done.join(), "first");
  stop.abort();
  await settle();
  equal(done.join(), "first,second");
  clock.advance(999);
  await settle();
  equal(done.length, 2);
  clock.advance(1);
  await Promise.all(all);
  equal(done.join(), "first,second,third");
});

Deno.test("upload budget: a rate is read in bits and bytes, with what it wants when it is not one", () => {
  equal(parseRate("256kbit"), 32_000);
  equal(parseRate("10mbit/s"), 1_250_000);
  equal(parseRate("64kB"), 64_000);
  equal(parseRate("1.5MB"), 1_500_000);
  for (const bad of ["", "fast", "256", "1bit", "-5kbit", "256 kib"]) {
    throws(() => parseRate(bad), /want a number and a unit/);
  }
});
