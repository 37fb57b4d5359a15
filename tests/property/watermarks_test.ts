import { ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { EventTimeDescriptor } from "@shared/job_graph.ts";
import {
  DEFAULT_EVENT_TIME,
  MIN_WATERMARK_MS,
  WatermarkGenerator,
} from "../../agent/runner/watermarks.ts";

const T0 = Date.UTC(2026, 0, 1);
const MAX_OUT_OF_ORDERNESS_MS = 50;
const options = (more: Partial<EventTimeDescriptor>): EventTimeDescriptor => ({
  ...DEFAULT_EVENT_TIME,
  isOfRecord: true,
  maxOutOfOrdernessMs: MAX_OUT_OF_ORDERNESS_MS,
  ...more,
});

type Step =
  | { kind: "record"; atMs: number; waitMs: number }
  | { kind: "tick"; waitMs: number }
  | { kind: "restore" };
const wait = fc.nat(20);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("record" as const),
      atMs: fc.integer({ min: -300, max: 2_000 }),
      waitMs: wait,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("tick" as const), waitMs: wait }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "restore" }) },
);

Deno.test("watermarks: never go back, not over a restore either; behind the latest by the declared disorder (A5)", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.boolean(), (steps, isOfRecord) => {
      const settled = options({ isOfRecord });
      let generator = new WatermarkGenerator(settled);
      let nowMs = T0;
      let latestMs = MIN_WATERMARK_MS;
      let before = MIN_WATERMARK_MS;
      for (const one of steps) {
        if (one.kind !== "restore") nowMs += one.waitMs;
        if (one.kind === "record") {
          const atMs = isOfRecord ? T0 + one.atMs : nowMs;
          latestMs = Math.max(latestMs, atMs);
          const hasMoved = generator.observe(atMs, nowMs);
          strictEqual(hasMoved, generator.watermarkMs > before);
        }
        if (one.kind === "tick") generator.tick(nowMs);
        if (one.kind === "restore") {
          const state = generator.capture();
          generator = new WatermarkGenerator(settled);
          generator.restore(state);
        }
        ok(generator.watermarkMs >= before);
        before = generator.watermarkMs;
        if (isOfRecord) strictEqual(before, latestMs - MAX_OUT_OF_ORDERNESS_MS - 1);
        else ok(before <= nowMs - MAX_OUT_OF_ORDERNESS_MS - 1);
      }
    }),
  );
});

Deno.test("watermarks: a record within the declared disorder is never late", () => {
  const disorder = fc.record({ forward: fc.nat(100), back: fc.nat(MAX_OUT_OF_ORDERNESS_MS) });
  fc.assert(fc.property(fc.array(disorder, { maxLength: 100 }), (records) => {
    const generator = new WatermarkGenerator(options({}));
    let latestMs = T0;
    for (const { forward, back } of records) {
      const atMs = latestMs + forward - back;
      ok(atMs > generator.watermarkMs, `${atMs} came behind ${generator.watermarkMs}`);
      generator.observe(atMs, T0);
      latestMs = Math.max(latestMs, atMs);
    }
  }));
});

Deno.test("watermarks: under a guard they stay behind the wall clock, whatever devices report", () => {
  const report = fc.record({ aheadMs: fc.integer({ min: -500, max: 1e9 }), waitMs: fc.nat(50) });
  fc.assert(fc.property(fc.array(report, { maxLength: 60 }), (reports) => {
    const generator = new WatermarkGenerator(options({ maxFutureSkewMs: 60_000 }));
    let nowMs = T0;
    for (const { aheadMs, waitMs } of reports) {
      nowMs += waitMs;
      generator.observe(nowMs + aheadMs, nowMs);
      ok(generator.watermarkMs <= nowMs - MAX_OUT_OF_ORDERNESS_MS - 1);
      // A device with a right clock, heard at once, is never late.
      ok(nowMs > generator.watermarkMs);
    }
  }));
});

Deno.test("watermarks: a split is idle if and only if its last record is as old as idleAfter, by the ticks", () => {
  const second = fc.boolean();
  fc.assert(fc.property(fc.array(second, { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (
    seconds,
    idleAfterSeconds,
  ) => {
    const generator = new WatermarkGenerator(options({ idleAfterMs: idleAfterSeconds * 1_000 }));
    let silentSeconds = -1;
    for (const [index, hasRecord] of seconds.entries()) {
      const nowMs = T0 + index * 1_000;
      if (hasRecord) generator.observe(nowMs, nowMs);
      silentSeconds = hasRecord || silentSeconds === -1 ? 0 : silentSeconds + 1;
      generator.tick(nowMs);
      strictEqual(generator.isIdle, silentSeconds >= idleAfterSeconds);
    }
  }));
});
