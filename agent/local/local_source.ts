/**
 * Where records of one source go into a local job: time is what they say it is.
 *
 * Touches the clock and the subtask it is given.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { BuiltJob, SourceSpec } from "@shared/sdk/operator.ts";
import { MAX_WATERMARK_MS } from "../runner/watermarks.ts";
import type { DataClock } from "./data_clock.ts";
import type { LocalSubtask } from "./local_subtask.ts";

export class LocalSource {
  readonly uid: string;
  readonly spec: SourceSpec;
  readonly #subtask: LocalSubtask;
  readonly #clock: DataClock;

  constructor(subtask: LocalSubtask, job: BuiltJob, clock: DataClock) {
    this.uid = subtask.plan.sourceUid!;
    const operator = job.operators.get(this.uid);
    assert(operator?.kind === "source", `"${this.uid}" is not a source`);
    this.spec = operator.source;
    this.#subtask = subtask;
    this.#clock = clock;
  }

  /**
   * Event time of a record, ms since the epoch; null when the source has none, or none can be told.
   */
  timeOf(value: unknown): number | null {
    const { eventTime } = this.spec;
    if (eventTime === null) return null;
    try {
      const atMs = eventTime(value);
      return Number.isFinite(atMs) ? atMs : null;
    } catch {
      // The operator judges it again, and says why.
      return null;
    }
  }

  /**
   * Runs one record to its end, and time on to it.
   *
   * @param position Number of the record, from 1.
   * @throws What an operator with the policy `fail` threw.
   */
  record(value: unknown, position: number): void {
    const atMs = this.timeOf(value);
    if (atMs !== null) this.#clock.advanceTo(atMs);
    this.recordAt(value, position, this.#clock.nowMs());
  }

  /** `record` that arrives at `nowMs`, whatever its event time. */
  recordAt(value: unknown, position: number, nowMs: number): void {
    this.#subtask.record(value, position, nowMs);
  }

  /** Event time has come to `ms`: no record with an event time up to it comes any more. */
  advance(ms: number): void {
    this.#subtask.advance(ms);
  }

  /** No record comes any more. */
  end(): void {
    this.#subtask.advance(MAX_WATERMARK_MS);
  }
}
