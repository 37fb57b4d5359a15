/**
 * GET /audit: who did what when and why.
 *
 * Touches the database, only to read.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { listAudit } from "../db/audit_store.ts";
import { type HubApp, json, pageOf, pageQuery, readCursor, type RouteDeps, serve } from "./http.ts";
import { auditSchema, pageSchema } from "./schemas.ts";

const listRoute = createRoute({
  method: "get",
  path: "/api/v1/audit",
  tags: ["audit"],
  summary: "Every change, newest first",
  request: { query: z.strictObject(pageQuery) },
  responses: { 200: json("One page of the audit log", pageSchema(auditSchema)) },
});

export function addAuditRoutes(app: HubApp, deps: RouteDeps): void {
  serve(app, deps, "viewer", listRoute, async (c) => {
    const { limit, cursor } = c.req.valid("query");
    const beforeId = readCursor(cursor, z.number());
    const found = await listAudit(deps.hub.db, { limit: limit + 1, beforeId });
    return c.json(pageOf(found, limit, ({ id }) => id), 200);
  });
}
