import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { UserError } from "./errors.ts";
import {
  type GraphEdge,
  JOB_GRAPH_VERSION,
  type JobGraph,
  KEY_GROUP_COUNT,
  type OperatorNode,
} from "./job_graph.ts";
import { keyGroupRange, ownerOfGroup, planRegions } from "./regions.ts";

const node = (uid: string, kind: OperatorNode["kind"], splitCount = 0): OperatorNode => ({
  uid,
  kind,
  label: uid,
  isKeyed: kind === "mapWithState",
  states: [],
  ...(kind === "source"
    ? {
      source: {
        connector: "generator" as const,
        splits: Array.from({ length: splitCount }, (_, line) => ({
          topics: [],
          near: { line: String(line) },
        })),
      },
    }
    : {}),
});

/** Two sources of two and three splits; the first is counted behind `kind`. */
function graph(kind: GraphEdge["kind"]): JobGraph {
  const operators = [
    node("in", "source", 2),
    node("other", "source", 3),
    node("count", "mapWithState"),
    node("out", "sink"),
  ];
  const edges: GraphEdge[] = [
    { from: "in", to: "count", kind },
    { from: "count", to: "out", kind: "forward" },
    { from: "other", to: "out", kind: "forward" },
  ];
  return { version: JOB_GRAPH_VERSION, name: "test", operators, edges };
}

const parallelism = fc.integer({ min: 1, max: KEY_GROUP_COUNT });

Deno.test("regions: the ranges of a keyed stage are disjoint, ascending and cover every key group (S1)", () => {
  fc.assert(fc.property(parallelism, (count) => {
    let next = 0;
    for (let index = 0; index < count; index++) {
      const [from, to] = keyGroupRange(index, count);
      strictEqual(from, next);
      ok(to >= from, `Subtask ${index} of ${count} owns nothing`);
      for (let group = from; group <= to; group++) strictEqual(ownerOfGroup(group, count), index);
      next = to + 1;
    }
    strictEqual(next, KEY_GROUP_COUNT);
  }));
});

Deno.test("regions: ids do not depend on the parallelism; subtasks with a channel are in one region", () => {
  fc.assert(fc.property(parallelism, (count) => {
    const regions = planRegions(graph("keyBy"), count);
    deepStrictEqual(regions.map(({ regionId }) => regionId as string), [
      "in.0",
      "other.0",
      "other.1",
      "other.2",
    ]);
    const [spanning] = regions;
    strictEqual(spanning!.subtasks.length, 2 + count);
    deepStrictEqual(spanning!.near, { line: "1" });
    const here = new Set(spanning!.subtasks.map(({ subtaskId }) => subtaskId));
    for (const { inputs, outputs } of spanning!.subtasks) {
      for (const id of [...inputs, ...outputs.flatMap(({ targets }) => targets)]) ok(here.has(id));
    }
  }));
});

Deno.test("regions: without an exchange every split is a region of its own", () => {
  const regions = planRegions(graph("keyByLocal"), 3);
  deepStrictEqual(
    regions.map(({ subtasks }) => subtasks.map(({ operatorUids }) => operatorUids.join(" "))),
    [["in count out"], ["in count out"], ["other out"], ["other out"], ["other out"]],
  );
});

Deno.test("regions: a parallelism out of range is refused", () => {
  for (const wrong of [0, -1, 1.5, NaN, KEY_GROUP_COUNT + 1]) {
    throws(
      () => planRegions(graph("keyBy"), wrong),
      (error) => (error as UserError).code === "bad-parallelism",
    );
  }
});
