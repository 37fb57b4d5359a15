/**
 * Turns what a detector says of each record into the edges of anomalies: one at the onset, one at the end.
 *
 * Pure. State per key:
 *
 *   quiet ── judged anomalous: edge isActive true ──▶ active since t
 *   active since t ── judged normal: edge isActive false, same t ──▶ quiet
 *
 * @module
 */
import type { Anomaly, Detector, ExpectedRange } from "@shared/sdk/operator.ts";

/** What `detect` keeps per key: the detector's own state and the anomaly that is going on. */
export interface DetectState<State> {
  readonly detector: State;
  /** Time of the onset, ms since the epoch; null while there is no anomaly. */
  readonly sinceMs: number | null;
  /** Name of the anomaly that is going on; null while there is none, missing in state of before it was kept. */
  readonly occurrenceId?: string | null;
}

/** State of a key of which nothing has come in. */
export function createDetectState<In, State>(detector: Detector<In, State>): DetectState<State> {
  return { detector: detector.initial(), sinceMs: null, occurrenceId: null };
}

/** The range a detector takes for normal; nulls where it knows none, as those of older jobs do not. */
export function rangeOf<In, State>(
  detector: Detector<In, State>,
  state: State,
  atMs: number,
): ExpectedRange {
  return detector.expected?.(state, atMs) ?? NO_RANGE;
}

const NO_RANGE: ExpectedRange = Object.freeze({ low: null, high: null });

/**
 * Takes one record of one key in.
 *
 * @param detector Judges the record; a record that carries no value changes nothing.
 * @param state State of the key; not changed.
 * @param of The record with its key and its event or arrival time, ms since the epoch; `recordId` names the
 *   record, the same after every replay, and is asked for at an onset alone.
 * @returns The key's new state, the edge this record makes or null, and the value to show or null.
 */
export function stepDetect<In, State>(
  detector: Detector<In, State>,
  state: DetectState<State>,
  of: {
    readonly record: In;
    readonly key: string;
    readonly atMs: number;
    readonly recordId?: () => string;
  },
): {
  readonly state: DetectState<State>;
  readonly edge: Anomaly<In> | null;
  readonly value: number | null;
} {
  const watched = detector.value(of.record);
  if (watched === null || !Number.isFinite(watched)) return { state, edge: null, value: null };
  const next = detector.step(state.detector, watched, of.atMs, of.record);
  const { score, threshold, isAnomalous, value = watched } = detector.judge(next);
  const wasActive = state.sinceMs !== null;
  const sinceMs = isAnomalous ? state.sinceMs ?? of.atMs : null;
  const before = state.occurrenceId ?? null;
  const occurrenceId = wasActive ? before : isAnomalous ? of.recordId?.() ?? null : null;
  const edge = isAnomalous === wasActive ? null : {
    ...rangeOf(detector, next, of.atMs),
    detector: detector.name,
    key: of.key,
    isActive: isAnomalous,
    value,
    score,
    threshold,
    atMs: of.atMs,
    sinceMs: state.sinceMs ?? of.atMs,
    occurrenceId,
    record: of.record,
  };
  const kept = isAnomalous ? occurrenceId : null;
  return { state: { detector: next, sinceMs, occurrenceId: kept }, edge, value };
}
