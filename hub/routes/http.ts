/**
 * What every route shares: how it is declared, who may call it, what a refusal looks like, paging.
 *
 * Touches nothing of its own. A route names the role it needs where it is declared; the check and the
 * `x-penstock-role` of the OpenAPI document come from that one word (S22, S24).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  createRoute,
  type OpenAPIHono,
  type RouteConfig,
  type RouteHandler,
  z,
} from "@hono/zod-openapi";
import type { Context } from "hono";
import type { AgentId, JobId, RegionId } from "@shared/ids.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import type { BrokerConfig, KeyAnswer } from "@shared/messages.ts";
import type { Principal } from "../auth.ts";
import type { AgentRecord } from "../db/agent_store.ts";
import type { CancelVerdict } from "../job_loop_cancel.ts";
import type { HubContext } from "../ports.ts";
import type { Notifier } from "../notifications/notifier.ts";
import type { FailureLimit } from "../rate_limit.ts";
import type { RefusalLog } from "../refusal_log.ts";
import type { RequestLimit } from "../request_limit.ts";
import type { OpenSavedPiece } from "../saved_state.ts";
import type { KeyQuestion } from "../state_queries.ts";
import { authorize } from "./authorization.ts";
import { Refusal } from "./refusal.ts";
import { problemSchema } from "./schemas.ts";

export { notFound, Refusal, unauthorized } from "./refusal.ts";

/** What the routes need beside the hub's context. */
export interface RouteDeps {
  readonly hub: HubContext;
  readonly signingSecret: string;
  /** Public name of this hub; part of every join token. */
  readonly hubId: string;
  readonly version: string;
  /** A job changed in the database: its loop looks again. */
  wakeJob(jobId: JobId): void;
  fleetChanged(): void;
  /** Gives an operation up while it has changed nothing; resolves when that is written. */
  cancelOperation(jobId: JobId, operationId: string): Promise<CancelVerdict>;
  /** Its agent is unreachable past the time in which the hub may reassign by itself (P6). */
  isPossiblyAutonomous(jobId: JobId, regionId: RegionId): boolean;
  /** Hands an authenticated agent's socket over to its session. */
  acceptAgent(socket: WebSocket, agent: AgentRecord, remoteAddress: string): void;
  /** Cuts the agent's live connection, if there is one (S4). */
  cutAgent(agentId: AgentId, reason: string): void;
  /** Evaluates a bundle without permissions and answers its graph. */
  extractGraph(bundle: string, params: Readonly<Record<string, string>>): Promise<JobGraph>;
  /** Opens a piece of a savepoint. */
  readonly openPiece: OpenSavedPiece;
  /** What the agent knows of one key; ends in bounded time. */
  queryState(agentId: AgentId, question: KeyQuestion): Promise<KeyAnswer>;
  /** Resolves when the broker takes connections; for /readyz. */
  checkBroker(broker: BrokerConfig): Promise<void>;
  upgradeWebSocket(request: Request): { readonly socket: WebSocket; readonly response: Response };
  readonly assets: Assets;
  /** Tells channels of alarms. */
  readonly notifier: Notifier;
  readonly loginFailures: FailureLimit;
  readonly enrolFailures: FailureLimit;
  /** Of callers that are known, and of addresses whose callers are not. */
  readonly requests: RequestLimit;
  readonly refusals: RefusalLog;
}

/** Files that the hub serves itself; null when there is no such file. */
export interface Assets {
  dashboard(name: string): Promise<Asset | null>;
  apiReference(name: string): Promise<Asset | null>;
  /** Of the installer of agents; left out: this hub serves none. */
  install?(name: string): Promise<Asset | null>;
}

export interface Asset {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: string;
}

export interface HubEnv {
  Bindings: { remoteAddress: string };
  Variables: { principal: Principal; requestId: string };
}

export type HubApp = OpenAPIHono<HubEnv>;
export type HubRequest = Context<HubEnv>;

/** Who may call a route: anybody, or at least this role. */
export type Access = "public" | "viewer" | "operator" | "admin";

/** Declares a route and who may call it, and answers it with `answer`. */
export function serve<R extends RouteConfig>(
  app: HubApp,
  deps: RouteDeps,
  access: Access,
  route: R,
  answer: (c: Parameters<RouteHandler<R, HubEnv>>[0]) => Promise<Response> | Response,
): void {
  const declared = createRoute({
    ...route,
    "x-penstock-role": access,
    ...(access === "public" ? {} : { security: [{ bearer: [] }, { session: [] }] }),
    middleware: access === "public" ? [] : [authorize(deps, access)],
    responses: { ...route.responses, default: PROBLEM_RESPONSE },
  });
  // The handler's type demands answers made by `c.json`; a replayed answer is a plain Response.
  app.openapi(declared, answer as unknown as RouteHandler<typeof declared, HubEnv>);
}

export const PROBLEM_RESPONSE = {
  description: "A problem (RFC 9457)",
  content: { "application/problem+json": { schema: problemSchema } },
};

/** The response entry of a route that answers `schema` as JSON. */
export function json<S extends z.ZodType>(description: string, schema: S) {
  return { description, content: { "application/json": { schema } } };
}

/** The request entry of a route that takes `schema` as JSON. */
export function jsonBody<S extends z.ZodType>(schema: S) {
  return { content: { "application/json": { schema } }, required: true as const };
}

/** Like {@linkcode jsonBody}, for calls that may come without a body. */
export function optionalJsonBody<S extends z.ZodType>(schema: S) {
  return { content: { "application/json": { schema } }, required: false as const };
}

/** The body of a call that may come without one; then it is that of an empty object. */
export function bodyOr<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  return schema.parse(body ?? {});
}

export const PAGE_LIMIT_DEFAULT = 50;
export const PAGE_LIMIT_MAX = 200;

/** Query of every paged list. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT)
    .openapi({ description: "Items of one page" }),
  cursor: z.string().max(400).optional()
    .openapi({ description: "`next` of the previous page" }),
};

/**
 * The position that a cursor stands for.
 *
 * @throws {Refusal} 400 if it is no cursor of ours.
 */
export function readCursor<T>(cursor: string | undefined, schema: z.ZodType<T>): T | null {
  if (cursor === undefined) return null;
  try {
    return schema.parse(JSON.parse(Buffer.from(cursor, "base64url").toString()));
  } catch {
    throw new Refusal(400, "cursor-invalid", "The cursor is not one that this list gave out", {
      errors: [{ path: "cursor", message: "Not a cursor" }],
    });
  }
}

/**
 * One page of `found`, which was read with one row more than `limit`.
 *
 * @param position What the cursor behind `item` has to hold.
 */
export function pageOf<T>(
  found: readonly T[],
  limit: number,
  position: (item: T) => unknown,
): { items: readonly T[]; next: string | null } {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  const hasMore = found.length > limit && last !== undefined;
  return { items, next: hasMore ? writeCursor(position(last)) : null };
}

/** The cursor that stands for `position`; {@linkcode readCursor} reads it. */
export function writeCursor(position: unknown): string {
  return Buffer.from(JSON.stringify(position)).toString("base64url");
}
