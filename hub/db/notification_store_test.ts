import { deepEqual, equal } from "node:assert/strict";
import { alarmEdge, insertAlarmJob, type SinkRules } from "../../tests/support/alarm_job.ts";
import { openMemoryDatabase } from "../../tests/support/memory_database.ts";
import { acknowledgeAlarms, changePoints, unshelveDue } from "./alarm_acts.ts";
import { recordEdges } from "./alarm_store.ts";
import type { Db } from "./client.ts";
import {
  channelViews,
  deleteNotificationsBefore,
  dueNotifications,
  noteAttempt,
} from "./notification_store.ts";
import { notificationChannels } from "./schema.ts";

const T = Date.UTC(2026, 0, 1);
const MINUTE_MS = 60_000;
const act = (nowMs: number) => ({ by: "ann", nowMs, comment: "known" });

async function withChannels(
  sinks: Readonly<Record<string, SinkRules>>,
  run: (db: Db) => Promise<void>,
): Promise<void> {
  const { db, close } = await openMemoryDatabase();
  try {
    await insertAlarmJob(db, "job", sinks);
    await db.insert(notificationChannels).values(["duty", "pager"].map((id) => ({
      id,
      name: id,
      kind: "webhook",
      minPriority: id === "duty" ? "critical" : "low",
      createdAt: new Date(T),
      createdBy: "test",
    })));
    await run(db);
  } finally {
    await close();
  }
}

const waiting = async (db: Db, nowMs: number) =>
  (await dueNotifications(db, "pager", nowMs, 100)).map(({ kind, alarmId }) =>
    `${kind} ${alarmId}`
  );

Deno.test("notifications: an alarm that comes and goes unseen is told once, and its end once", () =>
  withChannels({ heat: {} }, async (db) => {
    for (let n = 0; n < 4; n++) {
      const atMs = T + n * MINUTE_MS;
      await recordEdges(db, [alarmEdge(`a${n}`, true, atMs)], atMs);
      await recordEdges(db, [alarmEdge(`a${n}`, false, atMs + 1_000)], atMs + 1_000);
    }
    deepEqual(await waiting(db, T + 10 * MINUTE_MS), ["raised a0", "cleared a0"]);
    deepEqual(await dueNotifications(db, "duty", T + 10 * MINUTE_MS, 100), []);
  }));

Deno.test("notifications: who was told of an alarm is told of its end, also while it is shelved; nobody else is", () =>
  withChannels({ heat: {} }, async (db) => {
    const shelved = { kind: "shelved", untilMs: T + MINUTE_MS } as const;
    await recordEdges(db, [alarmEdge("a", true, T)], T);
    await changePoints(db, { ids: ["a"] }, shelved, act(T + 1));
    await recordEdges(db, [alarmEdge("a", false, T + 2)], T + 2);
    await acknowledgeAlarms(db, { ids: ["a"] }, act(T + 3));
    await recordEdges(db, [alarmEdge("b", true, T + 4)], T + 4);
    await recordEdges(db, [alarmEdge("b", false, T + 5)], T + 5);
    await unshelveDue(db, T + MINUTE_MS);
    deepEqual(await waiting(db, T + MINUTE_MS), ["raised a", "cleared a"]);
  }));

Deno.test("notifications: what was acknowledged while it was suppressed does not ring behind it", () =>
  withChannels({ power: {}, heat: { suppressedBy: ["power"] } }, async (db) => {
    const power = { sinkUid: "power", operatorUid: "supply", priority: "low" } as const;
    await recordEdges(db, [alarmEdge("p", true, T, power), alarmEdge("a", true, T)], T);
    await acknowledgeAlarms(db, { ids: ["a"] }, act(T + 1));
    await recordEdges(db, [alarmEdge("p", false, T + 2, power)], T + 2);
    deepEqual(await waiting(db, T + MINUTE_MS), ["raised p", "cleared p"]);
  }));

Deno.test("notifications: the end of an alarm does not overtake a beginning that is tried again", () =>
  withChannels({ heat: {} }, async (db) => {
    await recordEdges(db, [alarmEdge("a", true, T)], T);
    const [raised] = await dueNotifications(db, "pager", T, 100);
    const failed = { status: "pending", error: "no answer", nowMs: T } as const;
    await noteAttempt(db, [raised!.id], { ...failed, retryAtMs: T + MINUTE_MS });
    await recordEdges(db, [alarmEdge("a", false, T + 5)], T + 5);
    await recordEdges(db, [alarmEdge("b", true, T + 6, { key: "other" })], T + 6);
    deepEqual(await waiting(db, T + 10), ["raised b"]);
    deepEqual(await waiting(db, T + MINUTE_MS), ["raised a", "cleared a", "raised b"]);
  }));

Deno.test("notifications: the newest delivery is shown; what is over is forgotten, but for active alarms", () =>
  withChannels({ heat: {} }, async (db) => {
    for (const [n, key] of ["x", "y"].entries()) {
      await recordEdges(db, [alarmEdge(`a${n}`, true, T, { key })], T);
      const [row] = await dueNotifications(db, "pager", T, 100);
      const error = n === 0 ? null : "refused";
      const status = n === 0 ? "delivered" : "failed";
      await noteAttempt(db, [row!.id], { status, error, retryAtMs: null, nowMs: T + n });
    }
    const last = async () => (await channelViews(db)).map(({ lastDelivery }) => lastDelivery);
    const newest = { at: new Date(T + 1).toISOString(), isDelivered: false, error: "refused" };
    deepEqual(await last(), [null, newest]);
    await recordEdges(db, [alarmEdge("a1", false, T + 2, { key: "y" })], T + 2);
    await deleteNotificationsBefore(db, T + MINUTE_MS);
    equal((await last())[1]?.isDelivered, true);
    deepEqual(await waiting(db, T + MINUTE_MS), ["cleared a1"]);
  }));
