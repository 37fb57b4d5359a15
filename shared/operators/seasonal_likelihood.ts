/**
 * Detector that says how unlikely a value is for this hour of the day and of the week.
 *
 * Changes its state in place. Two profiles are learned, a running mean for each hour of the day and for each
 * hour of the week. Three sizes are taken of each value: how far it is from the week's profile, the same
 * smoothed, and smoothed how far it is from the day's. For each the probability of a size as large is told from
 * its own past (`tail_sketch.ts`), and the surprises, decades of these probabilities, are added: R. A. Fisher's
 * way to combine tests, "Statistical Methods for Research Workers", 4th edition, 1932, section 21.1. That the
 * tail of prediction errors is judged instead of the errors is after A. Lavin and S. Ahmad, "Evaluating
 * real-time anomaly detection algorithms: the Numenta Anomaly Benchmark", ICMLA 2015.
 *
 * What is rare happens sooner or later when many values are judged, so the score is lowered by the decades of
 * the values seen beyond a thousand, weighed. After an anomaly the score stays 0 for a while unless it
 * exceeds the one before: the first record of an anomaly says it, and the rest are no news.
 *
 *   quiet ── score beyond threshold ──▶ anomalous ── score within it ──▶ quiet
 *
 * Invariants:
 *   1. A size is judged once `warmUp` of its kind are counted; before, it adds nothing.
 *   2. A value that is not a finite number changes nothing.
 *   3. The state has the same number of numbers for ever.
 *   4. Once distances are judged, one teaches at most `TAUGHT_MAX` times the largest of late: an absurd value does
 *      not hide what comes after it.
 *
 * @module
 */
import { callSiteOf } from "@shared/sdk/call_site.ts";
import type { Detector } from "@shared/sdk/operator.ts";
import { measured } from "./baseline.ts";
import { checkDetector, countFault, functionFault, positiveFault } from "./detector_options.ts";
import { addSize, createTailSketch, surpriseOf, type TailSketch } from "./tail_sketch.ts";

const HOUR_MS = 3_600_000;
const DAY_HOURS = 24;
const WEEK_HOURS = 168;
/** Values of an hour that its mean remembers. */
const PROFILE_MEMORY = 100;
/** Weight of the newest distance in the smoothed ones. */
const DAY_SMOOTHING = 1 / 4;
const WEEK_SMOOTHING = 1 / 3;
/** Largest distance learned, in the largest one of late. */
const TAUGHT_MAX = 30;
/** Values seen from which on the score is lowered, and by how many decades for each decade of them. */
const TRIALS_FROM = 1_000;
const TRIALS_WEIGHT = 0.75;
/** Part of the values seen for which an anomaly silences what is not worse, beside `quietRecords`. */
const QUIET_PART = 0.05;

export interface SeasonalLikelihoodOptions<In> {
  /** The number to watch; anything but a finite number is passed over. */
  readonly value: (record: In) => number | null | undefined;
  /** Decades of improbability that are an anomaly; default 7. */
  readonly threshold?: number;
  /** Distances counted before a distance is judged; default 300. */
  readonly warmUp?: number;
  /** Records for which an anomaly silences what is not worse, beside 5 % of those seen; default 50. */
  readonly quietRecords?: number;
}

/** Mean and count of the values of each hour. */
interface Profile {
  readonly means: Float64Array;
  readonly counts: Float64Array;
}

/** A distance that is smoothed, and how rare its sizes are. */
interface Smoothed {
  value: number;
  readonly tail: TailSketch;
}

/** What is kept per key. */
export interface SeasonalLikelihoodState {
  readonly day: Profile;
  readonly week: Profile;
  readonly dayDistance: Smoothed;
  readonly weekDistance: Smoothed;
  readonly weekTail: TailSketch;
  /** Values seen. */
  count: number;
  /** Largest score of the anomaly that silences, and records for which it still does. */
  loudest: number;
  quietLeft: number;
  score: number;
}

type Settings = Required<Omit<SeasonalLikelihoodOptions<unknown>, "value">>;

/**
 * Watches one number per key for what is unlikely at its time of day and week. Hours are those of UTC.
 *
 * @throws {UserError} `bad-detector-option` if an option is out of its range.
 *
 * @example
 * ```ts
 * import { equal, ok } from "node:assert/strict";
 * import { seasonalLikelihood } from "penstock";
 *
 * const demand = seasonalLikelihood<{ kilowatts: number }>({ value: (reading) => reading.kilowatts });
 * let state = demand.initial();
 * const HOUR_MS = 3_600_000;
 * const see = (kilowatts: number, hour: number) =>
 *   state = demand.step(state, kilowatts, hour * HOUR_MS, { kilowatts });
 * for (let hour = 0; hour < 1_000; hour++) see(hour % 24 < 12 ? 50 : 80 + hour % 7, hour);
 * equal(demand.judge(state).isAnomalous, false);
 * see(150, 1_000);
 * ok(demand.judge(state).isAnomalous);
 * ```
 */
