/**
 * Alarms on a real PostgreSQL: the same statements over another driver, and writers at the same time.
 *
 * @module
 */
import { deepEqual, equal } from "node:assert/strict";
import { systemClock } from "@shared/platform/clock.ts";
import { lockDirectory } from "@shared/platform/directory_lock.ts";
import { acknowledgeAlarms, changePoints, unshelveDue } from "../../hub/db/alarm_acts.ts";
import { alarmHealth } from "../../hub/db/alarm_health.ts";
import { recordEdges, settleDue } from "../../hub/db/alarm_store.ts";
import { alarmDetail, countAlarms, listAlarms } from "../../hub/db/alarm_views.ts";
import { type Db, openDatabase } from "../../hub/db/client.ts";
import { openSilences, runningGraphs } from "../../hub/db/alarm_silence.ts";
import { endsWithJobs } from "../../hub/db/alarm_job_end.ts";
import { countForPlans } from "../../hub/db/alarm_points.ts";
import { jobs, notificationChannels } from "../../hub/db/schema.ts";
import {
  channelsDue,
  channelViews,
  deleteNotificationsBefore,
  dueNotifications,
} from "../../hub/db/notification_store.ts";
import { alarmEdge, insertAlarmJob } from "../support/alarm_job.ts";
import { hasPostgres, startPostgres } from "../support/postgres.ts";

const server = await hasPostgres() ? await startPostgres() : null;
Deno.test.afterAll(() => server?.stop());

const T = Date.UTC(2026, 0, 1);
const MANY = 10_000;
const WRITERS = 8;
const act = (nowMs: number) => ({ by: "ann", nowMs, comment: "seen" });

Deno.test({
  name:
    "alarms on PostgreSQL: writers at once ring each alarm once, acts on many are one statement",
  ignore: server === null,
  async fn(t) {
    const databaseUrl = await server!.createDatabase();
    const { db, close } = await openDatabase({ databaseUrl }, {
      clock: systemClock,
      lockDirectory,
    });
    const noData = { afterMs: 60_000, priority: "low" } as const;
    await insertAlarmJob(db, "job", { heat: {}, slow: { onDelayMs: 10_000, noData } });
    await db.insert(notificationChannels).values({
      id: "channel",
      name: "pager",
      kind: "webhook",
      minPriority: "low",
      createdAt: new Date(T),
      createdBy: "test",
    });

    await t.step(
      "edges that come to several writers at once ring once, and are told once",
      async () => {
        const edges = Array.from(
          { length: 50 },
          (_, n) => alarmEdge(`a${n}`, true, T, { key: `hall/pump-${n}` }),
        );
        const all = await Promise.all(
          Array.from({ length: WRITERS }, () => recordEdges(db, edges, T)),
        );
        equal(all.flatMap(({ steps }) => steps).length, 50);
        deepEqual(await channelsDue(db, T), ["channel"]);
        equal((await dueNotifications(db, "channel", T, 1_000)).length, 50);
      },
    );

    await t.step("people who acknowledge at once: each alarm has one of them", async () => {
      const counts = await Promise.all(
        Array.from(
          { length: WRITERS },
          () => db.transaction((tx) => acknowledgeAlarms(tx, { filter: {} }, act(T + 1))),
        ),
      );
      equal(counts.flat().length, 50);
      equal((await countAlarms(db, { state: "unacknowledged" }, T)).total, 0);
    });

    await t.step("the clock, shelving, health and detail work over this driver", async () => {
      await recordEdges(db, [alarmEdge("s", true, T, { sinkUid: "slow", key: "hall/fan" })], T);
      const looks = await Promise.all([1, 2, 3].map(() => settleDue(db, T + 10_000)));
      equal(looks.flatMap(({ steps }) => steps).length, 1);
      const until = { kind: "shelved", untilMs: T + 60_000 } as const;
      equal((await changePoints(db, { ids: ["s"] }, until, act(T + 11_000))).points, 1);
      equal((await unshelveDue(db, T + 60_000)).length, 1);
      const detail = await alarmDetail(db, "s", T + 60_000);
      deepEqual([detail?.path, detail?.transitions.length], [["hall"], 3]);
      const health = await alarmHealth(db, { fromMs: T, toMs: T + 600_000 }, T + 600_000);
      deepEqual([health.floods.length, health.peakPerTenMinutes], [1, 52]);
      equal((await runningGraphs(db)).length, 1);
      equal((await listAlarms(db, { search: "FAN", limit: 9, before: null }, T)).length, 1);
    });

    await t.step(
      "what is odd, what fell silent, and what nobody watches, over this driver",
      () => tellTheRest(db),
    );

    await t.step(
      "ten thousand are acknowledged by one filter, and a second time none",
      () => acknowledgeMany(db),
    );
    await close();
  },
});

async function tellTheRest(db: Db): Promise<void> {
  const about = { sinkUid: "slow", key: "x" };
  await recordEdges(db, [alarmEdge("n", true, T, about)], T, "no-data");
  deepEqual((await openSilences(db)).map(({ id }) => id), ["n"]);
  await recordEdges(db, [alarmEdge("n", false, T + 1, about)], T + 1, "no-data");
  deepEqual(await openSilences(db), []);
  const odd = alarmEdge("odd", true, 1.7e15, { key: `hall/${"x".repeat(3_000)}` });
  equal((await recordEdges(db, [odd], T + 2)).steps.length, 1);
  equal((await dueNotifications(db, "channel", T + 2, 1_000)).at(-1)?.alarmId, "odd");
  await deleteNotificationsBefore(db, T + 3);
  equal((await channelViews(db))[0]?.lastDelivery, null);
  await countForPlans(db);
  deepEqual(await endsWithJobs(db), []);
  await db.update(jobs).set({ desiredState: "stopped", stoppedAt: new Date(T + 3) });
  const ends = await endsWithJobs(db);
  equal(ends.length, 52);
  await recordEdges(db, ends, T + 3, "clock");
  deepEqual(await endsWithJobs(db), []);
  await acknowledgeAlarms(db, { ids: ["n", "odd"] }, act(T + 4));
}

async function acknowledgeMany(db: Db): Promise<void> {
  const edges = Array.from(
    { length: MANY },
    (_, n) => alarmEdge(`m${n}`, true, T + n, { key: `hall/many-${n}` }),
  );
  for (let i = 0; i < MANY; i += 1_000) {
    await recordEdges(db, edges.slice(i, i + 1_000), T + MANY);
  }
  const filter = { state: "attention", path: ["hall"] } as const;
  const acknowledge = () =>
    db.transaction((tx) => acknowledgeAlarms(tx, { filter }, act(T + MANY)));
  equal((await acknowledge()).length, MANY + 1);
  equal((await acknowledge()).length, 0);
}
