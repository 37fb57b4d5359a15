/**
 * What the subtasks of a region add up to.
 *
 * Pure. A region takes in what its sources take in: records that its subtasks exchange count once. It is
 * as busy as its busiest subtask, its watermark is the one furthest behind, and it is as near to a full
 * window as the source that is nearest.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { LiveMetrics } from "./ports.ts";

/** @param subtasks Of one attempt of one region; not empty. */
export function metricsOfRegion(subtasks: readonly LiveMetrics[]): LiveMetrics {
  const [first] = subtasks;
  assert(first !== undefined, "A region without subtasks has no metrics");
  if (subtasks.length === 1) return first;
  const sources = subtasks.filter(({ position, windowSize }) => position > 0 || windowSize > 0);
  const fullest = [...sources].sort((a, b) => fillOf(b) - fillOf(a))[0];
  const rates = sources.flatMap((one) => one.recordsInPerSecond ?? []);
  const left = sources.flatMap((one) => one.windowSecondsLeft ?? []);
  return {
    ...first,
    recordsIn: sum(sources, "recordsIn"),
    recordsOut: sum(subtasks, "recordsOut"),
    recordsInPerSecond: rates.length === 0 ? null : rates.reduce((total, rate) => total + rate, 0),
    duplicatesDropped: sum(subtasks, "duplicatesDropped"),
    deadLetters: sum(subtasks, "deadLetters"),
    stateEntries: sum(subtasks, "stateEntries"),
    windowUsed: fullest?.windowUsed ?? 0,
    windowSize: fullest?.windowSize ?? 0,
    windowSecondsLeft: least(left),
    busyRatio: Math.max(...subtasks.map(({ busyRatio }) => busyRatio)),
    backpressuredRatio: Math.max(...subtasks.map((one) => one.backpressuredRatio)),
    idleRatio: Math.min(...subtasks.map(({ idleRatio }) => idleRatio)),
    watermarkMs: least(subtasks.flatMap(({ watermarkMs }) => watermarkMs ?? [])),
    eventTimeLagMs: greatest(subtasks.flatMap(({ eventTimeLagMs }) => eventTimeLagMs ?? [])),
    sourceLagMs: greatest(subtasks.flatMap(({ sourceLagMs }) => sourceLagMs ?? [])),
    lateRecords: sum(subtasks, "lateRecords"),
    shedRecords: sum(subtasks, "shedRecords"),
    futureRecords: sum(subtasks, "futureRecords"),
    inputQueued: sum(subtasks, "inputQueued"),
    position: sum(sources, "position"),
    isConnected: subtasks.every(({ isConnected }) => isConnected),
    operators: operatorsOf(subtasks),
    receivedAtMs: Math.max(...subtasks.map(({ receivedAtMs }) => receivedAtMs)),
  };
}

type Counter =
  | "recordsIn"
  | "recordsOut"
  | "duplicatesDropped"
  | "deadLetters"
  | "stateEntries"
  | "lateRecords"
  | "shedRecords"
  | "futureRecords"
  | "inputQueued"
  | "position";

function sum(subtasks: readonly LiveMetrics[], name: Counter): number {
  return subtasks.reduce((total, one) => total + one[name], 0);
}

function least(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.min(...values);
}

function greatest(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.max(...values);
}

function fillOf({ windowUsed, windowSize }: LiveMetrics): number {
  return windowSize === 0 ? 0 : windowUsed / windowSize;
}

/** Counts of each operator over the subtasks that run it. */
function operatorsOf(subtasks: readonly LiveMetrics[]): LiveMetrics["operators"] {
  const byUid = new Map<string, LiveMetrics["operators"][number]>();
  for (const one of subtasks.flatMap(({ operators }) => operators)) {
    const known = byUid.get(one.uid);
    byUid.set(one.uid, {
      ...one,
      recordsIn: (known?.recordsIn ?? 0) + one.recordsIn,
      recordsOut: (known?.recordsOut ?? 0) + one.recordsOut,
      recordsInPerSecond: sumOfRates(known?.recordsInPerSecond, one.recordsInPerSecond),
      recordsOutPerSecond: sumOfRates(known?.recordsOutPerSecond, one.recordsOutPerSecond),
    });
  }
  return [...byUid.values()];
}

/** The sum of the rates there are; null when there is none. */
function sumOfRates(a: number | null | undefined, b: number | null | undefined): number | null {
  return a === null || a === undefined ? b ?? null : a + (b ?? 0);
}
