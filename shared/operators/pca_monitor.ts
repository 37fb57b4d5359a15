/**
 * Detector that knows how the signals of a machine move together, and says when they do not.
 *
 * Changes its state in place. Principal components of the standardised signals are learned from the first `warmUp`
 * complete records and then stay. Two statistics are taken of each record: Hotelling's T² (H. Hotelling,
 * "Multivariate quality control", 1947) says how far it is from the usual within the components, and Q, the squared
 * prediction error (J. E. Jackson and G. S. Mudholkar, "Control procedures for residuals associated with principal
 * component analysis", Technometrics 21(3), 1979), how far it leaves them: a pressure that falls while the pump runs
 * as ever. Each is smoothed and divided by its limit, and the larger one is the score. The limit of T² is the
 * quantile of a chi-squared distribution, that of Q of a scaled one with the same mean and variance after G. E. P. Box,
 * "Some theorems on quadratic forms applied in the study of analysis of variance problems", Annals of Mathematical
 * Statistics 25, 1954.
 *
 *   learning ── warmUp records ──▶ normal
 *   normal ── minConsecutive scores beyond threshold ──▶ anomalous
 *   anomalous ── minConsecutive scores within clearBelow ──▶ normal
 *
 * Invariants:
 *   1. Nothing is judged while it is learning, and nothing is learned afterwards.
 *   2. A record without one of the signals is passed over.
 *   3. A signal that stood still while learning is judged by a deviation of `RELATIVE_STD_DEV_MIN` of its mean.
 *   4. One record weighs at most `RATIO_MAX` thresholds in a statistic, which is therefore always a number.
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
import { symmetricEigen } from "./symmetric_eigen.ts";

/** Standard deviations of a normal distribution that one value in a thousand exceeds: of both limits. */
const LIMIT_NORMAL_QUANTILE = 3.0902;
const RELATIVE_STD_DEV_MIN = 1e-6;
const ABSOLUTE_STD_DEV_MIN = 1e-9;
/** A statistic of one record counts for at most this many thresholds: one absurd value is soon forgotten. */
const RATIO_MAX = 1_000;
/** Largest distance of one value, standard deviations: the sum of squares stays a number. */
const DISTANCE_MAX = 1e100;
/** Smallest variance of a component: rounding is no direction in which a machine moves. */
const COMPONENT_VARIANCE_MIN = 1e-6;

export interface PcaMonitorOptions<In> extends VerdictOptions {
  /** The signals by name; what is not a finite number is passed over. */
  readonly signals: (record: In) => Signals;
  /** Larger of T² and Q, each divided by the limit that one normal record in a thousand exceeds; default 1. */
  readonly threshold?: number;
  /** Complete records learned before anything is judged; default 300. */
  readonly warmUp?: number;
  /** Part of the variance that the components explain, above 0 up to 1; default 0.9. */
  readonly explained?: number;
  /** Weight of the newest record in the smoothed statistics, above 0 up to 1; default 1: no smoothing. */
  readonly smoothing?: number;
  /** Records in a row that it takes to begin or to end an anomaly; default 3. */
  readonly minConsecutive?: number;
}

/** What is learned of a machine. */
interface Model {
  readonly means: Float64Array;
  readonly stdDevs: Float64Array;
  /** Of the components that are kept, the largest variance first. */
  readonly axes: readonly { readonly variance: number; readonly vector: Float64Array }[];
  readonly tSquaredLimit: number;
  readonly qLimit: number;
}

/** What is kept per key. */
export interface PcaMonitorState {
  /** Of the first record, sorted; empty before it. */
  names: readonly string[];
  /** Records learned, their means, and sums of products of what they lie off them; of no use once learned. */
  count: number;
  means: Float64Array;
  products: Float64Array;
  model: Model | null;
  /** Smoothed, each divided by its limit. */
  tSquared: number;
  q: number;
  isAnomalous: boolean;
  evidence: number;
}

interface Settings extends VerdictRule {
  readonly warmUp: number;
  readonly explained: number;
  readonly smoothing: number;
}

/**
 * Watches many signals per key for records that do not fit together as they used to.
 *
 * @throws {UserError} `bad-detector-option` if an option is out of its range.
 *
 * @example
 * ```ts
 * import { equal, ok } from "node:assert/strict";
 * import { pcaMonitor } from "penstock";
 *
 * const pump = pcaMonitor<{ signals: Record<string, number> }>({
 *   signals: (reading) => reading.signals,
 *   warmUp: 100,
 * });
 * let state = pump.initial();
 * const see = (speed: number, flow: number) => {
 *   const reading = { signals: { speed, flow } };
 *   state = pump.step(state, pump.value(reading)!, 0, reading);
 * };
 * for (let i = 0; i < 200; i++) see(50 + i % 11, 10 + (i % 11) / 5 + (i % 3) / 50);
 * equal(pump.judge(state).isAnomalous, false);
 * // Both values are usual, but not together.
 * for (let i = 0; i < 3; i++) see(60, 10);
 * ok(pump.judge(state).isAnomalous);
 * ```
 */
