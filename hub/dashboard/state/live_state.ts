/**
 * Keeps the newest metrics that the event stream brought, for the views to read.
 *
 * Pure but for its subscription. The hub's answers are the truth at the time of a fetch; this holds
 * what came since.
 *
 * 1. Rates are differences of two reports of one subtask in one attempt; a counter that fell gives none.
 * 2. Each subtask has an entry of its own: what one of them says never stands for its region.
 * 3. At most `SUBTASKS_MAX` subtasks are kept: the oldest leave.
 * 4. A new connection begins with none: what views fetch then is newer than what came before it.
 *
 * @module
 */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { RegionMetrics } from "@shared/job_api.ts";
import type { Clock } from "@shared/clock.ts";
import type { EventStream, HubEvent } from "./event_stream.ts";

/** What an agent reports about one subtask, as the stream brings it. */
export interface SubtaskReport
  extends Omit<RegionMetrics, "receivedAt" | "recordsInPerSecond" | "operators"> {
  readonly regionId: string;
  readonly subtaskId: string;
  readonly attempt: number;
  readonly operators: readonly OperatorCounts[];
}

export interface OperatorCounts {
  readonly uid: string;
  readonly recordsIn: number;
  readonly recordsOut: number;
}

export interface OperatorRate {
  readonly uid: string;
  readonly inPerSecond: number;
  readonly outPerSecond: number;
}

export interface LiveSubtask {
  readonly report: SubtaskReport;
  readonly receivedMs: number;
  readonly inPerSecond: number | null;
  readonly operators: readonly OperatorRate[];
}

export interface LiveState {
  /** By `subtaskKey`. */
  readonly subtasks: ReadonlySignal<ReadonlyMap<string, LiveSubtask>>;
}

const SUBTASKS_MAX = 10_000;

export const subtaskKey = (jobId: string, regionId: string, subtaskId: string) =>
  `${jobId}/${regionId}/${subtaskId}`;

export function createLiveState(stream: EventStream, clock: Clock): LiveState {
  const subtasks = signal<ReadonlyMap<string, LiveSubtask>>(new Map());
  stream.connections.subscribe(() => subtasks.value = new Map());
  stream.on(["metrics"], (event) => {
    const next = new Map(subtasks.value);
    for (const report of listIn<SubtaskReport>(event, "subtasks")) {
      const key = subtaskKey(event.jobId ?? jobIdOf(report), report.regionId, report.subtaskId);
      const before = next.get(key) ?? null;
      renew(next, key, liveSubtask(before, report, clock.monotonicMs()), SUBTASKS_MAX);
    }
    subtasks.value = next;
  });
  return { subtasks };
}

/** Metrics name their job themselves: one event may hold several jobs. */
function jobIdOf(entry: object): string {
  return "jobId" in entry && typeof entry.jobId === "string" ? entry.jobId : "";
}

function listIn<T>(event: HubEvent, name: string): readonly T[] {
  const list = event.body[name];
  return Array.isArray(list) ? list as T[] : [];
}

/** Puts the entry last, so that the first is always the one without news for longest. */
function renew<T>(entries: Map<string, T>, key: string, value: T, max: number): void {
  entries.delete(key);
  entries.set(key, value);
  for (const oldest of entries.keys()) {
    if (entries.size <= max) break;
    entries.delete(oldest);
  }
}

/** The subtask after `report`; rates are there once two reports of one attempt are. */
export function liveSubtask(
  previous: LiveSubtask | null,
  report: SubtaskReport,
  nowMs: number,
): LiveSubtask {
  const isSameRun = previous !== null && previous.report.attempt === report.attempt;
  const seconds = isSameRun ? (nowMs - previous.receivedMs) / 1000 : 0;
  if (!isSameRun || seconds <= 0) {
    return { report, receivedMs: nowMs, inPerSecond: null, operators: [] };
  }
  const before = previous.report;
  const rate = (now: number, then: number) => now < then ? null : (now - then) / seconds;
  const operators: OperatorRate[] = [];
  for (const counts of report.operators) {
    const last = before.operators.find((operator) => operator.uid === counts.uid);
    if (last === undefined) continue;
    const inPerSecond = rate(counts.recordsIn, last.recordsIn);
    const outPerSecond = rate(counts.recordsOut, last.recordsOut);
    if (inPerSecond === null || outPerSecond === null) continue;
    operators.push({ uid: counts.uid, inPerSecond, outPerSecond });
  }
  return {
    report,
    receivedMs: nowMs,
    inPerSecond: rate(report.recordsIn, before.recordsIn),
    operators,
  };
}
