/**
 * Makes a job's plan of the calls on its streams.
 *
 * Pure. Each call adds one operator to the job's plan and answers the stream of its output. User
 * functions are synchronous and see records and state as immutable values.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { OperatorKind, OperatorNode, StateDescriptor } from "@shared/job_graph.ts";
import { callSiteOf } from "./call_site.ts";
import type { Input, JobPlan } from "./job_plan.ts";
import type {
  IntervalJoinOptions,
  LookupJoinOptions,
  TableJoinOptions,
  WindowJoinOptions,
} from "./join.ts";
import {
  type JoinSite,
  planIntervalJoin,
  planLookupJoin,
  planTableJoin,
  planWindowJoin,
  rightInputs,
} from "./join_plan.ts";
import type { Anomaly, Detector, OperatorSpec } from "./operator.ts";
import { checkFunction, checkOptionNames, errorPolicyOf } from "./options.ts";
import type {
  AnyFields,
  BroadcastStream,
  Key,
  OperatorOptions,
  ProcessOptions,
  StateOptions,
} from "./process.ts";
import { planProcess } from "./process_plan.ts";
import type { SideOutput } from "./side_output.ts";
import type { Sink } from "./sink.ts";
import { checkedCodecVersion, descriptorOf, type StateDeclarations, stateTraits } from "./state.ts";
import type { KeyedStream, Stream } from "./stream_interface.ts";
import type { AggregateOptions, ReduceOptions, WindowAssigner } from "./window.ts";
import { planWindow } from "./window_plan.ts";

const STATE_OPTIONS = [
  "initial",
  "onEnd",
  "ttl",
  "ttlRefresh",
  "codecVersion",
  "migrations",
  "onError",
];

/** Behind both interfaces; keyed operators check the key, for authors who run unchecked code. */
export class PlannedStream<Out> implements KeyedStream<Out> {
  readonly #plan: JobPlan;
  /** Several behind a union. */
  readonly #inputs: readonly Input[];
  readonly #keyOf: ((record: Out) => string) | null;
  readonly #rawKeyOf: ((record: Out) => Key) | null;

