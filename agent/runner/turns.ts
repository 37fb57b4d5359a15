/**
 * Gives the event loop, timers and sockets a turn within a long piece of work.
 *
 * Touches immediates and, through the clock, timers. The runtime looks at sockets only when it comes to rest:
 * messages of a channel come back without timers having their turn, immediates without sockets having theirs.
 * So work goes on after an immediate for a while, then after a timer.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Clock } from "@shared/clock.ts";

/** Longest stretch of work without a look at the sockets, ms. A rest costs one to two. */
const STRETCH_MS = 4;

export class Turns {
  readonly #clock: Pick<Clock, "after" | "monotonicMs">;
  #restedMs = -Infinity;

  constructor(clock: Pick<Clock, "after" | "monotonicMs">) {
    this.#clock = clock;
  }

  /** Resolves after other work had its turn. */
  next(): Promise<void> {
    const isRested = this.#clock.monotonicMs() - this.#restedMs < STRETCH_MS;
    return new Promise((resolve) => isRested ? void setImmediate(resolve) : this.#rest(resolve));
  }

  #rest(resolve: () => void): void {
    this.#clock.after(0, () => {
      this.#restedMs = this.#clock.monotonicMs();
      resolve();
    });
  }
}
