/**
 * Whether the hub lives, whether it can do its work, what it is, and its figures for Prometheus.
 *
 * Touches the database, the object store and, through a port, the brokers.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { messageOf } from "@shared/errors.ts";
import { checkDatabase } from "../db/database_check.ts";
import { MetricBook } from "../metric_book.ts";
import { renderMetrics } from "../prometheus.ts";
import { type HubApp, json, type RouteDeps, serve } from "./http.ts";

/** Time that one dependency has to answer. */
const CHECK_TIMEOUT_MS = 3_000;
/** A verdict is kept this long, so that probes do not load what they probe. */
const VERDICT_TTL_MS = 2_000;

const checkSchema = z.object({
  status: z.enum(["ok", "failed"]),
  checks: z.record(z.string(), z.string()),
}).openapi("Readiness");

const aliveRoute = createRoute({
  method: "get",
  path: "/healthz",
  tags: ["health"],
  summary: "The process lives",
  responses: { 200: json("Alive", z.object({ status: z.literal("ok") })) },
});

const readyRoute = createRoute({
  method: "get",
  path: "/readyz",
  tags: ["health"],
  summary: "Database, object store and brokers answer",
  responses: { 200: json("Ready", checkSchema), 503: json("Not ready", checkSchema) },
});

const versionRoute = createRoute({
  method: "get",
  path: "/version",
  tags: ["health"],
  summary: "Version and public identity of this hub",
  responses: {
    200: json(
      "Version",
      z.object({
        version: z.string(),
        hubId: z.string().openapi({ description: "Second part of its join tokens" }),
        hubTerm: z.number().int(),
      }).openapi("Version"),
    ),
  },
});

const metricsRoute = createRoute({
  method: "get",
  path: "/metrics",
  tags: ["health"],
  summary: "Figures for Prometheus",
  responses: {
    200: { description: "Text format", content: { "text/plain": { schema: z.string() } } },
  },
});

export const healthRoutes = [aliveRoute, readyRoute, versionRoute, metricsRoute] as const;

export function addHealthRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  const readiness = rememberedReadiness(deps);
  const book = new MetricBook(hub.events);
  serve(app, deps, "public", aliveRoute, (c) => c.json({ status: "ok" as const }, 200));
  serve(app, deps, "public", readyRoute, async (c) => {
    const verdict = await readiness();
    return c.json(verdict, verdict.status === "ok" ? 200 : 503);
  });
  serve(
    app,
    deps,
    "public",
    versionRoute,
    (c) => c.json({ version: deps.version, hubId: deps.hubId, hubTerm: hub.hubTerm }, 200),
  );
  serve(
    app,
    deps,
    "viewer",
    metricsRoute,
    async (c) =>
      c.body(await renderMetrics({ hub, book, version: deps.version }), 200, {
        "content-type": "text/plain; version=0.0.4; charset=utf-8",
      }),
  );
}

type Verdict = z.infer<typeof checkSchema>;

/** Checks everything once, however many ask at the same time. */
function rememberedReadiness(deps: RouteDeps): () => Promise<Verdict> {
  let last: { readonly atMs: number; readonly verdict: Promise<Verdict> } | null = null;
  return () => {
    const nowMs = deps.hub.clock.monotonicMs();
    if (last === null || nowMs - last.atMs > VERDICT_TTL_MS) {
      last = { atMs: nowMs, verdict: checkAll(deps) };
    }
    return last.verdict;
  };
}

async function checkAll({ hub, checkBroker }: RouteDeps): Promise<Verdict> {
  const checks: Record<string, () => Promise<unknown>> = {
    database: () => checkDatabase(hub.db),
    objectStore: () => hub.objects.check(),
  };
  for (const broker of hub.config.brokers) {
    checks[`broker ${broker.name}`] = () => checkBroker(broker);
  }
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => [name, await outcomeOf(hub, check)]),
  );
  const outcomes: Record<string, string> = Object.fromEntries(results);
  // A broker that is away stops the jobs that name it and nothing else of the hub.
  const isReady = outcomes["database"] === "ok" && outcomes["objectStore"] === "ok";
  return { status: isReady ? "ok" : "failed", checks: outcomes };
}

/** `ok`, or why a dependency does not answer; ends in bounded time. */
export async function outcomeOf(
  { clock }: RouteDeps["hub"],
  check: () => Promise<unknown>,
): Promise<string> {
  let cancel = () => {};
  const timeout = new Promise<string>((resolve) => {
    cancel = clock.after(CHECK_TIMEOUT_MS, () => resolve(`no answer in ${CHECK_TIMEOUT_MS} ms`));
  });
  const answer = check().then(() => "ok", (thrown) => messageOf(thrown));
  const outcome = await Promise.race([answer, timeout]);
  cancel();
  return outcome;
}
