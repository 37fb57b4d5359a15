/**
 * Detector that learns a machine while it is healthy, once, and watches for lasting shifts from then on.
 *
 * Changes its state in place. The first `learnRecords` complete records are kept. From them each signal gets a
 * mean, a deviation, and how much a value depends on the one before (first-order autocorrelation). Then the
 * rows are dropped and nothing is learned any more. The part of a value that the one before does not explain is
 * smoothed, and its distance from 0 in the deviations it had while healthy is the signal's: the chart of S. W.
 * Roberts, "Control chart tests based on geometric moving averages", Technometrics 1(3), 1959, on the residuals
 * of an autoregression, after L. C. Alwan and H. V. Roberts, "Time-series modeling for statistical process
 * control", Journal of Business & Economic Statistics 6(1), 1988. The score is the largest distance.
 *
 * A signal that wandered while the machine was healthy (a temperature that follows the weather) will wander on, so
 * its distance says less. Its values are worth fewer independent ones, n(1 - r)/(1 + r) of n: G. V. Bayley and J. M.
 * Hammersley, "The 'effective' number of independent observations in an autocorrelated time series", Supplement
 * to the Journal of the Royal Statistical Society 8(2), 1946. Its distance is lowered by the root of that part.
 *
 *   learning ── learnRecords ──▶ normal
 *   normal ── minConsecutive scores beyond threshold ──▶ anomalous
 *   anomalous ── minConsecutive scores within clearBelow ──▶ normal
 *
 * Invariants:
 *   1. There is no score while it is learning.
 *   2. A record without a number for a signal leaves that signal as it was.
 *   3. One value weighs at most `DISTANCE_MAX`.
 *
 * @module
 */
import { callSiteOf } from "@shared/sdk/call_site.ts";
import type { Detector } from "@shared/sdk/operator.ts";
import { nextVerdict, type VerdictRule, verdictRuleFault } from "./baseline.ts";
import {
  checkDetector,
  countFault,
  functionFault,
  type VerdictOptions,
  verdictRuleOf,
  weightFault,
} from "./detector_options.ts";
import { countSignals, isComplete, namesOf, type Signals, vectorOf } from "./signals.ts";

const THRESHOLD = 6;
/** Part of the threshold below which an anomaly ends unless said otherwise. */
const CLEAR_PART = 0.8;
/** Largest distance one value counts for, deviations. */
const DISTANCE_MAX = 10;
/** Largest first-order autocorrelation that is reckoned with. */
const AUTOCORRELATION_MAX = 0.999;
/** Rows that the smoothed values take to begin: they do not say how much they vary. */
const SETTLING_RECORDS = 20;
/** Smallest deviation assumed, as a part of the mean and as such. */
const RELATIVE_STD_DEV_MIN = 1e-6;
const ABSOLUTE_STD_DEV_MIN = 1e-9;

export interface HealthyBaselineOptions<In> extends VerdictOptions {
  /** The signals by name; what is not a finite number is passed over. */
  readonly signals: (record: In) => Signals;
  /** Complete records of the healthy machine that are learned from; default 400. */
  readonly learnRecords?: number;
  /** Smoothed distance that is an anomaly, in deviations it had while healthy; default 6. */
  readonly threshold?: number;
  /** Score below which an anomaly ends; default 0.8 of the threshold. */
  readonly clearBelow?: number;
  /** Weight of the newest value in the smoothed one, above 0 up to 1; default 0.05. */
  readonly smoothing?: number;
  /** Records in a row that it takes to begin or to end an anomaly; default 1. */
  readonly minConsecutive?: number;
}

/** What is known of one signal. */
interface SignalModel {
  readonly mean: number;
  readonly stdDev: number;
  readonly autocorrelation: number;
  /** Variance of the smoothed residual while healthy. */
  readonly smoothedVariance: number;
  /** What its distance weighs: 1, less for a signal that wanders. */
  readonly weight: number;
  /** Distance of the last value from the mean, deviations. */
  last: number;
  smoothed: number;
}

/** What is kept per key. */
export interface HealthyBaselineState {
  /** Of the first record, sorted; empty before it. */
  names: readonly string[];
  /** What is learned from; empty once it is learned. */
  rows: Float64Array[];
  /** In the order of `names`; empty while learning. */
  models: SignalModel[];
  score: number;
  isAnomalous: boolean;
  evidence: number;
}

interface Settings extends VerdictRule {
  readonly learnRecords: number;
  readonly smoothing: number;
}

/**
 * Watches many signals per key for lasting shifts away from the machine's healthy beginning.
 *
 * @throws {UserError} `bad-detector-option` if an option is out of its range.
 *
 * @example
 * ```ts
 * import { equal, ok } from "node:assert/strict";
 * import { healthyBaseline } from "penstock";
 *
 * const pump = healthyBaseline<{ signals: Record<string, number> }>({
 *   signals: (reading) => reading.signals,
 *   learnRecords: 200,
 * });
 * let state = pump.initial();
 * const see = (flow: number, i: number) => {
 *   const reading = { signals: { flow, current: 3 + (i * 7 % 5) / 10 } };
 *   state = pump.step(state, pump.value(reading)!, i * 1_000, reading);
 * };
 * for (let i = 0; i < 300; i++) see(32 + (i * 3 % 7) / 10, i);
 * equal(pump.judge(state).isAnomalous, false);
 * for (let i = 0; i < 60; i++) see(31.5 + (i * 3 % 7) / 10, 300 + i);
 * ok(pump.judge(state).isAnomalous);
 * ```
 */
