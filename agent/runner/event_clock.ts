/**
 * Event time inside one subtask: the current watermark, and which operators have something due at it.
 *
 * Touches the operators that registered. Records advance it all the time, so it costs two comparisons
 * unless something is due. Then operators are called one by one in the order of the chain; until its turn
 * an operator still sees the watermark of before, so that what an operator in front emits at its own time
 * is not late behind it.
 *
 * How an operator takes part (`place.clock` in its compile function):
 *
 *   clock.onAdvance((watermarkMs) => …)   fires everything up to `watermarkMs`, then says `wakeAt` again
 *   clock.wakeAt(atMs)                     wants to be called when the watermark has reached `atMs`
 *   clock.watermarkMs                      what lateness is judged by, between two calls
 *   clock.perKey(table, spec.keyClock)     null, or a clock for each key (`key_clocks.ts`) that counts instead:
 *                                          keys.watermarkOf(key, nowMs)    what lateness is judged by
 *                                          keys.observe(key, atMs, nowMs)  behind each record of the key
 *                                          keys.fireSoon(key)              when that made something due
 *                                          keys.onAdvance((key, watermarkMs) => …)  fires it, outside of the record
 *                                          clock.wakeAt(MAX_WATERMARK_MS)  for the end of the input
 *   parts.timers.onLoad((nowMs) => …)      after a restore: takes up what the state holds, says `wakeAt` again
 *
 * A record that is emitted with an event time of its own: before `place.emit`, set `origin.atMs` and put it
 * back behind it; or, outside of a record, say what fires with `origin.setFiring`.
 *
 * Invariants:
 *
 *   1  The watermark never goes back (A5).
 *   2  An operator is called at most once for each advance, after all operators in front of it.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { KeyClockSpec } from "@shared/sdk/operator.ts";
import type { StateTable } from "../state/state_table.ts";
import { KeyClocks } from "./key_clocks.ts";
import { MIN_WATERMARK_MS } from "./watermarks.ts";

/** What a snapshot holds of a subtask's event time. */
export interface EventClockState {
  /** -Infinity before the first record. */
  readonly watermarkMs: number;
}

/** Fires everything of an operator that is due at `watermarkMs`. */
export type OnAdvance = (watermarkMs: number) => void;

export class EventClock {
  readonly #operators: (OperatorClock | undefined)[] = [];
  #watermarkMs = MIN_WATERMARK_MS;
  #beforeMs = MIN_WATERMARK_MS;
  /** Operators from this index on have not had their turn of the advance that is running. */
  #turn = Infinity;
  #dueMs = Infinity;
  /** Keys with a clock of their own have something due. */
  #isUnsettled = false;

  get watermarkMs(): number {
    return this.#watermarkMs;
  }

  /** The clock as operator number `index` of the chain sees it. */
  operator(index: number): OperatorClock {
    return this.#operators[index] ??= new OperatorClock(this, index);
  }

  /** Event time has come to `ms`: what is due fires, in chain order. An earlier time changes nothing. */
  advance(ms: number): void {
    if (ms <= this.#watermarkMs) return;
    if (ms >= this.#dueMs) this.#fire(ms);
    else this.#watermarkMs = ms;
  }

  /** The watermark as operator `index` sees it. */
  watermarkAt(index: number): number {
    return index > this.#turn ? this.#beforeMs : this.#watermarkMs;
  }

  /** Something is due at `atMs`. */
  wakeAt(atMs: number): void {
    if (atMs < this.#dueMs) this.#dueMs = atMs;
  }

  /** Wall-clock time has passed: keys that are silent may go on. Call it about once a second. */
  tick(nowMs: number): void {
    for (const operator of this.#operators) operator?.keyClocks?.tick(nowMs);
    this.settle(nowMs);
  }

  /** `settle` is needed behind the record that is running. */
  settleSoon(): void {
    this.#isUnsettled = true;
  }

  /** Behind a record: fires what has become due for single keys, in chain order. */
  settle(nowMs: number): void {
    if (!this.#isUnsettled) return;
    this.#isUnsettled = false;
    for (const operator of this.#operators) operator?.keyClocks?.fireDue(nowMs);
  }

  capture(): EventClockState {
    return { watermarkMs: this.#watermarkMs };
  }

  /** Goes on from a snapshot, or from the least of several; nothing fires before the next advance (S4). */
  restore({ watermarkMs }: EventClockState): void {
    this.#watermarkMs = Math.max(this.#watermarkMs, watermarkMs);
  }

  #fire(ms: number): void {
    assert(this.#turn === Infinity, "The watermark advanced while it was advancing");
    this.#beforeMs = this.#watermarkMs;
    this.#watermarkMs = ms;
    this.#dueMs = Infinity;
    try {
      for (let index = 0; index < this.#operators.length; index++) {
        this.#turn = index;
        this.#operators[index]?.advance(ms);
      }
    } finally {
      this.#turn = Infinity;
    }
    for (const operator of this.#operators) {
      if (operator !== undefined) this.wakeAt(operator.dueMs);
    }
  }
}

/** The clock of one operator in the chain. */
export class OperatorClock {
  readonly #clock: EventClock;
  readonly #index: number;
  #onAdvance: OnAdvance | null = null;
  #dueMs = Infinity;
  #keyClocks: KeyClocks | null = null;

  constructor(clock: EventClock, index: number) {
    this.#clock = clock;
    this.#index = index;
  }

  /** No record up to this event time is expected any more; -Infinity before the first. */
  get watermarkMs(): number {
    return this.#clock.watermarkAt(this.#index);
  }

  /** When the operator wants to be called next; Infinity: nothing is due. */
  get dueMs(): number {
    return this.#dueMs;
  }

  get keyClocks(): KeyClocks | null {
    return this.#keyClocks;
  }

  /** Names the function that fires what is due; one for each operator. */
  onAdvance(fire: OnAdvance): void {
    assert(this.#onAdvance === null, `Operator ${this.#index} fires already`);
    this.#onAdvance = fire;
  }

  /** `onAdvance` is called when the watermark has come to `atMs`; the earliest time asked for counts. */
  wakeAt(atMs: number): void {
    if (atMs >= this.#dueMs) return;
    this.#dueMs = atMs;
    this.#clock.wakeAt(atMs);
  }

  /**
   * A clock for each key, in place of the subtask's; its times are in the last slot of `table`.
   *
   * @returns Null unless the operator's sources have an event time for each key.
   */
  perKey(table: StateTable, spec: KeyClockSpec | null | undefined): KeyClocks | null {
    if (!spec) return null;
    this.#keyClocks ??= new KeyClocks(table, spec, this);
    return this.#keyClocks;
  }

  /** Something of one key is due behind the record that is running. */
  settleSoon(): void {
    this.#clock.settleSoon();
  }

  /** Called by the subtask's clock in the operator's turn. */
  advance(ms: number): void {
    if (ms < this.#dueMs) return;
    this.#dueMs = Infinity;
    this.#onAdvance?.(ms);
  }
}
