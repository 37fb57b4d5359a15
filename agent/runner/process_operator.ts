/**
 * The `process` operator: the author's functions over records and timers, with named states and timers.
 *
 * Touches the keyed state and timers it is given. What a function emits is held back until it has returned;
 * under the policy `dead-letter` a throw also takes back what it did to the state of its key.
 *
 * @module
 */
import type { StatefulSpec } from "@shared/sdk/operator.ts";
import { type Entry, slotOf } from "../state/state_table.ts";
import type { ChainParts, Emit, OperatorPlace } from "./chain.ts";
import { keyText } from "./keyed_operators.ts";

interface ValueHandle {
  get(): unknown;
  set(value: unknown): void;
  clear(): void;
}

/** What the author's functions see as `ctx`; one object, set anew for each call. */
interface ProcessCall {
  key: string;
  nowMs: number;
  readonly state: Readonly<Record<string, ValueHandle>>;
  readonly timers: {
    processingTime(atMs: number): void;
    deleteProcessingTime(atMs: number): void;
  };
  emit(record: unknown): void;
}

type ProcessSpec = StatefulSpec & { kind: "process" };

export function compileProcess(
  spec: ProcessSpec,
  { count, emit }: OperatorPlace,
  parts: ChainParts,
): Emit {
  const { origin, state, timers, deadLetters } = parts;
  const { uid, keyOf, onRecord, onTimer } = spec;
  const table = state.table(uid);
  const held: unknown[] = [];
  const operator = timers.addOperator(table, (timeMs, key, nowMs) => {
    if (onTimer === null) return;
    origin.setFiring({ kind: "timer", uid, key, timeMs, nowMs });
    run(key, { timer: timeMs }, () => onTimer(timeMs, call));
  });
  const { call, setOpen } = createCall(spec, parts, { operator, held });

  /** Calls the author's function for `key`; then, and only then, emits. */
  function run(key: string, subject: unknown, body: () => void): void {
    let before: Entry | null = null;
    if (spec.onError === "dead-letter") before = table.snapshotOf(key);
    call.key = key;
    call.nowMs = origin.nowMs;
    held.length = 0;
    setOpen(true);
    try {
      body();
    } catch (thrown) {
      held.length = 0;
      if (spec.onError === "dead-letter") table.rollBack(key, before);
      deadLetters.judge(spec, subject, { thrown, position: origin.position });
    } finally {
      setOpen(false);
    }
    for (const record of held) {
      count.recordsOut++;
      emit(record);
    }
  }

  return (record) => {
    count.recordsIn++;
    let key: string;
    try {
      key = keyText(keyOf(record));
    } catch (thrown) {
      deadLetters.judge(spec, record, { thrown, position: origin.position });
      return;
    }
    run(key, record, () => onRecord(record, call));
  };
}

function createCall(
  spec: ProcessSpec,
  { origin, state, timers }: ChainParts,
  { operator, held }: { operator: number; held: unknown[] },
): { call: ProcessCall; setOpen: (isOpen: boolean) => void } {
  const table = state.table(spec.uid);
  let isOpen = false;
  const check = () => {
    if (isOpen) return;
    throw new Error(
      `ctx of operator "${spec.uid}" was used after its function had returned: it must be synchronous`,
    );
  };
  const handles = spec.states.map((descriptor, slot): [string, ValueHandle] => [descriptor.name, {
    get: () => {
      check();
      const entry = table.find(call.key, origin.nowMs);
      return entry === undefined ? undefined : slotOf(entry, slot);
    },
    set: (value) => (check(), table.put(call.key, slot, value, origin.nowMs)),
    clear: () => (check(), table.put(call.key, slot, undefined, origin.nowMs)),
  }]);
  const call: ProcessCall = {
    key: "",
    nowMs: 0,
    state: Object.freeze(Object.fromEntries(handles)),
    timers: Object.freeze({
      processingTime: (atMs: number) => {
        check();
        timers.add(operator, call.key, timerTime(atMs), origin.nowMs);
      },
      deleteProcessingTime: (atMs: number) => (check(), timers.remove(operator, call.key, atMs)),
    }),
    emit: (record) => {
      check();
      held.push(record);
    },
  };
  return { call, setOpen: (value) => void (isOpen = value) };
}

function timerTime(atMs: number): number {
  if (Number.isFinite(atMs)) return atMs;
  throw new TypeError(`A timer is set for ${atMs}: want a time in ms since the epoch`);
}
