/**
 * Detector that forecasts a signal with trend and season, and says when a value is far from its forecast.
 *
 * Changes its state in place. Additive triple exponential smoothing: C. C. Holt, "Forecasting seasonals and trends by
 * exponentially weighted moving averages", ONR 52, 1957; P. R. Winters, "Forecasting sales by exponentially
 * weighted moving averages", Management Science 6, 1960. The deviation of each phase of the season is smoothed
 * too, after J. D. Brutlag, "Aberrant behavior detection in time series for network monitoring", LISA 2000. A
 * value further than `CLEAN_WITHIN` deviations from its forecast is drawn to that distance before it is learned,
 * after S. Gelper, R. Fried and C. Croux, "Robust forecasting with exponential and Holt–Winters smoothing",
 * Journal of Forecasting 29, 2010, so that an anomaly teaches little.
 *
 * The phase of a value is told by its time, so that missing values shift nothing.
 *
 *   learning ── a value in `warmUpSeasons` seasons ──▶ normal
 *   normal ── minConsecutive values beyond threshold ──▶ anomalous
 *   anomalous ── minConsecutive values within clearBelow ──▶ normal
 *
 * Invariants:
 *   1. Nothing is judged before `warmUpSeasons` seasons have gone by, nor in a phase never seen.
 *   2. What is not a finite number changes nothing, nor does a value from before the first; but a season before
 *      it, while the first season is not over, the first was stamped by a clock that ran ahead: it begins anew.
 *   3. The state holds two numbers for each phase, for ever.
 *
 * @module
 */
import { callSiteOf } from "@shared/sdk/call_site.ts";
import { type Duration, durationMs } from "@shared/sdk/duration.ts";
import type { Detector } from "@shared/sdk/operator.ts";
import { measured, nextVerdict, type VerdictRule, verdictRuleFault } from "./baseline.ts";
import {
  checkDetector,
  countFault,
  functionFault,
  positiveFault,
  type VerdictOptions,
  verdictRuleOf,
  weightFault,
} from "./detector_options.ts";

/** Most phases of a season: a week of minutes. */
const PHASES_MAX = 10_080;
/** Distance to which a value is drawn before it is learned, deviations. */
const CLEAN_WITHIN = 3;
/** Mean absolute deviation of a normal distribution, in standard deviations. */
const NORMAL_MEAN_DEVIATION = 0.7979;
/** Smallest weight of a value in the deviation of all phases: their memory. */
const DEVIATION_WEIGHT_MIN = 0.005;

export interface HoltWintersOptions<In> extends VerdictOptions {
  /** The number to watch; anything but a finite number is passed over. */
  readonly value: (record: In) => number | null | undefined;
  /** After what the pattern comes again: `"1d"`, `"7d"`. */
  readonly season: Duration;
  /** Length of a phase of the season, `"15m"`; the season divided by it is at most 10,080. */
  readonly phase: Duration;
  /** Distance from the forecast that is not normal, in deviations; default 5. */
  readonly threshold?: number;
  /** Seasons before anything is judged; default 2. */
  readonly warmUpSeasons?: number;
  /** Weight of the newest value in level, trend and season, each above 0 up to 1; default 0.05, 0.001 and 0.2. */
  readonly level?: number;
  readonly trend?: number;
  readonly seasonal?: number;
  /** Smallest deviation assumed, in units of the signal; default 1e-9. */
  readonly minDeviation?: number;
  /** Values in a row that it takes to begin or to end an anomaly; default 2. */
  readonly minConsecutive?: number;
}

/** What is kept per key. */
export interface HoltWintersState {
  level: number;
  /** Change of the level from one value to the next. */
  trend: number;
  /** What each phase adds to the level, in the first season what its values are; NaN where none was seen. */
  readonly season: Float64Array;
  /** Smoothed absolute distance from the forecast, in each phase and in all of them. */
  readonly deviations: Float64Array;
  deviation: number;
  /** Time of the first value, ms since the epoch; null before it. */
  beginMs: number | null;
  count: number;
  /** Whether the first season is over. */
  isBegun: boolean;
  /** Values that were compared with a forecast. */
  forecasts: number;
  /** Signed distance of the last value from its forecast, deviations. */
  score: number;
  isAnomalous: boolean;
  evidence: number;
}

