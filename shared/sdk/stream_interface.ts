/**
 * Streams: what a job author chains operators to.
 *
 * Pure types; `stream.ts` carries them out. User functions are synchronous and see records and state as immutable
 * values. The examples run as tests.
 *
 * @module
 */
import type { Anomaly, Detector } from "./operator.ts";
import type {
  AnyFields,
  BroadcastStream,
  Key,
  OperatorOptions,
  ProcessOptions,
  StateOptions,
} from "./process.ts";
import type { SideOutput } from "./side_output.ts";
import type { Sink } from "./sink.ts";
import type { StateDeclarations } from "./state.ts";
import type { WindowStream } from "./window_stream.ts";

/** Records of one type on their way from a source to sinks. */
export interface Stream<Out> {
  /**
   * One record out for each record in.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { defineJob, generatorSource, mqttSink } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Reading { pump: string; celsius: number }
   * const readings = generatorSource<Reading>({ next: () => undefined });
   * const out = mqttSink({ broker: "plant", topic: "out" });
   *
   * const job = defineJob("kelvin", (job) => {
   *   job.source("in", readings)
   *     .map("kelvin", ({ pump, celsius }) => ({ pump, kelvin: celsius + 273 }))
   *     .sink("out", out);
   * });
   *
   * const t = testJob(job);
   * t.push("in", [{ pump: "a", celsius: 20 }, { pump: "b", celsius: 90 }]);
   * deepEqual(t.outputs("out"), [{ pump: "a", kelvin: 293 }, { pump: "b", kelvin: 363 }]);
   * ```
   */
  map<Next>(uid: string, fn: (record: Out) => Next, options?: OperatorOptions): Stream<Next>;
  /**
   * Passes on the records for which `fn` is true.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { defineJob, generatorSource, mqttSink } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Reading { pump: string; celsius: number }
   * const readings = generatorSource<Reading>({ next: () => undefined });
   * const out = mqttSink({ broker: "plant", topic: "out" });
   *
   * const job = defineJob("hot", (job) => {
   *   job.source("in", readings)
   *     .filter("hot", (reading) => reading.celsius > 50, { onError: "dead-letter" })
   *     .sink("out", out);
   * });
   *
   * const t = testJob(job);
   * t.push("in", [{ pump: "a", celsius: 20 }, { pump: "b", celsius: 90 }]);
   * deepEqual(t.outputs("out"), [{ pump: "b", celsius: 90 }]);
   * ```
   */
  filter<Next extends Out>(
    uid: string,
    fn: (record: Out) => record is Next,
    options?: OperatorOptions,
  ): Stream<Next>;
  filter(uid: string, fn: (record: Out) => boolean, options?: OperatorOptions): Stream<Out>;
  /**
   * Any number of records out for each record in.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { defineJob, generatorSource, mqttSink } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Reading { pump: string; celsius: number }
   * const readings = generatorSource<Reading>({ next: () => undefined });
   * const out = mqttSink({ broker: "plant", topic: "out" });
   *
   * const job = defineJob("signals", (job) => {
   *   job.source("in", readings)
   *     .flatMap("signals", (reading) => Object.keys(reading).map((name) => ({ name })))
   *     .sink("out", out);
   * });
   *
   * const t = testJob(job);
   * t.push("in", [{ pump: "a", celsius: 20 }]);
   * deepEqual(t.outputs("out"), [{ name: "pump" }, { name: "celsius" }]);
   * ```
   */
  flatMap<Next>(
    uid: string,
    fn: (record: Out) => Iterable<Next>,
    options?: OperatorOptions,
  ): Stream<Next>;
  /**
   * Groups records by key within their split: every key's records must come through one split.
   * Cheap: nothing is sent between agents. Behind a `keyBy` it must give the same keys as that one.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { defineJob, generatorSource, mqttSink } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Reading { pump: string; celsius: number }
   * const readings = generatorSource<Reading>({ next: () => undefined });
   * const out = mqttSink({ broker: "plant", topic: "out" });
   *
   * const job = defineJob("counts", (job) => {
   *   job.source("in", readings)
   *     .keyByLocal((reading) => reading.pump)
   *     .mapWithState("count", { initial: () => 0 }, (n, { pump }) => [n + 1, { pump, n: n + 1 }])
   *     .sink("out", out);
   * });
   *
   * const t = testJob(job);
   * t.push("in", [{ pump: "a", celsius: 20 }, { pump: "b", celsius: 90 }]);
   * deepEqual(t.outputs("out"), [{ pump: "a", n: 1 }, { pump: "b", n: 1 }]);
   * ```
   */
  keyByLocal(keyOf: (record: Out) => Key): KeyedStream<Out>;
  /**
   * Groups records by key across splits and agents: each record is sent to the subtask that owns its key.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { defineJob, generatorSource, mqttSink } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Reading { pump: string; celsius: number }
   * const readings = generatorSource<Reading>({ next: () => undefined });
   * const out = mqttSink({ broker: "plant", topic: "out" });
   *
   * const job = defineJob("counts", (job) => {
   *   job.source("in", readings)
   *     .keyBy((reading) => reading.celsius > 50)
   *     .mapWithState("count", { initial: () => 0 }, (n, _, isHot) => [n + 1, { isHot, n: n + 1 }])
   *     .sink("out", out);
   * });
   *
   * const t = testJob(job);
   * t.push("in", [{ pump: "a", celsius: 20 }, { pump: "b", celsius: 90 }]);
   * deepEqual(t.outputs("out"), [{ isHot: "false", n: 1 }, { isHot: "true", n: 1 }]);
   * ```
   */
  keyBy(keyOf: (record: Out) => Key): KeyedStream<Out>;
  /**
   * The records of this stream and of `others`, in no order between them.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { defineJob, generatorSource, mqttSink } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Reading { pump: string; celsius: number }
   * const readings = generatorSource<Reading>({ next: () => undefined });
   * const out = mqttSink({ broker: "plant", topic: "out" });
   *
   * const job = defineJob("merged", (job) => {
   *   const line1 = job.source("in", readings);
   *   const line2 = job.source("line-2", readings);
   *   line1.union(line2).map("pump", ({ pump }) => ({ pump })).sink("out", out);
   * });
   *
   * const t = testJob(job);
   * t.push("in", [{ pump: "a", celsius: 20 }]);
   * t.push("line-2", [{ pump: "b", celsius: 20 }]);
   * deepEqual(t.outputs("out"), [{ pump: "a" }, { pump: "b" }]);
   * ```
   */
  union(...others: readonly Stream<Out>[]): Stream<Out>;
  /**
   * What the operator in front wrote to `tag`; empty when it writes nothing to it.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { deadLetters, defineJob, generatorSource, mqttSink } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Reading { pump: string; celsius: number }
   * const readings = generatorSource<Reading>({ next: () => undefined });
   * const out = mqttSink({ broker: "plant", topic: "out" });
   *
   * const letters = deadLetters; // or a tag of your own: sideOutput<Reading>("late")
   * const job = defineJob("checked", (job) => {
   *   const checked = job.source("in", readings).map("check", (reading) => {
   *     if (reading.celsius > 80) throw new Error("sensor broken");
   *     return reading;
   *   }, { onError: "dead-letter" });
   *   checked.sink("good", out);
   *   checked.getSideOutput(letters).map("why", ({ reason }) => ({ reason })).sink("bad", out);
   * });
   *
   * const t = testJob(job);
   * t.push("in", [{ pump: "a", celsius: 20 }, { pump: "b", celsius: 90 }]);
   * deepEqual(t.outputs("good"), [{ pump: "a", celsius: 20 }]);
   * deepEqual(t.outputs("bad"), [{ reason: "sensor broken" }]);
   * ```
   */
  getSideOutput<Side>(tag: SideOutput<Side>): Stream<Side>;
  /**
   * Makes every record go to every subtask of a `process` that names it as its `broadcast`: for rules, thresholds and
   * recipes that are pushed into a running job. `Value` is the type of what is kept of them; the records
   * themselves unless given.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { defineJob, generatorSource, mqttSink } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Reading { pump: string; celsius: number }
   * const readings = generatorSource<Reading>({ next: () => undefined });
   * const out = mqttSink({ broker: "plant", topic: "out" });
   *
   * interface Limit { pump: string; celsius: number }
   *
   * const job = defineJob("limits", (job) => {
   *   const limits = job.source("limits", generatorSource<Limit>({ next: () => undefined }));
   *   job.source("in", readings)
   *     .keyBy((reading) => reading.pump)
   *     .process("watch", {
   *       broadcast: limits.broadcast<number>(),
   *       onBroadcast(limit, ctx) {
   *         ctx.broadcast.set(limit.pump, limit.celsius); // only here: so all subtasks hold the same
   *       },
   *       onRecord(reading, ctx) {
   *         const limit = ctx.broadcast.get(reading.pump);
   *         if (limit !== undefined && reading.celsius > limit) ctx.emit({ pump: ctx.key });
   *       },
   *     })
   *     .sink("out", out);
   * });
   *
   * const t = testJob(job);
   * t.push("limits", [{ pump: "b", celsius: 80 }]);
   * t.push("in", [{ pump: "a", celsius: 20 }, { pump: "b", celsius: 90 }]);
   * deepEqual(t.outputs("out"), [{ pump: "b" }]);
   * ```
   */
  broadcast<Value = Out>(): BroadcastStream<Out, Value>;
  /**
   * Ends the stream in a sink; a stream may have several.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { defineJob, generatorSource, mqttSink } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Reading { pump: string; celsius: number }
   * const readings = generatorSource<Reading>({ next: () => undefined });
   * const out = mqttSink({ broker: "plant", topic: "out" });
   *
   * const job = defineJob("copies", (job) => {
   *   const stream = job.source("in", readings);
   *   stream.sink("first", out);
   *   stream.sink("second", out);
   * });
   *
   * const t = testJob(job);
   * t.push("in", [{ pump: "a", celsius: 20 }, { pump: "b", celsius: 90 }]);
   * deepEqual(t.outputs("first"), t.outputs("second"));
   * ```
   */
  sink(uid: string, sink: Sink<Out>): void;
}

