/**
 * Figures of single subtasks for Prometheus: which one is slow, late or held up.
 *
 * Touches the registry behind `make`. Base units, labels are bounded by the plans of
 * the jobs that run.
 *
 * @module
 */
import type { Counter, Gauge } from "prom-client";
import type { LiveMetrics } from "./ports.ts";

type MakeOne<M> = (name: string, help: string, labelNames: readonly string[]) => M;

/** Makes a figure with the prefix of them all. */
export interface Make {
  readonly gauge: MakeOne<Gauge<string>>;
  readonly counter: MakeOne<Counter<string>>;
}

const AT_SUBTASK = ["job", "region", "subtask"];

/** @returns Takes in the figures of one subtask of the job of this name. */
export function subtaskFigures(make: Make): (job: string, metrics: LiveMetrics) => void {
  const setShares = shareFigures(make);
  const setTimes = timeFigures(make);
  return (job, metrics) => {
    const at = { job, region: metrics.regionId, subtask: metrics.subtaskId };
    setShares(at, metrics);
    setTimes(at, metrics);
  };
}

interface At {
  readonly job: string;
  readonly region: string;
  readonly subtask: string;
}

function shareFigures({ gauge }: Make): (at: At, metrics: LiveMetrics) => void {
  const busy = gauge("subtask_busy_ratio", "Share of time spent processing", AT_SUBTASK);
  const held = gauge("subtask_backpressured_ratio", "Share of time held back", AT_SUBTASK);
  const idle = gauge("subtask_idle_ratio", "Share of time with nothing to do", AT_SUBTASK);
  const queued = gauge("input_queued_records", "Records of channels that wait", AT_SUBTASK);
  return (at, metrics) => {
    busy.set({ ...at }, metrics.busyRatio);
    held.set({ ...at }, metrics.backpressuredRatio);
    idle.set({ ...at }, metrics.idleRatio);
    queued.set({ ...at }, metrics.inputQueued);
  };
}

function timeFigures({ gauge }: Make): (at: At, metrics: LiveMetrics) => void {
  const watermark = gauge(
    "watermark_timestamp_seconds",
    "Event time that has come, since the epoch",
    AT_SUBTASK,
  );
  const lag = gauge("event_time_lag_seconds", "Watermark behind the wall clock", AT_SUBTASK);
  const source = gauge("source_lag_seconds", "Newest record behind the wall clock", AT_SUBTASK);
  return (at, { watermarkMs, eventTimeLagMs, sourceLagMs }) => {
    if (watermarkMs !== null) watermark.set({ ...at }, watermarkMs / 1000);
    if (eventTimeLagMs !== null) lag.set({ ...at }, eventTimeLagMs / 1000);
    if (sourceLagMs !== null) source.set({ ...at }, sourceLagMs / 1000);
  };
}
