/**
 * Declarations of keyed state: of what kind it is, how long it lives, how older versions of it are read.
 *
 * Pure. `state_handles.ts` says what an author's function sees of it at run time; the runner makes the
 * handles. State is read and replaced, never changed in place.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { StateDescriptor } from "@shared/job_graph.ts";
import { callSiteOf } from "./call_site.ts";
import { type Duration, durationMs } from "./duration.ts";
import { checkChoice, checkFunction } from "./options.ts";
import type {
  AggregatingStateHandle,
  ListStateHandle,
  MapKey,
  MapStateHandle,
  ReducingStateHandle,
  ValueStateHandle,
} from "./state_handles.ts";

/** What begins a state's time to live anew. */
export type TtlRefresh = "write" | "readAndWrite";

// deno-lint-ignore no-explicit-any -- each step takes what the step before it gave
type Migration = (value: any) => unknown;

/** By version: brings a value of that version to the next one. */
export type StateMigrations = Readonly<Record<number, Migration>>;

/** What every kind of state may be told. */
export interface StateKindOptions {
  /** Raise it when the shape of the values changes (S3); whole number from 1, default 1. */
  readonly codecVersion?: number;
  /**
   * By version: brings a value of that version to the next one, when an older snapshot is restored. A list's
   * get each item, a map's each value. A version without a way to `codecVersion` is refused before anything
   * is stopped.
   */
  readonly migrate?: StateMigrations;
  /** Values not written for this long are gone; kept for ever unless given. */
  readonly ttl?: Duration;
  /** What begins the time to live anew: writing (default), or reading too. */
  readonly ttlRefresh?: TtlRefresh;
}

/** The same, checked. */
export interface StateTraits {
  readonly codecVersion: number;
  readonly migrations: StateMigrations;
  /** Null: kept for ever. */
  readonly ttlMs: number | null;
  readonly ttlRefresh: TtlRefresh;
}

/** A declared state of one value per key; made by `valueState`. */
export interface ValueState<Value> extends StateTraits {
  readonly kind: "value";
  /** Carries the type alone; never set. */
  readonly valueType?: Value;
}

/** A declared state of a list per key; made by `listState`. */
export interface ListState<Item> extends StateTraits {
  readonly kind: "list";
  readonly itemType?: Item;
}

/** A declared state of a map per key; made by `mapState`. */
export interface MapState<Key extends MapKey, Value> extends StateTraits {
  readonly kind: "map";
  readonly entryType?: readonly [Key, Value];
}

/** A declared state that folds what is added into one value per key; made by `reducingState`. */
export interface ReducingState<Value> extends StateTraits {
  readonly kind: "reducing";
  reduce(sum: Value, value: Value): Value;
}

/** How an aggregating state takes values in and what it answers. */
export interface StateAggregate<In, Acc, Out> {
  /** The accumulator of a key that has none. */
  initial(): Acc;
  /** The accumulator with `value` in it; `acc` is not changed. */
  add(acc: Acc, value: In): Acc;
  result(acc: Acc): Out;
}

/** A declared state that keeps an accumulator per key and answers what it comes to; made by `aggregatingState`. */
export interface AggregatingState<In, Acc, Out> extends StateTraits {
  readonly kind: "aggregating";
  readonly aggregate: StateAggregate<In, Acc, Out>;
}

/** The states of a `process` operator by name. */
export type StateDeclarations = Readonly<
  Record<
    string,
    | ValueState<unknown>
    | ListState<unknown>
    | MapState<MapKey, unknown>
    | ReducingState<unknown>
    | AggregatingState<unknown, unknown, unknown>
  >
>;

type HandleOf<State> = State extends ValueState<infer Value> ? ValueStateHandle<Value>
  : State extends ListState<infer Item> ? ListStateHandle<Item>
  : State extends MapState<infer Key, infer Value> ? MapStateHandle<Key, Value>
  : State extends ReducingState<infer Value> ? ReducingStateHandle<Value>
  : State extends AggregatingState<infer In, infer _, infer Out> ? AggregatingStateHandle<In, Out>
  : never;

/** What `ctx.state` offers for these declarations. */
export type StateHandles<States extends StateDeclarations> = {
  readonly [Name in keyof States]: HandleOf<States[Name]>;
};

/**
 * Declares a state of one value per key for `process`.
 *
 * The value may be anything plain: numbers, texts, booleans, null, bigints, dates, bytes, arrays, Maps, Sets and
 * objects of these.
 *
 * @throws {UserError} `bad-codec-version`, `bad-migration`, `bad-duration` or `bad-option`.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { valueState } from "penstock";
 *
 * const last = valueState<number>({ ttl: "7d", ttlRefresh: "readAndWrite" });
 * deepEqual(last.ttlMs, 7 * 24 * 3_600_000);
 *
 * // Version 1 was a sum, version 2 counts too: snapshots of both can be restored.
 * const mean = valueState<{ sum: number; n: number }>({
 *   codecVersion: 2,
 *   migrate: { 1: (sum: number) => ({ sum, n: 1 }) },
 * });
 * deepEqual(mean.migrations[1]!(5), { sum: 5, n: 1 });
 * ```
 */
