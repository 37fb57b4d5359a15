/** What tests of detectors share. Pure. @module */
import type { Detector } from "@shared/sdk/operator.ts";
import { createDetectState, stepDetect } from "./anomaly_edges.ts";

const SECOND_MS = 1_000;

/** Values around `middle` whose deviation is about `stdDev`, without season or trend; the same on every run. */
export function calm(count: number, middle = 50, stdDev = 1): number[] {
  return Array.from(
    { length: count },
    (_, i) => middle + stdDev * Math.SQRT2 * Math.sin(i * i * 1.7 + i * 2.399963),
  );
}

/** Onsets (+) and ends (-) by the index of the record that made them; records come `stepMs` apart. */
export function edgesOf<In, State>(
  detector: Detector<In, State>,
  records: readonly In[],
  stepMs = SECOND_MS,
): string {
  let state = createDetectState(detector);
  const edges: string[] = [];
  for (const [index, record] of records.entries()) {
    const step = stepDetect(detector, state, { record, key: "k", atMs: index * stepMs });
    state = step.state;
    if (step.edge !== null) edges.push(`${step.edge.isActive ? "+" : "-"}${index}`);
  }
  return edges.join();
}

/** Index of the first onset at or behind `from`; Infinity when there is none. */
export function onsetFrom(edges: string, from: number): number {
  return Math.min(
    Infinity,
    ...edges.split(",").filter((edge) => edge.startsWith("+")).map((edge) => Number(edge.slice(1)))
      .filter((index) => index >= from),
  );
}

/** The state behind all records. */
export function stateBehind<In, State>(
  detector: Detector<In, State>,
  records: readonly In[],
  stepMs = SECOND_MS,
): State {
  let state = detector.initial();
  for (const [index, record] of records.entries()) {
    const value = detector.value(record);
    if (value !== null) state = detector.step(state, value, index * stepMs, record);
  }
  return state;
}
