import { deepEqual, equal, match, throws } from "node:assert/strict";
import { UserError } from "@shared/errors.ts";
import {
  defineJob,
  generatorSource,
  type JobBuilder,
  type KeyedStream,
  mqttSink,
  mqttSource,
  sideOutput,
  type SourceTimeOptions,
  type Stream,
  type WindowOptions,
} from "./mod.ts";

interface Reading {
  pump: string;
  ts: number;
}

const numbers = () => generatorSource<number>({ next: () => undefined });
const out = () => mqttSink<unknown>({ broker: "plant", topic: "out" });

/** The error of building a job whose function is `define`; its place must be in this file. */
function errorOf(define: (job: JobBuilder, stream: Stream<number>) => void): UserError {
  const job = defineJob("tiny", (job) => define(job, job.source("in", numbers())));
  let caught: unknown;
  throws(() => job.build({}), (error) => {
    caught = error;
    return error instanceof UserError;
  });
  match((caught as UserError).at ?? "", /shared\/sdk\/streams_test\.ts:\d+$/);
  return caught as UserError;
}

const edgesOf = (define: (job: JobBuilder, stream: Stream<number>) => void) =>
  defineJob("tiny", (job) => {
    const stream = job.source("in", numbers());
    stream.sink("kept", out());
    define(job, stream);
  }).build({}).graph.edges.slice(1);

Deno.test("union: feeds the operator behind it from every stream, keyed alike", () => {
  deepEqual(
    edgesOf((job, stream) => {
      const other = job.source("other", numbers()).map("other-map", (n) => n);
      stream.union(other).keyBy((n) => n).map("merged", (n) => n).sink("out", out());
    }),
    [
      { from: "other", to: "other-map", kind: "forward" },
      { from: "in", to: "merged", kind: "keyBy" },
      { from: "other-map", to: "merged", kind: "keyBy" },
      { from: "merged", to: "out", kind: "forward" },
    ],
  );
});

Deno.test("union: leaves the keys of its streams behind", () => {
  const error = errorOf((_, stream) => {
    const keyed = stream.keyBy((n) => n);
    const merged = keyed.union(stream) as unknown as typeof keyed;
    merged.mapWithState("sum", { initial: () => 0 }, (sum, n) => [sum + n, sum]);
  });
  equal(error.code, "unkeyed-state");
});

Deno.test("union: of nothing, of something else and of another job's stream is refused", () => {
  equal(errorOf((_, stream) => void stream.union()).code, "empty-union");
  equal(errorOf((_, stream) => void stream.union(5 as never)).code, "not-a-stream");
  let foreign: Stream<number> | null = null;
  defineJob("other", (job) => {
    foreign = job.source("in", numbers());
    foreign.sink("out", out());
  }).build({});
  equal(errorOf((_, stream) => void stream.union(foreign!)).code, "stream-of-another-job");
  equal(
    errorOf((_, stream) =>
      void stream.keyBy((n) => n).process("p", {
        broadcast: foreign!.broadcast(),
        onBroadcast() {},
        onRecord() {},
      })
    ).code,
    "stream-of-another-job",
  );
});

Deno.test("union: state per key behind a keyBy and beside it is refused; behind sources alone it is not", () => {
  const define =
    (key: "keyBy" | "keyByLocal", other: "keyBy" | "keyByLocal") =>
    (job: JobBuilder, stream: Stream<number>) => {
      const counted = stream[other]((n) => n)
        .mapWithState("first", { initial: () => 0 }, (sum, n) => [sum + n, sum]);
      counted.union(job.source("more", numbers()))[key]((n) => n)
        .mapWithState("sum", { initial: () => 0 }, (sum, n) => [sum + n, sum])
        .sink("out", out());
    };
  const error = errorOf(define("keyByLocal", "keyBy"));
  equal(error.code, "mixed-stages");
  match(error.message, /"sum".*"first" and "more"/);
  equal(edgesOf(define("keyBy", "keyBy")).length, 4);
  equal(edgesOf(define("keyByLocal", "keyByLocal")).length, 4);
});

