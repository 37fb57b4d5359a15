/**
 * How fast one caller may ask: a bucket that a request takes from and time fills again (API4).
 *
 * Pure: time comes in as a value. Memory is bounded; the caller that asked least recently goes first.
 *
 * @module
 */
export interface RequestLimit {
  /** Counts one request of `caller`. */
  take(caller: string, nowMs: number): RequestVerdict;
}

export interface RequestVerdict {
  readonly isAllowed: boolean;
  /** Requests that a full bucket holds. */
  readonly limit: number;
  /** Whole requests left in the bucket. */
  readonly remaining: number;
  /** Until the bucket is full again. */
  readonly resetSeconds: number;
  /** Until the next request is let through; 0 when it is now. */
  readonly retryAfterSeconds: number;
}

export interface RequestLimitOptions {
  /** Requests at once. */
  readonly burst: number;
  /** Requests that come back each second. */
  readonly perSecond: number;
}

/** Enough for a dashboard with many tabs and for a script; too little to wear the hub down. */
export const REQUEST_LIMIT: RequestLimitOptions = { burst: 3_000, perSecond: 150 };

const CALLERS_MAX = 10_000;

export function createRequestLimit({ burst, perSecond }: RequestLimitOptions): RequestLimit {
  const buckets = new Map<string, { left: number; atMs: number }>();
  return {
    take(caller, nowMs) {
      const bucket = buckets.get(caller) ?? { left: burst, atMs: nowMs };
      const refilled = bucket.left + Math.max(0, nowMs - bucket.atMs) / 1000 * perSecond;
      const filled = Math.min(burst, refilled);
      const isAllowed = filled >= 1;
      const left = isAllowed ? filled - 1 : filled;
      buckets.delete(caller);
      buckets.set(caller, { left, atMs: nowMs });
      const oldest = buckets.keys().next().value;
      if (buckets.size > CALLERS_MAX && oldest !== undefined) buckets.delete(oldest);
      return {
        isAllowed,
        limit: burst,
        remaining: Math.floor(left),
        resetSeconds: Math.ceil((burst - left) / perSecond),
        retryAfterSeconds: isAllowed ? 0 : Math.max(1, Math.ceil((1 - left) / perSecond)),
      };
    },
  };
}
