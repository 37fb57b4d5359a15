/** Waiting on a clock. @module */
import type { Clock } from "@shared/clock.ts";

/** Resolves after `delayMs` on the monotonic clock. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(delayMs, resolve));
}
