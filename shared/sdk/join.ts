/**
 * Joins: how an author brings records of two streams with the same key together.
 *
 * Pure. Both streams are keyed alike: both by `keyBy`, or both by `keyByLocal` behind one source.
 *
 * @module
 */
import type { Duration } from "./duration.ts";
import type { OperatorOptions } from "./process.ts";
import type { SideOutput } from "./side_output.ts";
import type { WindowOptions } from "./window.ts";
import type { Window } from "./window_spec.ts";

/**
 * A join of the records of two streams that are in the same window.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, generatorSource, mqttSink, tumbling } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * interface Flow { pump: string; ts: number; litres: number }
 * interface Power { pump: string; ts: number; kW: number }
 *
 * const job = defineJob("efficiency", (job) => {
 *   const flow = job.source("flow", generatorSource<Flow>({ next: () => undefined, eventTime: (f) => f.ts }));
 *   const power = job.source("power", generatorSource<Power>({ next: () => undefined, eventTime: (p) => p.ts }));
 *   flow.keyBy((f) => f.pump)
 *     .windowJoin("same-minute", power.keyBy((p) => p.pump), tumbling("1m"), {
 *       join: (f, p, pump, w) => ({ pump, minute: w.start, litresPerKW: f.litres / p.kW }),
 *     })
 *     .sink("out", mqttSink({ broker: "plant", topic: (both) => `out/efficiency/${both.pump}` }));
 * });
 *
 * const t = testJob(job);
 * t.push("flow", [{ pump: "a", ts: 10_000, litres: 30 }, { pump: "a", ts: 70_000, litres: 50 }]);
 * t.push("power", [{ pump: "a", ts: 40_000, kW: 3 }]);
 * t.drain();
 * deepEqual(t.outputs("out"), [{ pump: "a", minute: 0, litresPerKW: 10 }]);
 * ```
 */
export interface WindowJoinOptions<Left, Right, Out> extends WindowOptions<Left | Right> {
  /** Makes one output of each pair; `w` is the window both are in. */
  readonly join: (left: Left, right: Right, key: string, w: Window) => Out;
}

/**
 * A join of the records of two streams whose event times are close.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, generatorSource, mqttSink } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * interface Event { press: string; ts: number; kind: "stroke" | "alarm" }
 *
 * const job = defineJob("causes", (job) => {
 *   const events = job.source("in", generatorSource<Event>({ next: () => undefined, eventTime: (e) => e.ts }));
 *   const strokes = events.filter("strokes", (e) => e.kind === "stroke").keyByLocal((e) => e.press);
 *   events.filter("alarms", (e) => e.kind === "alarm").keyByLocal((e) => e.press)
 *     .intervalJoin("before-alarm", strokes, {
 *       lower: "-5s",
 *       upper: "0s",
 *       join: (alarm, stroke, press) => ({ press, secondsBefore: (alarm.ts - stroke.ts) / 1_000 }),
 *     })
 *     .sink("out", mqttSink({ broker: "plant", topic: (pair) => `out/cause/${pair.press}` }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [
 *   { press: "a", ts: 1_000, kind: "stroke" },
 *   { press: "a", ts: 6_000, kind: "stroke" },
 *   { press: "a", ts: 8_000, kind: "alarm" }, // the first stroke is 7 s before it
 * ]);
 * deepEqual(t.outputs("out"), [{ press: "a", secondsBefore: 2 }]);
 * ```
 */
export interface IntervalJoinOptions<Left, Right, Out> extends OperatorOptions {
  /** Least time from the left record to the right one: `"-5s"` takes right records up to 5 s earlier. */
  readonly lower: Interval;
  /** Most time from the left record to the right one. */
  readonly upper: Interval;
  /** Makes one output of each pair. Its event time is the later of both. */
  readonly join: (left: Left, right: Right, key: string) => Out;
  /** Side output that gets the records which came too late; they are counted in any case. */
  readonly lateOutput?: SideOutput<Left | Right>;
  /** Raise it when the shape of the records changes (S3); whole number from 1, default 1. */
  readonly codecVersion?: number;
}

