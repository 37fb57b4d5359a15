/** `penstock jobs rescale`, `rebalance` and `state`. Touches the network and the terminal. @module */
import { buildCommand } from "@stricli/core";
import type { OperationView } from "@shared/api.ts";
import type { KeyStateView } from "@shared/state_api.ts";
import {
  HUB_ALIASES,
  HUB_FLAGS,
  hubApi,
  type HubFlags,
  WAIT_FLAGS,
  type WaitFlags,
} from "../flags.ts";
import { follow } from "../operations.ts";
import { printOne, printRows, printValue } from "../output.ts";
import { note, print } from "../terminal.ts";
import { parallelismOf } from "./jobs_deploy.ts";

const JOB = { brief: "Job id or name", placeholder: "J", parse: String };

export const rescale = buildCommand({
  docs: { brief: "Change the parallelism of a running job and keep its state" },
  parameters: {
    flags: {
      ...WAIT_FLAGS,
      parallelism: {
        kind: "parsed",
        parse: parallelismOf,
        brief: "Subtasks of each keyed stage, 1 to 128",
        placeholder: "N",
      },
    },
    aliases: HUB_ALIASES,
    positional: { kind: "tuple", parameters: [JOB] },
  },
  async func(flags: WaitFlags & { readonly parallelism: number }, name: string) {
    const api = hubApi(flags);
    const job = await api.job(name);
    const { parallelism } = flags;
    const operation = await api.post<OperationView>(`/jobs/${job.id}/rescale`, { parallelism });
    const ended = await follow(api, operation, flags);
    if (ended === null) return;
    if (flags.output !== "table") return printValue(ended, flags.output);
    const before = ended.result?.["previousParallelism"];
    print(`Job "${job.name}" runs with parallelism ${parallelism}, before ${String(before)}`);
  },
});

export const rebalance = buildCommand({
  docs: { brief: "Spread a running job over the agents there are now" },
  parameters: {
    flags: WAIT_FLAGS,
    aliases: HUB_ALIASES,
    positional: { kind: "tuple", parameters: [JOB] },
  },
  async func(flags: WaitFlags, name: string) {
    const api = hubApi(flags);
    const job = await api.job(name);
    const operation = await api.post<OperationView>(`/jobs/${job.id}/rebalance`, {});
    const ended = await follow(api, operation, flags);
    if (ended === null) return;
    if (flags.output !== "table") return printValue(ended, flags.output);
    const regions = (ended.result?.["regions"] ?? []) as readonly string[];
    note(regions.length === 0 ? "Nothing had to move" : `Moved: ${regions.join(", ")}`);
  },
});

type StateFlags = HubFlags & { readonly key: string; readonly savepoint?: string };

export const state = buildCommand({
  docs: {
    brief: "Show the state of one key, now or in a savepoint",
    fullDescription:
      'What JSON has no word for is shown as {"$type": …}: undefined, -0, NaN, Infinity, bigint, date, ' +
      "map, set, bytes, floats.",
  },
  parameters: {
    flags: {
      ...HUB_FLAGS,
      key: { kind: "parsed", parse: String, brief: "Key of the stream", placeholder: "K" },
      savepoint: {
        kind: "parsed",
        parse: String,
        optional: true,
        brief: "Look into this savepoint instead of the running job",
        placeholder: "S",
      },
    },
    aliases: HUB_ALIASES,
    positional: {
      kind: "tuple",
      parameters: [JOB, { brief: "Operator uid", placeholder: "OPERATOR", parse: String }],
    },
  },
  async func(flags: StateFlags, name: string, operator: string) {
    const api = hubApi(flags);
    const job = await api.job(name);
    const query = new URLSearchParams({
      key: flags.key,
      ...(flags.savepoint === undefined ? {} : { savepoint: flags.savepoint }),
    });
    const view = await api.get<KeyStateView>(
      `/jobs/${job.id}/state/${encodeURIComponent(operator)}?${query}`,
    );
    if (flags.output !== "table") return printValue(view, flags.output);
    printOne(view, {
      operator: () => view.operator,
      key: () => view.key,
      "key group": () => view.keyGroup,
      subtask: () => view.subtaskId,
      agent: () => view.agentName ?? view.agentId,
      "as of": () => view.asOf,
      timers: () => view.timers.join(", ") || null,
      "event timers": () => view.eventTimers.join(", ") || null,
    }, "table");
    printRows(Object.entries(view.states), {
      state: ([state]) => state,
      value: ([, value]) => JSON.stringify(value),
    }, "table");
  },
});
