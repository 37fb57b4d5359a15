/**
 * What happened to a job: checkpoints, attempts, gaps; and its figures of the moment.
 *
 * Touches the database, only to read.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { listAgents } from "../db/agent_store.ts";
import { getCheckpoint, listCheckpoints } from "../db/checkpoint_views.ts";
import { listGaps } from "../db/gap_store.ts";
import { listAttempts } from "../db/region_store.ts";
import { jobMetrics } from "../job_metrics.ts";
import { regionViews } from "../job_views.ts";
import {
  type HubApp,
  json,
  notFound,
  pageOf,
  pageQuery,
  readCursor,
  type RouteDeps,
  serve,
} from "./http.ts";
import { jobOf, jobPath } from "./jobs.ts";
import {
  attemptSchema,
  checkpointDetailSchema,
  checkpointSchema,
  gapSchema,
  jobMetricsSchema,
  pageSchema,
} from "./schemas.ts";

/** How far back the restart history of one job can be paged. */
const ATTEMPTS_MAX = 10_000;

const params = z.object(jobPath);
const query = z.strictObject(pageQuery);

const checkpointsRoute = createRoute({
  method: "get",
  path: "/api/v1/jobs/{id}/checkpoints",
  tags: ["checkpoints"],
  summary: "Checkpoints and savepoints of a job, newest first",
  request: { params, query },
  responses: { 200: json("One page of checkpoints", pageSchema(checkpointSchema)) },
});

const checkpointRoute = createRoute({
  method: "get",
  path: "/api/v1/jobs/{id}/checkpoints/{n}",
  tags: ["checkpoints"],
  summary: "One checkpoint with the phases of every subtask",
  request: { params: z.object({ ...jobPath, n: z.coerce.number().int().positive() }) },
  responses: { 200: json("The checkpoint", checkpointDetailSchema) },
});

const attemptsRoute = createRoute({
  method: "get",
  path: "/api/v1/jobs/{id}/attempts",
  tags: ["jobs"],
  summary: "Every start of every region with its cause and end, newest first",
  request: { params, query },
  responses: { 200: json("One page of attempts", pageSchema(attemptSchema)) },
});

const gapsRoute = createRoute({
  method: "get",
  path: "/api/v1/jobs/{id}/gaps",
  tags: ["jobs"],
  summary: "Spans of records known lost, newest first",
  request: { params, query },
  responses: { 200: json("One page of gaps", pageSchema(gapSchema)) },
});

const metricsRoute = createRoute({
  method: "get",
  path: "/api/v1/jobs/{id}/metrics",
  tags: ["jobs"],
  summary: "Rates, lag, watermarks and pressure by subtask and operator, worst first",
  request: { params },
  responses: {
    200: json("Regions, subtasks and operators with their latest figures", jobMetricsSchema),
  },
});

export function addHistoryRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(app, deps, "viewer", checkpointsRoute, async (c) => {
    const job = await jobOf(hub.db, c.req.valid("param").id);
    const { limit, cursor } = c.req.valid("query");
    const beforeId = readCursor(cursor, z.number());
    const found = await listCheckpoints(hub.db, job.id, { limit: limit + 1, beforeId });
    return c.json(pageOf(found, limit, ({ id }) => id), 200);
  });
  serve(app, deps, "viewer", checkpointRoute, async (c) => {
    const { id, n } = c.req.valid("param");
    const checkpoint = await getCheckpoint(hub.db, (await jobOf(hub.db, id)).id, n);
    if (checkpoint === null) throw notFound("checkpoint", String(n));
    return c.json(checkpoint, 200);
  });
  serve(app, deps, "viewer", attemptsRoute, async (c) => {
    const job = await jobOf(hub.db, c.req.valid("param").id);
    const { limit, cursor } = c.req.valid("query");
    const from = readCursor(cursor, z.number().int().min(0).max(ATTEMPTS_MAX)) ?? 0;
    const found = (await listAttempts(hub.db, job.id, from + limit + 1)).slice(from);
    const agents = await listAgents(hub.db, { withRemoved: true });
    const names = new Map(agents.map(({ id, name }) => [id, name]));
    const views = found.map(({ startedAtMs, runningAtMs, endedAtMs, ...attempt }) => ({
      ...attempt,
      agentName: names.get(attempt.agentId) ?? null,
      startedAt: new Date(startedAtMs).toISOString(),
      runningAt: timeOf(runningAtMs),
      endedAt: timeOf(endedAtMs),
    }));
    return c.json(pageOf(views, limit, () => from + limit), 200);
  });
  serve(app, deps, "viewer", gapsRoute, async (c) => {
    const job = await jobOf(hub.db, c.req.valid("param").id);
    const { limit, cursor } = c.req.valid("query");
    const beforeId = readCursor(cursor, z.string());
    const found = await listGaps(hub.db, job.id, { limit: limit + 1, beforeId });
    return c.json(pageOf(found, limit, ({ id }) => id), 200);
  });
  serve(app, deps, "viewer", metricsRoute, async (c) => {
    const job = await jobOf(hub.db, c.req.valid("param").id);
    const moment = { live: hub.live, isPossiblyAutonomous: deps.isPossiblyAutonomous };
    return c.json(jobMetrics(job.id, regionViews(job, moment)), 200);
  });
}

function timeOf(atMs: number | null): string | null {
  return atMs === null ? null : new Date(atMs).toISOString();
}
