/**
 * The steps that rollback, stop and cancel share: halt regions, change their rows at once, go on.
 *
 * Pure. Halting first lets a source confirm the PUBACKs it has written, which makes the gap exact; an
 * agent that does not answer is not waited for, because the attempt fences it (F4).
 *
 *   halting ──all stopped, or deadline──▶ switching ──switched──▶ restarting ──all running──▶ done
 *                                              └── nothing to restart ────────────────────────▶ done
 *
 * Invariants (tests/property/coordinator_test.ts):
 *
 *   1  `switch` comes once, after every region has stopped or the deadline has passed.
 *   2  `done` comes once and last.
 *   3  L3 What did not confirm its stop is in `uncommitted` for ever: late, away or lost, its last
 *      commands may not have been carried out.
 *
 * @module
 */
import type { RegionId } from "@shared/ids.ts";

/** How long an agent gets to stop a region before its attempt is raised regardless. */
export const HALT_TIMEOUT_MS = 5_000;

export interface HaltSteps {
  readonly phase: "halting" | "switching" | "restarting" | "done";
  /** Regions still to stop while halting, still to run while restarting. */
  readonly waitingFor: ReadonlySet<RegionId>;
  readonly total: number;
  readonly deadlineMs: number;
  /** Regions that ended without saying that they had. */
  readonly uncommitted: ReadonlySet<RegionId>;
}

export type HaltInput =
  | { readonly kind: "tick"; readonly nowMs: number }
  | { readonly kind: "stopped"; readonly regionId: RegionId }
  /** What ran of it is gone without having stopped; `stopped` follows when all of it has ended. */
  | { readonly kind: "lost"; readonly regionId: RegionId }
  /** The rows are changed; these regions are to run again. */
  | { readonly kind: "switched"; readonly toRun: readonly RegionId[] }
  | { readonly kind: "running"; readonly regionId: RegionId };

export type HaltEffect = { readonly kind: "switch" } | { readonly kind: "done" };

export interface HaltStep {
  readonly state: HaltSteps;
  readonly effects: readonly HaltEffect[];
}

/**
 * @param toStop Regions that an agent runs; a step follows at once when there are none.
 * @param unreachable Regions that run and cannot be asked.
 */
export function startHalt(
  toStop: readonly RegionId[],
  nowMs: number,
  unreachable: readonly RegionId[] = [],
): HaltStep {
  return leaveHaltingIfDone({
    phase: "halting",
    waitingFor: new Set(toStop),
    total: toStop.length,
    deadlineMs: nowMs + HALT_TIMEOUT_MS,
    uncommitted: new Set(unreachable),
  });
}

/** The steps of an operation whose rows were changed before the hub restarted (H2). */
export function resumeRestart(toRun: readonly RegionId[]): HaltSteps {
  return {
    phase: "restarting",
    waitingFor: new Set(toRun),
    total: toRun.length,
    deadlineMs: 0,
    uncommitted: new Set(),
  };
}

/** Applies one input; what does not fit the phase is ignored. */
export function stepHalt(state: HaltSteps, input: HaltInput): HaltStep {
  switch (input.kind) {
    case "tick":
      if (state.phase !== "halting" || input.nowMs < state.deadlineMs) return none(state);
      return leaveHaltingIfDone({
        ...state,
        waitingFor: new Set(),
        uncommitted: new Set([...state.uncommitted, ...state.waitingFor]),
      });
    case "lost":
      if (state.phase !== "halting") return none(state);
      return none({ ...state, uncommitted: new Set([...state.uncommitted, input.regionId]) });
    case "stopped":
      if (state.phase !== "halting") return none(state);
      return leaveHaltingIfDone({ ...state, waitingFor: without(state, input.regionId) });
    case "switched":
      if (state.phase !== "switching") return none(state);
      return finishIfRunning({ ...resumeRestart(input.toRun), uncommitted: state.uncommitted });
    case "running":
      if (state.phase !== "restarting") return none(state);
      return finishIfRunning({ ...state, waitingFor: without(state, input.regionId) });
  }
}

function leaveHaltingIfDone(state: HaltSteps): HaltStep {
  if (state.waitingFor.size > 0) return none(state);
  return { state: { ...state, phase: "switching" }, effects: [{ kind: "switch" }] };
}

function finishIfRunning(state: HaltSteps): HaltStep {
  if (state.waitingFor.size > 0) return none(state);
  return { state: { ...state, phase: "done" }, effects: [{ kind: "done" }] };
}

function without(state: HaltSteps, regionId: RegionId): ReadonlySet<RegionId> {
  const rest = new Set(state.waitingFor);
  rest.delete(regionId);
  return rest;
}

function none(state: HaltSteps): HaltStep {
  return { state, effects: [] };
}
