/**
 * The hub's HTTP face: every route, and what holds for all of them.
 *
 * Touches nothing of its own; a server hands requests in, tests do so without one.
 *
 * 1. Every refusal is `application/problem+json`, also for unknown paths, methods, media types and our
 *    own mistakes; a mistake of ours shows a request id and nothing of its inside (S23).
 * 2. Bodies are bounded before they are read (S21). No answer allows another origin (S23).
 * 3. Every route of the API is in the OpenAPI document, made of the same declaration (S24).
 *
 * @module
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { boundBody } from "./body_limit.ts";
import { addDocument } from "./openapi_document.ts";
import { answerError, problemAnswer, refuseInvalid } from "./problems.ts";
import { addAgentRoutes } from "./routes/agents.ts";
import { addAlarmRoutes } from "./routes/alarms.ts";
import { addAuditRoutes } from "./routes/audit.ts";
import { addBrokerRoutes } from "./routes/brokers.ts";
import { addDeployRoute } from "./routes/deploy.ts";
import { addEnrolmentRoutes } from "./routes/enrolment.ts";
import { addEquipmentRoutes } from "./routes/equipment.ts";
import { addScalingRoutes } from "./routes/scaling.ts";
import { addStateRoutes } from "./routes/state.ts";
import { addTokenRoutes } from "./routes/tokens.ts";
import { addEventRoutes } from "./routes/events.ts";
import { addHealthRoutes } from "./routes/health.ts";
import { addHistoryRoutes } from "./routes/history.ts";
import {
  type HubApp,
  type HubEnv,
  type HubRequest,
  Refusal,
  type RouteDeps,
} from "./routes/http.ts";
import { addJobRoutes } from "./routes/jobs.ts";
import { addNotificationRoutes } from "./routes/notifications.ts";
import { addInstallRoutes } from "./routes/install.ts";
import { addLogRoutes } from "./routes/logs.ts";
import { addObjectRoutes } from "./routes/objects.ts";
import { addOperationRoutes } from "./routes/operations.ts";
import { addPageRoutes, dashboardPage } from "./routes/pages.ts";
import { addRollbackRoute } from "./routes/rollbacks.ts";
import { addSavepointRoutes } from "./routes/savepoints.ts";
import { addSessionRoutes } from "./routes/session.ts";
import { addSettingsRoutes } from "./routes/settings.ts";

const BODY_BYTES_MAX = 1024 * 1024;
/** A bundle of 5 MB as a JSON text, with its escapes. */
const DEPLOY_BODY_BYTES_MAX = 8 * 1024 * 1024;

const CONTENT_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/** Everything the hub answers over HTTP. */
export function createApp(deps: RouteDeps): HubApp {
  const app: HubApp = new OpenAPIHono<HubEnv>({ defaultHook: refuseInvalid });
  app.use(async (c, next) => {
    c.set("requestId", deps.hub.random.uuid());
    await next();
    harden(c);
  });
  app.use(boundBody(bodySizeMax));
  app.use(refuseOtherMediaTypes);
  addHealthRoutes(app, deps);
  addSessionRoutes(app, deps);
  addJobRoutes(app, deps);
  addDeployRoute(app, deps);
  addHistoryRoutes(app, deps);
  addSavepointRoutes(app, deps);
  addRollbackRoute(app, deps);
  addOperationRoutes(app, deps);
  addInstallRoutes(app, deps);
  addAgentRoutes(app, deps);
  addEnrolmentRoutes(app, deps);
  addTokenRoutes(app, deps);
  addScalingRoutes(app, deps);
  addStateRoutes(app, deps);
  addAlarmRoutes(app, deps);
  addNotificationRoutes(app, deps);
  addEquipmentRoutes(app, deps);
  addEventRoutes(app, deps);
  addAuditRoutes(app, deps);
  addSettingsRoutes(app, deps);
  addBrokerRoutes(app, deps);
  addLogRoutes(app, deps);
  addObjectRoutes(app, deps);
  addDocument(app, deps);
  addPageRoutes(app, deps);
  app.onError((thrown, c) => answerError(thrown, c, deps));
  const methodsAt = methodTable(app);
  app.notFound((c) => {
    const allowed = methodsAt(c.req.path);
    if (allowed.length === 0) {
      return dashboardPage(c, deps) ??
        problemAnswer(c, new Refusal(404, "path-not-found", `There is nothing at ${c.req.path}`));
    }
    const detail = `${c.req.path} takes ${allowed.join(", ")}, not ${c.req.method}`;
    const headers = { allow: allowed.join(", ") };
    return problemAnswer(c, new Refusal(405, "method-not-allowed", detail, {}, headers));
  });
  return app;
}

function bodySizeMax(path: string): number | null {
  if (path.startsWith("/objects/")) return null;
  return path === "/api/v1/jobs" ? DEPLOY_BODY_BYTES_MAX : BODY_BYTES_MAX;
}

/** A body of another type is refused instead of being taken for an empty one. */
const refuseOtherMediaTypes: MiddlewareHandler<HubEnv> = async (c, next) => {
  const type = c.req.header("content-type");
  const isApi = c.req.path.startsWith("/api/");
  if (isApi && type !== undefined && !/^application\/([a-z.-]+\+)?json\b/i.test(type)) {
    throw new Refusal(415, "media-type-unsupported", `Send application/json, not ${type}`);
  }
  await next();
};

/** Sets the headers that every answer carries; a switched protocol has none. */
function harden(c: HubRequest): void {
  if (c.res.status === 101) return;
  c.header("x-content-type-options", "nosniff");
  c.header("x-frame-options", "DENY");
  c.header("referrer-policy", "no-referrer");
  c.header("cross-origin-resource-policy", "same-origin");
  c.header("content-security-policy", CONTENT_POLICY);
  c.header("x-request-id", c.get("requestId"));
  if (!c.res.headers.has("cache-control")) c.header("cache-control", "no-store");
}

/** Which methods a path takes, from the routes themselves. */
function methodTable(app: HubApp): (path: string) => string[] {
  const rows = app.routes.filter(({ method }) => method !== "ALL").map(({ method, path }) => ({
    method,
    pattern: new RegExp(`^${path.replace(/:[^/]+/g, "[^/]+").replace(/\*/g, ".*")}$`),
  }));
  return (path) =>
    [
      ...new Set(rows.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)),
    ].sort();
}
