/**
 * The watermark of one split: how far event time has come, by the records read so far.
 *
 * Pure: times come in as values. A watermark of `t` says that no record with an event time of `t` or
 * earlier is expected any more; one that comes nevertheless is late. The bound is the latest event time
 * less the disorder that the source declares.
 *
 *   silent ── record ──▶ active ── idleAfter without a record ──▶ idle ── record ──▶ active
 *
 * Invariants (tests/property/watermarks_test.ts):
 *
 *   1  The watermark never goes back, not over a restore either (A5).
 *   2  A record that is no more than `maxOutOfOrdernessMs` behind the latest before it is never late.
 *   3  Under a clock that guards it, the watermark stays behind the wall clock, whatever devices report.
 *
 * @module
 */
import type { EventTimeDescriptor } from "@shared/job_graph.ts";

/** No record has come: everything is still expected. */
export const MIN_WATERMARK_MS = -Infinity;
/** Nothing is expected any more: the input is at its end, or the job drains. */
export const MAX_WATERMARK_MS = Number.MAX_SAFE_INTEGER;

/** How event time advances unless the source says more. */
export const DEFAULT_EVENT_TIME: EventTimeDescriptor = {
  isOfRecord: false,
  maxOutOfOrdernessMs: 0,
  idleAfterMs: null,
  perKey: false,
  maxFutureSkewMs: null,
  onFuture: "clamp",
};

/** What a snapshot holds of a generator. */
export interface WatermarkState {
  /** Latest event time that counts; -Infinity before the first record. */
  readonly latestMs: number;
}

export class WatermarkGenerator {
  readonly #maxOutOfOrdernessMs: number;
  readonly #idleAfterMs: number;
  readonly #isOfRecord: boolean;
  readonly #isGuarded: boolean;
  #latestMs = MIN_WATERMARK_MS;
  #watermarkMs = MIN_WATERMARK_MS;
  #lastRecordAtMs = MIN_WATERMARK_MS;
  #records = 0;
  #recordsAtTick = 0;
  #isIdle = false;

  constructor(options: EventTimeDescriptor) {
    this.#maxOutOfOrdernessMs = options.maxOutOfOrdernessMs;
    this.#idleAfterMs = options.idleAfterMs ?? Infinity;
    this.#isOfRecord = options.isOfRecord;
    this.#isGuarded = options.maxFutureSkewMs !== null;
  }

  get watermarkMs(): number {
    return this.#watermarkMs;
  }

  /** Latest event time that counts; -Infinity before the first record. */
  get latestMs(): number {
    return this.#latestMs;
  }

  /** The split has said nothing for `idleAfterMs`: it does not hold others back. */
  get isIdle(): boolean {
    return this.#isIdle;
  }

  /**
   * A record of event time `atMs` has been processed at `nowMs`.
   *
   * @returns Whether it moved the watermark.
   */
  observe(atMs: number, nowMs: number): boolean {
    this.#records++;
    const latestMs = this.#isGuarded && atMs > nowMs ? nowMs : atMs;
    if (latestMs <= this.#latestMs) return false;
    this.#latestMs = latestMs;
    this.#watermarkMs = latestMs - this.#maxOutOfOrdernessMs - 1;
    return true;
  }

  /**
   * Time has passed; call it about once a second. Records that carry no event time have their arrival
   * time, and that goes on without records.
   *
   * @returns Whether it moved the watermark.
   */
  tick(nowMs: number): boolean {
    const hasMoved = !this.#isOfRecord && this.#records > 0 && nowMs > this.#latestMs;
    if (hasMoved) {
      this.#latestMs = nowMs;
      this.#watermarkMs = nowMs - this.#maxOutOfOrdernessMs - 1;
    }
    if (this.#records !== this.#recordsAtTick || this.#lastRecordAtMs === MIN_WATERMARK_MS) {
      this.#recordsAtTick = this.#records;
      this.#lastRecordAtMs = nowMs;
    }
    this.#isIdle = nowMs - this.#lastRecordAtMs >= this.#idleAfterMs;
    return hasMoved;
  }

  capture(): WatermarkState {
    return { latestMs: this.#latestMs };
  }

  /** Goes on from a snapshot; the watermark is not below what it was then. */
  restore({ latestMs }: WatermarkState): void {
    if (latestMs <= this.#latestMs) return;
    this.#latestMs = latestMs;
    this.#watermarkMs = latestMs - this.#maxOutOfOrdernessMs - 1;
  }
}
