import { deepEqual, equal } from "node:assert/strict";
import {
  acknowledgeAlarm,
  type AlarmEdgeInput,
  type AlarmState,
  applyEdge,
} from "./alarm_state.ts";

const raise = (atMs: number, edgeId = `raise-${atMs}`): AlarmEdgeInput => (
  { edgeId, isActive: true, atMs }
);
const clear = (atMs: number, edgeId = `clear-${atMs}`): AlarmEdgeInput => (
  { edgeId, isActive: false, atMs }
);

function run(edges: readonly AlarmEdgeInput[]) {
  let state: AlarmState | null = null;
  const changes: string[] = [];
  for (const edge of edges) {
    const step = applyEdge(state, edge);
    state = step.state;
    changes.push(step.change);
  }
  return { state: state!, changes };
}

Deno.test("alarm state: raises, clears, raises again", () => {
  const { state, changes } = run([raise(1), clear(2), raise(3)]);
  deepEqual(changes, ["raised", "cleared", "raised"]);
  deepEqual([state.isActive, state.raisedAtMs, state.clearedAtMs], [true, 1, null]);
});

Deno.test("alarm state: a replayed edge rings nobody", () => {
  deepEqual(run([raise(1), raise(1), clear(2), raise(1), clear(2)]).changes, [
    "raised",
    "none",
    "cleared",
    "none",
    "none",
  ]);
});

Deno.test("alarm state: an older edge never overrides a newer one", () => {
  const { state, changes } = run([clear(5), raise(1)]);
  deepEqual(changes, ["cleared", "none"]);
  deepEqual([state.isActive, state.raisedAtMs, state.clearedAtMs], [false, 1, 5]);
});

Deno.test("alarm state: acknowledging is apart from the condition, and the first person stays named", () => {
  const active = run([raise(1)]).state;
  const seen = acknowledgeAlarm(active, "ann", 10)!;
  deepEqual(seen, { isAcknowledged: true, acknowledgedBy: "ann", acknowledgedAtMs: 10 });
  equal(acknowledgeAlarm(seen, "bob", 20), null);
  const cleared = applyEdge({ ...active, ...seen }, clear(2)).state;
  deepEqual([cleared.isActive, cleared.acknowledgedBy], [false, "ann"]);
});
