/** `penstock savepoints …`, `penstock rollback` and `penstock checkpoints …`. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { CheckpointView, OperationView, RollbackPlan, SavepointView } from "@shared/api.ts";
import type { SavepointDiff } from "@shared/state_api.ts";
import {
  HUB_ALIASES,
  HUB_FLAGS,
  hubApi,
  type HubFlags,
  WAIT_FLAGS,
  type WaitFlags,
} from "../flags.ts";
import { CliError, EXIT_CONFLICT } from "../hub_api.ts";
import { follow } from "../operations.ts";
import { age, printOne, printRows, printValue, size } from "../output.ts";
import { note, print } from "../terminal.ts";

const JOB = { brief: "Job id or name", placeholder: "J", parse: String };
const SAVEPOINT = { brief: "Savepoint id", placeholder: "S", parse: String };

const SAVEPOINT_COLUMNS = {
  id: (s: SavepointView) => s.id,
  job: (s: SavepointView) => s.jobName,
  label: (s: SavepointView) => s.label,
  status: (s: SavepointView) => s.status,
  checkpoint: (s: SavepointView) => s.checkpointId,
  size: (s: SavepointView) => size(s.fullBytes),
  owner: (s: SavepointView) => s.ownerName ?? s.owner,
  "claimed by": (s: SavepointView) => s.claimedByJobId,
  created: (s: SavepointView) => age(s.createdAt),
};

const create = buildCommand({
  docs: { brief: "Take a savepoint of a running job" },
  parameters: {
    flags: {
      ...WAIT_FLAGS,
      label: {
        kind: "parsed",
        parse: String,
        optional: true,
        brief: "What it is for",
        placeholder: "L",
      },
    },
    aliases: HUB_ALIASES,
    positional: { kind: "tuple", parameters: [JOB] },
  },
  async func(flags: WaitFlags & { readonly label?: string }, name: string) {
    const api = hubApi(flags);
    const job = await api.job(name);
    const body = flags.label === undefined ? {} : { label: flags.label };
    const operation = await api.post<OperationView>(`/jobs/${job.id}/savepoints`, body);
    const ended = await follow(api, operation, flags);
    if (ended === null) return;
    if (flags.output !== "table") return printValue(ended, flags.output);
    print(String(ended.result?.["savepointId"]));
  },
});

const list = buildCommand({
  docs: { brief: "List savepoints" },
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES },
  async func(flags: HubFlags) {
    const savepoints = await hubApi(flags).list<SavepointView>("/savepoints");
    printRows(savepoints, SAVEPOINT_COLUMNS, flags.output);
  },
});

const show = buildCommand({
  docs: { brief: "Show one savepoint" },
  parameters: {
    flags: HUB_FLAGS,
    aliases: HUB_ALIASES,
    positional: { kind: "tuple", parameters: [SAVEPOINT] },
  },
  async func(flags: HubFlags, id: string) {
    printOne(
      await hubApi(flags).get<SavepointView>(`/savepoints/${id}`),
      SAVEPOINT_COLUMNS,
      flags.output,
    );
  },
});

const remove = buildCommand({
  docs: { brief: "Delete a savepoint; refused while a running job has no other base" },
  parameters: {
    flags: HUB_FLAGS,
    aliases: HUB_ALIASES,
    positional: { kind: "tuple", parameters: [SAVEPOINT] },
  },
  async func(flags: HubFlags, id: string) {
    await hubApi(flags).delete(`/savepoints/${id}`);
    note(`Savepoint ${id} is deleted`);
  },
});

type DiffFlags = HubFlags & {
  readonly operator?: string;
  readonly kind?: "added" | "removed" | "changed";
  readonly limit: number;
};

const diff = buildCommand({
  docs: {
    brief: "Show what differs between two savepoints, key by key",
    fullDescription: "S1 is the earlier one: added means that S2 has the key and S1 does not.",
  },
  parameters: {
    flags: {
      ...HUB_FLAGS,
      operator: {
        kind: "parsed",
        parse: String,
        optional: true,
        brief: "Only this operator",
        placeholder: "UID",
      },
      kind: {
        kind: "enum",
        values: ["added", "removed", "changed"],
        optional: true,
        brief: "Only these",
      },
      limit: {
        kind: "parsed",
        parse: Number,
        default: "20",
        brief: "Examples shown, at most 200",
        placeholder: "20",
      },
    },
    aliases: HUB_ALIASES,
    positional: {
      kind: "tuple",
      parameters: [{ ...SAVEPOINT, placeholder: "S1" }, { ...SAVEPOINT, placeholder: "S2" }],
    },
  },
  async func(flags: DiffFlags, before: string, after: string) {
    const query = new URLSearchParams({ against: after, limit: String(flags.limit) });
    if (flags.operator !== undefined) query.set("operator", flags.operator);
    if (flags.kind !== undefined) query.set("kind", flags.kind);
    const found = await hubApi(flags).get<SavepointDiff>(`/savepoints/${before}/diff?${query}`);
    if (flags.output !== "table") return printValue(found, flags.output);
    if (found.operators.length === 0) return print("Neither savepoint holds keyed state.");
    printRows(found.operators, {
      operator: (row) => row.operator,
      added: (row) => row.added,
      removed: (row) => row.removed,
      changed: (row) => row.changed,
      unchanged: (row) => row.unchanged,
    }, "table");
    if (found.items.length === 0) return;
    print("");
    printRows(found.items, {
      operator: (row) => row.operator,
      key: (row) => row.key,
      is: (row) => row.kind,
      before: (row) => shortValue(row.before),
      after: (row) => shortValue(row.after),
    }, "table");
    if (found.next !== null) note("There are more: see --limit, or -o json for the cursor");
  },
});

const VALUE_CHARS_MAX = 60;

/** The states of one side, cut to what a column holds. */
function shortValue(side: unknown): string | null {
  if (side === null) return null;
  const states = Array.isArray(side) ? side : (side as { readonly states: unknown }).states;
  const text = JSON.stringify(states);
  return text.length <= VALUE_CHARS_MAX ? text : `${text.slice(0, VALUE_CHARS_MAX)}…`;
}

