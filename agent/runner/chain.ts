/**
 * Compiles the operators of one subtask into one function: a record goes in and has run to its end, through
 * every branch, when it returns.
 *
 * Touches keyed state, timers and sinks it is given. A record costs no promise and no allocation of ours.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { GraphEdge } from "@shared/job_graph.ts";
import type { OperatorSpec } from "@shared/sdk/operator.ts";
import type { SinkWriter } from "../connectors/connector.ts";
import type { KeyedState } from "../state/keyed_state.ts";
import type { DeadLetters } from "./failures.ts";
import { compileDetect, compileFlatMapWithState, compileMapWithState } from "./keyed_operators.ts";
import type { Origin } from "./origin.ts";
import { compileProcess } from "./process_operator.ts";
import type { SignalSamples } from "./signal_samples.ts";
import type { TimerService } from "./timer_service.ts";

/** Takes one record. */
export type Emit = (record: unknown) => void;

/** Records through one operator since the attempt began. */
export interface OperatorCount {
  readonly uid: string;
  recordsIn: number;
  recordsOut: number;
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
}

export interface ChainPlan {
  /** In topological order, the source first. */
  readonly operatorUids: readonly string[];
  readonly edges: readonly GraphEdge[];
  readonly operators: ReadonlyMap<string, OperatorSpec>;
}

export interface Chain {
  /** Takes a record of the source. */
  readonly push: Emit;
  /** In chain order. */
  readonly counts: readonly OperatorCount[];
}

export function compileChain(plan: ChainPlan, parts: ChainParts): Chain {
  const inputs = new Map<string, Emit>();
  const counts: OperatorCount[] = [];
  for (const uid of [...plan.operatorUids].reverse()) {
    const spec = plan.operators.get(uid);
    assert(spec !== undefined, `The job has no operator "${uid}"`);
    const targets = plan.edges
      .filter((edge) => edge.from === uid && inputs.has(edge.to))
      .map((edge) => inputs.get(edge.to)!);
    const count: OperatorCount = { uid, recordsIn: 0, recordsOut: 0 };
    counts.unshift(count);
    inputs.set(uid, compileOperator(spec, { count, emit: fanOut(targets) }, parts));
  }
  return { push: inputs.get(plan.operatorUids[0]!)!, counts };
}

/** What one operator has of its own: its counter, and where its output goes. */
export interface OperatorPlace {
  readonly count: OperatorCount;
  readonly emit: Emit;
}

function compileOperator(spec: OperatorSpec, place: OperatorPlace, parts: ChainParts): Emit {
  switch (spec.kind) {
    case "source":
      return compileSource(spec, place, parts);
    case "map":
      return compileMap(spec, place, parts);
    case "filter":
      return compileFilter(spec, place, parts);
    case "flatMap":
      return compileFlatMap(spec, place, parts);
    case "mapWithState":
      return compileMapWithState(spec, place, parts);
    case "flatMapWithState":
      return compileFlatMapWithState(spec, place, parts);
    case "process":
      return compileProcess(spec, place, parts);
    case "detect":
      return compileDetect(spec, place, parts);
    case "sink":
      return compileSink(spec.uid, place, parts);
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

/** Gives the record its event time; one that cannot be told keeps its arrival time. */
function compileSource(
  spec: OperatorSpec & { kind: "source" },
  { count, emit }: OperatorPlace,
  { origin, deadLetters }: ChainParts,
): Emit {
  const { eventTime } = spec.source;
  const policy = { uid: spec.uid, onError: "dead-letter" } as const;
  return (record) => {
    count.recordsIn++;
    if (eventTime !== null) {
      try {
        const atMs = eventTime(record);
        if (Number.isFinite(atMs)) origin.atMs = atMs;
      } catch (thrown) {
        deadLetters.judge(policy, record, { thrown, position: origin.position });
        return;
      }
    }
    count.recordsOut++;
    emit(record);
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