/** A span of time that may lie in the past. */
export type Interval = Duration | `-${Extract<Duration, string>}`;

/** What joins with a table have in common. */
interface TableOptions<Record, Row, Out> extends OperatorOptions {
  /** Makes one output of a record and the row of its key. */
  readonly join: (record: Record, row: Row, key: string) => Out;
  /** Makes the output of a record whose key has no row; such records are passed over unless given. */
  readonly orElse?: (record: Record, key: string) => Out;
}

/**
 * A join of each record with what a function says of its key.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, generatorSource, mqttSink } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * interface Part { material: string; celsius: number }
 *
 * const limits = new Map([["steel", 80], ["brass", 60]]);
 *
 * const job = defineJob("limits", (job) => {
 *   job.source("in", generatorSource<Part>({ next: () => undefined }))
 *     .keyByLocal((part) => part.material)
 *     .lookupJoin("limit", {
 *       lookup: (material) => limits.get(material),
 *       cache: { ttl: "10m", max: 1_000 },
 *       join: (part, limit) => ({ ...part, isOver: part.celsius > limit }),
 *       orElse: (part) => ({ ...part, isOver: false }),
 *     })
 *     .sink("out", mqttSink({ broker: "plant", topic: (part) => `out/part/${part.material}` }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [{ material: "brass", celsius: 70 }, { material: "tin", celsius: 70 }]);
 * deepEqual(t.outputs("out"), [
 *   { material: "brass", celsius: 70, isOver: true },
 *   { material: "tin", celsius: 70, isOver: false },
 * ]);
 * ```
 */
export interface LookupJoinOptions<Record, Row, Out> extends TableOptions<Record, Row, Out> {
  /**
   * The row of a key, or undefined when there is none. Synchronous. A record that is replayed after a failure
   * is looked up again: its output is the same only if the function answers the same.
   */
  readonly lookup: (key: string) => Row | undefined;
  /** Rows kept at hand: how long (`ttl`, default 1 minute) and how many (`max`, default 10,000). Not state. */
  readonly cache?: { readonly ttl?: Duration; readonly max?: number };
}

/**
 * A join of each record with the latest row that a stream had for its key. The rows are state.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, generatorSource, mqttSink } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * interface Order { line: string; product: string | null }
 * interface Count { line: string; parts: number }
 *
 * const job = defineJob("by-product", (job) => {
 *   const orders = job.source("orders", generatorSource<Order>({ next: () => undefined }))
 *     .keyBy((order) => order.line);
 *   job.source("counts", generatorSource<Count>({ next: () => undefined }))
 *     .keyBy((count) => count.line)
 *     .lookupJoin("product", orders, {
 *       isRemoval: (order) => order.product === null,
 *       join: (count, order) => ({ ...count, product: order.product }),
 *     })
 *     .sink("out", mqttSink({ broker: "plant", topic: (count) => `out/count/${count.line}` }));
 * });
 *
 * const t = testJob(job);
 * t.push("orders", [{ line: "1", product: "valve" }]);
 * t.push("counts", [{ line: "1", parts: 5 }, { line: "2", parts: 7 }]); // line 2 has no order: no output
 * t.push("orders", [{ line: "1", product: null }]);
 * t.push("counts", [{ line: "1", parts: 6 }]);
 * deepEqual(t.outputs("out"), [{ line: "1", parts: 5, product: "valve" }]);
 * ```
 */
export interface TableJoinOptions<Record, Row, Out> extends TableOptions<Record, Row, Out> {
  /** Whether a row says that its key has none any more; a row is only ever replaced unless given. */
  readonly isRemoval?: (row: Row) => boolean;
  /** Raise it when the shape of the rows changes (S3); whole number from 1, default 1. */
  readonly codecVersion?: number;
}
