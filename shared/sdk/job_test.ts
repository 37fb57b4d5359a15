import { deepEqual, equal, match, throws } from "node:assert/strict";
import { UserError } from "@shared/errors.ts";
import {
  alarmSink,
  defineJob,
  generatorSource,
  type JobBuilder,
  mqttSink,
  mqttSource,
  recordType,
  type Stream,
  valueState,
  zScore,
} from "./mod.ts";

interface Reading {
  equipment: string;
  ts: number;
  temperature: number;
}

const telemetry = () =>
  mqttSource<Reading>({
    broker: "plant",
    splits: [
      { topics: ["plant/line-1/+/telemetry"], near: { line: "1" } },
      { topics: ["plant/line-2/+/telemetry"] },
    ],
  });
const out = () => mqttSink({ broker: "plant", topic: "out" });

/** The error of building a job whose function is `define`; its place must be in this file. */
function errorOf(define: (job: JobBuilder, readings: Stream<Reading>) => void): UserError {
  const job = defineJob("tiny", (job) => {
    const readings = job.source("telemetry", telemetry());
    readings.sink("first", out());
    define(job, readings);
  });
  let caught: unknown;
  throws(() => job.build({}), (error) => {
    caught = error;
    return error instanceof UserError;
  });
  const error = caught as UserError;
  match(error.at ?? "", /shared\/sdk\/job_test\.ts:\d+$/);
  return error;
}

// The job of the SDK's contract, as an author writes it; it must compile.
const pumpWatch = defineJob("pump-watch", (job) => {
  const readings = job.source(
    "telemetry",
    mqttSource<Reading>({
      broker: "plant",
      splits: [{ topics: ["plant/line-1/+/telemetry"], near: { line: "1" } }, {
        topics: ["plant/line-2/+/telemetry"],
        near: { line: "2" },
      }],
      eventTime: (r) => r.ts,
      maxOutOfOrderness: "5s",
      idleAfter: "30s",
    }),
  );

  const counted = readings
    .filter("hot", (r) => r.temperature > 50)
    .keyByLocal((r) => r.equipment)
    .mapWithState(
      "count",
      { initial: () => ({ n: 0 }), ttl: "7d" },
      (state, r) => [{ n: state.n + 1 }, { equipment: r.equipment, n: state.n + 1 }],
    );
  counted.sink(
    "counts",
    mqttSink({ broker: "plant", topic: (c) => `out/count/${c.equipment}`, delivery: "staged" }),
  );

  readings.keyByLocal((r) => r.equipment)
    .process("spike", {
      state: { last: valueState<number>() },
      onRecord(r, ctx) {
        const last = ctx.state.last.get();
        if (last !== undefined && Math.abs(r.temperature - last) > 20) {
          ctx.emit({ equipment: ctx.key, jump: r.temperature - last });
        }
        ctx.state.last.set(r.temperature);
        ctx.timers.processingTime(ctx.nowMs + 60_000);
      },
      onTimer(_t, ctx) {
        ctx.state.last.clear();
      },
    }).sink(
      "spikes",
      alarmSink({ priority: "high", onDelay: "0s", text: (s) => `jump of ${s.jump}` }),
    );

  readings.keyByLocal((r) => r.equipment)
    .detect("drift", zScore({ value: (r) => r.temperature, threshold: 4, warmUp: 100 }))
    .sink("anomalies", alarmSink({ priority: "medium" }));
});

