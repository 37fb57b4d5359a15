/**
 * A clock that stands still until it is told to move; for tests and the simulation.
 *
 * Pure: no time of its own. Timers fire in order of their due time, then of their making.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import { assert } from "@shared/assert.ts";

interface Timer {
  readonly dueMs: number;
  readonly serial: number;
  readonly fire: () => void;
}

/** Timers that one `advance` may fire; more means a timer that re-arms itself without delay. */
const FIRED_MAX = 1_000_000;

export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #serial = 0;
  readonly #timers = new Set<Timer>();

  /** @param startMs Wall clock at the start, milliseconds since the Unix epoch. */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = startMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, fire: () => void): () => void {
    const dueMs = this.#monotonicMs + Math.max(0, delayMs);
    const timer: Timer = { dueMs, serial: this.#serial++, fire };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Moves both clocks on by `ms`; each timer due by then has fired at its own time. */
  advance(ms: number): void {
    assert(ms >= 0, `advance(${ms}): a monotonic clock does not go back`);
    const endMs = this.#monotonicMs + ms;
    for (let fired = 0;; fired++) {
      assert(fired < FIRED_MAX, `advance(${ms}) fired ${FIRED_MAX} timers: one re-arms at once`);
      const next = this.#next();
      if (next === null || next.dueMs > endMs) break;
      this.#moveTo(next.dueMs);
      this.#timers.delete(next);
      next.fire();
    }
    this.#moveTo(endMs);
  }

  /** Sets the wall clock off by `deltaMs`, as somebody at the machine might; timers do not notice. */
  jumpWallClock(deltaMs: number): void {
    this.#wallMs += deltaMs;
  }

  /** Milliseconds until the next timer fires; null when none is set. */
  msToNextTimer(): number | null {
    const next = this.#next();
    return next === null ? null : Math.max(0, next.dueMs - this.#monotonicMs);
  }

  #next(): Timer | null {
    let next: Timer | null = null;
    for (const timer of this.#timers) {
      const isEarlier = next === null || timer.dueMs < next.dueMs ||
        (timer.dueMs === next.dueMs && timer.serial < next.serial);
      if (isEarlier) next = timer;
    }
    return next;
  }

  #moveTo(monotonicMs: number): void {
    if (monotonicMs <= this.#monotonicMs) return;
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}
