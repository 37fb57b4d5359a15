/**
 * Channels that alarms are told to, and what was told.
 *
 * Touches the database; a trial touches the network. The secret that signs a webhook is shown in the answer
 * that makes the channel, and never again.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { NotificationChannelView } from "@shared/plant_api.ts";
import type { Db } from "../db/client.ts";
import {
  channelViews,
  deleteChannel,
  getChannel,
  insertChannel,
  listNotifications,
  updateChannel,
} from "../db/notification_store.ts";
import { principalNames } from "../db/principal_names.ts";
import { urlRefusal } from "../notifications/address_guard.ts";
import { newChannelSecret, sealSecret } from "../notifications/channel_secret.ts";
import { isMailAddress } from "../notifications/mail_settings.ts";
import {
  type HubApp,
  type HubRequest,
  json,
  jsonBody,
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
import { notificationChannelSchema, pageSchema } from "./schemas.ts";

const RECIPIENTS_MAX = 50;

const path = z.array(z.string().min(1).max(200)).max(20)
  .openapi({ description: "Part of the plant, outermost level first; empty: all of it" });
const minPriority = z.enum(["low", "medium", "high", "critical"])
  .openapi({ description: "Alarms below it are not told" });
const url = z.url().max(2_000);
const recipients = z.array(z.string().max(320)).max(RECIPIENTS_MAX);

const channelBody = z.strictObject({
  name: z.string().trim().min(1).max(100),
  kind: z.enum(["webhook", "email"]),
  minPriority: minPriority.default("low"),
  path: path.default([]),
  url: url.optional().openapi({ description: "webhook: where to" }),
  recipients: recipients.default([]).openapi({ description: "email: who gets it" }),
  isEnabled: z.boolean().default(true),
}).openapi({
  example: {
    name: "night shift",
    kind: "webhook",
    minPriority: "high",
    path: ["north"],
    url: "https://alerts.example.com/penstock",
    recipients: [],
    isEnabled: true,
  },
});

const patchBody = z.strictObject({
  name: z.string().trim().min(1).max(100).optional(),
  isEnabled: z.boolean().optional(),
  minPriority: minPriority.optional(),
  path: path.optional(),
  url: url.optional(),
  recipients: recipients.optional(),
});

const idParam = { params: z.object({ id: z.string().min(1).max(64) }) };
const channelPath = "/api/v1/notifications/channels" as const;

const listRoute = createRoute({
  method: "get",
  path: channelPath,
  tags: ["notifications"],
  summary: "Channels that alarms are told to, by name",
  responses: {
    200: json("All of them", z.object({ items: z.array(notificationChannelSchema).readonly() })),
  },
});

const createdChannelSchema = notificationChannelSchema.extend({
  secret: z.string().nullable().openapi({
    description: "Signs what is sent to a webhook; shown this once",
  }),
}).openapi("CreatedNotificationChannel");

const createChannelRoute = createRoute({
  method: "post",
  path: channelPath,
  tags: ["notifications"],
  summary: "Tell alarms to a webhook or by e-mail",
  request: { body: jsonBody(channelBody) },
  responses: { 201: json("The channel, with the secret of a webhook", createdChannelSchema) },
});

const patchRoute = createRoute({
  method: "patch",
  path: `${channelPath}/{id}` as const,
  tags: ["notifications"],
  summary: "Change a channel",
  request: { ...idParam, body: jsonBody(patchBody) },
  responses: { 200: json("The channel as it is now", notificationChannelSchema) },
});

const deleteRoute = createRoute({
  method: "delete",
  path: `${channelPath}/{id}` as const,
  tags: ["notifications"],
  summary: "Delete a channel, and what waits for it",
  request: idParam,
  responses: { 204: { description: "Deleted" } },
});

const testRoute = createRoute({
  method: "post",
  path: `${channelPath}/{id}/test` as const,
  tags: ["notifications"],
  summary: "Send a trial now",
  request: { ...idParam, body: optionalJsonBody(z.strictObject({})) },
  responses: {
    200: json(
      "What came of it",
      z.object({ isDelivered: z.boolean(), error: z.string().nullable() })
        .openapi("NotificationTrial"),
    ),
  },
});

const deliverySchema = z.object({
  id: z.int(),
  channelId: z.string(),
  channelName: z.string().nullable(),
  alarmId: z.string().openapi({ description: "Empty for a trial" }),
  kind: z.string(),
  createdAt: z.string().openapi({ format: "date-time" }),
  status: z.string(),
  tries: z.int(),
  endedAt: z.string().nullable().openapi({ format: "date-time" }),
  error: z.string().nullable(),
}).openapi("Notification");

const deliveriesRoute = createRoute({
  method: "get",
  path: "/api/v1/notifications",
  tags: ["notifications"],
  summary: "What was told, and what waits to be, newest first",
  request: {
    query: z.strictObject({
      ...pageQuery,
      channelId: z.string().max(64).optional(),
      status: z.enum(["pending", "delivered", "failed"]).optional(),
    }),
  },
  responses: { 200: json("One page", pageSchema(deliverySchema)) },
});

export const notificationRoutes = [
  listRoute,
  createChannelRoute,
  patchRoute,
  deleteRoute,
  testRoute,
  deliveriesRoute,
] as const;

export function addNotificationRoutes(app: HubApp, deps: RouteDeps): void {
  const { hub } = deps;
  serve(app, deps, "viewer", listRoute, async (c) => {
    const channels = await namedChannels(hub.db);
    const isAdmin = c.get("principal").role === "admin";
    return c.json({ items: isAdmin ? channels : channels.map(withoutPath) }, 200);
  });
  serve(app, deps, "admin", createChannelRoute, (c) =>
    change(c, deps, () => {
      const body = c.req.valid("json");
      refuseUnusable(body, body.kind, deps);
      return Promise.resolve((tx: Db) => makeChannel(c, deps, tx, body));
    }));
  serve(app, deps, "admin", patchRoute, (c) =>
    change(c, deps, () => {
      const patch = c.req.valid("json");
      return Promise.resolve((tx: Db) => patchChannel(deps, tx, c.req.valid("param").id, patch));
    }));
  serve(
    app,
    deps,
    "admin",
    deleteRoute,
    (c) =>
      change(c, deps, () =>
        Promise.resolve(async (tx: Db) => {
          const { id } = c.req.valid("param");
          if (!await deleteChannel(tx, id)) throw notFound("channel", id);
          const audit = { action: "notification-channel.delete", subject: `channel:${id}` };
          return { status: 204, body: null, audit };
        })),
  );
  serve(app, deps, "admin", testRoute, (c) =>
    change(c, deps, async () => {
      const { id } = c.req.valid("param");
      const channel = await getChannel(hub.db, id);
      if (channel === null) throw notFound("channel", id);
      const error = await deps.notifier.try(channel);
      return () =>
        Promise.resolve({
          status: 200,
          body: { isDelivered: error === null, error },
          audit: {
            action: "notification-channel.test",
            subject: `channel:${id}`,
            fields: { isDelivered: error === null },
          },
        });
    }));
  serve(app, deps, "viewer", deliveriesRoute, async (c) => {
    const { limit, cursor, channelId, status } = c.req.valid("query");
    const beforeId = readCursor(cursor, z.int());
    const found = await listNotifications(hub.db, {
      limit: limit + 1,
      beforeId,
      channelId,
      status,
    });
    return c.json(pageOf(found, limit, ({ id }) => id), 200);
  });
}

async function namedChannels(db: Db, id?: string): Promise<NotificationChannelView[]> {
  const views = await channelViews(db, id);
  const names = await principalNames(db, views.map(({ createdBy }) => createdBy));
  return views.map((view) => ({ ...view, createdBy: names.get(view.createdBy) ?? view.createdBy }));
}

/** Some webhooks have their key in the path: only who may change a channel sees it whole. */
function withoutPath(channel: NotificationChannelView): NotificationChannelView {
  const { url } = channel;
  return { ...channel, url: url === null ? null : `${new URL(url).origin}/…` };
}

