/**
 * Alarms and anomalies as people read them: lists, counts, one alarm, the log, the health of them all.
 *
 * Touches the database. An anomaly is an alarm that a detector scored. What people do to alarms is in
 * `alarm_acts.ts`.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { type AlarmFilter, EARLIEST_MS, LATEST_MS } from "../db/alarm_filter.ts";
import { alarmHealth } from "../db/alarm_health.ts";
import { alarmDetail, countAlarms, listAlarms, listTransitions } from "../db/alarm_views.ts";
import { addAlarmActRoutes, alarmActRoutes } from "./alarm_acts.ts";
import { alarmFilterFields, filterOf } from "./alarm_queries.ts";
import {
  type HubApp,
  json,
  notFound,
  pageOf,
  pageQuery,
  readCursor,
  Refusal,
  type RouteDeps,
  serve,
} from "./http.ts";
import {
  alarmDetailSchema,
  alarmHealthSchema,
  alarmSchema,
  alarmTransitionSchema,
  pageSchema,
} from "./schemas.ts";

const HEALTH_SPAN_DEFAULT_MS = 86_400_000;
const HEALTH_SPAN_MAX_MS = 31 * 86_400_000;

const alarmCursor = z.object({
  raisedAtMs: z.int().min(EARLIEST_MS).max(LATEST_MS),
  id: z.string(),
});
const listQuery = z.strictObject({ ...pageQuery, ...alarmFilterFields });
export const alarmPath = { id: z.string().min(1).max(200).openapi({ description: "Alarm id" }) };

const listRoute = createRoute({
  method: "get",
  path: "/api/v1/alarms",
  tags: ["alarms"],
  summary: "List alarms, newest first",
  request: { query: listQuery },
  responses: { 200: json("One page of alarms", pageSchema(alarmSchema)) },
});

const anomaliesRoute = createRoute({
  method: "get",
  path: "/api/v1/anomalies",
  tags: ["alarms"],
  summary: "List what detectors found odd, newest first",
  request: { query: listQuery },
  responses: { 200: json("One page of anomalies", pageSchema(alarmSchema)) },
});

const count = z.int();
const countRoute = createRoute({
  method: "get",
  path: "/api/v1/alarms/count",
  tags: ["alarms"],
  summary: "How many alarms a filter takes",
  request: { query: z.strictObject(alarmFilterFields) },
  responses: {
    200: json(
      "Their number",
      z.object({
        total: count,
        unacknowledged: count,
        byPriority: z.object({ low: count, medium: count, high: count, critical: count }),
      }).openapi("AlarmCount"),
    ),
  },
});

const transitionKinds = alarmTransitionSchema.shape.kind.options;
const transitionsRoute = createRoute({
  method: "get",
  path: "/api/v1/alarms/transitions",
  tags: ["alarms"],
  summary: "The log of every step of every alarm, newest first",
  request: {
    query: z.strictObject({
      ...pageQuery,
      alarmId: z.string().max(200).optional(),
      equipment: z.string().max(4096).optional(),
      kind: z.string().max(200).optional().openapi({
        description: `One or more of ${transitionKinds.join(", ")}, with commas between`,
        example: "raised,re-alarmed",
      }),
      fromState: alarmTransitionSchema.shape.to.optional()
        .openapi({ description: "State before the step" }),
      toState: alarmTransitionSchema.shape.to.optional()
        .openapi({ description: "State after the step" }),
      from: z.iso.datetime().optional(),
      to: z.iso.datetime().optional(),
    }),
  },
  responses: { 200: json("One page of the log", pageSchema(alarmTransitionSchema)) },
});

const healthRoute = createRoute({
  method: "get",
  path: "/api/v1/alarms/health",
  tags: ["alarms"],
  summary: "How well the alarms themselves do: rates, bad actors, chattering, stale ones, floods",
  request: {
    query: z.strictObject({
      from: z.iso.datetime().optional().openapi({ description: "24 h before `to` unless given" }),
      to: z.iso.datetime().optional().openapi({ description: "Now unless given" }),
    }),
  },
  responses: { 200: json("Of a span of at most 31 days", alarmHealthSchema) },
});

const detailRoute = createRoute({
  method: "get",
  path: "/api/v1/alarms/{id}",
  tags: ["alarms"],
  summary: "One alarm with its log and earlier ones of the same equipment",
  request: { params: z.object(alarmPath) },
  responses: { 200: json("The alarm", alarmDetailSchema) },
});

export const alarmRoutes = [
  listRoute,
  anomaliesRoute,
  countRoute,
  transitionsRoute,
  healthRoute,
  detailRoute,
  ...alarmActRoutes,
] as const;

export function addAlarmRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(app, deps, "viewer", listRoute, async (c) => {
    return c.json(await alarmPage(deps, c.req.valid("query"), {}), 200);
  });
  serve(app, deps, "viewer", anomaliesRoute, async (c) => {
    return c.json(await alarmPage(deps, c.req.valid("query"), { isScored: true }), 200);
  });
  serve(app, deps, "viewer", countRoute, async (c) => {
    const filter = filterOf(c.req.valid("query"));
    return c.json(await countAlarms(hub.db, filter, hub.clock.nowMs()), 200);
  });
  serve(app, deps, "viewer", transitionsRoute, async (c) => {
    const { limit, cursor, kind, from, to, ...filter } = c.req.valid("query");
    const found = await listTransitions(hub.db, {
      ...filter,
      limit: limit + 1,
      beforeId: readCursor(cursor, z.int()),
      kinds: kind?.split(","),
      ...spanOf(from, to),
    });
    return c.json(pageOf(found, limit, ({ id }) => id), 200);
  });
  serve(app, deps, "viewer", healthRoute, async (c) => {
    const { from, to } = c.req.valid("query");
    const { fromMs, toMs = hub.clock.nowMs() } = spanOf(from, to);
    const span = { fromMs: fromMs ?? toMs - HEALTH_SPAN_DEFAULT_MS, toMs };
    if (span.fromMs >= span.toMs || span.toMs - span.fromMs > HEALTH_SPAN_MAX_MS) {
      throw new Refusal(400, "span-invalid", "`from` must be before `to`, by 31 days at most", {
        errors: [{ path: "from", message: "Not before `to`, or too long before it" }],
      });
    }
    return c.json(await alarmHealth(hub.db, span, hub.clock.nowMs()), 200);
  });
  serve(app, deps, "viewer", detailRoute, async (c) => {
    const { id } = c.req.valid("param");
    const alarm = await alarmDetail(hub.db, id, hub.clock.nowMs());
    if (alarm === null) throw notFound("alarm", id);
    return c.json(alarm, 200);
  });
  addAlarmActRoutes(app, deps);
}

function spanOf(from: string | undefined, to: string | undefined) {
  return {
    fromMs: from === undefined ? undefined : Date.parse(from),
    toMs: to === undefined ? undefined : Date.parse(to),
  };
}

async function alarmPage(
  { hub }: RouteDeps,
  query: z.infer<typeof listQuery>,
  more: Pick<AlarmFilter, "isScored">,
) {
  const { limit, cursor, ...filter } = query;
  const found = await listAlarms(hub.db, {
    ...filterOf(filter),
    ...more,
    limit: limit + 1,
    before: readCursor(cursor, alarmCursor),
  }, hub.clock.nowMs());
  return pageOf(found, limit, ({ id, raisedAt }) => ({ raisedAtMs: Date.parse(raisedAt), id }));
}
