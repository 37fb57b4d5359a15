/**
 * Draining, removing and replacing agents.
 *
 * Touches the database and the agents' connections.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { AgentMovePlan, AgentReplacement } from "@shared/api.ts";
import type { AgentId } from "@shared/ids.ts";
import { planMoves } from "../agent_moves.ts";
import { hashSecret, JOIN_TOKEN_TTL_MS, newJoinSecret } from "../auth.ts";
import { type AgentRecord, getAgent, removeAgent, setDraining } from "../db/agent_store.ts";
import type { Db } from "../db/client.ts";
import { openAgentOperations, updateOperation } from "../db/operation_store.ts";
import { agentToReplace, insertJoinToken } from "../db/token_store.ts";
import { installCommand } from "../install_command.ts";
import {
  bodyOr,
  type HubApp,
  type HubRequest,
  json,
  notFound,
  optionalJsonBody,
  Refusal,
  type RouteDeps,
  serve,
} from "./http.ts";
import { accept, type Change, change } from "./mutation.ts";
import { movePlanSchema, replacementSchema } from "./monitoring_schemas.ts";
import { operationSchema } from "./schemas.ts";

const params = z.object({ id: z.string().min(1).max(64).openapi({ description: "Agent id" }) });
const query = z.strictObject({
  dryRun: z.enum(["true", "false"]).default("false").openapi({
    description: "Answers what would move, and changes nothing",
  }),
});
const TTL_MIN_SECONDS = 60;
const replaceBody = z.strictObject({
  ttlSeconds: z.number().int().min(TTL_MIN_SECONDS).max(JOIN_TOKEN_TTL_MS / 1000).optional(),
});

const drainRoute = createRoute({
  method: "post",
  path: "/api/v1/agents/{id}/drain",
  tags: ["agents"],
  summary: "Move everything off an agent; it gets nothing new",
  request: {
    params,
    query,
    body: optionalJsonBody(z.strictObject({ dryRun: z.boolean().optional() })),
  },
  responses: {
    200: json("With `dryRun`: what would move, and where to", movePlanSchema),
    202: json("Accepted", operationSchema),
  },
});

const undrainRoute = createRoute({
  method: "post",
  path: "/api/v1/agents/{id}/undrain",
  tags: ["agents"],
  summary: "Let a drained agent get work again",
  description:
    "What was moved off it stays where it is until something is placed anew, as by `rebalance`. A drain " +
    "under way is cancelled. An agent that is not draining stays as it is.",
  request: { params, body: optionalJsonBody(z.strictObject({})) },
  responses: { 204: { description: "It gets work again" } },
});

const removeRoute = createRoute({
  method: "delete",
  path: "/api/v1/agents/{id}",
  tags: ["agents"],
  summary: "Revoke an agent's credential and cut its connection",
  request: { params, query },
  responses: {
    200: json("With `dryRun`: what would move, and where to", movePlanSchema),
    204: { description: "Removed" },
  },
});

const replaceRoute = createRoute({
  method: "post",
  path: "/api/v1/agents/{id}/replace",
  tags: ["agents"],
  summary: "Make a join token for the machine that takes an agent's place, name and labels",
  request: { params, body: optionalJsonBody(replaceBody) },
  responses: {
    201: json(
      "The token, shown this once; the old agent is removed when the new one enrols",
      replacementSchema,
    ),
  },
});

/** What callers of the typed client see of them. */
export const agentChangeRoutes = [drainRoute, undrainRoute, removeRoute, replaceRoute] as const;

export function addAgentChangeRoutes(app: HubApp, deps: RouteDeps): void {
  serve(app, deps, "operator", drainRoute, async (c) => {
    const { id } = c.req.valid("param");
    const body: { dryRun?: boolean | undefined } = c.req.valid("json") ?? {};
    const isDry = c.req.valid("query").dryRun === "true" || body.dryRun === true;
    if (isDry) return c.json(await dryRun(deps, id, "drain"), 200);
    return await change(c, deps, () => Promise.resolve((tx: Db) => drain(c, deps, tx, id)));
  });
  serve(app, deps, "operator", undrainRoute, (c) => {
    const { id } = c.req.valid("param");
    return change(c, deps, () => Promise.resolve((tx: Db) => undrain(deps, tx, id)));
  });
  serve(app, deps, "admin", removeRoute, async (c) => {
    const { id } = c.req.valid("param");
    if (c.req.valid("query").dryRun === "true") {
      return c.json(await dryRun(deps, id, "remove"), 200);
    }
    return await change(c, deps, () =>
      Promise.resolve(async (tx: Db): Promise<Change> => {
        const after = await removeFrom(deps, tx, await presentAgent(tx, id));
        const audit = { action: "agent.remove", subject: `agent:${id}` };
        return { status: 204, body: null, audit, after };
      }));
  });
  serve(app, deps, "admin", replaceRoute, (c) => {
    const { id } = c.req.valid("param");
    const { ttlSeconds } = bodyOr(replaceBody, c.req.valid("json"));
    const ttlMs = ttlSeconds === undefined ? JOIN_TOKEN_TTL_MS : ttlSeconds * 1000;
    return change(c, deps, () => Promise.resolve((tx: Db) => replace(c, deps, tx, { id, ttlMs })));
  });
}