export function seasonalLikelihood<In>(
  options: SeasonalLikelihoodOptions<In>,
): Detector<In, SeasonalLikelihoodState> {
  const settings: Settings = {
    threshold: options.threshold ?? 7,
    warmUp: options.warmUp ?? 300,
    quietRecords: options.quietRecords ?? 50,
  };
  checkDetector("seasonalLikelihood", [
    functionFault("value", options.value),
    positiveFault("threshold", settings.threshold),
    countFault("warmUp", settings.warmUp, 10, 5_000),
    countFault("quietRecords", settings.quietRecords, 1, 1_000_000),
  ], callSiteOf(seasonalLikelihood));
  return {
    name: "seasonalLikelihood",
    label: `seasonalLikelihood threshold ${settings.threshold}`,
    codecVersion: 1,
    initial: initialState,
    value: (record) => measured(options.value(record)),
    step: (state, value, atMs) => {
      stepLikelihood(state, { value, atMs }, settings);
      return state;
    },
    judge: ({ score }) => ({
      score,
      threshold: settings.threshold,
      isAnomalous: score >= settings.threshold,
    }),
  };
}

function initialState(): SeasonalLikelihoodState {
  return {
    day: createProfile(DAY_HOURS),
    week: createProfile(WEEK_HOURS),
    dayDistance: { value: 0, tail: createTailSketch() },
    weekDistance: { value: 0, tail: createTailSketch() },
    weekTail: createTailSketch(),
    count: 0,
    loudest: 0,
    quietLeft: 0,
    score: 0,
  };
}

function createProfile(hours: number): Profile {
  return { means: new Float64Array(hours), counts: new Float64Array(hours) };
}

function stepLikelihood(
  state: SeasonalLikelihoodState,
  { value, atMs }: { value: number; atMs: number },
  settings: Settings,
): void {
  if (measured(value) === null || !Number.isFinite(atMs)) return;
  const hour = Math.floor(atMs / HOUR_MS);
  const { warmUp } = settings;
  const most = mostTaught(state, warmUp);
  const fromDay = takeIn(state.day, modulo(hour, DAY_HOURS), { value, most });
  const fromWeek = takeIn(state.week, modulo(hour, WEEK_HOURS), { value, most });
  let surprise = 0;
  if (fromDay !== null) {
    surprise += smoothedSurprise(state.dayDistance, fromDay, { weight: DAY_SMOOTHING, warmUp });
  }
  if (fromWeek !== null) {
    const weight = WEEK_SMOOTHING;
    surprise += countedSurprise(state.weekTail, Math.abs(fromWeek), warmUp);
    surprise += smoothedSurprise(state.weekDistance, fromWeek, { weight, warmUp });
  }
  state.count++;
  const trials = TRIALS_WEIGHT * Math.log10(state.count / TRIALS_FROM);
  state.score = news(state, Math.max(0, surprise - Math.max(0, trials)), settings);
}

/** Largest distance that is learned now; any before distances are judged, and while none was above zero. */
function mostTaught({ dayDistance, weekTail }: SeasonalLikelihoodState, warmUp: number): number {
  const largest = Math.max(dayDistance.tail.largest, weekTail.largest);
  return dayDistance.tail.count < warmUp || largest === 0 ? Infinity : TAUGHT_MAX * largest;
}

/** Distance of a value from the mean of its hour, which then has it; null when it is the first. */
function takeIn(
  { means, counts }: Profile,
  hour: number,
  { value, most }: { readonly value: number; readonly most: number },
): number | null {
  const count = counts[hour]!;
  const far = value - means[hour]!;
  const distance = count === 0 ? far : Math.max(-most, Math.min(most, far));
  counts[hour] = Math.min(count + 1, PROFILE_MEMORY);
  means[hour]! += distance / counts[hour]!;
  return count === 0 ? null : distance;
}

/** Surprise at a smoothed distance that takes one more in. */
function smoothedSurprise(
  of: Smoothed,
  distance: number,
  { weight, warmUp }: { readonly weight: number; readonly warmUp: number },
): number {
  of.value += weight * (distance - of.value);
  return countedSurprise(of.tail, Math.abs(of.value), warmUp);
}

function countedSurprise(tail: TailSketch, size: number, warmUp: number): number {
  const surprise = tail.count < warmUp ? 0 : surpriseOf(tail, size);
  addSize(tail, size);
  return surprise;
}

/** The score if it is news, else 0. */
function news(state: SeasonalLikelihoodState, score: number, settings: Settings): number {
  if (state.quietLeft > 0) state.quietLeft--;
  else state.loudest = 0;
  if (score <= state.loudest) return 0;
  state.loudest = score;
  state.quietLeft = Math.round(settings.quietRecords + QUIET_PART * state.count);
  return score;
}

function modulo(value: number, by: number): number {
  return (value % by + by) % by;
}
