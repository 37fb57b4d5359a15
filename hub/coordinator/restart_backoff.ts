/**
 * How long a region waits before its next attempt.
 *
 * Pure: the jitter comes in as a value. The wait doubles with each failure in a row and is forgotten
 * after the region ran for a while.
 *
 * @module
 */
export const RESET_AFTER_MS = 5 * 60_000;
const FACTOR = 2;
const JITTER = 0.2;

export interface BackoffLimits {
  readonly first: number;
  readonly max: number;
}

export interface BackoffStep {
  /** Failures in a row, this one included. */
  readonly failures: number;
  readonly delayMs: number;
}

/**
 * What follows a failure.
 *
 * @param failuresBefore Failures in a row before this one.
 * @param ranForMs How long the attempt ran; 0 when it never did.
 * @param options.chance In [0, 1): spreads the delay by 20 % either way, never above `max`.
 * @param options.isRetryable False waits the longest at once: nothing changes by itself.
 */
export function afterFailure(
  failuresBefore: number,
  ranForMs: number,
  options: { limits: BackoffLimits; chance: number; isRetryable: boolean },
): BackoffStep {
  const { limits, chance, isRetryable } = options;
  const failures = (ranForMs >= RESET_AFTER_MS ? 0 : failuresBefore) + 1;
  const doublings = Math.min(failures - 1, 30);
  const plain = isRetryable ? Math.min(limits.first * FACTOR ** doublings, limits.max) : limits.max;
  const jittered = plain * (1 - JITTER + 2 * JITTER * chance);
  return { failures, delayMs: Math.round(Math.min(jittered, limits.max)) };
}
