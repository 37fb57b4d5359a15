/**
 * Types of the keyed operators' functions.
 *
 * Pure types; `stream.ts` takes them, the runner (`agent/runner`) calls them.
 *
 * @module
 */
import type { Duration } from "./duration.ts";
import type { ErrorPolicy } from "./operator.ts";
import type { StateDeclarations, StateHandles } from "./state.ts";

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

export interface StateOptions<State> extends OperatorOptions {
  /** State of a key that has none. */
  readonly initial: () => State;
  /** State not written for this long is dropped; kept for ever unless given. */
  readonly ttl?: Duration;
  /** Raise it when the shape of the state changes (S3); whole number from 1, default 1. */
  readonly codecVersion?: number;
}

/** Timers of the current key; they are state and survive a failure. */
export interface Timers {
  /** Calls `onTimer` once when the wall clock has reached `atMs`, ms since the epoch; the same time twice is one timer. */
  processingTime(atMs: number): void;
  /** Takes the timer of `atMs` back; nothing happens when there is none. */
  deleteProcessingTime(atMs: number): void;
}

/** What `process` offers while it handles one record or one timer of one key. */
export interface ProcessContext<States extends StateDeclarations, Out> {
  readonly key: string;
  /** Wall clock, ms since the epoch. */
  readonly nowMs: number;
  readonly state: StateHandles<States>;
  readonly timers: Timers;
  /** Sends one record to the operators behind. */
  emit(record: Out): void;
}

export interface ProcessOptions<In, States extends StateDeclarations, Out> extends OperatorOptions {
  /** States by name, each declared with `valueState`. */
  readonly state: States;
  /** Type of what is emitted, by `recordType<…>()`; any record with fields unless given. */
  readonly emits?: RecordType<Out>;
  onRecord(record: In, ctx: ProcessContext<States, Out>): void;
  /** Called with the time a timer was set for, never before that time. */
  onTimer?(timeMs: number, ctx: ProcessContext<States, Out>): void;
}
