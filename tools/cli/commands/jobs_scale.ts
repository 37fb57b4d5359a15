/**
 * `penstock jobs rescale`, `rebalance` and `state`.
 *
 * Touches the network and the terminal. What a rescale would do follows from the job's graph alone, by the
 * rules that the hub plans by.
 *
 * @module
 */
import { buildCommand } from "@stricli/core";
import type { JobDetail } from "@shared/job_api.ts";
import { read } from "@shared/hub_client.ts";
import { planRegions } from "@shared/regions.ts";
import {
  args,
  argument,
  type Call,
  call,
  docs,
  HUB_ALIASES,
  HUB_FLAGS,
  type HubFlags,
  JOB,
  said,
  switchFlag,
  textFlag,
  WAIT_FLAGS,
  type WaitFlags,
} from "../flags.ts";
import { follow } from "../operations.ts";
import { print } from "../terminal.ts";
import { parallelismOf } from "./jobs_deploy.ts";

type RescaleFlags = WaitFlags & { readonly parallelism: number; readonly dryRun: boolean };

export const rescale = buildCommand({
  docs: docs("Change the parallelism of a running job; state and position are kept", [
    "jobs rescale w2-minutes --parallelism 3 --dry-run",
    "jobs rescale w2-minutes --parallelism 3",
  ]),
  parameters: {
    flags: {
      ...WAIT_FLAGS,
      parallelism: {
        kind: "parsed",
        parse: parallelismOf,
        brief: "Subtasks of each keyed stage, 1 to 128",
        placeholder: "N",
      },
      dryRun: switchFlag("Show which subtasks there would be, and change nothing"),
    },
    aliases: HUB_ALIASES,
    positional: args(JOB),
  },
  async func(flags: RescaleFlags, name: string) {
    const { api, out } = call(flags);
    const job = await api.job(name);
    const { parallelism } = flags;
    if (flags.dryRun) return await printRescale({ api, out }, job.id, parallelism);
    const operation = await read(
      api.api.jobs[":id"].rescale.$post({ param: { id: job.id }, json: { parallelism } }),
    );
    const ended = await follow({ api, out }, operation, flags);
    if (ended === null) return;
    if (!out.isForPeople) return out.value(ended);
    const before = ended.result?.["previousParallelism"];
    print(`Job "${job.name}" runs with parallelism ${parallelism}, before ${String(before)}`);
  },
});

interface SubtaskChange {
  readonly change: "stays" | "goes" | "comes" | "takes other keys";
  readonly subtaskId: string;
  readonly keyGroupsNow: readonly [number, number] | null;
  readonly keyGroupsThen: readonly [number, number] | null;
  readonly agentName: string | null;
}

async function printRescale({ api, out }: Call, jobId: string, parallelism: number): Promise<void> {
  const job: JobDetail = await read(api.api.jobs[":id"].$get({ param: { id: jobId } }));
  const subtasks = rescaleChanges(job, parallelism);
  const plan = { jobId, parallelismNow: job.parallelism, parallelismThen: parallelism, subtasks };
  if (!out.isForPeople) return out.value(plan);
  print(`Job "${job.name}" would go from parallelism ${job.parallelism} to ${parallelism}:`);
  out.rows(subtasks, {
    "": ({ change }) => ({ stays: " ", goes: "-", comes: "+", "takes other keys": "~" })[change],
    subtask: ({ subtaskId }) => subtaskId,
    "groups now": ({ keyGroupsNow }) => keyGroupsNow?.join("-") ?? null,
    "groups then": ({ keyGroupsThen }) => keyGroupsThen?.join("-") ?? null,
    "agent now": ({ agentName }) => agentName,
  });
  const changes = subtasks.filter(({ change }) => change !== "stays");
  if (changes.length === 0) return print("Nothing would change.");
  print(
    "All regions stop with a savepoint of their own and start again from it; the hub refuses before that " +
      `what cannot be.\nRun it:\n  penstock jobs rescale ${job.name} --parallelism ${parallelism}`,
  );
}

