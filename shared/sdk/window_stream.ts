/**
 * What a keyed stream offers to gather its records by time, and to meet those of another stream.
 *
 * Pure types; `stream.ts` has the operators.
 *
 * @module
 */
import type {
  IntervalJoinOptions,
  LookupJoinOptions,
  TableJoinOptions,
  WindowJoinOptions,
} from "./join.ts";
import type { KeyedStream, Stream } from "./stream_interface.ts";
import type { AggregateOptions, ReduceOptions, WindowAssigner } from "./window.ts";

/** Windows and joins of a stream whose records have a key. */
export interface WindowStream<Out> {
  /**
   * Gathers a key's records in windows, and gives a result for each window that ends.
   *
   * A window is closed when event time has passed its end, and is kept for `allowedLateness` after it. Without
   * event time at the source it goes by the wall clock.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { defineJob, generatorSource, mqttSink, sideOutput, tumbling } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Reading { pump: string; ts: number }
   *
   * const tooLate = sideOutput<Reading>("too-late");
   * const job = defineJob("minutes", (job) => {
   *   const minutes = job.source("in", generatorSource<Reading>({
   *     next: () => undefined,
   *     eventTime: (reading) => reading.ts,
   *     maxOutOfOrderness: "5s",
   *   }))
   *     .keyBy((reading) => reading.pump)
   *     .window("minute", tumbling("1m"), {
   *       initial: () => 0,
   *       add: (readings) => readings + 1,
   *       result: (readings, w) => ({ pump: w.key, start: w.start, readings }),
   *       lateOutput: tooLate,
   *     });
   *   minutes.sink("out", mqttSink({ broker: "plant", topic: "out" }));
   *   minutes.getSideOutput(tooLate).sink("late", mqttSink({ broker: "plant", topic: "late" }));
   * });
   *
   * const t = testJob(job);
   * t.push("in", [{ pump: "a", ts: 59_000 }, { pump: "b", ts: 62_000 }, { pump: "a", ts: 58_000 }]);
   * deepEqual(t.outputs("out"), []);
   * t.push("in", [{ pump: "b", ts: 65_000 }]); // 5 s behind the end of the first minute
   * deepEqual(t.outputs("out"), [{ pump: "a", start: 0, readings: 2 }]);
   * t.push("in", [{ pump: "a", ts: 57_000 }]);
   * deepEqual(t.outputs("late"), [{ pump: "a", ts: 57_000 }]);
   * deepEqual(t.lateCount, 1);
   * ```
   */
  window<Acc, Next = Acc>(
    uid: string,
    windows: WindowAssigner<Out>,
    options: AggregateOptions<Out, Acc, Next>,
  ): Stream<Next>;
  /**
   * Combines a key's records two by two, and gives a result for each window that ends.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { count, defineJob, generatorSource, mqttSink } from "penstock";
   * import { testJob } from "penstock/testing";
   *
   * interface Part { machine: string; mm: number }
   *
   * const job = defineJob("widest", (job) => {
   *   job.source("in", generatorSource<Part>({ next: () => undefined }))
   *     .keyBy((part) => part.machine)
   *     .window("widest", count(3), { reduce: (a, b) => a.mm >= b.mm ? a : b })
   *     .sink("out", mqttSink({ broker: "plant", topic: "out" }));
   * });
   *
   * const t = testJob(job);
   * t.push("in", [5, 9, 7, 8].map((mm) => ({ machine: "m", mm })));
   * deepEqual(t.outputs("out"), [{ machine: "m", mm: 9 }]);
   * ```
   */
  window<Next = Out>(
    uid: string,
    windows: WindowAssigner<Out>,
    options: ReduceOptions<Out, Next>,
  ): Stream<Next>;
  /** Every pair of records of both streams that have the same key and are in the same window. */
  windowJoin<Right, Next>(
    uid: string,
    right: KeyedStream<Right>,
    windows: WindowAssigner,
    options: WindowJoinOptions<Out, Right, Next>,
  ): Stream<Next>;
  /** Every pair of records of both streams that have the same key and event times close to each other. */
  intervalJoin<Right, Next>(
    uid: string,
    right: KeyedStream<Right>,
    options: IntervalJoinOptions<Out, Right, Next>,
  ): Stream<Next>;
  /** Each record with what a function says of its key. */
  lookupJoin<Row, Next>(uid: string, options: LookupJoinOptions<Out, Row, Next>): Stream<Next>;
  /** Each record with the latest row that another stream had for its key. */
  lookupJoin<Row, Next>(
    uid: string,
    rows: KeyedStream<Row>,
    options: TableJoinOptions<Out, Row, Next>,
  ): Stream<Next>;
}
