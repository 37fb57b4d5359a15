/**
 * Streams: what a job author chains operators to.
 *
 * Pure. Each call adds one operator to the job's plan and answers the stream of its output. User
 * functions are synchronous and see records and state as immutable values.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { OperatorKind, OperatorNode, StateDescriptor } from "@shared/job_graph.ts";
import { callSiteOf } from "./call_site.ts";
import { durationMs } from "./duration.ts";
import type { Input, JobPlan } from "./job_plan.ts";
import type { Anomaly, Detector, OperatorSpec } from "./operator.ts";
import { checkFunction, checkOptionNames, errorPolicyOf } from "./options.ts";
import type { AnyFields, Key, OperatorOptions, ProcessOptions, StateOptions } from "./process.ts";
import type { Sink } from "./sink.ts";
import {
  checkedCodecVersion,
  describeStates,
  type StateDeclarations,
  TIMERS_STATE,
} from "./state.ts";

/** Records of one type on their way from a source to sinks. */
export interface Stream<Out> {
  /** One record out for each record in. */
  map<Next>(uid: string, fn: (record: Out) => Next, options?: OperatorOptions): Stream<Next>;
  /** Passes on the records for which `fn` is true. */
  filter<Next extends Out>(
    uid: string,
    fn: (record: Out) => record is Next,
    options?: OperatorOptions,
  ): Stream<Next>;
  filter(uid: string, fn: (record: Out) => boolean, options?: OperatorOptions): Stream<Out>;
  /** Any number of records out for each record in. */
  flatMap<Next>(
    uid: string,
    fn: (record: Out) => Iterable<Next>,
    options?: OperatorOptions,
  ): Stream<Next>;
  /**
   * Groups records by key within their split: every key's records must come through one split.
   * Cheap: nothing is sent between agents.
   */
  keyByLocal(keyOf: (record: Out) => Key): KeyedStream<Out>;
  /** Groups records by key across splits and agents: each record is sent to the subtask that owns its key. */
  keyBy(keyOf: (record: Out) => Key): KeyedStream<Out>;
  /** Ends the stream in a sink; a stream may have several. */
  sink(uid: string, sink: Sink<Out>): void;
}

/** A stream whose records have a key; operators on it have state per key. */
export interface KeyedStream<Out> extends Stream<Out> {
  /** Takes a key's state and a record, answers the new state and one output. */
  mapWithState<State, Next>(
    uid: string,
    options: StateOptions<State>,
    fn: (
      state: Readonly<State>,
      record: Out,
      key: string,
    ) => readonly [state: State, output: Next],
  ): Stream<Next>;
  /** Takes a key's state and a record, answers the new state and any number of outputs. */
  flatMapWithState<State, Next>(
    uid: string,
    options: StateOptions<State>,
    fn: (
      state: Readonly<State>,
      record: Out,
      key: string,
    ) => readonly [state: State, outputs: readonly Next[]],
  ): Stream<Next>;
  /** State by name and timers, for what the others cannot say. */
  process<States extends StateDeclarations, Next = AnyFields>(
    uid: string,
    options: ProcessOptions<Out, States, Next>,
  ): Stream<Next>;
  /** Learns each key's normal and answers the edges of its anomalies: one at the onset, one at the end. */
  detect<State>(
    uid: string,
    detector: Detector<Out, State>,
    options?: OperatorOptions,
  ): Stream<Anomaly<Out>>;
}

const STATE_OPTIONS = ["initial", "ttl", "codecVersion", "onError"];
const PROCESS_OPTIONS = ["state", "emits", "onRecord", "onTimer", "onError"];

/** Behind both interfaces; keyed operators check the key, for authors who run unchecked code. */
export class PlannedStream<Out> implements KeyedStream<Out> {
  readonly #plan: JobPlan;
  readonly #input: Input;
  readonly #keyOf: ((record: Out) => string) | null;

  constructor(plan: JobPlan, input: Input, keyOf: ((record: Out) => string) | null = null) {
    this.#plan = plan;
    this.#input = input;
    this.#keyOf = keyOf;
  }