export function pcaMonitor<In>(options: PcaMonitorOptions<In>): Detector<In, PcaMonitorState> {
  const settings: Settings = {
    ...verdictRuleOf(options, { threshold: 1, minConsecutive: 3 }),
    warmUp: options.warmUp ?? 300,
    explained: options.explained ?? 0.9,
    smoothing: options.smoothing ?? 1,
  };
  checkDetector("pcaMonitor", [
    functionFault("signals", options.signals),
    countFault("warmUp", settings.warmUp, 20, 1e6),
    weightFault("explained", settings.explained),
    weightFault("smoothing", settings.smoothing),
    verdictRuleFault(settings),
  ], callSiteOf(pcaMonitor));
  return {
    name: "pcaMonitor",
    label: `pcaMonitor threshold ${settings.threshold}`,
    codecVersion: 1,
    initial: initialState,
    value: (record) => countSignals(options.signals(record)),
    step: (state, _count, _atMs, record) => {
      takeIn(state, options.signals(record), settings);
      return state;
    },
    judge: ({ tSquared, q, isAnomalous }) => {
      const score = Math.max(tSquared, q);
      return { score, value: score, threshold: settings.threshold, isAnomalous };
    },
  };
}

function initialState(): PcaMonitorState {
  return {
    names: [],
    count: 0,
    means: new Float64Array(0),
    products: new Float64Array(0),
    model: null,
    tSquared: 0,
    q: 0,
    isAnomalous: false,
    evidence: 0,
  };
}

function takeIn(state: PcaMonitorState, signals: Signals, settings: Settings): void {
  if (state.names.length === 0) {
    state.names = namesOf(signals, "pcaMonitor");
    state.means = new Float64Array(state.names.length);
    state.products = new Float64Array(state.names.length ** 2);
  }
  const vector = vectorOf(signals, state.names);
  if (!isComplete(vector)) return;
  if (state.model !== null) return judgeVector(state, { vector, model: state.model }, settings);
  learnVector(state, vector);
  if (state.count < settings.warmUp) return;
  state.model = modelOf(state, settings.explained);
  state.products = new Float64Array(0);
}

/** Adds a record to means and products, as Welford does for one signal. */
function learnVector(state: PcaMonitorState, vector: Float64Array): void {
  const { means, products } = state;
  const size = vector.length;
  state.count++;
  const before = vector.map((value, i) => value - means[i]!);
  for (let i = 0; i < size; i++) means[i]! += before[i]! / state.count;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      products[i * size + j]! += before[i]! * (vector[j]! - means[j]!);
    }
  }
}

function modelOf({ count, means, products }: PcaMonitorState, explained: number): Model {
  const size = means.length;
  const stdDevs = means.map((mean, i) =>
    Math.max(
      Math.sqrt(Math.max(0, products[i * size + i]!) / count),
      Math.abs(mean) * RELATIVE_STD_DEV_MIN,
      ABSOLUTE_STD_DEV_MIN,
    )
  );
  const correlations = products.map((product, at) =>
    product / count / (stdDevs[Math.floor(at / size)]! * stdDevs[at % size]!)
  );
  const all = symmetricEigen(correlations, size)
    .map(({ value, vector }) => ({ variance: Math.max(value, COMPONENT_VARIANCE_MIN), vector }));
  const total = all.reduce((sum, { variance }) => sum + variance, 0);
  let kept = 0;
  for (let sum = 0; kept < size && sum < explained * total - 1e-9; kept++) {
    sum += all[kept]!.variance;
  }
  return {
    means: means.slice(),
    stdDevs,
    axes: all.slice(0, kept),
    tSquaredLimit: chiSquaredLimit(kept),
    qLimit: residualLimit(all.slice(kept).map(({ variance }) => variance)),
  };
}

/** Upper limit of a chi-squared value: E. B. Wilson and M. M. Hilferty, PNAS 17, 1931. */
function chiSquaredLimit(freedom: number): number {
  const part = 2 / (9 * freedom);
  return freedom * (1 - part + LIMIT_NORMAL_QUANTILE * Math.sqrt(part)) ** 3;
}

/** Upper limit of Q for the variances of the components left out; Infinity when none is. */
function residualLimit(variances: readonly number[]): number {
  const sum = variances.reduce((total, variance) => total + variance, 0);
  if (sum === 0) return Infinity;
  const squares = variances.reduce((total, variance) => total + variance ** 2, 0);
  return squares / sum * chiSquaredLimit(sum ** 2 / squares);
}

function judgeVector(
  state: PcaMonitorState,
  { vector, model }: { readonly vector: Float64Array; readonly model: Model },
  settings: Settings,
): void {
  const standard = vector.map((value, i) =>
    Math.max(-DISTANCE_MAX, Math.min(DISTANCE_MAX, (value - model.means[i]!) / model.stdDevs[i]!))
  );
  let q = standard.reduce((sum, value) => sum + value * value, 0);
  let tSquared = 0;
  for (const { variance, vector: axis } of model.axes) {
    const along = standard.reduce((sum, value, i) => sum + value * axis[i]!, 0);
    tSquared += along * along / variance;
    q -= along * along;
  }
  state.tSquared = smoothed(state.tSquared, tSquared / model.tSquaredLimit, settings);
  state.q = smoothed(state.q, Math.max(0, q) / model.qLimit, settings);
  Object.assign(state, nextVerdict(state, Math.max(state.tSquared, state.q), settings));
}

function smoothed(before: number, ratio: number, { smoothing, threshold }: Settings): number {
  return before + smoothing * (Math.min(ratio, RATIO_MAX * threshold) - before);
}
