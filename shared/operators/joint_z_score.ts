/**
 * Detector that watches many signals of one machine together.
 *
 * Pure. Each signal has a baseline of its own (`baseline.ts`). Its distance from it is smoothed, and the
 * score is the root mean square of the smoothed distances over all signals, scaled so that it is about 1
 * while all is normal. It is the chart of C. A. Lowry, W. H. Woodall, C. W. Champ and S. E. Rigdon, "A
 * multivariate exponentially weighted moving average control chart", Technometrics 34(1), 1992, with a
 * diagonal covariance: a small change that many signals share counts as much as a large one of a single
 * signal, and one machine has one alarm.
 *
 * Invariants:
 *   1. A signal is judged once `warmUp` of its values are in its baseline; there is no score before one is.
 *   2. While the score is beyond the threshold, or the machine is anomalous and the score is not yet within
 *      `clearBelow`, no baseline learns. Only `relearnAfter` records in a row outside start new ones.
 *   3. One signal weighs at most `DISTANCE_MAX`: a broken sensor cannot hide what the others say for long. Among
 *      many signals it is no anomaly, so that is also the most its baseline learns.
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
  type Verdict,
  verdictRuleFault,
} from "./baseline.ts";

/** Most signals of one machine. */
const SIGNALS_MAX = 256;
/** Largest distance one value counts for, standard deviations. */
const DISTANCE_MAX = 20;
/** Smallest deviation assumed, as a part of the mean: quantised signals stand still for long. */
const RELATIVE_STD_DEV_MIN = 0.001;
const ABSOLUTE_STD_DEV_MIN = 1e-9;

export interface JointZScoreOptions<In> {
  /** The signals by name; what is not a finite number is passed over. */
  readonly signals: (record: In) => Readonly<Record<string, number | null | undefined>>;
  /** Score that is not normal; about 1 is. Default 4. */
  readonly threshold?: number;
  /** Values of a signal learned before it is judged; default 300. */
  readonly warmUp?: number;
  /** Values a baseline remembers; default 1500, never less than `warmUp`. */
  readonly memory?: number;
  /** Weight of the newest value in the smoothed distance, above 0 up to 1; default 0.3. */
  readonly smoothing?: number;
  /** Score below which an anomaly ends; default half the threshold. */
  readonly clearBelow?: number;
  /** Records in a row that it takes to begin or to end an anomaly; default 5. */
  readonly minConsecutive?: number;
  /** Records in a row outside the baselines after which they are the new normal; default never. */
  readonly relearnAfter?: number;
}

/** What is kept of one signal. */
export interface SignalState extends Baseline {
  readonly name: string;
  /** Smoothed distance from the mean, standard deviations. */
  readonly smoothed: number;
}

/** What is kept per key. */
export interface JointZScoreState extends Verdict {
  /** Sorted by name. */
  readonly signals: readonly SignalState[];
  readonly score: number;
  /** Records in a row from which nothing was learned. */
  readonly outside: number;
}

const INITIAL: JointZScoreState = Object.freeze({
  signals: [],
  score: 0,
  isAnomalous: false,
  evidence: 0,
  outside: 0,
});

type Settings = Required<Omit<JointZScoreOptions<unknown>, "signals">>;

/**
 * Watches many signals per key with one score.
 *
 * @throws {UserError} `bad-detector-option` if an option is out of its range.
 *
 * @example
 * ```ts
 * import { ok } from "node:assert/strict";
 * import { jointZScore } from "penstock";
 *
 * const rig = jointZScore<{ signals: Record<string, number> }>({
 *   signals: (reading) => reading.signals,
 *   warmUp: 20,
 * });
 * let state = rig.initial();
 * const see = (current: number, pressure: number) => {
 *   const reading = { signals: { current, pressure } };
 *   state = rig.step(state, rig.value(reading)!, 0, reading);
 * };
 * for (let i = 0; i < 40; i++) see(2 + i % 2, 5 - i % 2);
 * for (let i = 0; i < 20; i++) see(9, 1);
 * ok(rig.judge(state).isAnomalous);
 * ```
 */
export function jointZScore<In>(options: JointZScoreOptions<In>): Detector<In, JointZScoreState> {
  const settings = settingsOf(options, callSiteOf(jointZScore));
  return {
    name: "jointZScore",
    label: `jointZScore threshold ${settings.threshold}`,
    codecVersion: 1,
    initial: () => INITIAL,
    value: (record) => measuredSignals(options.signals(record)).size || null,
    step: (state, _count, _atMs, record) =>
      stepJoint(state, measuredSignals(options.signals(record)), settings),
    judge: ({ score, isAnomalous }) => ({
      score,
      value: score,
      threshold: settings.threshold,
      isAnomalous,
    }),
  };
}

