import { deepEqual, equal } from "node:assert/strict";
import { alarmEdge, insertAlarmJob, type SinkRules } from "../../tests/support/alarm_job.ts";
import { openMemoryDatabase } from "../../tests/support/memory_database.ts";
import { acknowledgeAlarms, changePoints, endChattering, unshelveDue } from "./alarm_acts.ts";
import { alarmHealth } from "./alarm_health.ts";
import { type AlarmNews, hasDue, recordEdges, settleDue } from "./alarm_store.ts";
import { alarmDetail, countAlarms, listAlarms } from "./alarm_views.ts";
import type { JobId } from "@shared/ids.ts";
import type { Db } from "./client.ts";
import { equipmentPlaces } from "./schema.ts";

const T = Date.UTC(2026, 0, 1);
const MINUTE_MS = 60_000;

async function withJob(
  sinks: Readonly<Record<string, SinkRules>>,
  run: (db: Db) => Promise<void>,
): Promise<void> {
  const { db, close } = await openMemoryDatabase();
  try {
    await insertAlarmJob(db, "job", sinks);
    await run(db);
  } finally {
    await close();
  }
}

const told = ({ steps }: AlarmNews) =>
  steps.map(({ kind, alarm, from, to }) => `${kind} ${alarm.id}: ${from} -> ${to}`);
const act = (nowMs: number, comment: string | null = null) => ({ by: "ann", nowMs, comment });
const all = (db: Db, nowMs: number) => listAlarms(db, { limit: 50, before: null }, nowMs);

Deno.test("alarm store: the clock raises behind the on-delay and clears behind the off-delay", () =>
  withJob({ heat: { onDelayMs: 10_000, offDelayMs: 5_000 } }, async (db) => {
    deepEqual(told(await recordEdges(db, [alarmEdge("a", true, T)], T)), []);
    deepEqual(await all(db, T), []);
    equal(await hasDue(db, T + 9_999), false);
    equal(await hasDue(db, T + 10_000), true);
    deepEqual(told(await settleDue(db, T + 10_000)), ["raised a: null -> unacknowledged"]);
    equal(await hasDue(db, T + MINUTE_MS), false);
    deepEqual(told(await recordEdges(db, [alarmEdge("a", false, T + 20_000)], T + 20_000)), []);
    deepEqual(told(await recordEdges(db, [alarmEdge("b", true, T + 23_000)], T + 23_000)), []);
    await recordEdges(db, [alarmEdge("b", false, T + 30_000)], T + 30_000);
    deepEqual(told(await settleDue(db, T + 35_000)), [
      "cleared a: unacknowledged -> returned-unacknowledged",
    ]);
    const [alarm, ...rest] = await all(db, T + 35_000);
    deepEqual([alarm?.id, alarm?.occurrences, alarm?.clearedAt, rest.length], [
      "a",
      2,
      new Date(T + 30_000).toISOString(),
      0,
    ]);
  }));

Deno.test("alarm store: a short excursion leaves nothing for people", () =>
  withJob({ heat: { onDelayMs: 10_000 } }, async (db) => {
    const edges = [alarmEdge("a", true, T), alarmEdge("a", false, T + 2_000)];
    await recordEdges(db, edges, T + 3_600_000);
    await settleDue(db, T + 7_200_000);
    deepEqual(await all(db, T + 7_200_000), []);
    equal((await countAlarms(db, {}, T)).total, 0);
  }));

Deno.test("alarm store: acknowledged and still active, it rings again when the sink asks for it", () =>
  withJob({ heat: { reAlarmMs: MINUTE_MS } }, async (db) => {
    await recordEdges(db, [alarmEdge("a", true, T)], T);
    equal((await acknowledgeAlarms(db, { ids: ["a"] }, act(T + 1_000, "on my way"))).length, 1);
    equal((await acknowledgeAlarms(db, { ids: ["a"] }, act(T + 2_000))).length, 0);
    equal(await hasDue(db, T + MINUTE_MS), false);
    deepEqual(told(await settleDue(db, T + MINUTE_MS + 1_000)), [
      "re-alarmed a: acknowledged -> unacknowledged",
    ]);
    const alarm = await alarmDetail(db, "a", T + MINUTE_MS + 1_000);
    deepEqual([alarm?.occurrences, alarm?.acknowledgedBy, alarm?.comment], [2, null, null]);
    deepEqual(
      alarm?.transitions.map(({ kind, cause, by, comment }) => [kind, cause, by, comment]),
      [
        ["re-alarmed", "clock", null, null],
        ["acknowledged", "person", "ann", "on my way"],
        ["raised", "edge", null, null],
      ],
    );
  }));

