/**
 * The fleet: list, detail, drain, remove; and the control channel that agents open.
 *
 * Touches the database and the agents' connections.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { AgentView } from "@shared/api.ts";
import type { AgentId } from "@shared/ids.ts";
import { bearerOf, identifyBearer } from "../auth.ts";
import {
  type AgentRecord,
  getAgent,
  listAgents,
  removeAgent,
  setDraining,
} from "../db/agent_store.ts";
import type { Db } from "../db/client.ts";
import { listPlacedRegions, type RegionFacts } from "../db/job_view_store.ts";
import { openAgentOperations, updateOperation } from "../db/operation_store.ts";
import type { HubContext } from "../ports.ts";
import {
  type HubApp,
  json,
  notFound,
  optionalJsonBody,
  pageOf,
  pageQuery,
  readCursor,
  Refusal,
  type RouteDeps,
  serve,
  unauthorized,
} from "./http.ts";
import { accept, change } from "./mutation.ts";
import { agentSchema, operationSchema, pageSchema } from "./schemas.ts";

const params = z.object({ id: z.string().min(1).max(64).openapi({ description: "Agent id" }) });

const listRoute = createRoute({
  method: "get",
  path: "/api/v1/agents",
  tags: ["agents"],
  summary: "List agents in the order they enrolled",
  request: {
    query: z.strictObject({ ...pageQuery, removed: z.enum(["true", "false"]).default("false") }),
  },
  responses: { 200: json("One page of agents", pageSchema(agentSchema)) },
});

const showRoute = createRoute({
  method: "get",
  path: "/api/v1/agents/{id}",
  tags: ["agents"],
  summary: "One agent and what it runs",
  request: { params },
  responses: { 200: json("The agent", agentSchema) },
});

const drainRoute = createRoute({
  method: "post",
  path: "/api/v1/agents/{id}/drain",
  tags: ["agents"],
  summary: "Move everything off an agent; it gets nothing new",
  request: { params, body: optionalJsonBody(z.strictObject({})) },
  responses: { 202: json("Accepted", operationSchema) },
});

const removeRoute = createRoute({
  method: "delete",
  path: "/api/v1/agents/{id}",
  tags: ["agents"],
  summary: "Revoke an agent's credential and cut its connection",
  request: { params },
  responses: { 204: { description: "Removed" } },
});

const connectRoute = createRoute({
  method: "get",
  path: "/api/v1/agents/connect",
  tags: ["agents"],
  summary: "Control channel of an agent: a WebSocket, with the agent's credential as bearer",
  responses: { 101: { description: "Switched to the WebSocket protocol" } },
});

export const agentRoutes = [listRoute, showRoute, drainRoute, removeRoute, connectRoute] as const;

export function addAgentRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  addConnectRoute(app, deps);
  serve(app, deps, "viewer", listRoute, async (c) => {
    const { limit, cursor, removed } = c.req.valid("query");
    const afterId = readCursor(cursor, z.string());
    const all = await agentViews(hub, { withRemoved: removed === "true" });
    const rest = all.filter(({ id }) => afterId === null || id > afterId);
    return c.json(pageOf(rest, limit, ({ id }) => id), 200);
  });
  serve(app, deps, "viewer", showRoute, async (c) => {
    const { id } = c.req.valid("param");
    const agent = (await agentViews(hub, { withRemoved: true })).find((one) => one.id === id);
    if (agent === undefined) throw notFound("agent", id);
    return c.json(agent, 200);
  });
  addChangeRoutes(app, deps);
}

function addChangeRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(
    app,
    deps,
    "operator",
    drainRoute,
    (c) =>
      change(c, deps, () =>
        Promise.resolve(async (tx: Db) => {
          const agent = await presentAgent(tx, c.req.valid("param").id);
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
        })),
  );
  serve(
    app,
    deps,
    "admin",
    removeRoute,
    (c) =>
      change(c, deps, () =>
        Promise.resolve(async (tx: Db) => {
          const agent = await presentAgent(tx, c.req.valid("param").id);
          const nowMs = hub.clock.nowMs();
          await removeAgent(tx, agent.id, nowMs);
          for (const { id } of await openAgentOperations(tx, agent.id)) {
            const detail = `Agent "${agent.name}" was removed`;
            const error = { code: "agent-removed", title: "The drain failed", detail, status: 409 };
            await updateOperation(tx, id, { status: "failed", error, nowMs });
          }
          return {
            status: 204,
            body: null,
            audit: { action: "agent.remove", subject: `agent:${agent.id}` },
            after: () => {
              deps.cutAgent(agent.id, "removed");
              hub.events.publish("agent.removed", { agentId: agent.id }, { name: agent.name });
              deps.fleetChanged();
            },
          };
        })),
  );
}

function addConnectRoute(app: HubApp, deps: RouteDeps): void {
  serve(app, deps, "public", connectRoute, async (c) => {
    const bearer = bearerOf(c.req.header("authorization"));
    const principal = bearer === null
      ? null
      : await identifyBearer(deps.hub.db, bearer, deps.hub.clock.nowMs());
    if (principal === null || principal.agentId === null) throw unauthorized();
    if (c.req.header("upgrade")?.toLowerCase() !== "websocket") {
      throw new Refusal(426, "websocket-needed", "The control channel is a WebSocket", {}, {
        "upgrade": "websocket",
      });
    }
    const agent = await getAgent(deps.hub.db, principal.agentId);
    if (agent === null || agent.removedAtMs !== null) throw unauthorized();
    const { socket, response } = deps.upgradeWebSocket(c.req.raw);
    deps.acceptAgent(socket, agent, c.env.remoteAddress);
    return response;
  });
}

async function presentAgent(db: Db, id: string): Promise<AgentRecord> {
  const agent = await getAgent(db, id);
  if (agent === null || agent.removedAtMs !== null) throw notFound("agent", id);
  return agent;
}

/** Agents as people see them, in the order they enrolled. */
export async function agentViews(
  hub: HubContext,
  options: { readonly withRemoved: boolean },
): Promise<AgentView[]> {
  const [agents, placed] = [await listAgents(hub.db, options), await listPlacedRegions(hub.db)];
  return agents.map((agent) => ({
    id: agent.id,
    name: agent.name,
    labels: agent.labels,
    status: statusOf(agent, hub),
    version: agent.agentVersion,
    enrolledAt: new Date(agent.enrolledAtMs).toISOString(),
    lastSeenAt: agent.lastSeenAtMs === null ? null : new Date(agent.lastSeenAtMs).toISOString(),
    remoteAddress: hub.live.onlineAgents.get(agent.id)?.remoteAddress ?? null,
    regions: placed.filter((region) => runsOn(region, agent.id))
      .map(({ jobId, jobName, regionId, status, attempt }) => (
        { jobId, jobName, regionId, status, attempt }
      )),
  }));
}

function runsOn({ agentId, placement }: RegionFacts, id: string): boolean {
  return agentId === id || [...placement.values()].some((placed) => placed.id === id);
}

/** Online means connected; stale means that the connection is gone but the lease may still run. */
function statusOf(agent: AgentRecord, hub: HubContext): AgentView["status"] {
  if (agent.removedAtMs !== null) return "removed";
  const isOnline = hub.live.onlineAgents.has(agent.id as AgentId);
  if (isOnline) return agent.isDraining ? "draining" : "online";
  const silentMs = hub.clock.nowMs() - (agent.lastSeenAtMs ?? 0);
  return agent.lastSeenAtMs !== null && silentMs <= hub.config.leaseTtlMs ? "stale" : "offline";
}
