/**
 * The fleet: list and detail; and the control channel that agents open.
 *
 * Touches the database and the agents' connections.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { AgentView } from "@shared/api.ts";
import { bearerOf, identifyBearer } from "../auth.ts";
import { type AgentRecord, getAgent, lastCompletedTimes, listAgents } from "../db/agent_store.ts";
import { listPlacedRegions, type RegionFacts } from "../db/job_view_store.ts";
import type { HubContext } from "../ports.ts";
import {
  type HubApp,
  json,
  notFound,
  pageOf,
  pageQuery,
  readCursor,
  Refusal,
  type RouteDeps,
  serve,
  unauthorized,
} from "./http.ts";
import { addAgentChangeRoutes, agentChangeRoutes } from "./agent_changes.ts";
import { agentSchema, pageSchema } from "./schemas.ts";

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

const connectRoute = createRoute({
  method: "get",
  path: "/api/v1/agents/connect",
  tags: ["agents"],
  summary: "Control channel of an agent: a WebSocket, with the agent's credential as bearer",
  responses: { 101: { description: "Switched to the WebSocket protocol" } },
});

export const agentRoutes = [listRoute, showRoute, ...agentChangeRoutes, connectRoute] as const;

export function addAgentRoutes(app: HubApp, deps: RouteDeps): void {
  addConnectRoute(app, deps);
  serve(app, deps, "viewer", listRoute, async (c) => {
    const { limit, cursor, removed } = c.req.valid("query");
    const afterId = readCursor(cursor, z.string());
    const all = await agentViews(deps, { withRemoved: removed === "true" });
    const rest = all.filter(({ id }) => afterId === null || id > afterId);
    return c.json(pageOf(rest, limit, ({ id }) => id), 200);
  });
  serve(app, deps, "viewer", showRoute, async (c) => {
    const { id } = c.req.valid("param");
    const agent = (await agentViews(deps, { withRemoved: true })).find((one) => one.id === id);
    if (agent === undefined) throw notFound("agent", id);
    return c.json(agent, 200);
  });
  addAgentChangeRoutes(app, deps);
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

/** Agents as people see them, in the order they enrolled. */
export async function agentViews(
  { hub, isPossiblyAutonomous }: Pick<RouteDeps, "hub" | "isPossiblyAutonomous">,
  options: { readonly withRemoved: boolean },
): Promise<AgentView[]> {
  const agents = await listAgents(hub.db, options);
  const placed = await listPlacedRegions(hub.db);
  const completedAt = await lastCompletedTimes(hub.db);
  return agents.map((agent) => {
    const regions = placed.filter((region) => runsOn(region, agent.id));
    const times = regions.flatMap(({ jobId, regionId }) =>
      completedAt.get(`${jobId}/${regionId}`) ?? []
    );
    const online = hub.live.onlineAgents.get(agent.id);
    const isAlone = regions.some(({ jobId, regionId }) => isPossiblyAutonomous(jobId, regionId));
    return {
      id: agent.id,
      name: agent.name,
      labels: agent.labels,
      status: statusOf(agent, hub, { regions, isAlone }),
      uplink: online?.uplink ?? null,
      lastCheckpointAt: times.length === 0 ? null : new Date(Math.max(...times)).toISOString(),
      version: agent.agentVersion,
      enrolledAt: new Date(agent.enrolledAtMs).toISOString(),
      lastSeenAt: agent.lastSeenAtMs === null ? null : new Date(agent.lastSeenAtMs).toISOString(),
      remoteAddress: online?.remoteAddress ?? null,
      regions: regions.map(({ jobId, jobName, regionId, status, attempt }) => (
        { jobId, jobName, regionId, status, attempt }
      )),
    };
  });
}

function runsOn({ agentId, placement }: RegionFacts, id: string): boolean {
  return agentId === id || [...placement.values()].some((placed) => placed.id === id);
}

/** Statuses of a region that is on its way to running. */
const ARRIVING = ["deploying", "restoring"];

/**
 * Online means connected; stale means that the connection is gone but the lease may still run; autonomous,
 * that it is away and may go on by itself with a region (P5).
 */
function statusOf(
  agent: AgentRecord,
  hub: HubContext,
  runs: { readonly regions: readonly RegionFacts[]; readonly isAlone: boolean },
): AgentView["status"] {
  if (agent.removedAtMs !== null) return "removed";
  if (hub.live.onlineAgents.has(agent.id)) {
    if (agent.isDraining) return "draining";
    return runs.regions.some(({ status }) => ARRIVING.includes(status)) ? "restoring" : "online";
  }
  if (runs.isAlone) return "autonomous";
  const silentMs = hub.clock.nowMs() - (agent.lastSeenAtMs ?? 0);
  return agent.lastSeenAtMs !== null && silentMs <= hub.config.leaseTtlMs ? "stale" : "offline";
}
