import { deepEqual, equal } from "node:assert/strict";
import type { JobGraph, OperatorNode, StateDescriptor } from "@shared/job_graph.ts";
import { KEY_HASH_ID, type SubtaskSnapshot } from "@shared/manifest.ts";
import { isRestorable, judgeCompatibility } from "@shared/state_compatibility.ts";

function state(name: string, codecVersion = 1, kind = "value"): StateDescriptor {
  return { name, kind, codecVersion } as StateDescriptor;
}

function graph(operators: Record<string, StateDescriptor[]>): JobGraph {
  const nodes = Object.entries(operators).map(([uid, states]) => (
    { uid, kind: "process", label: "", isKeyed: true, states } as OperatorNode
  ));
  return { version: 1, name: "job", operators: nodes, edges: [] };
}

function saved(
  operators: Record<string, StateDescriptor[]>,
  over: Partial<SubtaskSnapshot> = {},
): SubtaskSnapshot {
  return {
    keyGroupCount: 128,
    keyHash: KEY_HASH_ID,
    operators: Object.entries(operators).map(([uid, states]) => ({ uid, states, entryCount: 1 })),
    ...over,
  } as unknown as SubtaskSnapshot;
}

function verdicts(...args: Parameters<typeof judgeCompatibility>): Record<string, string> {
  return Object.fromEntries(judgeCompatibility(...args).map((o) => [o.uid, o.compatibility]));
}

Deno.test("compatibility: matches state by operator uid, name, kind and codec version (S2, S3)", () => {
  const snapshots = [saved({
    same: [state("s")],
    gone: [state("s")],
    codec: [state("s", 1)],
    kind: [state("s", 1, "value")],
    older: [state("s", 1)],
    step: [state("s", 1)],
    renamed: [state("old")],
  })];
  const wanted = graph({
    same: [state("s"), state("added")],
    codec: [state("s", 2)],
    older: [{ ...state("s", 3), migratesFrom: [1, 2] }],
    step: [{ ...state("s", 3), migratesFrom: [2] }],
    kind: [state("s", 1, "detector")],
    renamed: [state("new")],
    fresh: [state("s")],
    stateless: [],
  });
  deepEqual(verdicts(snapshots, wanted), {
    codec: "incompatible",
    fresh: "new",
    gone: "dropped",
    kind: "incompatible",
    older: "migrates",
    renamed: "dropped",
    same: "as-is",
    step: "incompatible",
  });
});

Deno.test("compatibility: another key-group count or hash refuses keyed state (S1)", () => {
  const operators = { count: [state("s")] };
  for (const over of [{ keyGroupCount: 64 }, { keyHash: "other/1" }]) {
    deepEqual(verdicts([saved(operators, over)], graph(operators)), { count: "incompatible" });
  }
});

Deno.test("compatibility: dropped state needs consent, incompatible state cannot have it (S2)", () => {
  const dropped = judgeCompatibility([saved({ gone: [state("s")] })], graph({}));
  equal(isRestorable(dropped, false), false);
  equal(isRestorable(dropped, true), true);
  const changed = judgeCompatibility([saved({ a: [state("s")] })], graph({ a: [state("s", 2)] }));
  equal(isRestorable(changed, true), false);
});
