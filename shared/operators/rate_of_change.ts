/**
 * Detector that says when a signal changes faster than it can or may.
 *
 * Pure. The rate-of-change alarm of ANSI/ISA-18.2-2016, "Management of Alarm Systems for the Process Industries", and
 * the test of the same name in U. S. Integrated Ocean Observing System, "Manual for Real-Time Quality Control of
 * In-situ Temperature and Salinity Data", 2020. The rate is taken between a value and the one before it, over the
 * time between them.
 *
 *   normal ── minConsecutive rates beyond threshold ──▶ anomalous
 *   anomalous ── minConsecutive rates within clearBelow ──▶ normal
 *
 * Invariants:
 *   1. No rate is taken over a gap longer than `maxGap`, nor to a value that is not later than the one before.
 *   2. What is not a finite number changes nothing.
 *   3. A value from before the last one is what the next is compared with: one stamped by a clock that ran far
 *      ahead blinds the detector for no longer than itself.
 *
 * @module
 */
import { callSiteOf } from "@shared/sdk/call_site.ts";
import { type Duration, durationMs } from "@shared/sdk/duration.ts";
import type { Detector } from "@shared/sdk/operator.ts";
import {
  measured,
  nextVerdict,
  type Verdict,
  type VerdictRule,
  verdictRuleFault,
} from "./baseline.ts";
import {
  checkDetector,
  type Direction,
  DIRECTIONS,
  functionFault,
  positiveFault,
  sidedDistance,
  type VerdictOptions,
  verdictRuleOf,
  wordFault,
} from "./detector_options.ts";

export interface RateOfChangeOptions<In> extends VerdictOptions {
  /** The number to watch; anything but a finite number is passed over. */
  readonly value: (record: In) => number | null | undefined;
  /** Change within `per` that is not normal, in units of the signal. */
  readonly threshold: number;
  /** What the rate is given for; default `"1s"`. */
  readonly per?: Duration;
  /** Longest time between two values that are compared; default any. */
  readonly maxGap?: Duration;
  /** Which change is told; default `both`. */
  readonly direction?: Direction;
  /** Rates in a row that it takes to begin or to end an anomaly; default 1. */
  readonly minConsecutive?: number;
}

/** What is kept per key. */
export interface RateOfChangeState extends Verdict {
  /** The last value and its time, ms since the epoch; null before the first. */
  readonly last: { readonly value: number; readonly atMs: number } | null;
  /** Signed rate at the last value, in units of the signal for each `per`. */
  readonly rate: number;
}

interface Settings extends VerdictRule {
  readonly perMs: number;
  readonly maxGapMs: number;
  readonly direction: Direction;
}

const INITIAL: RateOfChangeState = Object.freeze({
  last: null,
  rate: 0,
  isAnomalous: false,
  evidence: 0,
});

/**
 * Watches how fast one number per key changes.
 *
 * @throws {UserError} `bad-detector-option` or `bad-duration` if an option is out of its range.
 *
 * @example
 * ```ts
 * import { equal } from "node:assert/strict";
 * import { rateOfChange } from "penstock";
 *
 * const heating = rateOfChange<{ celsius: number }>({
 *   value: (reading) => reading.celsius,
 *   threshold: 5,
 *   per: "1m",
 *   direction: "up",
 * });
 * let state = heating.initial();
 * const see = (celsius: number, second: number) => {
 *   state = heating.step(state, celsius, second * 1_000, { celsius });
 *   return heating.judge(state).isAnomalous;
 * };
 * see(20, 0);
 * equal(see(22, 30), false);
 * equal(see(25, 60), true);
 * ```
 */
export function rateOfChange<In>(
  options: RateOfChangeOptions<In>,
): Detector<In, RateOfChangeState> {
  const at = callSiteOf(rateOfChange);
  const { per = "1s", maxGap } = options;
  const settings: Settings = {
    ...verdictRuleOf(options, { threshold: NaN, minConsecutive: 1 }),
    perMs: durationMs(per, "per", at),
    maxGapMs: maxGap === undefined ? Infinity : durationMs(maxGap, "maxGap", at),
    direction: options.direction ?? "both",
  };
  checkDetector("rateOfChange", [
    functionFault("value", options.value),
    positiveFault("per", settings.perMs),
    settings.maxGapMs > 0 ? null : "maxGap must be longer than 0",
    wordFault("direction", settings.direction, DIRECTIONS),
    verdictRuleFault(settings),
  ], at);
  return {
    name: "rateOfChange",
    label: `rateOfChange threshold ${settings.threshold} per ${per}`,
    codecVersion: 1,
    initial: () => INITIAL,
    value: (record) => measured(options.value(record)),
    step: (state, value, atMs) => stepRate(state, { value, atMs }, settings),
    judge: ({ rate, isAnomalous }) => ({
      score: rate,
      threshold: settings.threshold,
      isAnomalous,
    }),
  };
}

function stepRate(
  state: RateOfChangeState,
  now: { readonly value: number; readonly atMs: number },
  settings: Settings,
): RateOfChangeState {
  if (measured(now.value) === null) return state;
  const { last } = state;
  if (last === null) return { ...state, last: now };
  const spanMs = now.atMs - last.atMs;
  if (spanMs === 0) return state;
  if (!(spanMs > 0 && spanMs <= settings.maxGapMs)) return { ...state, last: now };
  const rate = (now.value - last.value) / spanMs * settings.perMs;
  const verdict = nextVerdict(state, sidedDistance(rate, settings.direction), settings);
  return { ...verdict, last: now, rate };
}
