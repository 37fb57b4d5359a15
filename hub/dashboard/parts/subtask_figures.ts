/**
 * Decides what is known of each subtask and operator of a job, and which subtask is the worst and why.
 *
 * Pure.
 *
 * 1. A report of the stream counts before the fetched one, and only in the region's present attempt.
 * 2. A subtask that others wait for is worse than those that wait for it.
 * 3. No report is never shown as a calm one: a silent subtask ranks behind nothing but a lost broker.
 *
 * @module
 */
import type { JobDetail, RegionMetrics, RegionView, SubtaskView } from "@shared/job_api.ts";
import { isExchange, type JobGraph } from "@shared/job_graph.ts";
import { countText, durationText, percentText } from "../format.ts";
import { type LiveSubtask, subtaskKey } from "../state/live_state.ts";

export type SubtaskMetrics = Omit<RegionMetrics, "receivedAt">;

/** One subtask with the newest that is known of it. */
export interface SubtaskFigures extends Omit<SubtaskView, "metrics"> {
  readonly regionId: string;
  readonly regionStatus: string;
  readonly metrics: SubtaskMetrics | null;
  /** Since its last report, ms; null when there never was one. */
  readonly ageMs: number | null;
}

/** What the subtasks of one operator add up to; null where nothing is known. */
export interface OperatorFigures {
  readonly uid: string;
  readonly subtasks: number;
  readonly inPerSecond: number | null;
  readonly outPerSecond: number | null;
  /** Of the worst of its subtasks. */
  readonly busyRatio: number | null;
  readonly backpressuredRatio: number | null;
  readonly lagMs: number | null;
  /** Of the one furthest behind. */
  readonly watermarkMs: number | null;
}

export interface Moment {
  readonly nowMs: number;
  readonly monotonicMs: number;
  /** By `subtaskKey`. */
  readonly live: ReadonlyMap<string, LiveSubtask>;
}

/** Reports come about every other second; this long without one, a subtask is silent. */
export const SILENT_AFTER_MS = 15_000;
export const BUSY_WARN = 0.9;
export const BACKPRESSURE_WARN = 0.5;
export const WINDOW_WARN = 0.8;
export const LAG_WARN_MS = 60_000;
export const QUEUE_WARN = 10_000;

export function subtaskFigures(
  job: Pick<JobDetail, "id" | "regions">,
  moment: Moment,
): SubtaskFigures[] {
  return job.regions.flatMap((region) =>
    region.subtasks.map((subtask) => figuresOf(job.id, region, subtask, moment))
  );
}

function figuresOf(
  jobId: string,
  region: RegionView,
  subtask: SubtaskView,
  moment: Moment,
): SubtaskFigures {
  const { metrics: fetched, ...rest } = subtask;
  const about = { ...rest, regionId: region.regionId, regionStatus: region.status };
  const found = moment.live.get(subtaskKey(jobId, region.regionId, subtask.subtaskId));
  if (found !== undefined && found.report.attempt === region.attempt) {
    const ageMs = Math.max(0, moment.monotonicMs - found.receivedMs);
    return { ...about, metrics: liveMetrics(found, fetched), ageMs };
  }
  if (fetched === null) return { ...about, metrics: null, ageMs: null };
  const ageMs = Math.max(0, moment.nowMs - Date.parse(fetched.receivedAt));
  return { ...about, metrics: fetched, ageMs };
}

/** The first report after a page was opened has no rates of its own: the fetched ones stand in. */
function liveMetrics(found: LiveSubtask, fetched: SubtaskView["metrics"]): SubtaskMetrics {
  const { report } = found;
  const rates = new Map(found.operators.map((operator) => [operator.uid, operator]));
  const before = new Map(fetched?.operators.map((operator) => [operator.uid, operator]));
  return {
    ...report,
    recordsInPerSecond: found.inPerSecond ?? fetched?.recordsInPerSecond ?? null,
    operators: report.operators.map((operator) => ({
      ...operator,
      recordsInPerSecond: rates.get(operator.uid)?.inPerSecond ??
        before.get(operator.uid)?.recordsInPerSecond ?? null,
      recordsOutPerSecond: rates.get(operator.uid)?.outPerSecond ??
        before.get(operator.uid)?.recordsOutPerSecond ?? null,
    })),
  };
}