export const savepoints = buildRouteMap({
  docs: { brief: "Copies of a job's state that a person owns" },
  routes: { create, list, show, diff, delete: remove },
});

type RollbackFlags = WaitFlags & {
  readonly to: string;
  readonly agents?: string;
  readonly allowGap: boolean;
  readonly dryRun: boolean;
  readonly reason?: string;
};

export const rollback = buildCommand({
  docs: {
    brief: "Bring a job back to a savepoint",
    fullDescription:
      "Shows what it would do with --dry-run: agents hit, state replaced, and the gap: records the brokers " +
      "have been told are done since the savepoint, which nobody can replay. A gap needs --allow-gap.",
  },
  parameters: {
    flags: {
      ...WAIT_FLAGS,
      to: { kind: "parsed", parse: String, brief: "Savepoint id", placeholder: "S" },
      agents: {
        kind: "parsed",
        parse: String,
        optional: true,
        brief: "Only regions on agents with these labels, or of this name",
        placeholder: "SELECTOR",
      },
      allowGap: { kind: "boolean", default: false, brief: "Accept the gap that the plan shows" },
      dryRun: { kind: "boolean", default: false, brief: "Show the plan and change nothing" },
      reason: {
        kind: "parsed",
        parse: String,
        optional: true,
        brief: "Why; kept in the audit log. Needed unless --dry-run",
        placeholder: "TEXT",
      },
    },
    aliases: HUB_ALIASES,
    positional: { kind: "tuple", parameters: [JOB] },
  },
  async func(flags: RollbackFlags, name: string) {
    const api = hubApi(flags);
    const job = await api.job(name);
    const body = {
      savepointId: flags.to,
      ...(flags.agents === undefined ? {} : { agents: flags.agents }),
      allowGap: flags.allowGap,
      reason: flags.reason ?? (flags.dryRun ? "dry run" : ""),
    };
    const path = `/jobs/${job.id}/rollbacks`;
    if (flags.dryRun) {
      return printPlan(await api.post<RollbackPlan>(path, { ...body, dryRun: true }), flags);
    }
    if (body.reason === "") {
      throw new CliError("A rollback needs --reason: it stays in the audit log", 2);
    }
    const operation = await post(api.post<OperationView>(path, { ...body, dryRun: false }));
    const ended = await follow(api, operation, flags);
    if (ended === null) return;
    if (flags.output !== "table") return printValue(ended, flags.output);
    print(
      `Job "${job.name}" runs from savepoint ${flags.to}, in ${ended.result?.["durationMs"]} ms`,
    );
    const plan = ended.result?.["plan"] as RollbackPlan | undefined;
    if (plan !== undefined) printGaps(plan);
  },
});

