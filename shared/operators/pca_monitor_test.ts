import { equal, ok } from "node:assert/strict";
import { calm, edgesOf, onsetFrom, stateBehind } from "./detector_rig.ts";
import { pcaMonitor, type PcaMonitorOptions } from "./pca_monitor.ts";
import { symmetricEigen } from "./symmetric_eigen.ts";

type Row = readonly number[];

const of = (options: Partial<PcaMonitorOptions<Row>> = {}) =>
  pcaMonitor<Row>({
    signals: (row) => Object.fromEntries(row.map((value, i) => [`s${i}`, value])),
    ...options,
  });

/** Four signals that follow two that nobody measures. */
function machine(count: number): number[][] {
  const load = calm(count, 0);
  const heat = calm(count + 31, 0).slice(31);
  const noise = calm(count + 77, 0, 0.05).slice(77);
  return load.map((x, i) => [
    x + noise[i]!,
    5 + 2 * x - noise[(i + 3) % count]!,
    100 + heat[i]!,
    x + heat[i]! + noise[(i + 9) % count]!,
  ]);
}

Deno.test("PCA: what moves together as ever raises nothing", () => {
  equal(edgesOf(of(), machine(3_000)), "");
});

Deno.test("PCA: Q tells what does not fit together though each value is usual", () => {
  const rows = machine(600);
  for (const row of rows.slice(400, 420)) row[1] = 10 - row[1]!;
  const onset = onsetFrom(edgesOf(of({ minConsecutive: 1 }), rows), 0);
  ok(onset >= 400 && onset < 405, String(onset));
  const { tSquared, q } = stateBehind(of({ smoothing: 0.2 }), rows.slice(0, 420));
  ok(q > 1 && tSquared < q, `${tSquared} ${q}`);
});

Deno.test("PCA: T² tells what fits together and is far from usual", () => {
  const far = [20, 45, 100, 20];
  const { tSquared, q } = stateBehind(of(), [...machine(400), far]);
  ok(tSquared > 1 && q < tSquared, `${tSquared} ${q}`);
});

Deno.test("PCA: a signal that stood still is judged once it moves", () => {
  const rows = machine(500).map((row, i) => [...row, i < 450 ? 7 : 7.5]);
  equal(onsetFrom(edgesOf(of(), rows), 0), 452);
});

Deno.test("PCA: one absurd value is an anomaly that ends soon, and leaves numbers behind", () => {
  for (const absurd of [1e150, 3.4e38]) {
    const rows = machine(700).map((row) => [...row, 7]);
    rows[500]![4] = absurd;
    const detector = of({ smoothing: 0.2, minConsecutive: 1 });
    const [onset, end, ...more] = edgesOf(detector, rows).split(",");
    equal(onset, "+500");
    ok(Number(end?.slice(1)) < 560, `${absurd}: ${end}`);
    equal(more.length, 0);
    const { tSquared, q } = stateBehind(detector, rows);
    ok(tSquared < 1 && q < 1, `${tSquared} ${q}`);
  }
});

Deno.test("eigen: vectors are those of the matrix, of length 1, the largest value first", () => {
  const size = 6;
  const half = calm(size * size, 0, 3);
  const matrix = Float64Array.from(half, (_, at) => {
    const [i, j] = [Math.floor(at / size), at % size];
    return half[i * size + j]! + half[j * size + i]!;
  });
  const pairs = symmetricEigen(matrix, size);
  for (const { value, vector } of pairs) {
    for (let i = 0; i < size; i++) {
      const image = vector.reduce((sum, x, j) => sum + matrix[i * size + j]! * x, 0);
      ok(Math.abs(image - value * vector[i]!) < 1e-9);
    }
    ok(Math.abs(Math.hypot(...vector) - 1) < 1e-12);
  }
  const values = pairs.map(({ value }) => value);
  equal(values.join(), values.toSorted((a, b) => b - a).join());
});
