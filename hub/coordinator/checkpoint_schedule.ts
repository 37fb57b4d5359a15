/**
 * When the next checkpoint of a job starts, when one has taken too long, when failures are too many.
 *
 * Pure. One checkpoint is in flight at most; savepoints that people asked for go first.
 *
 *   idle ──due, early or savepoint──▶ starting ──started──▶ in flight ──ended──▶ idle
 *                                        └──startFailed──▶ idle
 *
 * Invariants (tests/property/checkpoint_schedule_test.ts), all of them C6:
 *
 *   1  A second one never starts while one is in flight.
 *   2  A checkpoint starts `minPauseMs` after the last one ended, not earlier, an early one included;
 *      a savepoint does not wait for the pause.
 *   3  One that is in flight for `timeoutMs` is timed out, once.
 *   4  Only failures held against a region count, and one completion of it forgets them.
 *
 * @module
 */
import type { CheckpointId, RegionId } from "@shared/ids.ts";

export interface ScheduleLimits {
  readonly intervalMs: number;
  readonly minPauseMs: number;
  readonly timeoutMs: number;
  /** A region restarts when it failed more often than this in a row. */
  readonly tolerableFailures: number;
}

export interface Schedule {
  readonly limits: ScheduleLimits;
  readonly phase:
    | { readonly kind: "idle" }
    | { readonly kind: "starting" }
    | {
      readonly kind: "inFlight";
      readonly checkpointId: CheckpointId;
      readonly deadlineMs: number;
      readonly isTimedOut: boolean;
    };
  /** Monotonic time at which the next periodic one is due. */
  readonly nextDueMs: number;
  /** Monotonic time before which no checkpoint starts; savepoints may. */
  readonly pauseUntilMs: number;
  readonly wantsEarly: boolean;
  /** Ids of savepoint operations, in the order asked. */
  readonly savepointQueue: readonly string[];
  readonly failures: ReadonlyMap<RegionId, number>;
}

export type ScheduleInput =
  | {
    readonly kind: "tick";
    readonly nowMs: number;
    /** Some region runs: a checkpoint has something to hold. */
    readonly canCheckpoint: boolean;
    /** Every region runs: a savepoint can be taken. */
    readonly canSavepoint: boolean;
  }
  | { readonly kind: "windowPressure" }
  | { readonly kind: "savepoint"; readonly operationId: string }
  | { readonly kind: "withdraw"; readonly operationId: string }
  | { readonly kind: "started"; readonly checkpointId: CheckpointId; readonly nowMs: number }
  | { readonly kind: "startFailed"; readonly nowMs: number }
  | {
    readonly kind: "ended";
    readonly nowMs: number;
    readonly completed: readonly RegionId[];
    /** Regions whose part failed in a way that is held against them. */
    readonly failed: readonly RegionId[];
  };

export type ScheduleEffect =
  | { readonly kind: "start"; readonly trigger: "periodic" | "window-pressure" }
  | { readonly kind: "startSavepoint"; readonly operationId: string }
  | { readonly kind: "timeOut"; readonly checkpointId: CheckpointId }
  | { readonly kind: "restartRegions"; readonly regionIds: readonly RegionId[] };

export interface ScheduleStep {
  readonly state: Schedule;
  readonly effects: readonly ScheduleEffect[];
}

/** Nothing in flight; the first periodic checkpoint is due one interval after `nowMs`. */
export function createSchedule(limits: ScheduleLimits, nowMs: number): Schedule {
  return {
    limits,
    phase: { kind: "idle" },
    nextDueMs: nowMs + limits.intervalMs,
    pauseUntilMs: nowMs,
    wantsEarly: false,
    savepointQueue: [],
    failures: new Map(),
  };
}

/** Applies one input. */
export function stepSchedule(state: Schedule, input: ScheduleInput): ScheduleStep {
  switch (input.kind) {
    case "tick":
      return onTick(state, input);
    case "windowPressure":
      return none({ ...state, wantsEarly: true });
    case "savepoint":
      if (state.savepointQueue.includes(input.operationId)) return none(state);
      return none({ ...state, savepointQueue: [...state.savepointQueue, input.operationId] });
    case "withdraw": {
      const savepointQueue = state.savepointQueue.filter((id) => id !== input.operationId);
      return none({ ...state, savepointQueue });
    }
    case "started":
      return none({
        ...state,
        phase: {
          kind: "inFlight",
          checkpointId: input.checkpointId,
          deadlineMs: input.nowMs + state.limits.timeoutMs,
          isTimedOut: false,
        },
        nextDueMs: input.nowMs + state.limits.intervalMs,
      });
    case "startFailed":
      return none(toIdle(state, input.nowMs));
    case "ended":
      return onEnded(state, input);
  }
}

function onTick(
  state: Schedule,
  input: Extract<ScheduleInput, { kind: "tick" }>,
): ScheduleStep {
  const { phase } = state;
  if (phase.kind === "starting") return none(state);
  if (phase.kind === "inFlight") {
    if (phase.isTimedOut || input.nowMs < phase.deadlineMs) return none(state);
    return {
      state: { ...state, phase: { ...phase, isTimedOut: true } },
      effects: [{ kind: "timeOut", checkpointId: phase.checkpointId }],
    };
  }
  const [operationId, ...rest] = state.savepointQueue;
  if (operationId !== undefined && input.canSavepoint) {
    return {
      state: { ...state, phase: { kind: "starting" }, savepointQueue: rest },
      effects: [{ kind: "startSavepoint", operationId }],
    };
  }
  if (!input.canCheckpoint || input.nowMs < state.pauseUntilMs) return none(state);
  if (!state.wantsEarly && input.nowMs < state.nextDueMs) return none(state);
  const trigger = state.wantsEarly ? "window-pressure" : "periodic";
  return {
    state: { ...state, phase: { kind: "starting" }, wantsEarly: false },
    effects: [{ kind: "start", trigger }],
  };
}

function onEnded(
  state: Schedule,
  input: Extract<ScheduleInput, { kind: "ended" }>,
): ScheduleStep {
  const failures = new Map(state.failures);
  for (const id of input.completed) failures.delete(id);
  const regionIds: RegionId[] = [];
  for (const id of [...input.failed].sort()) {
    const count = (failures.get(id) ?? 0) + 1;
    if (count > state.limits.tolerableFailures) {
      failures.delete(id);
      regionIds.push(id);
    } else {
      failures.set(id, count);
    }
  }
  return {
    state: { ...toIdle(state, input.nowMs), failures },
    effects: regionIds.length === 0 ? [] : [{ kind: "restartRegions", regionIds }],
  };
}

function toIdle(state: Schedule, nowMs: number): Schedule {
  return { ...state, phase: { kind: "idle" }, pauseUntilMs: nowMs + state.limits.minPauseMs };
}

function none(state: Schedule): ScheduleStep {
  return { state, effects: [] };
}
