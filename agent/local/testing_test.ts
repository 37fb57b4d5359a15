import { deepEqual, equal, throws } from "node:assert/strict";
import {
  alarmSink,
  defineJob,
  generatorSource,
  mqttSink,
  mqttSource,
  recordType,
  valueState,
} from "penstock";
import { testJob } from "penstock/testing";

interface Reading {
  pump: string;
  ts: number;
  celsius: number;
}

const telemetry = mqttSource<Reading>({
  broker: "plant",
  splits: [{ topics: ["plant/1/telemetry"] }, { topics: ["plant/2/telemetry"] }],
  eventTime: (reading) => reading.ts,
});
const out = mqttSink<unknown>({ broker: "plant", topic: "out" });

const counts = defineJob("counts", (job) => {
  job.source("telemetry", telemetry)
    .keyBy((reading) => reading.pump)
    .mapWithState("count", { initial: () => 0, ttl: "1m", onError: "dead-letter" }, (n, r) => {
      if (r.celsius < 0) throw new Error("too cold");
      return [n + 1, { pump: r.pump, n: n + 1 }];
    })
    .sink("counts", out);
});

for (const parallelism of [1, 3]) {
  Deno.test(`testJob: keeps state per key, parallelism ${parallelism}`, () => {
    const t = testJob(counts, { parallelism });
    t.push("telemetry", [
      { pump: "a", ts: 1_000, celsius: 1 },
      { pump: "b", ts: 2_000, celsius: 1 },
      { pump: "a", ts: 3_000, celsius: 1 },
    ]);
    deepEqual(t.outputs("counts"), [{ pump: "a", n: 1 }, { pump: "b", n: 1 }, { pump: "a", n: 2 }]);
    equal(t.state("count", "a"), 2);
    equal(t.state("count", "c"), undefined);
    equal(t.nowMs, 3_000);
  });
}

Deno.test("testJob: records move the clock on, and state expires by it", () => {
  const t = testJob(counts);
  t.push("telemetry", [{ pump: "a", ts: 1_000, celsius: 1 }]);
  t.push("telemetry", [{ pump: "b", ts: 62_001, celsius: 1 }]);
  equal(t.state("count", "a"), undefined);
  t.push("telemetry", [{ pump: "a", ts: 62_002, celsius: 1 }]);
  deepEqual(t.outputs("counts").at(-1), { pump: "a", n: 1 });
});

Deno.test("testJob: shows the records that operators set aside", () => {
  const t = testJob(counts);
  t.push("telemetry", [{ pump: "a", ts: 1, celsius: 1 }, { pump: "a", ts: 2, celsius: -1 }]);
  deepEqual(t.deadLetters, [{ uid: "count", reason: "too cold", position: 2 }]);
  equal(t.state("count", "a"), 1);
});

Deno.test("testJob: throws what an operator with the policy fail threw, naming it and the record", () => {
  const job = defineJob("strict", (job) => {
    job.source("telemetry", telemetry)
      .map("check", (r) => {
        if (r.celsius < 0) throw new Error("too cold");
        return r;
      })
      .sink("out", out);
  });
  const t = testJob(job);
  throws(
    () => t.push("telemetry", [{ pump: "a", ts: 2, celsius: -1 }]),
    /"check" threw on record 1/,
  );
});

interface Silence {
  pump: string;
  atMs: number;
}

const silences = defineJob("silences", (job) => {
  job.source("telemetry", telemetry)
    .keyBy((reading) => reading.pump)
    .process("silence", {
      state: { timerMs: valueState<number>(), n: valueState<number>() },
      emits: recordType<Silence>(),
      onRecord(_reading, ctx) {
        const before = ctx.state.timerMs.get();
        if (before !== undefined) ctx.timers.deleteProcessingTime(before);
        ctx.timers.processingTime(ctx.nowMs + 10_000);
        ctx.state.timerMs.set(ctx.nowMs + 10_000);
        ctx.state.n.set((ctx.state.n.get() ?? 0) + 1);
      },
      onTimer(timeMs, ctx) {
        ctx.state.timerMs.clear();
        ctx.emit({ pump: ctx.key, atMs: timeMs });
      },
    })
    .sink("silent", alarmSink({ priority: "low", text: (s) => `${s.pump} is silent` }));
});

