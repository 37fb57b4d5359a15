import { deepStrictEqual, equal, notDeepStrictEqual, ok } from "node:assert/strict";
import { calm, edgesOf, stateBehind } from "./detector_rig.ts";
import { halfSpaceTrees, type HalfSpaceTreesOptions } from "./half_space_trees.ts";

type Pair = readonly [x: number, y: number];

const of = (options: Partial<HalfSpaceTreesOptions<Pair>> = {}) =>
  halfSpaceTrees<Pair>({ signals: ([x, y]) => ({ x, y }), window: 200, ...options });

/** Two ways to run: both low, or both high. */
function modes(count: number): Pair[] {
  const xs = calm(count, 0);
  const ys = calm(count + 7, 0).slice(7);
  return xs.map((x, i) => i % 3 === 0 ? [10 + x, 100 + ys[i]!] : [50 + x, 300 + ys[i]!]);
}

Deno.test("half-space trees: each way to run is normal, a mixture of both is not", () => {
  equal(edgesOf(of(), modes(2_000)), "");
  const mixed: Pair[] = Array.from({ length: 10 }, () => [10, 300]);
  const edges = edgesOf(of(), [...modes(1_000), ...mixed, ...modes(200)]);
  ok(/^\+1002,-10\d\d$/.test(edges), edges);
});

Deno.test("half-space trees: what lasts a window becomes normal", () => {
  const elsewhere: Pair[] = calm(700, 80).map((x, i) => [x, 500 + i % 3]);
  const state = stateBehind(of(), [...modes(1_000), ...elsewhere]);
  equal(state.isAnomalous, false);
});

Deno.test("half-space trees: a replay draws the same trees, another seed others", () => {
  const splits = (seed: number) => stateBehind(of({ seed }), modes(300)).splitAt;
  deepStrictEqual(splits(1), splits(1));
  notDeepStrictEqual(splits(1), splits(2));
});

Deno.test("half-space trees: every record is in one leaf of each tree", () => {
  const { latest, inWindow } = stateBehind(of({ trees: 4, depth: 3 }), modes(350));
  for (let tree = 0; tree < 4; tree++) {
    const nodes = latest.slice(tree * 15, tree * 15 + 15);
    equal(nodes[0], inWindow);
    equal(nodes.slice(7).reduce((sum, mass) => sum + mass, 0), inWindow);
  }
  ok(inWindow === 150);
});
