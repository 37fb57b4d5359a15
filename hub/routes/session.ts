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
import { deleteCookie, generateCookie, getCookie } from "hono/cookie";
import type { SessionView } from "@shared/api.ts";
import { identifyBearer, SESSION_COOKIE, SESSION_TTL_MS, signSession } from "../auth.ts";
import type { Db } from "../db/client.ts";
import { touchApiToken } from "../db/token_store.ts";
import { tooManyFailures } from "./enrolment.ts";
import {
  type HubApp,
  type HubRequest,
  json,
  jsonBody,
  type Refusal,
  type RouteDeps,
  serve,
  unauthorized,
} from "./http.ts";
import { type Change, change } from "./mutation.ts";
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
    const { token } = c.req.valid("json");
    const person = await identifyBearer(hub.db, token, nowMs);
    if (person === null || person.role === "agent") throw await refuseLogin(c, deps);
    const { name, role, displayName } = person;
    const tokenId = name.slice("token:".length);
    const open = async (tx: Db): Promise<Change> => {
      await touchApiToken(tx, tokenId, nowMs);
      const expiresAtMs = nowMs + SESSION_TTL_MS;
      const session = signSession(deps.signingSecret, tokenId, expiresAtMs);
      const expiresAt = new Date(expiresAtMs).toISOString();
      return {
        status: 200,
        body: { name: displayName, role, expiresAt } satisfies SessionView,
        headers: { "set-cookie": generateCookie(SESSION_COOKIE, session, cookieFor(isSecure)) },
        isSecret: true,
        audit: { action: "session.open", subject: name },
      };
    };
    return await change(c, deps, () => Promise.resolve(open), { name, role, secret: token });
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

function cookieFor(isSecure: boolean) {
  const maxAge = SESSION_TTL_MS / 1000;
  return { httpOnly: true, sameSite: "Strict", secure: isSecure, path: "/", maxAge } as const;
}

/** Counts the failure against its address and writes it down. */
async function refuseLogin(c: HubRequest, deps: RouteDeps): Promise<Refusal> {
  const { remoteAddress } = c.env;
  deps.loginFailures.failed(remoteAddress, deps.hub.clock.nowMs());
  const refusal = unauthorized();
  await deps.refusals.note({
    principal: "unknown",
    role: "none",
    action: "session.open",
    subject: `address:${remoteAddress}`,
    reason: "The token is unknown, revoked or expired",
    remoteAddress,
  });
  return refusal;
}

/** The expiry inside a cookie that was verified before. */
function sessionEnd(cookie: string): string {
  return new Date(Number(cookie.split(".")[2])).toISOString();
}
