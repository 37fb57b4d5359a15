/**
 * Event time of each key of one operator, for fleets whose devices lag or fall silent one by one.
 *
 * Touches the operator's table: the time of a key is a state of that key, in its last slot, so that it is in
 * snapshots and moves with its key group. A key's watermark is its own latest event time less the disorder
 * that the source declares; another device's lag or silence does not touch it. A key without a record for
 * `idleAfterMs` goes on at the pace of the wall clock, as long as something of it is waiting to fire. One that
 * nothing waits for is forgotten after a long silence, so that the state of a fleet whose devices come and go
 * does not grow for ever: its next record begins a new clock, however old it is.
 *
 * Invariants:
 *
 *   1  A key's watermark never goes back (A5), until the key is forgotten.
 *   2  At the end of the input every key's watermark is the maximum.
 *   3  A key with a timer, a window or a record that waits is not forgotten.
 *
 * @module
 */
import type { KeyClockSpec } from "@shared/sdk/operator.ts";
import { slotOf, type StateTable } from "../state/state_table.ts";
import type { OperatorClock } from "./event_clock.ts";
import { MAX_WATERMARK_MS, MIN_WATERMARK_MS } from "./watermarks.ts";

/** A key is not forgotten before so long a silence: devices catch up from outages of hours. */
export const FORGET_AFTER_MS: number = 24 * 3_600_000;
/** Keys that one tick looks at: with a million keys a round takes a quarter of an hour. */
const LOOKED_AT_MAX = 1_000;

/** Fires what is due for `key`. @returns Whether anything of the key is still waiting. */
export type OnKeyAdvance = (key: string, watermarkMs: number) => boolean;

export class KeyClocks {
  readonly #table: StateTable;
  readonly #slot: number;
  readonly #spec: KeyClockSpec;
  readonly #operator: OperatorClock;
  #onAdvance: OnKeyAdvance = () => false;
  #due: string[] = [];
  /** When each key was heard last, or up to when its silence has been counted, ms. */
  readonly #heardMs = new Map<string, number>();
  /** When each key that may have a clock had its last record, ms. */
  readonly #seenMs = new Map<string, number>();
  /** Goes over `#seenMs` again and again, some keys a tick. */
  #round = this.#seenMs.entries();

  constructor(table: StateTable, spec: KeyClockSpec, operator: OperatorClock) {
    this.#table = table;
    this.#slot = table.slotCount - 1;
    this.#spec = spec;
    this.#operator = operator;
  }

  /** Names the function that fires what is due for a key, outside of any record. */
  onAdvance(fire: OnKeyAdvance): void {
    this.#onAdvance = fire;
  }

  /** The watermark of `key`; -Infinity before its first record. */
  watermarkOf(key: string, nowMs: number): number {
    if (this.#operator.watermarkMs >= MAX_WATERMARK_MS) return MAX_WATERMARK_MS;
    const latestMs = this.#latestOf(key, nowMs);
    return latestMs === MIN_WATERMARK_MS
      ? MIN_WATERMARK_MS
      : latestMs - this.#spec.maxOutOfOrdernessMs - 1;
  }

  /**
   * A record of `key` has been processed.
   *
   * @returns The key's watermark behind it; the operator fires what is due.
   */
  observe(key: string, atMs: number, nowMs: number): number {
    if (this.#spec.idleAfterMs !== null) this.#heardMs.set(key, nowMs);
    this.#seenMs.set(key, nowMs);
    if (atMs > this.#latestOf(key, nowMs)) this.#table.put(key, this.#slot, atMs, nowMs);
    return this.watermarkOf(key, nowMs);
  }

  /** Something of `key` is due: it fires as soon as the record has run through the chain. */
  fireSoon(key: string): void {
    this.#due.push(key);
    this.#operator.settleSoon();
  }

  /** Fires what is due for the keys that asked for it, in their order. */
  fireDue(nowMs: number): void {
    const due = this.#due;
    if (due.length === 0) return;
    this.#due = [];
    for (const key of due) this.#onAdvance(key, this.watermarkOf(key, nowMs));
  }

  /** Lets the keys go on that have been silent for too long, and forgets some that nothing waits for. */
  tick(nowMs: number): void {
    this.#letIdleGoOn(nowMs);
    this.#forgetSilent(nowMs);
  }

  /** After a restore: the silence of every key begins now. */
  loaded(nowMs: number): void {
    this.#table.forEachFirst((key) => this.#seenMs.set(key, nowMs));
  }

  #letIdleGoOn(nowMs: number): void {
    const { idleAfterMs } = this.#spec;
    if (idleAfterMs === null) return;
    for (const [key, heardMs] of this.#heardMs) {
      const silentMs = nowMs - heardMs - idleAfterMs;
      if (silentMs <= 0) continue;
      this.#heardMs.set(key, nowMs - idleAfterMs);
      const latestMs = this.#latestOf(key, nowMs) + silentMs;
      this.#table.put(key, this.#slot, latestMs, nowMs);
      if (!this.#onAdvance(key, this.watermarkOf(key, nowMs))) this.#heardMs.delete(key);
    }
  }

  /** After a restore: keys with something waiting are listened to from now on. */
  heard(key: string, nowMs: number): void {
    if (this.#spec.idleAfterMs !== null) this.#heardMs.set(key, nowMs);
  }

  #forgetSilent(nowMs: number): void {
    const bearableMs = Math.max(FORGET_AFTER_MS, this.#spec.idleAfterMs ?? 0);
    for (let looked = 0; looked < LOOKED_AT_MAX; looked++) {
      const next = this.#round.next();
      if (next.done === true) {
        this.#round = this.#seenMs.entries();
        return;
      }
      const [key, seenMs] = next.value;
      if (nowMs - seenMs > bearableMs && !this.#isWaiting(key, nowMs)) this.#forget(key, nowMs);
    }
  }

  #isWaiting(key: string, nowMs: number): boolean {
    if (this.#onAdvance(key, this.watermarkOf(key, nowMs))) return true;
    const entry = this.#table.find(key, nowMs);
    return entry !== undefined && (entry.timers !== null || entry.eventTimers !== null);
  }

  #forget(key: string, nowMs: number): void {
    this.#seenMs.delete(key);
    this.#heardMs.delete(key);
    this.#table.put(key, this.#slot, undefined, nowMs);
  }

  #latestOf(key: string, nowMs: number): number {
    const entry = this.#table.find(key, nowMs);
    const latestMs = entry === undefined ? undefined : slotOf(entry, this.#slot);
    return typeof latestMs === "number" ? latestMs : MIN_WATERMARK_MS;
  }
}
