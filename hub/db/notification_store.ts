/**
 * Channels that alarms are told to, and the outbox of what is to be told.
 *
 * Touches the database. Messages are rows written in the transaction of the alarm's step, once for each
 * channel and step; a row ends as delivered or failed. Between sending and writing that down a crash may
 * come: then the same message goes out again, under the same id.
 *
 * @module
 */
import { and, asc, desc, eq, inArray, lt, sql } from "drizzle-orm";
import type { NotificationChannelView } from "@shared/plant_api.ts";
import type { LoggedStep } from "./alarm_log.ts";
import { chunksOf } from "./alarm_points.ts";
import { type Db, rowsOf } from "./client.ts";
import { placesOf } from "./equipment_paths.ts";
import { notificationChannels, notifications } from "./schema.ts";

/** Of alarms, least first. */
export const PRIORITIES = ["low", "medium", "high", "critical"] as const;

export type ChannelRow = typeof notificationChannels.$inferSelect;
export type NotificationRow = typeof notifications.$inferSelect;
type ChannelTarget = Pick<ChannelRow, "id" | "minPriority" | "path">;

/**
 * Puts the steps into the outbox of every channel that is for them. An end is for the channels that were
 * told of the alarm, and not yet that it is over.
 */
export async function enqueueNotifications(
  tx: Db,
  steps: readonly LoggedStep[],
  nowMs: number,
): Promise<void> {
  if (steps.length === 0) return;
  const channels: ChannelTarget[] = await tx.select({
    id: notificationChannels.id,
    minPriority: notificationChannels.minPriority,
    path: notificationChannels.path,
  }).from(notificationChannels).where(eq(notificationChannels.isEnabled, true));
  if (channels.length === 0) return;
  const places = await placesOf(tx, steps.map(({ alarm }) => alarm.equipment));
  const last = await lastKinds(tx, channels, steps);
  const rows = steps.flatMap(({ alarm, kind, atMs }) =>
    channels.filter((channel) => {
      const told = toldText(channel.id, alarm.id);
      const isTold = kind === "cleared"
        ? (last.get(told) ?? "cleared") !== "cleared"
        : isFor(channel, alarm.priority, places(alarm.equipment));
      if (isTold) last.set(told, kind);
      return isTold;
    }).map(({ id }) => ({
      channelId: id,
      alarmId: alarm.id,
      kind,
      createdAt: new Date(atMs),
      status: "pending",
      dueAt: new Date(nowMs),
    }))
  );
  for (const chunk of chunksOf(rows)) {
    await tx.insert(notifications).values(chunk).onConflictDoNothing();
  }
}

/** What each channel was last told of the alarms that are over; by `toldText`. */
async function lastKinds(
  tx: Db,
  channels: readonly ChannelTarget[],
  steps: readonly LoggedStep[],
): Promise<Map<string, string>> {
  const over = steps.filter(({ kind }) => kind === "cleared").map(({ alarm }) => alarm.id);
  const found = new Map<string, string>();
  for (const chunk of chunksOf([...new Set(over)])) {
    const rows = rowsOf<{ channelId: string; alarmId: string; kind: string }>(
      await tx.execute(sql`
      select distinct on (channel_id, alarm_id) channel_id as "channelId", alarm_id as "alarmId", kind
      from notifications where channel_id in ${channels.map(({ id }) => id)}
        and alarm_id in ${chunk} order by channel_id, alarm_id, id desc`),
    );
    for (const { channelId, alarmId, kind } of rows) found.set(toldText(channelId, alarmId), kind);
  }
  return found;
}

function toldText(channelId: string, alarmId: string): string {
  return `${channelId} ${alarmId}`;
}

function isFor(channel: ChannelTarget, priority: string, path: readonly string[]): boolean {
  const rank = (name: string) => PRIORITIES.findIndex((one) => one === name);
  return rank(priority) >= rank(channel.minPriority) &&
    channel.path.every((level, i) => path[i] === level);
}

export async function insertChannel(tx: Db, channel: ChannelRow): Promise<void> {
  await tx.insert(notificationChannels).values(channel);
}

/** @returns Whether there is such a channel. */
export async function updateChannel(
  tx: Db,
  id: string,
  set: Partial<Omit<ChannelRow, "id" | "kind" | "createdAt" | "createdBy">>,
): Promise<boolean> {
  const rows = await tx.update(notificationChannels).set({ ...set, id })
    .where(eq(notificationChannels.id, id)).returning({ id: notificationChannels.id });
  return rows.length > 0;
}

/** What waits for it goes too. @returns Whether there was such a channel. */
export async function deleteChannel(tx: Db, id: string): Promise<boolean> {
  await tx.delete(notifications).where(eq(notifications.channelId, id));
  const rows = await tx.delete(notificationChannels).where(eq(notificationChannels.id, id))
    .returning({ id: notificationChannels.id });
  return rows.length > 0;
}

export async function getChannel(db: Db, id: string): Promise<ChannelRow | null> {
  const rows = await db.select().from(notificationChannels).where(eq(notificationChannels.id, id));
  return rows[0] ?? null;
}

/** Channels by name, with what came of their last message; names instead of principals. */
export async function channelViews(db: Db, id?: string): Promise<NotificationChannelView[]> {
  const channels = await db.select().from(notificationChannels)
    .where(id === undefined ? undefined : eq(notificationChannels.id, id))
    .orderBy(asc(notificationChannels.name), asc(notificationChannels.id));
  const last = await lastDeliveries(db, channels.map((channel) => channel.id));
  return channels.map((channel) => ({
    id: channel.id,
    name: channel.name,
    kind: channel.kind as NotificationChannelView["kind"],
    isEnabled: channel.isEnabled,
    minPriority: channel.minPriority as NotificationChannelView["minPriority"],
    path: channel.path,
    url: channel.url,
    recipients: channel.recipients,
    createdAt: channel.createdAt.toISOString(),
    createdBy: channel.createdBy,
    lastDelivery: last.get(channel.id) ?? null,
  }));
}

