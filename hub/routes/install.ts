/**
 * The installer of agents and what it fetches, served without a token: nothing of it is secret.
 *
 * Touches the hub's own files. A gateway needs nothing but this hub and a Deno program.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { createRoute, z } from "@hono/zod-openapi";
import { bearerOf, identifyBearer } from "../auth.ts";
import { type HubApp, json, notFound, type RouteDeps, serve, unauthorized } from "./http.ts";

/** Programs that the checksums cover. */
const PROGRAMS = ["agent.js", "runner.js"];

const text = (description: string, type: string) => ({
  description,
  content: { [type]: { schema: z.string() } },
});

const scriptRoute = createRoute({
  method: "get",
  path: "/install.sh",
  tags: ["agents"],
  summary: "The installer of an agent, to be read and run on a gateway",
  responses: { 200: text("A shell script", "text/x-shellscript") },
});

const fileRoute = createRoute({
  method: "get",
  path: "/install/{name}",
  tags: ["agents"],
  summary: "What the installer fetches: agent.js, runner.js, deno-flags, SHA256SUMS",
  request: { params: z.object({ name: z.string().max(64).openapi({ example: "SHA256SUMS" }) }) },
  responses: { 200: text("The file", "application/octet-stream") },
});

const selfRoute = createRoute({
  method: "get",
  path: "/api/v1/agents/self",
  tags: ["agents"],
  summary: "Whether the agent whose credential is the bearer is connected",
  responses: {
    200: json(
      "The agent",
      z.object({ agentId: z.string(), name: z.string(), isOnline: z.boolean() })
        .openapi("AgentSelf"),
    ),
  },
});

/** What callers of the typed client see of them. */
export const installRoutes = [scriptRoute, fileRoute, selfRoute] as const;

/** Before the routes of agents by id. */
export function addInstallRoutes(app: HubApp, deps: RouteDeps): void {
  const file = async (name: string) => {
    const asset = await deps.assets.install?.(name) ?? null;
    if (asset === null) throw notFound("file", name);
    return asset;
  };
  serve(app, deps, "public", scriptRoute, async (c) => {
    const { bytes } = await file("install.sh");
    return c.body(bytes, 200, { "content-type": "text/x-shellscript; charset=utf-8" });
  });
  serve(app, deps, "public", fileRoute, async (c) => {
    const { name } = c.req.valid("param");
    if (name === "SHA256SUMS") return c.body(await checksums(file), 200);
    const { bytes, contentType } = await file(name);
    return c.body(bytes, 200, { "content-type": contentType });
  });
  serve(app, deps, "public", selfRoute, async (c) => {
    const bearer = bearerOf(c.req.header("authorization"));
    const known = bearer === null
      ? null
      : await identifyBearer(deps.hub.db, bearer, deps.hub.clock.nowMs());
    if (known === null || known.agentId === null) throw unauthorized();
    const isOnline = deps.hub.live.onlineAgents.has(known.agentId);
    return c.json({ agentId: known.agentId, name: known.displayName, isOnline }, 200);
  });
}

/** As `sha256sum -c` reads it. */
async function checksums(
  file: (name: string) => Promise<{ readonly bytes: Uint8Array }>,
): Promise<string> {
  const lines = await Promise.all(PROGRAMS.map(async (name) => {
    const { bytes } = await file(name);
    return `${createHash("sha256").update(bytes).digest("hex")}  ${name}\n`;
  }));
  return lines.join("");
}
