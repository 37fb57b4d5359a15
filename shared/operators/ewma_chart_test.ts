import { equal, ok } from "node:assert/strict";
import { calm, edgesOf, onsetFrom, stateBehind } from "./detector_rig.ts";
import { ewmaChart, type EwmaChartOptions } from "./ewma_chart.ts";

const of = (options: Partial<EwmaChartOptions<number>> = {}) =>
  ewmaChart<number>({ value: (value) => value, ...options });

Deno.test("EWMA: a shift of one deviation is found that no single value shows", () => {
  const values = [...calm(500), ...calm(200, 51)];
  equal(edgesOf(of(), calm(3_000)), "");
  const onset = onsetFrom(edgesOf(of(), values), 500);
  ok(onset < 540, String(onset));
  equal(edgesOf(of({ smoothing: 1, threshold: 5 }), values), "");
});

Deno.test("EWMA: limits are narrower while few values are smoothed", () => {
  const first = stateBehind(of({ smoothing: 0.1 }), [...calm(200), 53]);
  const alone = stateBehind(of({ smoothing: 1 }), [...calm(200), 53]);
  ok(Math.abs(stateBehind(of({ warmUp: 200 }), [...calm(200), 53]).score - alone.score) < 0.3);
  ok(first.score < alone.score);
});

Deno.test("EWMA: ends once the smoothed value is back", () => {
  const edges = edgesOf(of(), [...calm(300), ...calm(100, 55), ...calm(300)]);
  const [onset, end] = edges.split(",").map((edge) => Number(edge.slice(1)));
  ok(onset! >= 300 && onset! < 310, edges);
  ok(end! >= 400 && end! < 460, edges);
});

Deno.test("EWMA: an anomaly does not teach that it is normal", () => {
  const before = stateBehind(of(), calm(300));
  const during = stateBehind(of(), [...calm(300), ...calm(2_000, 60)]);
  ok(during.isAnomalous);
  ok(Math.abs(during.mean - before.mean) < 0.3);
});