Deno.test("job: the graph names operators, edges and states", () => {
  const { graph } = pumpWatch.build({});
  deepEqual(graph.operators.map((node) => [node.uid, node.kind, node.isKeyed, node.states]), [
    ["telemetry", "source", false, []],
    ["hot", "filter", false, []],
    ["count", "mapWithState", true, [{ name: "value", kind: "value", codecVersion: 1 }]],
    ["counts", "sink", false, []],
    ["spike", "process", true, [
      { name: "last", kind: "value", codecVersion: 1 },
      { name: "timers", kind: "timers", codecVersion: 1 },
    ]],
    ["spikes", "sink", false, []],
    ["drift", "detect", true, [{ name: "detector", kind: "detector", codecVersion: 1 }]],
    ["anomalies", "sink", false, []],
  ]);
  deepEqual(graph.edges.map((edge) => `${edge.from} ${edge.kind} ${edge.to}`), [
    "telemetry forward hot",
    "hot keyByLocal count",
    "count forward counts",
    "telemetry keyByLocal spike",
    "spike forward spikes",
    "telemetry keyByLocal drift",
    "drift forward anomalies",
  ]);
});

Deno.test("job: building twice gives the same graph", () => {
  deepEqual(pumpWatch.build({}).graph, pumpWatch.build({}).graph);
});

Deno.test("job: the graph is plain JSON", () => {
  const { graph } = pumpWatch.build({});
  deepEqual(JSON.parse(JSON.stringify(graph)), graph);
});

Deno.test("job: specs carry the author's functions and settled options", () => {
  const { operators } = pumpWatch.build({});
  const count = operators.get("count")!;
  equal(count.kind === "mapWithState" && count.ttlMs, 7 * 86_400_000);
  const record = { equipment: "p1", ts: 1, temperature: 60 };
  equal(count.kind === "mapWithState" && count.keyOf(record), "p1");
  deepEqual(count.kind === "mapWithState" && count.fn(count.initial(), record, "p1"), [
    { n: 1 },
    { equipment: "p1", n: 1 },
  ]);
  const counts = operators.get("counts")!;
  equal(
    counts.kind === "sink" && counts.sink.connector === "mqtt" &&
      counts.sink.topic({ equipment: "p1" }),
    "out/count/p1",
  );
});

Deno.test("job: process names its value states by slot and leaves timers out of them", () => {
  const spike = pumpWatch.build({}).operators.get("spike")!;
  deepEqual(spike.kind === "process" && spike.states.map((state) => state.name), ["last"]);
});

Deno.test("job: process without onTimer has no timer state", () => {
  const job = defineJob("tiny", (job) => {
    job.source("telemetry", telemetry()).keyByLocal((r) => r.equipment)
      .process("p", {
        state: {},
        emits: recordType<{ warm: boolean }>(),
        onRecord: (r, ctx) => ctx.emit({ warm: r.temperature > 50 }),
      })
      .filter("warm", (r) => r.warm)
      .sink("out", out());
  });
  const { graph, operators } = job.build({});
  deepEqual(graph.operators[1]!.states, []);
  const spec = operators.get("p")!;
  equal(spec.kind === "process" && spec.onTimer, null);
});

Deno.test("job: the function gets the params of the deployment", () => {
  const job = defineJob("tiny", (job, params) => {
    job.source("telemetry", telemetry()).sink(params.sink ?? "none", out());
  });
  equal(job.build({ sink: "here" }).graph.operators[1]!.uid, "here");
});

Deno.test("job: sources come first, whatever the order of declaration", () => {
  const job = defineJob("two", (job) => {
    job.source("a", telemetry()).sink("a-out", out());
    job.source("b", telemetry()).sink("b-out", out());
  });
  deepEqual(job.build({}).graph.operators.map((node) => node.uid), ["a", "b", "a-out", "b-out"]);
});

Deno.test("job: keys are texts; numbers and booleans become texts, others are refused", () => {
  const job = defineJob("keys", (job) => {
    job.source("numbers", generatorSource({ next: (n) => ({ key: n as unknown as string }) }))
      .keyByLocal((record) => record.key)
      .mapWithState("s", { initial: () => 0 }, (n) => [n, n])
      .sink("out", out());
  });
  const spec = job.build({}).operators.get("s")!;
  const keyOf = spec.kind === "mapWithState" ? spec.keyOf : () => "";
  equal(keyOf({ key: 7 }), "7");
  equal(keyOf({ key: false }), "false");
  for (const key of [undefined, null, NaN, {}, ["a"]]) throws(() => keyOf({ key }), /A key is/);
});

