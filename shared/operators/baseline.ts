/**
 * What is normal for one signal: running mean and variance, and the verdict on values against them.
 *
 * Pure. The first `memory` values weigh the same, then older ones fade exponentially, so a baseline follows
 * a normal that moves slowly: B. P. Welford, "Note on a method for calculating corrected sums of squares and
 * products", Technometrics 4(3), 1962; T. Finch, "Incremental calculation of weighted mean and variance",
 * University of Cambridge, 2009, section 9.
 *
 * @module
 */

export interface Baseline {
  /** Values taken in, at most `memory`. */
  readonly count: number;
  readonly mean: number;
  readonly variance: number;
}

export const EMPTY_BASELINE: Baseline = Object.freeze({ count: 0, mean: 0, variance: 0 });

/** Beyond this a value is no measurement: its square would leave the range of numbers. */
const VALUE_MAX = 1e150;

/** `value` if it is a number that can be measured, else null. */
export function measured(value: unknown): number | null {
  return typeof value === "number" && Math.abs(value) <= VALUE_MAX ? value : null;
}

/** The baseline with `value` in it. */
export function learn(baseline: Baseline, value: number, memory: number): Baseline {
  const count = Math.min(baseline.count + 1, memory);
  const weight = 1 / count;
  const difference = value - baseline.mean;
  return {
    count,
    mean: baseline.mean + weight * difference,
    variance: (1 - weight) * (baseline.variance + weight * difference * difference),
  };
}

/** Signed distance of `value` from the mean, in standard deviations of at least `minStdDev`. */
export function distanceFrom(baseline: Baseline, value: number, minStdDev: number): number {
  return (value - baseline.mean) / Math.max(Math.sqrt(baseline.variance), minStdDev);
}

/** The values within `distance` standard deviations of the mean. */
export function rangeWithin(
  baseline: Baseline,
  distance: number,
  minStdDev: number,
): { readonly low: number; readonly high: number } {
  const reach = distance * Math.max(Math.sqrt(baseline.variance), minStdDev);
  return { low: baseline.mean - reach, high: baseline.mean + reach };
}

/** Standard deviations that charts draw around a mean where the judged statistic is not the value itself. */
export const SHOWN_DISTANCE = 3;

/** Whether a signal is anomalous, with hysteresis and evidence so that it does not chatter. */
export interface Verdict {
  readonly isAnomalous: boolean;
  /** Values in a row that speak against `isAnomalous`. */
  readonly evidence: number;
}

export interface VerdictRule {
  /** Distance above which a value speaks for an anomaly. */
  readonly threshold: number;
  /** Distance below which a value speaks for its end; at most `threshold`. */
  readonly clearBelow: number;
  /** Values in a row that it takes to turn the verdict. */
  readonly minConsecutive: number;
}

/** The verdict after one more value at `distance`. */
export function nextVerdict(verdict: Verdict, distance: number, rule: VerdictRule): Verdict {
  const speaksAgainst = verdict.isAnomalous
    ? distance < rule.clearBelow
    : distance > rule.threshold;
  const evidence = speaksAgainst ? verdict.evidence + 1 : 0;
  return evidence < rule.minConsecutive
    ? { isAnomalous: verdict.isAnomalous, evidence }
    : { isAnomalous: !verdict.isAnomalous, evidence: 0 };
}

/** What is wrong with a rule, or null. */
export function verdictRuleFault(rule: VerdictRule): string | null {
  if (!(rule.threshold > 0 && rule.threshold < Infinity)) {
    return "threshold must be a number above 0";
  }
  if (!(rule.clearBelow > 0 && rule.clearBelow <= rule.threshold)) {
    return "clearBelow must be above 0 and at most the threshold";
  }
  return isCount(rule.minConsecutive) ? null : "minConsecutive must be a whole number from 1";
}

/** Whether `value` is a whole number from 1. */
export function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}