Deno.test("union: takes a stream of narrower records, and no other", () => {
  interface Named {
    name: string;
  }
  const edges = edgesOf((_, stream) => {
    const readings = stream.map("readings", (n): Reading | Named => ({ pump: `p${n}`, ts: n }));
    const names = stream.map("names", (n): Named => ({ name: `n${n}` }));
    const wider: KeyedStream<Reading | Named> = names.keyBy(({ name }) => name);
    readings.union(names, wider).sink("out", out());
    // @ts-expect-error: numbers are neither.
    readings.union(stream).sink("wrong", out());
  });
  deepEqual(edges.filter(({ to }) => to === "out").map(({ from }) => from), [
    "readings",
    "names",
    "names",
  ]);
});

Deno.test("side output: is an edge of its own; a tag that nobody writes may be read", () => {
  deepEqual(
    edgesOf((_, stream) => {
      const mapped = stream.map("twice", (n) => n * 2);
      mapped.sink("out", out());
      mapped.getSideOutput(sideOutput<string>("late")).sink("late", out());
    }),
    [
      { from: "in", to: "twice", kind: "forward" },
      { from: "twice", to: "out", kind: "forward" },
      { from: "twice", to: "late", kind: "forward", output: "late" },
    ],
  );
});

Deno.test("side output: late records go to a tag of their own type alone", () => {
  const late = sideOutput<number>("late");
  const taken: WindowOptions<number> = { lateOutput: late };
  // @ts-expect-error: readings are no numbers.
  const refused: WindowOptions<Reading> = { lateOutput: late };
  deepEqual(taken, refused);
});

Deno.test("side output: a tag must be one", () => {
  equal(errorOf((_, stream) => void stream.getSideOutput("late" as never)).code, "bad-tag");
  for (const tag of ["", "two words", "dead-letters", 5 as never]) {
    throws(() => sideOutput(tag), (error) => (error as UserError).code === "bad-tag");
  }
});

Deno.test("broadcast: is the second input of its operator, with a state of its own", () => {
  const { graph } = defineJob("ruled", (job) => {
    const rules = job.source("rules", numbers());
    job.source("in", numbers()).keyBy((n) => n).process("watch", {
      broadcast: rules.broadcast(),
      onBroadcast(rule, ctx) {
        ctx.broadcast.set("limit", rule);
      },
      onRecord(record, ctx) {
        const limit: number | undefined = ctx.broadcast.get("limit");
        if (limit !== undefined && record > limit) ctx.emit({ record });
      },
    }).sink("out", out());
  }).build({});
  deepEqual(graph.edges.slice(0, 2), [
    { from: "in", to: "watch", kind: "keyBy" },
    { from: "rules", to: "watch", kind: "broadcast", input: 1 },
  ]);
  deepEqual(graph.operators.find(({ uid }) => uid === "watch")!.states, [
    { name: "broadcast-state", kind: "broadcast", codecVersion: 1 },
  ]);
});

Deno.test("broadcast: stream and function come together", () => {
  const broadcastError = (options: object) =>
    errorOf((_, stream) =>
      void stream.keyBy((n) => n).process("p", { onRecord() {}, ...options } as never)
    ).code;
  equal(broadcastError({ onBroadcast() {} }), "broadcast-missing");
  equal(broadcastError({ broadcast: 5, onBroadcast() {} }), "bad-broadcast");
  let error: UserError | null = null;
  error = errorOf((_, stream) =>
    void stream.keyBy((n) => n).process("p", { broadcast: stream.broadcast(), onRecord() {} })
  );
  equal(error.code, "broadcast-unread");
});

const telemetry = (time: Partial<SourceTimeOptions<Reading>>) =>
  mqttSource<Reading>({
    broker: "plant",
    splits: [{ topics: ["plant/+/telemetry"] }],
    ...time,
  });

Deno.test("source: says in graph and spec how event time advances", () => {
  const { descriptor, spec } = telemetry({
    eventTime: (reading) => reading.ts,
    maxOutOfOrderness: "5s",
    idleAfter: "30s",
    perKey: true,
    onFuture: "deadLetter",
    overload: "dropOldest",
  });
  const eventTime = {
    isOfRecord: true,
    maxOutOfOrdernessMs: 5_000,
    idleAfterMs: 30_000,
    perKey: true,
    maxFutureSkewMs: 60_000,
    onFuture: "deadLetter",
  };
  deepEqual([descriptor.eventTime, descriptor.overload], [eventTime, "dropOldest"]);
  deepEqual([spec.time, spec.overload], [eventTime, "dropOldest"]);
});

