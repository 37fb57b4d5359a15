import { deepEqual } from "node:assert/strict";
import type { CheckpointId, RegionId } from "@shared/ids.ts";
import { partsToLetGo, type RetainedPart } from "./retention.ts";

function part(id: number, regionId = "a", over: Partial<RetainedPart> = {}): RetainedPart {
  return {
    checkpointId: id as CheckpointId,
    regionId: regionId as RegionId,
    isSavepoint: false,
    isAbandoned: false,
    ...over,
  };
}

function base(regionId: string, id: number | null) {
  return { regionId: regionId as RegionId, baseId: id as CheckpointId | null };
}

function letGo(...args: Parameters<typeof partsToLetGo>): string[] {
  return partsToLetGo(...args).map(({ checkpointId, regionId }) => `${checkpointId} ${regionId}`);
}

Deno.test("retention: keeps the newest of each region", () => {
  const parts = [1, 2, 3, 4, 5].map((id) => part(id));
  deepEqual(letGo(parts, [base("a", 5)], 3), ["1 a", "2 a"]);
});

Deno.test("retention: a region that was absent keeps its old parts", () => {
  const parts = [...[1, 2, 3, 4, 5].map((id) => part(id)), part(1, "b"), part(2, "b")];
  deepEqual(letGo(parts, [base("a", 5), base("b", 2)], 3), ["1 a", "2 a"]);
});

Deno.test("retention: a savepoint and a recovery base stay (L2)", () => {
  const parts = [part(1, "a", { isSavepoint: true }), ...[2, 3, 4, 5].map((id) => part(id))];
  deepEqual(letGo(parts, [base("a", 2)], 2), ["3 a"]);
});

Deno.test("retention: abandoned parts go and do not count as retained (L1)", () => {
  const parts = [part(1), part(2), part(3, "a", { isAbandoned: true }), part(4)];
  deepEqual(letGo(parts, [base("a", 4)], 3), ["3 a"]);
});
