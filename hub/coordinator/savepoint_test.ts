import { deepEqual, equal } from "node:assert/strict";
import type { CheckpointId, RegionId } from "@shared/ids.ts";
import { judgeReadiness, regionsThatNeed } from "./savepoint.ts";

function running(states: Record<string, boolean>): Map<RegionId, boolean> {
  return new Map(Object.entries(states) as [RegionId, boolean][]);
}

Deno.test("savepoint: waits for every region, and says which are missing in the end", () => {
  equal(judgeReadiness(running({ a: true, b: true }), 0, 1_000).kind, "ready");
  deepEqual(judgeReadiness(running({ b: false, a: true }), 999, 1_000), {
    kind: "wait",
    missing: ["b"],
  });
  deepEqual(judgeReadiness(running({ b: false, a: false }), 2_000, 1_000), {
    kind: "refused",
    detail: "A savepoint needs every region; not running after 2 s: a, b",
  });
});

Deno.test("savepoint: is needed while an active region could recover from nothing else (L2)", () => {
  const id = (value: number | null) => value as CheckpointId | null;
  const base = (regionId: string, last: number | null, from: number | null, isActive = true) => ({
    regionId: regionId as RegionId,
    isActive,
    lastCompletedId: id(last),
    restoredFromId: id(from),
  });
  const bases = [base("d", null, 5), base("a", 7, 5), base("b", null, 5, false), base("c", 5, 2)];
  deepEqual(regionsThatNeed(5 as CheckpointId, bases), ["c", "d"]);
});
