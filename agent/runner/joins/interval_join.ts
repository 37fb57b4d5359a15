/**
 * The interval join: every pair of a left and a right record of one key whose event times are close.
 *
 * Touches the keyed state and the event clock it is given. A record meets those of the other side that came
 * before it, and waits for those to come; the watermark says when none can come any more.
 *
 * Invariants (tests/property/joins_test.ts):
 *
 *   1. A pair is given once: `right - left` is within `[lowerMs, upperMs]`, neither was late when it came.
 *   2. Pairs of one record come by the event time of the other, then by its arrival.
 *   3. A pair has the later of both event times.
 *   4. A record meets none behind the watermark that says that no partner can come; it is forgotten soon after.
 *
 * @module
 */
import type { StatefulSpec } from "@shared/sdk/operator.ts";
import { type Entry, slotOf } from "../../state/state_table.ts";
import type { ChainParts, Emit, OperatorInputs, OperatorPlace } from "../chain.ts";
import { keyText } from "../keyed_operators.ts";
import type { KeyClocks } from "../key_clocks.ts";
import { FireQueue } from "../windows/fire_queue.ts";
import { lowerBound } from "../windows/windows.ts";
import { addToBuffer, createBuffer, dropUntil, type IntervalBuffer } from "./interval_buffer.ts";

/** How many times records are dropped while one waits: of those kept, at most one in so many is of no use. */
const GRAINS_PER_REACH = 16;

type Side = 0 | 1;

interface Pair {
  readonly output: unknown;
  readonly atMs: number;
}

export function compileIntervalJoin(
  spec: StatefulSpec & { kind: "intervalJoin" },
  place: OperatorPlace,
  parts: ChainParts,
): OperatorInputs {
  const join = new IntervalJoin(spec, place, parts);
  return [
    (record) => join.take(record, 0),
    (record) => join.take(record, 1),
  ];
}

class IntervalJoin {
  readonly #spec: StatefulSpec & { kind: "intervalJoin" };
  readonly #place: OperatorPlace;
  readonly #parts: ChainParts;
  readonly #keyClocks: KeyClocks | null;
  readonly #late: Emit | null;
  readonly #queue = new FireQueue();
  /** When each key is to be looked at: the first of its records may be of no use then. */
  readonly #wakes = new Map<string, number>();
  /** Keys are looked at no more often than this, ms of event time: dropping records moves those behind them. */
  readonly #grainMs: number;

  constructor(
    spec: StatefulSpec & { kind: "intervalJoin" },
    place: OperatorPlace,
    parts: ChainParts,
  ) {
    this.#spec = spec;
    this.#place = place;
    this.#parts = parts;
    this.#late = spec.lateOutput === null ? null : place.side(spec.lateOutput);
    const longestMs = Math.max(this.#reachMs(0), this.#reachMs(1));
    this.#grainMs = Math.max(1, Math.ceil(longestMs / GRAINS_PER_REACH));
    const { clock } = place;
    const table = parts.state.table(spec.uid);
    this.#keyClocks = clock.perKey(table, spec.keyClock);
    clock.onAdvance((watermarkMs) => {
      this.#queue.advance(watermarkMs, (key, atMs) => this.#wake(key, atMs));
      this.#askForWake();
    });
    this.#keyClocks?.onAdvance((key, watermarkMs) => {
      this.#wake(key, watermarkMs);
      return this.#wakes.has(key);
    });
    parts.timers.onLoad((nowMs) => this.#load(nowMs));
  }

