import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Page } from "@shared/api.ts";
import type { MetricSeries } from "@shared/job_api.ts";
import type {
  AlarmEvidence,
  AlarmView,
  ChartMarker,
  EquipmentSummary,
  EquipmentView,
  PlantView,
  SampleSeries,
} from "@shared/plant_api.ts";
import type { JobId } from "@shared/ids.ts";
import type { SignalSample } from "@shared/messages.ts";
import { openTestHub, type TestHub } from "../../tests/support/hub_app.ts";
import { hashSecret } from "../auth.ts";
import { alarmPoints, alarms, bundles, jobs } from "../db/schema.ts";
import type { LiveMetrics } from "../ports.ts";

const JOB = "job" as JobId;
const NOW_MS = Date.UTC(2026, 0, 1);
const MINUTE_MS = 60_000;

function sample(key: string, atMs: number, more: Partial<SignalSample> = {}): SignalSample {
  return { operatorUid: "drift", key, atMs, value: 5, score: 1, ...more };
}

/** A hub that runs one job, which names two levels. */
async function openPlant(): Promise<TestHub> {
  const test = await openTestHub();
  await addJob(test, JOB, "running");
  return test;
}

async function addJob(test: TestHub, id: string, desiredState: string): Promise<void> {
  const createdAt = new Date(NOW_MS - 30 * MINUTE_MS);
  await test.hub.db.insert(bundles).values({ digest: "d", bundle: "", createdAt })
    .onConflictDoNothing();
  await test.hub.db.insert(jobs).values({
    id,
    name: `name-of-${id}`,
    bundleDigest: "d",
    params: {},
    graph: { ...test.graph, levels: ["site", "line"] },
    desiredState,
    checkpointIntervalMs: 5_000,
    createdAt,
    createdBy: "admin",
  });
}

async function addAlarm(
  test: TestHub,
  id: string,
  equipment: string,
  more: Partial<typeof alarms.$inferInsert> = {},
): Promise<void> {
  await test.hub.db.insert(alarms).values({
    id,
    jobId: JOB,
    operatorUid: "drift",
    sinkUid: "anomalies",
    equipment,
    priority: "medium",
    text: "odd",
    response: "look",
    isActive: true,
    raisedAt: new Date(NOW_MS - 10 * MINUTE_MS),
    low: 1,
    high: 9,
    ...more,
  });
}

async function get<T>(test: TestHub, path: string): Promise<T> {
  const response = await test.call("GET", `/api/v1${path}`);
  equal(response.status, 200, path);
  return await response.json() as T;
}

const samplesOf = async (test: TestHub, equipment: string, query = "") =>
  (await get<{ items: SampleSeries[] }>(
    test,
    `/equipment/${encodeURIComponent(equipment)}/samples${query}`,
  )).items;

Deno.test("samples: a long span is cut to what a chart can draw, and its spike stays", async () => {
  const test = await openPlant();
  const spike = 4_321;
  const history = Array.from(
    { length: 10_000 },
    (_, i) => sample("pump-1", NOW_MS - 10_000_000 + i * 1000, { value: i === spike ? 999 : 1 }),
  );
  await test.hub.signals.recordSamples(JOB, history);
  await test.hub.signals.runRound();
  const from = new Date(NOW_MS - 10_000_000).toISOString();
  for (const points of [600, 2_000]) {
    const [series] = await samplesOf(test, "pump-1", `?from=${from}&points=${points}`);
    ok(series!.at.length <= points && series!.at.length > points / 4, `${series!.at.length}`);
    equal(Math.max(...series!.value.map(Number)), 999);
    equal(series!.value.includes(null), false);
  }
  await test.close();
});

Deno.test("samples: what is not written yet is there at once, a gap is a null, ranges are carried", async () => {
  const test = await openPlant();
  const at = [0, 1, 2, 40, 41].map((s) => NOW_MS - MINUTE_MS + s * 1000);
  await test.hub.signals.recordSamples(
    JOB,
    at.map((ms) => sample("a/b/c", ms, { low: 4.2, high: 6 })),
  );
  const inMemory = await samplesOf(test, "a/b/c");
  deepEqual(inMemory[0]!.value, [5, 5, 5, null, 5, 5]);
  deepEqual([inMemory[0]!.low[0], inMemory[0]!.high[3], inMemory[0]!.resolutionMs], [4.2, null, 0]);
  await test.hub.signals.flush();
  deepEqual(await samplesOf(test, "a/b/c"), inMemory);
  deepEqual(await samplesOf(test, "a/b/c", "?operator=other"), []);
  deepEqual(await samplesOf(test, "a/b"), []);
  await test.close();
});