  constructor(
    plan: JobPlan,
    input: Input | readonly Input[],
    keyOf: ((record: Out) => Key) | null = null,
  ) {
    this.#plan = plan;
    this.#inputs = [input].flat();
    this.#keyOf = keyOf === null ? null : textKeyOf(keyOf);
    this.#rawKeyOf = keyOf;
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

  union(...others: readonly Stream<Out>[]): Stream<Out> {
    const at = callSiteOf(this.union);
    if (others.length === 0) {
      throw new UserError("empty-union", "union has no streams: name at least one other", { at });
    }
    const inputs = others.map((other) => this.inputsOf(other, "union", at));
    const all = [...this.#inputs, ...inputs.flat()];
    return new PlannedStream<Out>(this.#plan, all.map((input) => unkeyed(input)));
  }

  getSideOutput<Side>(tag: SideOutput<Side>): Stream<Side> {
    const at = callSiteOf(this.getSideOutput);
    if (tag?.kind !== "sideOutput") {
      throw new UserError(
        "bad-tag",
        'getSideOutput needs a tag: const late = sideOutput<Reading>("late")',
        { at },
      );
    }
    const inputs = this.#inputs.map(({ uid }) =>
      ({ uid, edge: "forward", output: tag.tag }) as const
    );
    return new PlannedStream<Side>(this.#plan, inputs);
  }

  broadcast<Value = Out>(): BroadcastStream<Out, Value> {
    return new PlannedBroadcast<Out, Value>(this);
  }

  /**
   * The inputs of `other`, for an operator of this stream's job that reads both.
   *
   * @param call The author's call, for the message.
   * @throws {UserError} `not-a-stream` or `stream-of-another-job`.
   */
  inputsOf(other: unknown, call: string, at: string | null): readonly Input[] {
    if (!(other instanceof PlannedStream)) {
      throw new UserError("not-a-stream", `${call} needs a stream of this job`, { at });
    }
    if (other.#plan === this.#plan) return other.#inputs;
    throw new UserError(
      "stream-of-another-job",
      `${call} is given a stream of another job: streams meet only within one job; ` +
        `send records between jobs with mqttSink and mqttSource`,
      { at },
    );
  }

  sink(uid: string, sink: Sink<Out>): void {
    const at = callSiteOf(this.sink);
    if (sink?.spec === undefined || sink.descriptor === undefined) {
      throw new UserError("bad-sink", `Sink "${uid}" is not made by mqttSink or alarmSink`, { at });
    }
    const node = { ...nodeOf(uid, "sink", sink.label), sink: sink.descriptor };
    this.#plan.add(node, { kind: "sink", uid, sink: sink.spec }, { input: this.#inputs, at });
  }

  mapWithState<State, Next>(
    uid: string,
    options: StateOptions<State, Next>,
    fn: (state: Readonly<State>, record: Out, key: string) => readonly [State, Next],
  ): Stream<Next> {
    const at = callSiteOf(this.mapWithState);
    return this.#withState(uid, { kind: "mapWithState", options, fn, at });
  }

  flatMapWithState<State, Next>(
    uid: string,
    options: StateOptions<State, Next>,
    fn: (state: Readonly<State>, record: Out, key: string) => readonly [State, readonly Next[]],
  ): Stream<Next> {
    const at = callSiteOf(this.flatMapWithState);
    return this.#withState(uid, { kind: "flatMapWithState", options, fn, at });
  }

  process<States extends StateDeclarations, Next = AnyFields, Rule = never, Value = Rule>(
    uid: string,
    options: ProcessOptions<Out, States, Next, Rule, Value>,
  ): Stream<Next> {
    const at = callSiteOf(this.process);
    const keyOf = this.#keyFor(uid, "process", at);
    const { keyClock } = this.#plan.timeOf(this.#inputs, at);
    const { spec, ...about } = planProcess({ uid, keyOf, keyClock, at }, options);
    const rules = options.broadcast as PlannedBroadcast<Rule, Value> | undefined;
    const inputs = rules === undefined ? [] : this.inputsOf(rules.stream, "broadcast", at);
    return this.#addKeyed(
      spec,
      { ...about, at },
      inputs.map((input) => ({
        ...unkeyed(input),
        edge: "broadcast",
        input: 1,
      })),
    );
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

  window<Acc, Next>(
    uid: string,
    windows: WindowAssigner<Out>,
    options: AggregateOptions<Out, Acc, Next> | ReduceOptions<Out, Next>,
  ): Stream<Next> {
    const at = callSiteOf(this.window);
    const keyOf = this.#keyFor(uid, "window", at);
    const time = this.#plan.timeOf(this.#inputs, at);
    const { spec, ...about } = planWindow({ uid, keyOf, time, at }, windows, options);
    return this.#addKeyed(spec, { ...about, at });
  }

  windowJoin<Right, Next>(
    uid: string,
    right: KeyedStream<Right>,
    windows: WindowAssigner,
    options: WindowJoinOptions<Out, Right, Next>,
  ): Stream<Next> {
    const at = callSiteOf(this.windowJoin);
    const { site, inputs } = this.#joinSite(uid, right, { kind: "windowJoin", at });
    const { spec, ...about } = planWindowJoin(site, windows, options);
    return this.#addKeyed(spec, { ...about, at }, inputs);
  }

  intervalJoin<Right, Next>(
    uid: string,
    right: KeyedStream<Right>,
    options: IntervalJoinOptions<Out, Right, Next>,
  ): Stream<Next> {
    const at = callSiteOf(this.intervalJoin);
    const { site, inputs } = this.#joinSite(uid, right, { kind: "intervalJoin", at });
    const { spec, ...about } = planIntervalJoin(site, options);
    return this.#addKeyed(spec, { ...about, at }, inputs);
  }

  lookupJoin<Row, Next>(
    uid: string,
    from: KeyedStream<Row> | LookupJoinOptions<Out, Row, Next>,
    options?: TableJoinOptions<Out, Row, Next>,
  ): Stream<Next> {
    const at = callSiteOf(this.lookupJoin);
    if (from instanceof PlannedStream) {
      const { site, inputs } = this.#joinSite<Row>(uid, from, { kind: "lookupJoin", at });
      const { spec, ...about } = planTableJoin(site, options!);
      return this.#addKeyed(spec, { ...about, at }, inputs);
    }
    const keyOf = this.#keyFor(uid, "lookupJoin", at);
    const lookUp = from as LookupJoinOptions<Out, Row, Next>;
    const { spec, ...about } = planLookupJoin({ uid, keyOf, at }, lookUp);
    return this.#addKeyed(spec, { ...about, at });
  }

  #joinSite<Right>(
    uid: string,
    right: KeyedStream<Right>,
    { kind, at }: { kind: OperatorKind; at: string | null },
  ): { site: JoinSite<Out, Right>; inputs: readonly Input[] } {
    const sides = { left: this.#inputs, right: this.inputsOf(right, kind, at) };
    const keyOf = this.#keyFor(uid, kind, at);
    const keyOfRight = (right as PlannedStream<Right>).#keyFor(uid, kind, at);
    const inputs = rightInputs(uid, sides, { plan: this.#plan, at });
    const time = this.#plan.timeOf([...sides.left, ...sides.right], at);
    return { site: { uid, keyOf, keyOfRight, time, at }, inputs };
  }

  #stateless<Next>(
    uid: string,
    spec: Extract<OperatorSpec, { kind: "map" | "filter" | "flatMap" }>,
    at: string | null,
  ): Stream<Next> {
    this.#plan.add(nodeOf(uid, spec.kind, spec.kind), spec, { input: this.#inputs, at });
    return new PlannedStream<Next>(this.#plan, { uid, edge: "forward" });
  }

  #keyed(
    edge: "keyByLocal" | "keyBy",
    keyOf: (record: Out) => Key,
    at: string | null,
  ): KeyedStream<Out> {
    checkFunction(`The argument of ${edge}`, keyOf, at);
    const selector = textKeyOf(keyOf);
    const inputs = this.#inputs.map((input) => ({ ...input, edge, keyOf: selector }));
    return new PlannedStream<Out>(this.#plan, inputs, keyOf);
  }

  #withState<State, Next>(
    uid: string,
    call: {
      kind: "mapWithState" | "flatMapWithState";
      options: StateOptions<State, Next>;
      fn: (state: Readonly<State>, record: Out, key: string) => readonly [State, unknown];
      at: string | null;
    },
  ): Stream<Next> {
    const { kind, options, fn, at } = call;
    const keyOf = this.#keyFor(uid, kind, at);
    const rawKeyOf = this.#rawKeyOf!;
    checkOptionNames(`${kind} "${uid}"`, options, { known: STATE_OPTIONS, at });
    checkFunction("initial", options?.initial, at);
    checkFunction(`The function of ${kind} "${uid}"`, fn, at);
    const { onEnd } = options;
    if (onEnd !== undefined) checkFunction("onEnd", onEnd, at);
    const { ttl, migrations: migrate } = options;
    const traits = stateTraits({ ...options, ...(migrate === undefined ? {} : { migrate }) }, at);
    return this.#addKeyed({
      kind,
      uid,
      onError: errorPolicyOf(options, at),
      keyOf,
      rawKeyOf: (record) => checkedKey(rawKeyOf(record)),
      initial: options.initial,
      fn,
      ...(onEnd === undefined ? {} : { onEnd }),
      ...traits,
    }, {
      label: traits.ttlMs === null ? kind : `${kind}, ttl ${ttl}`,
      states: [descriptorOf({ name: "value", kind: "value", ...traits })],
      at,
    });
  }

  #addKeyed<Next>(
    spec: Extract<OperatorSpec, { keyOf: unknown }>,
    about: { label: string; states: readonly StateDescriptor[]; at: string | null },
    further: readonly Input[] = [],
  ): Stream<Next> {
    const { uid, kind } = spec;
    const node = { ...nodeOf(uid, kind, about.label), isKeyed: true, states: about.states };
    this.#plan.add(node, spec, { input: [...this.#inputs, ...further], at: about.at });
    return new PlannedStream<Next>(this.#plan, { uid, edge: "forward" });
  }

  #keyFor(uid: string, kind: OperatorKind, at: string | null): (record: Out) => string {
    if (this.#keyOf !== null) return this.#keyOf;
    throw new UserError(
      "unkeyed-state",
      `Operator "${uid}" (${kind}) keeps state per key, but its stream has no key: ` +
        `put .keyByLocal((record) => …) or .keyBy((record) => …) before it`,
      { at },
    );
  }
}

/** A stream to be sent to every subtask. */
class PlannedBroadcast<Rule, Value> implements BroadcastStream<Rule, Value> {
  readonly kind = "broadcast";
  readonly stream: PlannedStream<Rule>;

  constructor(stream: PlannedStream<Rule>) {
    this.stream = stream;
  }
}

/** The records of `input` without the key they were given. */
function unkeyed({ uid, output }: Input): Input {
  return { uid, edge: "forward", ...(output === undefined ? {} : { output }) };
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

function textKeyOf<Out>(keyOf: (record: Out) => Key): (record: Out) => string {
  return (record) => String(checkedKey(keyOf(record)));
}

/** The key as it is. @throws {UserError} `bad-key` for anything but a text, a boolean or a finite number. */
function checkedKey(key: Key): Key {
  if (typeof key === "string" || typeof key === "boolean") return key;
  if (typeof key === "number" && Number.isFinite(key)) return key;
  const found = typeof key === "number" ? String(key) : key === null ? "null" : typeof key;
  throw new UserError(
    "bad-key",
    `A key is ${found}: the key function must answer a text, a boolean or a finite number`,
  );
}
