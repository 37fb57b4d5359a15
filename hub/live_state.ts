/**
 * What the hub knows of the moment: who is online, latest metrics, samples and broker profiles.
 *
 * Memory only; after a restart it fills again within a heartbeat, signals with what was stored of them.
 * Written by the agents' sessions, read by the routes. Every map has a bound; the entry that was silent
 * longest goes first.
 *
 * @module
 */
import type { AgentId, JobId, SubtaskId } from "@shared/ids.ts";
import type { RegionEvent, SignalSample, SubtaskMetrics, Uplink } from "@shared/messages.ts";
import type { LiveMetrics, LiveSignal, LiveState, OnlineAgent } from "./ports.ts";
import { metricsOfRegion } from "./region_metrics.ts";

const REGIONS_MAX = 10_000;
const SIGNALS_MAX = 100_000;
/** Signals that go at once when there are too many: looking for the oldest costs a walk over all. */
const SIGNALS_DROPPED = 5_000;

/** What a subtask reports. */
export type MetricsReport = Omit<SubtaskMetrics, "operators"> & {
  readonly operators: readonly SubtaskMetrics["operators"][number][];
};

/** `LiveState` with the side that writes it. */
export interface MutableLiveState extends LiveState {
  agentOnline(agent: OnlineAgent): void;
  agentOffline(agentId: AgentId): void;
  /** What a heartbeat said of the agent's way to the hub. */
  recordUplink(agentId: AgentId, uplink: Uplink): void;
  recordMetrics(metrics: MetricsReport, receivedAtMs: number): LiveMetrics;
  /** An older sample than the known one changes nothing. */
  recordSample(jobId: JobId, sample: SignalSample): void;
  /** What is stored of a signal that nobody has spoken of since the start. */
  restoreSignal(jobId: JobId, signal: Omit<LiveSignal, "jobId">): void;
  /**
   * @param split Uid of the source, a dot, number of the split: its subtask.
   * @returns Whether it says something new; agents repeat it at each reconnect.
   */
  recordBrokerProfile(jobId: JobId, split: string, event: RegionEvent): boolean;
  /** Forgets what a job that ended was doing; its signals stay, and nobody speaks of them any more. */
  forgetJob(jobId: JobId): void;
}

export function createLiveState(): MutableLiveState {
  const onlineAgents = new Map<AgentId, OnlineAgent>();
  const metrics = new Map<string, LiveMetrics>();
  const subtasks = new Map<string, ReadonlyMap<SubtaskId, LiveMetrics>>();
  const samples = new Map<string, Changing<LiveSignal>>();
  const brokerProfiles = new Map<string, RegionEvent>();
  return {
    onlineAgents,
    metrics,
    subtasks,
    samples,
    brokerProfiles,
    agentOnline: (agent) => void onlineAgents.set(agent.agentId, agent),
    agentOffline: (agentId) => void onlineAgents.delete(agentId),
    recordUplink(agentId, uplink) {
      const agent = onlineAgents.get(agentId);
      if (agent !== undefined) onlineAgents.set(agentId, { ...agent, uplink });
    },
    recordMetrics(report, receivedAtMs) {
      const key = `${report.jobId}/${report.regionId}`;
      const known = subtasks.get(key);
      const before = known?.get(report.subtaskId);
      const recordsInPerSecond = rateOf(before, report, receivedAtMs, "recordsIn");
      const recordsOutPerSecond = rateOf(before, report, receivedAtMs, "recordsOut");
      // What an earlier attempt said is over, also of subtasks that are not there any more.
      const ofAttempt = [...known?.values() ?? []]
        .filter(({ attempt, subtaskId }) =>
          attempt === report.attempt && subtaskId !== report.subtaskId
        );
      const operators = operatorRates(before, report, receivedAtMs);
      const live = { ...report, receivedAtMs, recordsInPerSecond, recordsOutPerSecond, operators };
      const all = [...ofAttempt, live];
      putLast(subtasks, key, new Map(all.map((one) => [one.subtaskId, one])), REGIONS_MAX);
      putLast(metrics, key, metricsOfRegion(all), REGIONS_MAX);
      return live;
    },
    recordSample(jobId, sample) {
      const key = `${jobId}/${sample.operatorUid}/${sample.key}`;
      const known = samples.get(key);
      if (known === undefined) return addSignal(samples, key, jobId, sample);
      if (known.atMs !== null && known.atMs > sample.atMs) return;
      known.atMs = sample.atMs;
      known.value = sample.value;
      known.score = sample.score;
      known.low = sample.low ?? null;
      known.high = sample.high ?? null;
    },
    restoreSignal(jobId, signal) {
      const key = `${jobId}/${signal.operatorUid}/${signal.key}`;
      if (!samples.has(key)) addSignal(samples, key, jobId, signal);
    },
    recordBrokerProfile(jobId, split, event) {
      const key = `${jobId}/${split}`;
      const isNews = JSON.stringify(brokerProfiles.get(key)) !== JSON.stringify(event);
      putLast(brokerProfiles, key, event, REGIONS_MAX);
      return isNews;
    },
    forgetJob(jobId) {
      for (const map of [metrics, subtasks, brokerProfiles]) {
        for (const key of [...map.keys()]) if (key.startsWith(`${jobId}/`)) map.delete(key);
      }
    },
  };
}

type Changing<T> = { -readonly [Name in keyof T]: T[Name] };

function addSignal(
  samples: Map<string, Changing<LiveSignal>>,
  key: string,
  jobId: JobId,
  { operatorUid, key: equipment, atMs, value, score, low, high }:
    & Omit<LiveSignal, "jobId" | "low" | "high">
    & Pick<SignalSample, "low" | "high">,
): void {
  if (samples.size >= SIGNALS_MAX) {
    const byAge = [...samples].sort(([, a], [, b]) => (a.atMs ?? 0) - (b.atMs ?? 0));
    for (const [oldest] of byAge.slice(0, SIGNALS_DROPPED)) samples.delete(oldest);
  }
  samples.set(key, {
    jobId,
    operatorUid,
    key: equipment,
    atMs,
    value,
    score,
    low: low ?? null,
    high: high ?? null,
  });
}

function rateOf(
  before: LiveMetrics | undefined,
  now: MetricsReport,
  nowMs: number,
  count: "recordsIn" | "recordsOut",
): number | null {
  if (before === undefined || before.attempt !== now.attempt) return null;
  if (nowMs <= before.receivedAtMs || now[count] < before[count]) return null;
  return (now[count] - before[count]) * 1000 / (nowMs - before.receivedAtMs);
}

function operatorRates(
  before: LiveMetrics | undefined,
  now: MetricsReport,
  nowMs: number,
): LiveMetrics["operators"] {
  const elapsedMs = before?.attempt === now.attempt ? nowMs - before.receivedAtMs : 0;
  const perSecond = (count: number, earlier: number | undefined) =>
    elapsedMs <= 0 || earlier === undefined || count < earlier
      ? null
      : (count - earlier) * 1000 / elapsedMs;
  return now.operators.map((operator) => {
    const earlier = before?.operators.find(({ uid }) => uid === operator.uid);
    return {
      ...operator,
      recordsInPerSecond: perSecond(operator.recordsIn, earlier?.recordsIn),
      recordsOutPerSecond: perSecond(operator.recordsOut, earlier?.recordsOut),
    };
  });
}

function putLast<T>(map: Map<string, T>, key: string, value: T, entriesMax: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= entriesMax) return;
  const oldest = map.keys().next().value;
  if (oldest !== undefined) map.delete(oldest);
}