Deno.test("samples: beyond the retention of samples the minutes answer, up to the newest sample", async () => {
  const test = await openPlant();
  const { signals } = test.hub;
  const startMs = NOW_MS - 23 * 60 * MINUTE_MS;
  await signals.recordSamples(
    JOB,
    Array.from({ length: 120 }, (_, i) => sample("p", startMs + i * 10_000, { value: i })),
  );
  await signals.runRound();
  test.clock.advance(2 * 60 * MINUTE_MS);
  const newest = test.clock.nowMs() - 1_000;
  await signals.recordSamples(JOB, [sample("p", newest, { value: 777 })]);
  const [series] = await samplesOf(test, "p", `?from=${new Date(startMs).toISOString()}`);
  equal(series!.resolutionMs, MINUTE_MS);
  deepEqual([Math.min(...series!.value.slice(0, 4).map(Number)), series!.at.at(-1)], [0, newest]);
  equal(series!.value.at(-1), 777);
  await test.close();
});

Deno.test("samples: a time that no calendar has and a key that no index holds stop nothing behind them", async () => {
  const test = await openPlant();
  const { signals } = test.hub;
  const nowMs = test.clock.nowMs();
  // Nothing in it repeats, so that nothing of it can be packed.
  const long = Array.from({ length: 64 }, (_, i) => hashSecret(String(i))).join("");
  await signals.recordPlaces(JOB, [{ key: long, path: ["north"] }]);
  await signals.recordSamples(JOB, [
    sample("p", nowMs - 2_000),
    // Nanoseconds where milliseconds were meant, and a clock that is a day ahead.
    sample("p", nowMs * 1e6, { value: 7 }),
    sample("p", -nowMs * 1e6, { value: 7 }),
    sample("p", nowMs + 24 * 60 * MINUTE_MS, { value: 7 }),
    sample("nanoseconds", nowMs * 1e6),
    sample(long, nowMs - 2_000),
    sample("p", nowMs - 1_000, { value: 6 }),
  ]);
  await signals.flush();
  deepEqual((await samplesOf(test, "p"))[0]!.value, [5, 6]);
  const found = (await get<Page<EquipmentSummary>>(test, "/plant/equipment?sort=name")).items;
  const [cut, one] = found.map(({ equipment, lastAt, path }) => ({ equipment, lastAt, path }));
  equal(found.length, 2);
  equal(cut!.equipment.length, 512);
  deepEqual(cut!.path, ["north"]);
  equal((await samplesOf(test, cut!.equipment)).length, 1);
  equal(one!.lastAt, new Date(nowMs - 1_000).toISOString());
  const figures = await (await test.call("GET", "/metrics")).text();
  match(figures, /^penstock_signal_samples_dropped_total\{reason="too_new"\} 3$/m);
  match(figures, /^penstock_signal_samples_dropped_total\{reason="too_old"\} 1$/m);
  await test.close();
});

Deno.test("plant: the tree counts freshness and open alarms of everything below", async () => {
  const test = await openPlant();
  const { signals } = test.hub;
  await addJob(test, "old", "cancelled");
  const nowMs = test.clock.nowMs();
  await signals.recordPlaces(JOB, [{ key: "pump-1", path: ["north", "line 1"] }]);
  await signals.recordSamples(JOB, [
    sample("pump-1", nowMs - 1_000),
    sample("pump-1", nowMs - 1_000, { operatorUid: "limit", score: -7 }),
    sample("north/line 2/fan", nowMs - 40_000),
    sample("alone", nowMs - 1_000, { score: null }),
  ]);
  await signals.recordSamples("old" as JobId, [
    sample("gone", nowMs),
    sample("pump-1", nowMs - 9_000),
  ]);
  await addAlarm(test, "a1", "pump-1", { priority: "high" });
  await addAlarm(test, "a2", "north/line 2/fan", { isActive: false, clearedAt: new Date(nowMs) });
  await addAlarm(test, "a3", "alone", { sinkUid: "shelved" });
  await addAlarm(test, "a4", "alone", { isRung: false });
  await test.hub.db.insert(alarmPoints).values({
    jobId: JOB,
    sinkUid: "shelved",
    equipment: "alone",
    shelvedUntil: new Date(nowMs + 1_000),
  });
  const plant = await get<PlantView>(test, "/plant");
  deepEqual(plant.levels, ["site", "line"]);
  const rows = plant.nodes.map(({ path, equipment, good, stale, unknown, alarms: a }) =>
    [path.join("/"), equipment, good, stale, unknown, a.high, a.unacknowledged, a.shelved].join(" ")
  );
  deepEqual(rows, [
    " 4 2 1 1 1 2 1",
    "north 2 1 1 0 1 2 0",
    "north/line 1 1 1 0 0 1 1 0",
    "north/line 2 1 0 1 0 0 1 0",
  ]);
  await expectEquipment(test);
  await test.close();
});

Deno.test("plant: a slash that stands alone makes no level, in the tree and in the list of alarms", async () => {
  const test = await openPlant();
  await addAlarm(test, "a1", "/east/line 1//fan", { priority: "high" });
  await addAlarm(test, "a2", "/fan", { priority: "high" });
  const { nodes } = await get<PlantView>(test, "/plant");
  deepEqual(nodes.map(({ path, alarms: { high } }) => `${path.join("/")} ${high}`), [
    " 2",
    "east 1",
    "east/line 1 1",
  ]);
  for (const path of ["east", "east/line%25201"]) {
    const { items } = await get<Page<AlarmView>>(test, `/alarms?state=all&path=${path}`);
    deepEqual(items.map(({ id }) => id), ["a1"], path);
  }
  await test.close();
});

