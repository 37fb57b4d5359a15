/** The job of the SDK's contract, word for word as authors read it: it must compile and run. */
// deno-fmt-ignore-file
// deno-lint-ignore-file no-unused-vars -- the text is the contract's
import { deepEqual } from "node:assert/strict";
import { defineJob, mqttSource, mqttSink, alarmSink, tumbling, zScore, valueState } from "penstock";
import { testJob } from "penstock/testing";
import pumpWatch from "./pump_watch.ts";

interface Reading { equipment: string; ts: number; temperature: number }

const contract = defineJob("pump-watch", (job) => {
  const readings = job.source("telemetry", mqttSource<Reading>({
    broker: "plant",
    splits: [{ topics: ["plant/line-1/+/telemetry"], near: { line: "1" } },
             { topics: ["plant/line-2/+/telemetry"], near: { line: "2" } }],
    eventTime: (r) => r.ts, maxOutOfOrderness: "5s", idleAfter: "30s",     // decode defaults to JSON; bad records go to the dead-letter output
  }));

  const counted = readings
    .filter("hot", (r) => r.temperature > 50)
    .keyByLocal((r) => r.equipment)                                     // keyBy(…) = across agents
    .mapWithState("count", { initial: () => ({ n: 0 }), ttl: "7d" }, (state, r) => [{ n: state.n + 1 }, { equipment: r.equipment, n: state.n + 1 }]);
  counted.sink("counts", mqttSink({ broker: "plant", topic: (c) => `out/count/${c.equipment}`, delivery: "staged" }));

  readings.keyByLocal((r) => r.equipment)
    .window("per-minute", tumbling("1m"), { initial: () => ({ n: 0, sum: 0 }), add: (a, r) => ({ n: a.n + 1, sum: a.sum + r.temperature }),
                                            result: (a, w) => ({ equipment: w.key, start: w.start, mean: a.sum / a.n }) , allowedLateness: "10s" })
    .sink("means", mqttSink({ broker: "plant", topic: (m) => `out/mean/${m.equipment}` }));

  readings.keyByLocal((r) => r.equipment)
    .process("spike", {
      state: { last: valueState<number>() },
      onRecord(r, ctx) { const last = ctx.state.last.get(); if (last !== undefined && Math.abs(r.temperature - last) > 20) ctx.emit({ equipment: ctx.key, jump: r.temperature - last });
                         ctx.state.last.set(r.temperature); ctx.timers.eventTime(r.ts + 60_000); },
      onTimer(t, ctx) { ctx.state.last.clear(); },
    }).sink("spikes", alarmSink({ priority: "high", onDelay: "0s", text: (s) => `jump of ${s.jump}` }));

  readings.keyByLocal((r) => r.equipment)
    .detect("drift", zScore({ value: (r) => r.temperature, threshold: 4, warmUp: 100 }))
    .sink("anomalies", alarmSink({ priority: "medium" }));
});

const T0 = Date.UTC(2026, 0, 1);
const reading = (equipment: string, seconds: number, temperature: number): Reading =>
  ({ equipment, ts: T0 + seconds * 1_000, temperature });

Deno.test("contract: the job of the SDK's contract runs as written", () => {
  const t = testJob(contract);
  t.push("telemetry", [
    reading("pump-1", 1, 60), reading("pump-1", 30, 40), reading("pump-2", 45, 70),
    reading("pump-1", 62, 90),  // the watermark is at 57 s: the first minute is open
    reading("pump-1", 50, 80),  // 12 s late: still within it
    reading("pump-2", 66, 70),  // the watermark passes the minute
    reading("pump-1", 55, 0),   // late, but within the allowed lateness: the mean is corrected
  ]);
  deepEqual(t.outputs("counts"), [
    { equipment: "pump-1", n: 1 }, { equipment: "pump-2", n: 1 }, { equipment: "pump-1", n: 2 },
    { equipment: "pump-1", n: 3 }, { equipment: "pump-2", n: 2 },
  ]);
  deepEqual(t.outputs("means"), [
    { equipment: "pump-1", start: T0, mean: 60 }, { equipment: "pump-2", start: T0, mean: 70 },
    { equipment: "pump-1", start: T0, mean: 45 },
  ]);
  deepEqual(t.alarms("spikes").map(({ text }) => text), ["jump of 50", "jump of -80"]);
  t.drain();
  deepEqual(t.state("spike", "pump-1"), undefined);
  deepEqual(t.outputs("means").slice(3), [
    { equipment: "pump-1", start: T0 + 60_000, mean: 90 }, { equipment: "pump-2", start: T0 + 60_000, mean: 70 },
  ]);
});

Deno.test("contract: the example that is deployed is the same job", () => {
  deepEqual(pumpWatch.build({}).graph, contract.build({}).graph);
});
