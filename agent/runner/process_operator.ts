/**
 * The `process` operator: the author's functions over records, timers and broadcast records, with named states.
 *
 * Touches the keyed state, broadcast state and timers it is given. What a function emits is held back until it
 * has returned; under the policy `dead-letter` a throw also takes back what it did to the state of its key.
 * Broadcast state is written by `onBroadcast` alone, so that all subtasks hold the same.
 *
 * @module
 */
import type { StatefulSpec } from "@shared/sdk/operator.ts";
import type { Entry, StateTable } from "../state/state_table.ts";
import type { ChainParts, Emit, OperatorInputs, OperatorPlace } from "./chain.ts";
import type { BroadcastTable } from "./chain_parts.ts";
import { EventTimers } from "./event_timers.ts";
import type { KeyClocks } from "./key_clocks.ts";
import { keyText } from "./keyed_operators.ts";
import { createStateHandles } from "./state_handles.ts";

type ProcessSpec = StatefulSpec & { kind: "process" };
type Domain = "event" | "processing";

export function compileProcess(
  spec: ProcessSpec,
  place: OperatorPlace,
  parts: ChainParts,
): OperatorInputs {
  const operator = new ProcessOperator(spec, place, parts);
  const onRecord: Emit = (record) => operator.record(record);
  if (!spec.onBroadcast) return [onRecord];
  return [onRecord, (rule) => operator.broadcast(rule)];
}

class ProcessOperator {
  readonly #spec: ProcessSpec;
  readonly #place: OperatorPlace;
  readonly #parts: ChainParts;
  readonly #table: StateTable;
  readonly #keyClocks: KeyClocks | null;
  readonly #eventTimers: EventTimers;
  /** Number of the operator at the processing-time timers. */
  readonly #number: number;
  readonly #call: ProcessCall;
  readonly #takesBack: boolean;

