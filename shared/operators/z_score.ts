/**
 * Detector that compares each value with the running mean and deviation of its own past.
 *
 * Pure. The baseline is learned with equal weights while it is short and forgets exponentially from
 * `memory` values on, so it follows a signal whose normal moves slowly: B. P. Welford, "Note on a method
 * for calculating corrected sums of squares and products", Technometrics 4(3), 1962; T. Finch,
 * "Incremental calculation of weighted mean and variance", University of Cambridge, 2009, section 9.
 *
 *   normal ── minConsecutive values beyond threshold ──▶ anomalous
 *   anomalous ── minConsecutive values within clearBelow ──▶ normal
 *
 * Invariants:
 *   1. Nothing is anomalous before `warmUp` values are in the baseline.
 *   2. After warm-up a value beyond the threshold never enters the baseline, and while a signal is
 *      anomalous only values within `clearBelow` do: an anomaly cannot teach that it is normal. Only
 *      `relearnAfter` values in a row outside the baseline start a new one.
 *   3. A value that is not a finite number changes nothing.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import { callSiteOf } from "@shared/sdk/call_site.ts";
import type { Detector } from "@shared/sdk/operator.ts";

export interface ZScoreOptions<In> {
  /** The number to watch; anything but a finite number is passed over. */
  readonly value: (record: In) => number | null | undefined;
  /** Distance from the mean, in standard deviations, that is not normal. */
  readonly threshold: number;
  /** Values learned before anything is judged; default 100. */
  readonly warmUp?: number;
  /** Values the baseline remembers; default 1000, never less than `warmUp`. */
  readonly memory?: number;
  /** Which side is not normal; default `both`. */
  readonly direction?: "both" | "up" | "down";
  /** Smallest deviation assumed, in units of the signal: keeps a constant signal from being judged by its noise floor; default 1e-9. */
  readonly minStdDev?: number;
  /** Distance below which an anomaly ends; default half the threshold. */
  readonly clearBelow?: number;
  /** Values in a row that it takes to begin or to end an anomaly; default 3. */
  readonly minConsecutive?: number;
  /** Values in a row outside the baseline after which they are the new normal; default never. */
  readonly relearnAfter?: number;
}

/** What is kept per key. */
export interface ZScoreState {
  /** Values in the baseline. */
  readonly count: number;
  readonly mean: number;
  readonly variance: number;
  /** Signed distance of the last value, in standard deviations; 0 before warm-up. */
  readonly score: number;
  readonly isAnomalous: boolean;
  /** Values in a row that speak against `isAnomalous`. */
  readonly evidence: number;
  /** Values in a row that did not enter the baseline. */
  readonly outside: number;
}

const INITIAL: ZScoreState = Object.freeze({
  count: 0,
  mean: 0,
  variance: 0,
  score: 0,
  isAnomalous: false,
  evidence: 0,
  outside: 0,
});

type Settings = Required<Omit<ZScoreOptions<unknown>, "value">>;

/**
 * Watches one number per key with a z-score.
 *
 * @throws {UserError} `bad-detector-option` if an option is out of its range.
 *
 * @example
 * ```ts
 * import { ok } from "node:assert/strict";
 * import { zScore } from "penstock";
 *
 * const drift = zScore<{ temperature: number }>({
 *   value: (reading) => reading.temperature,
 *   threshold: 4,
 *   warmUp: 10,
 * });
 * let state = drift.initial();
 * for (let i = 0; i < 20; i++) state = drift.step(state, 50 + i % 2, i);
 * for (let i = 0; i < 3; i++) state = drift.step(state, 90, 20 + i);
 * ok(drift.judge(state).isAnomalous);
 * ```
 */
