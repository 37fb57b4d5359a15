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
import { HTTPException } from "hono/http-exception";
import { boundBody } from "./body_limit.ts";
import { DeposedError } from "./db/hub_state_store.ts";
import { PenstockError } from "@shared/errors.ts";
import type { Problem } from "@shared/api.ts";
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
  addAgentRoutes(app, deps);
  addEnrolmentRoutes(app, deps);
  addTokenRoutes(app, deps);
  addScalingRoutes(app, deps);
  addStateRoutes(app, deps);
  addAlarmRoutes(app, deps);
  addEquipmentRoutes(app, deps);
  addEventRoutes(app, deps);
  addAuditRoutes(app, deps);
  addSettingsRoutes(app, deps);
  addBrokerRoutes(app, deps);
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

function addDocument(app: HubApp, deps: RouteDeps): void {
  const registry = app.openAPIRegistry;
  registry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
  registry.registerComponent("securitySchemes", "session", {
    type: "apiKey",
    in: "cookie",
    name: "penstock_session",
  });
  const about = {
    openapi: "3.1.0",
    info: {
      title: "Penstock",
      version: deps.version,
      description: "Jobs, checkpoints, savepoints, rollback and the fleet of one hub. A POST may " +
        "carry an Idempotency-Key: repeating it gives the same answer and no second effect.",
    },
  };
  app.doc31("/openapi.json", about);
  app.doc31("/api/v1/openapi.json", about);
}

function refuseInvalid(
  result: { success: boolean; error?: { issues: readonly Issue[] } },
): undefined {
  if (result.success) return;
  const errors = (result.error?.issues ?? []).flatMap(errorsOf);
  const detail = errors.map(({ path, message }) => path === "" ? message : `${path}: ${message}`)
    .join("; ");
  throw new Refusal(400, "request-invalid", detail, { errors });
}

interface Issue {
  readonly code?: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}

function errorsOf(issue: Issue): { path: string; message: string }[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys" && issue.keys !== undefined) {
    return issue.keys.map((key) => ({
      path: [...path, key].join("."),
      message: "Unknown field",
    }));
  }
  return [{ path: path.join("."), message: issue.message }];
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

function answerError(thrown: Error, c: HubRequest, deps: RouteDeps): Response {
  if (thrown instanceof Refusal) return problemAnswer(c, thrown);
  if (thrown instanceof HTTPException) {
    const code = thrown.status === 415 ? "media-type-unsupported" : "request-malformed";
    return problemAnswer(c, new Refusal(thrown.status as 400, code, thrown.message || "Malformed"));
  }
  if (thrown instanceof DeposedError) {
    return problemAnswer(c, new Refusal(503, thrown.code, thrown.message));
  }
  if (thrown instanceof PenstockError && thrown.domain === "user") {
    return problemAnswer(c, new Refusal(422, thrown.code, thrown.message));
  }
  if (isUnstorableText(thrown)) {
    const detail = "A text holds a character that cannot be stored: NUL, or half a surrogate pair";
    return problemAnswer(c, new Refusal(400, "request-invalid", detail));
  }
  const requestId = c.get("requestId");
  deps.hub.logger.error("Request failed", { requestId, path: c.req.path, error: thrown });
  const isRetryable = thrown instanceof PenstockError && thrown.isRetryable;
  return problemAnswer(
    c,
    isRetryable
      ? new Refusal(503, (thrown as PenstockError).code, "Something the hub needs does not answer")
      : new Refusal(500, "internal", `The hub failed; its log knows request ${requestId}`),
  );
}

/** PostgreSQL's codes for characters that no text and no JSON column can hold. */
const UNSTORABLE_CODES = ["22021", "22P02", "22P05"];

function isUnstorableText(thrown: Error): boolean {
  const { cause } = thrown;
  return cause instanceof Error && "code" in cause && UNSTORABLE_CODES.includes(String(cause.code));
}

const TITLES: Readonly<Record<number, string>> = {
  400: "Invalid request",
  401: "Not authenticated",
  403: "Not allowed",
  404: "Not found",
  405: "Method not allowed",
  409: "Conflict",
  413: "Too large",
  415: "Unsupported media type",
  422: "Cannot be processed",
  426: "Upgrade needed",
  429: "Too many requests",
  503: "Not available now",
};

function problemAnswer(c: HubRequest, refusal: Refusal): Response {
  const problem: Problem = {
    type: `urn:penstock:problem:${refusal.code}`,
    title: TITLES[refusal.status] ?? "Internal error",
    status: refusal.status,
    detail: refusal.message,
    code: refusal.code,
    instance: c.req.path,
    ...refusal.members,
  };
  return c.body(JSON.stringify(problem), refusal.status, {
    "content-type": "application/problem+json",
    ...refusal.headers,
  });
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
