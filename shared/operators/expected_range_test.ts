import { deepEqual, equal, ok } from "node:assert/strict";
import type { Detector } from "@shared/sdk/operator.ts";
import { createDetectState, stepDetect } from "./anomaly_edges.ts";
import {
  cusum,
  ewmaChart,
  holtWinters,
  limit,
  pageHinkley,
  robustZ,
  stuckAt,
  zScore,
} from "@shared/sdk/mod.ts";

type Reading = { readonly v: number };
const value = (record: Reading) => record.v;

/** The range after a hum of 50 ± 2 that lasts 400 s, a value each second. */
function rangeAfterHum<State>(detector: Detector<Reading, State>, seconds = 400) {
  let state = detector.initial();
  for (let i = 0; i < seconds; i++) {
    const v = 50 + 2 * Math.sin(i * 0.7);
    state = detector.step(state, v, i * 1_000, { v });
  }
  return detector.expected?.(state, seconds * 1_000) ?? null;
}

Deno.test("expected range: detectors of a signal's level name a range that holds its usual values", () => {
  const detectors: readonly Detector<Reading, never>[] = [
    zScore({ value, threshold: 4, warmUp: 50 }),
    robustZ({ value }),
    ewmaChart({ value }),
    cusum({ value }),
    pageHinkley({ value }),
    holtWinters({ value, season: "60s", phase: "1s" }),
  ] as never;
  for (const detector of detectors) {
    const range = rangeAfterHum(detector);
    ok(range !== null && range.low !== null && range.high !== null, detector.name);
    ok(range.low < 49 && range.low > 30, `${detector.name} low ${range.low}`);
    ok(range.high > 51 && range.high < 70, `${detector.name} high ${range.high}`);
  }
});

Deno.test("expected range: nothing before warm-up, fixed limits at once, none where there is no range", () => {
  equal(rangeAfterHum(zScore({ value, threshold: 4, warmUp: 100 }), 20), null);
  deepEqual(rangeAfterHum(limit({ value, high: 90 }), 1), { low: null, high: 90 });
  equal(rangeAfterHum(stuckAt({ value, after: "1h" }), 10), null);
});

Deno.test("expected range: the edges of an anomaly carry what was normal then", () => {
  const detector = limit<Reading>({ value, low: 10, high: 90 });
  const { edge } = stepDetect(detector, createDetectState(detector), {
    record: { v: 95 },
    key: "tank",
    atMs: 5,
  });
  deepEqual({ low: edge?.low, high: edge?.high }, { low: 10, high: 90 });
});
