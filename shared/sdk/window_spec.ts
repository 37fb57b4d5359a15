// deno-lint-ignore-file no-explicit-any -- records are of the author's types: the builder checks them, the runner passes them on
/**
 * What windows and joins consist of at run time, with the author's functions in them.
 *
 * Pure types; `window.ts` and `join.ts` make them, the runner (`agent/runner`) carries them out.
 *
 * @module
 */

/** How records are put into windows. */
export type WindowsSpec =
  | TimeWindowsSpec
  | SessionWindowsSpec
  | { readonly kind: "count"; readonly size: number; readonly slide: number }
  | { readonly kind: "global"; readonly trigger: TriggerSpec }
  | { readonly kind: "state"; readonly condition: (record: any) => boolean };

/** Windows `[start, start + sizeMs)` with starts at `offsetMs + n * slideMs`; tumbling when both are equal. */
export interface TimeWindowsSpec {
  readonly kind: "time";
  readonly sizeMs: number;
  readonly slideMs: number;
  readonly offsetMs: number;
}

/** A window ends when its key had no record for `gapMs`. */
export interface SessionWindowsSpec {
  readonly kind: "session";
  readonly gapMs: number;
}

/** When a global window gives its result; purging forgets what it holds. */
export type TriggerSpec =
  | { readonly on: "count"; readonly count: number; readonly isPurging: boolean }
  | { readonly on: "eventTime"; readonly everyMs: number; readonly isPurging: boolean }
  | { readonly on: "processingTime"; readonly everyMs: number; readonly isPurging: boolean }
  | { readonly on: "record"; readonly decide: (record: any, acc: any, w: Window) => TriggerAnswer };

/** What to do with a window after a record was added to it. */
export type TriggerAnswer = "continue" | "fire" | "purge" | "fireAndPurge";

/** The window that a result is of. */
export interface Window {
  readonly key: string;
  /** First moment of the window, ms since the epoch; of windows without bounds, the time of their earliest record. */
  readonly start: number;
  /** First moment behind the window, ms; of windows without bounds, one behind the time of their latest record. */
  readonly end: number;
  /** True when event time had passed the window before: a late record changed what it holds. */
  readonly isLate: boolean;
}

/** Whose clock opens and closes windows. */
export type WindowTime = "event" | "processing";

/** How records of one window become one result. */
export interface AggregateSpec {
  readonly initial: () => any;
  /** May change `acc` and answer it: the accumulator belongs to the engine. */
  readonly add: (acc: any, record: any) => any;
  /** Null: the accumulator is the result. */
  readonly result: ((acc: any, w: Window) => any) | null;
  /** Combines two accumulators, the earlier first, and changes neither. Null: windows never share records. */
  readonly merge: ((a: any, b: any) => any) | null;
}

/** What a `window` operator has beside its key. */
export interface WindowOperator {
  readonly kind: "window";
  readonly windows: WindowsSpec;
  readonly aggregate: AggregateSpec;
  readonly time: WindowTime;
  readonly allowedLatenessMs: number;
  /** Side output that gets the records which came too late; null: they are only counted. */
  readonly lateOutput: string | null;
}

/** Records of two inputs that are in the same window of the same key; input 0 is the left one. */
export interface WindowJoinOperator {
  readonly kind: "windowJoin";
  readonly keyOfRight: (record: any) => string;
  readonly windows: TimeWindowsSpec | SessionWindowsSpec;
  readonly join: (left: any, right: any, key: string, w: Window) => any;
  readonly time: WindowTime;
  readonly allowedLatenessMs: number;
  readonly lateOutput: string | null;
}

/** Records of two inputs whose event times are close: right minus left within `[lowerMs, upperMs]`. */
export interface IntervalJoinOperator {
  readonly kind: "intervalJoin";
  readonly keyOfRight: (record: any) => string;
  readonly lowerMs: number;
  readonly upperMs: number;
  readonly join: (left: any, right: any, key: string) => any;
  readonly lateOutput: string | null;
}

/** Each record with the row that its key has in a table. */
export interface LookupJoinOperator {
  readonly kind: "lookupJoin";
  readonly table: LookupSpec;
  readonly join: (record: any, row: any, key: string) => any;
  /** Called for a record without a row; null: such a record is passed over. */
  readonly orElse: ((record: any, key: string) => any) | null;
}

/** Where the rows come from: a function with a cache in front, or the other input, its latest row for each key. */
export type LookupSpec =
  | {
    readonly from: "function";
    /** The row of a key; undefined or null when there is none. */
    readonly lookup: (key: string) => any;
    readonly cacheTtlMs: number;
    readonly cacheMax: number;
  }
  | {
    readonly from: "stream";
    readonly keyOfRow: (row: any) => string;
    /** Null: a row is only ever replaced. */
    readonly isRemoval: ((row: any) => boolean) | null;
  };
