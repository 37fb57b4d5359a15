/**
 * Types of the keyed operators' functions.
 *
 * Pure types; `stream.ts` takes them, the runner (`agent/runner`) calls them.
 *
 * @module
 */
import type { Duration } from "./duration.ts";
import type { ErrorPolicy } from "./operator.ts";
import type { SideOutput } from "./side_output.ts";
import type { StateDeclarations, StateHandles, StateMigrations, TtlRefresh } from "./state.ts";

/** What a key function may return; it is turned into text. */
export type Key = string | number | boolean;

/** A record of which nothing is known but that its fields can be read. */
export interface AnyFields {
  readonly [field: string]: unknown;
}

/** Says the type of what an operator emits; made by `recordType`. */
export interface RecordType<Out> {
  /** Carries the type alone; never set. */
  readonly recordType?: Out;
}

/**
 * Says the type of what `process` emits, which cannot be read off the calls of `ctx.emit`.
 *
 * @example
 * ```ts
 * import { ok } from "node:assert/strict";
 * import { recordType } from "penstock";
 *
 * interface Spike { equipment: string; jump: number }
 *
 * const emits = recordType<Spike>(); // .process("spike", { emits, state: …, onRecord: … })
 * ok(emits !== null);
 * ```
 */
export function recordType<Out>(): RecordType<Out> {
  return {};
}

export interface OperatorOptions {
  /** What to do with a record on which the function throws: stop the region (default), or set it aside. */
  readonly onError?: ErrorPolicy;
}

export interface StateOptions<State, Out = unknown> extends OperatorOptions {
  /** State of a key that has none. */
  readonly initial: () => State;
  /**
   * Outputs of a key when the input is over: at the end of a file, and when the job is drained. Called once
   * for each key that has state.
   */
  readonly onEnd?: (state: Readonly<State>, key: string) => readonly Out[];
  /** State not written for this long is dropped; kept for ever unless given. */
  readonly ttl?: Duration;
  /**
   * What begins the time to live anew. `write`, the default: a function that answers another state than it
   * was given. `readAndWrite`: every record of the key.
   */
  readonly ttlRefresh?: TtlRefresh;
  /** Raise it when the shape of the state changes (S3); whole number from 1, default 1. */
  readonly codecVersion?: number;
  /** By version: brings a state of that version to the next one, when an older snapshot is restored. */
  readonly migrations?: StateMigrations;
}

/** Timers of the current key; they are state and survive a failure. */
export interface Timers {
  /** Calls `onTimer` once when the wall clock has reached `atMs`, ms since the epoch; the same time twice is one timer. */
  processingTime(atMs: number): void;
  /** Takes the timer of `atMs` back; nothing happens when there is none. */
  deleteProcessingTime(atMs: number): void;
  /** Calls `onTimer` once when event time has reached `atMs`: no earlier record is expected any more. */
  eventTime(atMs: number): void;
  /** Takes the event-time timer of `atMs` back; nothing happens when there is none. */
  deleteEventTime(atMs: number): void;
}

/** The clock a timer was set by. */
export type TimerDomain = "event" | "processing";

/** What every function of `process` gets. */
interface CallContext<Out> {
  /** Wall clock, ms since the epoch. */
  readonly nowMs: number;
  /** Event time of the record, or the time of the timer, ms since the epoch. */
  readonly eventTimeMs: number;
  /** No record up to this event time is expected any more; -Infinity before the first. Of the key, under `perKey`. */
  readonly watermarkMs: number;
  /** Sends one record to the operators behind. */
  emit(record: Out): void;
  /** Sends one record to those that read the side output `tag`. */
  emitTo<Side>(tag: SideOutput<Side>, record: Side): void;
}

/** What `process` offers while it handles one record or one timer of one key. */
export interface ProcessContext<States extends StateDeclarations, Out, Value = never>
  extends CallContext<Out> {
  readonly key: string;
  readonly state: StateHandles<States>;
  readonly timers: Timers;
  /** Null but in `onTimer`: the clock that the timer was set by. */
  readonly timerDomain: TimerDomain | null;
  /** What `onBroadcast` wrote. */
  readonly broadcast: BroadcastValues<Value>;
}

/** Broadcast state as a function over records sees it. Treat the values as immutable. */
export interface BroadcastValues<Value> {
  readonly size: number;
  get(name: string): Value | undefined;
  has(name: string): boolean;
  /** In the order of their names. */
  entries(): Iterable<readonly [name: string, value: Value]>;
}

/** Broadcast state as `onBroadcast` sees it. */
export interface WritableBroadcastValues<Value> extends BroadcastValues<Value> {
  set(name: string, value: Value): void;
  delete(name: string): void;
}

/** What `onBroadcast` gets; it runs in every subtask, so it must do the same in all of them. */
export interface BroadcastContext<Value, Out> extends CallContext<Out> {
  readonly broadcast: WritableBroadcastValues<Value>;
}

/** A stream of which every subtask gets every record, to keep values of it; made by `stream.broadcast()`. */
export interface BroadcastStream<Rule, Value = Rule> {
  readonly kind: "broadcast";
  /** Carry the types alone; never set. */
  readonly recordType?: Rule;
  readonly valueType?: Value;
}

export interface ProcessOptions<
  In,
  States extends StateDeclarations,
  Out,
  Rule = never,
  Value = Rule,
> extends OperatorOptions {
  /** States by name, each declared with `valueState` or one of its kind. */
  readonly state?: States;
  /** Type of what is emitted, by `recordType<…>()`; any record with fields unless given. */
  readonly emits?: RecordType<Out>;
  /** Second input, of which every subtask gets all records: rules, thresholds, recipes. Needs `onBroadcast`. */
  readonly broadcast?: BroadcastStream<Rule, Value>;
  onRecord(record: In, ctx: ProcessContext<States, Out, Value>): void;
  /** Called with the time a timer was set for, never before that time. */
  onTimer?(timeMs: number, ctx: ProcessContext<States, Out, Value>): void;
  /** Takes a record of `broadcast`. What it writes to `ctx.broadcast` every key reads, and is in snapshots. */
  onBroadcast?(rule: Rule, ctx: BroadcastContext<Value, Out>): void;
}