async function lastDeliveries(
  db: Db,
  channelIds: readonly string[],
): Promise<Map<string, NonNullable<NotificationChannelView["lastDelivery"]>>> {
  if (channelIds.length === 0) return new Map();
  const rows = rowsOf<{ id: string; at: string | Date; status: string; error: string | null }>(
    await db.execute(sql`
    select c.id, last.ended_at as at, last.status, last.error from notification_channels c
    cross join lateral (
      select ended_at, status, error from notifications n
      where n.channel_id = c.id and n.ended_at is not null
      order by n.ended_at desc, n.id desc limit 1) last
    where c.id in ${[...channelIds]}`),
  );
  return new Map(rows.map(({ id, at, status, error }) => [
    id,
    { at: new Date(at).toISOString(), isDelivered: status === "delivered", error },
  ]));
}

/** One message to one channel, as GET /notifications shows it. */
export interface NotificationView {
  readonly id: number;
  readonly channelId: string;
  readonly channelName: string | null;
  /** Empty for a trial. */
  readonly alarmId: string;
  readonly kind: string;
  readonly createdAt: string;
  readonly status: string;
  readonly tries: number;
  readonly endedAt: string | null;
  readonly error: string | null;
}

/** Newest first. */
export async function listNotifications(
  db: Db,
  page: {
    readonly limit: number;
    readonly beforeId: number | null;
    readonly channelId?: string | undefined;
    readonly status?: string | undefined;
  },
): Promise<NotificationView[]> {
  const rows = await db.select({ row: notifications, channelName: notificationChannels.name })
    .from(notifications)
    .leftJoin(notificationChannels, eq(notificationChannels.id, notifications.channelId))
    .where(and(
      page.beforeId === null ? undefined : lt(notifications.id, page.beforeId),
      page.channelId === undefined ? undefined : eq(notifications.channelId, page.channelId),
      page.status === undefined ? undefined : eq(notifications.status, page.status),
    )).orderBy(desc(notifications.id)).limit(page.limit);
  return rows.map(({ row, channelName }) => ({
    id: row.id,
    channelId: row.channelId,
    channelName,
    alarmId: row.alarmId,
    kind: row.kind,
    createdAt: row.createdAt.toISOString(),
    status: row.status,
    tries: row.tries,
    endedAt: row.endedAt?.toISOString() ?? null,
    error: row.error,
  }));
}

/** Channels with a message that is due. */
export async function channelsDue(db: Db, nowMs: number): Promise<string[]> {
  const rows = rowsOf<{ id: string }>(
    await db.execute(sql`
    select distinct channel_id as id from notifications
    where due_at <= ${new Date(nowMs).toISOString()}::timestamptz`),
  );
  return rows.map(({ id }) => id);
}

/** What is due for a channel, oldest first; of an alarm nothing overtakes what is tried again later. */
export async function dueNotifications(
  db: Db,
  channelId: string,
  nowMs: number,
  limit: number,
): Promise<NotificationRow[]> {
  const now = sql`${new Date(nowMs).toISOString()}::timestamptz`;
  return await db.select().from(notifications).where(and(
    eq(notifications.channelId, channelId),
    sql`${notifications.dueAt} <= ${now}`,
    sql`not exists (select from notifications n where n.channel_id = ${notifications.channelId}
      and n.alarm_id = ${notifications.alarmId} and n.id < ${notifications.id} and n.due_at > ${now})`,
  )).orderBy(asc(notifications.id)).limit(limit);
}

/** Notes how an attempt at sending `ids` ended; with `retryAtMs` it is made again. */
export async function noteAttempt(
  tx: Db,
  ids: readonly number[],
  outcome: {
    readonly status: "pending" | "delivered" | "failed";
    readonly error: string | null;
    readonly retryAtMs: number | null;
    readonly nowMs: number;
  },
): Promise<void> {
  const isOver = outcome.status !== "pending";
  await tx.update(notifications).set({
    status: outcome.status,
    error: outcome.error,
    tries: sql`${notifications.tries} + 1`,
    dueAt: outcome.retryAtMs === null ? null : new Date(outcome.retryAtMs),
    ...(isOver ? { endedAt: new Date(outcome.nowMs) } : {}),
  }).where(and(inArray(notifications.id, [...ids]), eq(notifications.status, "pending")));
}

/** A message that was tried and is over at once: a trial. */
export async function insertTrial(
  tx: Db,
  trial: {
    readonly channelId: string;
    readonly id: string;
    readonly error: string | null;
    readonly nowMs: number;
  },
): Promise<void> {
  const at = new Date(trial.nowMs);
  await tx.insert(notifications).values({
    channelId: trial.channelId,
    alarmId: "",
    kind: `test-${trial.id}`,
    createdAt: at,
    status: trial.error === null ? "delivered" : "failed",
    tries: 1,
    endedAt: at,
    error: trial.error,
  });
}

/** Forgets what was told before `beforeMs`, but for alarms whose end is still to be told. */
export async function deleteNotificationsBefore(db: Db, beforeMs: number): Promise<void> {
  await db.delete(notifications).where(and(
    lt(notifications.endedAt, new Date(beforeMs)),
    sql`not exists (select from alarms a where a.id = ${notifications.alarmId} and a.is_active)`,
  ));
}