Deno.test("job: a missing uid is refused, with the author's line", () => {
  equal(errorOf((_, s) => s.map("", (r) => r)).code, "missing-uid");
  equal(
    errorOf((_, s) => s.filter(undefined as unknown as string, () => true)).code,
    "missing-uid",
  );
});

Deno.test("job: a uid with a character that has a meaning elsewhere is refused", () => {
  for (const uid of ["a/b", "a+b", "#", " a", "-a", "a".repeat(65)]) {
    equal(errorOf((_, s) => s.map(uid, (r) => r)).code, "bad-uid");
  }
});

Deno.test("job: a duplicate uid is refused and the first place is named (S2)", () => {
  const error = errorOf((_, s) => s.map("first", (r) => r));
  equal(error.code, "duplicate-uid");
  match(error.message, /first at .*job_test\.ts:\d+/);
});

Deno.test("job: keyed state on an unkeyed stream is refused, by the types and at build", () => {
  // @ts-expect-error a stream without a key has no mapWithState
  const error = errorOf((_, s) => s.mapWithState("x", { initial: () => 0 }, (n: number) => [n, n]));
  equal(error.code, "unkeyed-state");
  const drift = zScore<Reading>({ value: (r) => r.temperature, threshold: 4 });
  // @ts-expect-error a stream without a key has no detect
  equal(errorOf((_, s) => s.detect("x", drift)).code, "unkeyed-state");
});

Deno.test("job: record types flow through, from the source to the sink", () => {
  defineJob("typed", (job) => {
    const readings = job.source("telemetry", telemetry());
    // @ts-expect-error a reading has no field of this name
    readings.map("a", (r) => r.temprature);
    const warm = readings.map("b", (r) => ({ warm: r.temperature > 50 }));
    // @ts-expect-error the sink takes other records
    warm.sink("c", mqttSink<{ cold: boolean }>({ broker: "plant", topic: "out" }));
    // @ts-expect-error a key is a text, number or boolean
    readings.keyByLocal((r) => r);
    readings.keyByLocal((r) => r.equipment).process("d", {
      state: { last: valueState<number>() },
      // @ts-expect-error the state holds numbers
      onRecord: (r, ctx) => ctx.state.last.set(r.equipment),
    });
    readings.keyByLocal((r) => r.equipment)
      .detect("e", zScore({ value: (r) => r.temperature, threshold: 4 }))
      .map("f", (anomaly) => anomaly.record.temperature.toFixed(1))
      .sink("g", alarmSink({ priority: "low", text: (text) => text.toUpperCase() }));
  });
});

Deno.test("job: an option that does not exist is refused by name", () => {
  const options = { initial: () => 0, tll: "7d" };
  const error = errorOf((_, s) =>
    s.keyByLocal((r) => r.equipment).mapWithState("x", options, (n) => [n, n])
  );
  equal(error.code, "unknown-option");
  match(error.message, /no option "tll"/);
});

Deno.test("job: a state may not be named timers", () => {
  const error = errorOf((_, s) =>
    s.keyByLocal((r) => r.equipment)
      .process("x", { state: { timers: valueState<number>() }, onRecord() {} })
  );
  equal(error.code, "bad-state-name");
});

Deno.test("job: a job without source, without sink, with a bad name or an async function is refused", () => {
  const codeOf = (job: { build(params: Record<string, string>): unknown }) => {
    try {
      job.build({});
    } catch (error) {
      return (error as UserError).code;
    }
  };
  equal(codeOf(defineJob("empty", () => {})), "no-source");
  equal(codeOf(defineJob("open", (job) => void job.source("s", telemetry()))), "no-sink");
  equal(codeOf(defineJob("Bad Name", () => {})), "bad-job-name");
  equal(codeOf(defineJob("late", (async () => {}) as () => void)), "async-job");
});
