/**
 * What people do to alarms: acknowledge, shelve, take out of service, comment.
 *
 * Touches the database. Each act is one transaction with its row in the audit log. There is no way to
 * clear an alarm by hand: what it is about ends it.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { publishNews } from "../alarm_news.ts";
import {
  acknowledgeAlarms,
  type Act,
  changePoints,
  commentOnAlarm,
  type PointChange,
} from "../db/alarm_acts.ts";
import { getAlarm } from "../db/alarm_views.ts";
import type { Db } from "../db/client.ts";
import { BULK_IDS_MAX, bulkBody, selectionOf } from "./alarm_queries.ts";
import {
  bodyOr,
  type HubApp,
  type HubRequest,
  json,
  jsonBody,
  notFound,
  optionalJsonBody,
  Refusal,
  type RouteDeps,
  serve,
} from "./http.ts";
import { type Change, change } from "./mutation.ts";
import { alarmSchema } from "./schemas.ts";

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const comment = z.string().max(1000);
const reason = z.string().trim().min(1).max(1000).openapi({ example: "Sensor is being replaced" });
const span = z.string().regex(/^\d{1,6}[smhd]$/)
  .openapi({ description: "How long, such as 30m or 2h", example: "2h" });

const onePath = { params: z.object({ id: z.string().min(1).max(200) }) };
const asItIs = { 200: json("The alarm as it is now", alarmSchema) };

/** Declares an act on one alarm. */
function actRoute<const V extends string, S extends z.ZodType>(
  verb: V,
  summary: string,
  body: S,
) {
  return createRoute({
    method: "post",
    path: `/api/v1/alarms/{id}/${verb}` as const,
    tags: ["alarms"],
    summary,
    request: { ...onePath, body: jsonBody(body) },
    responses: asItIs,
  });
}

const acknowledgeBody = z.strictObject({ comment: comment.optional() });
const acknowledgeRoute = createRoute({
  method: "post",
  path: "/api/v1/alarms/{id}/ack",
  tags: ["alarms"],
  summary: "Acknowledge an alarm; the first who does stays named",
  request: { ...onePath, body: optionalJsonBody(acknowledgeBody) },
  responses: asItIs,
});
const emptyBody = z.strictObject({});
const shelveBody = z.strictObject({ for: span, reason });
const shelveRoute = actRoute("shelve", "Silence equipment and sink for a time", shelveBody);
const unshelveRoute = createRoute({
  method: "post",
  path: "/api/v1/alarms/{id}/unshelve",
  tags: ["alarms"],
  summary: "End shelving before its time",
  request: { ...onePath, body: optionalJsonBody(emptyBody) },
  responses: asItIs,
});
const outOfServiceRoute = actRoute(
  "out-of-service",
  "Silence equipment and sink until somebody returns them to service",
  z.strictObject({ reason }),
);
const returnRoute = createRoute({
  method: "post",
  path: "/api/v1/alarms/{id}/return-to-service",
  tags: ["alarms"],
  summary: "Let equipment and sink ring again",
  request: { ...onePath, body: optionalJsonBody(emptyBody) },
  responses: asItIs,
});
const commentRoute = actRoute(
  "comments",
  "Add a comment to an alarm's log",
  z.strictObject({ comment: comment.trim().min(1) }),
);

const bulkAckRoute = createRoute({
  method: "post",
  path: "/api/v1/alarms/ack",
  tags: ["alarms"],
  summary: "Acknowledge alarms by their ids, or all that a filter takes",
  request: { body: jsonBody(bulkBody({ comment: comment.optional() })) },
  responses: {
    200: json(
      "How many nobody had acknowledged before",
      z.object({ acknowledged: z.int() }).openapi("BulkAcknowledgement"),
    ),
  },
});
const bulkShelveRoute = createRoute({
  method: "post",
  path: "/api/v1/alarms/shelve",
  tags: ["alarms"],
  summary: "Shelve the points of alarms by their ids, or of all that a filter takes",
  request: { body: jsonBody(bulkBody({ for: span, reason })) },
  responses: {
    200: json(
      "How many pairs of equipment and sink are shelved by it",
      z.object({ shelved: z.int() }).openapi("BulkShelving"),
    ),
  },
});