export function zScore<In>(options: ZScoreOptions<In>): Detector<In, ZScoreState> {
  const settings = settingsOf(options, callSiteOf(zScore));
  return {
    name: "zScore",
    label: `zScore threshold ${settings.threshold}`,
    codecVersion: 1,
    initial: () => INITIAL,
    value: (record) => {
      const value = options.value(record);
      return typeof value === "number" && Number.isFinite(value) ? value : null;
    },
    step: (state, value) => stepZScore(state, value, settings),
    judge: (state) => ({
      score: state.score,
      threshold: settings.threshold,
      isAnomalous: state.isAnomalous,
    }),
  };
}

function settingsOf<In>(options: ZScoreOptions<In>, at: string | null): Settings {
  const { threshold, warmUp = 100 } = options;
  const settings: Settings = {
    threshold,
    warmUp,
    memory: Math.max(options.memory ?? 1_000, warmUp),
    direction: options.direction ?? "both",
    minStdDev: options.minStdDev ?? 1e-9,
    clearBelow: options.clearBelow ?? threshold / 2,
    minConsecutive: options.minConsecutive ?? 3,
    relearnAfter: options.relearnAfter ?? Infinity,
  };
  const fault = faultOf(options, settings);
  if (fault !== null) throw new UserError("bad-detector-option", `zScore: ${fault}`, { at });
  return settings;
}

function faultOf<In>(options: ZScoreOptions<In>, settings: Settings): string | null {
  const isWhole = (value: number) => Number.isSafeInteger(value) && value >= 1;
  if (typeof options.value !== "function") return "value must be a function of the record";
  if (!(settings.threshold > 0 && settings.threshold < Infinity)) {
    return "threshold must be a number above 0";
  }
  if (!isWhole(settings.warmUp) || settings.warmUp < 2) {
    return "warmUp must be a whole number from 2";
  }
  if (!isWhole(settings.memory)) return "memory must be a whole number from 1";
  if (!isWhole(settings.minConsecutive)) return "minConsecutive must be a whole number from 1";
  if (settings.relearnAfter !== Infinity && !isWhole(settings.relearnAfter)) {
    return "relearnAfter must be a whole number from 1";
  }
  if (!(settings.minStdDev > 0 && settings.minStdDev < Infinity)) {
    return "minStdDev must be a number above 0";
  }
  if (!(settings.clearBelow > 0 && settings.clearBelow <= settings.threshold)) {
    return "clearBelow must be above 0 and at most the threshold";
  }
  if (!["both", "up", "down"].includes(settings.direction)) {
    return `direction must be "both", "up" or "down"`;
  }
  return null;
}

function stepZScore(state: ZScoreState, value: number, settings: Settings): ZScoreState {
  if (!Number.isFinite(value)) return state;
  if (state.count < settings.warmUp) return learned(state, value, settings);
  const score = (value - state.mean) / Math.max(Math.sqrt(state.variance), settings.minStdDev);
  const distance = settings.direction === "both"
    ? Math.abs(score)
    : settings.direction === "up"
    ? score
    : -score;
  const speaksAgainst = state.isAnomalous
    ? distance < settings.clearBelow
    : distance > settings.threshold;
  const evidence = speaksAgainst ? state.evidence + 1 : 0;
  const isTurning = evidence >= settings.minConsecutive;
  const isLearnable = Math.abs(score) <=
    (state.isAnomalous ? settings.clearBelow : settings.threshold);
  const outside = isLearnable ? 0 : state.outside + 1;
  if (outside >= settings.relearnAfter) return learned(INITIAL, value, settings);
  const judged: ZScoreState = {
    ...state,
    score,
    outside,
    isAnomalous: isTurning ? !state.isAnomalous : state.isAnomalous,
    evidence: isTurning ? 0 : evidence,
  };
  return isLearnable ? learned(judged, value, settings) : judged;
}

/** Takes `value` into the baseline; the first `memory` values weigh the same, then older ones fade. */
function learned(state: ZScoreState, value: number, settings: Settings): ZScoreState {
  const count = Math.min(state.count + 1, settings.memory);
  const weight = 1 / count;
  const difference = value - state.mean;
  return {
    ...state,
    count,
    mean: state.mean + weight * difference,
    variance: (1 - weight) * (state.variance + weight * difference * difference),
  };
}
