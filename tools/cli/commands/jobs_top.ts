/** `penstock jobs top`: the subtasks nearest to their limit. Touches the network and the terminal. @module */
import { buildCommand } from "@stricli/core";
import { read } from "@shared/hub_client.ts";
import type { SubtaskMetricsView } from "@shared/metrics_api.ts";
import {
  argument,
  call,
  countFlag,
  docs,
  HUB_ALIASES,
  HUB_FLAGS,
  type HubFlags,
} from "../flags.ts";

/** Null for no time, and for one that no calendar has: the watermark of a job that drained. */
function timeText(atMs: number | null): string | null {
  const date = new Date(atMs ?? NaN);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

const percent = (share: number | null | undefined) =>
  share === undefined || share === null ? null : `${Math.round(share * 100)} %`;

export const SUBTASK_COLUMNS = {
  subtask: (one: SubtaskMetricsView) => one.subtaskId,
  agent: (one: SubtaskMetricsView) => one.agentName ?? one.agentId,
  "in/s": (one: SubtaskMetricsView) => one.metrics?.recordsInPerSecond?.toFixed(0) ?? null,
  busy: (one: SubtaskMetricsView) => percent(one.metrics?.busyRatio),
  backpressured: (one: SubtaskMetricsView) => percent(one.metrics?.backpressuredRatio),
  "lag ms": (one: SubtaskMetricsView) => one.metrics?.eventTimeLagMs ?? null,
  keys: (one: SubtaskMetricsView) => one.metrics?.stateEntries ?? null,
  late: (one: SubtaskMetricsView) => one.metrics?.lateRecords ?? null,
  shed: (one: SubtaskMetricsView) => one.metrics?.shedRecords ?? null,
};

export const SUBTASK_WIDE = {
  groups: (one: SubtaskMetricsView) => one.keyGroups?.join("-") ?? null,
  idle: (one: SubtaskMetricsView) => percent(one.metrics?.idleRatio),
  watermark: (one: SubtaskMetricsView) => timeText(one.metrics?.watermarkMs ?? null),
  queued: (one: SubtaskMetricsView) => one.metrics?.inputQueued ?? null,
  operators: (one: SubtaskMetricsView) => one.operatorUids.join(" "),
};

type TopFlags = HubFlags & { readonly limit: number };

export const top = buildCommand({
  docs: docs(
    "Show the slowest subtasks: of one job, or of all running ones",
    ["jobs top", "jobs top pump-watch --limit 5", "jobs top -o wide"],
    "Those that do not report come first, then those nearest to a limit: busy, backpressured, or the window of the source.",
  ),
  parameters: {
    flags: { ...HUB_FLAGS, limit: countFlag("How many", 10) },
    aliases: HUB_ALIASES,
    positional: {
      kind: "tuple",
      parameters: [{ ...argument("Job id or name", "JOB"), optional: true }],
    },
  },
  async func(flags: TopFlags, name?: string) {
    const { api, out } = call(flags);
    const jobs = name === undefined
      ? await api.all((query) => api.api.jobs.$get({ query: { ...query, state: "running" } }))
      : [await api.job(name)];
    const found = await Promise.all(jobs.map(async (job) => {
      const { subtasks } = await read(api.api.jobs[":id"].metrics.$get({ param: { id: job.id } }));
      return subtasks.map((subtask) => ({ ...subtask, jobId: job.id, jobName: job.name }));
    }));
    const worst = found.flat().sort((a, b) => nearness(b) - nearness(a)).slice(0, flags.limit);
    out.rows(worst, {
      job: (one) => one.jobName,
      pressure: (one) => percent(one.pressure) ?? "no report",
      ...SUBTASK_COLUMNS,
    }, SUBTASK_WIDE);
  },
});

/** One that is silent is worse than any that is full. */
function nearness({ pressure }: SubtaskMetricsView): number {
  return pressure ?? Infinity;
}