  constructor(spec: ProcessSpec, place: OperatorPlace, parts: ChainParts) {
    this.#spec = spec;
    this.#place = place;
    this.#parts = parts;
    this.#table = parts.state.table(spec.uid);
    this.#takesBack = spec.onError === "dead-letter";
    const { clock } = place;
    this.#keyClocks = clock.perKey(this.#table, spec.keyClock);
    const clocks = { clock, keyClocks: this.#keyClocks };
    this.#eventTimers = new EventTimers(
      this.#table,
      clocks,
      (timeMs, key) => this.#timer("event", timeMs, { key, nowMs: parts.origin.nowMs }),
    );
    this.#number = parts.timers.addOperator(
      this.#table,
      (timeMs, key, nowMs) => this.#timer("processing", timeMs, { key, nowMs }),
    );
    parts.timers.onLoad((nowMs) => this.#eventTimers.load(nowMs));
    this.#call = new ProcessCall(spec, place, {
      parts,
      number: this.#number,
      eventTimers: this.#eventTimers,
      keyClocks: this.#keyClocks,
    });
  }

  record(record: unknown): void {
    const { count, setAside } = this.#place;
    count.recordsIn++;
    let key: string;
    try {
      key = keyText(this.#spec.keyOf(record));
    } catch (thrown) {
      return setAside(record, thrown);
    }
    const { atMs, nowMs } = this.#parts.origin;
    this.#run(key, record, null);
    if (this.#keyClocks === null) return;
    const watermarkMs = this.#keyClocks.observe(key, atMs, nowMs);
    this.#eventTimers.wakeKey(key, watermarkMs, nowMs);
  }

  broadcast(rule: unknown): void {
    const call = this.#call;
    this.#place.count.recordsIn++;
    call.openBroadcast();
    try {
      this.#spec.onBroadcast!(rule, call.ofBroadcast);
    } catch (thrown) {
      call.held.length = 0;
      call.takeBackBroadcast();
      this.#place.setAside(rule, thrown);
    } finally {
      call.close();
    }
    this.#emitHeld();
  }

  #timer(domain: Domain, timeMs: number, of: { key: string; nowMs: number }): void {
    if (this.#spec.onTimer === null) return;
    const kind = domain === "event" ? "event" : "timer";
    this.#parts.origin.setFiring({ kind, uid: this.#spec.uid, timeMs, ...of });
    this.#run(of.key, { timer: timeMs }, domain);
  }

  /**
   * Calls the author's function for `key`; then, and only then, emits.
   *
   * @param domain Clock of the timer that is due; null for a record.
   */
  #run(key: string, subject: unknown, domain: Domain | null): void {
    const call = this.#call;
    let before: Entry | null = null;
    if (this.#takesBack) before = this.#table.snapshotOf(key);
    call.open(key, domain);
    try {
      if (domain === null) this.#spec.onRecord(subject, call.ofKey);
      else this.#spec.onTimer!(this.#parts.origin.atMs, call.ofKey);
    } catch (thrown) {
      call.held.length = 0;
      if (this.#takesBack) this.#table.rollBack(key, before);
      this.#place.setAside(subject, thrown);
    } finally {
      call.close();
    }
    if (call.held.length > 0) this.#emitHeld();
  }

  #emitHeld(): void {
    const { held, emits } = this.#call;
    const { count } = this.#place;
    for (let i = 0; i < held.length; i++) {
      count.recordsOut++;
      emits[i]!(held[i]);
    }
    held.length = 0;
  }
}

interface CallParts {
  readonly parts: ChainParts;
  readonly number: number;
  readonly eventTimers: EventTimers;
  readonly keyClocks: KeyClocks | null;
}

const NO_KEY = "";

/** The call that is running, and what the author's functions see of it as `ctx`. */
class ProcessCall {
  /** `ctx` of `onRecord` and `onTimer`. */
  readonly ofKey: object;
  /** `ctx` of `onBroadcast`. */
  readonly ofBroadcast: object;
  /** What was emitted, to be sent when the function has returned … */
  readonly held: unknown[] = [];
  /** … and where to. */
  readonly emits: Emit[] = [];
  readonly #uid: string;
  readonly #hasOnTimer: boolean;
  readonly #of: CallParts;
  readonly #place: OperatorPlace;
  #isOpen = false;
  #key = NO_KEY;
  #domain: Domain | null = null;
  /** What broadcast names held before the call that is running changed them. */
  readonly #changed = new Map<string, unknown>();

  constructor(spec: ProcessSpec, place: OperatorPlace, of: CallParts) {
    this.#uid = spec.uid;
    this.#hasOnTimer = spec.onTimer !== null;
    this.#of = of;
    this.#place = place;
    const { origin, state } = of.parts;
    const handles = createStateHandles(spec.states, {
      table: state.table(spec.uid),
      key: () => this.#openKey(),
      nowMs: () => origin.nowMs,
    });
    const table = spec.onBroadcast ? of.parts.broadcast?.(spec.uid) : undefined;
    this.ofKey = this.#keyContext(handles, table);
    this.ofBroadcast = this.#broadcastContext(table);
  }

  open(key: string, domain: Domain | null): void {
    this.#key = key;
    this.#domain = domain;
    this.#isOpen = true;
  }

  openBroadcast(): void {
    this.#changed.clear();
    this.open(NO_KEY, null);
  }

  close(): void {
    this.#isOpen = false;
  }

  /** Puts broadcast state back to what it was before the call. */
  takeBackBroadcast(): void {
    const table = this.#of.parts.broadcast?.(this.#uid);
    for (const [name, value] of this.#changed) {
      if (value === undefined) table?.delete(name);
      else table?.set(name, value);
    }
  }

  #check(): void {
    if (this.#isOpen) return;
    throw new Error(
      `ctx of operator "${this.#uid}" was used after its function had returned: it must be synchronous`,
    );
  }

  #openKey(): string {
    this.#check();
    return this.#key;
  }

  #keyContext(state: Readonly<Record<string, unknown>>, table: BroadcastTable | undefined): object {
    // deno-lint-ignore no-this-alias -- accessors of the object below have a `this` of their own
    const call = this;
    const { origin } = this.#of.parts;
    return {
      state,
      timers: this.#timers(),
      broadcast: Object.freeze(this.#valuesOf(table)),
      emit: (record: unknown) => this.#hold(this.#place.emit, record),
      emitTo: (tag: unknown, record: unknown) => this.#holdFor(tag, record),
      get key() {
        return call.#key;
      },
      get nowMs() {
        return origin.nowMs;
      },
      get eventTimeMs() {
        return origin.atMs;
      },
      get watermarkMs() {
        return call.#watermarkMs();
      },
      get timerDomain() {
        return call.#domain;
      },
    };
  }

  #broadcastContext(table: BroadcastTable | undefined): object {
    const { origin } = this.#of.parts;
    const { clock } = this.#place;
    return {
      broadcast: Object.freeze({
        ...this.#valuesOf(table),
        get size() {
          return table?.size ?? 0;
        },
        set: (name: string, value: unknown) => this.#write(table, name, value),
        delete: (name: string) => this.#write(table, name, undefined),
      }),
      emit: (record: unknown) => this.#hold(this.#place.emit, record),
      emitTo: (tag: unknown, record: unknown) => this.#holdFor(tag, record),
      get nowMs() {
        return origin.nowMs;
      },
      get eventTimeMs() {
        return origin.atMs;
      },
      get watermarkMs() {
        return clock.watermarkMs;
      },
    };
  }

  #timers() {
    const { parts: { timers, origin }, number, eventTimers } = this.#of;
    return Object.freeze({
      processingTime: (atMs: number) =>
        timers.add(number, this.#openKey(), this.#timerTime(atMs), origin.nowMs),
      deleteProcessingTime: (atMs: number) => timers.remove(number, this.#openKey(), atMs),
      eventTime: (atMs: number) =>
        eventTimers.add(this.#openKey(), this.#timerTime(atMs), origin.nowMs),
      deleteEventTime: (atMs: number) => eventTimers.remove(this.#openKey(), atMs),
    });
  }

  #timerTime(atMs: number): number {
    if (!this.#hasOnTimer) {
      throw new TypeError(`process "${this.#uid}" sets a timer but has no onTimer(timeMs, ctx)`);
    }
    if (Number.isFinite(atMs)) return atMs;
    throw new TypeError(`A timer is set for ${atMs}: want a time in ms since the epoch`);
  }

  #valuesOf(table: BroadcastTable | undefined) {
    return {
      get size() {
        return table?.size ?? 0;
      },
      get: (name: string) => (this.#check(), table?.get(name)),
      has: (name: string) => (this.#check(), table?.get(name) !== undefined),
      entries: () => (this.#check(), table?.entries() ?? []),
    };
  }

  #write(table: BroadcastTable | undefined, name: string, value: unknown): void {
    this.#check();
    if (table === undefined) return;
    if (!this.#changed.has(name)) this.#changed.set(name, table.get(name));
    if (value === undefined) table.delete(name);
    else table.set(name, value);
  }

  #watermarkMs(): number {
    const { keyClocks, parts: { origin } } = this.#of;
    if (keyClocks === null) return this.#place.clock.watermarkMs;
    return keyClocks.watermarkOf(this.#key, origin.nowMs);
  }

  #hold(emit: Emit, record: unknown): void {
    this.#check();
    this.emits[this.held.length] = emit;
    this.held.push(record);
  }

  #holdFor(tag: unknown, record: unknown): void {
    const name = (tag as { tag?: unknown } | null)?.tag;
    if (typeof name !== "string") {
      throw new TypeError('ctx.emitTo needs a tag: const late = sideOutput<Reading>("late")');
    }
    const emit = this.#place.side(name);
    if (emit !== null) this.#hold(emit, record);
    else this.#check();
  }
}
