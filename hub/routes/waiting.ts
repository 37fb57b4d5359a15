/**
 * `?wait=30s`: a request that is answered as soon as there is news, and in bounded time either way.
 *
 * Touches the event feed and the clock. A waiting request looks again at every stored event of its job and
 * once a second; it holds no lock and no connection of the database meanwhile. Beyond a number of waiting
 * requests the next ones are answered at once.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { HubContext } from "../ports.ts";

const WAIT_MAX_SECONDS = 60;
const LOOK_AGAIN_MS = 1_000;
/** Requests of this hub that wait at once. */
const WAITING_MAX = 500;

/** The query of a route that can wait. */
export const waitQuery = {
  wait: z.string().regex(/^\d{1,3}s$/).optional().openapi({
    description:
      "Longest wait for news, such as 30s; at most 60s. Without it the answer comes at once",
  }),
};

export interface Waiting {
  /**
   * Looks until `isNews` or the time is up.
   *
   * @returns What the last look saw.
   */
  until<T>(
    asked: { readonly wait: string | undefined; readonly jobId: (seen: T) => string | null },
    look: () => Promise<T>,
    isNews: (seen: T) => boolean,
  ): Promise<T>;
}

export function createWaiting({ clock, events }: Pick<HubContext, "clock" | "events">): Waiting {
  let waiting = 0;
  /** Resolves at the next stored event of the job, or after `timeoutMs`. */
  const somethingHappens = (jobId: string | null, timeoutMs: number): Promise<void> =>
    new Promise((resolve) => {
      const done = () => {
        unsubscribe();
        cancel();
        resolve();
      };
      const cancel = clock.after(timeoutMs, done);
      const unsubscribe = events.subscribe((event) => {
        if (event.id !== null && event.jobId === jobId) done();
      });
    });
  return {
    async until(asked, look, isNews) {
      const seconds = Math.min(parseInt(asked.wait ?? "0"), WAIT_MAX_SECONDS);
      const untilMs = clock.monotonicMs() + seconds * 1000;
      let seen = await look();
      if (waiting >= WAITING_MAX) return seen;
      waiting++;
      try {
        while (!isNews(seen)) {
          const leftMs = untilMs - clock.monotonicMs();
          if (leftMs <= 0) break;
          await somethingHappens(asked.jobId(seen), Math.min(leftMs, LOOK_AGAIN_MS));
          seen = await look();
        }
        return seen;
      } finally {
        waiting--;
      }
    },
  };
}
