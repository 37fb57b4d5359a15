/**
 * Jobs: list, detail, stop and cancel. Deploying is in `deploy.ts`, history in `history.ts`.
 *
 * Touches the database.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { JobId } from "@shared/ids.ts";
import type { Db } from "../db/client.ts";
import { recentCheckpointP99Ms } from "../db/checkpoint_views.ts";
import { getJobFacts, type JobFacts, listJobFacts } from "../db/job_view_store.ts";
import { openOperations, type OperationKind, type OperationRecord } from "../db/operation_store.ts";
import { jobDetail, jobSummary } from "../job_views.ts";
import {
  bodyOr,
  type HubApp,
  type HubRequest,
  json,
  notFound,
  optionalJsonBody,
  pageOf,
  pageQuery,
  readCursor,
  Refusal,
  type RouteDeps,
  serve,
} from "./http.ts";
import { accept, change } from "./mutation.ts";
import { jobDetailSchema, jobSummarySchema, operationSchema, pageSchema } from "./schemas.ts";

export const jobPath = { id: z.string().min(1).max(64).openapi({ description: "Job id" }) };
const params = z.object(jobPath);

const listRoute = createRoute({
  method: "get",
  path: "/api/v1/jobs",
  tags: ["jobs"],
  summary: "List jobs, newest first",
  request: {
    query: z.strictObject({
      ...pageQuery,
      name: z.string().max(64).optional(),
      state: z.enum(["running", "stopped", "cancelled"]).optional(),
    }),
  },
  responses: { 200: json("One page of jobs", pageSchema(jobSummarySchema)) },
});

const detailRoute = createRoute({
  method: "get",
  path: "/api/v1/jobs/{id}",
  tags: ["jobs"],
  summary: "One job with graph, regions and guarantee",
  request: { params },
  responses: { 200: json("The job", jobDetailSchema) },
});

const stopBody = z.strictObject({
  savepoint: z.boolean().default(false),
  drain: z.boolean().default(false).openapi({
    description:
      "Send the maximum watermark first: every window and event timer fires. Implies savepoint",
  }),
}).openapi({ example: { savepoint: true, drain: false } });
const stopRoute = createRoute({
  method: "post",
  path: "/api/v1/jobs/{id}/stop",
  tags: ["jobs"],
  summary: "Stop a job, with a savepoint first if asked; both or nothing",
  request: {
    params,
    body: optionalJsonBody(stopBody),
  },
  responses: { 202: json("Accepted", operationSchema) },
});

const cancelRoute = createRoute({
  method: "post",
  path: "/api/v1/jobs/{id}/cancel",
  tags: ["jobs"],
  summary: "Stop a job at once, without a savepoint",
  request: { params, body: optionalJsonBody(z.strictObject({})) },
  responses: { 202: json("Accepted", operationSchema) },
});

export const jobRoutes = [listRoute, detailRoute, stopRoute, cancelRoute] as const;

export function addJobRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(app, deps, "viewer", listRoute, async (c) => {
    const { limit, cursor, name, state } = c.req.valid("query");
    const found = await listJobFacts(hub.db, {
      limit: limit + 1,
      beforeId: readCursor(cursor, z.string()),
      ...(name === undefined ? {} : { name }),
      ...(state === undefined ? {} : { desiredState: state }),
    });
    return c.json(pageOf(found.map(jobSummary), limit, ({ id }) => id), 200);
  });
  serve(app, deps, "viewer", detailRoute, async (c) => {
    const job = await jobOf(hub.db, c.req.valid("param").id);
    const moment = { live: hub.live, isPossiblyAutonomous: deps.isPossiblyAutonomous };
    const checkpointP99Ms = await recentCheckpointP99Ms(hub.db, job.id);
    return c.json(jobDetail(job, moment, { ...hub.config, checkpointP99Ms }), 200);
  });
  serve(app, deps, "operator", stopRoute, (c) => {
    const { savepoint, drain } = bodyOr(stopBody, c.req.valid("json"));
    return endJob(c, deps, {
      id: c.req.valid("param").id,
      kind: "stop",
      request: { savepoint, drain },
    });
  });
  serve(
    app,
    deps,
    "operator",
    cancelRoute,
    (c) => endJob(c, deps, { id: c.req.valid("param").id, kind: "cancel", request: {} }),
  );
}

/** @throws {Refusal} 404. */
export async function jobOf(db: Db, id: string): Promise<JobFacts> {
  const job = await getJobFacts(db, id);
  if (job === null) throw notFound("job", id);
  return job;
}

/** @throws {Refusal} 409 if the job is not to run any more. */
export function refuseEnded(job: JobFacts): void {
  if (job.desiredState === "running") return;
  throw new Refusal(409, "job-not-running", `Job "${job.name}" is ${job.desiredState} already`);
}

/** What is asked of one job, and goes on as an operation. */
export interface JobRequest {
  readonly id: string;
  readonly kind: OperationKind;
  readonly request: Readonly<Record<string, unknown>>;
}

/**
 * Accepts what is asked of a job that is to run.
 *
 * @param refuse Throws what stands against it; gets the job's operations that are not over.
 */
export function acceptForJob(
  c: HubRequest,
  deps: RouteDeps,
  { id, kind, request }: JobRequest,
  refuse: (job: JobFacts, open: readonly OperationRecord[]) => void,
): Promise<Response> {
  const { hub } = deps;
  return change(c, deps, () =>
    Promise.resolve(async (tx: Db) => {
      const job = await jobOf(tx, id);
      refuseEnded(job);
      refuse(job, await openOperations(tx, job.id));
      return await accept(
        tx,
        {
          id: hub.random.uuid(),
          kind,
          jobId: job.id,
          agentId: null,
          request,
          createdBy: c.get("principal").name,
          nowMs: hub.clock.nowMs(),
        },
        { action: `job.${kind}`, subject: `job:${job.id}`, fields: request },
        () => deps.wakeJob(job.id as JobId),
      );
    }));
}

function endJob(c: HubRequest, deps: RouteDeps, asked: JobRequest): Promise<Response> {
  return acceptForJob(c, deps, asked, (job, open) => {
    const same = open.find((operation) => operation.kind === asked.kind);
    if (same === undefined) return;
    throw new Refusal(
      409,
      "operation-under-way",
      `Operation ${same.id} is ending job "${job.name}" already`,
      { operationId: same.id },
    );
  });
}
