/**
 * How long an alarm is shelved: the usual spans, and one's own up to the longest the hub allows.
 *
 * Pure.
 *
 * @module
 */
import { durationText } from "../format.ts";

export const SHELVE_SPANS = [
  { value: "30m", text: "30 min", ms: 30 * 60_000 },
  { value: "2h", text: "2 h", ms: 2 * 3_600_000 },
  { value: "8h", text: "8 h", ms: 8 * 3_600_000 },
] as const;

const MINUTE_MS = 60_000;

/** Why `minutes` cannot be, or null when it can. */
export function minutesRefusal(minutes: number, longestMs: number | null): string | null {
  if (!Number.isInteger(minutes) || minutes < 1) return "Give whole minutes, at least 1.";
  if (longestMs !== null && minutes * MINUTE_MS > longestMs) {
    return `The longest time is ${durationText(longestMs)}.`;
  }
  return null;
}

/** As the hub takes it: `90m`. */
export function minutesText(minutes: number): string {
  return `${minutes}m`;
}
