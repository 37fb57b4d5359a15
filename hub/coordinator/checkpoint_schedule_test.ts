import { deepEqual } from "node:assert/strict";
import type { CheckpointId, RegionId } from "@shared/ids.ts";
import {
  createSchedule,
  type Schedule,
  type ScheduleEffect,
  type ScheduleInput,
  stepSchedule,
} from "./checkpoint_schedule.ts";

const LIMITS = { intervalMs: 5_000, minPauseMs: 1_000, timeoutMs: 60_000, tolerableFailures: 2 };
const R = "r" as RegionId;
const ONE = 1 as CheckpointId;

function tick(nowMs: number, can: { checkpoint?: boolean; savepoint?: boolean } = {}) {
  const canCheckpoint = can.checkpoint ?? true;
  return { kind: "tick", nowMs, canCheckpoint, canSavepoint: can.savepoint ?? true } as const;
}

function ended(nowMs: number, outcome: "completed" | "failed" | "neither" = "completed") {
  return {
    kind: "ended",
    nowMs,
    completed: outcome === "completed" ? [R] : [],
    failed: outcome === "failed" ? [R] : [],
  } as const;
}

function run(inputs: readonly ScheduleInput[], from = createSchedule(LIMITS, 0)) {
  let state: Schedule = from;
  const effects: ScheduleEffect[] = [];
  for (const input of inputs) {
    const step = stepSchedule(state, input);
    state = step.state;
    effects.push(...step.effects);
  }
  return { state, effects };
}

const started = (nowMs: number) => ({ kind: "started", checkpointId: ONE, nowMs }) as const;
const PERIODIC = { kind: "start", trigger: "periodic" };

Deno.test("checkpoint schedule: starts one each interval, never two at once (C6)", () => {
  deepEqual(run([tick(4_999)]).effects, []);
  deepEqual(run([tick(5_000), tick(5_001)]).effects, [PERIODIC]);
  deepEqual(run([tick(5_000), started(5_000), tick(11_000)]).effects, [PERIODIC]);
  const again = [tick(5_000), started(5_000), ended(5_300), tick(9_999), tick(10_000)];
  deepEqual(run(again).effects, [PERIODIC, PERIODIC]);
});

Deno.test("checkpoint schedule: pauses after the last one ended, also for an early one (C6)", () => {
  const late = [tick(5_000), started(5_000), ended(12_000), tick(12_999)];
  deepEqual(run(late).effects, [PERIODIC]);
  deepEqual(run([...late, tick(13_000)]).effects, [PERIODIC, PERIODIC]);
  const early = [tick(5_000), started(5_000), { kind: "windowPressure" } as const, ended(5_500)];
  deepEqual(run([...early, tick(6_499)]).effects, [PERIODIC]);
  deepEqual(run([...early, tick(6_500)]).effects, [
    PERIODIC,
    { kind: "start", trigger: "window-pressure" },
  ]);
});

Deno.test("checkpoint schedule: a savepoint goes first and does not wait for the pause", () => {
  const asked = { kind: "savepoint", operationId: "op" } as const;
  const start = { kind: "startSavepoint", operationId: "op" };
  deepEqual(run([asked, asked, tick(5_000), started(5_000), ended(5_100), tick(5_200)]).effects, [
    start,
  ]);
  deepEqual(run([tick(5_000), started(5_000), asked, ended(5_500), tick(5_501)]).effects, [
    PERIODIC,
    start,
  ]);
  deepEqual(run([asked, tick(100, { savepoint: false })]).effects, []);
  deepEqual(run([asked, { kind: "withdraw", operationId: "op" }, tick(100)]).effects, []);
});

Deno.test("checkpoint schedule: times out once (C6)", () => {
  const timeOut = { kind: "timeOut", checkpointId: ONE };
  const inputs = [tick(5_000), started(5_000), tick(64_999)];
  deepEqual(run(inputs).effects, [PERIODIC]);
  deepEqual(run([...inputs, tick(65_000), tick(66_000)]).effects, [PERIODIC, timeOut]);
});

Deno.test("checkpoint schedule: starts nothing while no region runs, and after a failed start pauses", () => {
  deepEqual(run([tick(9_000, { checkpoint: false })]).effects, []);
  const failed = [tick(5_000), { kind: "startFailed", nowMs: 5_000 } as const, tick(5_999)];
  deepEqual(run(failed).effects, [PERIODIC]);
  deepEqual(run([...failed, tick(6_000)]).effects, [PERIODIC, PERIODIC]);
});

Deno.test("checkpoint schedule: restarts a region above the tolerable failures, completion forgets them (C6)", () => {
  const restart = { kind: "restartRegions", regionIds: [R] };
  const twice = [ended(1, "failed"), ended(2, "failed")];
  deepEqual(run(twice).effects, []);
  deepEqual(run([...twice, ended(3, "failed")]).effects, [restart]);
  deepEqual(run([...twice, ended(3), ...twice]).effects, []);
  deepEqual(run([...twice, ended(3, "neither"), ended(4, "failed")]).effects, [restart]);
  deepEqual(run([...twice, ended(3, "failed"), ...twice]).effects, [restart]);
});
