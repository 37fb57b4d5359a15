import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { createDetectState, stepDetect } from "./anomaly_edges.ts";
import { jointZScore, type JointZScoreOptions } from "./joint_z_score.ts";

type Signals = Record<string, number | null>;
type Options = Omit<JointZScoreOptions<Signals>, "signals">;

const SIGNALS = ["a", "b", "c", "d"];

/** Records of four calm signals of different units; the same on every run. */
function calm(count: number, shift: (name: string, index: number) => number = () => 0): Signals[] {
  return Array.from(
    { length: count },
    (_, i) =>
      Object.fromEntries(SIGNALS.map((name, k) => {
        const noise = Math.SQRT2 * Math.sin((i + 1) * (2.399963 + k));
        return [name, 10 ** k * (50 + noise + shift(name, i))];
      })),
  );
}

function run(records: readonly Signals[], options: Options = {}) {
  const detector = jointZScore<Signals>({
    signals: (record) => record,
    warmUp: 100,
    ...options,
  });
  let state = createDetectState(detector);
  const edges: string[] = [];
  for (const [index, record] of records.entries()) {
    const step = stepDetect(detector, state, { record, key: "k", atMs: index });
    state = step.state;
    if (step.edge !== null) edges.push(`${step.edge.isActive ? "+" : "-"}${index}`);
  }
  return { edges, state: state.detector, judged: detector.judge(state.detector) };
}

Deno.test("joint z-score: calm signals raise nothing and score about 1", () => {
  const { edges, judged } = run(calm(3_000));
  deepEqual(edges, []);
  ok(judged.score < 2, `score ${judged.score}`);
});

Deno.test("joint z-score: a change all signals share raises, though none alone is far off", () => {
  const { edges } = run([...calm(300), ...calm(60, () => 3), ...calm(200)]);
  equal(edges.length, 2);
  ok(/^\+3[01]\d$/.test(edges[0] ?? ""), edges[0] ?? "no edge");
  equal(run([...calm(300), ...calm(60, (name) => name === "a" ? 3 : 0)]).edges.length, 0);
});

Deno.test("joint z-score: one signal far off is enough", () => {
  equal(run([...calm(300), ...calm(60, (name) => name === "c" ? 12 : 0)]).edges.length, 1);
});

Deno.test("joint z-score: one wild record is no anomaly", () => {
  deepEqual(run([...calm(300), ...calm(1, () => 15), ...calm(200)]).edges, []);
});

Deno.test("joint z-score: nothing is judged before warm-up is over", () => {
  deepEqual(run([...calm(20), ...calm(70, () => 500)]).edges, []);
});

Deno.test("joint z-score: an anomaly does not teach that it is normal", () => {
  const before = run(calm(300)).state.signals.map(({ mean }) => mean);
  const { state, judged } = run([...calm(300), ...calm(5_000, () => 50)]);
  equal(judged.isAnomalous, true);
  for (const [index, { mean }] of state.signals.entries()) {
    ok(Math.abs(mean - before[index]!) < 0.01 * before[index]!);
  }
});

Deno.test("joint z-score: after relearnAfter records a new normal is learned", () => {
  const { edges, judged } = run([...calm(300), ...calm(2_000, () => 50)], { relearnAfter: 400 });
  equal(edges.length, 2);
  equal(judged.isAnomalous, false);
});

Deno.test("joint z-score: a signal that is missing or not a number is passed over", () => {
  const records = calm(600).map((record, i) => ({
    ...record,
    a: i % 3 === 0 ? NaN : record.a!,
    b: i > 300 ? null : record.b!,
  }));
  const { edges, judged } = run(records);
  deepEqual(edges, []);
  ok(Number.isFinite(judged.score));
  deepEqual(run([{}, { a: null }]).state.signals, []);
});

Deno.test("joint z-score: a signal that comes later is learned before it is judged", () => {
  const records = calm(600).map((record, i) => i < 300 ? record : { ...record, late: 7 + i % 2 });
  const { edges, state } = run(records);
  deepEqual(edges, []);
  deepEqual(state.signals.map(({ name }) => name), ["a", "b", "c", "d", "late"]);
});

Deno.test("joint z-score: the order of the fields of a record makes no difference", () => {
  const records = [...calm(300), ...calm(20, () => 8)];
  const reversed = records.map((record) => Object.fromEntries(Object.entries(record).reverse()));
  deepEqual(run(records).state, run(reversed).state);
});

Deno.test("joint z-score: refuses options that cannot work and records without end", () => {
  for (
    const [options, expected] of [
      [{ threshold: -1 }, /threshold/],
      [{ warmUp: 1 }, /warmUp/],
      [{ memory: 200.5 }, /memory/],
      [{ smoothing: 0 }, /smoothing/],
      [{ smoothing: 1.1 }, /smoothing/],
      [{ clearBelow: 9 }, /clearBelow/],
      [{ relearnAfter: 0 }, /relearnAfter/],
    ] as const
  ) throws(() => run([], options), expected);
  const many = Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`s${i}`, i]));
  throws(() => run([many]), /257 signals/);
});

Deno.test("joint z-score: one absurd value of one of many signals does not hide what that signal does later", () => {
  const wide = (records: readonly Signals[]) =>
    records.map((record) =>
      Object.fromEntries(
        Array.from({ length: 6 }, (_, copy) => copy).flatMap((copy) =>
          Object.entries(record).map(([name, value]) => [`${name}${copy}`, value])
        ),
      )
    );
  const records = wide([...calm(400), ...calm(100, (name) => name === "a" ? 60 : 0)]);
  records[300]!.a0 = 3.4e38;
  const own = run(records).state.signals.find(({ name }) => name === "a0")!;
  ok(Math.abs(own.smoothed) > 5, `${own.smoothed}`);
});