function settingsOf<In>(options: JointZScoreOptions<In>, at: string | null): Settings {
  const { threshold = 4, warmUp = 300 } = options;
  const settings: Settings = {
    threshold,
    warmUp,
    memory: Math.max(options.memory ?? 1_500, warmUp),
    smoothing: options.smoothing ?? 0.3,
    clearBelow: options.clearBelow ?? threshold / 2,
    minConsecutive: options.minConsecutive ?? 5,
    relearnAfter: options.relearnAfter ?? Infinity,
  };
  const fault = typeof options.signals === "function"
    ? faultOf(settings)
    : "signals must be a function of the record";
  if (fault === null) return settings;
  throw new UserError("bad-detector-option", `jointZScore: ${fault}`, { at });
}

function faultOf(settings: Settings): string | null {
  if (!isCount(settings.warmUp) || settings.warmUp < 2) {
    return "warmUp must be a whole number from 2";
  }
  if (!isCount(settings.memory)) return "memory must be a whole number from 1";
  if (!(settings.smoothing > 0 && settings.smoothing <= 1)) {
    return "smoothing must be above 0 and at most 1";
  }
  if (settings.relearnAfter !== Infinity && !isCount(settings.relearnAfter)) {
    return "relearnAfter must be a whole number from 1";
  }
  return verdictRuleFault(settings);
}

/** @throws {UserError} `too-many-signals`. */
function measuredSignals(
  signals: Readonly<Record<string, number | null | undefined>> | null | undefined,
): ReadonlyMap<string, number> {
  const entries = Object.entries(signals ?? {});
  if (entries.length > SIGNALS_MAX) {
    throw new UserError(
      "too-many-signals",
      `A record has ${entries.length} signals: jointZScore watches at most ${SIGNALS_MAX}`,
    );
  }
  const values = new Map<string, number>();
  for (const [name, value] of entries) {
    const number = measured(value);
    if (number !== null) values.set(name, number);
  }
  return values;
}

function stepJoint(
  state: JointZScoreState,
  values: ReadonlyMap<string, number>,
  settings: Settings,
): JointZScoreState {
  const known = withNewSignals(state.signals, values);
  const judged = known.map((signal) => smooth(signal, values.get(signal.name), settings));
  const score = scoreOf(judged, settings);
  const isLearnable = score <= (state.isAnomalous ? settings.clearBelow : settings.threshold);
  const outside = isLearnable ? 0 : state.outside + 1;
  if (outside >= settings.relearnAfter) return INITIAL;
  return {
    ...nextVerdict(state, score, settings),
    signals: isLearnable
      ? judged.map((signal) => taught(signal, values.get(signal.name), settings))
      : judged,
    score,
    outside,
  };
}

function withNewSignals(
  signals: readonly SignalState[],
  values: ReadonlyMap<string, number>,
): readonly SignalState[] {
  const names = new Set(signals.map((signal) => signal.name));
  const added = [...values.keys()].filter((name) => !names.has(name));
  if (added.length === 0) return signals;
  const all = [...signals, ...added.map((name) => ({ ...EMPTY_BASELINE, name, smoothed: 0 }))];
  return all.sort((a, b) => a.name < b.name ? -1 : 1).slice(0, SIGNALS_MAX);
}

function smooth(signal: SignalState, value: number | undefined, settings: Settings): SignalState {
  if (value === undefined || signal.count < settings.warmUp) return signal;
  const distance = distanceFrom(signal, value, minStdDevOf(signal));
  const bounded = Math.max(-DISTANCE_MAX, Math.min(DISTANCE_MAX, distance));
  const smoothed = signal.smoothed + settings.smoothing * (bounded - signal.smoothed);
  return { ...signal, smoothed };
}

function taught(signal: SignalState, value: number | undefined, settings: Settings): SignalState {
  if (value === undefined) return signal;
  const reach = signal.count < settings.warmUp
    ? Infinity
    : DISTANCE_MAX * Math.max(Math.sqrt(signal.variance), minStdDevOf(signal));
  const near = Math.max(signal.mean - reach, Math.min(signal.mean + reach, value));
  return { ...signal, ...learn(signal, near, settings.memory) };
}

function minStdDevOf({ mean }: Baseline): number {
  return Math.max(Math.abs(mean) * RELATIVE_STD_DEV_MIN, ABSOLUTE_STD_DEV_MIN);
}

/** Root mean square of the smoothed distances, each divided by the deviation it has while all is normal. */
function scoreOf(signals: readonly SignalState[], settings: Settings): number {
  const warm = signals.filter((signal) => signal.count >= settings.warmUp);
  if (warm.length === 0) return 0;
  const variance = settings.smoothing / (2 - settings.smoothing);
  const sum = warm.reduce((total, signal) => total + signal.smoothed ** 2, 0);
  return Math.sqrt(sum / warm.length / variance);
}
