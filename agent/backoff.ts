/** How long to wait before the next try. Pure, save for `sleep`, which waits on a `Clock`. @module */
import type { Clock } from "@shared/clock.ts";
import type { Random } from "@shared/random.ts";

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * Wait before try `tryCount + 1`: doubles from `firstMs` to `maxMs`, of which a random half is taken
 * off, so that a fleet does not come back at one instant (F45).
 *
 * @param tryCount Tries that have failed, from 1.
 */
export function backoffMs(tryCount: number, backoff: Backoff, random: Random): number {
  const full = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(tryCount - 1, 30));
  return full * (0.5 + random.next() / 2);
}

/** Resolves after `delayMs`, or at once when `signal` is or gets aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(delayMs, resolve);
  const stop = () => {
    cancel();
    resolve();
  };
  signal?.addEventListener("abort", stop, { once: true });
  return promise.finally(() => signal?.removeEventListener("abort", stop));
}
