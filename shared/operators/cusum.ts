/**
 * Detector that sums up how far values lie off their mean, and says when a sum has grown too large.
 *
 * Pure. The two-sided tabular CUSUM of E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954, in standard
 * deviations of a learned baseline (`baseline.ts`). Each value adds its distance less `slack`; a sum never falls
 * below 0. It finds a small shift that lasts in the fewest values, and tells its side.
 *
 *   normal ── a sum beyond threshold ──▶ anomalous ── both sums within clearBelow ──▶ normal
 *
 * Invariants:
 *   1. Nothing is judged before `warmUp` values are in the baseline.
 *   2. The baseline learns only while nothing is anomalous and no sum is beyond half the threshold.
 *   3. A sum is at most twice the threshold, so that the end of a long anomaly is found as fast as its onset.
 *   4. What is not a finite number changes nothing.
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
  positiveFault,
  sidedSum,
  type VerdictOptions,
  verdictRuleOf,
} from "./detector_options.ts";

export interface CusumOptions<In> extends VerdictOptions {
  /** The number to watch; anything but a finite number is passed over. */
  readonly value: (record: In) => number | null | undefined;
  /** Sum that is not normal, standard deviations; default 8. */
  readonly threshold?: number;
  /** What is taken off each distance: half the shift to be found, standard deviations; default 0.5. */
  readonly slack?: number;
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
export interface CusumState extends Baseline, Verdict {
  /** Sum of what lies above the mean, and of what lies below; standard deviations. */
  readonly above: number;
  readonly below: number;
}

interface Settings extends VerdictRule, ChartRule {
  readonly slack: number;
}

const INITIAL: CusumState = Object.freeze({
  ...EMPTY_BASELINE,
  above: 0,
  below: 0,
  isAnomalous: false,
  evidence: 0,
});

/**
 * Watches one number per key with a CUSUM chart.
 *
 * @throws {UserError} `bad-detector-option` if an option is out of its range.
 *
 * @example
 * ```ts
 * import { equal, ok } from "node:assert/strict";
 * import { cusum } from "penstock";
 *
 * const leak = cusum<{ level: number }>({ value: (reading) => reading.level, direction: "down" });
 * let state = leak.initial();
 * const see = (level: number) => state = leak.step(state, level, 0, { level });
 * for (let i = 0; i < 200; i++) see(80 + i % 7);
 * equal(leak.judge(state).isAnomalous, false);
 * for (let i = 0; i < 20; i++) see(77 + i % 7);
 * ok(leak.judge(state).isAnomalous);
 * ```
 */
export function cusum<In>(options: CusumOptions<In>): Detector<In, CusumState> {
  const settings: Settings = {
    ...verdictRuleOf(options, { threshold: 8, minConsecutive: 1 }),
    ...chartRuleOf(options),
    slack: options.slack ?? 0.5,
  };
  checkDetector("cusum", [
    functionFault("value", options.value),
    positiveFault("slack", settings.slack),
    ...chartFaults(settings),
    verdictRuleFault(settings),
  ], callSiteOf(cusum));
  return {
    name: "cusum",
    label: `cusum threshold ${settings.threshold}`,
    codecVersion: 1,
    initial: () => INITIAL,
    value: (record) => measured(options.value(record)),
    step: (state, value) => stepCusum(state, value, settings),
    judge: (state) => ({
      score: sidedSum(state.above, state.below, settings.direction),
      threshold: settings.threshold,
      isAnomalous: state.isAnomalous,
    }),
    expected: (state) =>
      state.count < settings.warmUp ? null : rangeWithin(state, SHOWN_DISTANCE, settings.minStdDev),
  };
}

function stepCusum(state: CusumState, value: number, settings: Settings): CusumState {
  if (measured(value) === null) return state;
  const { slack, threshold, memory } = settings;
  if (state.count < settings.warmUp) return { ...state, ...learn(state, value, memory) };
  const distance = distanceFrom(state, value, settings.minStdDev);
  const above = bounded(state.above + distance - slack, threshold);
  const below = bounded(state.below - distance - slack, threshold);
  const isLearnable = !state.isAnomalous && Math.max(above, below) <= threshold / 2;
  const sum = sidedSum(above, below, settings.direction);
  return {
    ...state,
    ...(isLearnable ? learn(state, value, memory) : {}),
    ...nextVerdict(state, sum, settings),
    above,
    below,
  };
}

function bounded(sum: number, threshold: number): number {
  return Math.max(0, Math.min(sum, 2 * threshold));
}
