/**
 * Time as the data tells it: stands still until a record, or a test, moves it on.
 *
 * Pure. Timers fire in the order of their time, then of their making, each with the clock at its own time.
 * Moving on costs one comparison while no timer is due.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { Clock } from "@shared/clock.ts";

interface Alarm {
  readonly dueMs: number;
  readonly fire: () => void;
}

/** Timers one move may fire: more means one that sets itself again without delay. */
const FIRED_MAX = 100_000_000;

export class DataClock implements Clock {
  #nowMs: number;
  /** Latest first; of one time, the latest made first. */
  readonly #alarms: Alarm[] = [];
  #nextMs = Infinity;

  /** @param startMs Time until the data says another, ms since the epoch. */
  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, fire: () => void): () => void {
    const alarm: Alarm = { dueMs: this.#nowMs + Math.max(0, delayMs), fire };
    const at = this.#alarms.findLastIndex((other) => other.dueMs > alarm.dueMs) + 1;
    this.#alarms.splice(at, 0, alarm);
    this.#nextMs = this.#alarms.at(-1)!.dueMs;
    return () => this.#cancel(alarm);
  }

  /** Moves on to `ms`, through every timer due by then; a time in the past changes nothing. */
  advanceTo(ms: number): void {
    if (ms >= this.#nextMs) this.#fireUntil(ms);
    if (ms > this.#nowMs) this.#nowMs = ms;
  }

  #fireUntil(ms: number): void {
    for (let fired = 0; this.#nextMs <= ms; fired++) {
      assert(fired < FIRED_MAX, `${FIRED_MAX} timers fired at once: one sets itself again`);
      const { dueMs, fire } = this.#alarms.pop()!;
      this.#nextMs = this.#alarms.at(-1)?.dueMs ?? Infinity;
      if (dueMs > this.#nowMs) this.#nowMs = dueMs;
      fire();
    }
  }

  #cancel(alarm: Alarm): void {
    const at = this.#alarms.indexOf(alarm);
    if (at === -1) return;
    this.#alarms.splice(at, 1);
    this.#nextMs = this.#alarms.at(-1)?.dueMs ?? Infinity;
  }
}
