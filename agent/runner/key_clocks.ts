/**
 * Event time of each key of one operator, for fleets whose devices lag or fall silent one by one.
 *
 * Touches the operator's table: the time of a key is a state of that key, in its last slot, so that it is in
 * snapshots and moves with its key group. A key's watermark is its own latest event time less the disorder
 * that the source declares; another device's lag or silence does not touch it. A key without a record for
 * `idleAfterMs` goes on at the pace of the wall clock, as long as something of it is waiting to fire.
 *
 * Invariants:
 *
 *   1  A key's watermark never goes back (A5).
 *   2  At the end of the input every key's watermark is the maximum.
 *
 * @module
 */
import type { KeyClockSpec } from "@shared/sdk/operator.ts";
import { slotOf, type StateTable } from "../state/state_table.ts";
import type { OperatorClock } from "./event_clock.ts";
import { MAX_WATERMARK_MS, MIN_WATERMARK_MS } from "./watermarks.ts";

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

  /** Lets the keys go on that have been silent for too long. */
  tick(nowMs: number): void {
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

  #latestOf(key: string, nowMs: number): number {
    const entry = this.#table.find(key, nowMs);
    const latestMs = entry === undefined ? undefined : slotOf(entry, this.#slot);
    return typeof latestMs === "number" ? latestMs : MIN_WATERMARK_MS;
  }
}
