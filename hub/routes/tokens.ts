/**
 * Tokens: one-off ones with which an agent joins, and those of people and programs with a role.
 *
 * Touches the database. A secret is shown in the answer that makes it and stored as a hash (S1, S19).
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { NAME_PATTERN } from "@shared/ids.ts";
import { hashSecret, JOIN_TOKEN_TTL_MS, newApiSecret, newJoinSecret } from "../auth.ts";
import type { Db } from "../db/client.ts";
import {
  insertApiToken,
  insertJoinToken,
  listApiTokens,
  listJoinTokens,
  revokeApiToken,
  revokeJoinToken,
} from "../db/token_store.ts";
import { installCommand } from "../install_command.ts";
import { labelsSchema } from "./enrolment.ts";
import {
  bodyOr,
  type HubApp,
  type HubRequest,
  json,
  notFound,
  optionalJsonBody,
  pageOf,
  pageQuery,
  readCursor,
  Refusal,
  type RouteDeps,
  serve,
} from "./http.ts";
import { type Change, change } from "./mutation.ts";
import {
  apiTokenSchema,
  createdApiTokenSchema,
  createdJoinTokenSchema,
  joinTokenSchema,
  pageSchema,
} from "./schemas.ts";

const TTL_MIN_SECONDS = 60;
const API_TOKEN_TTL_MAX_SECONDS = 5 * 366 * 86_400;
const JOIN_TOKEN_TTL_MAX_SECONDS = JOIN_TOKEN_TTL_MS / 1000;

const tokenBody = z.strictObject({
  role: z.enum(["viewer", "operator", "admin"]).optional().openapi({
    description: "Makes a token of this role for a person or a program; left out: a join token",
  }),
  name: z.string().regex(NAME_PATTERN).optional().openapi({
    description: "With `role`: whom the token is for; shown wherever it did something",
  }),
  ttlSeconds: z.number().int().min(TTL_MIN_SECONDS).max(API_TOKEN_TTL_MAX_SECONDS).optional()
    .openapi({ description: "A join token has an hour at most; one with a role needs no end" }),
  labels: labelsSchema.default({}).openapi({ description: "Labels of the agent that joins" }),
}).openapi({ example: { role: "operator", name: "night-shift", labels: {} } });
type TokenBody = z.infer<typeof tokenBody>;

const createTokenRoute = createRoute({
  method: "post",
  path: "/api/v1/tokens",
  tags: ["tokens"],
  summary: "Make a join token for one agent, or with `role` a token for a person or a program",
  request: { body: optionalJsonBody(tokenBody) },
  responses: {
    201: json(
      "The token; its secret is shown this once",
      z.union([createdJoinTokenSchema, createdApiTokenSchema]),
    ),
  },
});

const listRoute = createRoute({
  method: "get",
  path: "/api/v1/tokens",
  tags: ["tokens"],
  summary: "List tokens, newest first, without their secrets",
  request: {
    query: z.strictObject({
      ...pageQuery,
      kind: z.enum(["join", "api"]).default("join").openapi({
        description: "`join`: of agents to come; `api`: of people and programs",
      }),
    }),
  },
  responses: {
    200: json("One page of tokens", pageSchema(z.union([joinTokenSchema, apiTokenSchema]))),
  },
});

const revokeRoute = createRoute({
  method: "delete",
  path: "/api/v1/tokens/{id}",
  tags: ["tokens"],
  summary: "Revoke a token of either kind; 409 for the last admin token without an end",
  request: { params: z.object({ id: z.string().min(1).max(64) }) },
  responses: { 204: { description: "Revoked" } },
});

export const tokenRoutes = [createTokenRoute, listRoute, revokeRoute] as const;

export function addTokenRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(app, deps, "admin", createTokenRoute, (c) =>
    change(c, deps, () => {
      const body = bodyOr(tokenBody, c.req.valid("json"));
      const { role } = body;
      return Promise.resolve((tx: Db) =>
        role === undefined
          ? makeJoinToken(c, deps, tx, body)
          : makeApiToken(c, deps, tx, { ...body, role })
      );
    }));
  serve(app, deps, "admin", listRoute, async (c) => {
    const { limit, cursor, kind } = c.req.valid("query");
    const page = { limit: limit + 1, beforeId: readCursor(cursor, z.string()) };
    const found = kind === "join"
      ? await listJoinTokens(hub.db, page)
      : await listApiTokens(hub.db, page);
    return c.json(pageOf<{ readonly id: string }>(found, limit, ({ id }) => id), 200);
  });
  serve(
    app,
    deps,
    "admin",
    revokeRoute,
    (c) => change(c, deps, () => Promise.resolve((tx: Db) => revoke(c, deps, tx))),
  );
}

async function makeJoinToken(
  c: HubRequest,
  { hub, hubId }: RouteDeps,
  tx: Db,
  { name, ttlSeconds = JOIN_TOKEN_TTL_MAX_SECONDS, labels }: TokenBody,
): Promise<Change> {
  if (name !== undefined) {
    throw misfit("name", "A join token has no name: the agent brings its own");
  }
  if (ttlSeconds > JOIN_TOKEN_TTL_MAX_SECONDS) {
    throw misfit("ttlSeconds", `A join token lasts at most ${JOIN_TOKEN_TTL_MAX_SECONDS} s`);
  }
  const token = newJoinSecret(hub.random, hubId);
  const nowMs = hub.clock.nowMs();
  const view = await insertJoinToken(tx, {
    id: hub.random.uuid(),
    secretHash: hashSecret(token),
    labels,
    createdBy: c.get("principal").name,
    nowMs,
    expiresAtMs: nowMs + ttlSeconds * 1000,
  });
  return {
    status: 201,
    body: { ...view, token, installCommand: installCommand(hub.config.publicUrl, token) },
    isSecret: true,
    audit: { action: "token.create", subject: `join:${view.id}`, fields: { labels } },
  };
}

async function makeApiToken(
  c: HubRequest,
  { hub }: RouteDeps,
  tx: Db,
  { role, name, ttlSeconds, labels }: TokenBody & {
    readonly role: "viewer" | "operator" | "admin";
  },
): Promise<Change> {
  if (name === undefined) throw misfit("name", "Say whom the token is for");
  if (Object.keys(labels).length > 0) throw misfit("labels", "Only agents have labels");
  const token = newApiSecret(hub.random);
  const nowMs = hub.clock.nowMs();
  const view = await insertApiToken(tx, {
    id: hub.random.uuid(),
    name,
    role,
    secretHash: hashSecret(token),
    createdBy: c.get("principal").name,
    nowMs,
    expiresAtMs: ttlSeconds === undefined ? null : nowMs + ttlSeconds * 1000,
  });
  return {
    status: 201,
    body: { ...view, token },
    isSecret: true,
    audit: { action: "token.create", subject: `token:${view.id}`, fields: { name, role } },
  };
}

async function revoke(c: HubRequest, { hub }: RouteDeps, tx: Db): Promise<Change> {
  const id = c.req.param("id") ?? "";
  const nowMs = hub.clock.nowMs();
  const done = (subject: string): Change => ({
    status: 204,
    body: null,
    audit: { action: "token.revoke", subject },
  });
  if (await revokeJoinToken(tx, id, nowMs)) return done(`join:${id}`);
  switch (await revokeApiToken(tx, id, nowMs)) {
    case "revoked":
      return done(`token:${id}`);
    case "not-found":
      throw notFound("token", id);
    case "last-admin":
      throw new Refusal(
        409,
        "last-admin-token",
        "This is the last admin token without an end: make another one first",
      );
  }
}

function misfit(path: string, message: string): Refusal {
  return new Refusal(400, "body-invalid", message, { errors: [{ path, message }] });
}
