/**
 * Detector that smooths a signal and says when the smoothed value leaves its control limits.
 *
 * Pure. S. W. Roberts, "Control chart tests based on geometric moving averages", Technometrics 1(3), 1959; limits
 * after J. M. Lucas and M. S. Saccucci, "Exponentially weighted moving average control schemes", Technometrics
 * 32(1), 1990. It finds small shifts that last, which one value alone cannot show.
 *
 *   normal ── minConsecutive values beyond threshold ──▶ anomalous
 *   anomalous ── minConsecutive values within clearBelow ──▶ normal
 *
 * Invariants:
 *   1. Nothing is judged before `warmUp` values are in the baseline (`baseline.ts`).
 *   2. The baseline learns only while the smoothed value is within the limits and nothing is anomalous.
 *   3. One value weighs at most `DISTANCE_MAX`. What is not a finite number changes nothing.
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
  nextVerdict,
  rangeWithin,
  SHOWN_DISTANCE,
  type Verdict,
  type VerdictRule,
  verdictRuleFault,
} from "./baseline.ts";
import {
  chartFaults,
  type ChartRule,
  chartRuleOf,
  checkDetector,
  type Direction,
  functionFault,
  sidedDistance,
  type VerdictOptions,
  verdictRuleOf,
  weightFault,
} from "./detector_options.ts";

/** Largest distance one value counts for, standard deviations. */
const DISTANCE_MAX = 20;

export interface EwmaChartOptions<In> extends VerdictOptions {
  /** The number to watch; anything but a finite number is passed over. */
  readonly value: (record: In) => number | null | undefined;
  /** Width of the control limits, in standard deviations of the smoothed value; default 4. */
  readonly threshold?: number;
  /** Weight of the newest value, above 0 up to 1; default 0.1. The smaller, the smaller the shifts found. */
  readonly smoothing?: number;
  /** Values learned before anything is judged; default 100. */
  readonly warmUp?: number;
  /** Values the baseline remembers; default 1000, never less than `warmUp`. */
  readonly memory?: number;
  /** Which side is not normal; default `both`. */
  readonly direction?: Direction;
  /** Smallest deviation assumed, in units of the signal; default 1e-9. */
  readonly minStdDev?: number;
  /** Values in a row that it takes to begin or to end an anomaly; default 1. */
  readonly minConsecutive?: number;
}

/** What is kept per key. */
export interface EwmaChartState extends Baseline, Verdict {
  /** Smoothed distance from the mean, standard deviations. */
  readonly smoothed: number;
  /** What the very first smoothed value still weighs, 1 to 0: the limits are narrower until it is forgotten. */
  readonly startWeight: number;
  /** Signed distance of the smoothed value, in its own standard deviations; 0 before warm-up. */
  readonly score: number;
}

interface Settings extends VerdictRule, ChartRule {
  readonly smoothing: number;
}

const INITIAL: EwmaChartState = Object.freeze({
  ...EMPTY_BASELINE,
  smoothed: 0,
  startWeight: 1,
  score: 0,
  isAnomalous: false,
  evidence: 0,
});

/**
 * Watches one number per key with an EWMA control chart.
 *
 * @throws {UserError} `bad-detector-option` if an option is out of its range.
 *
 * @example
 * ```ts
 * import { equal, ok } from "node:assert/strict";
 * import { ewmaChart } from "penstock";
 *
 * const pressure = ewmaChart<{ bar: number }>({ value: (reading) => reading.bar });
 * let state = pressure.initial();
 * const see = (bar: number) => state = pressure.step(state, bar, 0, { bar });
 * for (let i = 0; i < 200; i++) see(5 + i % 5 / 10);
 * equal(pressure.judge(state).isAnomalous, false);
 * // Less than a standard deviation away, but it lasts.
 * for (let i = 0; i < 60; i++) see(5.13 + i % 5 / 10);
 * ok(pressure.judge(state).isAnomalous);
 * ```
 */
export function ewmaChart<In>(options: EwmaChartOptions<In>): Detector<In, EwmaChartState> {
  const settings: Settings = {
    ...verdictRuleOf(options, { threshold: 4, minConsecutive: 1 }),
    ...chartRuleOf(options),
    smoothing: options.smoothing ?? 0.1,
  };
  checkDetector("ewmaChart", [
    functionFault("value", options.value),
    weightFault("smoothing", settings.smoothing),
    ...chartFaults(settings),
    verdictRuleFault(settings),
  ], callSiteOf(ewmaChart));
  return {
    name: "ewmaChart",
    label: `ewmaChart threshold ${settings.threshold}`,
    codecVersion: 1,
    initial: () => INITIAL,
    value: (record) => measured(options.value(record)),
    step: (state, value) => stepEwma(state, value, settings),
    judge: ({ score, isAnomalous }) => ({ score, threshold: settings.threshold, isAnomalous }),
    expected: (state) =>
      state.count < settings.warmUp ? null : rangeWithin(state, SHOWN_DISTANCE, settings.minStdDev),
  };
}

function stepEwma(state: EwmaChartState, value: number, settings: Settings): EwmaChartState {
  if (measured(value) === null) return state;
  const { smoothing, memory, direction } = settings;
  if (state.count < settings.warmUp) return { ...state, ...learn(state, value, memory) };
  const distance = distanceFrom(state, value, settings.minStdDev);
  const bounded = Math.max(-DISTANCE_MAX, Math.min(DISTANCE_MAX, distance));
  const smoothed = state.smoothed + smoothing * (bounded - state.smoothed);
  const startWeight = state.startWeight * (1 - smoothing) ** 2;
  const score = smoothed / Math.sqrt(smoothing / (2 - smoothing) * (1 - startWeight));
  const sided = sidedDistance(score, direction);
  const isLearnable = !state.isAnomalous && Math.abs(score) <= settings.threshold;
  return {
    ...state,
    ...(isLearnable ? learn(state, value, memory) : {}),
    ...nextVerdict(state, sided, settings),
    smoothed,
    startWeight,
    score,
  };
}
