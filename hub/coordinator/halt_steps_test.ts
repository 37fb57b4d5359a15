import { deepEqual } from "node:assert/strict";
import type { RegionId } from "@shared/ids.ts";
import { HALT_TIMEOUT_MS, type HaltInput, startHalt, stepHalt } from "./halt_steps.ts";

const [A, B] = ["a", "b"] as unknown as [RegionId, RegionId];
const stopped = (regionId: RegionId): HaltInput => ({ kind: "stopped", regionId });
const running = (regionId: RegionId): HaltInput => ({ kind: "running", regionId });
const switched = (toRun: readonly RegionId[]): HaltInput => ({ kind: "switched", toRun });
const tick = (nowMs: number): HaltInput => ({ kind: "tick", nowMs });

function run(toStop: readonly RegionId[], inputs: readonly HaltInput[]): string[] {
  let step = startHalt(toStop, 1_000);
  const effects = step.effects.map(({ kind }) => kind as string);
  for (const input of inputs) {
    step = stepHalt(step.state, input);
    effects.push(...step.effects.map(({ kind }) => kind));
  }
  return effects;
}

Deno.test("halt steps: switches when all stopped, is done when all run again", () => {
  deepEqual(run([A, B], [stopped(A)]), []);
  deepEqual(run([A, B], [stopped(A), stopped(B)]), ["switch"]);
  const whole = [stopped(A), stopped(B), switched([A, B]), running(B), running(A)];
  deepEqual(run([A, B], whole), ["switch", "done"]);
});

Deno.test("halt steps: waits no longer than the deadline", () => {
  deepEqual(run([A], [tick(1_000 + HALT_TIMEOUT_MS - 1)]), []);
  deepEqual(run([A], [tick(1_000 + HALT_TIMEOUT_MS), tick(99_999), stopped(A)]), ["switch"]);
});

Deno.test("halt steps: what was late, away or lost has not committed, to the end (L3)", () => {
  const uncommitted = (unreachable: RegionId[], inputs: readonly HaltInput[]) => {
    let { state } = startHalt([A, B], 1_000, unreachable);
    for (const input of inputs) ({ state } = stepHalt(state, input));
    return [state.phase, ...state.uncommitted];
  };
  const C = "c" as RegionId;
  const lost = (regionId: RegionId): HaltInput => ({ kind: "lost", regionId });
  deepEqual(uncommitted([], [stopped(A), stopped(B), switched([])]), ["done"]);
  deepEqual(uncommitted([C], [stopped(A), stopped(B), switched([])]), ["done", "c"]);
  deepEqual(uncommitted([], [stopped(A), tick(1e9), switched([])]), ["done", "b"]);
  deepEqual(uncommitted([], [lost(A), stopped(A), stopped(B), lost(B)]), ["switching", "a"]);
});

Deno.test("halt steps: nothing to stop switches at once, nothing to run is done at once", () => {
  deepEqual(run([], []), ["switch"]);
  deepEqual(run([], [switched([])]), ["switch", "done"]);
});

Deno.test("halt steps: what does not fit the phase is ignored", () => {
  deepEqual(run([A], [running(A), switched([A])]), []);
  deepEqual(run([], [stopped(A), running(A), tick(1e9)]), ["switch"]);
  deepEqual(run([], [switched([A]), switched([]), stopped(A)]), ["switch"]);
});
