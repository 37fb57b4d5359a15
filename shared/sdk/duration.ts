/**
 * Spans of time as an author writes them.
 *
 * Pure.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";

/** A number of milliseconds, or a text such as `"250ms"`, `"5s"`, `"1m"`, `"2h"`, `"7d"`. */
export type Duration =
  | number
  | `${number}ms`
  | `${number}s`
  | `${number}m`
  | `${number}h`
  | `${number}d`;

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Milliseconds of `duration`, rounded to whole ones.
 *
 * @param name What the duration is for; the error names it.
 * @throws {UserError} `bad-duration` if it is negative, not finite or not of the form above.
 */
export function durationMs(duration: Duration, name: string, at: string | null = null): number {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(String(duration));
  const ms = typeof duration === "number"
    ? duration
    : found === null
    ? NaN
    : Number(found[1]) * UNIT_MS[found[2]!]!;
  if (!Number.isFinite(ms) || ms < 0) {
    throw new UserError(
      "bad-duration",
      `${name} is ${
        JSON.stringify(duration)
      }: give milliseconds or a text such as "250ms", "5s", "1m", "2h", "7d"`,
      { at },
    );
  }
  return Math.round(ms);
}