export function valueState<Value>(options: StateKindOptions = {}): ValueState<Value> {
  return { kind: "value", ...stateTraits(options, callSiteOf(valueState)) };
}

/**
 * Declares a state of a list per key for `process`. Adding an item costs the same however long the list is.
 *
 * @throws {UserError} As `valueState`.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, generatorSource, listState, mqttSink, recordType } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * interface Reading { tank: string; device: string; level: number }
 *
 * const job = defineJob("tanks", (job) => {
 *   job.source("in", generatorSource<Reading>({ next: () => undefined }))
 *     .keyBy((r) => r.tank)
 *     .process("tank", {
 *       state: { levels: listState<number>({ ttl: "1h" }) },
 *       emits: recordType<readonly number[]>(),
 *       onRecord(r, ctx) {
 *         ctx.state.levels.add(r.level);
 *         ctx.emit(ctx.state.levels.get());
 *       },
 *     })
 *     .sink("out", mqttSink({ broker: "plant", topic: "out" }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [{ tank: "t", device: "a", level: 4 }, { tank: "t", device: "b", level: 6 }]);
 * deepEqual(t.outputs("out"), [[4], [4, 6]]);
 * ```
 */
export function listState<Item>(options: StateKindOptions = {}): ListState<Item> {
  return { kind: "list", ...stateTraits(options, callSiteOf(listState)) };
}

/**
 * Declares a state of a map per key for `process`; its own keys are texts, numbers or booleans. A put costs the
 * same however large the map is. Entries come in an order of their own, the same after a restore.
 *
 * @throws {UserError} As `valueState`.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, generatorSource, mapState, mqttSink, recordType } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * interface Reading { tank: string; device: string; level: number }
 *
 * const job = defineJob("tanks", (job) => {
 *   job.source("in", generatorSource<Reading>({ next: () => undefined }))
 *     .keyBy((r) => r.tank)
 *     .process("tank", {
 *       state: { byDevice: mapState<string, number>() },
 *       emits: recordType<number>(),
 *       onRecord(r, ctx) {
 *         ctx.state.byDevice.put(r.device, r.level);
 *         ctx.emit(Math.max(...ctx.state.byDevice.values()) - Math.min(...ctx.state.byDevice.values()));
 *       },
 *     })
 *     .sink("out", mqttSink({ broker: "plant", topic: "out" }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [{ tank: "t", device: "a", level: 4 }, { tank: "t", device: "b", level: 6 }]);
 * deepEqual(t.outputs("out"), [0, 2]);
 * ```
 */
export function mapState<Key extends MapKey, Value>(
  options: StateKindOptions = {},
): MapState<Key, Value> {
  return { kind: "map", ...stateTraits(options, callSiteOf(mapState)) };
}

/**
 * Declares a state for `process` that folds every value added into one of the same type.
 *
 * @param reduce Answers both as one; the first value added is taken as it is.
 * @throws {UserError} As `valueState`.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, generatorSource, mqttSink, recordType, reducingState } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * interface Reading { tank: string; device: string; level: number }
 *
 * const job = defineJob("tanks", (job) => {
 *   job.source("in", generatorSource<Reading>({ next: () => undefined }))
 *     .keyBy((r) => r.tank)
 *     .process("tank", {
 *       state: { highest: reducingState<number>((a, b) => Math.max(a, b)) },
 *       emits: recordType<number>(),
 *       onRecord(r, ctx) {
 *         ctx.state.highest.add(r.level);
 *         ctx.emit(ctx.state.highest.get()!);
 *       },
 *     })
 *     .sink("out", mqttSink({ broker: "plant", topic: "out" }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [{ tank: "t", device: "a", level: 4 }, { tank: "t", device: "b", level: 6 }]);
 * deepEqual(t.outputs("out"), [4, 6]);
 * ```
 */
export function reducingState<Value>(
  reduce: (sum: Value, value: Value) => Value,
  options: StateKindOptions = {},
): ReducingState<Value> {
  const at = callSiteOf(reducingState);
  checkFunction("The argument of reducingState", reduce, at);
  return { kind: "reducing", ...stateTraits(options, at), reduce };
}