export function isSilent(subtask: Pick<SubtaskFigures, "ageMs">): boolean {
  return subtask.ageMs === null || subtask.ageMs > SILENT_AFTER_MS;
}

/** How far event time is behind; of a source without event time, how far its newest record is. */
export function lagOf(metrics: SubtaskMetrics | null): number | null {
  return metrics?.eventTimeLagMs ?? metrics?.sourceLagMs ?? null;
}

/** Part of the source's window that is taken; null without a window. */
export function windowShare(metrics: SubtaskMetrics | null): number | null {
  if (metrics === null || metrics.windowSize === 0) return null;
  return metrics.windowUsed / metrics.windowSize;
}

/** By uid. */
export function operatorFigures(
  graph: Pick<JobGraph, "operators">,
  subtasks: readonly SubtaskFigures[],
): ReadonlyMap<string, OperatorFigures> {
  return new Map(graph.operators.map(({ uid }) => {
    const own = subtasks.filter((subtask) => subtask.operatorUids.includes(uid));
    const heard = own.flatMap((one) => isSilent(one) || one.metrics === null ? [] : [one.metrics]);
    const counts = heard.flatMap((metrics) => metrics.operators.filter((one) => one.uid === uid));
    return [uid, {
      uid,
      subtasks: own.length,
      inPerSecond: total(counts.map((one) => one.recordsInPerSecond ?? null)),
      outPerSecond: total(counts.map((one) => one.recordsOutPerSecond ?? null)),
      busyRatio: most(heard.map((one) => one.busyRatio)),
      backpressuredRatio: most(heard.map((one) => one.backpressuredRatio)),
      lagMs: most(heard.map(lagOf)),
      watermarkMs: least(heard.map((one) => one.watermarkMs)),
    }];
  }));
}

function known(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}

function total(values: readonly (number | null)[]): number | null {
  const there = known(values);
  return there.length === 0 ? null : there.reduce((sum, value) => sum + value, 0);
}

function most(values: readonly (number | null)[]): number | null {
  const there = known(values);
  return there.length === 0 ? null : Math.max(...there);
}

function least(values: readonly (number | null)[]): number | null {
  const there = known(values);
  return there.length === 0 ? null : Math.min(...there);
}

/** What flows over an edge: what its end takes in where that is its only edge, else what its start gives. */
export function edgeFlow(
  graph: Pick<JobGraph, "edges">,
  edge: { readonly from: string; readonly to: string },
  operators: ReadonlyMap<string, OperatorFigures>,
): number | null {
  const isOnlyInput = graph.edges.filter((one) => one.to === edge.to).length === 1;
  const taken = operators.get(edge.to)?.inPerSecond ?? null;
  const given = operators.get(edge.from)?.outPerSecond ?? null;
  return isOnlyInput ? taken ?? given : given ?? taken;
}

export const SORTS = ["worst", "backpressure", "busy", "lag", "queue"] as const;
export type SubtaskSort = typeof SORTS[number];

export interface RankedSubtask extends SubtaskFigures {
  /** Why it stands where it stands, most pressing first; empty when nothing is wrong with it. */
  readonly reasons: readonly string[];
  readonly score: number;
}

/** All subtasks, the worst by `sort` first; ties by id. */
export function rankSubtasks(
  graph: Pick<JobGraph, "edges">,
  subtasks: readonly SubtaskFigures[],
  sort: SubtaskSort,
): RankedSubtask[] {
  const blockers = blockersOf(graph, subtasks);
  const ranked = subtasks.map((subtask): RankedSubtask => {
    const waiting = [...blockers].filter(([, blocker]) => blocker === subtask.subtaskId).length;
    const findings = findingsOf(subtask, blockers.get(subtask.subtaskId) ?? null, waiting);
    return {
      ...subtask,
      reasons: findings.filter(({ isAbnormal }) => isAbnormal).map(({ text }) => text),
      score: Math.max(0, ...findings.map(({ score }) => score)) + (waiting > 0 ? 0.5 : 0),
    };
  });
  const measure = MEASURES[sort];
  return ranked.sort((a, b) =>
    measure(b) - measure(a) || b.score - a.score || (a.subtaskId < b.subtaskId ? -1 : 1)
  );
}