export const alarmActRoutes = [
  acknowledgeRoute,
  shelveRoute,
  unshelveRoute,
  outOfServiceRoute,
  returnRoute,
  commentRoute,
  bulkAckRoute,
  bulkShelveRoute,
] as const;

export function addAlarmActRoutes(app: HubApp, deps: RouteDeps): void {
  serve(app, deps, "operator", acknowledgeRoute, (c) => {
    const { comment } = bodyOr(acknowledgeBody, c.req.valid("json"));
    const { id } = c.req.valid("param");
    return acknowledge(c, deps, { id, comment: comment ?? null });
  });
  const onPoint = (id: string, c: HubRequest, to: PointChange, why: string | null) =>
    changePoint(c, deps, { id, to, reason: why });
  serve(app, deps, "operator", shelveRoute, (c) => {
    const body = c.req.valid("json");
    const untilMs = shelvedUntil(deps, body.for);
    return onPoint(c.req.valid("param").id, c, { kind: "shelved", untilMs }, body.reason);
  });
  serve(
    app,
    deps,
    "operator",
    unshelveRoute,
    (c) => onPoint(c.req.valid("param").id, c, { kind: "unshelved" }, null),
  );
  serve(app, deps, "operator", outOfServiceRoute, (c) => {
    const { reason } = c.req.valid("json");
    return onPoint(c.req.valid("param").id, c, { kind: "out-of-service" }, reason);
  });
  serve(
    app,
    deps,
    "operator",
    returnRoute,
    (c) => onPoint(c.req.valid("param").id, c, { kind: "returned-to-service" }, null),
  );
  serve(app, deps, "operator", commentRoute, (c) => {
    const { comment } = c.req.valid("json");
    return addComment(c, deps, c.req.valid("param").id, comment);
  });
  addBulkRoutes(app, deps);
}

function addBulkRoutes(app: HubApp, deps: RouteDeps): void {
  serve(
    app,
    deps,
    "operator",
    bulkAckRoute,
    (c) =>
      change(c, deps, () =>
        Promise.resolve(async (tx: Db) => {
          const body = c.req.valid("json");
          const changed = await acknowledgeAlarms(
            tx,
            selectionOf(body),
            actOf(c, deps, body.comment),
          );
          return {
            status: 200,
            body: { acknowledged: changed.length },
            audit: {
              action: "alarm.acknowledge",
              subject: "alarms",
              ...(body.comment === undefined ? {} : { reason: body.comment }),
              fields: manyFields(body, changed),
            },
            after: () => tellAcknowledged(c, deps, changed),
          };
        })),
  );
  serve(
    app,
    deps,
    "operator",
    bulkShelveRoute,
    (c) =>
      change(c, deps, () =>
        Promise.resolve(async (tx: Db) => {
          const body = c.req.valid("json");
          const to = { kind: "shelved", untilMs: shelvedUntil(deps, body.for) } as const;
          const act = actOf(c, deps, body.reason);
          const { points, steps } = await changePoints(tx, selectionOf(body), to, act);
          const fields = manyFields(body, steps.map(({ alarm }) => alarm));
          return {
            status: 200,
            body: { shelved: points },
            audit: {
              action: "alarm.shelve",
              subject: "alarms",
              reason: body.reason,
              fields: { ...fields, for: body.for, points },
            },
            after: () => tellMany(c, deps, "alarm.shelved", steps.map(({ alarm }) => alarm)),
          };
        })),
  );
}

/** What the audit log keeps of an act on many: the filter, how many, and the first of them. */
function manyFields(
  body: object,
  alarms: readonly TouchedAlarm[],
): Readonly<Record<string, unknown>> {
  return {
    ...("filter" in body ? { filter: body.filter } : {}),
    count: alarms.length,
    ids: alarms.slice(0, BULK_IDS_MAX).map(({ id }) => id),
  };
}

type TouchedAlarm = { readonly id: string; readonly jobId: string; readonly equipment: string };

/** One event, however many alarms it is about. */
function tellMany(
  c: HubRequest,
  { hub }: RouteDeps,
  type: "alarm.acknowledged" | "alarm.shelved",
  alarms: readonly TouchedAlarm[],
): void {
  if (alarms.length === 0) return;
  hub.events.publish(type, {}, {
    alarmIds: alarms.slice(0, BULK_IDS_MAX).map(({ id }) => id),
    count: alarms.length,
    by: c.get("principal").name,
  });
}

