/**
 * Life cycle of one alarm: whether its condition holds, and whether a person has seen it.
 *
 * Pure. Both are separate fields, as ISA-18.2 has it: an alarm that cleared before anybody looked still
 * waits for its acknowledgement.
 *
 *              raise              acknowledge
 *   (none) ──────────▶ active,unseen ──────▶ active,seen
 *                        │ clear                │ clear
 *                        ▼      acknowledge     ▼
 *                     cleared,unseen ──────▶ cleared,seen
 *
 * Invariants (tests/property/coordinator_test.ts):
 *
 *   1  The result does not depend on the order or repetition of edges: replays never ring twice.
 *   2  An older edge never overrides a newer one.
 *   3  Acknowledging is idempotent, and the first to do so is kept.
 *
 * @module
 */

export interface AlarmEdgeInput {
  readonly edgeId: string;
  readonly isActive: boolean;
  /** Time of the record behind the edge, ms since the epoch. */
  readonly atMs: number;
}

/** Whether a person has seen it. */
export interface Acknowledgement {
  readonly isAcknowledged: boolean;
  readonly acknowledgedBy: string | null;
  readonly acknowledgedAtMs: number | null;
}

export interface AlarmState extends Acknowledgement {
  readonly isActive: boolean;
  /** Earliest raise known. */
  readonly raisedAtMs: number;
  /** Null while active. */
  readonly clearedAtMs: number | null;
  /** The newest edge taken in: decides `isActive`. */
  readonly newest: AlarmEdgeInput;
}

/** What people are told. */
export type AlarmChange = "raised" | "cleared" | "none";

export interface AlarmStep {
  readonly state: AlarmState;
  readonly change: AlarmChange;
}

/** Takes an edge in; `state` is null for an alarm nobody knows yet. */
export function applyEdge(state: AlarmState | null, edge: AlarmEdgeInput): AlarmStep {
  if (state === null) {
    const fresh: AlarmState = {
      isActive: edge.isActive,
      isAcknowledged: false,
      acknowledgedBy: null,
      acknowledgedAtMs: null,
      raisedAtMs: edge.atMs,
      clearedAtMs: edge.isActive ? null : edge.atMs,
      newest: edge,
    };
    return { state: fresh, change: edge.isActive ? "raised" : "cleared" };
  }
  const raisedAtMs = Math.min(state.raisedAtMs, edge.atMs);
  if (!isNewer(edge, state.newest)) {
    return { state: { ...state, raisedAtMs }, change: "none" };
  }
  const next: AlarmState = {
    ...state,
    raisedAtMs,
    isActive: edge.isActive,
    clearedAtMs: edge.isActive ? null : edge.atMs,
    newest: edge,
  };
  if (edge.isActive === state.isActive) return { state: next, change: "none" };
  return { state: next, change: edge.isActive ? "raised" : "cleared" };
}

/** A person has seen it; null when one had before, who stays named. */
export function acknowledgeAlarm(
  state: Acknowledgement,
  by: string,
  atMs: number,
): Acknowledgement | null {
  if (state.isAcknowledged) return null;
  return { isAcknowledged: true, acknowledgedBy: by, acknowledgedAtMs: atMs };
}

/** Total order of edges: by time, a clear behind a raise of the same instant, then by id. */
function isNewer(edge: AlarmEdgeInput, than: AlarmEdgeInput): boolean {
  if (edge.atMs !== than.atMs) return edge.atMs > than.atMs;
  if (edge.isActive !== than.isActive) return !edge.isActive;
  return edge.edgeId > than.edgeId;
}
