/**
 * Who may call a route, and how often (S18, S22, API4).
 *
 * Touches the database: it looks the caller up and notes that a token was used, and attempts beyond a
 * caller's role.
 *
 * @module
 */
import type { MiddlewareHandler } from "hono";
import { getCookie } from "hono/cookie";
import { messageOf } from "@shared/errors.ts";
import { bearerOf, identify, mayAct, type Principal, SESSION_COOKIE } from "../auth.ts";
import { touchApiToken } from "../db/token_store.ts";
import type { RequestVerdict } from "../request_limit.ts";
import type { Access, HubEnv, HubRequest, RouteDeps } from "./http.ts";
import { Refusal, tooManyRequests, unauthorized } from "./refusal.ts";

/** Lets a caller through who is known, has the role and does not ask too fast; 401, 403, 429 otherwise. */
export function authorize(
  deps: RouteDeps,
  access: Exclude<Access, "public">,
): MiddlewareHandler<HubEnv> {
  const note = usageNotes(deps);
  return async (c, next) => {
    const principal = await principalOf(c, deps);
    limit(c, deps, principal.name);
    const refusal = judge(c, principal, access);
    if (refusal !== null) {
      await deps.refusals.note({
        principal: principal.name,
        role: principal.role,
        action: "request.refused",
        subject: `${c.req.method} ${c.req.path}`,
        reason: refusal.message,
        remoteAddress: c.env.remoteAddress,
      });
      throw refusal;
    }
    c.set("principal", principal);
    await note(principal.name);
    await next();
  };
}

async function principalOf(c: HubRequest, deps: RouteDeps): Promise<Principal> {
  const bearer = bearerOf(c.req.header("authorization"));
  const cookie = getCookie(c, SESSION_COOKIE) ?? null;
  const world = { signingSecret: deps.signingSecret, nowMs: deps.hub.clock.nowMs() };
  const principal = await identify(deps.hub.db, { bearer, cookie }, world);
  if (principal !== null) return principal;
  limit(c, deps, `address:${c.env.remoteAddress}`);
  throw unauthorized();
}

function judge(
  c: HubRequest,
  principal: Principal,
  access: Exclude<Access, "public">,
): Refusal | null {
  if (!mayAct(principal.role, access)) {
    return new Refusal(
      403,
      "role-insufficient",
      `This needs the role ${access}; the token has the role ${principal.role}`,
    );
  }
  return principal.isSession ? foreignOrigin(c) : null;
}

/** A browser sends the session cookie by itself, so a change must come from the hub's own page. */
function foreignOrigin(c: HubRequest): Refusal | null {
  if (c.req.method === "GET" || c.req.method === "HEAD") return null;
  const origin = c.req.header("origin");
  if (origin !== undefined && URL.canParse(origin) && new URL(origin).host === hostOf(c)) {
    return null;
  }
  return new Refusal(
    403,
    "origin-foreign",
    "A session may change things from the hub's pages only",
  );
}

function hostOf(c: HubRequest): string {
  return c.req.header("host") ?? new URL(c.req.url).host;
}

/** @throws {Refusal} 429 when the caller's bucket is empty. */
function limit(c: HubRequest, deps: RouteDeps, caller: string): void {
  const verdict = deps.requests.take(caller, deps.hub.clock.monotonicMs());
  for (const [name, value] of Object.entries(limitHeaders(verdict))) c.header(name, value);
  if (!verdict.isAllowed) throw tooManyRequests(verdict.retryAfterSeconds);
}

function limitHeaders(verdict: RequestVerdict): Record<string, string> {
  return {
    "ratelimit-limit": String(verdict.limit),
    "ratelimit-remaining": String(verdict.remaining),
    "ratelimit-reset": String(verdict.resetSeconds),
  };
}

/** Tokens whose use is remembered at once. */
const USAGE_TOKENS_MAX = 1_000;
/** How fresh `lastUsedAt` of a token is kept; every request would be a write otherwise. */
const USAGE_EVERY_MS = 60_000;

/** Remembers, once a minute for each token and route, that a token was used. */
function usageNotes({ hub }: RouteDeps): (principal: string) => Promise<void> {
  const notedMs = new Map<string, number>();
  return async (principal) => {
    if (!principal.startsWith("token:")) return;
    const nowMs = hub.clock.nowMs();
    if (nowMs - (notedMs.get(principal) ?? -Infinity) < USAGE_EVERY_MS) return;
    if (notedMs.size >= USAGE_TOKENS_MAX) notedMs.clear();
    notedMs.set(principal, nowMs);
    try {
      await touchApiToken(hub.db, principal.slice("token:".length), nowMs);
    } catch (thrown) {
      hub.logger.warn("Use of a token was not noted", { principal, error: messageOf(thrown) });
    }
  };
}
