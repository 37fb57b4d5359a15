/**
 * Detector that says when a signal is above its high limit or below its low one.
 *
 * Pure. The alarm limit with deadband and on-delay of ANSI/ISA-18.2-2016, "Management of Alarm Systems for the
 * Process Industries", and EEMUA 191: a value that trembles at the limit is one anomaly, which ends only when the
 * value has come back by the deadband.
 *
 *   normal ── minConsecutive values beyond a limit ──▶ anomalous
 *   anomalous ── minConsecutive values inside both limits by the deadband ──▶ normal
 *
 * Invariants:
 *   1. What is not a finite number changes nothing.
 *
 * @module
 */
import { callSiteOf } from "@shared/sdk/call_site.ts";
import type { Detector } from "@shared/sdk/operator.ts";
import { measured, nextVerdict, type Verdict } from "./baseline.ts";
import { checkDetector, countFault, functionFault } from "./detector_options.ts";

/** One of `high` and `low` must be given. */
export interface LimitOptions<In> {
  /** The number to watch; anything but a finite number is passed over. */
  readonly value: (record: In) => number | null | undefined;
  /** Values above it are not normal; none unless given. */
  readonly high?: number;
  /** Values below it are not normal; none unless given. */
  readonly low?: number;
  /** How far inside the limits an anomaly ends, in units of the signal; default 0. */
  readonly deadband?: number;
  /** Values in a row that it takes to begin or to end an anomaly; default 1. */
  readonly minConsecutive?: number;
}

/** What is kept per key. */
export interface LimitState extends Verdict {
  /** How far the last value lies beyond a limit, in units of the signal; below 0 inside. */
  readonly excess: number;
}

interface Settings {
  readonly high: number;
  readonly low: number;
  readonly deadband: number;
  readonly minConsecutive: number;
}

/** A value is beyond, 1, or it is not, 0. */
const EITHER = { threshold: 0.5, clearBelow: 0.5 };

const INITIAL: LimitState = Object.freeze({ excess: 0, isAnomalous: false, evidence: 0 });

/**
 * Watches one number per key against fixed limits. The score is how far it is beyond one of them.
 *
 * @throws {UserError} `bad-detector-option` if an option is out of its range.
 *
 * @example
 * ```ts
 * import { equal } from "node:assert/strict";
 * import { limit } from "penstock";
 *
 * const tank = limit<{ level: number }>({
 *   value: (reading) => reading.level,
 *   high: 90,
 *   low: 10,
 *   deadband: 2,
 * });
 * let state = tank.initial();
 * const see = (level: number) => {
 *   state = tank.step(state, level, 0, { level });
 *   return tank.judge(state).isAnomalous;
 * };
 * equal(see(89), false);
 * equal(see(91), true);
 * equal(see(89), true);
 * equal(see(87), false);
 * ```
 */
export function limit<In>(options: LimitOptions<In>): Detector<In, LimitState> {
  const settings: Settings = {
    high: options.high ?? Infinity,
    low: options.low ?? -Infinity,
    deadband: options.deadband ?? 0,
    minConsecutive: options.minConsecutive ?? 1,
  };
  checkDetector("limit", [
    functionFault("value", options.value),
    limitsFault(settings),
    countFault("minConsecutive", settings.minConsecutive, 1, 1e9),
  ], callSiteOf(limit));
  return {
    name: "limit",
    label: `limit ${labelOf(options)}`,
    codecVersion: 1,
    initial: () => INITIAL,
    value: (record) => measured(options.value(record)),
    step: (state, value) => stepLimit(state, value, settings),
    judge: ({ excess, isAnomalous }) => ({ score: excess, threshold: 0, isAnomalous }),
    expected: () => ({
      low: Number.isFinite(settings.low) ? settings.low : null,
      high: Number.isFinite(settings.high) ? settings.high : null,
    }),
  };
}

function limitsFault({ high, low, deadband }: Settings): string | null {
  if (Number.isNaN(high) || Number.isNaN(low)) return "high and low must be numbers";
  if (high === Infinity && low === -Infinity) return "one of high and low must be given";
  if (!(deadband >= 0 && deadband < Infinity)) return "deadband must be a number from 0";
  return high - low > 2 * deadband
    ? null
    : "high must be above low by more than twice the deadband, or nothing is normal";
}

function labelOf({ high, low }: Pick<LimitOptions<never>, "high" | "low">): string {
  return [low === undefined ? "" : `low ${low}`, high === undefined ? "" : `high ${high}`]
    .filter((part) => part !== "").join(" ");
}

function stepLimit(state: LimitState, value: number, settings: Settings): LimitState {
  if (measured(value) === null) return state;
  const excess = Math.max(value - settings.high, settings.low - value);
  const isBeyond = excess > (state.isAnomalous ? -settings.deadband : 0);
  return { ...nextVerdict(state, isBeyond ? 1 : 0, { ...EITHER, ...settings }), excess };
}