async function makeChannel(
  c: HubRequest,
  { hub, signingSecret }: RouteDeps,
  tx: Db,
  body: z.infer<typeof channelBody>,
): Promise<Change> {
  const channelId = hub.random.uuid();
  const isWebhook = body.kind === "webhook";
  const secret = isWebhook ? newChannelSecret(hub.random) : null;
  await insertChannel(tx, {
    id: channelId,
    name: body.name,
    kind: body.kind,
    isEnabled: body.isEnabled,
    minPriority: body.minPriority,
    path: body.path,
    url: isWebhook ? body.url ?? null : null,
    sealedSecret: secret === null
      ? null
      : sealSecret(secret, { channelId, signingSecret }, hub.random),
    recipients: isWebhook ? [] : body.recipients,
    createdAt: new Date(hub.clock.nowMs()),
    createdBy: c.get("principal").name,
  });
  const [view] = await namedChannels(tx, channelId);
  return {
    status: 201,
    body: { ...view, secret },
    isSecret: true,
    headers: { location: `${channelPath}/${channelId}` },
    audit: {
      action: "notification-channel.create",
      subject: `channel:${channelId}`,
      fields: { name: body.name, kind: body.kind, host: hostText(body.url) },
    },
  };
}

async function patchChannel(
  deps: RouteDeps,
  tx: Db,
  id: string,
  patch: z.infer<typeof patchBody>,
): Promise<Change> {
  const known = await getChannel(tx, id);
  if (known === null) throw notFound("channel", id);
  const url = patch.url ?? known.url ?? undefined;
  const recipients = patch.recipients ?? known.recipients;
  refuseUnusable({ url, recipients }, known.kind, deps);
  const set = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
  await updateChannel(tx, id, set);
  const [view] = await namedChannels(tx, id);
  return {
    status: 200,
    body: view,
    audit: {
      action: "notification-channel.change",
      subject: `channel:${id}`,
      fields: { ...set, ...(patch.url === undefined ? {} : { url: hostText(patch.url) }) },
    },
  };
}

/** The audit log keeps no URL: some hold a key in their path. */
function hostText(url: string | undefined): string | null {
  return url === undefined ? null : new URL(url).host;
}

function refuseUnusable(
  { url, recipients }: {
    readonly url?: string | undefined;
    readonly recipients: readonly string[];
  },
  kind: string,
  { notifier }: RouteDeps,
): void {
  if (kind === "email") {
    const bad = recipients.find((one) => !isMailAddress(one));
    if (recipients.length > 0 && bad === undefined) return;
    const detail = bad === undefined ? "Name at least one recipient" : `"${bad}" is no address`;
    throw misfit("recipients", detail);
  }
  if (url === undefined) throw misfit("url", "A webhook has a URL");
  const refused = urlRefusal(new URL(url), notifier.allowed);
  if (refused !== null) throw misfit("url", `Nothing would be sent there: ${refused}`);
}

function misfit(field: string, detail: string): Refusal {
  return new Refusal(422, "channel-unusable", detail, {
    errors: [{ path: field, message: detail }],
  });
}
