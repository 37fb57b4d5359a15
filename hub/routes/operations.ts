/**
 * Operations: how far something is that takes time. `?wait=30s` answers as soon as it ended, or moved on.
 *
 * Touches the database, and through a port the loop of the operation's job, which alone may give it up.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { JobId } from "@shared/ids.ts";
import type { Db } from "../db/client.ts";
import {
  getOperation,
  isEnded,
  listOperations,
  type OperationRecord,
  operationViews,
} from "../db/operation_store.ts";
import {
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
import { type Change, change } from "./mutation.ts";
import { operationSchema, pageSchema } from "./schemas.ts";
import { createWaiting, waitQuery } from "./waiting.ts";

const params = z.object({ id: z.string().min(1).max(64) });

const showRoute = createRoute({
  method: "get",
  path: "/api/v1/operations/{id}",
  tags: ["operations"],
  summary: "One operation; waits for its end or for progress if asked",
  request: {
    params,
    query: z.strictObject({
      ...waitQuery,
      until: z.enum(["end", "change"]).default("end").openapi({
        description: "What the wait is for: the end, or any progress",
      }),
    }),
  },
  responses: { 200: json("The operation", operationSchema) },
});

const listRoute = createRoute({
  method: "get",
  path: "/api/v1/operations",
  tags: ["operations"],
  summary: "List operations, newest first",
  request: {
    query: z.strictObject({
      ...pageQuery,
      jobId: z.string().max(64).optional(),
      status: z.enum(["pending", "running", "succeeded", "failed", "cancelled"]).optional(),
    }),
  },
  responses: { 200: json("One page of operations", pageSchema(operationSchema)) },
});

const cancelRoute = createRoute({
  method: "post",
  path: "/api/v1/operations/{id}/cancel",
  tags: ["operations"],
  summary: "Give an operation up",
  description:
    "An operation that has changed nothing yet is given up: one that waits for its turn, " +
    "and one whose savepoint or checkpoint is under way, which is aborted. What stops regions already " +
    "is refused with the reason. Giving up twice is the same as once",
  request: { params, body: optionalJsonBody(z.strictObject({})) },
  responses: { 200: json("The operation, cancelled", operationSchema) },
});

export const operationRoutes = [showRoute, listRoute, cancelRoute] as const;

export function addOperationRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  const waiting = createWaiting(hub);
  serve(app, deps, "viewer", showRoute, async (c) => {
    const { id } = c.req.valid("param");
    const { wait, until } = c.req.valid("query");
    let first: string | null = null;
    const seen = await waiting.until(
      { wait, jobId: ({ jobId }: OperationRecord) => jobId },
      () => operationOf(hub.db, id),
      ({ status, progress }) => {
        const now = JSON.stringify([status, progress]);
        first ??= now;
        return isEnded(status) || (until === "change" && now !== first);
      },
    );
    if (!isEnded(seen.status)) c.header("retry-after", "1");
    const [view] = await operationViews(hub.db, [seen]);
    return c.json(view!, 200);
  });
  serve(app, deps, "viewer", listRoute, async (c) => {
    const { limit, cursor, jobId, status } = c.req.valid("query");
    const found = await listOperations(hub.db, {
      limit: limit + 1,
      beforeId: readCursor(cursor, z.string()),
      jobId: jobId ?? null,
      status: status ?? null,
    });
    return c.json(pageOf(found, limit, ({ id }) => id), 200);
  });
  serve(
    app,
    deps,
    "operator",
    cancelRoute,
    (c) => change(c, deps, () => giveUp(c, deps, c.req.valid("param").id)),
  );
}

/** @throws {Refusal} 404. */
async function operationOf(db: Db, id: string): Promise<OperationRecord> {
  const operation = await getOperation(db, id);
  if (operation === null) throw notFound("operation", id);
  return operation;
}

/** The job's loop gives it up and writes so before it answers; the audit row follows. */
async function giveUp(
  c: HubRequest,
  deps: RouteDeps,
  id: string,
): Promise<(tx: Db) => Promise<Change>> {
  const operation = await operationOf(deps.hub.db, id);
  const { status, kind, jobId } = operation;
  if (status !== "cancelled") {
    if (isEnded(status)) {
      throw new Refusal(409, "operation-ended", `Operation ${id} has ${status} already`);
    }
    if (jobId === null) {
      throw new Refusal(
        409,
        "operation-beyond-cancel",
        `A ${kind} moves what its agent runs as it goes: there is no point at which to give it up`,
      );
    }
    const verdict = await deps.cancelOperation(jobId as JobId, id);
    if (verdict.kind === "refused") throw new Refusal(409, verdict.code, verdict.detail);
  }
  return async (tx) => {
    const [view] = await operationViews(tx, [await operationOf(tx, id)]);
    return {
      status: 200,
      body: view,
      audit: {
        action: "operation.cancel",
        subject: `operation:${id}`,
        fields: { kind, jobId, name: c.get("principal").displayName },
      },
    };
  };
}
