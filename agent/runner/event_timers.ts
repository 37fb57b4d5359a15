/**
 * Event-time timers of one operator: fires them when the watermark has reached them, each once.
 *
 * Touches the operator's table and its event clock. Which timers exist is keyed state, so they are in
 * snapshots. Where each key has an event time of its own, a key's timers fire by that alone.
 *
 * Invariants (tests/property/timers_test.ts):
 *
 *   1   A timer fires when the watermark is at or behind its time, and not before.
 *   2   Timers fire in the order of their time, then of their keys.
 *   S4  After a restore they fire once, in order, with the next advance.
 *   L3  At the end of the input every timer fires; those that such a timer sets do not, or it had no end.
 *
 * @module
 */
import type { Entry, StateTable } from "../state/state_table.ts";
import type { OperatorClock } from "./event_clock.ts";
import type { KeyClocks } from "./key_clocks.ts";
import { ReminderQueue, STALE_MAX } from "./reminder_queue.ts";
import { MAX_WATERMARK_MS } from "./watermarks.ts";

/** Called for one timer that is due, after it was taken out of the state. */
export type OnEventTimer = (timeMs: number, key: string) => void;

export class EventTimers {
  readonly #table: StateTable;
  readonly #clock: OperatorClock;
  readonly #keyClocks: KeyClocks | null;
  readonly #onTimer: OnEventTimer;
  readonly #queue = new ReminderQueue();
  /** Timers that exist, about: a state that is put back may make it wrong until the next count. */
  #live = 0;

  /** @param keyClocks Null: the subtask's watermark counts for all keys. */
  constructor(table: StateTable, clocks: {
    clock: OperatorClock;
    keyClocks: KeyClocks | null;
  }, onTimer: OnEventTimer) {
    this.#table = table;
    this.#clock = clocks.clock;
    this.#keyClocks = clocks.keyClocks;
    this.#onTimer = onTimer;
    this.#clock.onAdvance((watermarkMs) => this.#advance(watermarkMs));
    this.#keyClocks?.onAdvance((key, watermarkMs) => this.#advanceKey(key, watermarkMs));
  }

  /** Adds a timer of `key`; the same time twice is one timer. A time in the past fires with the next advance. */
  add(key: string, timeMs: number, nowMs: number): void {
    if (!this.#table.addTimer(key, "event", timeMs, nowMs)) return;
    this.#live++;
    this.#remind(key, timeMs);
    this.#dropStale();
  }

  /** Takes the timer of `key` back; nothing happens when there is none. */
  remove(key: string, timeMs: number): void {
    if (this.#table.removeTimer(key, "event", timeMs)) this.#live--;
  }

  /** The watermark of `key` has come to `watermarkMs`: what is due fires when the record is done. */
  wakeKey(key: string, watermarkMs: number, nowMs: number): void {
    const first = this.#table.find(key, nowMs)?.eventTimers?.[0];
    if (first !== undefined && first <= watermarkMs) this.#keyClocks?.fireSoon(key);
  }

  /** Takes up the timers that the state holds after a restore. */
  load(nowMs: number): void {
    this.#keyClocks?.loaded(nowMs);
    for (const { key, eventTimers } of this.#table.entries()) {
      if (eventTimers !== null) this.#keyClocks?.heard(key, nowMs);
    }
    this.#fillQueue();
  }

  #remind(key: string, timeMs: number): void {
    if (this.#keyClocks !== null) return this.#clock.wakeAt(MAX_WATERMARK_MS);
    this.#queue.push({ timeMs, key, operator: 0 });
    this.#clock.wakeAt(timeMs);
  }

  #advance(watermarkMs: number): void {
    if (watermarkMs >= MAX_WATERMARK_MS) return this.#fireAll();
    const queue = this.#queue;
    for (let next = queue.first; next !== undefined && next.timeMs <= watermarkMs;) {
      queue.pop();
      this.#fire(next.key, next.timeMs);
      next = queue.first;
    }
    const { first } = queue;
    if (first !== undefined) this.#clock.wakeAt(first.timeMs);
  }

  /** @returns Whether the key has timers left. */
  #advanceKey(key: string, watermarkMs: number): boolean {
    if (watermarkMs >= MAX_WATERMARK_MS) return false;
    for (;;) {
      const timeMs = timersOf(this.#table, key)?.[0];
      if (timeMs === undefined) return false;
      if (timeMs > watermarkMs) return true;
      this.#fire(key, timeMs);
    }
  }

  /** Fires every timer there is now, in order; those set meanwhile stay in the state. */
  #fireAll(): void {
    const all = new ReminderQueue();
    for (const { key, eventTimers } of this.#table.entries()) {
      for (const timeMs of eventTimers ?? []) all.push({ timeMs, key, operator: 0 });
    }
    this.#queue.clear();
    for (let next = all.first; next !== undefined; next = all.first) {
      all.pop();
      this.#fire(next.key, next.timeMs);
    }
  }

  #fire(key: string, timeMs: number): void {
    if (!this.#table.removeTimer(key, "event", timeMs)) return;
    this.#live--;
    this.#onTimer(timeMs, key);
  }

  /** Rebuilds the queue when less than half of its reminders are of timers that exist. */
  #dropStale(): void {
    if (this.#queue.length > this.#live * 2 + STALE_MAX) this.#fillQueue();
  }

  #fillQueue(): void {
    this.#queue.clear();
    this.#live = 0;
    for (const { key, eventTimers } of this.#table.entries()) {
      for (const timeMs of eventTimers ?? []) {
        this.#live++;
        this.#remind(key, timeMs);
      }
    }
  }
}

function timersOf(table: StateTable, key: string): Entry["eventTimers"] {
  return table.find(key, 0)?.eventTimers ?? null;
}
