import { deepEqual, equal } from "node:assert/strict";
import type { CheckpointId, RegionId } from "@shared/ids.ts";
import {
  endPart,
  type JobCheckpoint,
  standInsOf,
  startJobCheckpoint,
  statusOf,
} from "./job_checkpoint.ts";

const ID = 9 as CheckpointId;
const [A, B, C] = ["a", "b", "c"] as unknown as [RegionId, RegionId, RegionId];
type Outcome = "completed" | "aborted";

function after(
  present: readonly RegionId[],
  outcomes: Partial<Record<string, Outcome>>,
  isSavepoint = false,
): JobCheckpoint {
  let state = startJobCheckpoint(ID, [A, B, C], { present, isSavepoint });
  for (const [region, outcome] of Object.entries(outcomes)) {
    state = endPart(state, region as RegionId, outcome!);
  }
  return state;
}

Deno.test("job checkpoint: completed, degraded or aborted by what its regions did", () => {
  const all = [A, B, C];
  const cases: [JobCheckpoint, string][] = [
    [after(all, { a: "completed", b: "completed" }), "pending"],
    [after(all, { a: "completed", b: "completed", c: "completed" }), "completed"],
    [after(all, { a: "completed", b: "aborted", c: "completed" }), "degraded"],
    [after(all, { a: "aborted", b: "aborted", c: "aborted" }), "aborted"],
    [after([A, B], { a: "completed", b: "completed" }), "degraded"],
    [after([A, B], { a: "aborted", b: "aborted" }), "aborted"],
  ];
  for (const [state, status] of cases) equal(statusOf(state), status);
});

Deno.test("job checkpoint: a savepoint needs every region", () => {
  equal(statusOf(after([A, B, C], { a: "aborted" }, true)), "aborted");
  equal(statusOf(after([A, B], { a: "completed", b: "completed" }, true)), "aborted");
  const all = { a: "completed", b: "completed", c: "completed" } as const;
  equal(statusOf(after([A, B, C], all, true)), "completed");
});

Deno.test("job checkpoint: a part that ended stays as it ended", () => {
  const state = endPart(after([A, B, C], { a: "completed" }), A, "aborted");
  equal(state.parts.get(A), "completed");
});

Deno.test("job checkpoint: names what stands in for regions without a part", () => {
  const state = after([A, B], { a: "aborted", b: "completed" });
  const last = new Map([[A, 8 as CheckpointId], [C, null]]);
  deepEqual(standInsOf(state, last), [
    { regionId: A, lastCompletedId: 8 },
    { regionId: C, lastCompletedId: null },
  ]);
});