interface Settings extends VerdictRule {
  readonly seasonMs: number;
  readonly phaseMs: number;
  readonly warmUpSeasons: number;
  readonly level: number;
  readonly trend: number;
  readonly seasonal: number;
  readonly minDeviation: number;
}

/**
 * Watches one number per key against a forecast that knows its season. Phases are counted from the epoch, in UTC.
 *
 * @throws {UserError} `bad-detector-option` or `bad-duration` if an option is out of its range.
 *
 * @example
 * ```ts
 * import { equal, ok } from "node:assert/strict";
 * import { holtWinters } from "penstock";
 *
 * const demand = holtWinters<{ kilowatts: number }>({
 *   value: (reading) => reading.kilowatts,
 *   season: "1d",
 *   phase: "1h",
 *   minConsecutive: 1,
 * });
 * let state = demand.initial();
 * const see = (kilowatts: number, hour: number) =>
 *   state = demand.step(state, kilowatts, hour * 3_600_000, { kilowatts });
 * for (let hour = 0; hour < 240; hour++) see(hour % 24 < 12 ? 50 : 80 + hour % 7, hour);
 * equal(demand.judge(state).isAnomalous, false);
 * see(80, 240); // as at noon, but it is midnight
 * ok(demand.judge(state).isAnomalous);
 * ```
 */
export function holtWinters<In>(options: HoltWintersOptions<In>): Detector<In, HoltWintersState> {
  const at = callSiteOf(holtWinters);
  const settings: Settings = {
    ...verdictRuleOf(options, { threshold: 5, minConsecutive: 2 }),
    seasonMs: durationMs(options.season, "season", at),
    phaseMs: durationMs(options.phase, "phase", at),
    warmUpSeasons: options.warmUpSeasons ?? 2,
    level: options.level ?? 0.05,
    trend: options.trend ?? 0.001,
    seasonal: options.seasonal ?? 0.2,
    minDeviation: options.minDeviation ?? 1e-9,
  };
  const phases = settings.seasonMs / settings.phaseMs;
  checkDetector("holtWinters", [
    functionFault("value", options.value),
    countFault("the season divided by the phase", phases, 2, PHASES_MAX),
    countFault("warmUpSeasons", settings.warmUpSeasons, 1, 1_000),
    weightFault("level", settings.level),
    weightFault("trend", settings.trend),
    weightFault("seasonal", settings.seasonal),
    positiveFault("minDeviation", settings.minDeviation),
    verdictRuleFault(settings),
  ], at);
  return {
    name: "holtWinters",
    label: `holtWinters season ${options.season} threshold ${settings.threshold}`,
    codecVersion: 1,
    initial: () => initialState(phases),
    value: (record) => measured(options.value(record)),
    step: (state, value, atMs) => {
      stepHoltWinters(state, { value, atMs }, settings);
      return state;
    },
    judge: ({ score, isAnomalous }) => ({ score, threshold: settings.threshold, isAnomalous }),
    expected: (state, atMs) => expectedAt(state, atMs, settings),
  };
}

function initialState(phases: number): HoltWintersState {
  return {
    level: 0,
    trend: 0,
    season: new Float64Array(phases).fill(NaN),
    deviations: new Float64Array(phases).fill(NaN),
    deviation: 0,
    beginMs: null,
    count: 0,
    isBegun: false,
    forecasts: 0,
    score: 0,
    isAnomalous: false,
    evidence: 0,
  };
}

