/**
 * Compiles the operators of one subtask into one function: a record goes in and has run to its end, through
 * every branch, when it returns.
 *
 * Touches keyed state, timers and sinks it is given. A record costs no promise and no allocation of ours.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import { type GraphEdge, isExchange } from "@shared/job_graph.ts";
import type { GroupRange } from "@shared/manifest.ts";
import type { OperatorSpec } from "@shared/sdk/operator.ts";
import type { SinkWriter } from "../connectors/connector.ts";
import type { KeyedState } from "../state/keyed_state.ts";
import { EventClock, type OperatorClock } from "./event_clock.ts";
import type { DeadLetters } from "./failures.ts";
import { compileIntervalJoin } from "./joins/interval_join.ts";
import { compileLookupJoin } from "./joins/lookup_join.ts";
import { compileWindowJoin } from "./joins/window_join.ts";
import { compileDetect, compileFlatMapWithState, compileMapWithState } from "./keyed_operators.ts";
import type { Origin } from "./origin.ts";
import { compileProcess } from "./process_operator.ts";
import type { SignalSamples } from "./signal_samples.ts";
import { compileSource, type SourceTime } from "./source_operator.ts";
import type { TimerService } from "./timer_service.ts";
import { compileWindow } from "./windows/window_operator.ts";

/** Takes one record. */
export type Emit = (record: unknown) => void;

/** What takes the records of one operator: one function for each of its inputs. */
export type OperatorInputs = readonly [first: Emit, second?: Emit];

/** Records through one operator since the attempt began. */
export interface OperatorCount {
  readonly uid: string;
  recordsIn: number;
  recordsOut: number;
  /** Records that came behind the watermark and could not count any more. */
  lateRecords: number;
}

/** What compiled operators work with. */
export interface ChainParts {
  readonly origin: Origin;
  readonly state: KeyedState;
  readonly timers: TimerService;
  readonly deadLetters: DeadLetters;
  readonly samples: SignalSamples;
  readonly sinks: ReadonlyMap<string, SinkWriter>;
  /** Called after each write to a sink, so that a full one pushes back. */
  readonly afterWrite: (sink: SinkWriter) => void;
  /** What a record into an exchange edge that leaves this subtask is given to. */
  readonly exchange?: (edgeIndex: number) => Emit;
  /** Key groups that this subtask owns; null, or left out: its state is local to its split. */
  readonly keyGroups?: GroupRange | null;
  /**
   * Gets the watermark of the subtask's own source, for subtasks that have channels beside it: they advance the
   * chain by the least of all. Left out: the source alone advances the chain.
   */
  readonly onSourceWatermark?: (ms: number) => void;
  /** Event time is driven by the records, as from a file: nothing is too far in the future. */
  readonly isTimeDrivenByRecords?: boolean;
}

export interface ChainPlan {
  /** In topological order, the source first. */
  readonly operatorUids: readonly string[];
  readonly edges: readonly GraphEdge[];
  readonly operators: ReadonlyMap<string, OperatorSpec>;
}

export interface Chain {
  /** Takes a record of the source; throws when the subtask has none. */
  readonly push: Emit;
  /** Graph edge index to what takes its records, for each exchange edge that ends in this subtask. */
  readonly inputs: ReadonlyMap<number, Emit>;
  /** In chain order. */
  readonly counts: readonly OperatorCount[];
  /** Of the source; null when the subtask has none. */
  readonly sourceTime: SourceTime | null;
  /** The subtask's event time, for snapshots: `capture()`, `restore(state)`. */
  readonly clock: EventClock;
  readonly watermarkMs: number;
  /** Event time has come to `ms`: fires event timers and windows up to it, in chain order. */
  advanceWatermark(ms: number): void;
  /** Wall-clock time has passed: splits and keys may fall idle. Call it about once a second. */
  tick(nowMs: number): void;
}

/** What one operator has of its own. */
export interface OperatorPlace {
  readonly count: OperatorCount;
  /** Where its main output goes. */
  readonly emit: Emit;
  /** Its event time: what is late, and when to fire. */
  readonly clock: OperatorClock;
  /** Kinds of the edges that feed it. */
  readonly inputKinds: readonly GraphEdge["kind"][];
  /** Where its side output `tag` goes; null when nobody reads it. */
  side(tag: string): Emit | null;
}

export function compileChain(plan: ChainPlan, parts: ChainParts): Chain {
  const compiled = new Map<string, OperatorInputs>();
  const counts: OperatorCount[] = [];
  const clock = new EventClock();
  const source: { time: SourceTime | null } = { time: null };
  for (const [index, uid] of [...plan.operatorUids.entries()].reverse()) {
    const spec = plan.operators.get(uid);
    assert(spec !== undefined, `The job has no operator "${uid}"`);
    const count: OperatorCount = { uid, recordsIn: 0, recordsOut: 0, lateRecords: 0 };
    counts.unshift(count);
    const outputs = outputsOf(uid, plan, { compiled, parts });
    const place: OperatorPlace = {
      count,
      emit: outputs.get(null) ?? (() => {}),
      clock: clock.operator(index),
      inputKinds: plan.edges.filter((edge) => edge.to === uid).map((edge) => edge.kind),
      side: (tag) => outputs.get(tag) ?? null,
    };
    if (spec.kind === "source") {
      const { emit, time } = compileSource(spec, place, { parts, clock });
      source.time = time;
      compiled.set(uid, [emit]);
    } else {
      compiled.set(uid, compileOperator(spec, place, parts));
    }
  }
  const first = plan.operators.get(plan.operatorUids[0]!);
  return {
    push: first?.kind === "source" ? compiled.get(first.uid)![0] : refuseRecord,
    inputs: entriesOf(plan, compiled),
    counts,
    sourceTime: source.time,
    clock,
    get watermarkMs() {
      return clock.watermarkMs;
    },
    advanceWatermark: (ms) => clock.advance(ms),
    tick: (nowMs) => {
      source.time?.tick(nowMs);
      clock.tick(nowMs);
    },
  };
}