const MEASURES: Readonly<Record<SubtaskSort, (subtask: RankedSubtask) => number>> = {
  worst: (one) => one.score,
  backpressure: (one) => one.metrics?.backpressuredRatio ?? -1,
  busy: (one) => one.metrics?.busyRatio ?? -1,
  lag: (one) => lagOf(one.metrics) ?? -1,
  queue: (one) => one.metrics?.inputQueued ?? -1,
};

/** For each subtask that is held up, the busiest of those it sends to. */
function blockersOf(
  graph: Pick<JobGraph, "edges">,
  subtasks: readonly SubtaskFigures[],
): ReadonlyMap<string, string> {
  const blockers = new Map<string, string>();
  for (const subtask of subtasks) {
    if ((subtask.metrics?.backpressuredRatio ?? 0) <= BACKPRESSURE_WARN) continue;
    const targets = graph.edges
      .filter((edge) => isExchange(edge) && subtask.operatorUids.includes(edge.from))
      .map((edge) => edge.to);
    const busiest = subtasks
      .filter((one) => one.operatorUids.some((uid) => targets.includes(uid)))
      .sort((a, b) => holdUpOf(b) - holdUpOf(a))[0];
    if (busiest !== undefined) blockers.set(subtask.subtaskId, busiest.subtaskId);
  }
  return blockers;
}

function holdUpOf({ metrics }: SubtaskFigures): number {
  return (metrics?.busyRatio ?? 0) + Math.min(1, (metrics?.inputQueued ?? 0) / QUEUE_WARN);
}

interface Finding {
  readonly score: number;
  readonly isAbnormal: boolean;
  readonly text: string;
}

function findingsOf(subtask: SubtaskFigures, blocker: string | null, waiting: number): Finding[] {
  const { metrics, ageMs } = subtask;
  if (metrics === null || isSilent(subtask)) {
    const text = ageMs === null ? "no report yet" : `silent for ${durationText(ageMs)}`;
    return [{ score: 2, isAbnormal: true, text }];
  }
  const window = windowShare(metrics) ?? 0;
  const lagMs = lagOf(metrics) ?? 0;
  const waits = blocker === null ? "" : `: waits for ${blocker}`;
  const waited = waiting === 0 ? "" : `: ${waiting === 1 ? "1 subtask waits" : `${waiting} wait`}`;
  const findings: Finding[] = [
    {
      score: metrics.isConnected ? 0 : 3,
      isAbnormal: !metrics.isConnected,
      text: "its broker is away",
    },
    {
      score: metrics.busyRatio,
      isAbnormal: metrics.busyRatio > BUSY_WARN || waiting > 0,
      text: `busy ${percentText(metrics.busyRatio)}${waited}`,
    },
    {
      score: window,
      isAbnormal: window > WINDOW_WARN,
      text: `window ${percentText(window)} full`,
    },
    {
      score: metrics.backpressuredRatio * 0.9,
      isAbnormal: metrics.backpressuredRatio > BACKPRESSURE_WARN,
      text: `backpressured ${percentText(metrics.backpressuredRatio)}${waits}`,
    },
    {
      score: Math.min(1, lagMs / LAG_WARN_MS) * 0.8,
      isAbnormal: lagMs > LAG_WARN_MS,
      text: `${durationText(lagMs)} behind`,
    },
    {
      score: Math.min(1, metrics.inputQueued / QUEUE_WARN) * 0.8,
      isAbnormal: metrics.inputQueued > QUEUE_WARN,
      text: `${countText(metrics.inputQueued)} records queued`,
    },
  ];
  return findings.sort((a, b) => b.score - a.score);
}