  map<Next>(
    uid: string,
    fn: (record: Out) => Next,
    options: OperatorOptions = {},
  ): Stream<Next> {
    const at = callSiteOf(this.map);
    return this.#stateless(uid, { kind: "map", uid, ...given(fn, options, at) }, at);
  }

  filter<Next extends Out>(
    uid: string,
    fn: ((record: Out) => record is Next) | ((record: Out) => boolean),
    options: OperatorOptions = {},
  ): Stream<Next> {
    const at = callSiteOf(this.filter);
    return this.#stateless(uid, { kind: "filter", uid, ...given(fn, options, at) }, at);
  }

  flatMap<Next>(
    uid: string,
    fn: (record: Out) => Iterable<Next>,
    options: OperatorOptions = {},
  ): Stream<Next> {
    const at = callSiteOf(this.flatMap);
    return this.#stateless(uid, { kind: "flatMap", uid, ...given(fn, options, at) }, at);
  }

  keyByLocal(keyOf: (record: Out) => Key): KeyedStream<Out> {
    return this.#keyed("keyByLocal", keyOf, callSiteOf(this.keyByLocal));
  }

  keyBy(keyOf: (record: Out) => Key): KeyedStream<Out> {
    return this.#keyed("keyBy", keyOf, callSiteOf(this.keyBy));
  }

  sink(uid: string, sink: Sink<Out>): void {
    const at = callSiteOf(this.sink);
    if (sink?.spec === undefined || sink.descriptor === undefined) {
      throw new UserError("bad-sink", `Sink "${uid}" is not made by mqttSink or alarmSink`, { at });
    }
    const node = { ...nodeOf(uid, "sink", sink.label), sink: sink.descriptor };
    this.#plan.add(node, { kind: "sink", uid, sink: sink.spec }, { input: this.#input, at });
  }

  mapWithState<State, Next>(
    uid: string,
    options: StateOptions<State>,
    fn: (state: Readonly<State>, record: Out, key: string) => readonly [State, Next],
  ): Stream<Next> {
    const at = callSiteOf(this.mapWithState);
    return this.#withState(uid, { kind: "mapWithState", options, fn, at });
  }

  flatMapWithState<State, Next>(
    uid: string,
    options: StateOptions<State>,
    fn: (state: Readonly<State>, record: Out, key: string) => readonly [State, readonly Next[]],
  ): Stream<Next> {
    const at = callSiteOf(this.flatMapWithState);
    return this.#withState(uid, { kind: "flatMapWithState", options, fn, at });
  }

