/** `penstock savepoints …`. Touches the network and the terminal. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { SavepointView } from "@shared/job_api.ts";
import { read } from "@shared/hub_client.ts";
import {
  args,
  call,
  consent,
  countFlag,
  docs,
  HUB_ALIASES,
  HUB_FLAGS,
  type HubFlags,
  JOB,
  said,
  SAVEPOINT,
  textFlag,
  WAIT_FLAGS,
  type WaitFlags,
  YES_ALIASES,
  YES_FLAG,
} from "../flags.ts";
import { follow } from "../operations.ts";
import { age, size } from "../output.ts";
import { note, print } from "../terminal.ts";

const SAVEPOINT_COLUMNS = {
  id: (s: SavepointView) => s.id,
  job: (s: SavepointView) => s.jobName,
  label: (s: SavepointView) => s.label,
  status: (s: SavepointView) => s.status,
  checkpoint: (s: SavepointView) => s.checkpointId,
  size: (s: SavepointView) => size(s.fullBytes),
  created: (s: SavepointView) => age(s.createdAt),
};
const SAVEPOINT_WIDE = {
  owner: (s: SavepointView) => s.ownerName ?? s.owner,
  "claimed by": (s: SavepointView) => s.claimedByJobId,
  "created at": (s: SavepointView) => s.createdAt,
  reason: (s: SavepointView) => s.reason,
};

const create = buildCommand({
  docs: docs("Take a savepoint of a running job", [
    'savepoints create pump-watch --label "before the new threshold"',
    "savepoints create pump-watch --no-wait",
  ]),
  parameters: {
    flags: { ...WAIT_FLAGS, label: textFlag("What it is for", "L") },
    aliases: HUB_ALIASES,
    positional: args(JOB),
  },
  async func(flags: WaitFlags & { readonly label?: string }, name: string) {
    const { api, out } = call(flags);
    const job = await api.job(name);
    const operation = await read(
      api.api.jobs[":id"].savepoints.$post({
        param: { id: job.id },
        json: said({ label: flags.label }),
      }),
    );
    const ended = await follow({ api, out }, operation, flags);
    if (ended === null) return;
    if (!out.isForPeople) return out.value(ended);
    print(String(ended.result?.["savepointId"]));
  },
});

type ListFlags = HubFlags & { readonly job?: string };

const list = buildCommand({
  docs: docs("List savepoints, newest first", [
    "savepoints list",
    "savepoints list --job pump-watch -o wide",
  ]),
  parameters: {
    flags: { ...HUB_FLAGS, job: textFlag("Only of this job", "JOB") },
    aliases: HUB_ALIASES,
  },
  async func(flags: ListFlags) {
    const { api, out } = call(flags);
    const { job } = flags;
    const all: SavepointView[] = await api.all((query) => api.api.savepoints.$get({ query }));
    // A name stands for every job that had it: a replacement keeps the name.
    const wanted = all.filter(({ jobId, jobName }) =>
      job === undefined || jobId === job || jobName === job
    );
    // None: of a job without any, or of no job at all, which is said.
    if (job !== undefined && wanted.length === 0) await api.job(job);
    out.rows(wanted, SAVEPOINT_COLUMNS, SAVEPOINT_WIDE);
  },
});

const show = buildCommand({
  docs: docs("Show one savepoint, by id or label", [
    "savepoints show SAVEPOINT",
    'savepoints show "before the new threshold" -o json',
  ]),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES, positional: args(SAVEPOINT) },
  async func(flags: HubFlags, id: string) {
    const { api, out } = call(flags);
    const savepoint = await api.savepoint(id);
    out.one(savepoint, { ...SAVEPOINT_COLUMNS, ...SAVEPOINT_WIDE });
  },
});

const remove = buildCommand({
  docs: docs(
    "Delete a savepoint",
    ["savepoints delete SAVEPOINT", "savepoints delete SAVEPOINT --yes"],
    "The hub refuses while a running job has no other base.",
  ),
  parameters: {
    flags: { ...HUB_FLAGS, yes: YES_FLAG },
    aliases: YES_ALIASES,
    positional: args(SAVEPOINT),
  },
  async func(flags: HubFlags & { readonly yes: boolean }, id: string) {
    const { api, out } = call(flags);
    const savepoint = await api.savepoint(id);
    const label = savepoint.label === null ? "" : ` "${savepoint.label}"`;
    consent({
      question: `Delete savepoint ${savepoint.id}${label} of job "${savepoint.jobName}" for good?`,
      isGiven: flags.yes,
      isLossy: true,
    });
    await api.api.savepoints[":id"].$delete({ param: { id: savepoint.id } });
    if (!out.isQuiet) note(`Savepoint ${savepoint.id} is deleted`);
  },
});

type DiffFlags = HubFlags & {
  readonly operator?: string;
  readonly kind?: "added" | "removed" | "changed";
  readonly limit: number;
};

const diff = buildCommand({
  docs: docs(
    "Show what differs between two savepoints, key by key",
    [
      "savepoints diff SAVEPOINT1 SAVEPOINT2",
      "savepoints diff SAVEPOINT1 SAVEPOINT2 --operator count --kind changed",
    ],
    "The first is the earlier one: added means that the second has the key and the first does not.",
  ),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      operator: textFlag("Only this operator", "UID"),
      kind: {
        kind: "enum",
        values: ["added", "removed", "changed"],
        optional: true,
        brief: "Only these",
      },
      limit: countFlag("Examples shown, at most 200", 20),
    },
    aliases: HUB_ALIASES,
    positional: args(
      { ...SAVEPOINT, placeholder: "SAVEPOINT1" },
      { ...SAVEPOINT, placeholder: "SAVEPOINT2" },
    ),
  },
  async func(flags: DiffFlags, before: string, after: string) {
    const { api, out } = call(flags);
    const { limit, operator, kind } = flags;
    const [{ id }, { id: against }] = [await api.savepoint(before), await api.savepoint(after)];
    const query = said({ against, limit: String(limit), operator, kind });
    const found = await read(api.api.savepoints[":id"].diff.$get({ param: { id }, query }));
    if (!out.isForPeople) return out.value(found);
    if (found.operators.length === 0) return print("Neither savepoint holds keyed state.");
    out.rows(found.operators, {
      operator: (row) => row.operator,
      added: (row) => row.added,
      removed: (row) => row.removed,
      changed: (row) => row.changed,
      unchanged: (row) => row.unchanged,
    });
    if (found.items.length === 0) return;
    print("");
    out.rows(found.items, {
      operator: (row) => row.operator,
      key: (row) => row.key,
      is: (row) => row.kind,
      before: (row) => shortValue(row.before),
      after: (row) => shortValue(row.after),
    });
    if (found.next !== null) out.note("There are more: see --limit, or -o json for the cursor");
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