Deno.test("testJob: timers fire as time passes, in order, before the record whose time makes them due", () => {
  const t = testJob(silences, { parallelism: 3 });
  t.push("telemetry", { value: { pump: "a", ts: 1_000, celsius: 1 }, atMs: 1_000 });
  t.push("telemetry", [{ pump: "b", ts: 2_000, celsius: 1 }, { pump: "a", ts: 5_000, celsius: 1 }]);
  deepEqual(t.state("silence", "a"), { timerMs: 15_000, n: 2 });
  t.push("telemetry", [{ pump: "b", ts: 12_500, celsius: 1 }]);
  deepEqual(t.outputs("silent"), [{ pump: "b", atMs: 12_000 }]);
  t.advanceTo(14_999);
  equal(t.outputs("silent").length, 1);
  t.advanceTo(15_000);
  deepEqual(t.alarms("silent").map(({ text }) => text), ["b is silent", "a is silent"]);
});

Deno.test("testJob: at the end of the input every timer fires", () => {
  const t = testJob(silences);
  t.push("telemetry", [{ pump: "a", ts: 1_000, celsius: 1 }, { pump: "b", ts: 2_000, celsius: 1 }]);
  t.drain();
  deepEqual(t.outputs("silent"), [{ pump: "a", atMs: 11_000 }, { pump: "b", atMs: 12_000 }]);
});

for (const parallelism of [1, 3]) {
  Deno.test(`testJob: keys say their last at the end, stage by stage, parallelism ${parallelism}`, () => {
    const job = defineJob("totals", (job) => {
      job.source("telemetry", telemetry)
        .keyBy((reading) => reading.pump)
        .flatMapWithState("count", {
          initial: () => 0,
          onEnd: (n: number, pump) => [`${pump}=${n}`],
        }, (n) => [n + 1, []])
        .keyBy(() => "all")
        .flatMapWithState("all", {
          initial: (): readonly string[] => [],
          onEnd: (all) => [{ all: [...all].sort() }],
        }, (all, one) => [[...all, one], []])
        .sink("out", out);
    });
    const t = testJob(job, { parallelism });
    const reading = (pump: string) => ({ pump, ts: 1, celsius: 1 });
    t.push("telemetry", ["a", "b", "c", "a", "d", "a"].map(reading));
    deepEqual(t.outputs("out"), []);
    t.drain();
    deepEqual(t.outputs("out"), [{ all: ["a=3", "b=1", "c=1", "d=1"] }]);
    t.drain();
    equal(t.outputs("out").length, 1);
  });
}

Deno.test("testJob: says what there is when a name is wrong", () => {
  const t = testJob(counts);
  throws(() => t.push("telemetri", []), /no source "telemetri": it has "telemetry"/);
  throws(() => t.outputs("count"), /it has "counts"/);
  throws(() => t.state("counts", "a"), /it has "count"/);
});

for (const parallelism of [1, 3]) {
  Deno.test(`testJob: a key function that throws sets its record aside, parallelism ${parallelism}`, () => {
    const t = testJob(
      defineJob("keys", (job) => {
        job.source("in", generatorSource<number>({ next: () => undefined }))
          .keyBy((n) => {
            if (n < 0) throw new Error("no key");
            return n;
          })
          .mapWithState("sum", { initial: () => 0, onError: "dead-letter" }, (sum, n) => [
            sum + n,
            sum + n,
          ])
          .sink("out", mqttSink({ broker: "plant", topic: "out" }));
      }),
      { parallelism },
    );
    t.push("in", [1, -1, 2]);
    deepEqual(t.outputs("out"), [1, 2]);
    deepEqual(t.deadLetters, [{ uid: "sum", reason: "no key", position: 2 }]);
  });
}
