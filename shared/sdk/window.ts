/**
 * Windows: how an author says which records of a key belong together, and when their result is given.
 *
 * Pure.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import { callSiteOf } from "./call_site.ts";
import { type Duration, durationMs } from "./duration.ts";
import { checkFunction, checkOptionNames, checkWhole } from "./options.ts";
import type { OperatorOptions } from "./process.ts";
import type { SideOutput } from "./side_output.ts";
import type { TriggerAnswer, TriggerSpec, Window, WindowsSpec } from "./window_spec.ts";

/** Says how records are put into windows; made by `tumbling`, `sliding`, `session`, `count`, `global` or `stateWindow`. */
export interface WindowAssigner<In = unknown> {
  readonly windows: WindowsSpec;
  readonly label: string;
  /** Carries the type alone; never set. */
  readonly takes?: (record: In) => void;
}

/** Says when a global window gives its result; made by `everyCount`, `everyEventTime`, `everyProcessingTime` or `triggerOn`. */
export interface Trigger<In = unknown> {
  readonly trigger: TriggerSpec;
  readonly label: string;
  /** Carries the type alone; never set. */
  readonly takes?: (record: In) => void;
}

/** What all windowed operators may be told. */
export interface WindowOptions<In> extends OperatorOptions {
  /** How long after its end a window still takes late records, each with a new result; default 0. */
  readonly allowedLateness?: Duration;
  /** Side output that gets the records which came too late; they are counted in any case. */
  readonly lateOutput?: SideOutput<In>;
  /** Raise it when the shape of the accumulator changes (S3); whole number from 1, default 1. */
  readonly codecVersion?: number;
}

/** Windows that gather their records in an accumulator. */
export interface AggregateOptions<In, Acc, Out> extends WindowOptions<In> {
  /** Accumulator of a window that holds nothing. */
  readonly initial: () => Acc;
  /**
   * The accumulator with one more record. It belongs to the engine: `add` may change it and answer it, but must not
   * have changed it when it throws.
   */
  readonly add: (acc: Acc, record: In) => Acc;
  /** The result of a window; the accumulator unless given. Called again when a late record changes the window. */
  readonly result?: (acc: Acc, w: Window) => Out;
  /**
   * Both accumulators as one, the earlier first; changes neither. Needed where windows share records or
   * become one: `sliding`, `session`, and `count` with a slide below its size.
   */
  readonly merge?: (a: Acc, b: Acc) => Acc;
}

/** Windows that combine their records two by two. Methods, so that a stream is also one of any wider record type. */
export interface ReduceOptions<In, Out> extends WindowOptions<In> {
  /** Two records as one, the earlier first; changes neither. Any grouping must give the same. */
  reduce(a: In, b: In): In;
  /** The result of a window; the combined record unless given. */
  result?(value: In, w: Window): Out;
}

const COUNT_MAX = 1_000_000_000;
/** Panes that one window may be made of. */
const PANES_MAX = 10_000;

/**
 * Windows of one length side by side: each record is in one.
 *
 * @param options `offset` shifts where windows begin; by default at whole multiples of `size` since the epoch, UTC.
 * @throws {UserError} `bad-duration` or `bad-window`.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, generatorSource, mqttSink, tumbling } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * interface Reading { pump: string; ts: number; kW: number }
 *
 * const job = defineJob("energy", (job) => {
 *   job.source("in", generatorSource<Reading>({ next: () => undefined, eventTime: (r) => r.ts }))
 *     .keyBy((r) => r.pump)
 *     .window("per-minute", tumbling("1m"), {
 *       initial: () => ({ n: 0, sum: 0 }),
 *       add: (acc, r) => ({ n: acc.n + 1, sum: acc.sum + r.kW }),
 *       result: (acc, w) => ({ pump: w.key, start: w.start, mean: acc.sum / acc.n }),
 *       allowedLateness: "10s",
 *     })
 *     .sink("means", mqttSink({ broker: "plant", topic: (mean) => `out/mean/${mean.pump}` }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [{ pump: "a", ts: 0, kW: 4 }, { pump: "a", ts: 59_999, kW: 6 }]);
 * deepEqual(t.outputs("means"), []);
 * t.push("in", [{ pump: "a", ts: 60_000, kW: 9 }]); // nothing before it is expected any more
 * deepEqual(t.outputs("means"), [{ pump: "a", start: 0, mean: 5 }]);
 * t.push("in", [{ pump: "a", ts: 30_000, kW: 8 }]); // late, but within 10 s: a new result
 * deepEqual(t.outputs("means")[1], { pump: "a", start: 0, mean: 6 });
 * ```
 */