Deno.test("source: without event time says nothing of it, and its records have no limit from the future", () => {
  const { descriptor, spec } = telemetry({});
  deepEqual([descriptor.eventTime, spec.time, spec.overload], [undefined, undefined, undefined]);
  const made = generatorSource<Reading>({ next: () => undefined, eventTime: (r) => r.ts });
  equal(made.descriptor.eventTime?.maxFutureSkewMs, null);
  const guarded = telemetry({ eventTime: (r) => r.ts, maxFutureSkew: null });
  equal(guarded.descriptor.eventTime?.maxFutureSkewMs, null);
});

Deno.test("source: options of event time need one, and must be in their range", () => {
  const codeOf = (time: object) => {
    let code = "";
    throws(() => telemetry(time as never), (error) => {
      code = (error as UserError).code;
      return true;
    });
    return code;
  };
  for (
    const time of [
      { maxOutOfOrderness: "5s" },
      { idleAfter: "5s" },
      { perKey: true },
      { maxFutureSkew: "1m" },
      { onFuture: "clamp" },
    ]
  ) equal(codeOf(time), "event-time-missing");
  const eventTime = (reading: Reading) => reading.ts;
  equal(codeOf({ eventTime, idleAfter: 0 }), "bad-duration");
  equal(codeOf({ eventTime, perKey: "yes" }), "bad-option");
  equal(codeOf({ eventTime, onFuture: "drop" }), "bad-option");
  equal(codeOf({ overload: "drop" }), "bad-option");
});

Deno.test("per key: operators behind have a clock as their last state; sources must agree on it", () => {
  const withClock = (other: Partial<SourceTimeOptions<Reading>>) =>
    defineJob("fleet", (job) => {
      const eventTime = (reading: Reading) => reading.ts;
      const first = job.source("in", telemetry({ eventTime, perKey: true, idleAfter: "1m" }));
      const second = job.source("other", telemetry({ eventTime, ...other }));
      first.union(second).keyBy((reading) => reading.pump)
        .process("watch", { onRecord() {}, onTimer() {} })
        .sink("out", out());
    });
  const { graph, operators } = withClock({ perKey: true, maxOutOfOrderness: "9s" }).build({});
  deepEqual(graph.operators.find(({ uid }) => uid === "watch")!.states.map(({ name }) => name), [
    "event-clock",
    "timers",
  ]);
  const watch = operators.get("watch");
  deepEqual(watch !== undefined && "keyClock" in watch ? watch.keyClock : null, {
    maxOutOfOrdernessMs: 9_000,
    idleAfterMs: null,
  });
  throws(
    () => withClock({}).build({}),
    (error) => (error as UserError).code === "mixed-event-time",
  );
});

Deno.test("broadcast: rules made of the records they are for are refused where the stage would wait for itself", () => {
  const onRecord = () => {};
  const onBroadcast = () => {};
  const ofItself = errorOf((_, stream) => {
    const broadcast = stream.filter("rules", (n) => n < 0).broadcast();
    stream.keyByLocal(String).process("watch", { broadcast, onBroadcast, onRecord })
      .sink("out", out());
  });
  equal(ofItself.code, "broadcast-circle");
  const aroundAKeyedStage = errorOf((_, stream) => {
    const broadcast = stream.keyBy(String)
      .mapWithState("totals", { initial: () => 0 }, (sum, n) => [sum + n, sum + n]).broadcast();
    stream.keyByLocal(String).process("watch", { broadcast, onBroadcast, onRecord })
      .sink("out", out());
  });
  equal(aroundAKeyedStage.code, "broadcast-circle");
  match(aroundAKeyedStage.message, /"watch".*"in"/);
  defineJob("behind-key-by", (job) => {
    const stream = job.source("in", numbers());
    const broadcast = stream.filter("rules", (n) => n < 0).broadcast();
    stream.keyBy(String).process("watch", { broadcast, onBroadcast, onRecord }).sink("out", out());
  }).build({});
});
