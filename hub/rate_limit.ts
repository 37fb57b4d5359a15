/**
 * Locks out who guesses: counts failures of one address in a window of time (S44).
 *
 * Pure: time comes in as a value. Memory is bounded; the address seen first goes first.
 *
 * @module
 */
export interface FailureLimit {
  /** Milliseconds this address has to wait, 0 when it may try. */
  retryAfterMs(address: string, nowMs: number): number;
  failed(address: string, nowMs: number): void;
}

const ADDRESSES_MAX = 10_000;

/** At most `failuresMax` failures of one address in `windowMs`. */
export function createFailureLimit(
  options: { readonly failuresMax: number; readonly windowMs: number },
): FailureLimit {
  const windows = new Map<string, { startMs: number; failures: number }>();
  const current = (address: string, nowMs: number) => {
    const window = windows.get(address);
    return window === undefined || nowMs - window.startMs >= options.windowMs ? null : window;
  };
  return {
    retryAfterMs(address, nowMs) {
      const window = current(address, nowMs);
      if (window === null || window.failures < options.failuresMax) return 0;
      return window.startMs + options.windowMs - nowMs;
    },
    failed(address, nowMs) {
      const window = current(address, nowMs);
      if (window !== null) {
        window.failures++;
        return;
      }
      windows.delete(address);
      windows.set(address, { startMs: nowMs, failures: 1 });
      const oldest = windows.keys().next().value;
      if (windows.size > ADDRESSES_MAX && oldest !== undefined) windows.delete(oldest);
    },
  };
}