/**
 * Declares a state for `process` that keeps an accumulator and answers what it comes to.
 *
 * @throws {UserError} As `valueState`.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { aggregatingState, defineJob, generatorSource, mqttSink, recordType } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * interface Reading { tank: string; level: number }
 *
 * const mean = aggregatingState({
 *   initial: () => ({ n: 0, sum: 0 }),
 *   add: (acc, level: number) => ({ n: acc.n + 1, sum: acc.sum + level }),
 *   result: (acc) => acc.sum / acc.n,
 * });
 *
 * const job = defineJob("tanks", (job) => {
 *   job.source("in", generatorSource<Reading>({ next: () => undefined }))
 *     .keyBy((r) => r.tank)
 *     .process("tank", {
 *       state: { mean },
 *       emits: recordType<number>(),
 *       onRecord(r, ctx) {
 *         ctx.state.mean.add(r.level);
 *         ctx.emit(ctx.state.mean.get()!);
 *       },
 *     })
 *     .sink("out", mqttSink({ broker: "plant", topic: "out" }));
 * });
 *
 * const t = testJob(job);
 * t.push("in", [{ tank: "t", level: 4 }, { tank: "t", level: 6 }]);
 * deepEqual(t.outputs("out"), [4, 5]);
 * ```
 */
export function aggregatingState<In, Acc, Out>(
  aggregate: StateAggregate<In, Acc, Out>,
  options: StateKindOptions = {},
): AggregatingState<In, Acc, Out> {
  const at = callSiteOf(aggregatingState);
  for (const name of ["initial", "add", "result"] as const) {
    checkFunction(`${name} of aggregatingState`, aggregate?.[name], at);
  }
  return { kind: "aggregating", ...stateTraits(options, at), aggregate };
}

/** What a state's options come to. @throws {UserError} As `valueState`. */
export function stateTraits(options: StateKindOptions, at: string | null): StateTraits {
  const codecVersion = checkedCodecVersion(options.codecVersion, at);
  const ttlMs = options.ttl === undefined ? null : durationMs(options.ttl, "ttl", at);
  if (ttlMs === 0) {
    throw new UserError("bad-duration", "ttl is 0: state would never be kept", { at });
  }
  const ttlRefresh = checkChoice("ttlRefresh", options.ttlRefresh ?? "write", {
    allowed: ["write", "readAndWrite"],
    at,
  });
  const migrations = options.migrate ?? {};
  for (const [version, migration] of Object.entries(migrations)) {
    checkFunction(`The migration from version ${version}`, migration, at);
    if (Number.isSafeInteger(Number(version)) && Number(version) < codecVersion) continue;
    throw new UserError(
      "bad-migration",
      `A migration leads from version ${version}: give one for each version below ${codecVersion}`,
      { at },
    );
  }
  return { codecVersion, migrations, ttlMs, ttlRefresh };
}

/** Version given by the author, or 1. */
export function checkedCodecVersion(version: number | undefined, at: string | null): number {
  if (version === undefined) return 1;
  if (Number.isSafeInteger(version) && version >= 1) return version;
  throw new UserError(
    "bad-codec-version",
    `codecVersion is ${JSON.stringify(version)}: give a whole number from 1`,
    { at },
  );
}

/** A declared state with its name, as the runner gets it; what is left out is as if not said. */
export interface StateSpec extends Partial<StateTraits> {
  readonly name: string;
  readonly kind: StateDescriptor["kind"];
  readonly codecVersion: number;
  /** Of kind `reducing`. */
  reduce?(sum: unknown, value: unknown): unknown;
  /** Of kind `aggregating`. */
  readonly aggregate?: StateAggregate<unknown, unknown, unknown>;
}

/** What the graph and snapshots say of a state. */
export function descriptorOf(
  state: Pick<StateSpec, "name" | "kind" | "codecVersion" | "migrations">,
): StateDescriptor {
  const { name, kind, codecVersion, migrations = {} } = state;
  const migratesFrom: number[] = [];
  for (let from = codecVersion - 1; migrations[from] !== undefined; from--) {
    migratesFrom.unshift(from);
  }
  return { name, kind, codecVersion, ...(migratesFrom.length === 0 ? {} : { migratesFrom }) };
}

const STATE_NAME_PATTERN = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const STATE_KINDS: readonly string[] = ["value", "list", "map", "reducing", "aggregating"];
/** Name under which an operator's timers are in the graph and in snapshots. */
export const TIMERS_STATE: StateDescriptor = { name: "timers", kind: "timers", codecVersion: 1 };

/**
 * The declared states with their names, in the order of declaration.
 *
 * @throws {UserError} `bad-state-name` or `bad-state`.
 */
export function specifyStates(
  uid: string,
  states: StateDeclarations,
  at: string | null,
): StateSpec[] {
  return Object.entries(states).map(([name, state]) => {
    if (!STATE_NAME_PATTERN.test(name) || name === TIMERS_STATE.name) {
      throw new UserError(
        "bad-state-name",
        `State "${name}" of operator "${uid}" cannot have this name: use letters, digits and "_", ` +
          `beginning with a letter, and not "${TIMERS_STATE.name}"`,
        { at },
      );
    }
    if (!STATE_KINDS.includes(state?.kind)) {
      throw new UserError(
        "bad-state",
        `State "${name}" of operator "${uid}" is not declared with valueState(), listState(), ` +
          `mapState(), reducingState() or aggregatingState()`,
        { at },
      );
    }
    return { ...state, name };
  });
}
