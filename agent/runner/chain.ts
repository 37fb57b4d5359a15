/**
 * Compiles the operators of one subtask into one function: a record goes in and has run to its end, through
 * every branch, when it returns.
 *
 * Touches keyed state, timers and sinks it is given. A record costs no promise and no allocation of ours.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import { messageOf, UserError } from "@shared/errors.ts";
import { type GraphEdge, isExchange } from "@shared/job_graph.ts";
import { keyGroupOf } from "@shared/key_groups.ts";
import type { GroupRange } from "@shared/manifest.ts";
import type { OperatorSpec } from "@shared/sdk/operator.ts";
import type { SinkWriter } from "../connectors/connector.ts";
import { deadLetters as deadLetterTag } from "@shared/sdk/side_output.ts";
import type {
  ChainParts,
  Emit,
  OperatorCount,
  OperatorInputs,
  OperatorPlace,
} from "./chain_parts.ts";
import { EventClock, type OperatorClock } from "./event_clock.ts";
import { sampleText } from "./failures.ts";
import { compileIntervalJoin } from "./joins/interval_join.ts";
import { compileLookupJoin } from "./joins/lookup_join.ts";
import { compileWindowJoin } from "./joins/window_join.ts";
import {
  compileDetect,
  compileFlatMapWithState,
  compileMapWithState,
  keyText,
} from "./keyed_operators.ts";
import { hash53 } from "./origin.ts";
import { compileProcess } from "./process_operator.ts";
import { compileSource, type SourceTime } from "./source_operator.ts";
import type { TimeState } from "./time_section.ts";
import { compileWindow } from "./windows/window_operator.ts";

export type {
  ChainParts,
  Emit,
  OperatorCount,
  OperatorInputs,
  OperatorPlace,
} from "./chain_parts.ts";

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
  /** The subtask's event time. */
  readonly clock: EventClock;
  readonly watermarkMs: number;
  /** Time goes on from a snapshot; nothing fires before the next advance (S4). */
  restore(time: TimeState): void;
  /** Event time has come to `ms`: fires event timers and windows up to it, in chain order. */
  advanceWatermark(ms: number): void;
  /** Wall-clock time has passed: splits and keys may fall idle. Call it about once a second. */
  tick(nowMs: number): void;
  /** A payload of the source that could not be decoded: counted, shown, and given to those who read its dead letters. */
  undecodable(reason: string, payload: Uint8Array, position: number): void;
}

export function compileChain(plan: ChainPlan, parts: ChainParts): Chain {
  const compiled = new Map<string, OperatorInputs>();
  const counts: OperatorCount[] = [];
  const clock = new EventClock();
  let source: { uid: string; time: SourceTime; place: OperatorPlace } | null = null;
  for (const [index, uid] of [...plan.operatorUids.entries()].reverse()) {
    const spec = plan.operators.get(uid);
    assert(spec !== undefined, `The job has no operator "${uid}"`);
    const place = placeOf(
      spec,
      plan,
      { outputs: outputsOf(uid, plan, { compiled, parts }), parts },
      clock.operator(index),
    );
    counts.unshift(place.count);
    if (spec.kind === "source") {
      const { emit, time } = compileSource(spec, place, { parts, clock });
      source = { uid, time, place };
      compiled.set(uid, [emit]);
    } else {
      compiled.set(uid, guardKeys(spec, compileOperator(spec, place, parts), { place, parts }));
    }
  }
  const settled = settling(plan, { clock, parts });
  return {
    push: source === null ? refuseRecord : settled(compiled.get(source.uid)![0]),
    inputs: entriesOf(plan, { compiled, settled, parts }),
    counts,
    sourceTime: source?.time ?? null,
    clock,
    get watermarkMs() {
      return clock.watermarkMs;
    },
    restore: (time) => {
      source?.time.restore({ latestMs: time.latestEventMs });
      clock.restore(time);
      if (source !== null) clock.restore(source.time);
    },
    advanceWatermark: (ms) => {
      clock.advance(ms);
      clock.settle(parts.origin.nowMs);
    },
    tick: (nowMs) => {
      source?.time.tick(nowMs);
      clock.tick(nowMs);
    },
    undecodable: (reason, payload, position) => {
      if (source === null) return;
      const { uid, place } = source;
      parts.deadLetters.add(uid, reason, payload, position);
      parts.origin.setRecord(position, parts.origin.nowMs);
      place.side(deadLetterTag.tag)?.({ uid, reason, record: sampleText(payload) });
    },
  };
}

function placeOf(
  spec: OperatorSpec,
  plan: ChainPlan,
  { outputs, parts }: { outputs: ReadonlyMap<string | null, Emit>; parts: ChainParts },
  clock: OperatorClock,
): OperatorPlace {
  const { uid } = spec;
  const side = (tag: string) => outputs.get(tag) ?? null;
  const letters = side(deadLetterTag.tag);
  const onError = spec.kind === "source"
    ? "dead-letter"
    : "onError" in spec
    ? spec.onError
    : "fail";
  return {
    count: { uid, recordsIn: 0, recordsOut: 0, lateRecords: 0 },
    emit: outputs.get(null) ?? (() => {}),
    clock,
    inputKinds: plan.edges.filter((edge) => edge.to === uid).map((edge) => edge.kind),
    side,
    setAside: (record, thrown) => {
      const { position } = parts.origin;
      parts.deadLetters.judge({ uid, onError }, record, { thrown, position });
      letters?.({ uid, reason: messageOf(thrown), record });
    },
  };
}

