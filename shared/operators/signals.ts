/**
 * The signals of one machine as a vector in a fixed order, for detectors that watch them together.
 *
 * Pure. The names are those of the first record, sorted. What a later record brings beside them is passed
 * over; what it lacks is NaN in its place.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import { measured } from "./baseline.ts";

/** Numbers of a record by the name of their signal; what is not a finite number is passed over. */
export type Signals = Readonly<Record<string, number | null | undefined>>;

/** Most signals of one machine. */
export const SIGNALS_MAX = 64;

/** How many signals of a record are measured; null when none is. */
export function countSignals(signals: Signals | null | undefined): number | null {
  let count = 0;
  for (const value of Object.values(signals ?? {})) if (measured(value) !== null) count++;
  return count || null;
}

/**
 * Names of the signals that a record has, sorted.
 *
 * @throws {UserError} `too-many-signals`.
 */
export function namesOf(signals: Signals, detector: string): string[] {
  const names = Object.keys(signals).filter((name) => measured(signals[name]) !== null).sort();
  if (names.length <= SIGNALS_MAX) return names;
  throw new UserError(
    "too-many-signals",
    `A record has ${names.length} signals: ${detector} watches at most ${SIGNALS_MAX}`,
  );
}

/** The measured values in the order of `names`; NaN where there is none. */
export function vectorOf(signals: Signals, names: readonly string[]): Float64Array {
  return Float64Array.from(names, (name) => measured(signals[name]) ?? NaN);
}

/** Whether every signal of the vector is measured. */
export function isComplete(vector: Float64Array): boolean {
  return vector.every((value) => value === value);
}
