import { deepEqual, equal } from "node:assert/strict";
import { SignalSamples } from "./signal_samples.ts";

Deno.test("signal samples: what a detector says that is no number is shown as none", () => {
  const samples = new SignalSamples();
  const odd = { value: NaN, score: undefined, low: "0", high: Infinity };
  samples.add({
    operatorUid: "drift",
    key: "a",
    atMs: 5,
    ...odd as unknown as { value: null; score: null },
  });
  deepEqual(samples.take(), [
    { operatorUid: "drift", key: "a", atMs: 5, value: null, score: null, low: null, high: null },
  ]);
});

Deno.test("signal samples: a key that no message holds is not shown", () => {
  const samples = new SignalSamples();
  equal(samples.isWanted("drift", "k".repeat(4_096)), true);
  equal(samples.isWanted("drift", "k".repeat(4_097)), false);
});
