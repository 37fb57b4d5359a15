import { deepEqual, equal, rejects } from "node:assert/strict";
import {
  defineJob,
  type JobDefinition,
  listState,
  mqttSink,
  mqttSource,
  tumbling,
  valueState,
} from "penstock";
import { testJob } from "penstock/testing";

interface Reading {
  pump: string;
  ts: number;
}

const PUMPS = Array.from({ length: 40 }, (_, i) => `pump-${i}`);
const out = mqttSink<unknown>({ broker: "plant", topic: "out" });

/** Counts, minutes and silences of pumps. */
const job = defineJob("pumps", (job) => {
  const readings = job.source(
    "telemetry",
    mqttSource<Reading>({
      broker: "plant",
      splits: [{ topics: ["plant/telemetry"] }],
      eventTime: (reading) => reading.ts,
      maxOutOfOrderness: "5s",
    }),
  ).keyBy((reading) => reading.pump);
  readings.mapWithState("count", { initial: () => 0 }, (n, { pump }) => [n + 1, { pump, n: n + 1 }])
    .sink("counts", out);
  readings.window("minute", tumbling("1m"), {
    initial: () => 0,
    add: (n) => n + 1,
    result: (n, w) => ({ pump: w.key, start: w.start, n }),
  }).sink("minutes", out);
  readings.process("silence", {
    state: { timerMs: valueState<number>(), times: listState<number>() },
    onRecord({ ts }, ctx) {
      const before = ctx.state.timerMs.get();
      if (before !== undefined) ctx.timers.deleteProcessingTime(before);
      ctx.timers.processingTime(ts + 90_000);
      ctx.state.timerMs.set(ts + 90_000);
      ctx.state.times.add(ts);
    },
    onTimer(timeMs, ctx) {
      ctx.emit({ pump: ctx.key, timeMs });
    },
  }).sink("silences", out);
});

/** Every pump once a second, from `from` to `to` seconds. */
function readings(from: number, to: number): Reading[] {
  const seconds = Array.from({ length: to - from }, (_, i) => from + i);
  return seconds.flatMap((second) => PUMPS.map((pump) => ({ pump, ts: second * 1_000 })));
}

function sorted(list: unknown[]): string[] {
  return list.map((item) => JSON.stringify(item)).sort();
}

for (const [before, after] of [[1, 1], [1, 3], [3, 1], [3, 5]] as const) {
  Deno.test(`testJob: goes on from a snapshot as if nothing had happened, ${before} to ${after} subtasks`, async () => {
    const whole = testJob(job, { parallelism: 1 });
    whole.push("telemetry", readings(0, 150));
    whole.drain();

    const first = testJob(job, { parallelism: before });
    first.push("telemetry", readings(0, 70));
    const snapshot = await first.snapshot();
    first.push("telemetry", readings(70, 75));
    const second = await testJob(job, { from: snapshot, parallelism: after });
    second.push("telemetry", readings(70, 150));
    equal(second.state("count", "pump-7"), 150);
    second.drain();

    const firstAgain = testJob(job, { parallelism: before });
    firstAgain.push("telemetry", readings(0, 70));
    for (const sink of ["counts", "minutes", "silences"]) {
      const outputs = [...firstAgain.outputs(sink), ...second.outputs(sink)];
      deepEqual(sorted(outputs), sorted(whole.outputs(sink)), sink);
    }
  });
}

Deno.test("testJob: the watermark is in the snapshot, so what was late is late behind a restore", async () => {
  const t = testJob(job);
  t.push("telemetry", readings(0, 70));
  const restored = await testJob(job, { from: await t.snapshot(), parallelism: 3 });
  restored.push("telemetry", [{ pump: "pump-1", ts: 10_000 }]);
  equal(restored.lateCount, 1);
});

Deno.test("testJob: shows lists of a process operator, before and behind a restore", async () => {
  const t = testJob(job);
  t.push("telemetry", readings(0, 3));
  const want = { timerMs: 92_000, times: [0, 1_000, 2_000] };
  deepEqual(t.state("silence", "pump-3"), want);
  const restored = await testJob(job, { from: await t.snapshot() });
  deepEqual(restored.state("silence", "pump-3"), want);
});

function countingAs(uid: string, codecVersion: number): JobDefinition {
  return defineJob("pumps", (job) => {
    job.source(
      "telemetry",
      mqttSource<Reading>({
        broker: "plant",
        splits: [{ topics: ["plant/telemetry"] }],
      }),
    ).keyBy((reading) => reading.pump)
      .mapWithState(uid, { initial: () => 0, codecVersion }, (n) => [n + 1, n + 1])
      .sink("out", out);
  });
}

Deno.test("testJob: refuses what an agent would refuse to restore (S2, S3)", async () => {
  const t = testJob(countingAs("count", 1));
  t.push("telemetry", [{ pump: "a", ts: 0 }]);
  const from = await t.snapshot();
  await rejects(testJob(countingAs("count", 2), { from }), /operator "count"/);
  await rejects(testJob(countingAs("other", 1), { from }), /operator "count": .*dropped/);
  const without = await testJob(countingAs("other", 1), { from, allowNonRestoredState: true });
  equal(without.state("other", "a"), undefined);
});