function refuseRecord(): void {
  assert(false, "A record of a source came to a subtask without one");
}

/** What takes the records of each output of `uid`, by tag; null is the main output. */
function outputsOf(
  uid: string,
  plan: ChainPlan,
  { compiled, parts }: { compiled: ReadonlyMap<string, OperatorInputs>; parts: ChainParts },
): Map<string | null, Emit> {
  const targets = new Map<string | null, Emit[]>();
  for (const [index, edge] of plan.edges.entries()) {
    if (edge.from !== uid) continue;
    const target = isExchange(edge)
      ? parts.exchange?.(index)
      : compiled.get(edge.to)?.[edge.input ?? 0];
    if (target === undefined) continue;
    const tag = edge.output ?? null;
    targets.set(tag, [...targets.get(tag) ?? [], target]);
  }
  return new Map([...targets].map(([tag, ofTag]) => [tag, fanOut(ofTag)]));
}

function entriesOf(plan: ChainPlan, compiled: ReadonlyMap<string, OperatorInputs>) {
  const entries = new Map<number, Emit>();
  for (const [index, edge] of plan.edges.entries()) {
    const entry = compiled.get(edge.to)?.[edge.input ?? 0];
    if (isExchange(edge) && entry !== undefined) entries.set(index, entry);
  }
  return entries;
}

function compileOperator(
  spec: Exclude<OperatorSpec, { kind: "source" }>,
  place: OperatorPlace,
  parts: ChainParts,
): OperatorInputs {
  switch (spec.kind) {
    case "map":
      return [compileMap(spec, place, parts)];
    case "filter":
      return [compileFilter(spec, place, parts)];
    case "flatMap":
      return [compileFlatMap(spec, place, parts)];
    case "mapWithState":
      return [compileMapWithState(spec, place, parts)];
    case "flatMapWithState":
      return [compileFlatMapWithState(spec, place, parts)];
    case "process":
      return [compileProcess(spec, place, parts)];
    case "detect":
      return [compileDetect(spec, place, parts)];
    case "window":
      return [compileWindow(spec, place, parts)];
    case "windowJoin":
      return compileWindowJoin(spec, place, parts);
    case "intervalJoin":
      return compileIntervalJoin(spec, place, parts);
    case "lookupJoin":
      return compileLookupJoin(spec, place, parts);
    case "sink":
      return [compileSink(spec.uid, place, parts)];
  }
}

function fanOut(targets: readonly Emit[]): Emit {
  const [first, second] = targets;
  if (first === undefined) return () => {};
  if (second === undefined) return first;
  if (targets.length === 2) {
    return (record) => {
      first(record);
      second(record);
    };
  }
  return (record) => {
    for (const target of targets) target(record);
  };
}

function compileMap(
  spec: OperatorSpec & { kind: "map" },
  { count, emit }: OperatorPlace,
  { origin, deadLetters }: ChainParts,
): Emit {
  const { fn } = spec;
  return (record) => {
    count.recordsIn++;
    let output: unknown;
    try {
      output = fn(record);
    } catch (thrown) {
      deadLetters.judge(spec, record, { thrown, position: origin.position });
      return;
    }
    count.recordsOut++;
    emit(output);
  };
}

function compileFilter(
  spec: OperatorSpec & { kind: "filter" },
  { count, emit }: OperatorPlace,
  { origin, deadLetters }: ChainParts,
): Emit {
  const { fn } = spec;
  return (record) => {
    count.recordsIn++;
    let isKept: boolean;
    try {
      isKept = fn(record);
    } catch (thrown) {
      deadLetters.judge(spec, record, { thrown, position: origin.position });
      return;
    }
    if (!isKept) return;
    count.recordsOut++;
    emit(record);
  };
}

function compileFlatMap(
  spec: OperatorSpec & { kind: "flatMap" },
  { count, emit }: OperatorPlace,
  { origin, deadLetters }: ChainParts,
): Emit {
  const { fn } = spec;
  return (record) => {
    count.recordsIn++;
    let outputs: readonly unknown[];
    try {
      outputs = listOf(fn(record));
    } catch (thrown) {
      deadLetters.judge(spec, record, { thrown, position: origin.position });
      return;
    }
    for (const output of outputs) {
      count.recordsOut++;
      emit(output);
    }
  };
}

/** Runs a generator to its end before anything is emitted: a throw in its middle emits nothing. */
export function listOf(outputs: Iterable<unknown>): readonly unknown[] {
  return Array.isArray(outputs) ? outputs : [...outputs];
}

function compileSink(
  uid: string,
  { count }: OperatorPlace,
  { origin, sinks, deadLetters, afterWrite }: ChainParts,
): Emit {
  const sink = sinks.get(uid);
  assert(sink !== undefined, `Sink "${uid}" has no connector`);
  let serial = -1;
  let index = 0;
  return (record) => {
    count.recordsIn++;
    if (serial !== origin.serial) {
      serial = origin.serial;
      index = 0;
    }
    try {
      sink.write(record, origin.outputId(uid, index++));
    } catch (thrown) {
      deadLetters.judge({ uid, onError: "fail" }, record, { thrown, position: origin.position });
    }
    count.recordsOut++;
    afterWrite(sink);
  };
}
