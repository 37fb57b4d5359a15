import { deepEqual, equal, match } from "node:assert/strict";
import type { SubtaskId } from "@shared/ids.ts";
import type { GraphEdge, JobGraph, OperatorNode } from "@shared/job_graph.ts";
import type { GroupRange, SubtaskSnapshot } from "@shared/manifest.ts";
import { planRegions } from "@shared/regions.ts";
import { placeSavepoint } from "./savepoint_placement.ts";

function graph(kind: GraphEdge["kind"], splits: number, counter = "count"): JobGraph {
  const node = (uid: string, over: Partial<OperatorNode>): OperatorNode => ({
    uid,
    kind: "map",
    label: "",
    isKeyed: false,
    states: [],
    ...over,
  });
  return {
    version: 1,
    name: "job",
    operators: [
      node("in", {
        kind: "source",
        source: {
          connector: "generator",
          splits: Array.from({ length: splits }, () => ({ topics: [], near: {} })),
        } as never,
      }),
      node(counter, {
        kind: "mapWithState",
        isKeyed: true,
        states: [{ name: "state", kind: "value", codecVersion: 1 }],
      }),
    ],
    edges: [{ from: "in", to: counter, kind }],
  };
}

function snapshot(id: string, uids: readonly string[], range: GroupRange | null): SubtaskSnapshot {
  return {
    version: 1,
    subtaskId: id as SubtaskId,
    keyGroups: range,
    keyGroupCount: 128,
    keyHash: "x",
    operators: uids.map((uid) => ({
      uid,
      states: [{ name: "state", kind: "value", codecVersion: 1 }],
      entryCount: 1,
    })),
    splits: [],
    pieces: [],
  };
}

const names = (placed: ReturnType<typeof placeSavepoint>) =>
  placed.parts.map(({ regionId, snapshots }) => [regionId, ...snapshots.map((s) => s.subtaskId)]);

Deno.test("savepoint placement: local state goes with its split", () => {
  const saved = [snapshot("in.0", ["count"], null), snapshot("in.1", ["count"], null)];
  const placed = placeSavepoint(saved, planRegions(graph("keyByLocal", 2)));
  deepEqual(names(placed), [["in.0", "in.0"], ["in.1", "in.1"]]);
  deepEqual([placed.straySubtasks, placed.indivisible], [[], []]);
});

Deno.test("savepoint placement: another parallelism takes every snapshot of the region (S1)", () => {
  const saved = [
    snapshot("in.0", [], null),
    snapshot("in.1", [], null),
    snapshot("count.0", ["count"], [0, 63]),
    snapshot("count.1", ["count"], [64, 127]),
  ];
  for (const parallelism of [1, 3]) {
    const placed = placeSavepoint(saved, planRegions(graph("keyBy", 2), parallelism));
    deepEqual(names(placed), [["in.0", "in.0", "in.1", "count.0", "count.1"]]);
    deepEqual(placed.straySubtasks, []);
  }
});

Deno.test("savepoint placement: regions that an exchange ties together are one", () => {
  const saved = [snapshot("in.0", ["count"], null), snapshot("in.1", ["count"], null)];
  const placed = placeSavepoint(saved, planRegions(graph("keyBy", 2), 2));
  deepEqual(names(placed), [["in.0", "in.0", "in.1"]]);
});

Deno.test("savepoint placement: state by key group cannot become local to splits (S3)", () => {
  const saved = [snapshot("in.0", [], null), snapshot("count.0", ["count"], [0, 127])];
  const placed = placeSavepoint(saved, planRegions(graph("keyByLocal", 2)));
  equal(placed.indivisible.length, 1);
  match(placed.indivisible[0]!.reason, /nobody knows which split/);
});

Deno.test("savepoint placement: what the job has no place for is named (S2)", () => {
  const saved = [
    snapshot("in.0", [], null),
    snapshot("in.2", ["count"], null),
    snapshot("count.0", ["count"], [0, 127]),
  ];
  deepEqual(placeSavepoint(saved, planRegions(graph("keyByLocal", 1))).straySubtasks, [
    "count.0",
    "in.2",
  ]);
  const renamed = placeSavepoint(saved, planRegions(graph("keyBy", 1, "other"), 1));
  deepEqual(renamed.straySubtasks, ["count.0", "in.2"]);
});
