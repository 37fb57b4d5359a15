/**
 * What happened to a job: checkpoints, attempts, gaps; and its figures of the moment.
 *
 * Touches the database, only to read.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { AgentId } from "@shared/ids.ts";
import { listAgents } from "../db/agent_store.ts";
import { findCheckpoint, pageCheckpoints, summarizeCheckpoints } from "../db/checkpoint_history.ts";
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
  Refusal,
  type RouteDeps,
  serve,
  writeCursor,
} from "./http.ts";
import { jobOf, jobPath } from "./jobs.ts";
import { checkpointSummarySchema } from "./monitoring_schemas.ts";
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
const span = {
  from: z.iso.datetime({ offset: true }).optional().openapi({ description: "Triggered since" }),
  to: z.iso.datetime({ offset: true }).optional().openapi({ description: "Triggered until" }),
};
const STATUS_PATTERN = /^[a-z]+(,[a-z]+)*$/;
/** Longest span of one summary. */
const SUMMARY_SPAN_MAX_MS = 31 * 86_400_000;
const SUMMARY_SPAN_MS = 86_400_000;

const checkpointsRoute = createRoute({
  method: "get",
  path: "/api/v1/jobs/{id}/checkpoints",
  tags: ["checkpoints"],
  summary: "Every checkpoint and savepoint a job ever took, newest first",
  request: {
    params,
    query: z.strictObject({
      ...pageQuery,
      ...span,
      status: z.string().regex(STATUS_PATTERN).optional().openapi({
        description: "One or more of pending, completed, degraded, aborted, abandoned, subsumed",
        example: "aborted,degraded",
      }),
      isSavepoint: z.enum(["true", "false"]).optional(),
    }),
  },
  responses: {
    200: json(
      "One page of checkpoints; with a filter it may be short and still have a `next`",
      pageSchema(checkpointSchema),
    ),
  },
});

const summaryRoute = createRoute({
  method: "get",
  path: "/api/v1/jobs/{id}/checkpoints/summary",
  tags: ["checkpoints"],
  summary: "Counts, percentiles and the latest checkpoints; of the last day unless a span is given",
  request: { params, query: z.strictObject(span) },
  responses: { 200: json("The summary", checkpointSummarySchema) },
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

export const historyRoutes = [
  checkpointsRoute,
  summaryRoute,
  checkpointRoute,
  attemptsRoute,
  gapsRoute,
  metricsRoute,
] as const;

export function addHistoryRoutes(app: HubApp, deps: RouteDeps): void {
  addCheckpointRoutes(app, deps);
  addPastRoutes(app, deps);
}

function addCheckpointRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(app, deps, "viewer", checkpointsRoute, async (c) => {
    const job = await jobOf(hub.db, c.req.valid("param").id);
    const { limit, cursor, status, isSavepoint, from, to } = c.req.valid("query");
    const beforeId = readCursor(cursor, z.number().int());
    const page = await pageCheckpoints(hub.db, job.id, { limit, beforeId }, {
      statuses: status?.split(",") ?? null,
      isSavepoint: isSavepoint === undefined ? null : isSavepoint === "true",
      fromMs: from === undefined ? null : Date.parse(from),
      toMs: to === undefined ? null : Date.parse(to),
    });
    const next = page.nextBeforeId === null ? null : writeCursor(page.nextBeforeId);
    return c.json({ items: page.items, next }, 200);
  });
  serve(app, deps, "viewer", summaryRoute, async (c) => {
    const job = await jobOf(hub.db, c.req.valid("param").id);
    const { from, to } = c.req.valid("query");
    const toMs = to === undefined ? hub.clock.nowMs() : Date.parse(to);
    const fromMs = from === undefined ? toMs - SUMMARY_SPAN_MS : Date.parse(from);
    if (fromMs > toMs || toMs - fromMs > SUMMARY_SPAN_MAX_MS) {
      const message = "`from` has to be before `to`, by 31 days at most";
      const errors = [{ path: "from", message }];
      throw new Refusal(400, "request-invalid", message, { errors });
    }
    const summary = await summarizeCheckpoints(hub.db, job.id, { fromMs, toMs });
    const { checkpointTimeoutMs: timeoutMs, retainedCheckpoints: retained } = hub.config;
    const config = { intervalMs: job.checkpointIntervalMs, timeoutMs, retained };
    return c.json({ ...summary, config }, 200);
  });
  serve(app, deps, "viewer", checkpointRoute, async (c) => {
    const { id, n } = c.req.valid("param");
    const checkpoint = await findCheckpoint(hub.db, (await jobOf(hub.db, id)).id, n);
    if (checkpoint === null) throw notFound("checkpoint", String(n));
    return c.json(checkpoint, 200);
  });
}

function addPastRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(app, deps, "viewer", attemptsRoute, async (c) => {
    const job = await jobOf(hub.db, c.req.valid("param").id);
    const { limit, cursor } = c.req.valid("query");
    const from = readCursor(cursor, z.number().int().min(0).max(ATTEMPTS_MAX)) ?? 0;
    const found = (await listAttempts(hub.db, job.id, from + limit + 1)).slice(from, ATTEMPTS_MAX);
    const agents = await listAgents(hub.db, { withRemoved: true });
    const names = new Map(agents.map(({ id, name }) => [id, name]));
    const nameOf = (agentId: string) => names.get(agentId as AgentId) ?? null;
    const views = found.map(({ startedAtMs, runningAtMs, endedAtMs, placement, ...attempt }) => ({
      ...attempt,
      agentName: nameOf(attempt.agentId),
      subtasks: Object.entries(placement).sort(([a], [b]) => a < b ? -1 : 1)
        .map(([subtaskId, agentId]) => ({ subtaskId, agentId, agentName: nameOf(agentId) })),
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
