/**
 * Operations: how far something is that takes time. `?wait=30s` answers as soon as it ended.
 *
 * Touches the database. A waiting request looks again at every event of the operation's job and once a
 * second; it holds no lock and no connection of the database meanwhile.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { getOperation, isEnded, listOperations, operationViews } from "../db/operation_store.ts";
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
import { operationSchema, pageSchema } from "./schemas.ts";

const WAIT_MAX_SECONDS = 60;
const LOOK_AGAIN_MS = 1_000;

const showRoute = createRoute({
  method: "get",
  path: "/api/v1/operations/{id}",
  tags: ["operations"],
  summary: "One operation; waits for its end if asked",
  request: {
    params: z.object({ id: z.string().min(1).max(64) }),
    query: z.strictObject({
      wait: z.string().regex(/^\d{1,3}s$/).optional().openapi({
        description: "Longest wait for the end, such as 30s; at most 60s",
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

export const operationRoutes = [showRoute, listRoute] as const;

export function addOperationRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(app, deps, "viewer", showRoute, async (c) => {
    const { id } = c.req.valid("param");
    const seconds = Math.min(parseInt(c.req.valid("query").wait ?? "0"), WAIT_MAX_SECONDS);
    const untilMs = hub.clock.monotonicMs() + seconds * 1000;
    for (;;) {
      const operation = await getOperation(hub.db, id);
      if (operation === null) throw notFound("operation", id);
      const isOver = isEnded(operation.status);
      const leftMs = untilMs - hub.clock.monotonicMs();
      if (isOver || leftMs <= 0) {
        if (!isOver) c.header("retry-after", "1");
        const [view] = await operationViews(hub.db, [operation]);
        return c.json(view!, 200);
      }
      await somethingHappens(deps, operation.jobId, Math.min(leftMs, LOOK_AGAIN_MS));
    }
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
}

/** Resolves at the next stored event of the job, or after `timeoutMs`. */
function somethingHappens(
  deps: RouteDeps,
  jobId: string | null,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      unsubscribe();
      cancel();
      resolve();
    };
    const cancel = deps.hub.clock.after(timeoutMs, done);
    const unsubscribe = deps.hub.events.subscribe((event) => {
      if (event.id !== null && event.jobId === jobId) done();
    });
  });
}
