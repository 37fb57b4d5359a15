import { deepEqual, equal } from "node:assert/strict";
import { alarmEdge, insertAlarmJob } from "../../tests/support/alarm_job.ts";
import { openTestHub } from "../../tests/support/hub_app.ts";
import { recordEdges } from "../db/alarm_store.ts";
import { listNotifications } from "../db/notification_store.ts";
import { notificationChannels } from "../db/schema.ts";
import type { Mail } from "./email.ts";
import { outletsOf } from "./outlets.ts";

Deno.test("notifier: a mail server that never ends holds the other channels up for a minute, not for ever", async () => {
  const asked = Promise.withResolvers<void>();
  const mails: Mail[] = [];
  const outlets = {
    ...outletsOf({ allowWebhookTo: [], mail: null }),
    sendMail(mail: Mail) {
      mails.push(mail);
      asked.resolve();
      return Promise.withResolvers<void>().promise;
    },
  };
  const test = await openTestHub(undefined, undefined, undefined, outlets);
  const { db, clock } = test.hub;
  await insertAlarmJob(db, "job", { heat: {} });
  await db.insert(notificationChannels).values({
    id: "shift",
    name: "shift",
    kind: "email",
    minPriority: "low",
    recipients: ["ann@plant.example"],
    createdAt: new Date(clock.nowMs()),
    createdBy: "test",
  });
  await recordEdges(db, [alarmEdge("a", true, clock.nowMs())], clock.nowMs());
  const round = test.deps.notifier.runRound();
  await asked.promise;
  test.clock.advance(60_000);
  await round;
  const told = await listNotifications(db, { limit: 9, beforeId: null });
  deepEqual(told.map(({ status, tries, error }) => [status, tries, error]), [
    ["pending", 1, "The mail server took more than 60 s"],
  ]);
  equal(mails.length, 1);
  await test.close();
});
