import { deepEqual, equal } from "node:assert/strict";
import type { Page } from "@shared/api.ts";
import type { AlarmTransitionView, AlarmView } from "@shared/plant_api.ts";
import type { JobId, RegionId } from "@shared/ids.ts";
import type { AlarmEdge } from "@shared/messages.ts";
import { openTestHub } from "../../tests/support/hub_app.ts";
import { recordEdges } from "../db/alarm_store.ts";
import { writeCursor } from "./http.ts";

const AT_MS = Date.UTC(2026, 0, 1) - 60_000;

function edge(alarm: number, isActive: boolean, atMs = AT_MS, key = "pump-1"): AlarmEdge {
  return {
    edgeId: `${alarm}-${isActive ? "raise" : "clear"}`,
    alarmId: `alarm-${alarm}`,
    jobId: "job" as JobId,
    regionId: "s.0" as RegionId,
    attempt: 1,
    operatorUid: "drift",
    sinkUid: "anomalies",
    key,
    isActive,
    priority: alarm === 2 ? "high" : "medium",
    text: `odd ${alarm}`,
    response: "",
    atMs,
    value: 71.5,
    score: alarm === 3 ? null : 4.2,
    threshold: 4,
  } as AlarmEdge;
}

Deno.test("alarms: raised once, cleared, acknowledged by a person", async (t) => {
  const test = await openTestHub();
  const { db } = test.hub;
  const alarms = async (query = "") =>
    (await (await test.call("GET", `/api/v1/alarms${query}`)).json() as Page<AlarmView>).items;

  await t.step("edges replayed after a restore ring nobody twice", async () => {
    const first = await recordEdges(db, [edge(1, true), edge(2, true, AT_MS + 5, "pump-2")], AT_MS);
    deepEqual(first.steps.map(({ kind, alarm }) => [kind, alarm.id]), [
      ["raised", "alarm-1"],
      ["raised", "alarm-2"],
    ]);
    const replay = await recordEdges(db, [edge(1, true), edge(1, false, AT_MS + 9)], AT_MS);
    deepEqual(replay.steps.map(({ kind, alarm }) => [kind, alarm.id]), [["cleared", "alarm-1"]]);
    deepEqual((await alarms("?state=active")).map(({ id }) => id), ["alarm-2"]);
    deepEqual((await alarms()).map(({ id }) => id), ["alarm-2", "alarm-1"]);
  });

  await t.step("a clear alone rings nobody; with its raise behind it all is known", async () => {
    deepEqual((await recordEdges(db, [edge(3, false, AT_MS + 20, "pump-3")], AT_MS)).steps, []);
    const late = await recordEdges(db, [edge(3, true, AT_MS + 10, "pump-3")], AT_MS);
    deepEqual(late.steps.map(({ kind }) => kind), ["raised", "cleared"]);
    const [alarm] = await alarms("?priority=medium&state=all&limit=1");
    deepEqual([alarm?.id, alarm?.isActive, alarm?.state], [
      "alarm-3",
      false,
      "returned-unacknowledged",
    ]);
    equal(Date.parse(alarm!.raisedAt), AT_MS + 10);
  });

  await t.step("pages go on behind the last alarm", async () => {
    const page = await (await test.call("GET", "/api/v1/alarms?limit=2")).json() as Page<AlarmView>;
    const rest = await (await test.call("GET", `/api/v1/alarms?limit=2&cursor=${page.next}`))
      .json() as Page<AlarmView>;
    deepEqual([...page.items, ...rest.items].map(({ id }) => id), [
      "alarm-3",
      "alarm-2",
      "alarm-1",
    ]);
  });

  await t.step("the log is asked for by the state before and after a step", async () => {
    const steps = async (query: string) => {
      const response = await test.call("GET", `/api/v1/alarms/transitions?${query}`);
      return (await response.json() as Page<AlarmTransitionView>).items
        .map(({ kind, alarmId }) => `${kind} ${alarmId}`);
    };
    deepEqual(await steps("fromState=unacknowledged&toState=returned-unacknowledged"), [
      "cleared alarm-3",
      "cleared alarm-1",
    ]);
    deepEqual(await steps("toState=shelved"), []);
    equal((await test.call("GET", "/api/v1/alarms/transitions?toState=odd")).status, 400);
  });

  await t.step("years that no database holds, and cursors of others, are no failure", async () => {
    const status = async (path: string) => (await test.call("GET", `/api/v1/alarms${path}`)).status;
    equal(await status("?from=0000-01-01T00:00:00Z"), 200);
    equal(await status("/count?to=0000-01-01T00:00:00Z"), 200);
    equal(await status("/transitions?from=0000-01-01T00:00:00Z"), 200);
    equal(await status("/health?to=0000-01-01T00:00:00Z"), 200);
    for (const raisedAtMs of [1e300, 8e15, -8e15]) {
      equal(await status(`?cursor=${writeCursor({ raisedAtMs, id: "a" })}`), 400);
    }
  });

  await t.step("the first who acknowledges stays named", async () => {
    const acknowledge = async (token: string) =>
      await (await test.call("POST", "/api/v1/alarms/alarm-2/ack", { token })).json() as AlarmView;
    equal((await acknowledge(test.tokens.operator)).acknowledgedBy, "operator");
    equal((await acknowledge(test.tokens.admin)).acknowledgedBy, "operator");
    equal((await test.call("POST", "/api/v1/alarms/none/ack")).status, 404);
    deepEqual((await alarms("?state=unacknowledged")).map(({ id }) => id), ["alarm-3", "alarm-1"]);
  });

  await t.step("many are acknowledged in one call, by id or by filter, each once", async () => {
    const acknowledge = async (body: unknown, token = test.tokens.operator) => {
      const response = await test.call("POST", "/api/v1/alarms/ack", { token, body });
      return [response.status, (await response.json() as { acknowledged?: number }).acknowledged];
    };
    await recordEdges(db, [4, 5, 6].map((n) => edge(n, true, AT_MS - n, `pump-${n}`)), AT_MS);
    deepEqual(await acknowledge({ ids: ["alarm-2", "alarm-4", "none"] }), [200, 1]);
    deepEqual(await acknowledge({ filter: { equipment: "pump-5", state: "cleared" } }), [200, 0]);
    deepEqual(await acknowledge({ filter: { equipment: "pump-5" }, comment: "seen" }), [200, 1]);
    deepEqual(await acknowledge({ filter: { state: "active" } }), [200, 1]);
    equal((await acknowledge({ ids: ["alarm-1"] }, test.tokens.viewer))[0], 403);
    equal((await acknowledge({ ids: ["alarm-1"], filter: {} }))[0], 400);
    deepEqual((await alarms("?state=unacknowledged")).map(({ id }) => id), ["alarm-3", "alarm-1"]);
    await recordEdges(db, [4, 5, 6].map((n) => edge(n, false, AT_MS, `pump-${n}`)), AT_MS);
  });

  await t.step("anomalies are what a detector scored", async () => {
    const page = await (await test.call("GET", "/api/v1/anomalies")).json() as Page<AlarmView>;
    deepEqual(
      page.items.map(({ id }) => id).filter((id) => id < "alarm-4"),
      ["alarm-2", "alarm-1"],
    );
  });
  await test.close();
});
