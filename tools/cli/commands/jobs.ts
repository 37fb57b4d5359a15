/** `penstock jobs …`. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { JobDetail, JobSummary, OperationView } from "@shared/api.ts";
import { bundleJob } from "../../build/bundle_job.ts";
import { validateJob } from "../../build/validate_job.ts";
import {
  HUB_ALIASES,
  HUB_FLAGS,
  hubApi,
  type HubFlags,
  pairs,
  WAIT_FLAGS,
  type WaitFlags,
} from "../flags.ts";
import { follow } from "../operations.ts";
import { age, printOne, printRows, printValue } from "../output.ts";
import { note, print } from "../terminal.ts";
import { run } from "./jobs_run.ts";

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
      bundle: () => job.bundleDigest,
    }, "table");
    print("");
    printRows(job.regions, {
      region: (region) => region.regionId,
      status: (region) => region.status,
      attempt: (region) => region.attempt,
      agent: (region) => region.agentName ?? region.agentId,
      checkpoint: (region) => region.lastCompletedId,
      "records in": (region) => region.metrics?.recordsIn ?? null,
      "rate/s": (region) => region.metrics?.recordsInPerSecond?.toFixed(0) ?? null,
      window: (region) =>
        region.metrics === null
          ? null
          : `${region.metrics.windowUsed}/${region.metrics.windowSize}`,
    }, "table");
  },
});

const validate = buildCommand({
  docs: {
    brief: "Check a job file without a hub: builds its graph in a process without permissions",
  },
  parameters: {
    flags: { output: HUB_FLAGS.output },
    aliases: HUB_ALIASES,
    positional: {
      kind: "tuple",
      parameters: [{ brief: "Job file", placeholder: "F.ts", parse: String }],
    },
  },
  async func(flags: Pick<HubFlags, "output">, file: string) {
    const { graph, regions } = await validateJob(file);
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

type DeployFlags = WaitFlags & {
  readonly param?: readonly string[];
  readonly fromSavepoint?: string;
  readonly allowNonRestoredState: boolean;
  readonly name?: string;
};

const deploy = buildCommand({
  docs: { brief: "Bundle a job file and run it on the agents" },
  parameters: {
    flags: {
      ...WAIT_FLAGS,
      param: {
        kind: "parsed",
        parse: String,
        optional: true,
        variadic: true,
        brief: "Parameter of the job; repeatable",
        placeholder: "k=v",
      },
      name: {
        kind: "parsed",
        parse: String,
        optional: true,
        brief: "Name to run it under instead of the file's own",
        placeholder: "N",
      },
      fromSavepoint: {
        kind: "parsed",
        parse: String,
        optional: true,
        brief: "Savepoint to start from",
        placeholder: "ID",
      },
      allowNonRestoredState: {
        kind: "boolean",
        default: false,
        brief: "Go on although the savepoint holds state of operators this job does not have",
      },
    },
    aliases: HUB_ALIASES,
    positional: {
      kind: "tuple",
      parameters: [{ brief: "Job file", placeholder: "F.ts", parse: String }],
    },
  },
  async func(flags: DeployFlags, file: string) {
    const api = hubApi(flags);
    const { graph } = await validateJob(file, pairs(flags.param));
    const { bundle } = await bundleJob(file);
    const operation = await api.post<OperationView>("/jobs", {
      name: flags.name ?? graph.name,
      bundle,
      params: pairs(flags.param),
      ...(flags.fromSavepoint === undefined ? {} : { fromSavepoint: flags.fromSavepoint }),
      allowNonRestoredState: flags.allowNonRestoredState,
    });
    const ended = await follow(api, operation, flags);
    if (ended === null) return;
    if (flags.output !== "table") return printValue(ended, flags.output);
    print(`Job "${flags.name ?? graph.name}" runs: ${ended.jobId}`);
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
      drain: { kind: "boolean", default: false, brief: "Fire all timers before the savepoint" },
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
    if (flags.output !== "table") return printValue(ended, flags.output);
    const savepointId = ended.result?.["savepointId"];
    print(
      typeof savepointId === "string"
        ? `Job "${job.name}" stopped at savepoint ${savepointId}`
        : `Job "${job.name}" stopped`,
    );
  },
});

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
  routes: { validate, run, deploy, list, show, stop, cancel },
});
