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

const TIMED_EVERY = 64;
const NOT_TIMED = -1;

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
    source: SourceMetrics;
    deadLetters: number;
    stateEntries: number;
    sinkUids: readonly string[];
  }): MeterReport {
    const nowMs = this.#monotonicMs();
    const elapsedMs = Math.max(1, nowMs - this.#lastReportMs);
    const rate = (this.#records - this.#recordsAtReport) / elapsedMs * 1000;
    const busyRatio = Math.min(1, this.#busyMs / elapsedMs);
    this.#lastReportMs = nowMs;
    this.#recordsAtReport = this.#records;
    this.#busyMs = 0;
    const { source } = of;
    const isSink = new Set(of.sinkUids);
    let recordsOut = 0;
    for (const { uid, recordsIn } of this.#counts) if (isSink.has(uid)) recordsOut += recordsIn;
    return {
      recordsIn: this.#records,
      recordsOut,
      duplicatesDropped: source.duplicatesDropped,
      deadLetters: of.deadLetters,
      stateEntries: of.stateEntries,
      windowUsed: source.windowUsed,
      windowSize: source.windowSize,
      windowSecondsLeft: rate > 0
        ? Math.max(0, source.windowSize - source.windowUsed) / rate
        : null,
      busyRatio,
      position: source.position,
      isConnected: source.isConnected,
      operators: this.#counts.map((count) => ({ ...count })),
    };
  }
}
