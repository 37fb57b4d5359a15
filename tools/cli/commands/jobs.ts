/** `penstock jobs …`. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { JobDetail, JobSummary, OperationView } from "@shared/api.ts";
import type { JobMetrics, SubtaskMetricsView } from "@shared/metrics_api.ts";
import { validateJob } from "../../build/validate_job.ts";
import {
  HUB_ALIASES,
  HUB_FLAGS,
  hubApi,
  type HubFlags,
  pairs,
  PARAM_FLAG,
  WAIT_FLAGS,
  type WaitFlags,
} from "../flags.ts";
import { CliError, EXIT_FAILED } from "../hub_api.ts";
import { follow } from "../operations.ts";
import { age, printOne, printRows, printValue } from "../output.ts";
import { note, print } from "../terminal.ts";
import { deploy } from "./jobs_deploy.ts";
import { run } from "./jobs_run.ts";
import { rebalance, rescale, state } from "./jobs_scale.ts";

const JOB = { brief: "Job id or name", placeholder: "J", parse: String };

const JOB_COLUMNS = {
  id: (job: JobSummary) => job.id,
  name: (job: JobSummary) => job.name,
  status: (job: JobSummary) => job.status,
  regions: (job: JobSummary) => `${job.regionsRunning}/${job.regionsTotal}`,
  checkpoint: (job: JobSummary) =>
    job.lastCheckpoint === null
      ? null
      : `${job.lastCheckpoint.id} (${age(job.lastCheckpoint.endedAt)})`,
  alarms: (job: JobSummary) => job.activeAlarms,
  created: (job: JobSummary) => age(job.createdAt),
};

const list = buildCommand({
  docs: { brief: "List the jobs of the hub" },
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES },
  async func(flags: HubFlags) {
    printRows(await hubApi(flags).list<JobSummary>("/jobs"), JOB_COLUMNS, flags.output);
  },
});

const show = buildCommand({
  docs: { brief: "Show one job: regions, attempts, guarantee" },
  parameters: {
    flags: HUB_FLAGS,
    aliases: HUB_ALIASES,
    positional: { kind: "tuple", parameters: [JOB] },
  },
  async func(flags: HubFlags, name: string) {
    const api = hubApi(flags);
    const job = await api.get<JobDetail>(`/jobs/${(await api.job(name)).id}`);
    if (flags.output !== "table") return printValue(job, flags.output);
    printOne(job, {
      ...JOB_COLUMNS,
      guarantee: () => `${job.guarantee.given} (asked ${job.guarantee.asked})`,
      because: () => job.guarantee.reasons.join("; ") || null,
      lineage: () => job.lineage,
      parallelism: () => job.parallelism,
      "created by": () => job.createdByName ?? job.createdBy,
      bundle: () => job.bundleDigest,
    }, "table");
    print("");
    printRows(job.regions, {
      region: (region) => region.regionId,
      status: (region) => region.status,
      attempt: (region) => region.attempt,
      checkpoint: (region) => region.lastCompletedId,
      window: (region) =>
        region.metrics === null
          ? null
          : `${region.metrics.windowUsed}/${region.metrics.windowSize}`,
    }, "table");
    const { subtasks } = await api.get<JobMetrics>(`/jobs/${job.id}/metrics`);
    if (subtasks.length === 0) return;
    print("\nSubtasks, worst first:");
    printRows(subtasks, SUBTASK_COLUMNS, "table");
  },
});

/** Null for no time, and for one that no calendar has: the watermark of a job that drained. */
function timeText(atMs: number | null): string | null {
  const date = new Date(atMs ?? NaN);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

const percent = (share: number | undefined) =>
  share === undefined ? null : `${Math.round(share * 100)} %`;

const SUBTASK_COLUMNS = {
  subtask: (one: SubtaskMetricsView) => one.subtaskId,
  agent: (one: SubtaskMetricsView) => one.agentName ?? one.agentId,
  groups: (one: SubtaskMetricsView) => one.keyGroups?.join("-") ?? null,
  "in/s": (one: SubtaskMetricsView) => one.metrics?.recordsInPerSecond?.toFixed(0) ?? null,
  busy: (one: SubtaskMetricsView) => percent(one.metrics?.busyRatio),
  backpressured: (one: SubtaskMetricsView) => percent(one.metrics?.backpressuredRatio),
  idle: (one: SubtaskMetricsView) => percent(one.metrics?.idleRatio),
  "lag ms": (one: SubtaskMetricsView) => one.metrics?.eventTimeLagMs ?? null,
  watermark: (one: SubtaskMetricsView) => timeText(one.metrics?.watermarkMs ?? null),
  keys: (one: SubtaskMetricsView) => one.metrics?.stateEntries ?? null,
  late: (one: SubtaskMetricsView) => one.metrics?.lateRecords ?? null,
  shed: (one: SubtaskMetricsView) => one.metrics?.shedRecords ?? null,
};

type ValidateFlags = Pick<HubFlags, "output"> & { readonly param?: readonly string[] };

const validate = buildCommand({
  docs: {
    brief: "Check a job file without a hub: builds its graph in a process without permissions",
  },
  parameters: {
    flags: { output: HUB_FLAGS.output, param: PARAM_FLAG },
    aliases: HUB_ALIASES,
    positional: {
      kind: "tuple",
      parameters: [{ brief: "Job file", placeholder: "F.ts", parse: String }],
    },
  },
  async func(flags: ValidateFlags, file: string) {
    const { graph, regions } = await validateJob(file, pairs(flags.param));
    if (flags.output !== "table") return printValue({ graph, regions }, flags.output);
    print(
      `Job "${graph.name}" is valid: ${graph.operators.length} operators, ${regions.length} regions`,
    );
    printRows(graph.operators, {
      uid: (node) => node.uid,
      kind: (node) => node.kind,
      keyed: (node) => node.isKeyed ? "yes" : "no",
      label: (node) => node.label,
    }, "table");
  },
});

type StopFlags = WaitFlags & { readonly savepoint: boolean; readonly drain: boolean };

const stop = buildCommand({
  docs: { brief: "Stop a job, with a savepoint if asked" },
  parameters: {
    flags: {
      ...WAIT_FLAGS,
      savepoint: {
        kind: "boolean",
        default: false,
        brief: "Take a savepoint first; both or nothing",
      },
      drain: {
        kind: "boolean",
        default: false,
        brief: "Fire all timers and windows, then take a savepoint and stop",
      },
    },
    aliases: HUB_ALIASES,
    positional: { kind: "tuple", parameters: [JOB] },
  },
  async func(flags: StopFlags, name: string) {
    const api = hubApi(flags);
    const job = await api.job(name);
    const operation = await api.post<OperationView>(`/jobs/${job.id}/stop`, {
      savepoint: flags.savepoint,
      drain: flags.drain,
    });
    const ended = await follow(api, operation, flags);
    if (ended === null) return;
    refuseUncommitted(ended, job.name);
    if (flags.output !== "table") return printValue(ended, flags.output);
    const savepointId = ended.result?.["savepointId"];
    print(
      typeof savepointId === "string"
        ? `Job "${job.name}" stopped at savepoint ${savepointId}`
        : `Job "${job.name}" stopped`,
    );
  },
});

/** Saved and stopped, but not all is released: a state of its own, which the exit code tells. */
function refuseUncommitted(ended: OperationView, name: string): void {
  if (ended.result?.["outcome"] !== "stopped-uncommitted") return;
  const savepointId = ended.result["savepointId"];
  if (typeof savepointId !== "string") return;
  const regions = (ended.result["uncommittedRegions"] as readonly string[]).join(", ");
  throw new CliError(
    `Job "${name}" is saved (savepoint ${savepointId}) and stopped, but ${regions} did not confirm the end: ` +
      `outputs held there may be unpublished. Nothing is lost: starting from the savepoint publishes them`,
    EXIT_FAILED,
  );
}

const cancel = buildCommand({
  docs: { brief: "Stop a job at once, without a savepoint" },
  parameters: {
    flags: WAIT_FLAGS,
    aliases: HUB_ALIASES,
    positional: { kind: "tuple", parameters: [JOB] },
  },
  async func(flags: WaitFlags, name: string) {
    const api = hubApi(flags);
    const job = await api.job(name);
    const ended = await follow(
      api,
      await api.post<OperationView>(`/jobs/${job.id}/cancel`, {}),
      flags,
    );
    if (ended !== null) note(`Job "${job.name}" is cancelled`);
  },
});

export const jobs = buildRouteMap({
  docs: { brief: "Write, deploy and stop jobs" },
  routes: { validate, run, deploy, list, show, state, rescale, rebalance, stop, cancel },
});
