/**
 * Puts the figures of a job's subtasks in order: what needs a look comes first.
 *
 * Pure.
 *
 * @module
 */
import type { RegionMetrics, RegionView } from "@shared/job_api.ts";
import type { JobMetrics, OperatorMetricsView, SubtaskMetricsView } from "@shared/metrics_api.ts";

export function jobMetrics(jobId: string, regions: readonly RegionView[]): JobMetrics {
  const subtasks = regions.flatMap(({ regionId, subtasks }) =>
    subtasks.map((subtask): SubtaskMetricsView => ({
      regionId,
      ...subtask,
      pressure: subtask.metrics === null ? null : pressureOf(subtask.metrics),
    }))
  );
  return {
    jobId,
    regions,
    subtasks: subtasks.sort(worstFirst),
    operators: operatorsOf(subtasks).sort((a, b) =>
      Math.max(b.busyRatio, b.backpressuredRatio) - Math.max(a.busyRatio, a.backpressuredRatio) ||
      (a.operator < b.operator ? -1 : 1)
    ),
  };
}

/** How near the subtask is to its nearest limit, 0..1. */
function pressureOf(metrics: RegionMetrics): number {
  const { busyRatio, backpressuredRatio, windowUsed, windowSize } = metrics;
  const fill = windowSize === 0 ? 0 : windowUsed / windowSize;
  return Math.max(busyRatio, backpressuredRatio, fill);
}

function worstFirst(a: SubtaskMetricsView, b: SubtaskMetricsView): number {
  const rank = ({ metrics, pressure }: SubtaskMetricsView) =>
    metrics === null ? 3 : !metrics.isConnected ? 2 : pressure ?? 0;
  return rank(b) - rank(a) ||
    (b.metrics?.eventTimeLagMs ?? 0) - (a.metrics?.eventTimeLagMs ?? 0) ||
    (a.subtaskId < b.subtaskId ? -1 : 1);
}

function operatorsOf(subtasks: readonly SubtaskMetricsView[]): OperatorMetricsView[] {
  const reports = subtasks.flatMap(({ metrics }) =>
    (metrics?.operators ?? []).map((operator) => ({ ...operator, metrics: metrics! }))
  );
  return [...Map.groupBy(reports, ({ uid }) => uid)].map(([operator, of]) => {
    const watermarks = of.map(({ metrics }) => metrics.watermarkMs);
    const lags = of.map(({ metrics }) => metrics.eventTimeLagMs);
    return {
      operator,
      subtasks: of.length,
      recordsIn: sumOf(of.map(({ recordsIn }) => recordsIn)) ?? 0,
      recordsOut: sumOf(of.map(({ recordsOut }) => recordsOut)) ?? 0,
      recordsInPerSecond: sumOf(of.map(({ recordsInPerSecond }) => recordsInPerSecond)),
      recordsOutPerSecond: sumOf(of.map(({ recordsOutPerSecond }) => recordsOutPerSecond)),
      busyRatio: Math.max(...of.map(({ metrics }) => metrics.busyRatio)),
      backpressuredRatio: Math.max(...of.map(({ metrics }) => metrics.backpressuredRatio)),
      watermarkMs: watermarks.includes(null) ? null : Math.min(...watermarks as number[]),
      eventTimeLagMs: lags.includes(null) ? null : Math.max(...lags as number[]),
    };
  });
}

function sumOf(values: readonly (number | null | undefined)[]): number | null {
  const known = values.flatMap((value) => value ?? []);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}
