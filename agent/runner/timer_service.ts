/**
 * Processing-time timers of one subtask: fires them in the order of their time, each once.
 *
 * Touches the clock port. Which timers exist is keyed state (`StateTable`), so they are in snapshots and
 * in no second place; this is a queue of reminders over it, in which a timer taken back leaves an entry
 * that is passed over.
 *
 * Invariants:
 *
 *   S4  Timers in the past fire once, in order, when the subtask runs, never before.
 *   A5  Timers fire between two records.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import type { StateTable } from "../state/state_table.ts";
import type { LatestTime } from "./origin.ts";
import { ReminderQueue, STALE_MAX } from "./reminder_queue.ts";

/** Timers fired before records and commands get their turn. */
export const TIMERS_PER_TURN_MAX = 500;
/** Longest sleep: the wall clock may be set forward meanwhile. */
const SLEEP_MAX_MS = 1_000;

/** Called for one timer that is due, after it was taken out of the state. */
export type OnTimer = (timeMs: number, key: string, nowMs: number) => void;

interface TimedOperator {
  readonly table: StateTable;
  readonly onTimer: OnTimer;
}

export class TimerService {
  readonly #clock: Clock;
  readonly #latest: LatestTime;
  readonly #onThrow: (thrown: unknown) => void;
  readonly #operators: TimedOperator[] = [];
  readonly #loaders: ((nowMs: number) => void)[] = [];
  readonly #queue = new ReminderQueue();
  /** Timers that exist, about: a state that is put back may make it wrong until the next count. */
  #live = 0;
  #isRunning = false;
  #cancelSleep: (() => void) | null = null;
  #sleepsUntilMs = Infinity;

  /** @param onThrow Gets what an operator's timer threw. */
  constructor(clock: Clock, latest: LatestTime, onThrow: (thrown: unknown) => void) {
    this.#clock = clock;
    this.#latest = latest;
    this.#onThrow = onThrow;
  }

  /** Makes an operator known; its timers are then added by its number. */
  addOperator(table: StateTable, onTimer: OnTimer): number {
    return this.#operators.push({ table, onTimer }) - 1;
  }

  /** Adds a timer of `key`; the same time twice is one timer. */
  add(operator: number, key: string, timeMs: number, nowMs: number): void {
    if (!this.#operators[operator]!.table.addTimer(key, "processing", timeMs, nowMs)) return;
    this.#live++;
    this.#queue.push({ timeMs, key, operator });
    this.#dropStale();
    if (this.#isRunning) this.#sleep();
  }

  /** Takes the timer of `key` back; nothing happens when there is none. */
  remove(operator: number, key: string, timeMs: number): void {
    if (this.#operators[operator]!.table.removeTimer(key, "processing", timeMs)) this.#live--;
  }

  /** Names a function that takes up, after a restore, what else of the state waits for a time. */
  onLoad(load: (nowMs: number) => void): void {
    this.#loaders.push(load);
  }

  /** Queues the timers that the state holds after a restore, of event time too. */
  load(): void {
    for (const load of this.#loaders) load(this.#latest.latestMs);
    this.#loadQueue();
  }

  #loadQueue(): void {
    this.#queue.clear();
    this.#live = 0;
    for (const [operator, { table }] of this.#operators.entries()) {
      for (const { key, timers } of table.entries()) {
        this.#live += timers?.length ?? 0;
        for (const timeMs of timers ?? []) this.#queue.push({ timeMs, key, operator });
      }
    }
  }

  /** Timers fire from now on, those in the past first. */
  start(): void {
    this.#isRunning = true;
    this.#sleep();
  }

  stop(): void {
    this.#isRunning = false;
    this.#cancelSleep?.();
    this.#cancelSleep = null;
    this.#sleepsUntilMs = Infinity;
  }

  #wake(): void {
    this.#cancelSleep = null;
    this.#sleepsUntilMs = Infinity;
    const nowMs = this.#latest.observe(this.#clock.nowMs());
    for (let fired = 0; fired < TIMERS_PER_TURN_MAX && this.#isRunning;) {
      const next = this.#queue.first;
      if (next === undefined || next.timeMs > nowMs) break;
      this.#queue.pop();
      const { table, onTimer } = this.#operators[next.operator]!;
      if (!table.removeTimer(next.key, "processing", next.timeMs)) continue;
      fired++;
      this.#live--;
      try {
        onTimer(next.timeMs, next.key, nowMs);
      } catch (thrown) {
        this.#onThrow(thrown);
      }
    }
    if (this.#isRunning) this.#sleep();
  }

  #sleep(): void {
    const next = this.#queue.first;
    if (next === undefined || next.timeMs >= this.#sleepsUntilMs) return;
    const nowMs = this.#latest.observe(this.#clock.nowMs());
    const delayMs = Math.min(Math.max(0, next.timeMs - nowMs), SLEEP_MAX_MS);
    this.#cancelSleep?.();
    this.#sleepsUntilMs = nowMs + delayMs;
    this.#cancelSleep = this.#clock.after(delayMs, () => this.#wake());
  }

  /** Rebuilds the queue when less than half of its reminders are of timers that exist. */
  #dropStale(): void {
    if (this.#queue.length > this.#live * 2 + STALE_MAX) this.#loadQueue();
  }
}