function tellAcknowledged(
  c: HubRequest,
  deps: RouteDeps,
  alarms: readonly TouchedAlarm[],
): void {
  const [alarm] = alarms;
  if (alarm === undefined) return;
  if (alarms.length > 1) return tellMany(c, deps, "alarm.acknowledged", alarms);
  deps.hub.events.publish("alarm.acknowledged", { jobId: alarm.jobId }, {
    alarmId: alarm.id,
    equipment: alarm.equipment,
    by: c.get("principal").name,
  });
}

function acknowledge(
  c: HubRequest,
  deps: RouteDeps,
  { id, comment }: { readonly id: string; readonly comment: string | null },
): Promise<Response> {
  return change(c, deps, () =>
    Promise.resolve(async (tx: Db) => {
      const changed = await acknowledgeAlarms(tx, { ids: [id] }, actOf(c, deps, comment));
      return {
        ...await answered(tx, deps, id, "alarm.acknowledge", comment),
        after: () => tellAcknowledged(c, deps, changed),
      };
    }));
}

const ACTIONS = {
  "shelved": "alarm.shelve",
  "unshelved": "alarm.unshelve",
  "out-of-service": "alarm.out-of-service",
  "returned-to-service": "alarm.return-to-service",
} as const;

function changePoint(
  c: HubRequest,
  deps: RouteDeps,
  { id, to, reason }: {
    readonly id: string;
    readonly to: PointChange;
    readonly reason: string | null;
  },
): Promise<Response> {
  return change(c, deps, () =>
    Promise.resolve(async (tx: Db) => {
      const { steps } = await changePoints(tx, { ids: [id] }, to, actOf(c, deps, reason));
      const news = { steps, chattering: [] };
      return {
        ...await answered(tx, deps, id, ACTIONS[to.kind], reason),
        after: () => publishNews(deps.hub.events, news, { who: c.get("principal").name }),
      };
    }));
}

function addComment(
  c: HubRequest,
  deps: RouteDeps,
  id: string,
  comment: string,
): Promise<Response> {
  return change(c, deps, () =>
    Promise.resolve(async (tx: Db) => {
      const alarm = await commentOnAlarm(tx, id, actOf(c, deps, comment));
      return {
        ...await answered(tx, deps, id, "alarm.comment", comment),
        after: () =>
          deps.hub.events.publish("alarm.commented", { jobId: alarm!.jobId }, {
            alarmId: id,
            equipment: alarm!.equipment,
            comment,
            by: c.get("principal").name,
          }),
      };
    }));
}

/** @throws {Refusal} 404 if there is no such alarm: nothing is changed then. */
async function answered(
  tx: Db,
  { hub }: RouteDeps,
  id: string,
  action: string,
  reason: string | null,
): Promise<Change> {
  const alarm = await getAlarm(tx, id, hub.clock.nowMs());
  if (alarm === null) throw notFound("alarm", id);
  const { equipment, sinkUid, jobId } = alarm;
  return {
    status: 200,
    body: alarm,
    audit: {
      action,
      subject: `alarm:${id}`,
      ...(reason === null ? {} : { reason }),
      fields: { equipment, sinkUid, jobId },
    },
  };
}

function actOf(c: HubRequest, { hub }: RouteDeps, comment: string | null | undefined): Act {
  const { displayName } = c.get("principal");
  return { by: displayName, nowMs: hub.clock.nowMs(), comment: comment ?? null };
}

/** @throws {Refusal} 422 for longer than the settings allow. */
function shelvedUntil({ hub }: RouteDeps, text: string): number {
  const ms = Number(text.slice(0, -1)) * UNIT_MS[text.at(-1)!]!;
  const { shelveMaxMs } = hub.settings.current();
  if (ms < 1_000 || ms > shelveMaxMs) {
    const most = `${shelveMaxMs / 60_000} minutes`;
    throw new Refusal(422, "shelving-too-long", `Alarms may be shelved for ${most} at most`, {
      errors: [{ path: "for", message: `Between 1 s and ${most}` }],
    });
  }
  return hub.clock.nowMs() + ms;
}
