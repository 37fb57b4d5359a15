/**
 * What the agent may believe about its lease while the hub answers, and while it does not.
 *
 * Pure: time comes in as a value of the monotonic clock. The lease runs from the moment the answered
 * heartbeat was sent, so it never outlasts what the hub's own clock grants (P6).
 *
 *   holding ── welcomed ──▶ connected ── closed, or no answer for leaseTtl ──▶ holding
 *
 * Holding: the regions go on, and acknowledge nothing, because only the hub says that a checkpoint is
 * complete. The broker's window bounds how long that can last; `reportWindow` tells how long.
 * An autonomous state (P5) would follow holding, `autonomousAfterMs` after `renewedAtMs`.
 *
 *  1. (F6) In `holding` nothing is acknowledged; only `welcomed` leads out of it.
 *  2. (F6) A link that is open and silent for `leaseTtlMs` is given up, once.
 *
 * @module
 */

/** How often a holding agent says how long the broker's window lasts. */
export const WINDOW_REPORT_INTERVAL_MS = 10_000;

export interface LeaseTerms {
  readonly leaseTtlMs: number;
  readonly autonomousAfterMs: number;
}

export type LeaseState =
  | { readonly kind: "connected"; readonly renewedAtMs: number; readonly terms: LeaseTerms }
  | {
    readonly kind: "holding";
    /** Last instant at which the lease was known to be renewed; null before the first welcome. */
    readonly renewedAtMs: number | null;
    readonly sinceMs: number;
    readonly reportedAtMs: number;
  };

export type LeaseInput =
  | {
    readonly kind: "welcomed";
    /** When the hello was sent. */
    readonly sentAtMs: number;
    readonly nowMs: number;
    readonly terms: LeaseTerms;
  }
  | { readonly kind: "answered"; readonly sentAtMs: number }
  | { readonly kind: "closed"; readonly nowMs: number }
  | {
    readonly kind: "tick";
    readonly nowMs: number;
    /** Least of the sources' estimates of when their window is full; null when nothing flows. */
    readonly windowSecondsLeft: number | null;
  };

export type LeaseEffect =
  | { readonly kind: "hubLost" }
  | { readonly kind: "hubBack"; readonly awayMs: number }
  | { readonly kind: "dropLink" }
  | {
    readonly kind: "reportWindow";
    readonly awayMs: number;
    readonly windowSecondsLeft: number | null;
  };

export interface LeaseStep {
  readonly state: LeaseState;
  readonly effects: readonly LeaseEffect[];
}

/** State of an agent that has not reached its hub yet. */
export function initialLease(nowMs: number): LeaseState {
  return { kind: "holding", renewedAtMs: null, sinceMs: nowMs, reportedAtMs: nowMs };
}

export function stepLease(state: LeaseState, input: LeaseInput): LeaseStep {
  switch (input.kind) {
    case "welcomed":
      return {
        state: { kind: "connected", renewedAtMs: input.sentAtMs, terms: input.terms },
        effects: state.kind === "holding"
          ? [{ kind: "hubBack", awayMs: input.nowMs - state.sinceMs }]
          : [],
      };
    case "answered":
      if (state.kind === "holding") return { state, effects: [] };
      return {
        state: { ...state, renewedAtMs: Math.max(state.renewedAtMs, input.sentAtMs) },
        effects: [],
      };
    case "closed":
      if (state.kind === "holding") return { state, effects: [] };
      return { state: hold(state, input.nowMs), effects: [{ kind: "hubLost" }] };
    case "tick":
      return tick(state, input.nowMs, input.windowSecondsLeft);
  }
}

function hold(state: LeaseState, nowMs: number): LeaseState {
  return { kind: "holding", renewedAtMs: state.renewedAtMs, sinceMs: nowMs, reportedAtMs: nowMs };
}

function tick(state: LeaseState, nowMs: number, windowSecondsLeft: number | null): LeaseStep {
  if (state.kind === "connected") {
    if (nowMs - state.renewedAtMs < state.terms.leaseTtlMs) return { state, effects: [] };
    return { state: hold(state, nowMs), effects: [{ kind: "hubLost" }, { kind: "dropLink" }] };
  }
  if (nowMs - state.reportedAtMs < WINDOW_REPORT_INTERVAL_MS) return { state, effects: [] };
  return {
    state: { ...state, reportedAtMs: nowMs },
    effects: [{ kind: "reportWindow", awayMs: nowMs - state.sinceMs, windowSecondsLeft }],
  };
}