export function tumbling(size: Duration, options: { offset?: Duration } = {}): WindowAssigner {
  const at = callSiteOf(tumbling);
  checkOptionNames("tumbling", options, { known: ["offset"], at });
  const sizeMs = lengthMs(size, "The size of tumbling", at);
  const { offset } = options;
  const offsetMs = offset === undefined ? 0 : durationMs(offset, "offset", at) % sizeMs;
  return {
    windows: { kind: "time", sizeMs, slideMs: sizeMs, offsetMs },
    label: `tumbling ${text(size)}${offset === undefined ? "" : `, offset ${text(offset)}`}`,
  };
}

/**
 * Windows of one length that begin every `slide`: each record is in `size / slide` of them.
 *
 * Records are gathered in panes as long as the greatest common divisor of both, and windows are made of
 * panes, so that a record costs the same however far windows overlap.
 *
 * @throws {UserError} `bad-duration` or `bad-window`.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, generatorSource, mqttSink, sliding } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * interface Reading { pump: string; ts: number; bar: number }
 *
 * const job = defineJob("peaks", (job) => {
 *   job.source("in", generatorSource<Reading>({ next: () => undefined, eventTime: (r) => r.ts }))
 *     .keyBy((r) => r.pump)
 *     .window("last-2m", sliding("2m", "1m"), {
 *       reduce: (a, b) => a.bar >= b.bar ? a : b,
 *       result: (peak, w) => ({ until: w.end, bar: peak.bar }),
 *     })
 *     .sink("peaks", mqttSink({ broker: "plant", topic: "out/peaks" }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [{ pump: "a", ts: 30_000, bar: 7 }, { pump: "a", ts: 90_000, bar: 5 }]);
 * t.drain();
 * deepEqual(t.outputs("peaks"), [
 *   { until: 60_000, bar: 7 },
 *   { until: 120_000, bar: 7 }, // both readings are in this one
 *   { until: 180_000, bar: 5 },
 * ]);
 * ```
 */
export function sliding(
  size: Duration,
  slide: Duration,
  options: { offset?: Duration } = {},
): WindowAssigner {
  const at = callSiteOf(sliding);
  checkOptionNames("sliding", options, { known: ["offset"], at });
  const sizeMs = lengthMs(size, "The size of sliding", at);
  const slideMs = lengthMs(slide, "The slide of sliding", at);
  const { offset } = options;
  const offsetMs = offset === undefined ? 0 : durationMs(offset, "offset", at) % slideMs;
  checkPanes(sizeMs, slideMs, at);
  const shift = offset === undefined ? "" : `, offset ${text(offset)}`;
  return {
    windows: { kind: "time", sizeMs, slideMs, offsetMs },
    label: `sliding ${text(size)} every ${text(slide)}${shift}`,
  };
}

/**
 * Windows that end when their key had no record for `gap`. Two that a late record joins become one.
 *
 * @throws {UserError} `bad-duration` or `bad-window`.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, generatorSource, mqttSink, session } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * const job = defineJob("batches", (job) => {
 *   job.source("in", generatorSource<number>({ next: () => undefined, eventTime: (ts) => ts }))
 *     .keyBy(() => "press")
 *     .window("batch", session("5m"), {
 *       initial: () => 0,
 *       add: (strokes) => strokes + 1,
 *       merge: (a, b) => a + b,
 *       result: (strokes, w) => ({ from: w.start, to: w.end, strokes }),
 *     })
 *     .sink("batches", mqttSink({ broker: "plant", topic: "out/batches" }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [0, 60_000, 400_000]);
 * t.drain();
 * deepEqual(t.outputs("batches"), [
 *   { from: 0, to: 360_000, strokes: 2 }, // ends 5 minutes behind its last stroke
 *   { from: 400_000, to: 700_000, strokes: 1 },
 * ]);
 * ```
 */
export function session(gap: Duration): WindowAssigner {
  const gapMs = lengthMs(gap, "The gap of session", callSiteOf(session));
  return { windows: { kind: "session", gapMs }, label: `session, gap ${text(gap)}` };
}

/**
 * Every `slide` records of a key, a window of its last `size`; of each `size` records unless `slide` is given.
 *
 * Records count as they come; none is late. `start` is the time of the earliest record, `end` lies 1 ms
 * behind the latest.
 *
 * @throws {UserError} `bad-option` or `bad-window`.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { count, defineJob, generatorSource, mqttSink } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * const job = defineJob("widest", (job) => {
 *   const parts = job.source("in", generatorSource<number>({ next: () => undefined }))
 *     .keyBy(() => "all");
 *   const max = { initial: () => 0, add: Math.max, merge: Math.max };
 *   parts.window("max-of-3", count(3), max).sink("of-3", mqttSink({ broker: "plant", topic: "a" }));
 *   parts.window("max-last-3", count(3, 1), max).sink("last-3", mqttSink({ broker: "plant", topic: "b" }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [9, 4, 5, 6]);
 * deepEqual(t.outputs("of-3"), [9]);
 * deepEqual(t.outputs("last-3"), [9, 9, 9, 6]);
 * ```
 */
