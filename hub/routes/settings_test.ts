import { deepEqual, equal, match, notEqual } from "node:assert/strict";
import type { AuditView, BrokerView, Page, Problem, SettingsView } from "@shared/api.ts";
import type { JobId } from "@shared/ids.ts";
import type { RegionEvent } from "@shared/messages.ts";
import { openTestHub } from "../../tests/support/hub_app.ts";
import { openSettings } from "../settings.ts";

const DAY_MS = 86_400_000;

Deno.test("settings: people's values win over the flags, and last", async (t) => {
  const test = await openTestHub();
  const read = async () => {
    const answer = await test.call("GET", "/api/v1/settings");
    return {
      view: await answer.json() as SettingsView,
      etag: answer.headers.get("etag") ?? "",
    };
  };
  const patch = (body: unknown, etag?: string, token = test.tokens.admin) =>
    test.call("PATCH", "/api/v1/settings", {
      token,
      body,
      headers: etag === undefined ? {} : { "if-match": etag },
    });

  await t.step("the flags' values hold at first", async () => {
    const { view, etag } = await read();
    deepEqual(view, {
      sampleRetentionMs: DAY_MS,
      minuteRetentionMs: 30 * DAY_MS,
      hourRetentionMs: 730 * DAY_MS,
      eventRetentionMs: 7 * DAY_MS,
      staleAfterMs: 30_000,
      shelveMaxMs: DAY_MS,
    });
    match(etag, /^"[0-9a-f]{32}"$/);
  });

  await t.step("a change holds at once, in the database and in the audit log", async () => {
    const { etag } = await read();
    const changed = await patch({ staleAfterMs: 45_000 }, etag);
    equal(changed.status, 200);
    equal((await changed.json() as SettingsView).staleAfterMs, 45_000);
    equal(test.hub.settings.current().staleAfterMs, 45_000);
    const again = await read();
    equal(again.etag, changed.headers.get("etag"));
    notEqual(again.etag, etag);
    const reopened = await openSettings(test.hub.db, test.hub.config);
    deepEqual([reopened.current(), reopened.etag], [again.view, again.etag]);
    const { items } = await (await test.call("GET", "/api/v1/audit?action=settings.change"))
      .json() as Page<AuditView>;
    deepEqual(items.map(({ fields }) => fields), [{ staleAfterMs: { from: 30_000, to: 45_000 } }]);
  });

  await t.step("a stale view is refused with 412, none with 428, and changes nothing", async () => {
    const { etag } = await read();
    equal((await patch({ staleAfterMs: 50_000 }, etag)).status, 200);
    const stale = await patch({ staleAfterMs: 60_000 }, etag);
    equal(stale.status, 412);
    equal(stale.headers.get("etag"), (await read()).etag);
    equal((await stale.json() as Problem).code, "precondition-failed");
    const blind = await patch({ staleAfterMs: 60_000 });
    equal(blind.status, 428);
    equal((await blind.json() as Problem).code, "precondition-required");
    equal((await read()).view.staleAfterMs, 50_000);
    equal((await patch({ staleAfterMs: 55_000 }, "*")).status, 200);
  });

  await t.step("two changes of the same view: one wins", async () => {
    const { etag } = await read();
    const answers = await Promise.all([
      patch({ shelveMaxMs: 2 * DAY_MS }, etag),
      patch({ shelveMaxMs: 3 * DAY_MS }, etag),
    ]);
    deepEqual(answers.map(({ status }) => status).sort(), [200, 412]);
    const winner = answers.find(({ status }) => status === 200)!;
    deepEqual((await read()).view, await winner.json());
  });

  await t.step("null gives a setting back to its flag", async () => {
    const { etag } = await read();
    const changed = await patch({ shelveMaxMs: null, staleAfterMs: null }, etag);
    deepEqual(await changed.json(), {
      ...(await read()).view,
      shelveMaxMs: DAY_MS,
      staleAfterMs: 30_000,
    });
  });

  await t.step("what is out of bounds or unknown is refused by name", async () => {
    const { etag } = await read();
    const refused = await patch({ staleAfterMs: 1, volume: 11 }, etag);
    equal(refused.status, 400);
    const { errors = [] } = await refused.json() as Problem;
    deepEqual(errors.map(({ path }) => path).sort(), ["staleAfterMs", "volume"]);
  });

  await t.step("only an admin changes them", async () => {
    const { etag } = await read();
    equal((await patch({ staleAfterMs: 60_000 }, etag, test.tokens.operator)).status, 403);
  });
  await test.close();
});

Deno.test("brokers: each with whether it answers and what sources measured of it (M7)", async () => {
  const test = await openTestHub();
  test.live.recordBrokerProfile("job" as JobId, "telemetry.0", {
    kind: "event",
    jobId: "job",
    regionId: "telemetry.0",
    attempt: 1,
    type: "broker-profile",
    detail: 'Broker "plant" gives exactly-once',
    fields: { broker: "plant", windowGiven: 1024 },
  } as unknown as RegionEvent);
  const { items } = await (await test.call("GET", "/api/v1/brokers"))
    .json() as { items: BrokerView[] };
  deepEqual(items.map(({ name, url, isReachable, detail }) => [name, url, isReachable, detail]), [
    ["plant", "mqtt://127.0.0.1:1883", false, "no broker here"],
  ]);
  deepEqual(items[0]!.profiles.map(({ jobId, split, detail }) => [jobId, split, detail]), [
    ["job", "telemetry.0", 'Broker "plant" gives exactly-once'],
  ]);
  await test.close();
});