function stepHoltWinters(
  state: HoltWintersState,
  { value, atMs }: { readonly value: number; readonly atMs: number },
  settings: Settings,
): void {
  if (measured(value) === null || !Number.isFinite(atMs)) return;
  state.beginMs ??= atMs;
  if (atMs < state.beginMs) {
    if (state.isBegun || state.beginMs - atMs < settings.seasonMs) return;
    Object.assign(state, { ...initialState(state.season.length), beginMs: atMs });
  }
  state.count++;
  const { season } = state;
  const index = phaseOf(state, atMs, settings);
  if (atMs - state.beginMs < settings.seasonMs) return learnFirst(state, index, value);
  if (!state.isBegun) begin(state);
  // A phase that the first season lacked begins as its first value has it.
  if (Number.isNaN(season[index]!)) return void (season[index] = value - state.level);
  const forecast = state.level + state.trend + season[index]!;
  const deviation = deviationOf(state, index, settings.minDeviation);
  if (atMs - state.beginMs >= settings.warmUpSeasons * settings.seasonMs) {
    state.score = (value - forecast) / deviation;
    Object.assign(state, nextVerdict(state, Math.abs(state.score), settings));
  }
  const within = state.deviation > 0 ? CLEAN_WITHIN * deviation : Infinity;
  const distance = Math.max(-within, Math.min(within, value - forecast));
  learnFrom(state, { index, forecast, distance }, settings);
}

function phaseOf({ season }: HoltWintersState, atMs: number, { phaseMs }: Settings): number {
  const phase = Math.floor(atMs / phaseMs) % season.length;
  return phase < 0 ? phase + season.length : phase;
}

function expectedAt(
  state: HoltWintersState,
  atMs: number,
  settings: Settings,
): { readonly low: number; readonly high: number } | null {
  const { beginMs, season } = state;
  const isWarm = beginMs !== null && state.isBegun &&
    atMs - beginMs >= settings.warmUpSeasons * settings.seasonMs;
  const index = phaseOf(state, atMs, settings);
  if (!isWarm || Number.isNaN(season[index]!)) return null;
  const forecast = state.level + state.trend + season[index]!;
  const reach = settings.threshold * deviationOf(state, index, settings.minDeviation);
  return { low: forecast - reach, high: forecast + reach };
}

/** The first season: the level is the mean of its values, and each phase keeps what its values are. */
function learnFirst(state: HoltWintersState, index: number, value: number): void {
  state.level += (value - state.level) / state.count;
  const own = state.season[index]!;
  state.season[index] = Number.isNaN(own) ? value : (own + value) / 2;
}

/** The first season is over: what each phase lies off the level is the season. */
function begin(state: HoltWintersState): void {
  state.isBegun = true;
  for (let phase = 0; phase < state.season.length; phase++) state.season[phase]! -= state.level;
}

function learnFrom(
  state: HoltWintersState,
  of: { readonly index: number; readonly forecast: number; readonly distance: number },
  settings: Settings,
): void {
  const { season, deviations } = state;
  const cleaned = of.forecast + of.distance;
  const before = state.level;
  state.level = settings.level * (cleaned - season[of.index]!) +
    (1 - settings.level) * (before + state.trend);
  state.trend += settings.trend * (state.level - before - state.trend);
  season[of.index]! += settings.seasonal * (cleaned - state.level - season[of.index]!);
  const size = Math.abs(of.distance);
  const own = deviations[of.index]!;
  deviations[of.index] = Number.isNaN(own) ? size : own + settings.seasonal * (size - own);
  const weight = Math.max(DEVIATION_WEIGHT_MIN, 1 / ++state.forecasts);
  state.deviation += weight * (size - state.deviation);
}

/** Standard deviation of a phase: its own, drawn half to that of all phases, of which more is known. */
function deviationOf(state: HoltWintersState, index: number, minDeviation: number): number {
  const own = state.deviations[index]!;
  const mean = Number.isNaN(own) ? state.deviation : (own + state.deviation) / 2;
  return Math.max(mean / NORMAL_MEAN_DEVIATION, minDeviation);
}