Deno.test("alarm store: a sink's alarm suppresses others by design, and lets them ring when it is over", () =>
  withJob({ power: {}, heat: { suppressedBy: ["power"] } }, async (db) => {
    const power = { sinkUid: "power", operatorUid: "supply" };
    const together = [alarmEdge("p", true, T, power), alarmEdge("a", true, T + 1)];
    deepEqual(told(await recordEdges(db, together, T + 1)), [
      "raised p: null -> unacknowledged",
      "raised a: null -> suppressed",
    ]);
    const attention = await listAlarms(db, { state: "attention", limit: 9, before: null }, T + 1);
    deepEqual(attention.map(({ id }) => id), ["p"]);
    const over = await recordEdges(db, [alarmEdge("p", false, T + 9_000, power)], T + 9_000);
    deepEqual(told(over), [
      "cleared p: unacknowledged -> returned-unacknowledged",
      "unsuppressed a: suppressed -> unacknowledged",
    ]);
    equal(over.steps.at(-1)?.isNews, true);
  }));

Deno.test("alarm store: shelving silences later occurrences too, and ends by the clock", () =>
  withJob({ heat: {} }, async (db) => {
    await recordEdges(db, [alarmEdge("a", true, T)], T);
    const shelved = { kind: "shelved", untilMs: T + MINUTE_MS } as const;
    equal((await changePoints(db, { ids: ["a"] }, shelved, act(T, "cleaning"))).points, 1);
    equal((await changePoints(db, { ids: ["a"] }, shelved, act(T, "cleaning"))).points, 0);
    await acknowledgeAlarms(db, { ids: ["a"] }, act(T + 1));
    await recordEdges(db, [alarmEdge("a", false, T + 2)], T + 2);
    const later = await recordEdges(db, [alarmEdge("b", true, T + 30_000)], T + 30_000);
    deepEqual(told(later), ["raised b: null -> shelved"]);
    deepEqual(await unshelveDue(db, T + MINUTE_MS - 1), []);
    const steps = await unshelveDue(db, T + MINUTE_MS);
    deepEqual(told({ steps, chattering: [] }), ["unshelved b: shelved -> unacknowledged"]);
    equal(steps[0]?.isNews, true);
    deepEqual(await unshelveDue(db, T + MINUTE_MS), []);
  }));

Deno.test("alarm store: what rang again while it was shelved rings behind it, what had rung before does not", () =>
  withJob({ heat: { reAlarmMs: 1_000 } }, async (db) => {
    const edges = [alarmEdge("a", true, T), alarmEdge("b", true, T, { key: "other" })];
    await recordEdges(db, edges, T);
    await acknowledgeAlarms(db, { ids: ["a"] }, act(T));
    const shelved = { kind: "shelved", untilMs: T + MINUTE_MS } as const;
    await changePoints(db, { ids: ["a", "b"] }, shelved, act(T + 1, "cleaning"));
    deepEqual(told(await settleDue(db, T + 1_000)), ["re-alarmed a: shelved -> shelved"]);
    const steps = await unshelveDue(db, T + MINUTE_MS);
    deepEqual(steps.map(({ alarm, isNews }) => [alarm.id, isNews]).sort(), [
      ["a", true],
      ["b", false],
    ]);
  }));

Deno.test("alarm store: three onsets in a minute flag the point until it is quiet for ten", () =>
  withJob({ heat: {} }, async (db) => {
    const chattering: number[] = [];
    for (let i = 0; i < 4; i++) {
      const atMs = T + i * 10_000;
      const edges = [alarmEdge(`a${i}`, true, atMs), alarmEdge(`a${i}`, false, atMs + 1_000)];
      chattering.push((await recordEdges(db, edges, atMs + 1_000)).chattering.length);
    }
    deepEqual(chattering, [0, 0, 1, 0]);
    const [alarm] = await all(db, T + MINUTE_MS);
    deepEqual([alarm?.isChattering, alarm?.occurrences], [true, 4]);
    await endChattering(db, T + 10 * MINUTE_MS);
    equal((await all(db, T))[0]?.isChattering, true);
    await endChattering(db, T + 11 * MINUTE_MS);
    equal((await all(db, T))[0]?.isChattering, false);
  }));

