/**
 * Detector that says when the mean of a signal has changed, and then learns the new one.
 *
 * Pure. The test of E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954, with the running mean of D. V.
 * Hinkley, "Inference about the change-point from cumulative sum tests", Biometrika 58, 1971: distances from the
 * mean so far, less a tolerance, are summed; how far the sum is above its own minimum (below its maximum) is the
 * score. Unlike a CUSUM it needs no mean to begin with and has no other normal to come back to: an anomaly is
 * the change itself, and lasts until `warmUp` values of the new normal are learned.
 *
 *   learning ── warmUp values ──▶ normal ── score beyond threshold ──▶ changed, learning ── warmUp values ──▶ normal
 *
 * Invariants:
 *   1. Nothing is judged while fewer than `warmUp` values are learned.
 *   2. What is not a finite number changes nothing.
 *
 * @module
 */
import { callSiteOf } from "@shared/sdk/call_site.ts";
import type { Detector } from "@shared/sdk/operator.ts";
import {
  type Baseline,
  distanceFrom,
  EMPTY_BASELINE,
  learn,
  measured,
  rangeWithin,
  SHOWN_DISTANCE,
} from "./baseline.ts";
import {
  checkDetector,
  countFault,
  type Direction,
  DIRECTIONS,
  functionFault,
  positiveFault,
  sidedSum,
  wordFault,
} from "./detector_options.ts";

/** Largest distance one value counts for, standard deviations: one spike is no change of the mean. */
const DISTANCE_MAX = 5;

export interface PageHinkleyOptions<In> {
  /** The number to watch; anything but a finite number is passed over. */
  readonly value: (record: In) => number | null | undefined;
  /** Summed distance that is a change, standard deviations; default 20. */
  readonly threshold?: number;
  /** Distance that is passed over, standard deviations; default 0.25. */
  readonly tolerance?: number;
  /** Values learned before anything is judged, and after a change; default 50. */
  readonly warmUp?: number;
  /** Which change is told; default `both`. */
  readonly direction?: Direction;
  /** Smallest deviation assumed, in units of the signal; default 1e-9. */
  readonly minStdDev?: number;
}

/** What is kept per key. */
export interface PageHinkleyState extends Baseline {
  /** How far the sum of distances has risen above its minimum, and fallen below its maximum; standard deviations. */
  readonly risen: number;
  readonly fallen: number;
  /** What they were when the mean changed; 0 while it has not. */
  readonly changedBy: number;
}

type Settings = Required<Omit<PageHinkleyOptions<unknown>, "value">>;

const INITIAL: PageHinkleyState = Object.freeze({
  ...EMPTY_BASELINE,
  risen: 0,
  fallen: 0,
  changedBy: 0,
});

/** Values the mean remembers: all, as far as that makes a difference. */
const MEMORY = 1e6;

/**
 * Watches one number per key for changes of its mean.
 *
 * @throws {UserError} `bad-detector-option` if an option is out of its range.
 *
 * @example
 * ```ts
 * import { equal, ok } from "node:assert/strict";
 * import { pageHinkley } from "penstock";
 *
 * const cycle = pageHinkley<{ seconds: number }>({ value: (part) => part.seconds });
 * let state = cycle.initial();
 * const see = (seconds: number) => state = cycle.step(state, seconds, 0, { seconds });
 * for (let i = 0; i < 100; i++) see(30 + i % 3);
 * equal(cycle.judge(state).isAnomalous, false);
 * for (let i = 0; i < 20; i++) see(33 + i % 3);
 * ok(cycle.judge(state).isAnomalous);
 * for (let i = 0; i < 50; i++) see(33 + i % 3);
 * equal(cycle.judge(state).isAnomalous, false);
 * ```
 */
export function pageHinkley<In>(
  options: PageHinkleyOptions<In>,
): Detector<In, PageHinkleyState> {
  const settings: Settings = {
    threshold: options.threshold ?? 20,
    tolerance: options.tolerance ?? 0.25,
    warmUp: options.warmUp ?? 50,
    direction: options.direction ?? "both",
    minStdDev: options.minStdDev ?? 1e-9,
  };
  checkDetector("pageHinkley", [
    functionFault("value", options.value),
    positiveFault("threshold", settings.threshold),
    positiveFault("tolerance", settings.tolerance),
    countFault("warmUp", settings.warmUp, 2, MEMORY),
    wordFault("direction", settings.direction, DIRECTIONS),
    positiveFault("minStdDev", settings.minStdDev),
  ], callSiteOf(pageHinkley));
  return {
    name: "pageHinkley",
    label: `pageHinkley threshold ${settings.threshold}`,
    codecVersion: 1,
    initial: () => INITIAL,
    value: (record) => measured(options.value(record)),
    step: (state, value) => stepPageHinkley(state, value, settings),
    judge: (state) => ({
      score: Math.max(sidedSum(state.risen, state.fallen, settings.direction), state.changedBy),
      threshold: settings.threshold,
      isAnomalous: state.changedBy > 0,
    }),
    expected: (state) =>
      state.count < settings.warmUp ? null : rangeWithin(state, SHOWN_DISTANCE, settings.minStdDev),
  };
}

function stepPageHinkley(
  state: PageHinkleyState,
  value: number,
  settings: Settings,
): PageHinkleyState {
  if (measured(value) === null) return state;
  if (state.count < settings.warmUp) return { ...state, ...learn(state, value, MEMORY) };
  const distance = distanceFrom(state, value, settings.minStdDev);
  const bounded = Math.max(-DISTANCE_MAX, Math.min(DISTANCE_MAX, distance));
  // What is further away teaches as much as it counts: an absurd value would hide every later change.
  const taught = bounded === distance
    ? value
    : state.mean + bounded * Math.max(Math.sqrt(state.variance), settings.minStdDev);
  const next: PageHinkleyState = {
    ...learn(state, taught, MEMORY),
    risen: Math.max(0, state.risen + bounded - settings.tolerance),
    fallen: Math.max(0, state.fallen - bounded - settings.tolerance),
    changedBy: 0,
  };
  const score = sidedSum(next.risen, next.fallen, settings.direction);
  return score > settings.threshold
    ? { ...INITIAL, ...learn(EMPTY_BASELINE, value, MEMORY), changedBy: score }
    : next;
}
