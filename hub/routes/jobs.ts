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
import { entityTag, ifMatch, stale } from "./preconditions.ts";
import { jobDetailSchema, jobSummarySchema, operationSchema, pageSchema } from "./schemas.ts";
import { createWaiting, waitQuery } from "./waiting.ts";

export const jobPath = { id: z.string().min(1).max(64).openapi({ description: "Job id" }) };
const params = z.object(jobPath);

/** What a change of a job may carry. */
export const ifMatchHeader = z.object({
  "if-match": z.string().max(1_000).optional().openapi({
    description: "ETag of the job as you read it: 412 when its specification is another by now",
    example: '"5d41402abc4b2a76b9719d911017c592"',
  }),
});

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
  description:
    "The `ETag` stands for its specification: what it runs, with which params, how wide. " +
    "With `wait` it answers as soon as the status is another one",
  request: {
    params,
    query: z.strictObject({
      ...waitQuery,
      whileStatus: jobDetailSchema.shape.status.optional().openapi({
        description: "Wait while the status is this; left out: while it is what it was at first",
      }),
    }),
  },
  responses: {
    200: {
      ...json("The job", jobDetailSchema),
      headers: {
        etag: {
          description: "Tag of its specification; `If-Match` of a change takes it",
          schema: { type: "string" as const },
          example: '"5d41402abc4b2a76b9719d911017c592"',
        },
      },
    },
  },
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
    headers: ifMatchHeader,
    body: optionalJsonBody(stopBody),
  },
  responses: { 202: json("Accepted", operationSchema) },
});

const cancelRoute = createRoute({
  method: "post",
  path: "/api/v1/jobs/{id}/cancel",
  tags: ["jobs"],
  summary: "Stop a job at once, without a savepoint",
  request: { params, headers: ifMatchHeader, body: optionalJsonBody(z.strictObject({})) },
  responses: { 202: json("Accepted", operationSchema) },
});

export const jobRoutes = [listRoute, detailRoute, stopRoute, cancelRoute] as const;

export function addJobRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  const waiting = createWaiting(hub);
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
    const { id } = c.req.valid("param");
    const { wait, whileStatus } = c.req.valid("query");
    let before = whileStatus ?? null;
    const job = await waiting.until(
      { wait, jobId: () => id },
      () => jobOf(hub.db, id),
      (seen) => {
        const { status } = jobSummary(seen);
        before ??= status;
        return status !== before;
      },
    );
    c.header("etag", specificationTag(job));
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

/** Tag of what a job is asked to be; how it is doing does not change it. */
export function specificationTag(job: JobFacts): string {
  const { bundleDigest, params, parallelism, checkpointIntervalMs, lineage, desiredState } = job;
  const sorted = Object.entries(params).sort(([a], [b]) => a < b ? -1 : 1);
  return entityTag(JSON.stringify([
    job.id,
    bundleDigest,
    sorted,
    parallelism,
    checkpointIntervalMs,
    lineage,
    desiredState,
  ]));
}

/** @throws {Refusal} 412 if the request names a specification that the job has no more. */
export function refuseStale(c: HubRequest, job: JobFacts): void {
  const etag = specificationTag(job);
  if (ifMatch(c)?.(etag) === false) throw stale(`Job "${job.name}"`, etag);
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
      refuseStale(c, job);
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