export function count(size: number, slide: number = size): WindowAssigner {
  const at = callSiteOf(count);
  checkWhole("The size of count", size, { min: 1, max: COUNT_MAX, at });
  checkWhole("The slide of count", slide, { min: 1, max: COUNT_MAX, at });
  checkPanes(size, slide, at);
  return {
    windows: { kind: "count", size, slide },
    label: `count ${size}${slide === size ? "" : ` every ${slide}`}`,
  };
}

/**
 * One window for each key, without an end; `trigger` says when it gives its result.
 *
 * `start` is the time of the earliest record since the window was last purged, `end` lies 1 ms behind the latest.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, everyEventTime, generatorSource, global, mqttSink } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * const job = defineJob("totals", (job) => {
 *   job.source("in", generatorSource<number>({ next: () => undefined, eventTime: (ts) => ts }))
 *     .keyBy(() => "line")
 *     .window("total", global({ trigger: everyEventTime("1m") }), {
 *       initial: () => 0,
 *       add: (parts) => parts + 1,
 *     })
 *     .sink("totals", mqttSink({ broker: "plant", topic: "out/totals" }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [10_000, 20_000]);
 * t.advanceWatermark(60_000);
 * t.push("in", [70_000]);
 * t.advanceWatermark(120_000);
 * deepEqual(t.outputs("totals"), [2, 3]);
 * ```
 */
export function global<In>(options: { trigger: Trigger<In> }): WindowAssigner<In> {
  const at = callSiteOf(global);
  checkOptionNames("global", options, { known: ["trigger"], at });
  const { trigger } = options;
  if (trigger?.trigger === undefined) {
    throw new UserError(
      "bad-window",
      "global has no trigger: without one it never gives a result; give everyCount, everyEventTime, " +
        "everyProcessingTime or triggerOn",
      { at },
    );
  }
  return {
    windows: { kind: "global", trigger: trigger.trigger },
    label: `global, ${trigger.label}`,
  };
}

/**
 * A window of a key is open while `condition` holds for its records, in the order in which they come.
 *
 * The record for which it no longer holds ends the window and is not in it. `start` is the time of the earliest
 * record, `end` the time of the one that ended it.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, generatorSource, mqttSink, stateWindow } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * interface Reading { pump: string; ts: number; kW: number }
 *
 * const job = defineJob("runs", (job) => {
 *   job.source("in", generatorSource<Reading>({ next: () => undefined, eventTime: (r) => r.ts }))
 *     .keyBy((r) => r.pump)
 *     .window("run", stateWindow((r) => r.kW > 1), {
 *       initial: () => 0,
 *       add: (peak, r) => Math.max(peak, r.kW),
 *       result: (peak, w) => ({ start: w.start, end: w.end, peak }),
 *     })
 *     .sink("runs", mqttSink({ broker: "plant", topic: "out/runs" }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [0, 5, 7, 0, 0].map((kW, n) => ({ pump: "a", ts: n * 1_000, kW })));
 * deepEqual(t.outputs("runs"), [{ start: 1_000, end: 3_000, peak: 7 }]);
 * ```
 */
export function stateWindow<In>(condition: (record: In) => boolean): WindowAssigner<In> {
  checkFunction("The condition of stateWindow", condition, callSiteOf(stateWindow));
  return { windows: { kind: "state", condition }, label: "while a condition holds" };
}

/**
 * Fires each `count` records.
 *
 * @param options `purge`: forget the records then; kept unless true.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, everyCount, generatorSource, global, mqttSink } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * const job = defineJob("parts", (job) => {
 *   job.source("in", generatorSource<number>({ next: () => undefined }))
 *     .keyBy(() => "all")
 *     .window("sum", global({ trigger: everyCount(2) }), { reduce: (a, b) => a + b })
 *     .sink("out", mqttSink({ broker: "plant", topic: "out" }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [1, 2, 3, 4]);
 * deepEqual(t.outputs("out"), [3, 10]); // with purge: [3, 7]
 * ```
 */
export function everyCount(count: number, options: { purge?: boolean } = {}): Trigger {
  const at = callSiteOf(everyCount);
  checkOptionNames("everyCount", options, { known: ["purge"], at });
  checkWhole("The count of everyCount", count, { min: 1, max: COUNT_MAX, at });
  return {
    trigger: { on: "count", count, isPurging: options.purge === true },
    label: `every ${count} records`,
  };
}

