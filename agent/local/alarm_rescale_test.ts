import { deepEqual, equal } from "node:assert/strict";
import { alarmSink, defineJob, limit, mqttSource } from "penstock";
import { testJob } from "penstock/testing";

interface Reading {
  pump: string;
  bar: number;
}

const PUMPS = Array.from({ length: 40 }, (_, i) => `pump-${i}`);
const job = defineJob("pumps", (job) => {
  job.source(
    "telemetry",
    mqttSource<Reading>({ broker: "plant", splits: [{ topics: ["plant/telemetry"] }] }),
  )
    .keyBy(({ pump }) => pump)
    .detect("pressure", limit({ value: ({ bar }) => bar, high: 10 }))
    .sink("alarms", alarmSink({ priority: "high" }));
});
const all = (bar: number) => PUMPS.map((pump) => ({ pump, bar }));

for (const [before, after] of [[1, 3], [3, 1], [3, 5]] as const) {
  Deno.test(`alarms: those that are active end under their own id behind a rescale, ${before} to ${after} subtasks`, async () => {
    const first = testJob(job, { parallelism: before });
    first.push("telemetry", all(12));
    const raised = new Map(first.alarms("alarms").map(({ key, alarmId }) => [key, alarmId]));
    equal(raised.size, PUMPS.length);

    const second = await testJob(job, { from: await first.snapshot(), parallelism: after });
    second.push("telemetry", all(8));
    const ended = new Map(second.alarms("alarms").map(({ key, alarmId }) => [key, alarmId]));
    deepEqual([...ended].sort(), [...raised].sort());

    second.push("telemetry", all(12));
    const again = second.alarms("alarms").slice(PUMPS.length).map(({ alarmId }) => alarmId);
    equal(new Set([...again, ...raised.values()]).size, 2 * PUMPS.length);
  });
}

Deno.test("alarms: occurrences of one key and one message are each an alarm of its own", () => {
  const bursts = defineJob("bursts", (job) => {
    job.source(
      "telemetry",
      mqttSource<number[]>({ broker: "plant", splits: [{ topics: ["plant/telemetry"] }] }),
    )
      .flatMap("each", (burst) => burst.map((bar) => ({ pump: "pump-1", bar })))
      .keyByLocal(({ pump }) => pump)
      .detect("pressure", limit({ value: ({ bar }) => bar, high: 10 }))
      .sink("alarms", alarmSink({ priority: "high" }));
  });
  const t = testJob(bursts);
  t.push("telemetry", [[12, 8, 12, 8]]);
  equal(new Set(t.alarms("alarms").map(({ edgeId }) => edgeId)).size, 4);
  equal(new Set(t.alarms("alarms").map(({ alarmId }) => alarmId)).size, 2);
});
