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

/** A join of the records of two streams that are in the same window. */
export interface WindowJoinOptions<Left, Right, Out> extends WindowOptions<Left | Right> {
  /** Makes one output of each pair; `w` is the window both are in. */
  readonly join: (left: Left, right: Right, key: string, w: Window) => Out;
}

/** A join of the records of two streams whose event times are close. */
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

/** A join of each record with what a function says of its key. */
export interface LookupJoinOptions<Record, Row, Out> extends TableOptions<Record, Row, Out> {
  /**
   * The row of a key, or undefined when there is none. Synchronous. A record that is replayed after a failure
   * is looked up again: its output is the same only if the function answers the same.
   */
  readonly lookup: (key: string) => Row | undefined;
  /** Rows kept at hand: how long (`ttl`, default 1 minute) and how many (`max`, default 10,000). Not state. */
  readonly cache?: { readonly ttl?: Duration; readonly max?: number };
}

/** A join of each record with the latest row that a stream had for its key. */
export interface TableJoinOptions<Record, Row, Out> extends TableOptions<Record, Row, Out> {
  /** Whether a row says that its key has none any more; a row is only ever replaced unless given. */
  readonly isRemoval?: (row: Row) => boolean;
  /** Raise it when the shape of the rows changes (S3); whole number from 1, default 1. */
  readonly codecVersion?: number;
}
