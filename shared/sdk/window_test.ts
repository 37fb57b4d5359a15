import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { UserError } from "@shared/errors.ts";
import {
  alarmSink,
  count,
  defineJob,
  everyEventTime,
  generatorSource,
  global,
  type JobBuilder,
  type KeyedStream,
  session,
  sideOutput,
  sliding,
  tumbling,
  type WindowAssigner,
} from "./mod.ts";

interface Reading {
  readonly key: string;
  readonly at: number;
}

const SUM = { initial: () => 0, add: (sum: number) => sum + 1 };
const sink = alarmSink<unknown>({ priority: "low" });

function keyed(job: JobBuilder, options: object = { eventTime: (r: Reading) => r.at }) {
  const source = generatorSource<Reading>({ next: () => undefined, ...options });
  return job.source("in", source).keyByLocal((reading) => reading.key);
}

/** What building a job of this operator gives. */
function built(operator: (readings: KeyedStream<Reading>) => void, options?: object) {
  return defineJob("test", (job) => {
    const readings = keyed(job, options);
    operator(readings);
    readings.sink("out", sink);
  }).build({});
}

function refuses(
  code: string,
  operator: (readings: KeyedStream<Reading>) => void,
  options?: object,
): void {
  throws(() => built(operator, options), (thrown) => {
    strictEqual((thrown as UserError).code, code, (thrown as Error).message);
    return thrown instanceof UserError;
  });
}

Deno.test("window: goes by event time where the source has one, by the wall clock where it has none", () => {
  const operator = (readings: KeyedStream<Reading>) =>
    void readings.window("sum", tumbling("1m", { offset: "90s" }), SUM);
  const byEvent = built(operator);
  const spec = byEvent.operators.get("sum")!;
  strictEqual(spec.kind === "window" && spec.time, "event");
  deepStrictEqual(spec.kind === "window" && spec.windows, {
    kind: "time",
    sizeMs: 60_000,
    slideMs: 60_000,
    offsetMs: 30_000,
  });
  const node = byEvent.graph.operators.find(({ uid }) => uid === "sum")!;
  strictEqual(node.label, "tumbling 1m, offset 90s");
  deepStrictEqual(node.states.map(({ kind }) => kind), ["window"]);
  const byWallClock = built(operator, {});
  const other = byWallClock.operators.get("sum")!;
  strictEqual(other.kind === "window" && other.time, "processing");
  deepStrictEqual(
    byWallClock.graph.operators.find(({ uid }) => uid === "sum")!.states.map(({ kind }) => kind),
    ["window", "timers"],
  );
});

Deno.test("window: state of windows that are cut otherwise has another name, so that it is refused (S3)", () => {
  const merge = (a: number, b: number) => a + b;
  const nameOf = (windows: WindowAssigner) =>
    built((readings) => void readings.window("sum", windows, { ...SUM, merge }))
      .graph.operators.find(({ uid }) => uid === "sum")!.states[0]!.name;
  deepStrictEqual(
    [
      tumbling("1m"),
      tumbling("5m"),
      tumbling("5m", { offset: 10 }),
      sliding("5m", "1m"),
      session("1m"),
      session("5m"),
      count(10),
      count(10, 5),
    ].map(nameOf),
    [
      "windows-60000",
      "windows-300000",
      "windows-300000-from-10",
      "windows-300000-every-60000",
      "sessions",
      "sessions",
      "count-10",
      "count-10-every-5",
    ],
  );
});

Deno.test("window: with an event time for each key, the key's clock is the last of its states", () => {
  const job = built((readings) => {
    readings.window("sum", tumbling("1m"), SUM);
    readings.window("count", count(5), SUM);
  }, {
    eventTime: (reading: Reading) => reading.at,
    perKey: true,
    maxOutOfOrderness: "2s",
  });
  const node = job.graph.operators.find(({ uid }) => uid === "sum")!;
  deepStrictEqual(node.states.map(({ name }) => name), ["windows-60000", "event-clock"]);
  const spec = job.operators.get("sum")!;
  deepStrictEqual(spec.kind === "window" && spec.keyClock, {
    maxOutOfOrdernessMs: 2_000,
    idleAfterMs: null,
  });
  const counted = job.operators.get("count")!;
  strictEqual(counted.kind === "window" && counted.keyClock, undefined);
});

