/**
 * The operators that keep one value per key: mapWithState, flatMapWithState, detect.
 *
 * Touches the keyed state it is given. State is written only after the author's function has returned, so
 * a record on which it threw leaves no trace in it.
 *
 * @module
 */
import {
  createDetectState,
  type DetectState,
  rangeOf,
  stepDetect,
} from "@shared/operators/anomaly_edges.ts";
import type { StatefulSpec } from "@shared/sdk/operator.ts";
import type { TableKey } from "../state/state_table.ts";
import { type ChainParts, type Emit, listOf, type OperatorPlace } from "./chain.ts";
import { MAX_WATERMARK_MS } from "./watermarks.ts";

const VALUE_SLOT = 0;
/** Tables look whole numbers of up to nine digits up as such. */
const NUMBERS_END = 1e9;

/** The key of a record as text. @throws {TypeError} If it is not a text, number or boolean. */
export function keyText(key: unknown): string {
  if (typeof key === "string") return key;
  if (typeof key === "number" || typeof key === "boolean") return String(key);
  throw new TypeError(
    `The key is ${key === null ? "null" : `of type ${typeof key}`}: want text, number or boolean`,
  );
}

/** The key of a record as a table looks it up: small whole numbers need no text. */
function tableKey(key: unknown): TableKey {
  const isSmall = typeof key === "number" && Number.isInteger(key) && key >= 0 && key < NUMBERS_END;
  return isSmall && !Object.is(key, -0) ? key as number : keyText(key);
}

export function compileMapWithState(
  spec: StatefulSpec & { kind: "mapWithState" | "flatMapWithState" },
  place: OperatorPlace,
  parts: ChainParts,
): Emit {
  const { count, emit } = place;
  const update = compileUpdate(spec, place, parts);
  compileEnd(spec, place, parts);
  return (record) => {
    count.recordsIn++;
    const output = update(record);
    if (output === SET_ASIDE) return;
    count.recordsOut++;
    emit(output);
  };
}

export function compileFlatMapWithState(
  spec: StatefulSpec & { kind: "mapWithState" | "flatMapWithState" },
  place: OperatorPlace,
  parts: ChainParts,
): Emit {
  const { count, emit } = place;
  const update = compileUpdate(spec, place, parts);
  compileEnd(spec, place, parts);
  return (record) => {
    count.recordsIn++;
    const outputs = update(record);
    if (outputs === SET_ASIDE) return;
    const list = outputs as readonly unknown[];
    for (let i = 0; i < list.length; i++) {
      count.recordsOut++;
      emit(list[i]);
    }
  };
}

/** In place of the output of a record that was set aside. */
const SET_ASIDE = Symbol("set aside");

/** Runs the author's function on state and record, and answers its output or outputs. */
function compileUpdate(
  spec: StatefulSpec & { kind: "mapWithState" | "flatMapWithState" },
  { setAside }: OperatorPlace,
  { origin, state }: ChainParts,
): (record: unknown) => unknown {
  const { initial, fn } = spec;
  const keyOf = spec.rawKeyOf ?? spec.keyOf;
  const table = state.table(spec.uid);
  const isKeptByReading = spec.ttlRefresh === "readAndWrite";
  const isList = spec.kind === "flatMapWithState";
  return (record) => {
    try {
      const lookUp = tableKey(keyOf(record));
      const entry = table.find(lookUp, origin.nowMs);
      // Text of a number is made faster than that of the entry is fetched.
      const key = keyText(lookUp);
      const held = entry?.first;
      const result = fn(held === undefined ? initial() : held, record, key);
      const after = result[0];
      // What is no list, and throws as it is read, throws before anything is written.
      const output = isList ? listOf(result[1]) : result[1];
      if (after !== held) {
        if (entry === undefined) table.put(key, VALUE_SLOT, after, origin.nowMs);
        else table.write(entry, VALUE_SLOT, after, origin.nowMs);
      } else if (isKeptByReading && entry !== undefined) {
        table.touch(entry, VALUE_SLOT, origin.nowMs);
      }
      return output;
    } catch (thrown) {
      setAside(record, thrown);
      return SET_ASIDE;
    }
  };
}

/** Lets every key say its last when event time has come to its end: a file is over, or the job drains. */
function compileEnd(
  spec: StatefulSpec & { kind: "mapWithState" | "flatMapWithState" },
  { count, emit, clock, setAside }: OperatorPlace,
  { origin, state }: ChainParts,
): void {
  const { uid, onEnd } = spec;
  if (onEnd === undefined) return;
  const table = state.table(uid);
  clock.onAdvance((watermarkMs) => {
    if (watermarkMs < MAX_WATERMARK_MS) return clock.wakeAt(MAX_WATERMARK_MS);
    const { nowMs } = origin;
    table.forEachFirst((key, first) => {
      if (first === undefined) return;
      origin.setFiring({ kind: "event", uid, key, timeMs: MAX_WATERMARK_MS, nowMs });
      let outputs: readonly unknown[];
      try {
        outputs = listOf(onEnd(first, key));
      } catch (thrown) {
        setAside({ key }, thrown);
        return;
      }
      for (const output of outputs) {
        count.recordsOut++;
        emit(output);
      }
    });
  });
  clock.wakeAt(MAX_WATERMARK_MS);
}

export function compileDetect(
  spec: StatefulSpec & { kind: "detect" },
  { count, emit, setAside }: OperatorPlace,
  { origin, state, samples }: ChainParts,
): Emit {
  const { uid, keyOf, detector } = spec;
  const table = state.table(uid);
  let serial = -1;
  let onsets = 0;
  // One origin may have several onsets, of several keys or of one.
  const recordId = () => {
    if (serial !== origin.serial) [serial, onsets] = [origin.serial, 0];
    return origin.outputId(uid, onsets++);
  };
  return (record) => {
    count.recordsIn++;
    let edge: unknown;
    try {
      const key = keyText(keyOf(record));
      const held = table.find(key, origin.nowMs)?.first as
        | DetectState<unknown>
        | undefined;
      // A detector may change its state in place: a running snapshot copies the group before it does.
      if (held !== undefined) table.beforeChange(key);
      const before = held ?? createDetectState(detector);
      const step = stepDetect(detector, before, { record, key, atMs: origin.atMs, recordId });
      if (step.value !== null) table.put(key, VALUE_SLOT, step.state, origin.nowMs);
      if (step.value !== null && samples.isWanted(uid, key)) {
        const { score } = detector.judge(step.state.detector);
        const { low, high } = rangeOf(detector, step.state.detector, origin.atMs);
        samples.add({
          operatorUid: uid,
          key,
          atMs: origin.atMs,
          value: step.value,
          score,
          low,
          high,
        });
      }
      edge = step.edge;
    } catch (thrown) {
      setAside(record, thrown);
      return;
    }
    if (edge === null) return;
    count.recordsOut++;
    emit(edge);
  };
}