  take(record: unknown, side: Side): void {
    const { count } = this.#place;
    const { origin } = this.#parts;
    count.recordsIn++;
    let key: string;
    let pairs: readonly Pair[] | null;
    try {
      key = keyText((side === 0 ? this.#spec.keyOf : this.#spec.keyOfRight)(record));
      pairs = this.#meet(record, key, side);
    } catch (thrown) {
      this.#place.setAside(record, thrown);
      return;
    }
    if (pairs === null) {
      count.lateRecords++;
      this.#late?.(record);
      return;
    }
    this.#observe(key);
    const { atMs } = origin;
    for (const pair of pairs) {
      count.recordsOut++;
      origin.atMs = pair.atMs;
      this.#place.emit(pair.output);
    }
    origin.atMs = atMs;
  }

  /** Pairs the record with the other side and keeps it for those to come; null when it is late. */
  #meet(record: unknown, key: string, side: Side): readonly Pair[] | null {
    const { atMs, nowMs } = this.#parts.origin;
    const { lowerMs, upperMs, join } = this.#spec;
    const watermarkMs = this.#keyClocks === null
      ? this.#place.clock.watermarkMs
      : this.#keyClocks.watermarkOf(key, nowMs);
    if (atMs < watermarkMs) return null;
    const table = this.#parts.state.table(this.#spec.uid);
    const entry = table.find(key, nowMs);
    const other = bufferOf(entry, side === 0 ? 1 : 0);
    const pairs: Pair[] = [];
    if (other !== undefined) {
      const fromMs = side === 0 ? atMs + lowerMs : atMs - upperMs;
      const toMs = side === 0 ? atMs + upperMs : atMs - lowerMs;
      const { times, records } = other;
      const partner = side === 0 ? 1 : 0;
      for (let i = lowerBound(times, fromMs); i < times.length && times[i]! <= toMs; i++) {
        if (this.#uselessAt(times[i]!, partner) <= watermarkMs) continue;
        const output = side === 0 ? join(record, records[i], key) : join(records[i], record, key);
        pairs.push({ output, atMs: Math.max(atMs, times[i]!) });
      }
    }
    const uselessAt = this.#uselessAt(atMs, side);
    if (uselessAt > watermarkMs) {
      const own = bufferOf(entry, side) ?? createBuffer();
      // Announced before it changes: a running snapshot keeps the entry as it was.
      table.put(key, side, own, nowMs);
      addToBuffer(own, record, atMs);
      this.#wakeBy(key, uselessAt);
    }
    return pairs;
  }

  /** Watermark at which a record of `atMs` can meet no other any more. */
  #uselessAt(atMs: number, side: Side): number {
    return atMs + this.#reachMs(side);
  }

  /** How far behind a record of `side` its latest partner may be. */
  #reachMs(side: Side): number {
    const { lowerMs, upperMs } = this.#spec;
    return Math.max(0, side === 0 ? upperMs : -lowerMs);
  }

  /** @param uselessAt From then on the key's earliest record is of no use. Records are dropped some at a time. */
  #wakeBy(key: string, uselessAt: number): void {
    const atMs = Math.ceil(uselessAt / this.#grainMs) * this.#grainMs;
    if ((this.#wakes.get(key) ?? Infinity) <= atMs) return;
    this.#wakes.set(key, atMs);
    if (this.#keyClocks !== null) return;
    this.#queue.add(key, atMs);
    this.#askForWake();
  }

  #askForWake(): void {
    const { nextMs } = this.#queue;
    if (nextMs !== Infinity) this.#place.clock.wakeAt(nextMs);
  }

  #observe(key: string): void {
    if (this.#keyClocks === null) return;
    const { atMs, nowMs } = this.#parts.origin;
    const watermarkMs = this.#keyClocks.observe(key, atMs, nowMs);
    if ((this.#wakes.get(key) ?? Infinity) <= watermarkMs) this.#keyClocks.fireSoon(key);
  }

  /** Drops the records of `key` that no partner can come for. */
  #wake(key: string, watermarkMs: number): void {
    if ((this.#wakes.get(key) ?? Infinity) > watermarkMs) return;
    this.#wakes.delete(key);
    const { nowMs } = this.#parts.origin;
    const table = this.#parts.state.table(this.#spec.uid);
    for (const side of [0, 1] as const) {
      const entry = table.find(key, nowMs);
      const buffer = bufferOf(entry, side);
      if (entry === undefined || buffer === undefined) continue;
      table.write(entry, side, buffer, nowMs);
      dropUntil(buffer, watermarkMs - this.#reachMs(side));
      const first = buffer.times[0];
      if (first === undefined) table.write(entry, side, undefined, nowMs);
      else this.#wakeBy(key, this.#uselessAt(first, side));
    }
  }

  #load(nowMs: number): void {
    this.#keyClocks?.loaded(nowMs);
    this.#queue.clear();
    this.#wakes.clear();
    for (const entry of this.#parts.state.table(this.#spec.uid).entries()) {
      for (const side of [0, 1] as const) {
        const first = bufferOf(entry, side)?.times[0];
        if (first === undefined) continue;
        this.#keyClocks?.heard(entry.key, nowMs);
        this.#wakeBy(entry.key, this.#uselessAt(first, side));
      }
    }
  }
}

function bufferOf(entry: Entry | undefined, side: Side): IntervalBuffer | undefined {
  return entry === undefined ? undefined : slotOf(entry, side) as IntervalBuffer | undefined;
}