export function healthyBaseline<In>(
  options: HealthyBaselineOptions<In>,
): Detector<In, HealthyBaselineState> {
  const threshold = options.threshold ?? THRESHOLD;
  const settings: Settings = {
    ...verdictRuleOf({ clearBelow: threshold * CLEAR_PART, ...options }, {
      threshold,
      minConsecutive: 1,
    }),
    learnRecords: options.learnRecords ?? 400,
    smoothing: options.smoothing ?? 0.05,
  };
  checkDetector("healthyBaseline", [
    functionFault("signals", options.signals),
    countFault("learnRecords", settings.learnRecords, 50, 10_000),
    weightFault("smoothing", settings.smoothing),
    verdictRuleFault(settings),
  ], callSiteOf(healthyBaseline));
  return {
    name: "healthyBaseline",
    label: `healthyBaseline threshold ${settings.threshold}`,
    codecVersion: 1,
    initial: () => ({ names: [], rows: [], models: [], score: 0, isAnomalous: false, evidence: 0 }),
    value: (record) => countSignals(options.signals(record)),
    step: (state, _count, _atMs, record) => {
      takeIn(state, options.signals(record), settings);
      return state;
    },
    judge: ({ score, isAnomalous }) => ({
      score,
      value: score,
      threshold: settings.threshold,
      isAnomalous,
    }),
  };
}

function takeIn(state: HealthyBaselineState, signals: Signals, settings: Settings): void {
  if (state.names.length === 0) state.names = namesOf(signals, "healthyBaseline");
  const vector = vectorOf(signals, state.names);
  if (state.models.length > 0) {
    state.score = scoreOf(state.models, vector, settings.smoothing);
    Object.assign(state, nextVerdict(state, state.score, settings));
    return;
  }
  if (!isComplete(vector)) return;
  state.rows.push(vector);
  if (state.rows.length < settings.learnRecords) return;
  state.models = state.names.map((_, signal) =>
    modelOf(state.rows.map((row) => row[signal]!), settings)
  );
  state.rows = [];
}

/** Moves every signal on by one record, and answers the largest distance of those that are watched. */
function scoreOf(models: SignalModel[], vector: Float64Array, smoothing: number): number {
  let largest = 0;
  for (const [signal, model] of models.entries()) {
    const value = vector[signal]!;
    if (Number.isNaN(value)) continue;
    smooth(model, value, smoothing);
    const distance = Math.abs(model.smoothed) / Math.sqrt(model.smoothedVariance);
    largest = Math.max(largest, distance * model.weight);
  }
  return largest;
}

function smooth(model: SignalModel, value: number, smoothing: number): void {
  const distance = (value - model.mean) / model.stdDev;
  const residual = distance - model.autocorrelation * model.last;
  const bounded = Math.max(-DISTANCE_MAX, Math.min(DISTANCE_MAX, residual));
  model.smoothed += smoothing * (bounded - model.smoothed);
  model.last = distance;
}

/** The model of one signal, with its smoothed value as it is behind the last of `values`. */
function modelOf(values: readonly number[], { smoothing }: Settings): SignalModel {
  const mean = meanOf(values);
  const variance = meanOf(values.map((value) => (value - mean) ** 2));
  const stdDev = Math.max(
    Math.sqrt(variance),
    Math.abs(mean) * RELATIVE_STD_DEV_MIN,
    ABSOLUTE_STD_DEV_MIN,
  );
  const products = values.slice(1).map((value, i) => (value - mean) * (values[i]! - mean));
  const found = products.reduce((sum, product) => sum + product, 0) / (values.length * stdDev ** 2);
  const autocorrelation = Math.max(-AUTOCORRELATION_MAX, Math.min(AUTOCORRELATION_MAX, found));
  const draft: SignalModel = {
    mean,
    stdDev,
    autocorrelation,
    smoothedVariance: 0,
    weight: Math.min(1, Math.sqrt((1 - autocorrelation) / (1 + autocorrelation))),
    last: 0,
    smoothed: 0,
  };
  const squares = values.map((value) => {
    smooth(draft, value, smoothing);
    return draft.smoothed ** 2;
  });
  // What independent values would have: a lucky calm beginning is no reason to be strict.
  const expected = smoothing / (2 - smoothing) * (1 - autocorrelation ** 2);
  const seen = meanOf(squares.slice(SETTLING_RECORDS));
  return { ...draft, smoothedVariance: Math.max(seen, expected, ABSOLUTE_STD_DEV_MIN) };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
