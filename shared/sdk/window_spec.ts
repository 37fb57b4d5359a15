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

/** Says where a two-input operator reads a row of its table: a function, or the stream of its other input. */
export type LookupSpec =
  | {
    readonly from: "function";
    readonly lookup: (key: string) => any;
    readonly cacheTtlMs: number;
    readonly cacheMax: number;
  }
  | { readonly from: "stream"; readonly keyOfRow: (row: any) => string };
