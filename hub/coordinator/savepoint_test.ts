import { deepEqual, equal } from "node:assert/strict";
import type { RegionId } from "@shared/ids.ts";
import { judgeReadiness } from "./savepoint.ts";

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
