/**
 * Detector that compares each value with the running mean and deviation of its own past.
 *
 * Pure. How the baseline is learned and forgets: `baseline.ts`.
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
import {
  type Baseline,
  distanceFrom,
  EMPTY_BASELINE,
  isCount,
  learn,
  measured,
  nextVerdict,
  rangeWithin,
  type Verdict,
  verdictRuleFault,
} from "./baseline.ts";

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
  /** Values in a row that it takes to begin or to end an anomaly; default 5. */
  readonly minConsecutive?: number;
  /** Values in a row outside the baseline after which they are the new normal; default never. */
  readonly relearnAfter?: number;
}

/** What is kept per key. */
export interface ZScoreState extends Baseline, Verdict {
  /** Signed distance of the last value, in standard deviations; 0 before warm-up. */
  readonly score: number;
  /** Values in a row that did not enter the baseline. */
  readonly outside: number;
}

const INITIAL: ZScoreState = Object.freeze({
  ...EMPTY_BASELINE,
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
 * const see = (temperature: number, atMs: number) =>
 *   state = drift.step(state, temperature, atMs, { temperature });
 * for (let i = 0; i < 20; i++) see(50 + i % 2, i);
 * for (let i = 0; i < 5; i++) see(90, 20 + i);
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
    value: (record) => measured(options.value(record)),
    step: (state, value) => stepZScore(state, value, settings),
    judge: (state) => ({
      score: state.score,
      threshold: settings.threshold,
      isAnomalous: state.isAnomalous,
    }),
    expected: (state) =>
      state.count < settings.warmUp
        ? null
        : rangeWithin(state, settings.threshold, settings.minStdDev),
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
    minConsecutive: options.minConsecutive ?? 5,
    relearnAfter: options.relearnAfter ?? Infinity,
  };
  const fault = faultOf(options, settings);
  if (fault !== null) throw new UserError("bad-detector-option", `zScore: ${fault}`, { at });
  return settings;
}

function faultOf<In>(options: ZScoreOptions<In>, settings: Settings): string | null {
  if (typeof options.value !== "function") return "value must be a function of the record";
  if (!isCount(settings.warmUp) || settings.warmUp < 2) {
    return "warmUp must be a whole number from 2";
  }
  if (!isCount(settings.memory)) return "memory must be a whole number from 1";
  if (settings.relearnAfter !== Infinity && !isCount(settings.relearnAfter)) {
    return "relearnAfter must be a whole number from 1";
  }
  if (!(settings.minStdDev > 0 && settings.minStdDev < Infinity)) {
    return "minStdDev must be a number above 0";
  }
  if (!["both", "up", "down"].includes(settings.direction)) {
    return `direction must be "both", "up" or "down"`;
  }
  return verdictRuleFault(settings);
}

function stepZScore(state: ZScoreState, value: number, settings: Settings): ZScoreState {
  if (measured(value) === null) return state;
  const { memory, threshold, clearBelow } = settings;
  if (state.count < settings.warmUp) return { ...state, ...learn(state, value, memory) };
  const score = distanceFrom(state, value, settings.minStdDev);
  const isLearnable = Math.abs(score) <= (state.isAnomalous ? clearBelow : threshold);
  const outside = isLearnable ? 0 : state.outside + 1;
  if (outside >= settings.relearnAfter) return { ...INITIAL, ...learn(INITIAL, value, memory) };
  return {
    ...(isLearnable ? learn(state, value, memory) : baselineOf(state)),
    ...nextVerdict(state, sidedDistance(score, settings.direction), settings),
    score,
    outside,
  };
}

function baselineOf({ count, mean, variance }: Baseline): Baseline {
  return { count, mean, variance };
}

function sidedDistance(score: number, direction: Settings["direction"]): number {
  switch (direction) {
    case "both":
      return Math.abs(score);
    case "up":
      return score;
    case "down":
      return -score;
  }
}