  process<States extends StateDeclarations, Next = AnyFields>(
    uid: string,
    options: ProcessOptions<Out, States, Next>,
  ): Stream<Next> {
    const at = callSiteOf(this.process);
    const keyOf = this.#keyFor(uid, "process", at);
    checkOptionNames(`process "${uid}"`, options, { known: PROCESS_OPTIONS, at });
    checkFunction("onRecord", options.onRecord, at);
    if (options.onTimer !== undefined) checkFunction("onTimer", options.onTimer, at);
    const states = describeStates(uid, options.state ?? {}, at);
    return this.#addKeyed({
      kind: "process",
      uid,
      onError: errorPolicyOf(options, at),
      keyOf,
      states,
      onRecord: (record, ctx) => options.onRecord(record, ctx),
      onTimer: options.onTimer === undefined
        ? null
        : (timeMs, ctx) => options.onTimer!(timeMs, ctx),
    }, {
      label: states.length === 0 ? "process" : `process ${states.map((s) => s.name).join(", ")}`,
      states: options.onTimer === undefined ? states : [...states, TIMERS_STATE],
      at,
    });
  }

  detect<State>(
    uid: string,
    detector: Detector<Out, State>,
    options: OperatorOptions = {},
  ): Stream<Anomaly<Out>> {
    const at = callSiteOf(this.detect);
    const keyOf = this.#keyFor(uid, "detect", at);
    checkOptionNames(`detect "${uid}"`, options, { known: ["onError"], at });
    if (typeof detector?.step !== "function" || typeof detector.judge !== "function") {
      throw new UserError("bad-detector", `detect "${uid}" needs a detector such as zScore({…})`, {
        at,
      });
    }
    const codecVersion = checkedCodecVersion(detector.codecVersion, at);
    return this.#addKeyed(
      { kind: "detect", uid, onError: errorPolicyOf(options, at), keyOf, detector },
      {
        label: detector.label,
        states: [{ name: "detector", kind: "detector", codecVersion }],
        at,
      },
    );
  }

  #stateless<Next>(
    uid: string,
    spec: Extract<OperatorSpec, { kind: "map" | "filter" | "flatMap" }>,
    at: string | null,
  ): Stream<Next> {
    this.#plan.add(nodeOf(uid, spec.kind, spec.kind), spec, { input: this.#input, at });
    return new PlannedStream<Next>(this.#plan, { uid, edge: "forward" });
  }

  #keyed(
    edge: "keyByLocal" | "keyBy",
    keyOf: (record: Out) => Key,
    at: string | null,
  ): KeyedStream<Out> {
    checkFunction(`The argument of ${edge}`, keyOf, at);
    const selector = (record: Out) => keyText(keyOf(record));
    const input = { ...this.#input, edge, keyOf: selector };
    return new PlannedStream<Out>(this.#plan, input, selector);
  }

  #withState<State, Next>(
    uid: string,
    call: {
      kind: "mapWithState" | "flatMapWithState";
      options: StateOptions<State>;
      fn: (state: Readonly<State>, record: Out, key: string) => readonly [State, unknown];
      at: string | null;
    },
  ): Stream<Next> {
    const { kind, options, fn, at } = call;
    const keyOf = this.#keyFor(uid, kind, at);
    checkOptionNames(`${kind} "${uid}"`, options, { known: STATE_OPTIONS, at });
    checkFunction("initial", options?.initial, at);
    checkFunction(`The function of ${kind} "${uid}"`, fn, at);
    const codecVersion = checkedCodecVersion(options.codecVersion, at);
    const ttlMs = options.ttl === undefined ? null : durationMs(options.ttl, "ttl", at);
    if (ttlMs === 0) {
      throw new UserError("bad-duration", `ttl is 0: state would never be kept`, { at });
    }
    return this.#addKeyed({
      kind,
      uid,
      onError: errorPolicyOf(options, at),
      keyOf,
      initial: options.initial,
      fn,
      codecVersion,
      ttlMs,
    }, {
      label: ttlMs === null ? kind : `${kind}, ttl ${options.ttl}`,
      states: [{ name: "value", kind: "value", codecVersion }],
      at,
    });
  }

  #addKeyed<Next>(
    spec: Extract<OperatorSpec, { keyOf: unknown }>,
    about: { label: string; states: readonly StateDescriptor[]; at: string | null },
  ): Stream<Next> {
    const { uid, kind } = spec;
    const node = { ...nodeOf(uid, kind, about.label), isKeyed: true, states: about.states };
    this.#plan.add(node, spec, { input: this.#input, at: about.at });
    return new PlannedStream<Next>(this.#plan, { uid, edge: "forward" });
  }

  #keyFor(uid: string, kind: OperatorKind, at: string | null): (record: Out) => string {
    if (this.#keyOf !== null) return this.#keyOf;
    throw new UserError(
      "unkeyed-state",
      `Operator "${uid}" (${kind}) keeps state per key, but its stream has no key: ` +
        `put .keyByLocal((record) => …) before it`,
      { at },
    );
  }
}

function given<Fn>(fn: Fn, options: OperatorOptions, at: string | null) {
  checkOptionNames("The operator", options, { known: ["onError"], at });
  return {
    fn: checkFunction("The operator's function", fn, at),
    onError: errorPolicyOf(options, at),
  };
}

function nodeOf(uid: string, kind: OperatorKind, label: string): OperatorNode {
  return { uid, kind, label, isKeyed: false, states: [] };
}

/** The key as text. @throws {UserError} `bad-key` for anything but a text, a boolean or a finite number. */
function keyText(key: Key): string {
  if (typeof key === "string") return key;
  if (typeof key === "boolean" || (typeof key === "number" && Number.isFinite(key))) {
    return String(key);
  }
  const found = typeof key === "number" ? String(key) : key === null ? "null" : typeof key;
  throw new UserError(
    "bad-key",
    `A key is ${found}: the key function must answer a text, a boolean or a finite number`,
  );
}