/**
 * Fires when event time passes the whole multiple of `interval` that follows the first record since it last fired.
 *
 * @param options `purge`: forget the records then; kept unless true.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, everyEventTime, generatorSource, global, mqttSink } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * const job = defineJob("hourly", (job) => {
 *   job.source("in", generatorSource<number>({ next: () => undefined, eventTime: (ts) => ts }))
 *     .keyBy(() => "all")
 *     .window("parts", global({ trigger: everyEventTime("1h", { purge: true }) }), {
 *       initial: () => 0,
 *       add: (parts) => parts + 1,
 *     })
 *     .sink("out", mqttSink({ broker: "plant", topic: "out" }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [600_000, 1_200_000]);
 * t.advanceWatermark(3_600_000);
 * t.advanceWatermark(7_200_000); // no part since: no result
 * deepEqual(t.outputs("out"), [2]);
 * ```
 */
export function everyEventTime(interval: Duration, options: { purge?: boolean } = {}): Trigger {
  const at = callSiteOf(everyEventTime);
  checkOptionNames("everyEventTime", options, { known: ["purge"], at });
  const everyMs = lengthMs(interval, "The interval of everyEventTime", at);
  return {
    trigger: { on: "eventTime", everyMs, isPurging: options.purge === true },
    label: `every ${text(interval)} of event time`,
  };
}

/**
 * Fires when the wall clock passes the whole multiple of `interval` that follows the first record since it last
 * fired. The window's `start` and `end` are then times of arrival.
 *
 * @param options `purge`: forget the records then; kept unless true.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, everyProcessingTime, generatorSource, global, mqttSink } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * const job = defineJob("live", (job) => {
 *   job.source("in", generatorSource<number>({ next: () => undefined }))
 *     .keyBy(() => "all")
 *     .window("sum", global({ trigger: everyProcessingTime("10s") }), { reduce: (a, b) => a + b })
 *     .sink("out", mqttSink({ broker: "plant", topic: "out" }));
 * });
 *
 * const t = testJob(job, { startMs: 0 });
 * t.push("in", [1, 2]);
 * t.advanceTo(10_000);
 * t.push("in", [3]);
 * t.advanceTo(30_000); // one result: after 20 s there was nothing new
 * deepEqual(t.outputs("out"), [3, 6]);
 * ```
 */
export function everyProcessingTime(
  interval: Duration,
  options: { purge?: boolean } = {},
): Trigger {
  const at = callSiteOf(everyProcessingTime);
  checkOptionNames("everyProcessingTime", options, { known: ["purge"], at });
  const everyMs = lengthMs(interval, "The interval of everyProcessingTime", at);
  return {
    trigger: { on: "processingTime", everyMs, isPurging: options.purge === true },
    label: `every ${text(interval)} of processing time`,
  };
}

/**
 * Lets a function decide after each record: `continue`, `fire` a result, `purge` what the window holds, or `fireAndPurge`.
 *
 * @param decide Gets the record, the accumulator with it, and the window.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, generatorSource, global, mqttSink, triggerOn } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * const orderDone = triggerOn((isLast: boolean) => isLast ? "fireAndPurge" : "continue");
 * const job = defineJob("orders", (job) => {
 *   job.source("in", generatorSource<boolean>({ next: () => undefined }))
 *     .keyBy(() => "line")
 *     .window("order", global({ trigger: orderDone }), {
 *       initial: () => 0,
 *       add: (parts) => parts + 1,
 *     })
 *     .sink("out", mqttSink({ broker: "plant", topic: "out" }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [false, true, true]);
 * deepEqual(t.outputs("out"), [2, 1]);
 * ```
 */
export function triggerOn<In, Acc = unknown>(
  decide: (record: In, acc: Acc, w: Window) => TriggerAnswer,
): Trigger<In> {
  checkFunction("The function of triggerOn", decide, callSiteOf(triggerOn));
  return { trigger: { on: "record", decide }, label: "by a function" };
}

function lengthMs(duration: Duration, name: string, at: string | null): number {
  const ms = durationMs(duration, name, at);
  if (ms >= 1) return ms;
  throw new UserError("bad-window", `${name} is ${text(duration)}: give at least 1 ms`, { at });
}

function checkPanes(size: number, slide: number, at: string | null): void {
  let [pane, rest] = [size, slide];
  while (rest > 0) [pane, rest] = [rest, pane % rest];
  if (size / pane <= PANES_MAX) return;
  throw new UserError(
    "bad-window",
    `Windows of ${size} every ${slide} are made of ${
      size / pane
    } panes of ${pane}: give a slide that ` +
      `divides the size into at most ${PANES_MAX}`,
    { at },
  );
}

function text(duration: Duration): string {
  return typeof duration === "number" ? `${duration}ms` : duration;
}
