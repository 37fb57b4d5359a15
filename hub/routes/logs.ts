/**
 * The newest lines of the hub's log and of its agents' logs; live ones come as `log` events.
 *
 * Touches nothing but memory.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { type HubApp, json, type RouteDeps, serve } from "./http.ts";
import { logSchema } from "./monitoring_schemas.ts";

const LINES_DEFAULT = 200;
const LINES_MAX = 2_000;

const logsRoute = createRoute({
  method: "get",
  path: "/api/v1/logs",
  tags: ["health"],
  summary: "The newest log lines of the hub and its agents, newest last",
  request: {
    query: z.strictObject({
      source: z.string().min(1).max(64).optional().openapi({
        description: "`hub`, or the name of an agent",
        example: "hub",
      }),
      level: z.enum(["debug", "info", "warn", "error"]).optional().openapi({
        description: "This level and above",
        example: "warn",
      }),
      jobId: z.string().min(1).max(64).optional().openapi({ description: "Lines about this job" }),
      limit: z.coerce.number().int().min(1).max(LINES_MAX).default(LINES_DEFAULT),
    }),
  },
  responses: { 200: json("Lines", z.object({ items: z.array(logSchema) }).openapi("Logs")) },
});

/** What callers of the typed client see of them. */
export const logRoutes = [logsRoute] as const;

export function addLogRoutes(app: HubApp, deps: RouteDeps): void {
  serve(app, deps, "viewer", logsRoute, (c) => {
    const { limit, ...filter } = c.req.valid("query");
    return c.json({ items: deps.hub.logs?.select(filter, limit) ?? [] }, 200);
  });
}