async function expectEquipment(test: TestHub): Promise<void> {
  const list = (query: string) => get<Page<EquipmentSummary>>(test, `/plant/equipment${query}`);
  const names = async (query: string) => (await list(query)).items.map((one) => one.equipment);
  deepEqual(await names(""), ["pump-1", "north/line 2/fan", "gone", "alone"]);
  deepEqual(await names("?sort=name"), ["alone", "gone", "north/line 2/fan", "pump-1"]);
  deepEqual(await names("?path=north/line%25201"), ["pump-1"]);
  deepEqual(await names("?search=LINE"), ["pump-1", "north/line 2/fan"]);
  const first = await list("?limit=3");
  deepEqual((await list(`?limit=3&cursor=${first.next}`)).items.map((one) => one.equipment), [
    "alone",
  ]);
  const { signals, freshness, highestPriority, worst } = first.items[0]!;
  // The signal of the job that ended is the running job's now.
  deepEqual([signals, freshness, highestPriority, worst], [
    2,
    "good",
    "high",
    { jobId: JOB, operatorUid: "limit", score: -7 },
  ]);
  const views = (await get<Page<EquipmentView>>(test, "/equipment?equipment=gone")).items;
  deepEqual(views.map((view) => view.freshness), ["unknown"]);
}

Deno.test("markers: alarms with their end, and what became of the jobs that feed the equipment", async () => {
  const test = await openPlant();
  await test.hub.signals.recordSamples(JOB, [sample("p", NOW_MS - 1_000)]);
  await test.hub.signals.flush();
  await addAlarm(test, "a1", "p", {
    isActive: false,
    clearedAt: new Date(NOW_MS - 5 * MINUTE_MS),
    isAcknowledged: true,
    acknowledgedBy: "ann",
    acknowledgedAt: new Date(NOW_MS - 8 * MINUTE_MS),
  });
  await addAlarm(test, "a2", "p", { raisedAt: new Date(NOW_MS - 120 * MINUTE_MS) });
  await addAlarm(test, "a3", "q");
  const { items } = await get<{ items: ChartMarker[] }>(test, "/equipment/p/markers");
  deepEqual(items.map(({ kind, alarmId }) => `${kind} ${alarmId ?? "-"}`), [
    "alarm a2",
    "deploy -",
    "alarm a1",
    "acknowledged a1",
    "cleared a1",
  ]);
  deepEqual(
    [items[0]!.until, items[2]!.until],
    [null, new Date(NOW_MS - 5 * MINUTE_MS).toISOString()],
  );
  await test.close();
});

Deno.test("evidence: the signal from before the onset to behind the end, and the ranges then and now", async () => {
  const test = await openPlant();
  const seconds = Array.from({ length: 1_500 }, (_, i) => NOW_MS - 1_500_000 + i * 1000);
  await test.hub.signals.recordSamples(
    JOB,
    seconds.map((atMs) => sample("p", atMs, { low: 2, high: 8, value: Math.sin(atMs) })),
  );
  await addAlarm(test, "a1", "p", { clearedAt: new Date(NOW_MS - 5 * MINUTE_MS), isActive: false });
  const evidence = await get<AlarmEvidence>(test, "/alarms/a1/evidence");
  deepEqual([evidence.then, evidence.now], [{ low: 1, high: 9 }, { low: 2, high: 8 }]);
  equal(evidence.series!.at[0]! <= NOW_MS - 19 * MINUTE_MS, true);
  equal(Date.parse(evidence.to) > NOW_MS - MINUTE_MS, true);
  equal((await test.call("GET", "/api/v1/alarms/none/evidence")).status, 404);
  await test.close();
});

Deno.test("job series: figures of subtasks every five seconds, by name", async () => {
  const test = await openPlant();
  const metrics = { jobId: JOB, subtaskId: "s.0", busyRatio: 0.5, recordsInPerSecond: null };
  for (let i = 0; i < 10; i++) {
    const receivedAtMs = NOW_MS - 20_000 + i * 1_000;
    test.hub.signals.recordMetrics({ ...metrics, receivedAtMs } as unknown as LiveMetrics);
  }
  await test.hub.signals.flush();
  const { items } = await get<{ items: MetricSeries[] }>(
    test,
    "/jobs/job/series?metric=busyRatio,recordsInPerSecond",
  );
  deepEqual(items.map(({ subtaskId, metric, value }) => ({ subtaskId, metric, value })), [
    { subtaskId: "s.0", metric: "busyRatio", value: [0.5, 0.5] },
  ]);
  equal((await test.call("GET", "/api/v1/jobs/job/series?metric=nonsense")).status, 400);
  equal((await test.call("GET", "/api/v1/jobs/none/series")).status, 404);
  await test.close();
});
