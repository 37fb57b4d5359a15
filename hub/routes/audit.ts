/**
 * GET /audit: who did what when and why, and whether the log is still as it was written.
 *
 * Touches the database, only to read.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { AuditVerdict } from "@shared/api.ts";
import { listAudit, verifyAudit } from "../db/audit_store.ts";
import { type HubApp, json, pageOf, pageQuery, readCursor, type RouteDeps, serve } from "./http.ts";
import { auditSchema, auditVerdictSchema, pageSchema } from "./schemas.ts";

const name = z.string().min(1).max(200).optional();
const instant = z.iso.datetime({ offset: true }).optional();

const listRoute = createRoute({
  method: "get",
  path: "/api/v1/audit",
  tags: ["audit"],
  summary: "Every change, login and refused attempt, newest first",
  request: {
    query: z.strictObject({
      ...pageQuery,
      action: name.openapi({ description: "Such as `job.stop`; `token.*` takes all of a family" }),
      subject: name.openapi({ description: "What it was done to, such as `job:<id>`" }),
      principal: name.openapi({ description: "Who did it, such as `token:<id>`" }),
      outcome: z.enum(["accepted", "done", "refused"]).optional(),
      from: instant.openapi({ description: "From then on" }),
      to: instant.openapi({ description: "Before then" }),
    }),
  },
  responses: { 200: json("One page of the audit log", pageSchema(auditSchema)) },
});

const verifyRoute = createRoute({
  method: "get",
  path: "/api/v1/audit/verify",
  tags: ["audit"],
  summary: "Follow the hash chain through the whole log",
  responses: { 200: json("Whether each row follows from the one before", auditVerdictSchema) },
});

export const auditRoutes = [listRoute, verifyRoute] as const;

export function addAuditRoutes(app: HubApp, deps: RouteDeps): void {
  const { db } = deps.hub;
  let looking: Promise<AuditVerdict> | null = null;
  serve(app, deps, "viewer", listRoute, async (c) => {
    const { limit, cursor, from, to, ...filter } = c.req.valid("query");
    const found = await listAudit(db, {
      ...filter,
      limit: limit + 1,
      beforeId: readCursor(cursor, z.int()),
      fromMs: from === undefined ? undefined : Date.parse(from),
      toMs: to === undefined ? undefined : Date.parse(to),
    });
    return c.json(pageOf(found, limit, ({ id }) => id), 200);
  });
  serve(
    app,
    deps,
    "viewer",
    verifyRoute,
    async (c) => {
      // Whoever asks meanwhile shares the look that is under way.
      looking ??= verifyAudit(db).finally(() => looking = null);
      return c.json(await looking, 200);
    },
  );
}