/**
 * Behind a `keyBy` a subtask owns a range of keys. An operator that is keyed anew with `keyByLocal` must keep to
 * it, or its state would be lost when the job is rescaled.
 */
function guardKeys(
  spec: OperatorSpec,
  inputs: OperatorInputs,
  { place, parts }: { place: OperatorPlace; parts: ChainParts },
): OperatorInputs {
  const { keyGroups } = parts;
  if (!keyGroups || !("keyOf" in spec) || !place.inputKinds.includes("keyByLocal")) return inputs;
  const guarded = (emit: Emit, keyOf: (record: unknown) => unknown): Emit => (record) => {
    let key: string;
    try {
      key = keyText(keyOf(record));
    } catch {
      // The operator meets the same, and does what its error policy says.
      return emit(record);
    }
    checkOwned(spec, key, keyGroups);
    emit(record);
  };
  const [first, second] = inputs;
  const left = guarded(first, spec.keyOf);
  if (second === undefined) return [left];
  return [left, "keyOfRight" in spec ? guarded(second, spec.keyOfRight) : second];
}

function checkOwned({ uid }: OperatorSpec, key: string, [from, to]: GroupRange): void {
  const group = keyGroupOf(key);
  if (group >= from && group <= to) return;
  throw new UserError(
    "key-not-local",
    `Operator "${uid}" got key "${key}" of key group ${group}, but this subtask owns groups ${from} to ${to}: ` +
      `keyByLocal behind keyBy must give the keys of keyBy; use keyBy to key by something else`,
  );
}

/** Lets single keys fire behind each record, where keys have clocks of their own. */
function settling(
  plan: ChainPlan,
  { clock, parts: { origin } }: { clock: EventClock; parts: ChainParts },
): (emit: Emit) => Emit {
  const hasKeyClocks = plan.operatorUids.some((uid) => {
    const spec = plan.operators.get(uid);
    return spec !== undefined && "keyClock" in spec && Boolean(spec.keyClock);
  });
  if (!hasKeyClocks) return (emit) => emit;
  return (emit) => (record) => {
    emit(record);
    clock.settle(origin.nowMs);
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

function entriesOf(plan: ChainPlan, of: {
  compiled: ReadonlyMap<string, OperatorInputs>;
  settled: (emit: Emit) => Emit;
  parts: ChainParts;
}): Map<number, Emit> {
  const { origin, subtaskId = "" } = of.parts;
  const branch = hash53(subtaskId);
  const entries = new Map<number, Emit>();
  for (const [index, edge] of plan.edges.entries()) {
    const entry = of.compiled.get(edge.to)?.[edge.input ?? 0];
    if (!isExchange(edge) || entry === undefined) continue;
    const settled = of.settled(entry);
    entries.set(
      index,
      edge.kind === "keyBy" ? settled : (record) => {
        origin.setBranch(branch);
        settled(record);
      },
    );
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
      return [compileMap(spec, place)];
    case "filter":
      return [compileFilter(spec, place)];
    case "flatMap":
      return [compileFlatMap(spec, place)];
    case "mapWithState":
      return [compileMapWithState(spec, place, parts)];
    case "flatMapWithState":
      return [compileFlatMapWithState(spec, place, parts)];
    case "process":
      return compileProcess(spec, place, parts);
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
  { count, emit, setAside }: OperatorPlace,
): Emit {
  const { fn } = spec;
  return (record) => {
    count.recordsIn++;
    let output: unknown;
    try {
      output = fn(record);
    } catch (thrown) {
      setAside(record, thrown);
      return;
    }
    count.recordsOut++;
    emit(output);
  };
}

function compileFilter(
  spec: OperatorSpec & { kind: "filter" },
  { count, emit, setAside }: OperatorPlace,
): Emit {
  const { fn } = spec;
  return (record) => {
    count.recordsIn++;
    let isKept: boolean;
    try {
      isKept = fn(record);
    } catch (thrown) {
      setAside(record, thrown);
      return;
    }
    if (!isKept) return;
    count.recordsOut++;
    emit(record);
  };
}

function compileFlatMap(
  spec: OperatorSpec & { kind: "flatMap" },
  { count, emit, setAside }: OperatorPlace,
): Emit {
  const { fn } = spec;
  return (record) => {
    count.recordsIn++;
    let outputs: readonly unknown[];
    try {
      outputs = listOf(fn(record));
    } catch (thrown) {
      setAside(record, thrown);
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
  { count, setAside }: OperatorPlace,
  { origin, sinks, afterWrite }: ChainParts,
): Emit {
  const sink = sinks.get(uid);
  assert(sink !== undefined, `Sink "${uid}" has no connector`);
  if (sink.ignoresIds === true) return compileSinkWithoutIds(sink, { count, setAside });
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
      setAside(record, thrown);
    }
    count.recordsOut++;
    afterWrite(sink);
  };
}

function compileSinkWithoutIds(
  sink: SinkWriter,
  { count, setAside }: Pick<OperatorPlace, "count" | "setAside">,
): Emit {
  return (record) => {
    count.recordsIn++;
    try {
      sink.write(record, "");
    } catch (thrown) {
      setAside(record, thrown);
    }
    count.recordsOut++;
  };
}
