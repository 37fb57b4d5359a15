import { deepEqual, ok } from "node:assert/strict";
import { afterFailure, RESET_AFTER_MS } from "./restart_backoff.ts";

const limits = { first: 1_000, max: 60_000 };
const options = { limits, chance: 0.5, isRetryable: true };

Deno.test("restart back-off: doubles from the first pause to the longest", () => {
  const delays = Array.from({ length: 9 }, (_, i) => afterFailure(i, 0, options).delayMs);
  deepEqual(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

Deno.test("restart back-off: a region that ran for long starts anew", () => {
  deepEqual(afterFailure(8, RESET_AFTER_MS, options), { failures: 1, delayMs: 1_000 });
  deepEqual(afterFailure(8, RESET_AFTER_MS - 1, options), { failures: 9, delayMs: 60_000 });
});

Deno.test("restart back-off: chance spreads the pause by a fifth and never beyond the longest", () => {
  deepEqual(afterFailure(0, 0, { ...options, chance: 0 }).delayMs, 800);
  ok(afterFailure(0, 0, { ...options, chance: 0.999 }).delayMs <= 1_200);
  deepEqual(afterFailure(50, 0, { ...options, chance: 0.999 }).delayMs, 60_000);
});

Deno.test("restart back-off: what does not heal by itself waits the longest at once", () => {
  deepEqual(afterFailure(0, 0, { ...options, isRetryable: false }).delayMs, 60_000);
});
