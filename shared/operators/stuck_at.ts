/**
 * Detector that says when a signal has stood still for longer than it does while its sensor works.
 *
 * Pure. The flat-line test of U. S. Integrated Ocean Observing System, "Manual for Real-Time Quality Control of In-situ
 * Temperature and Salinity Data", 2020, and the stuck-at fault of
 * A. B. Sharma, L. Golubchik and R. Govindan, "Sensor faults: detection methods and prevalence in real-world
 * datasets", ACM Transactions on Sensor Networks 6(3), 2010: a signal of the physical world always has some noise.
 *
 *   moving ── no value further than deadband from the first for `after` ──▶ stuck ── one that is ──▶ moving
 *
 * Invariants:
 *   1. Standing still at a value for which `isNormalAt` holds is normal.
 *   2. What is not a finite number changes nothing: a signal that is away is not stuck.
 *
 * @module
 */
import { callSiteOf } from "@shared/sdk/call_site.ts";
import { type Duration, durationMs } from "@shared/sdk/duration.ts";
import type { Detector } from "@shared/sdk/operator.ts";
import { measured } from "./baseline.ts";
import { checkDetector, functionFault, positiveFault } from "./detector_options.ts";

export interface StuckAtOptions<In> {
  /** The number to watch; anything but a finite number is passed over. */
  readonly value: (record: In) => number | null | undefined;
  /** Time without movement that is not normal. */
  readonly after: Duration;
  /** Largest distance that is no movement, in units of the signal; default 0. */
  readonly deadband?: number;
  /** Where the signal may stand still: 0 of a machine that is off. Default nowhere. */
  readonly isNormalAt?: (value: number) => boolean;
}

/** What is kept per key. */
export interface StuckAtState {
  /** The value at which the signal stands, and since when, ms since the epoch; null before the first. */
  readonly at: { readonly value: number; readonly sinceMs: number } | null;
  /** How long it has stood there, ms; 0 where that is normal. */
  readonly stillMs: number;
}

const INITIAL: StuckAtState = Object.freeze({ at: null, stillMs: 0 });

interface Settings {
  readonly afterMs: number;
  readonly deadband: number;
  readonly isNormalAt: (value: number) => boolean;
}

/**
 * Watches one number per key for standing still. The score is the time without movement, ms.
 *
 * @throws {UserError} `bad-detector-option` or `bad-duration` if an option is out of its range.
 *
 * @example
 * ```ts
 * import { equal } from "node:assert/strict";
 * import { stuckAt } from "penstock";
 *
 * const sensor = stuckAt<{ humidity: number }>({
 *   value: (reading) => reading.humidity,
 *   after: "10m",
 * });
 * let state = sensor.initial();
 * const see = (humidity: number, minute: number) => {
 *   state = sensor.step(state, humidity, minute * 60_000, { humidity });
 *   return sensor.judge(state).isAnomalous;
 * };
 * see(40.1, 0);
 * equal(see(40.1, 9), false);
 * equal(see(40.1, 10), true);
 * equal(see(40.2, 11), false);
 * ```
 */
export function stuckAt<In>(options: StuckAtOptions<In>): Detector<In, StuckAtState> {
  const at = callSiteOf(stuckAt);
  const settings: Settings = {
    afterMs: durationMs(options.after, "after", at),
    deadband: options.deadband ?? 0,
    isNormalAt: options.isNormalAt ?? (() => false),
  };
  checkDetector("stuckAt", [
    functionFault("value", options.value),
    positiveFault("after", settings.afterMs),
    settings.deadband >= 0 && settings.deadband < Infinity
      ? null
      : "deadband must be a number from 0",
    typeof settings.isNormalAt === "function" ? null : "isNormalAt must be a function of the value",
  ], at);
  return {
    name: "stuckAt",
    label: `stuckAt after ${options.after}`,
    codecVersion: 1,
    initial: () => INITIAL,
    value: (record) => measured(options.value(record)),
    step: (state, value, atMs) => stepStuck(state, { value, atMs }, settings),
    judge: ({ stillMs }) => ({
      score: stillMs,
      threshold: settings.afterMs,
      isAnomalous: stillMs >= settings.afterMs,
    }),
  };
}

function stepStuck(
  state: StuckAtState,
  { value, atMs }: { readonly value: number; readonly atMs: number },
  { deadband, isNormalAt }: Settings,
): StuckAtState {
  if (measured(value) === null) return state;
  const { at } = state;
  if (at === null || Math.abs(value - at.value) > deadband || isNormalAt(value)) {
    return { at: { value, sinceMs: atMs }, stillMs: 0 };
  }
  return { at, stillMs: Math.max(state.stillMs, atMs - at.sinceMs) };
}