Deno.test("alarm store: a flood names its first-out and groups what followed by the plant", () =>
  withJob({ heat: {} }, async (db) => {
    await db.insert(equipmentPlaces).values({
      equipment: "motor",
      path: ["south", "press"],
      jobId: "job",
      changedAt: new Date(T),
    });
    const keys = ["motor", ...Array.from({ length: 11 }, (_, i) => `north/hall/pump-${i}`)];
    const edges = keys.map((key, i) => alarmEdge(`f${i}`, true, T + i * 10_000, { key }));
    await recordEdges(db, edges, T + 200_000);
    const span = { fromMs: T - MINUTE_MS, toMs: T + 30 * MINUTE_MS };
    const health = await alarmHealth(db, span, T + 30 * MINUTE_MS);
    deepEqual(
      health.floods.map(({ count, firstOut, groups }) => ({ count, id: firstOut.id, groups })),
      [
        { count: 12, id: "f0", groups: [{ path: ["north", "hall"], count: 11 }] },
      ],
    );
    deepEqual([health.peakPerTenMinutes, health.byPriority.high], [12, 12]);
    const north = await countAlarms(db, { path: ["north"] }, T);
    const south = await countAlarms(db, { path: ["south", "press"] }, T);
    deepEqual([north.total, south.total], [11, 1]);
    const stale = await alarmHealth(db, span, T + 25 * 60 * MINUTE_MS);
    equal(stale.stale.length, 12);
  }));

Deno.test("alarm store: a job that goes on from another's savepoint ends the alarms it took over", () =>
  withJob({ heat: {} }, async (db) => {
    await insertAlarmJob(db, "next", { heat: {} });
    await recordEdges(db, [alarmEdge("a", true, T)], T);
    const clear = alarmEdge("a", false, T + 1_000, { jobId: "next" as JobId });
    deepEqual(told(await recordEdges(db, [clear], T + 1_000)), [
      "cleared a: unacknowledged -> returned-unacknowledged",
    ]);
  }));

Deno.test("alarm store: odd times and endless keys stop nothing behind them", () =>
  withJob({ heat: {} }, async (db) => {
    const noise = Array.from({ length: 4_000 }, (_, i) => String.fromCodePoint(0x4e00 + i * 5));
    const odd = [
      alarmEdge("ns", true, 1.7e18, { key: "a" }),
      alarmEdge("us", true, 1.7e15, { key: "b" }),
      alarmEdge("old", true, -1.7e15, { key: "c" }),
      alarmEdge("long", true, T, { key: noise.join("") }),
      alarmEdge("longer", true, T, { key: `${noise.join("")}!` }),
      alarmEdge("plain", true, T),
    ];
    equal((await recordEdges(db, odd, T + 5)).steps.length, odd.length);
    const rows = await all(db, T + 5);
    deepEqual(new Set(rows.map(({ equipment }) => equipment)).size, odd.length);
    deepEqual(
      rows.filter(({ equipment }) => ["a", "b", "c"].includes(equipment))
        .map(({ raisedAt }) => Date.parse(raisedAt) - T),
      [5, 5, 5],
    );
    const clears = odd.map((edge) => alarmEdge(edge.alarmId, false, 1.8e18, { key: edge.key }));
    equal((await recordEdges(db, clears, T + 6)).steps.length, odd.length);
  }));

Deno.test("alarm store: every span of a great batch counts, and none waits for ever", () =>
  withJob({ heat: { onDelayMs: 10_000 } }, async (db) => {
    const at = (n: number) => T + n * MINUTE_MS;
    await recordEdges(db, [alarmEdge("waiting", true, T - 2_000)], T - 1_000);
    const held = [alarmEdge("held", true, at(1)), alarmEdge("held", false, at(1) + 30_000)];
    const short = Array.from({ length: 60 }, (_, n) => [
      alarmEdge(`s${n}`, true, at(n + 2)),
      alarmEdge(`s${n}`, false, at(n + 2) + 1_000),
    ]).flat();
    const news = await recordEdges(db, [...held, ...short], at(70));
    deepEqual(told(news).filter((step) => step.startsWith("raised")).length, 1);
    deepEqual((await all(db, at(70))).map(({ raisedAt }) => Date.parse(raisedAt)), [T - 2_000]);
    await settleDue(db, at(80));
    equal(await hasDue(db, at(90)), false);
  }));

Deno.test("alarm store: shelving all of a filter logs what is open and the newest of each point, not its past", () =>
  withJob({ heat: {} }, async (db) => {
    for (let n = 0; n < 4; n++) {
      const atMs = T + n * MINUTE_MS;
      await recordEdges(db, [alarmEdge(`a${n}`, true, atMs)], atMs);
      await recordEdges(db, [alarmEdge(`a${n}`, false, atMs + 1_000)], atMs + 1_000);
      await acknowledgeAlarms(db, { ids: [`a${n}`] }, act(atMs + 2_000));
    }
    await recordEdges(db, [alarmEdge("b", true, T, { key: "other" })], T);
    const nowMs = T + 10 * MINUTE_MS;
    const shelved = { kind: "shelved", untilMs: nowMs + 1_000 } as const;
    const { points, steps } = await changePoints(db, { filter: {} }, shelved, act(nowMs, "stop"));
    deepEqual([points, steps.map(({ alarm }) => alarm.id).sort()], [2, ["a3", "b"]]);
  }));
