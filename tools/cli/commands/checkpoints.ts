/** `penstock checkpoints …`. Touches the network and the terminal. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type {
  CheckpointDetail,
  CheckpointSummary,
  CheckpointView,
  Percentiles,
} from "@shared/job_api.ts";
import { read } from "@shared/hub_client.ts";
import {
  args,
  argument,
  call,
  countFlag,
  docs,
  HUB_ALIASES,
  HUB_FLAGS,
  type HubFlags,
  JOB,
  said,
  timeFlag,
  wholeNumber,
} from "../flags.ts";
import { age, size } from "../output.ts";
import { print } from "../terminal.ts";

const STATUSES = [
  "pending",
  "completed",
  "degraded",
  "aborted",
  "abandoned",
  "subsumed",
] as const;

const CHECKPOINT_COLUMNS = {
  id: (c: CheckpointView) => c.id,
  kind: (c: CheckpointView) => c.isSavepoint ? "savepoint" : "checkpoint",
  status: (c: CheckpointView) => c.status,
  trigger: (c: CheckpointView) => c.trigger,
  triggered: (c: CheckpointView) => c.triggeredAt,
  "took ms": (c: CheckpointView) => c.durationMs,
  regions: (c: CheckpointView) => `${c.regionsCompleted}/${c.regionsTotal}`,
  full: (c: CheckpointView) => size(c.fullBytes),
  uploaded: (c: CheckpointView) => size(c.uploadedBytes),
  reason: (c: CheckpointView) => c.reason,
};
const CHECKPOINT_WIDE = {
  lineage: (c: CheckpointView) => c.lineage,
  ended: (c: CheckpointView) => c.endedAt,
};

const SAVEPOINT_WORDS = { savepoint: "true", checkpoint: "false" } as const;

type ListFlags = HubFlags & {
  readonly limit: number;
  readonly status?: typeof STATUSES[number];
  readonly from?: string;
  readonly to?: string;
  readonly kind?: "savepoint" | "checkpoint";
};

const list = buildCommand({
  docs: docs("List the checkpoints of a job, newest first", [
    "checkpoints list pump-watch",
    "checkpoints list pump-watch --status aborted --from 24h",
    "checkpoints list pump-watch --kind savepoint --limit 100 -o json",
  ]),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      limit: countFlag("How many, at most 200", 20),
      status: { kind: "enum", values: STATUSES, optional: true, brief: "Only these" },
      from: timeFlag("Triggered since: a time, or a span before now such as 2h"),
      to: timeFlag("Triggered before"),
      kind: {
        kind: "enum",
        values: ["checkpoint", "savepoint"],
        optional: true,
        brief: "Only these",
      },
    },
    aliases: HUB_ALIASES,
    positional: args(JOB),
  },
  async func(flags: ListFlags, name: string) {
    const { api, out } = call(flags);
    const job = await api.job(name);
    const { limit, status, from, to, kind } = flags;
    const isSavepoint = kind && SAVEPOINT_WORDS[kind];
    const query = said({ limit: String(limit), status, from, to, isSavepoint });
    const page = await read(
      api.api.jobs[":id"].checkpoints.$get({ param: { id: job.id }, query }),
    );
    out.rows(page.items, CHECKPOINT_COLUMNS, CHECKPOINT_WIDE);
  },
});

const show = buildCommand({
  docs: docs(
    "Show one checkpoint: each region, and each subtask with its phases, slowest first",
    ["checkpoints show pump-watch 41", "checkpoints show pump-watch 41 -o json"],
  ),
  parameters: {
    flags: HUB_FLAGS,
    aliases: HUB_ALIASES,
    positional: args(JOB, { ...argument("Checkpoint id", "N"), parse: wholeNumber }),
  },
  async func(flags: HubFlags, name: string, id: number) {
    const { api, out } = call(flags);
    const job = await api.job(name);
    const param = { id: job.id, n: String(id) };
    const checkpoint: CheckpointDetail = await read(
      api.api.jobs[":id"].checkpoints[":n"].$get({ param }),
    );
    if (!out.isForPeople) return out.value(checkpoint);
    out.one(checkpoint, { ...CHECKPOINT_COLUMNS, ...CHECKPOINT_WIDE });
    print("");
    out.rows(checkpoint.regions, {
      region: (region) => region.regionId,
      agent: (region) => region.agentName ?? region.agentId,
      status: (region) => region.status,
      attempt: (region) => region.attempt,
      completed: (region) => age(region.completedAt),
      reason: (region) => region.reason,
    });
    print("");
    const subtasks = checkpoint.regions.flatMap((region) => region.subtasks);
    out.rows(subtasks.sort((a, b) => totalMs(b) - totalMs(a)), {
      subtask: (one) => one.subtaskId,
      "start delay ms": (one) => one.startDelayMs,
      "alignment ms": (one) => one.alignmentMs,
      "sync ms": (one) => one.syncMs,
      "async ms": (one) => one.asyncMs,
      full: (one) => size(one.fullBytes),
      uploaded: (one) => size(one.uploadedBytes),
    });
  },
});

type SubtaskPhases = CheckpointDetail["regions"][number]["subtasks"][number];

function totalMs({ startDelayMs, alignmentMs, syncMs, asyncMs }: SubtaskPhases): number {
  return startDelayMs + alignmentMs + syncMs + asyncMs;
}

type SummaryFlags = HubFlags & { readonly from?: string; readonly to?: string };

const summary = buildCommand({
  docs: docs("Count the checkpoints of a span, and show how long their phases took", [
    "checkpoints summary pump-watch",
    "checkpoints summary pump-watch --from 24h",
  ]),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      from: timeFlag("Since: a time, or a span before now such as 2h"),
      to: timeFlag("Until"),
    },
    aliases: HUB_ALIASES,
    positional: args(JOB),
  },
  async func(flags: SummaryFlags, name: string) {
    const { api, out } = call(flags);
    const job = await api.job(name);
    const query = said({ from: flags.from, to: flags.to });
    const found: CheckpointSummary = await read(
      api.api.jobs[":id"].checkpoints.summary.$get({ param: { id: job.id }, query }),
    );
    if (!out.isForPeople) return out.value(found);
    const counts = Object.entries(found.counts).map(([status, count]) => `${count} ${status}`);
    const { completed, failed, savepoint, restored } = found.latest;
    out.one(found, {
      span: () => `${found.from} to ${found.to}`,
      counts: () => counts.join(", ") || "none",
      "latest completed": () => completed && `${completed.id} (${age(completed.endedAt)})`,
      "latest failed": () => failed && `${failed.id} (${failed.reason ?? failed.status})`,
      "latest savepoint": () => savepoint && `${savepoint.id} (${age(savepoint.endedAt)})`,
      "latest restore": () => restored && `from ${restored.checkpointId} (${age(restored.at)})`,
    });
    print("");
    out.rows(phasesOf(found), {
      "": ([phase]) => phase,
      min: ([, p]) => p && rounded(p.min),
      average: ([, p]) => p && rounded(p.average),
      p50: ([, p]) => p && rounded(p.p50),
      p95: ([, p]) => p && rounded(p.p95),
      p99: ([, p]) => p && rounded(p.p99),
      max: ([, p]) => p && rounded(p.max),
    });
  },
});

function phasesOf(found: CheckpointSummary): (readonly [string, Percentiles | null])[] {
  return [
    ["end to end ms", found.durationMs],
    ["start delay ms", found.startDelayMs],
    ["alignment ms", found.alignmentMs],
    ["sync ms", found.syncMs],
    ["async ms", found.asyncMs],
    ["full bytes", found.fullBytes],
    ["uploaded bytes", found.uploadedBytes],
  ];
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

export const checkpoints = buildRouteMap({
  docs: { brief: "History of a job's checkpoints" },
  routes: { list, show, summary },
});