/** What becomes of each subtask, by the job's own graph. Pure. */
export function rescaleChanges(
  job: Pick<JobDetail, "graph" | "regions">,
  parallelism: number,
): SubtaskChange[] {
  const now = new Map(
    job.regions.flatMap(({ subtasks }) => subtasks).map((one) => [one.subtaskId, one]),
  );
  const then = new Map(
    planRegions(job.graph, parallelism).flatMap(({ subtasks }) => subtasks)
      .map((one) => [one.subtaskId as string, one.keyGroups]),
  );
  const ids = [...new Set([...now.keys(), ...then.keys()])].sort();
  return ids.map((subtaskId) => {
    const before = now.get(subtaskId);
    const keyGroupsNow = before?.keyGroups ?? null;
    const range = then.get(subtaskId) ?? null;
    const keyGroupsThen = range === null ? null : [range[0], range[1]] as const;
    const isSame = String(keyGroupsNow) === String(keyGroupsThen);
    const change = before === undefined
      ? "comes"
      : !then.has(subtaskId)
      ? "goes"
      : isSame
      ? "stays"
      : "takes other keys";
    return {
      change,
      subtaskId,
      keyGroupsNow,
      keyGroupsThen,
      agentName: before?.agentName ?? before?.agentId ?? null,
    };
  });
}

export const rebalance = buildCommand({
  docs: docs("Spread a running job over the agents there are now", ["jobs rebalance w2-minutes"]),
  parameters: { flags: WAIT_FLAGS, aliases: HUB_ALIASES, positional: args(JOB) },
  async func(flags: WaitFlags, name: string) {
    const { api, out } = call(flags);
    const job = await api.job(name);
    const operation = await read(
      api.api.jobs[":id"].rebalance.$post({ param: { id: job.id }, json: {} }),
    );
    const ended = await follow({ api, out }, operation, flags);
    if (ended === null) return;
    if (!out.isForPeople) return out.value(ended);
    const regions = (ended.result?.["regions"] ?? []) as readonly string[];
    print(regions.length === 0 ? "Nothing had to move" : `Moved: ${regions.join(", ")}`);
  },
});

type StateFlags = HubFlags & { readonly key: string; readonly savepoint?: string };

export const state = buildCommand({
  docs: docs(
    "Show the state of one key, now or in a savepoint",
    [
      "jobs state pump-watch count --key pump-7",
      "jobs state pump-watch count --key pump-7 --savepoint SAVEPOINT -o json",
    ],
    'What JSON has no word for is shown as {"$type": …}: undefined, -0, NaN, Infinity, bigint, date, ' +
      "map, set, bytes, floats.",
  ),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      key: { kind: "parsed", parse: String, brief: "Key of the stream", placeholder: "K" },
      savepoint: textFlag("Look into this savepoint instead of the running job", "SAVEPOINT"),
    },
    aliases: HUB_ALIASES,
    positional: args(JOB, argument("Operator uid", "OPERATOR")),
  },
  async func(flags: StateFlags, name: string, operator: string) {
    const { api, out } = call(flags);
    const job = await api.job(name);
    const { key } = flags;
    const savepoint = flags.savepoint === undefined
      ? undefined
      : (await api.savepoint(flags.savepoint)).id;
    const view = await read(
      api.api.jobs[":id"].state[":operator"].$get({
        param: { id: job.id, operator },
        query: said({ key, savepoint }),
      }),
    );
    if (!out.isForPeople) return out.value(view);
    out.one(view, {
      operator: () => view.operator,
      key: () => view.key,
      "key group": () => view.keyGroup,
      subtask: () => view.subtaskId,
      agent: () => view.agentName ?? view.agentId,
      "as of": () => view.asOf,
      timers: () => view.timers.join(", ") || null,
      "event timers": () => view.eventTimers.join(", ") || null,
    });
    out.rows(Object.entries(view.states), {
      state: ([state]) => state,
      value: ([, value]) => JSON.stringify(value),
    });
  },
});
