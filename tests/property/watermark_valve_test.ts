import { ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { createValve, stepValve, type ValveEvent } from "../../agent/runner/watermark_valve.ts";
import { MAX_WATERMARK_MS, MIN_WATERMARK_MS } from "../../agent/runner/watermarks.ts";

const INPUTS = 3;
const input = fc.nat(INPUTS - 1);
const event: fc.Arbitrary<ValveEvent> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("watermark" as const),
      input,
      watermarkMs: fc.oneof(fc.nat(50), fc.constant(MAX_WATERMARK_MS)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("idle" as const), input, isIdle: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("close" as const), input }) },
);

Deno.test("watermark valve: the least of the open inputs that are not idle, and never back (W1, W2, W3, W4)", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      let state = createValve(INPUTS);
      const model = Array.from(
        { length: INPUTS },
        () => ({ ms: MIN_WATERMARK_MS, isIdle: false, isOpen: true }),
      );
      let expectedMs = MIN_WATERMARK_MS;
      for (const one of events) {
        const before = state.watermarkMs;
        state = stepValve(state, one);
        const own = model[one.input]!;
        if (own.isOpen) {
          if (one.kind === "watermark") own.ms = Math.max(own.ms, one.watermarkMs);
          if (one.kind === "idle") own.isIdle = one.isIdle;
          if (one.kind === "close") own.isOpen = false;
        }
        const open = model.filter(({ isOpen }) => isOpen);
        const active = open.filter(({ isIdle }) => !isIdle);
        ok(state.watermarkMs >= before, "W1");
        strictEqual(state.isIdle, open.length > 0 && active.length === 0, "W3");
        if (open.length === 0) expectedMs = MAX_WATERMARK_MS;
        else if (active.length > 0) {
          const leastMs = Math.min(...active.map(({ ms }) => ms));
          const isEnd = open.every(({ ms }) => ms === MAX_WATERMARK_MS);
          if (leastMs < MAX_WATERMARK_MS || isEnd) expectedMs = Math.max(expectedMs, leastMs);
        }
        strictEqual(state.watermarkMs, expectedMs, "W2, W4");
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("watermark valve: an idle input does not hold time up, one that wakes up behind does not turn it back", () => {
  let state = createValve(2);
  state = stepValve(state, { kind: "watermark", input: 0, watermarkMs: 100 });
  strictEqual(state.watermarkMs, MIN_WATERMARK_MS);
  state = stepValve(state, { kind: "idle", input: 1, isIdle: true });
  strictEqual(state.watermarkMs, 100);
  state = stepValve(state, { kind: "idle", input: 1, isIdle: false });
  state = stepValve(state, { kind: "watermark", input: 1, watermarkMs: 40 });
  state = stepValve(state, { kind: "watermark", input: 0, watermarkMs: 200 });
  strictEqual(state.watermarkMs, 100);
  state = stepValve(state, { kind: "watermark", input: 1, watermarkMs: 150 });
  strictEqual(state.watermarkMs, 150);
});