Deno.test("window: windows that share records need merge, others do not", () => {
  const needing: WindowAssigner[] = [
    sliding("10s", "5s"),
    sliding("4s", "6s"),
    session("5s"),
    count(10, 4),
  ];
  for (const windows of needing) {
    refuses("merge-missing", (readings) => void readings.window("sum", windows, SUM));
    const merge = (a: number, b: number) => a + b;
    built((readings) => void readings.window("sum", windows, { ...SUM, merge }));
  }
  for (const windows of [tumbling("1m"), sliding("5s", "10s"), count(3), count(2, 4)]) {
    built((readings) => void readings.window("sum", windows, SUM));
  }
});

Deno.test("window: what makes no sense is refused with what to do", () => {
  refuses("bad-window", (r) => void r.window("w", undefined as never, SUM));
  refuses("bad-window", () => void tumbling(0));
  refuses("bad-window", () => void sliding("1h", 7));
  refuses("bad-window", () => void global({} as never));
  refuses("bad-option", () => void count(0));
  refuses("bad-option", (r) => void r.window("w", tumbling("1m"), { initial: () => 0 } as never));
  refuses(
    "unknown-option",
    (r) => void r.window("w", tumbling("1m"), { ...SUM, lateness: "1s" } as never),
  );
  refuses("bad-option", (r) => void r.window("w", count(3), { ...SUM, allowedLateness: "1s" }));
  const byWallClock = {};
  const lateOutput = sideOutput<Reading>("late");
  refuses(
    "bad-option",
    (r) => void r.window("w", tumbling("1m"), { ...SUM, lateOutput }),
    byWallClock,
  );
  refuses(
    "bad-tag",
    (r) => void r.window("w", tumbling("1m"), { ...SUM, lateOutput: "late" as never }),
  );
  const trigger = everyEventTime("1m");
  refuses("event-time-missing", (r) => void r.window("w", global({ trigger }), SUM), byWallClock);
});

Deno.test("joins: both sides are keyed alike, and records of one key meet", () => {
  const join = () => 1;
  const sides = (
    build: (job: JobBuilder) => [left: KeyedStream<Reading>, right: KeyedStream<Reading>],
  ) =>
    defineJob("test", (job) => {
      const [left, right] = build(job);
      left.windowJoin("join", right, tumbling("1m"), { join }).sink("out", sink);
    }).build({});
  const two = (job: JobBuilder) => {
    const source = generatorSource<Reading>({ next: () => undefined, eventTime: (r) => r.at });
    return [job.source("one", source), job.source("two", source)] as const;
  };
  const key = (reading: Reading) => reading.key;
  const byExchange = sides((job) => {
    const [one, other] = two(job);
    return [one.keyBy(key), other.keyBy(key)];
  });
  deepStrictEqual(byExchange.graph.edges.slice(0, 2), [
    { from: "one", to: "join", kind: "keyBy" },
    { from: "two", to: "join", kind: "keyBy", input: 1 },
  ]);
  sides((job) => {
    const [one] = two(job);
    return [one.keyByLocal(key), one.map("same", (reading) => reading).keyByLocal(key)];
  });
  const wrong: Parameters<typeof sides>[0][] = [
    (job) => {
      const [one, other] = two(job);
      return [one.keyBy(key), other.keyByLocal(key)];
    },
    (job) => {
      const [one, other] = two(job);
      return [one.keyByLocal(key), other.keyByLocal(key)];
    },
    (job) => {
      const [one] = two(job);
      const behind = one.keyBy(key).mapWithState("n", { initial: () => 0 }, (n, r) => [n, r]);
      return [one.keyByLocal(key), behind.keyByLocal(key)];
    },
  ];
  for (const build of wrong) {
    throws(() => sides(build), (thrown) => {
      strictEqual((thrown as UserError).code, "join-keys");
      return /use keyBy on both sides/.test((thrown as Error).message);
    });
  }
});

Deno.test("joins: what makes no sense is refused with what to do", () => {
  const join = () => 1;
  refuses("bad-window", (r) => void r.windowJoin("j", r, count(3), { join }));
  refuses("bad-interval", (r) => void r.intervalJoin("j", r, { lower: "5s", upper: "-5s", join }));
  refuses(
    "bad-duration",
    (r) => void r.intervalJoin("j", r, { lower: "--5s" as never, upper: 0, join }),
  );
  refuses(
    "not-a-stream",
    (r) => void r.intervalJoin("j", {} as never, { lower: 0, upper: 0, join }),
  );
  refuses("bad-option", (r) => void r.lookupJoin("j", { join } as never));
  refuses(
    "bad-option",
    (r) => void r.lookupJoin("j", { lookup: () => 1, join, cache: { max: 0 } }),
  );
  refuses("unknown-option", (r) => void r.lookupJoin("j", r, { join, cache: {} } as never));
});
