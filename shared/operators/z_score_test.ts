import { equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { createDetectState, stepDetect } from "./anomaly_edges.ts";
import { zScore, type ZScoreOptions, type ZScoreState } from "./z_score.ts";

type Options = Omit<ZScoreOptions<number | null>, "value">;

/** Values of a calm signal around 50 whose deviation is about 1; the same on every run. */
function calm(count: number): number[] {
  return Array.from({ length: count }, (_, i) => 50 + Math.SQRT2 * Math.sin(i * 2.399963));
}

function detectorOf(options: Partial<Options> = {}) {
  return zScore<number | null>({
    value: (value) => value,
    threshold: 4,
    warmUp: 50,
    minConsecutive: 3,
    ...options,
  });
}

/** Onsets (+) and ends (-) by the index of the value that made them. */
function edgesOf(values: readonly (number | null)[], options: Partial<Options> = {}): string[] {
  const detector = detectorOf(options);
  let state = createDetectState(detector);
  const edges: string[] = [];
  for (const [index, record] of values.entries()) {
    const step = stepDetect(detector, state, { record, key: "k", atMs: index });
    state = step.state;
    if (step.edge !== null) edges.push(`${step.edge.isActive ? "+" : "-"}${index}`);
  }
  return edges;
}

function stateAfter(values: readonly number[], options: Partial<Options> = {}): ZScoreState {
  const detector = detectorOf(options);
  return values.reduce((state, value) => detector.step(state, value, 0, value), detector.initial());
}

Deno.test("z-score: mean and deviation are those of all values while memory lasts", () => {
  fc.assert(fc.property(
    fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 2, maxLength: 50 }),
    (values) => {
      const state = stateAfter(values);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      ok(Math.abs(state.mean - mean) <= 1e-6);
      ok(Math.abs(state.variance - variance) <= 1e-6 * Math.max(1, variance));
    },
  ));
});

Deno.test("z-score: a calm signal raises nothing", () => {
  equal(edgesOf(calm(5_000)).length, 0);
});

Deno.test("z-score: a step raises once it has lasted and clears once it is over", () => {
  const values = [...calm(200), ...Array(100).fill(60), ...calm(200)];
  equal(edgesOf(values).join(), "+202,-302");
});

Deno.test("z-score: one wild value is no anomaly, unless one is evidence enough", () => {
  const values = [...calm(200), 90, ...calm(100)];
  equal(edgesOf(values).join(), "");
  equal(edgesOf(values, { minConsecutive: 1 }).join(), "+200,-201");
});

Deno.test("z-score: nothing is judged before warm-up is over", () => {
  equal(edgesOf([...calm(10), ...Array(30).fill(500)]).join(), "");
});

Deno.test("z-score: an anomaly does not teach that it is normal", () => {
  const before = stateAfter(calm(500));
  const after = stateAfter([...calm(500), ...Array(5_000).fill(500)]);
  equal(after.mean, before.mean);
  equal(after.variance, before.variance);
  equal(after.isAnomalous, true);
});

Deno.test("z-score: a new normal is learned after relearnAfter values, and clears the anomaly", () => {
  const values = [...calm(200), ...calm(600).map((value) => value + 100)];
  equal(edgesOf(values, { relearnAfter: 300 }).join(), "+202,-499");
});

Deno.test("z-score: a normal that moves slowly is followed", () => {
  const values = calm(20_000).map((value, index) => value + index / 500);
  equal(edgesOf(values, { memory: 500 }).join(), "");
});

Deno.test("z-score: between clearBelow and threshold nothing chatters", () => {
  const around = Array.from(
    { length: 200 },
    (_, i) => 50 + (Math.floor(i / 5) % 2 === 0 ? 4.6 : 3),
  );
  equal(edgesOf([...calm(200), ...around]).length, 1);
});

Deno.test("z-score: direction judges one side alone", () => {
  const low = [...calm(200), ...Array(20).fill(30)];
  equal(edgesOf(low, { direction: "up" }).join(), "");
  equal(edgesOf(low, { direction: "down" }).join(), "+202");
});

Deno.test("z-score: the deviation of a constant signal is at least minStdDev", () => {
  const values = [...Array(200).fill(20), ...Array(20).fill(20.4)];
  equal(edgesOf(values, { minStdDev: 0.2 }).join(), "");
  equal(edgesOf(values).join(), "+202");
});

Deno.test("z-score: what is not a finite number changes nothing", () => {
  const detector = zScore<{ x?: unknown }>({
    value: (r) => r.x as number,
    threshold: 4,
    warmUp: 2,
  });
  for (const x of [NaN, Infinity, "7", null, undefined, {}]) equal(detector.value({ x }), null);
  const state = createDetectState(detector);
  const step = stepDetect(detector, state, { record: {}, key: "k", atMs: 1 });
  equal(step.state, state);
  equal(step.edge, null);
});

Deno.test("z-score: its state stays finite whatever comes in, and is not changed in place", () => {
  const detector = detectorOf({ warmUp: 5 });
  const values = fc.array(
    fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e150, max: 1e150 }),
  );
  fc.assert(fc.property(values, (all) => {
    let state = detector.initial();
    for (const value of all) {
      state = detector.step(Object.freeze(state), value, 0, value);
      ok(
        Object.values(state).every((field) => typeof field === "boolean" || Number.isFinite(field)),
      );
    }
  }));
});

Deno.test("anomaly edges: onset and end carry the same sinceMs and alternate", () => {
  const detector = detectorOf({ minConsecutive: 1 });
  const anyValue = fc.integer({ min: 30, max: 70 });
  fc.assert(fc.property(fc.array(anyValue, { maxLength: 200 }), (tail) => {
    let state = createDetectState(detector);
    let since: number | null = null;
    for (const [atMs, record] of [...calm(60), ...tail].entries()) {
      const { state: next, edge } = stepDetect(detector, state, { record, key: "k", atMs });
      state = next;
      if (edge === null) continue;
      equal(edge.isActive, since === null);
      equal(edge.sinceMs, since ?? atMs);
      equal(edge.value, record);
      since = edge.isActive ? edge.sinceMs : null;
    }
  }));
});

Deno.test("z-score: refuses options that cannot work, with the author's line", () => {
  for (
    const [options, expected] of [
      [{ threshold: 0 }, /threshold/],
      [{ threshold: NaN }, /threshold/],
      [{ warmUp: 1 }, /warmUp/],
      [{ memory: 60.5 }, /memory/],
      [{ clearBelow: 5 }, /clearBelow/],
      [{ minConsecutive: 0 }, /minConsecutive/],
      [{ minStdDev: 0 }, /minStdDev/],
      [{ relearnAfter: 0 }, /relearnAfter/],
      [{ direction: "left" as "up" }, /direction/],
    ] as const
  ) throws(() => detectorOf(options), expected);
  throws(
    () => detectorOf({ threshold: 0 }),
    (error: { at?: string }) => /_test\.ts:\d+$/.test(error.at ?? ""),
  );
});