/** Adds what to do to the refusal that only a flag is missing for. */
async function post(call: Promise<OperationView>): Promise<OperationView> {
  try {
    return await call;
  } catch (thrown) {
    if (!(thrown instanceof CliError) || thrown.problem?.code !== "gap-needs-consent") throw thrown;
    throw new CliError(
      `${thrown.message}\nLook at it with --dry-run, accept it with --allow-gap`,
      EXIT_CONFLICT,
      thrown.problem,
    );
  }
}

function printPlan(plan: RollbackPlan, flags: RollbackFlags): void {
  if (flags.output !== "table") return printValue(plan, flags.output);
  print(
    `Rollback to savepoint ${plan.savepointId} (checkpoint ${plan.checkpointId}) would replace:`,
  );
  printRows(plan.regions, {
    region: (region) => region.regionId,
    agent: (region) => region.agentName ?? region.agentId,
    "keys now": (region) => region.entriesNow,
    "keys then": (region) => region.entriesThen,
    restore: (region) => size(region.bytesToRestore),
  }, "table");
  printGaps(plan);
  if (plan.abandonedCheckpointIds.length > 0) {
    print(`Checkpoints abandoned: ${plan.abandonedCheckpointIds.join(", ")}`);
  }
  print(`Alarms raised since: ${plan.alarmsConcerned.length}`);
}

function printGaps(plan: RollbackPlan): void {
  if (plan.gaps.length === 0) return print("No gap: nothing was acknowledged since the savepoint.");
  print("Gap: records acknowledged since the savepoint, which the brokers cannot send again:");
  printRows(plan.gaps, {
    region: (gap) => gap.regionId,
    records: (gap) => gap.records,
    from: (gap) => gap.fromAt,
    to: (gap) => gap.toAt,
    positions: (gap) => `${gap.fromPosition + 1}..${gap.toPosition}`,
  }, "table");
}

const listCheckpoints = buildCommand({
  docs: { brief: "List the checkpoints of a job, newest first" },
  parameters: {
    flags: {
      ...HUB_FLAGS,
      limit: { kind: "parsed", parse: Number, default: "20", brief: "How many", placeholder: "20" },
    },
    aliases: HUB_ALIASES,
    positional: { kind: "tuple", parameters: [JOB] },
  },
  async func(flags: HubFlags & { readonly limit: number }, name: string) {
    const api = hubApi(flags);
    const job = await api.job(name);
    const page = await api.get<{ items: CheckpointView[] }>(
      `/jobs/${job.id}/checkpoints?limit=${flags.limit}`,
    );
    printRows(page.items, {
      id: (c) => c.id,
      kind: (c) => c.isSavepoint ? "savepoint" : "checkpoint",
      status: (c) => c.status,
      trigger: (c) => c.trigger,
      triggered: (c) => c.triggeredAt,
      "took ms": (c) => c.durationMs,
      regions: (c) => `${c.regionsCompleted}/${c.regionsTotal}`,
      full: (c) => size(c.fullBytes),
      uploaded: (c) => size(c.uploadedBytes),
      reason: (c) => c.reason,
    }, flags.output);
  },
});

export const checkpoints = buildRouteMap({
  docs: { brief: "History of a job's checkpoints" },
  routes: { list: listCheckpoints },
});
