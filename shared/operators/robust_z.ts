/**
 * Detector that compares each value with the median of the last ones, in robust deviations.
 *
 * Pure. The score is 0.6745 times the distance from the median, divided by the median absolute deviation (MAD):
 * B. Iglewicz and D. C. Hoaglin, "How to Detect and Handle Outliers", ASQC, 1993; where more than half of the
 * values are equal, so that the MAD is 0, the mean absolute deviation stands in as they propose. Median and MAD
 * over a sliding window are F. R. Hampel's identifier, "The influence curve and its role in robust estimation",
 * JASA 69, 1974. Outliers move neither as long as they are fewer than half of the window, so every value is
 * taken into it, and a new level is the new normal once it fills half of it.
 *
 *   normal ── minConsecutive values beyond threshold ──▶ anomalous
 *   anomalous ── minConsecutive values within clearBelow ──▶ normal
 *
 * Invariants:
 *   1. Nothing is judged before `warmUp` values are in the window.
 *   2. A value is judged against those before it. What is not a finite number changes nothing.
 *
 * @module
 */
import { callSiteOf } from "@shared/sdk/call_site.ts";
import type { Detector } from "@shared/sdk/operator.ts";
import {
  measured,
  nextVerdict,
  type Verdict,
  type VerdictRule,
  verdictRuleFault,
} from "./baseline.ts";
import {
  checkDetector,
  countFault,
  type Direction,
  DIRECTIONS,
  functionFault,
  positiveFault,
  sidedDistance,
  type VerdictOptions,
  verdictRuleOf,
  wordFault,
} from "./detector_options.ts";

/** MAD of a normal distribution, in standard deviations, and its mean absolute deviation. */
const NORMAL_MAD = 0.6745;
const NORMAL_MEAN_DEVIATION = 0.7979;
const WINDOW_MAX = 2_000;

export interface RobustZOptions<In> extends VerdictOptions {
  /** The number to watch; anything but a finite number is passed over. */
  readonly value: (record: In) => number | null | undefined;
  /** Distance from the median, in robust standard deviations, that is not normal; default 3.5. */
  readonly threshold?: number;
  /** Values in the window; default 120. */
  readonly memory?: number;
  /** Values before anything is judged; default 30, at most `memory`. */
  readonly warmUp?: number;
  /** Which side is not normal; default `both`. */
  readonly direction?: Direction;
  /** Smallest deviation assumed, in units of the signal; default 1e-9. */
  readonly minStdDev?: number;
  /** Values in a row that it takes to begin or to end an anomaly; default 3. */
  readonly minConsecutive?: number;
}

/** What is kept per key. */
export interface RobustZState extends Verdict {
  /** The window, oldest first. */
  readonly recent: readonly number[];
  /** The window by size. */
  readonly sorted: readonly number[];
  /** Signed distance of the last value, in robust standard deviations; 0 before warm-up. */
  readonly score: number;
}

interface Settings extends VerdictRule {
  readonly memory: number;
  readonly warmUp: number;
  readonly direction: Direction;
  readonly minStdDev: number;
}

const INITIAL: RobustZState = Object.freeze({
  recent: [],
  sorted: [],
  score: 0,
  isAnomalous: false,
  evidence: 0,
});

/**
 * Watches one number per key against the median of the last ones.
 *
 * @throws {UserError} `bad-detector-option` if an option is out of its range.
 *
 * @example
 * ```ts
 * import { equal, ok } from "node:assert/strict";
 * import { robustZ } from "penstock";
 *
 * const noise = robustZ<{ decibel: number }>({
 *   value: (reading) => reading.decibel,
 *   minConsecutive: 1,
 * });
 * let state = noise.initial();
 * const see = (decibel: number) => state = noise.step(state, decibel, 0, { decibel });
 * for (let i = 0; i < 60; i++) see(i % 10 === 9 ? 300 : 60 + i % 4);
 * see(62);
 * equal(noise.judge(state).isAnomalous, false);
 * see(75);
 * ok(noise.judge(state).isAnomalous);
 * ```
 */
export function robustZ<In>(options: RobustZOptions<In>): Detector<In, RobustZState> {
  const memory = options.memory ?? 120;
  const settings: Settings = {
    ...verdictRuleOf(options, { threshold: 3.5, minConsecutive: 3 }),
    memory,
    warmUp: options.warmUp ?? Math.min(30, memory),
    direction: options.direction ?? "both",
    minStdDev: options.minStdDev ?? 1e-9,
  };
  checkDetector("robustZ", [
    functionFault("value", options.value),
    countFault("memory", memory, 5, WINDOW_MAX),
    countFault("warmUp", settings.warmUp, 2, memory),
    wordFault("direction", settings.direction, DIRECTIONS),
    positiveFault("minStdDev", settings.minStdDev),
    verdictRuleFault(settings),
  ], callSiteOf(robustZ));
  return {
    name: "robustZ",
    label: `robustZ threshold ${settings.threshold}`,
    codecVersion: 1,
    initial: () => INITIAL,
    value: (record) => measured(options.value(record)),
    step: (state, value) => stepRobustZ(state, value, settings),
    judge: ({ score, isAnomalous }) => ({ score, threshold: settings.threshold, isAnomalous }),
    expected: ({ sorted }) => {
      if (sorted.length < settings.warmUp) return null;
      const { median, stdDev } = spreadOf(sorted, settings.minStdDev);
      const reach = settings.threshold * stdDev;
      return { low: median - reach, high: median + reach };
    },
  };
}

function stepRobustZ(state: RobustZState, value: number, settings: Settings): RobustZState {
  if (measured(value) === null) return state;
  const isFull = state.recent.length >= settings.memory;
  const recent = isFull ? [...state.recent.slice(1), value] : [...state.recent, value];
  const sorted = replaced(state.sorted, isFull ? state.recent[0]! : null, value);
  if (state.recent.length < settings.warmUp) return { ...state, recent, sorted };
  const score = robustDistance(state.sorted, value, settings.minStdDev);
  const verdict = nextVerdict(state, sidedDistance(score, settings.direction), settings);
  return { ...verdict, recent, sorted, score };
}

/** The sorted window without `old`, if it is one, and with `value`. */
function replaced(sorted: readonly number[], old: number | null, value: number): number[] {
  const next = [...sorted];
  if (old !== null) next.splice(placeOf(next, old), 1);
  next.splice(placeOf(next, value), 0, value);
  return next;
}

/** Index of the first item that is at least `value`. */
function placeOf(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function robustDistance(sorted: readonly number[], value: number, minStdDev: number): number {
  const { median, stdDev } = spreadOf(sorted, minStdDev);
  return (value - median) / stdDev;
}

/** Middle and scale of a sorted window; `stdDev` estimates a normal deviation from the median one. */
function spreadOf(
  sorted: readonly number[],
  minStdDev: number,
): { readonly median: number; readonly stdDev: number } {
  const median = middleOf(sorted);
  const deviations = sorted.map((item) => Math.abs(item - median));
  const mean = deviations.reduce((sum, deviation) => sum + deviation, 0) / deviations.length;
  const mad = middleOf(deviations.sort((a, b) => a - b));
  const stdDev = mad > 0 ? mad / NORMAL_MAD : mean / NORMAL_MEAN_DEVIATION;
  return { median, stdDev: Math.max(stdDev, minStdDev) };
}

function middleOf(sorted: readonly number[]): number {
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
