/** `penstock jobs …`. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { OperationView } from "@shared/api.ts";
import type { JobDetail, JobSummary } from "@shared/job_api.ts";
import { read } from "@shared/hub_client.ts";
import { validateJob } from "../../build/validate_job.ts";
import {
  args,
  argument,
  call,
  consent,
  docs,
  HUB_ALIASES,
  HUB_FLAGS,
  type HubFlags,
  JOB,
  OUTPUT_FLAGS,
  type OutputFlags,
  pairs,
  PARAM_FLAG,
  printer,
  switchFlag,
  WAIT_FLAGS,
  type WaitFlags,
  YES_ALIASES,
  YES_FLAG,
} from "../flags.ts";
import { CliError, EXIT_FAILED } from "../hub_api.ts";
import { follow } from "../operations.ts";
import { age } from "../output.ts";
import { note, print } from "../terminal.ts";
import { deploy } from "./jobs_deploy.ts";
import { run } from "./jobs_run.ts";
import { rebalance, rescale, state } from "./jobs_scale.ts";
import { SUBTASK_COLUMNS, SUBTASK_WIDE, top } from "./jobs_top.ts";

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
const JOB_WIDE = {
  wanted: (job: JobSummary) => job.desiredState,
  "created by": (job: JobSummary) => job.createdByName ?? job.createdBy,
  "created at": (job: JobSummary) => job.createdAt,
};

const list = buildCommand({
  docs: docs("List the jobs of the hub", ["jobs list", "jobs list -o json"]),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES },
  async func(flags: HubFlags) {
    const { api, out } = call(flags);
    const found: JobSummary[] = await api.all((query) => api.api.jobs.$get({ query }));
    out.rows(found, JOB_COLUMNS, JOB_WIDE);
  },
});

const show = buildCommand({
  docs: docs("Show one job: regions, attempts, guarantee", [
    "jobs show pump-watch",
    "jobs show pump-watch -o yaml",
  ]),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES, positional: args(JOB) },
  async func(flags: HubFlags, name: string) {
    const { api, out } = call(flags);
    const param = { id: (await api.job(name)).id };
    const job: JobDetail = await read(api.api.jobs[":id"].$get({ param }));
    if (!out.isForPeople) return out.value(job);
    out.one(job, {
      ...JOB_COLUMNS,
      wanted: () => job.desiredState,
      guarantee: () => `${job.guarantee.given} (asked ${job.guarantee.asked})`,
      because: () => job.guarantee.reasons.join("; ") || null,
      lineage: () => job.lineage,
      parallelism: () => job.parallelism,
      "created by": () => job.createdByName ?? job.createdBy,
      bundle: () => job.bundleDigest,
    });
    out.text("");
    out.rows(job.regions, {
      region: (region) => region.regionId,
      agent: (region) => region.agentName ?? region.agentId,
      status: (region) => region.status,
      attempt: (region) => region.attempt,
      checkpoint: (region) => region.lastCompletedId,
      window: (region) =>
        region.metrics === null
          ? null
          : `${region.metrics.windowUsed}/${region.metrics.windowSize}`,
    });
    const { subtasks } = await read(api.api.jobs[":id"].metrics.$get({ param }));
    if (subtasks.length === 0) return;
    out.text("\nSubtasks, worst first:");
    out.rows(subtasks, SUBTASK_COLUMNS, SUBTASK_WIDE);
  },
});

type ValidateFlags = OutputFlags & { readonly param?: readonly string[] };

const validate = buildCommand({
  docs: docs(
    "Check a job file without a hub: builds its graph in a process without permissions",
    ["jobs validate examples/pump_watch.ts", "jobs validate job.ts --param threshold=65 -o json"],
  ),
  parameters: {
    flags: { ...OUTPUT_FLAGS, param: PARAM_FLAG },
    aliases: HUB_ALIASES,
    positional: args(argument("Job file", "FILE.ts")),
  },
  async func(flags: ValidateFlags, file: string) {
    const out = printer(flags);
    const { graph, regions } = await validateJob(file, pairs(flags.param));
    if (!out.isForPeople) return out.value({ graph, regions });
    print(
      `Job "${graph.name}" is valid: ${graph.operators.length} operators, ${regions.length} regions`,
    );
    out.rows(graph.operators, {
      uid: (node) => node.uid,
      kind: (node) => node.kind,
      keyed: (node) => node.isKeyed ? "yes" : "no",
      label: (node) => node.label,
    });
  },
});

type StopFlags = WaitFlags & { readonly savepoint: boolean; readonly drain: boolean };

const stop = buildCommand({
  docs: docs("Stop a job, with a savepoint if asked", [
    "jobs stop pump-watch --savepoint",
    "jobs stop pump-watch --drain --timeout 5m",
  ]),
  parameters: {
    flags: {
      ...WAIT_FLAGS,
      savepoint: switchFlag("Take a savepoint first; both or nothing"),
      drain: switchFlag("Fire all timers and windows, then take a savepoint and stop"),
    },
    aliases: HUB_ALIASES,
    positional: args(JOB),
  },
  async func(flags: StopFlags, name: string) {
    const { api, out } = call(flags);
    const job = await api.job(name);
    const { savepoint, drain } = flags;
    const operation = await read(
      api.api.jobs[":id"].stop.$post({ param: { id: job.id }, json: { savepoint, drain } }),
    );
    const ended = await follow({ api, out }, operation, flags);
    if (ended === null) return;
    refuseUncommitted(ended, job.name);
    if (!out.isForPeople) return out.value(ended);
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
  docs: docs("Stop a job at once, without a savepoint", ["jobs cancel pump-watch --yes"]),
  parameters: {
    flags: { ...WAIT_FLAGS, yes: YES_FLAG },
    aliases: YES_ALIASES,
    positional: args(JOB),
  },
  async func(flags: WaitFlags & { readonly yes: boolean }, name: string) {
    const { api, out } = call(flags);
    const job = await api.job(name);
    consent({
      question: `Cancel job "${job.name}" without a savepoint?`,
      isGiven: flags.yes,
      isLossy: false,
    });
    const operation = await read(
      api.api.jobs[":id"].cancel.$post({ param: { id: job.id }, json: {} }),
    );
    const ended = await follow({ api, out }, operation, flags);
    if (ended === null) return;
    if (!out.isForPeople) return out.value(ended);
    note(`Job "${job.name}" is cancelled`);
  },
});

export const jobs = buildRouteMap({
  docs: { brief: "Write, deploy and stop jobs" },
  routes: { validate, run, deploy, list, show, top, state, rescale, rebalance, stop, cancel },
});