async function dryRun(
  { hub }: RouteDeps,
  id: string,
  action: AgentMovePlan["action"],
): Promise<AgentMovePlan> {
  return await planMoves(hub, await presentAgent(hub.db, id), action);
}

async function drain(c: HubRequest, deps: RouteDeps, tx: Db, id: string): Promise<Change> {
  const { hub } = deps;
  const agent = await presentAgent(tx, id);
  const under = (await openAgentOperations(tx, agent.id))[0];
  if (under !== undefined) {
    throw new Refusal(
      409,
      "operation-under-way",
      `Operation ${under.id} is draining agent "${agent.name}" already`,
      { operationId: under.id },
    );
  }
  await setDraining(tx, agent.id, true);
  return await accept(
    tx,
    {
      id: hub.random.uuid(),
      kind: "drain",
      jobId: null,
      agentId: agent.id,
      request: {},
      createdBy: c.get("principal").name,
      nowMs: hub.clock.nowMs(),
    },
    { action: "agent.drain", subject: `agent:${agent.id}` },
    () => {
      hub.events.publish("agent.draining", { agentId: agent.id }, { name: agent.name });
      deps.fleetChanged();
    },
  );
}

async function undrain(deps: RouteDeps, tx: Db, id: string): Promise<Change> {
  const { hub } = deps;
  const agent = await presentAgent(tx, id);
  await setDraining(tx, agent.id, false);
  for (const operation of await openAgentOperations(tx, agent.id)) {
    await updateOperation(tx, operation.id, { status: "cancelled", nowMs: hub.clock.nowMs() });
  }
  return {
    status: 204,
    body: null,
    audit: { action: "agent.undrain", subject: `agent:${agent.id}` },
    after: () => {
      hub.events.publish("agent.undrained", { agentId: agent.id }, { name: agent.name });
      deps.fleetChanged();
    },
  };
}

/** Takes the agent out of the fleet. @returns What is to be done behind the commit. */
async function removeFrom(deps: RouteDeps, tx: Db, agent: AgentRecord): Promise<() => void> {
  const nowMs = deps.hub.clock.nowMs();
  await removeAgent(tx, agent.id, nowMs);
  for (const { id } of await openAgentOperations(tx, agent.id)) {
    const detail = `Agent "${agent.name}" was removed`;
    const error = { code: "agent-removed", title: "The drain failed", detail, status: 409 };
    await updateOperation(tx, id, { status: "failed", error, nowMs });
  }
  return () => {
    deps.cutAgent(agent.id, "removed");
    deps.hub.events.publish("agent.removed", { agentId: agent.id }, { name: agent.name });
    deps.fleetChanged();
  };
}

async function replace(
  c: HubRequest,
  { hub, hubId }: RouteDeps,
  tx: Db,
  { id, ttlMs }: { readonly id: string; readonly ttlMs: number },
): Promise<Change> {
  const agent = await presentAgent(tx, id);
  const token = newJoinSecret(hub.random, hubId);
  const nowMs = hub.clock.nowMs();
  const view = await insertJoinToken(tx, {
    id: hub.random.uuid(),
    secretHash: hashSecret(token),
    labels: agent.labels,
    replacesAgentId: agent.id,
    createdBy: c.get("principal").name,
    nowMs,
    expiresAtMs: nowMs + ttlMs,
  });
  const body: AgentReplacement = {
    agentId: agent.id,
    agentName: agent.name,
    token,
    expiresAt: view.expiresAt,
    installCommand: installCommand(hub.config.publicUrl, token),
  };
  const fields = { tokenId: view.id };
  return {
    status: 201,
    body,
    isSecret: true,
    audit: { action: "agent.replace", subject: `agent:${agent.id}`, fields },
  };
}

/**
 * Takes the agent out whose place this token fills, in the transaction that enrols the new one.
 *
 * @returns Its name; null when the token fills nobody's place, or the agent was removed meanwhile.
 */
export async function replaceAgent(
  deps: RouteDeps,
  tx: Db,
  tokenId: string,
): Promise<{ readonly name: string; after(): void } | null> {
  const id = await agentToReplace(tx, tokenId);
  const agent = id === null ? null : await getAgent(tx, id as AgentId);
  if (agent === null) return null;
  if (agent.removedAtMs !== null) return { name: agent.name, after() {} };
  return { name: agent.name, after: await removeFrom(deps, tx, agent) };
}

async function presentAgent(db: Db, id: string): Promise<AgentRecord> {
  const agent = await getAgent(db, id);
  if (agent === null || agent.removedAtMs !== null) throw notFound("agent", id);
  return agent;
}
