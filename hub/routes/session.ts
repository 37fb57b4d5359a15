/**
 * Sessions of the dashboard: a token once, a cookie from then on; and who is calling.
 *
 * Touches the database. A browser's EventSource and page loads carry cookies and no headers, so the page
 * trades the token for a cookie that scripts cannot read and other sites cannot send. Guessing locks its
 * address out (S44).
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import type { SessionView } from "@shared/api.ts";
import { identifyBearer, SESSION_COOKIE, SESSION_TTL_MS, signSession } from "../auth.ts";
import { touchApiToken } from "../db/token_store.ts";
import { tooManyFailures } from "./enrolment.ts";
import { type HubApp, json, jsonBody, type RouteDeps, serve, unauthorized } from "./http.ts";
import { sessionSchema } from "./schemas.ts";

const openRoute = createRoute({
  method: "post",
  path: "/api/v1/session",
  tags: ["session"],
  summary: "Trade an API token for a session cookie",
  request: { body: jsonBody(z.strictObject({ token: z.string().min(1).max(200) })) },
  responses: { 200: json("The session; the cookie is set", sessionSchema) },
});

const closeRoute = createRoute({
  method: "delete",
  path: "/api/v1/session",
  tags: ["session"],
  summary: "End the session of this browser",
  responses: { 204: { description: "The cookie is cleared" } },
});

const meRoute = createRoute({
  method: "get",
  path: "/api/v1/me",
  tags: ["session"],
  summary: "Who is calling, and with which role",
  responses: { 200: json("The caller", sessionSchema) },
});

export const sessionRoutes = [openRoute, closeRoute, meRoute] as const;

export function addSessionRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  const isSecure = hub.config.publicUrl.startsWith("https:");
  serve(app, deps, "public", openRoute, async (c) => {
    const nowMs = hub.clock.nowMs();
    const waitMs = deps.loginFailures.retryAfterMs(c.env.remoteAddress, nowMs);
    if (waitMs > 0) throw tooManyFailures(waitMs);
    const person = await identifyBearer(hub.db, c.req.valid("json").token, nowMs);
    if (person === null || person.role === "agent") {
      deps.loginFailures.failed(c.env.remoteAddress, nowMs);
      throw unauthorized();
    }
    const tokenId = person.name.slice("token:".length);
    await touchApiToken(hub.db, tokenId, nowMs);
    const expiresAtMs = nowMs + SESSION_TTL_MS;
    setCookie(c, SESSION_COOKIE, signSession(deps.signingSecret, tokenId, expiresAtMs), {
      httpOnly: true,
      sameSite: "Strict",
      secure: isSecure,
      path: "/",
      maxAge: SESSION_TTL_MS / 1000,
    });
    const expiresAt = new Date(expiresAtMs).toISOString();
    return c.json(
      { name: person.displayName, role: person.role, expiresAt } satisfies SessionView,
      200,
    );
  });
  serve(app, deps, "public", closeRoute, (c) => {
    deleteCookie(c, SESSION_COOKIE, { path: "/", secure: isSecure });
    return c.body(null, 204);
  });
  serve(app, deps, "viewer", meRoute, (c) => {
    const { displayName, role, isSession } = c.get("principal");
    if (role === "agent") throw unauthorized();
    const expiresAt = isSession ? sessionEnd(getCookie(c, SESSION_COOKIE) ?? "") : null;
    return c.json({ name: displayName, role, expiresAt } satisfies SessionView, 200);
  });
}

/** The expiry inside a cookie that was verified before. */
function sessionEnd(cookie: string): string {
  return new Date(Number(cookie.split(".")[2])).toISOString();
}