/** A stream whose records have a key; operators on it have state per key. */
export interface KeyedStream<Out> extends Stream<Out>, WindowStream<Out> {
  /**
   * Takes a key's state and a record, answers the new state and one output.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { defineJob, generatorSource, mqttSink } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Reading { pump: string; celsius: number }
   * const readings = generatorSource<Reading>({ next: () => undefined });
   * const out = mqttSink({ broker: "plant", topic: "out" });
   *
   * const job = defineJob("rise", (job) => {
   *   job.source("in", readings)
   *     .keyBy((reading) => reading.pump)
   *     .mapWithState("rise", {
   *       initial: (): number | null => null,
   *       ttl: "7d",                   // a pump not heard for so long is forgotten
   *       ttlRefresh: "readAndWrite",
   *       onError: "dead-letter",
   *     }, (last, { celsius }, pump) => [celsius, { pump, rise: celsius - (last ?? celsius) }])
   *     .sink("out", out);
   * });
   *
   * const t = testJob(job);
   * t.push("in", [{ pump: "a", celsius: 20 }, { pump: "a", celsius: 25 }]);
   * deepEqual(t.outputs("out"), [{ pump: "a", rise: 0 }, { pump: "a", rise: 5 }]);
   * ```
   */
  mapWithState<State, Next>(
    uid: string,
    options: StateOptions<State, Next>,
    fn: (
      state: Readonly<State>,
      record: Out,
      key: string,
    ) => readonly [state: State, output: Next],
  ): Stream<Next>;
  /**
   * Takes a key's state and a record, answers the new state and any number of outputs.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { defineJob, generatorSource, mqttSink } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Reading { pump: string; celsius: number }
   * const readings = generatorSource<Reading>({ next: () => undefined });
   * const out = mqttSink({ broker: "plant", topic: "out" });
   *
   * const job = defineJob("jumps", (job) => {
   *   job.source("in", readings)
   *     .keyBy((reading) => reading.pump)
   *     .flatMapWithState("jump", { initial: () => 20 }, (last, { celsius }, pump) =>
   *       [celsius, Math.abs(celsius - last) > 10 ? [{ pump, from: last, to: celsius }] : []])
   *     .sink("out", out);
   * });
   *
   * const t = testJob(job);
   * t.push("in", [{ pump: "a", celsius: 20 }, { pump: "b", celsius: 90 }]);
   * deepEqual(t.outputs("out"), [{ pump: "b", from: 20, to: 90 }]);
   * ```
   */
  flatMapWithState<State, Next>(
    uid: string,
    options: StateOptions<State, Next>,
    fn: (
      state: Readonly<State>,
      record: Out,
      key: string,
    ) => readonly [state: State, outputs: readonly Next[]],
  ): Stream<Next>;
  /**
   * State by name, timers and a broadcast input, for what the others cannot say.
   *
   * Timers of event time fire when no earlier record is expected any more, in the order of their time; timers of
   * processing time by the wall clock. Both are state.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { defineJob, generatorSource, mqttSink, recordType, valueState } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Reading { pump: string; ts: number }
   * const readings = generatorSource<Reading>({
   *   next: () => undefined,
   *   eventTime: (reading) => reading.ts,
   *   maxOutOfOrderness: "5s",
   * });
   *
   * const job = defineJob("silences", (job) => {
   *   job.source("in", readings)
   *     .keyBy((reading) => reading.pump)
   *     .process("silence", {
   *       state: { timerMs: valueState<number>() },
   *       emits: recordType<{ pump: string; silentSinceMs: number }>(),
   *       onRecord(reading, ctx) {
   *         const before = ctx.state.timerMs.get();
   *         if (before !== undefined) ctx.timers.deleteEventTime(before);
   *         ctx.timers.eventTime(reading.ts + 60_000);
   *         ctx.state.timerMs.set(reading.ts + 60_000);
   *       },
   *       onTimer(timeMs, ctx) {
   *         ctx.emit({ pump: ctx.key, silentSinceMs: timeMs - 60_000 });
   *         ctx.state.timerMs.clear();
   *       },
   *     })
   *     .sink("out", mqttSink({ broker: "plant", topic: "out" }));
   * });
   *
   * const t = testJob(job);
   * t.push("in", [{ pump: "a", ts: 1_000 }, { pump: "a", ts: 31_000 }, { pump: "b", ts: 90_000 }]);
   * deepEqual(t.outputs("out"), []);
   * t.push("in", [{ pump: "b", ts: 96_001 }]); // the watermark reaches 91,000: a has been silent for a minute
   * deepEqual(t.outputs("out"), [{ pump: "a", silentSinceMs: 31_000 }]);
   * ```
   */
  process<States extends StateDeclarations, Next = AnyFields, Rule = never, Value = Rule>(
    uid: string,
    options: ProcessOptions<Out, States, Next, Rule, Value>,
  ): Stream<Next>;
  /**
   * Learns each key's normal and answers the edges of its anomalies: one at the onset, one at the end.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { defineJob, generatorSource, mqttSink, zScore } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Reading { pump: string; celsius: number }
   * const readings = generatorSource<Reading>({ next: () => undefined });
   * const out = mqttSink({ broker: "plant", topic: "out" });
   *
   * const job = defineJob("drift", (job) => {
   *   job.source("in", readings)
   *     .keyBy((reading) => reading.pump)
   *     .detect("drift", zScore({ value: (reading) => reading.celsius, threshold: 4, warmUp: 10 }))
   *     .map("edge", ({ key, isActive }) => ({ key, isActive }))
   *     .sink("out", out);
   * });
   *
   * const t = testJob(job);
   * const celsius = [20, 21, 20, 21, 20, 21, 20, 21, 20, 21, 20, 21, 90, 90, 90, 90, 90];
   * t.push("in", celsius.map((value) => ({ pump: "a", celsius: value })));
   * deepEqual(t.outputs("out"), [{ key: "a", isActive: true }]);
   * ```
   */
  detect<State>(
    uid: string,
    detector: Detector<Out, State>,
    options?: OperatorOptions,
  ): Stream<Anomaly<Out>>;
}
