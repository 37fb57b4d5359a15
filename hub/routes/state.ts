/**
 * The state of one key, live or in a savepoint; and what differs between two savepoints.
 *
 * Touches the database, the object store and the agents. Live state is asked of the agents that own the
 * key: it is that of a moment between two records, and not part of any checkpoint.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { createRoute, z } from "@hono/zod-openapi";
import type { KeyStateView, SavepointDiff } from "@shared/state_api.ts";
import type { AgentId, Attempt, JobId, SubtaskId } from "@shared/ids.ts";
import { PenstockError } from "@shared/errors.ts";
import { toJsonValue } from "@shared/json_value.ts";
import { keyGroupOf } from "@shared/key_groups.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import type { KeyAnswer } from "@shared/messages.ts";
import { planRegions } from "@shared/regions.ts";
import type { JobFacts, RegionFacts } from "../db/job_view_store.ts";
import { getSavepoint, savepointParts, type SavepointRecord } from "../db/savepoint_store.ts";
import { SavedState } from "../saved_state.ts";
import { type DiffPosition, diffState } from "../state_diff.ts";
import {
  type HubApp,
  json,
  notFound,
  pageQuery,
  readCursor,
  Refusal,
  type RouteDeps,
  serve,
  writeCursor,
} from "./http.ts";
import { jobOf, jobPath } from "./jobs.ts";
import { keyStateSchema, savepointDiffSchema } from "./schemas.ts";

const KEY_LENGTH_MAX = 4096;
/** Comparisons at once: each may hold pieces of its own. */
const DIFFS_MAX = 2;
/** Key groups of the next page of differences are found by the place of the last one. */
const positionSchema = z.object({ operator: z.string(), group: z.number().int(), key: z.string() });

const stateRoute = createRoute({
  method: "get",
  path: "/api/v1/jobs/{id}/state/{operator}",
  tags: ["jobs"],
  summary: "State of one key of an operator, now or in a savepoint",
  request: {
    params: z.object({ ...jobPath, operator: z.string().min(1).max(200) }),
    query: z.strictObject({
      key: z.string().max(KEY_LENGTH_MAX).openapi({ example: "pump-7" }),
      savepoint: z.string().max(64).optional().openapi({
        description: "Savepoint of this job to look into; left out: the running job is asked",
      }),
    }),
  },
  responses: { 200: json("The state", keyStateSchema) },
});

const diffRoute = createRoute({
  method: "get",
  path: "/api/v1/savepoints/{id}/diff",
  tags: ["savepoints"],
  summary: "What differs between two savepoints, key by key; their parallelism may differ",
  request: {
    params: z.object({ id: z.string().min(1).max(64) }),
    query: z.strictObject({
      ...pageQuery,
      against: z.string().min(1).max(64).openapi({ description: "The later savepoint" }),
      operator: z.string().max(200).optional(),
      kind: z.enum(["added", "removed", "changed"]).optional(),
    }),
  },
  responses: { 200: json("Counts by operator, and one page of differences", savepointDiffSchema) },
});

export const stateRoutes = [stateRoute, diffRoute] as const;

export function addStateRoutes(app: HubApp, deps: RouteDeps): void {
  let diffsUnderWay = 0;
  serve(app, deps, "viewer", stateRoute, async (c) => {
    const { id, operator } = c.req.valid("param");
    const { key, savepoint } = c.req.valid("query");
    const job = await jobOf(deps.hub.db, id);
    const view = savepoint === undefined
      ? await liveState(deps, job, { operator, key })
      : await stateInSavepoint(deps, job, { operator, key, savepointId: savepoint });
    return c.json(view, 200);
  });
  serve(app, deps, "viewer", diffRoute, async (c) => {
    const { against, operator = null, kind = null, limit, cursor } = c.req.valid("query");
    if (diffsUnderWay >= DIFFS_MAX) throw tooManyDiffs();
    const before = await completedSavepoint(deps, c.req.valid("param").id);
    const after = await completedSavepoint(deps, against);
    const from: DiffPosition | null = readCursor(cursor, positionSchema);
    const sides = {
      before: await snapshotsOf(deps, before),
      after: await snapshotsOf(deps, after),
    };
    diffsUnderWay++;
    const diff = await readable(diffState(new SavedState(deps.hub.objects, deps.openPiece), {
      ...sides,
      operator,
      kind,
      from,
      limit,
      isCounting: from === null,
      signal: c.req.raw.signal,
      yieldTurn: () => setImmediate(),
    })).finally(() => diffsUnderWay--);
    const last = diff.items.at(-1);
    return c.json(
      {
        savepointId: before.id,
        against: after.id,
        operators: from === null ? diff.operators : [],
        items: diff.items,
        next: diff.hasMore && last !== undefined
          ? writeCursor({ operator: last.operator, group: last.keyGroup, key: last.key })
          : null,
      } satisfies SavepointDiff,
      200,
    );
  });
}

function tooManyDiffs(): Refusal {
  return new Refusal(
    429,
    "diffs-under-way",
    `${DIFFS_MAX} comparisons of savepoints are under way: repeat in a moment`,
    {},
    { "retry-after": "5" },
  );
}

async function completedSavepoint(deps: RouteDeps, id: string): Promise<SavepointRecord> {
  const savepoint = await getSavepoint(deps.hub.db, id);
  if (savepoint === null) throw notFound("savepoint", id);
  if (savepoint.status === "completed") return savepoint;
  throw new Refusal(409, "savepoint-not-completed", `Savepoint ${id} is ${savepoint.status}`);
}

async function snapshotsOf(deps: RouteDeps, of: SavepointRecord): Promise<SubtaskSnapshot[]> {
  return (await savepointParts(deps.hub.db, of)).flatMap(({ snapshots }) => snapshots);
}

