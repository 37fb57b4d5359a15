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
  /** Gathers a key's records in windows, and gives a result for each window that ends. */
  window<Acc, Next = Acc>(
    uid: string,
    windows: WindowAssigner<Out>,
    options: AggregateOptions<Out, Acc, Next>,
  ): Stream<Next>;
  /** Combines a key's records two by two, and gives a result for each window that ends. */
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
