/**
 * Whether the receive windows of a job can hold what arrives between two checkpoints.
 *
 * Pure (M8): `window >= peak rate x (interval + checkpoint duration + restart time) x 1.5`, at most
 * 65,535. Before a job has run there is no measured duration, so a fixed allowance stands for it.
 *
 * @module
 */
import type { JobGraph } from "@shared/job_graph.ts";

/** Most unacknowledged messages that MQTT 5 can express. */
const WINDOW_MAX = 65_535;
const SAFETY_FACTOR = 1.5;
/** Allowance for the p99 duration of a checkpoint. */
const CHECKPOINT_DURATION_MS = 2_000;

export interface WindowTimes {
  readonly checkpointIntervalMs: number;
  readonly leaseTtlMs: number;
  readonly restartBackoffMs: { readonly first: number };
  /** 99th percentile of recent checkpoints; null or absent before there are some. */
  readonly checkpointP99Ms?: number | null;
}

export interface WindowVerdict {
  readonly sourceUid: string;
  readonly splits: number;
  /** Messages per second of one split, when all carry the same. */
  readonly peakRatePerSplit: number;
  readonly holdSeconds: number;
  readonly neededWindow: number;
  readonly receiveMaximum: number;
  readonly isEnough: boolean;
}

/** One verdict per MQTT source whose author said a peak rate. */
export function checkWindows(graph: JobGraph, times: WindowTimes): WindowVerdict[] {
  const holdMs = holdMsOf(times);
  return graph.operators.flatMap(({ uid, source }) => {
    if (source?.connector !== "mqtt" || source.peakRate === null) return [];
    const peakRatePerSplit = source.peakRate / Math.max(1, source.splits.length);
    const neededWindow = neededWindowOf(peakRatePerSplit, holdMs);
    const receiveMaximum = Math.min(source.receiveMaximum, WINDOW_MAX);
    return [{
      sourceUid: uid,
      splits: source.splits.length,
      peakRatePerSplit,
      holdSeconds: holdMs / 1000,
      neededWindow,
      receiveMaximum,
      isEnough: neededWindow <= receiveMaximum,
    }];
  });
}

/** How long a split holds messages at worst: until a checkpoint that a crash undid is made again. */
export function holdMsOf(times: WindowTimes): number {
  return times.checkpointIntervalMs + (times.checkpointP99Ms ?? CHECKPOINT_DURATION_MS) +
    times.leaseTtlMs + times.restartBackoffMs.first;
}

/** Messages a window has to hold, without the bound of MQTT. */
export function neededWindowOf(ratePerSecond: number, holdMs: number): number {
  return Math.ceil(ratePerSecond * (holdMs / 1000) * SAFETY_FACTOR);
}

/** What is wrong and what to do about it, with the numbers. */
export function windowProblem(verdict: WindowVerdict): string {
  return `Source "${verdict.sourceUid}" expects ${verdict.peakRatePerSplit} messages/s on each of ` +
    `${verdict.splits} splits and has to hold them for ${verdict.holdSeconds} s: that needs a window ` +
    `of ${verdict.neededWindow}, it has ${verdict.receiveMaximum}. Raise receiveMaximum (at most ` +
    `${WINDOW_MAX}), divide the topics into more splits, or shorten the checkpoint interval`;
}
