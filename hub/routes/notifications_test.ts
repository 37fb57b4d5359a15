import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Page } from "@shared/api.ts";
import type { NotificationChannelView } from "@shared/plant_api.ts";
import { alarmEdge, insertAlarmJob } from "../../tests/support/alarm_job.ts";
import { openTestHub, type TestHub } from "../../tests/support/hub_app.ts";
import { mailReceiver, webhookReceiver } from "../../tests/support/message_receivers.ts";
import { recordEdges } from "../db/alarm_store.ts";
import type { NotificationView } from "../db/notification_store.ts";
import { mailSender } from "../notifications/email.ts";
import { GROUPING_MS } from "../notifications/notifier.ts";
import { outletsOf } from "../notifications/outlets.ts";

const channels = "/api/v1/notifications/channels";

async function pass(test: TestHub, ms: number): Promise<void> {
  test.clock.advance(ms);
  await test.deps.notifier.runRound();
}

Deno.test("notifications: alarms go to webhooks and by mail, in groups, once", async (t) => {
  const hook = webhookReceiver();
  const mail = await mailReceiver();
  const outlets = {
    ...outletsOf({ allowWebhookTo: ["127.0.0.0/8"], mail: null }),
    sendMail: mailSender({
      url: `smtp://127.0.0.1:${mail.port}`,
      password: null,
      from: "hub@plant.example",
    }),
  };
  const test = await openTestHub(undefined, undefined, undefined, outlets);
  const { db, clock } = test.hub;
  await insertAlarmJob(db, "job", { heat: { cause: "dry bearing", consequence: "fire" } });
  const create = async (body: unknown) => {
    const response = await test.call("POST", channels, { body });
    return { status: response.status, body: await response.json() };
  };
  const deliveries = async () =>
    (await (await test.call("GET", "/api/v1/notifications")).json() as Page<NotificationView>)
      .items;

  let secret = "";
  let hookId = "";
  await t.step("the secret is shown once, and kept sealed", async () => {
    const made = await create({ name: "pager", kind: "webhook", url: hook.url });
    equal(made.status, 201);
    ({ secret, id: hookId } = made.body);
    match(secret, /^whsec_[\w-]{43}$/);
    const mailTo = { name: "shift", kind: "email", recipients: ["ann@plant.example"] };
    equal((await create({ ...mailTo, path: ["north"], minPriority: "high" })).status, 201);
    const listed = await (await test.call("GET", channels)).text();
    equal(listed.includes(secret), false);
    const seen = await (await test.call("GET", channels, { token: test.tokens.operator })).json();
    deepEqual(seen.items.map(({ url }: NotificationChannelView) => url), [
      `${new URL(hook.url).origin}/…`,
      null,
    ]);
    const stored = JSON.stringify(await db.query.notificationChannels.findMany());
    equal(stored.includes(secret), false);
  });

  await t.step("targets that are not public, and mails to nobody, are refused", async () => {
    for (const url of ["http://169.254.169.254/", "http://10.0.0.1/", "http://u:p@8.8.8.8/"]) {
      const refused = await create({ name: "x", kind: "webhook", url });
      deepEqual([refused.status, refused.body.code], [422, "channel-unusable"], url);
    }
    equal((await create({ name: "x", kind: "email", recipients: [] })).status, 422);
    equal((await create({ name: "x", kind: "email", recipients: ["a@b\nBcc: c@d"] })).status, 422);
    const body = { name: "x", kind: "webhook", url: hook.url };
    equal((await test.call("POST", channels, { body, token: test.tokens.operator })).status, 403);
  });

  await t.step("what happens within ten seconds is one message, signed", async () => {
    await recordEdges(db, [alarmEdge("a", true, clock.nowMs())], clock.nowMs());
    await pass(test, 1_000);
    const low = alarmEdge("low", true, clock.nowMs(), { priority: "low", key: "south/fan" });
    await recordEdges(db, [low, alarmEdge("a", false, clock.nowMs())], clock.nowMs());
    await pass(test, 1_000);
    equal(hook.got.length, 1);
    await pass(test, GROUPING_MS);
    deepEqual(
      hook.got.map(({ events }) => events.map(({ kind, alarm }) => `${kind} ${alarm?.id}`).sort()),
      [["raised a"], ["cleared a", "raised low"]],
    );
    ok(hook.got.every(({ isSigned }) => isSigned(secret)));
    equal(hook.got[0]?.events[0]?.alarm?.cause, "dry bearing");
  });

  await t.step("a mail says what, where, why and what to do, for its part of the plant", () => {
    equal(mail.mails.length, 2);
    const { to, text } = mail.mails[0]!;
    deepEqual(to, ["ann@plant.example"]);
    match(text, /Subject: \[HIGH\] north\/hall\/pump-1: bearing too hot/);
    match(text, /Where: north \/ hall \/ north\/hall\/pump-1/);
    match(text, /Cause: dry bearing\r?\nConsequence: fire/);
    equal(mail.mails.some(({ text }) => text.includes("south/fan")), false);
  });

  await t.step("a replay tells nobody again", async () => {
    const replay = [alarmEdge("a", true, clock.nowMs()), alarmEdge("a", false, clock.nowMs())];
    await recordEdges(db, replay, clock.nowMs());
    await pass(test, GROUPING_MS);
    equal(hook.got.length, 2);
  });

  await t.step("what fails is tried again under the same id, and given up in the end", async () => {
    hook.state.failures = 1;
    const at = clock.nowMs();
    await recordEdges(db, [alarmEdge("b", true, at, { key: "south/fan-2" })], at);
    await pass(test, GROUPING_MS);
    const [waiting] = await deliveries();
    deepEqual([waiting?.status, waiting?.tries], ["pending", 1]);
    await pass(test, GROUPING_MS);
    equal((await deliveries())[0]?.status, "delivered");
    hook.state.failures = 1_000;
    await recordEdges(db, [alarmEdge("c", true, at, { key: "south/fan-3" })], at);
    for (let i = 0; i < 8; i++) await pass(test, 1_800_000);
    const [failed] = await deliveries();
    deepEqual([failed?.status, failed?.tries, failed?.alarmId], ["failed", 6, "c"]);
    const view = await (await test.call("GET", channels)).json() as {
      items: NotificationChannelView[];
    };
    const last = view.items.find(({ id }) => id === hookId)?.lastDelivery;
    equal(last?.isDelivered, false);
    match(last?.error ?? "", /answered with 500/);
    await test.events.flush();
    const events = await test.events.since(0, 500);
    equal(events.filter(({ type }) => type === "notification.failed").length, 7);
  });

  await t.step("a trial says at once what came of it", async () => {
    const trial = async () => await (await test.call("POST", `${channels}/${hookId}/test`)).json();
    deepEqual(await trial(), { isDelivered: false, error: "The target answered with 500" });
    hook.state.failures = 0;
    deepEqual(await trial(), { isDelivered: true, error: null });
    equal(hook.got.at(-1)?.events[0]?.kind, "test");
  });

  await t.step("a channel that is off, or gone, is told nothing", async () => {
    const count = hook.got.length;
    const body = { isEnabled: false };
    equal((await test.call("PATCH", `${channels}/${hookId}`, { body })).status, 200);
    const at = clock.nowMs();
    await recordEdges(db, [alarmEdge("d", true, at, { key: "south/fan-4" })], at);
    await pass(test, GROUPING_MS);
    equal((await test.call("DELETE", `${channels}/${hookId}`)).status, 204);
    equal((await test.call("DELETE", `${channels}/${hookId}`)).status, 404);
    await pass(test, GROUPING_MS);
    equal(hook.got.length, count);
  });
  await test.close();
  await hook.close();
  await mail.close();
});
