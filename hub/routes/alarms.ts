/**
 * Alarms and anomalies.
 *
 * Touches the database. An anomaly is an alarm that a detector scored.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import {
  acknowledgeAlarm,
  acknowledgeAlarms,
  type AlarmFilter,
  type AlarmPage,
  listAlarms,
} from "../db/alarm_store.ts";
import type { Db } from "../db/client.ts";
import {
  bodyOr,
  type HubApp,
  json,
  jsonBody,
  notFound,
  optionalJsonBody,
  pageOf,
  pageQuery,
  readCursor,
  type RouteDeps,
  serve,
} from "./http.ts";
import { change } from "./mutation.ts";
import { alarmSchema, pageSchema } from "./schemas.ts";

/** Alarms that one call may name. */
const BULK_IDS_MAX = 1000;

const alarmCursor = z.object({ raisedAtMs: z.number(), id: z.string() });
const alarmQuery = {
  ...pageQuery,
  state: z.enum(["active", "unacknowledged", "all"]).default("all"),
  jobId: z.string().max(64).optional(),
  equipment: z.string().max(4096).optional(),
  priority: z.enum(["low", "medium", "high", "critical"]).optional(),
};
type AlarmQuery = z.infer<z.ZodObject<typeof alarmQuery>>;

const listRoute = createRoute({
  method: "get",
  path: "/api/v1/alarms",
  tags: ["alarms"],
  summary: "List alarms, newest first",
  request: { query: z.strictObject(alarmQuery) },
  responses: { 200: json("One page of alarms", pageSchema(alarmSchema)) },
});

const anomaliesRoute = createRoute({
  method: "get",
  path: "/api/v1/anomalies",
  tags: ["alarms"],
  summary: "List what detectors found odd, newest first",
  request: { query: z.strictObject(alarmQuery) },
  responses: { 200: json("One page of anomalies", pageSchema(alarmSchema)) },
});

const acknowledgeBody = z.strictObject({ comment: z.string().max(1000).optional() });
const acknowledgeRoute = createRoute({
  method: "post",
  path: "/api/v1/alarms/{id}/ack",
  tags: ["alarms"],
  summary: "Acknowledge an alarm; the first who does stays named",
  request: {
    params: z.object({ id: z.string().min(1).max(200) }),
    body: optionalJsonBody(acknowledgeBody),
  },
  responses: { 200: json("The alarm as it is now", alarmSchema) },
});

const bulkFilter = z.strictObject({
  state: z.enum(["active", "cleared", "all"]).default("all"),
  jobId: z.string().max(64).optional(),
  equipment: z.string().max(4096).optional(),
  priority: z.enum(["low", "medium", "high", "critical"]).optional(),
});
const bulkBody = z.union([
  z.strictObject({
    ids: z.array(z.string().min(1).max(200)).min(1).max(BULK_IDS_MAX),
    comment: z.string().max(1000).optional(),
  }),
  z.strictObject({ filter: bulkFilter, comment: z.string().max(1000).optional() }),
]);
const bulkRoute = createRoute({
  method: "post",
  path: "/api/v1/alarms/ack",
  tags: ["alarms"],
  summary: "Acknowledge alarms by their ids, or all that a filter takes",
  request: { body: jsonBody(bulkBody) },
  responses: {
    200: json(
      "How many nobody had acknowledged before",
      z.object({ acknowledged: z.int() }).openapi("BulkAcknowledgement"),
    ),
  },
});

export const alarmRoutes = [listRoute, anomaliesRoute, acknowledgeRoute, bulkRoute] as const;

export function addAlarmRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(app, deps, "viewer", listRoute, async (c) => {
    const query = c.req.valid("query");
    return c.json(await alarmPage(hub.db, query, {}), 200);
  });
  serve(app, deps, "viewer", anomaliesRoute, async (c) => {
    const query = c.req.valid("query");
    return c.json(await alarmPage(hub.db, query, { isScored: true }), 200);
  });
  serve(
    app,
    deps,
    "operator",
    acknowledgeRoute,
    (c) =>
      change(c, deps, () =>
        Promise.resolve(async (tx: Db) => {
          const { id } = c.req.valid("param");
          const { comment } = bodyOr(acknowledgeBody, c.req.valid("json"));
          const { name, displayName } = c.get("principal");
          const by = { principal: displayName, nowMs: hub.clock.nowMs() };
          const alarm = await acknowledgeAlarm(tx, id, by);
          if (alarm === null) throw notFound("alarm", id);
          return {
            status: 200,
            body: alarm,
            audit: {
              action: "alarm.acknowledge",
              subject: `alarm:${id}`,
              ...(comment === undefined ? {} : { reason: comment }),
              fields: { equipment: alarm.equipment },
            },
            after: () =>
              hub.events.publish("alarm.acknowledged", { jobId: alarm.jobId }, {
                alarmId: id,
                equipment: alarm.equipment,
                by: name,
              }),
          };
        })),
  );
  addBulkRoute(app, deps);
}

function addBulkRoute(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(
    app,
    deps,
    "operator",
    bulkRoute,
    (c) =>
      change(c, deps, () =>
        Promise.resolve(async (tx: Db) => {
          const body = c.req.valid("json");
          const { name, displayName } = c.get("principal");
          const by = { principal: displayName, nowMs: hub.clock.nowMs() };
          const which = "ids" in body ? body : { filter: filterOf(body.filter) };
          const ids = await acknowledgeAlarms(tx, which, by);
          return {
            status: 200,
            body: { acknowledged: ids.length },
            audit: {
              action: "alarm.acknowledge",
              subject: "alarms",
              ...(body.comment === undefined ? {} : { reason: body.comment }),
              fields: { ...("filter" in body ? { filter: body.filter } : {}), ids },
            },
            after: () => {
              if (ids.length === 0) return;
              hub.events.publish("alarm.acknowledged", {}, {
                alarmIds: ids.slice(0, BULK_IDS_MAX),
                count: ids.length,
                by: name,
              });
            },
          };
        })),
  );
}

function filterOf({ state, jobId, equipment, priority }: z.infer<typeof bulkFilter>): AlarmFilter {
  return {
    ...(state === "all" ? {} : { isActive: state === "active" }),
    ...(jobId === undefined ? {} : { jobId }),
    ...(equipment === undefined ? {} : { equipment }),
    ...(priority === undefined ? {} : { priority }),
  };
}

async function alarmPage(db: Db, query: AlarmQuery, filter: Pick<AlarmPage, "isScored">) {
  const { limit, cursor, state, jobId, equipment, priority } = query;
  const found = await listAlarms(db, {
    limit: limit + 1,
    before: readCursor(cursor, alarmCursor),
    ...(state === "active" ? { isActive: true } : {}),
    ...(state === "unacknowledged" ? { isAcknowledged: false } : {}),
    ...(jobId === undefined ? {} : { jobId }),
    ...(equipment === undefined ? {} : { equipment }),
    ...(priority === undefined ? {} : { priority }),
    ...filter,
  });
  return pageOf(found, limit, ({ id, raisedAt }) => ({ raisedAtMs: Date.parse(raisedAt), id }));
}
