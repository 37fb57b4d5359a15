/**
 * Savepoints: take, list, show, judge against a job, delete.
 *
 * Touches the database. A savepoint leaves only by an explicit delete, and not while a running job
 * could recover from nothing else (L2).
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { SavepointCompatibility } from "@shared/state_api.ts";
import { type Compatibility, judgeCompatibility } from "@shared/state_compatibility.ts";
import type { Db } from "../db/client.ts";
import {
  deleteSavepoint,
  getSavepoint,
  listSavepoints,
  savepointParts,
} from "../db/savepoint_store.ts";
import {
  bodyOr,
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
} from "./http.ts";
import { jobOf, jobPath, refuseEnded } from "./jobs.ts";
import { accept, change } from "./mutation.ts";
import {
  operationSchema,
  pageSchema,
  savepointCompatibilitySchema,
  savepointSchema,
} from "./schemas.ts";

const params = z.object({ id: z.string().min(1).max(64).openapi({ description: "Savepoint id" }) });

const createBody = z.strictObject({ label: z.string().min(1).max(200).optional() });
const createSavepointRoute = createRoute({
  method: "post",
  path: "/api/v1/jobs/{id}/savepoints",
  tags: ["savepoints"],
  summary: "Take a savepoint of a running job",
  request: {
    params: z.object(jobPath),
    body: optionalJsonBody(createBody),
  },
  responses: { 202: json("Accepted", operationSchema) },
});

const listRoute = createRoute({
  method: "get",
  path: "/api/v1/savepoints",
  tags: ["savepoints"],
  summary: "List savepoints, newest first",
  request: { query: z.strictObject({ ...pageQuery, jobId: z.string().max(64).optional() }) },
  responses: { 200: json("One page of savepoints", pageSchema(savepointSchema)) },
});

const showRoute = createRoute({
  method: "get",
  path: "/api/v1/savepoints/{id}",
  tags: ["savepoints"],
  summary: "One savepoint",
  request: { params },
  responses: { 200: json("The savepoint", savepointSchema) },
});

const deleteRoute = createRoute({
  method: "delete",
  path: "/api/v1/savepoints/{id}",
  tags: ["savepoints"],
  summary: "Delete a savepoint; 409 while a running job's only recovery base",
  request: { params },
  responses: { 204: { description: "Deleted" } },
});

const compatibilityRoute = createRoute({
  method: "get",
  path: "/api/v1/savepoints/{id}/compatibility",
  tags: ["savepoints"],
  summary: "Whether a job can restore what a savepoint holds, operator by operator",
  request: {
    params,
    query: z.strictObject({
      jobId: z.string().max(64).optional().openapi({
        description: "Job that would restore it; left out: the one it was taken of",
      }),
    }),
  },
  responses: { 200: json("The verdict", savepointCompatibilitySchema) },
});

export const savepointRoutes = [
  createSavepointRoute,
  listRoute,
  showRoute,
  deleteRoute,
  compatibilityRoute,
] as const;

export function addSavepointRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(
    app,
    deps,
    "operator",
    createSavepointRoute,
    (c) =>
      change(c, deps, () =>
        Promise.resolve(async (tx: Db) => {
          const job = await jobOf(tx, c.req.valid("param").id);
          refuseEnded(job);
          const label = bodyOr(createBody, c.req.valid("json")).label ?? null;
          return await accept(
            tx,
            {
              id: hub.random.uuid(),
              kind: "savepoint",
              jobId: job.id,
              agentId: null,
              request: { label },
              createdBy: c.get("principal").name,
              nowMs: hub.clock.nowMs(),
            },
            { action: "savepoint.create", subject: `job:${job.id}`, fields: { label } },
            () => deps.wakeJob(job.id),
          );
        })),
  );
  serve(app, deps, "viewer", listRoute, async (c) => {
    const { limit, cursor, jobId } = c.req.valid("query");
    const beforeId = readCursor(cursor, z.string());
    const page = { limit: limit + 1, beforeId, jobId: jobId ?? null };
    return c.json(pageOf(await listSavepoints(hub.db, page), limit, ({ id }) => id), 200);
  });
  serve(app, deps, "viewer", showRoute, async (c) => {
    const { id } = c.req.valid("param");
    const savepoint = await getSavepoint(hub.db, id);
    if (savepoint === null) throw notFound("savepoint", id);
    const { graph: _graph, lineage: _lineage, ...view } = savepoint;
    return c.json(view, 200);
  });
  serve(app, deps, "viewer", compatibilityRoute, async (c) => {
    const { id } = c.req.valid("param");
    return c.json(await compatibilityOf(hub.db, id, c.req.valid("query").jobId ?? null), 200);
  });
  serve(
    app,
    deps,
    "admin",
    deleteRoute,
    (c) =>
      change(c, deps, () =>
        Promise.resolve(async (tx: Db) => {
          const { id } = c.req.valid("param");
          const outcome = await deleteSavepoint(tx, hub.hubTerm, { id, nowMs: hub.clock.nowMs() });
          if (outcome !== "deleted") throw whyKept(id, outcome);
          const audit = { action: "savepoint.delete", subject: `savepoint:${id}` };
          const after = () => hub.events.publish("savepoint.deleted", {}, { savepointId: id });
          return { status: 204, body: null, audit, after };
        })),
  );
}

async function compatibilityOf(
  db: Db,
  id: string,
  jobId: string | null,
): Promise<SavepointCompatibility> {
  const savepoint = await getSavepoint(db, id);
  if (savepoint === null) throw notFound("savepoint", id);
  const job = await jobOf(db, jobId ?? savepoint.jobId);
  const parts = await savepointParts(db, savepoint);
  const operators = judgeCompatibility(parts.flatMap(({ snapshots }) => snapshots), job.graph);
  return {
    savepointId: id,
    jobId: job.id,
    isSameVersion: savepoint.bundleDigest === job.bundleDigest,
    verdict: verdictOf(operators),
    operators,
  };
}

/** The worst that is said of any operator; a new one starts empty and stops nothing. */
function verdictOf(operators: SavepointCompatibility["operators"]): Compatibility {
  const found = new Set(operators.map(({ compatibility }) => compatibility));
  const worst = (["incompatible", "dropped", "migrates"] as const).find((one) => found.has(one));
  return worst ?? "as-is";
}

function whyKept(id: string, outcome: "not-found" | "pending" | "needed"): Refusal {
  switch (outcome) {
    case "not-found":
      return notFound("savepoint", id);
    case "pending":
      return new Refusal(409, "savepoint-pending", `Savepoint ${id} is still being taken`);
    case "needed":
      return new Refusal(
        409,
        "savepoint-needed",
        `Savepoint ${id} is the only recovery base of a running job: wait for its next checkpoint`,
      );
  }
}
