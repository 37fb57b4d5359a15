/** `penstock operations …`: what takes time at the hub. Touches the network and the terminal. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { OperationView } from "@shared/api.ts";
import { read } from "@shared/hub_client.ts";
import {
  args,
  call,
  countFlag,
  docs,
  HUB_ALIASES,
  HUB_FLAGS,
  type HubFlags,
  OPERATION,
  said,
  textFlag,
  WAIT_FLAGS,
  type WaitFlags,
} from "../flags.ts";
import { follow } from "../operations.ts";
import { age } from "../output.ts";
import { print } from "../terminal.ts";

const STATUSES = ["pending", "running", "succeeded", "failed", "cancelled"] as const;

const OPERATION_COLUMNS = {
  id: (one: OperationView) => one.id,
  kind: (one: OperationView) => one.kind,
  status: (one: OperationView) => one.status,
  progress: (one: OperationView) =>
    one.progress.total > 0
      ? `${one.progress.done}/${one.progress.total} ${one.progress.phase}`
      : one.progress.phase,
  started: (one: OperationView) => age(one.createdAt),
  error: (one: OperationView) => one.error?.detail ?? null,
};
const OPERATION_WIDE = {
  job: (one: OperationView) => one.jobId,
  agent: (one: OperationView) => one.agentId,
  updated: (one: OperationView) => one.updatedAt,
};

type ListFlags = HubFlags & {
  readonly job?: string;
  readonly status?: typeof STATUSES[number];
  readonly limit: number;
};

const list = buildCommand({
  docs: docs("List operations, newest first", [
    "operations list",
    "operations list --status running --job pump-watch",
  ]),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      job: textFlag("Only on this job", "JOB"),
      status: { kind: "enum", values: STATUSES, optional: true, brief: "Only these" },
      limit: countFlag("How many, at most 200", 20),
    },
    aliases: HUB_ALIASES,
  },
  async func(flags: ListFlags) {
    const { api, out } = call(flags);
    const jobId = flags.job === undefined ? undefined : (await api.job(flags.job)).id;
    const { status, limit } = flags;
    const query = said({ jobId, status, limit: String(limit) });
    const page = await read(api.api.operations.$get({ query }));
    out.rows(page.items, OPERATION_COLUMNS, OPERATION_WIDE);
  },
});

const show = buildCommand({
  docs: docs("Show one operation and what came of it", [
    "operations show OPERATION",
    "operations show OPERATION -o json",
  ]),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES, positional: args(OPERATION) },
  async func(flags: HubFlags, id: string) {
    const { api, out } = call(flags);
    const operation = await read(api.api.operations[":id"].$get({ param: { id } }));
    out.one(operation, { ...OPERATION_COLUMNS, ...OPERATION_WIDE });
    if (out.isForPeople && operation.result !== null) {
      print(`result:\n${JSON.stringify(operation.result, null, 2)}`);
    }
  },
});

const wait = buildCommand({
  docs: docs(
    "Watch an operation to its end",
    ["operations wait OPERATION", "operations wait OPERATION --timeout 10m"],
    "Exit code 0 when it succeeded, 1 or 4 when it failed, 5 when it is still under way after --timeout.",
  ),
  parameters: { flags: WAIT_FLAGS, aliases: HUB_ALIASES, positional: args(OPERATION) },
  async func(flags: WaitFlags, id: string) {
    const { api, out } = call(flags);
    const operation = await read(api.api.operations[":id"].$get({ param: { id } }));
    const ended = await follow({ api, out }, operation, flags);
    if (ended !== null) out.one(ended, OPERATION_COLUMNS);
  },
});

const cancel = buildCommand({
  docs: docs(
    "Ask the hub to give up an operation",
    ["operations cancel OPERATION"],
    "The hub says so when an operation can no longer be given up: exit code 4.",
  ),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES, positional: args(OPERATION) },
  async func(flags: HubFlags, id: string) {
    const { api, out } = call(flags);
    const operation = await read(api.api.operations[":id"].cancel.$post({ param: { id } }));
    out.one(operation, OPERATION_COLUMNS);
  },
});

export const operations = buildRouteMap({
  docs: { brief: "What takes time at the hub" },
  routes: { list, show, wait, cancel },
});
