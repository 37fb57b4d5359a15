/**
 * GET /jobs/{id}/metrics: what the subtasks and operators of a job do at the moment, worst first.
 *
 * Pure types, like those of `shared/api.ts`.
 *
 * @module
 */
import type { RegionMetrics, RegionView } from "@shared/job_api.ts";

export interface JobMetrics {
  readonly jobId: string;
  readonly regions: readonly RegionView[];
  /** Those that do not report, then those nearest to their limit. */
  readonly subtasks: readonly SubtaskMetricsView[];
  /** Those with the most pressure first. */
  readonly operators: readonly OperatorMetricsView[];
}

export interface SubtaskMetricsView {
  readonly regionId: string;
  readonly subtaskId: string;
  readonly agentId: string | null;
  readonly agentName: string | null;
  readonly operatorUids: readonly string[];
  readonly keyGroups: readonly [number, number] | null;
  /** Share of the nearest limit: busy, backpressured, or the source's window; null without a report. */
  readonly pressure: number | null;
  /** Null while it does not report. */
  readonly metrics: RegionMetrics | null;
}

/** One operator over all of its subtasks that report. */
export interface OperatorMetricsView {
  readonly operator: string;
  readonly subtasks: number;
  readonly recordsIn: number;
  readonly recordsOut: number;
  /** Null before there are two reports. */
  readonly recordsInPerSecond: number | null;
  readonly recordsOutPerSecond: number | null;
  /** Of the subtask that is worst. */
  readonly busyRatio: number;
  readonly backpressuredRatio: number;
  /** Event time that has come, ms since the epoch: the least of its subtasks; null when one has none. */
  readonly watermarkMs: number | null;
  readonly eventTimeLagMs: number | null;
}
