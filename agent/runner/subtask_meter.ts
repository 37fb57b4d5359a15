/**
 * Counts what a subtask does, and how busy it is, at almost no cost per record.
 *
 * Pure but for the clock it is given: one record in `TIMED_EVERY` is timed and stands for the others.
 *
 * @module
 */
import type { SubtaskMetrics } from "@shared/messages.ts";
import type { SourceMetrics } from "../connectors/connector.ts";
import type { OperatorCount } from "./chain.ts";
import type { SourceTime } from "./source_operator.ts";
import { MAX_WATERMARK_MS } from "./watermarks.ts";

const TIMED_EVERY = 64;
const NOT_TIMED = -1;

const NO_SOURCE: SourceMetrics = {
  position: 0,
  duplicatesDropped: 0,
  windowUsed: 0,
  windowSize: 0,
  isConnected: true,
};

/** The part of the metrics that does not say which subtask it is. */
export type MeterReport = Omit<SubtaskMetrics, "jobId" | "regionId" | "attempt" | "subtaskId">;

export class SubtaskMeter {
  readonly #counts: readonly OperatorCount[];
  readonly #monotonicMs: () => number;
  #records = 0;
  #busyMs = 0;
  #lastReportMs: number;
  #recordsAtReport = 0;

  constructor(counts: readonly OperatorCount[], monotonicMs: () => number) {
    this.#counts = counts;
    this.#monotonicMs = monotonicMs;
    this.#lastReportMs = monotonicMs();
  }

  /** Before a record; pass the answer to `end`. */
  begin(): number {
    return this.#records++ % TIMED_EVERY === 0 ? this.#monotonicMs() : NOT_TIMED;
  }

  /** After a record. */
  end(startedMs: number): void {
    if (startedMs === NOT_TIMED) return;
    this.#busyMs += (this.#monotonicMs() - startedMs) * TIMED_EVERY;
  }

  /** What happened since the attempt began; ratios are of the time since the last report. */
  report(of: {
    /** Null when only channels feed the subtask. */
    source: SourceMetrics | null;
    deadLetters: number;
    stateEntries: number;
    sinkUids: readonly string[];
    /** Time since the last report in which nothing was taken in, for want of room behind. */
    heldMs: number;
    /** -Infinity before the first record. */
    watermarkMs: number;
    inputQueued: number;
    /** Null when only channels feed the subtask. */
    sourceTime: Pick<SourceTime, "latestMs" | "futureRecords"> | null;
    shedRecords: number;
    /** Wall clock, ms since the epoch. */
    wallMs: number;
  }): MeterReport {
    const nowMs = this.#monotonicMs();
    const elapsedMs = Math.max(1, nowMs - this.#lastReportMs);
    const rate = (this.#records - this.#recordsAtReport) / elapsedMs * 1000;
    const busyRatio = Math.min(1, this.#busyMs / elapsedMs);
    this.#lastReportMs = nowMs;
    this.#recordsAtReport = this.#records;
    this.#busyMs = 0;
    const source = of.source ?? NO_SOURCE;
    const backpressuredRatio = Math.min(1 - busyRatio, of.heldMs / elapsedMs);
    const isSink = new Set(of.sinkUids);
    let recordsOut = 0;
    let lateRecords = 0;
    for (const count of this.#counts) {
      if (isSink.has(count.uid)) recordsOut += count.recordsIn;
      lateRecords += count.lateRecords;
    }
    return {
      recordsIn: this.#records,
      recordsOut,
      duplicatesDropped: source.duplicatesDropped,
      deadLetters: of.deadLetters,
      stateEntries: of.stateEntries,
      windowUsed: source.windowUsed,
      windowSize: source.windowSize,
      windowSecondsLeft: rate > 0 && source.windowSize > 0
        ? Math.max(0, source.windowSize - source.windowUsed) / rate
        : null,
      busyRatio,
      backpressuredRatio,
      idleRatio: Math.max(0, 1 - busyRatio - backpressuredRatio),
      watermarkMs: Number.isFinite(of.watermarkMs) ? of.watermarkMs : null,
      eventTimeLagMs: lagOf(of.watermarkMs, of.wallMs),
      sourceLagMs: of.sourceTime === null ? null : lagOf(of.sourceTime.latestMs, of.wallMs),
      lateRecords,
      shedRecords: of.shedRecords,
      futureRecords: of.sourceTime?.futureRecords ?? 0,
      inputQueued: of.inputQueued,
      position: source.position,
      isConnected: source.isConnected,
      operators: this.#counts.map((count) => ({ ...count })),
    };
  }
}

/** How far `ms` is behind the wall clock; null for a time before the first record or at the end of the input. */
function lagOf(ms: number, wallMs: number): number | null {
  return Number.isFinite(ms) && ms < MAX_WATERMARK_MS ? wallMs - ms : null;
}
