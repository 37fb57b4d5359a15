import type { MetricsReport } from "./live_state.ts";
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Attempt, JobId, RegionId, SubtaskId } from "@shared/ids.ts";
import type { OperationView } from "@shared/api.ts";
import type { JobMetrics } from "@shared/metrics_api.ts";
import type { SubtaskMetrics } from "@shared/messages.ts";
import { openTestHub, type TestHub } from "../tests/support/hub_app.ts";
import { regions } from "./db/schema.ts";

function report(jobId: string, split: number, over: Partial<SubtaskMetrics>): SubtaskMetrics {
  return {
    jobId: jobId as JobId,
    regionId: `telemetry.${split}` as RegionId,
    attempt: 1 as Attempt,
    subtaskId: `telemetry.${split}` as SubtaskId,
    recordsIn: 0,
    recordsOut: 0,
    duplicatesDropped: 0,
    deadLetters: 0,
    stateEntries: 0,
    windowUsed: 0,
    windowSize: 100,
    windowSecondsLeft: null,
    busyRatio: 0.1,
    backpressuredRatio: 0,
    idleRatio: 0.9,
    watermarkMs: 60_000,
    eventTimeLagMs: 1_500,
    sourceLagMs: 500,
    lateRecords: 0,
    shedRecords: 0,
    futureRecords: 0,
    inputQueued: 0,
    position: 1,
    isConnected: true,
    operators: [{ uid: "count", recordsIn: 0, recordsOut: 0 }],
    ...over,
  };
}

async function running(test: TestHub): Promise<string> {
  const body = { name: "pump-watch", bundle: "x" };
  const { jobId } = await (await test.call("POST", "/api/v1/jobs", { body }))
    .json() as OperationView;
  await test.hub.db.update(regions).set({ status: "running", attempt: 1, agentId: "agent" });
  return jobId!;
}

Deno.test("metrics: subtasks and operators, the worst first", async () => {
  const test = await openTestHub();
  const jobId = await running(test);
  const read = async () =>
    await (await test.call("GET", `/api/v1/jobs/${jobId}/metrics`)).json() as JobMetrics;
  const names = ({ subtasks }: JobMetrics) => subtasks.map(({ subtaskId }) => subtaskId);
  deepEqual((await read()).subtasks.map(({ pressure }) => pressure), [null, null]);
  test.live.recordMetrics(report(jobId, 0, { busyRatio: 0.7 }), 1_000);
  deepEqual(names(await read()), ["telemetry.1", "telemetry.0"]);
  const counts = (n: number) => ({
    operators: [{ uid: "count", recordsIn: n, recordsOut: 2 * n }],
  });
  test.live.recordMetrics(report(jobId, 0, { busyRatio: 0.7, ...counts(100) }), 2_000);
  test.live.recordMetrics(report(jobId, 1, { windowUsed: 95, watermarkMs: 50_000 }), 2_000);
  const full = await read();
  deepEqual(names(full), ["telemetry.1", "telemetry.0"]);
  deepEqual(full.subtasks.map(({ pressure }) => pressure), [0.95, 0.7]);
  deepEqual(full.operators, [{
    operator: "count",
    subtasks: 2,
    recordsIn: 100,
    recordsOut: 200,
    recordsInPerSecond: 100,
    recordsOutPerSecond: 200,
    busyRatio: 0.7,
    backpressuredRatio: 0,
    watermarkMs: 50_000,
    eventTimeLagMs: 1_500,
  }]);
  test.live.recordMetrics(report(jobId, 0, { isConnected: false }), 3_000);
  deepEqual(names(await read()), ["telemetry.0", "telemetry.1"]);
  await test.close();
});

Deno.test("metrics: Prometheus gets base units and stable names for every subtask and operator", async () => {
  const test = await openTestHub();
  const jobId = await running(test);
  const counts = { operators: [{ uid: "count", recordsIn: 3, recordsOut: 4 }] };
  const say = (subtasks: MetricsReport[]) => {
    for (const one of subtasks) test.live.recordMetrics(one, 1_000);
    test.events.push("metrics", {}, { subtasks });
  };
  say([
    report(jobId, 0, { lateRecords: 5, shedRecords: 6, ...counts }),
    report(jobId, 1, { ...counts, watermarkMs: null }),
  ]);
  const response = await test.call("GET", "/metrics", { token: test.tokens.viewer });
  equal(response.status, 200);
  const lines = (await response.text()).split("\n");
  const valueOf = (start: string) =>
    lines.find((line) => line.startsWith(`penstock_${start}`))?.split(" ").at(-1);
  const at = 'job="pump-watch",region="telemetry.0",subtask="telemetry.0"';
  equal(valueOf(`event_time_lag_seconds{${at}}`), "1.5");
  equal(valueOf(`watermark_timestamp_seconds{${at}}`), "60");
  equal(valueOf(`source_lag_seconds{${at}}`), "0.5");
  equal(valueOf('late_records_total{job="pump-watch"}'), "5");
  equal(valueOf('records_dropped_total{job="pump-watch",reason="shed"}'), "6");
  equal(valueOf(`subtask_busy_ratio{${at}}`), "0.1");
  equal(valueOf('records_in_total{job="pump-watch",operator="count"}'), "6");
  equal(valueOf('operator_busy_ratio{job="pump-watch",operator="count"}'), "0.1");
  const other = at.replaceAll("telemetry.0", "telemetry.1");
  equal(valueOf(`watermark_timestamp_seconds{${other}}`), undefined);
  for (const line of lines.filter((one) => one.startsWith("# TYPE"))) {
    const [, , name, kind] = line.split(" ");
    match(name!, /^penstock_[a-z0-9_]+$/);
    if (kind === "counter") ok(name!.endsWith("_total"), name!);
    ok(!/_(ms|kb|mb)$/.test(name!), name!);
  }
  await test.close();
});