async function stateInSavepoint(
  deps: RouteDeps,
  job: JobFacts,
  of: { readonly operator: string; readonly key: string; readonly savepointId: string },
): Promise<KeyStateView> {
  const { operator, key, savepointId } = of;
  const savepoint = await completedSavepoint(deps, savepointId);
  if (savepoint.jobId !== job.id) throw notFound("savepoint", savepointId);
  const snapshots = await snapshotsOf(deps, savepoint);
  const isKnown = snapshots.some(({ operators }) => operators.some(({ uid }) => uid === operator));
  if (!isKnown) throw notFound("operator", operator);
  const keyGroup = keyGroupOf(key);
  const state = new SavedState(deps.hub.objects, deps.openPiece);
  const entries = await readable(state.entries(snapshots, operator, keyGroup));
  const [entry, ...others] = entries.get(key) ?? [];
  if (entry === undefined) throw noSuchKey(key, operator, `savepoint ${savepointId}`);
  return {
    operator,
    key,
    keyGroup,
    subtaskId: entry.subtaskId,
    agentId: null,
    agentName: null,
    savepointId,
    states: formsOf(entry.states),
    timers: entry.timers,
    eventTimers: entry.eventTimers,
    asOf: savepoint.completedAt ?? savepoint.createdAt,
    alsoIn: others.map(({ subtaskId }) => subtaskId),
  };
}

/** What cannot be read is said with the object's name; nothing is changed or deleted. */
async function readable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (thrown) {
    if (!(thrown instanceof PenstockError)) throw thrown;
    throw new Refusal(503, "savepoint-unreadable", thrown.message);
  }
}

interface Holder {
  readonly region: RegionFacts;
  readonly subtaskId: SubtaskId;
  readonly agentId: AgentId | null;
  readonly agentName: string | null;
}

async function liveState(
  deps: RouteDeps,
  job: JobFacts,
  { operator, key }: { readonly operator: string; readonly key: string },
): Promise<KeyStateView> {
  const node = job.graph.operators.find(({ uid }) => uid === operator);
  if (node === undefined) throw notFound("operator", operator);
  if (!node.isKeyed) {
    throw new Refusal(409, "operator-not-keyed", `Operator "${operator}" keeps no state by key`);
  }
  const holders = holdersOf(job, operator, keyGroupOf(key));
  const answers = await Promise.all(holders.map(async (holder) => ({
    holder,
    answer: await ask(deps, job, holder, { operator, key }),
  })));
  const found = answers.flatMap(({ holder, answer }) =>
    answer.kind === "found" ? [{ holder, answer }] : []
  );
  const [first, ...others] = found;
  if (first === undefined) throw whyNotFound(answers, { operator, key });
  const { holder, answer } = first;
  return {
    operator,
    key,
    keyGroup: keyGroupOf(key),
    subtaskId: holder.subtaskId,
    agentId: holder.agentId,
    agentName: holder.agentName,
    savepointId: null,
    states: answer.states,
    timers: answer.timers,
    eventTimers: answer.eventTimers,
    asOf: new Date(answer.asOfMs).toISOString(),
    alsoIn: others.map((other) => other.holder.subtaskId),
  };
}

/** Subtasks that may have state of the key: one that owns its group, or all that are local to splits. */
function holdersOf(job: JobFacts, operator: string, keyGroup: number): Holder[] {
  const plans = planRegions(job.graph, job.parallelism);
  return plans.flatMap(({ regionId, subtasks }) => {
    const region = job.regions.find((one) => one.regionId === regionId);
    if (region === undefined) return [];
    return subtasks
      .filter(({ operatorUids, keyGroups }) =>
        operatorUids.includes(operator) &&
        (keyGroups === null || (keyGroups[0] <= keyGroup && keyGroup <= keyGroups[1]))
      )
      .map(({ subtaskId }) => {
        const placed = region.placement.get(subtaskId);
        return {
          region,
          subtaskId,
          agentId: (placed?.id ?? region.agentId) as AgentId | null,
          agentName: placed === undefined ? region.agentName : placed.name,
        };
      });
  });
}

async function ask(
  deps: RouteDeps,
  job: JobFacts,
  { region, subtaskId, agentId }: Holder,
  { operator, key }: { readonly operator: string; readonly key: string },
): Promise<KeyAnswer> {
  if (agentId === null || region.status !== "running") {
    return { kind: "refused", reason: "not-running" };
  }
  return await deps.queryState(agentId, {
    jobId: job.id as JobId,
    regionId: region.regionId,
    attempt: region.attempt as Attempt,
    subtaskId,
    operatorUid: operator,
    key,
  });
}

function whyNotFound(
  answers: readonly { readonly holder: Holder; readonly answer: KeyAnswer }[],
  { operator, key }: { readonly operator: string; readonly key: string },
): Refusal {
  const silent = answers.filter(({ answer }) => answer.kind === "refused");
  if (silent.length === 0) return noSuchKey(key, operator, "the running job");
  const reasons = silent.map(({ holder, answer }) =>
    `${holder.subtaskId} on ${holder.agentName ?? "no agent"}: ` +
    (answer.kind === "refused" ? answer.reason : "")
  );
  return new Refusal(
    503,
    "state-unavailable",
    `The state of key "${key}" of operator "${operator}" could not be asked for (${
      reasons.join("; ")
    }): ` +
      `repeat when the region runs, or look into a savepoint`,
    {},
    { "retry-after": "2" },
  );
}

function noSuchKey(key: string, operator: string, where: string): Refusal {
  return new Refusal(
    404,
    "key-not-found",
    `Operator "${operator}" holds no state of key "${key}" in ${where}`,
  );
}

function formsOf(states: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(states).map(([name, value]) => [name, toJsonValue(value)]),
  );
}
