/**
 * Runs the windows of one operator inside a chain: gives them the time of each record, wakes them, and sends
 * their results on.
 *
 * Touches the table, clocks and timers it is given. Results are computed and sent when the windows are done
 * with a record or a wake, so that a throw behind the operator is none of its own.
 *
 * Invariants (agent/runner/windows/window_operator_test.ts):
 *
 *   1. Whether a record is late is judged by the watermark before the record (Flink's order).
 *   2. A result has the event time end - 1 of its window.
 *   3. What is waiting to fire is taken up again after a restore (A5, S4).
 *
 * @module
 */
import type { ErrorPolicy, KeyClockSpec } from "@shared/sdk/operator.ts";
import type { Window, WindowTime } from "@shared/sdk/window_spec.ts";
import { slotOf } from "../../state/state_table.ts";
import type { ChainParts, Emit, OperatorPlace } from "../chain.ts";
import { MAX_WATERMARK_MS, MIN_WATERMARK_MS } from "../watermarks.ts";
import { createWindows, type WindowsOptions } from "./create_windows.ts";
import { FireQueue } from "./fire_queue.ts";
import type { Firing, RecordTime, Waking, Windows } from "./windows.ts";

const SLOT = 0;

export interface HostOptions extends WindowsOptions {
  readonly uid: string;
  readonly onError: ErrorPolicy;
  readonly time: WindowTime;
  readonly keyClock: KeyClockSpec | null;
  /** Side output for records that came too late. */
  readonly lateOutput: string | null;
  /** What a firing gives, in order; it may throw as the author's functions do. */
  readonly resultsOf: (acc: unknown, w: Window) => readonly unknown[];
}

/** Takes one record of `key` into the windows. `late` is what goes to the side output if it is too late. */
export type TakeRecord = (record: unknown, key: string, late: unknown) => void;

/** Moments are looked at by one of three clocks: the subtask's watermark, the key's own, or the wall clock. */
type WakeAt = (key: string, atMs: number) => void;

export function hostWindows(
  options: HostOptions,
  place: OperatorPlace,
  parts: ChainParts,
): TakeRecord {
  const host = new WindowHost(options, place, parts);
  return host.take;
}

class WindowHost {
  readonly #options: HostOptions;
  readonly #place: OperatorPlace;
  readonly #parts: ChainParts;
  readonly #windows: Windows;
  readonly #late: Emit | null;
  readonly #time: RecordTime = { atMs: 0, watermarkMs: MIN_WATERMARK_MS };
  readonly take: TakeRecord;
  /** Firings that have not been sent on yet. */
  #fired: Firing[] = [];

  constructor(options: HostOptions, place: OperatorPlace, parts: ChainParts) {
    this.#options = options;
    this.#place = place;
    this.#parts = parts;
    this.#late = options.lateOutput === null ? null : place.side(options.lateOutput);
    // The clocks call the windows, and the windows the clocks.
    let wakeAt: WakeAt = () => {};
    this.#windows = createWindows(options, {
      table: parts.state.table(options.uid),
      wakeAt: (key, atMs) => wakeAt(key, atMs),
      fire: (firing) => this.#fired.push(firing),
    });
    if (options.time === "processing") {
      wakeAt = this.#byWallClock();
      this.take = this.#takeByWallClock;
    } else if (options.keyClock !== null) {
      wakeAt = this.#byKeyClocks();
      this.take = this.#compileTakeByKeyClocks();
    } else {
      wakeAt = this.#byWatermark();
      this.take = this.#takeByWatermark;
    }
  }

  readonly #takeByWatermark: TakeRecord = (record, key, late) => {
    this.#time.atMs = this.#parts.origin.atMs;
    this.#time.watermarkMs = this.#place.clock.watermarkMs;
    this.#add(record, key, late);
  };

  readonly #takeByWallClock: TakeRecord = (record, key, late) => {
    this.#time.atMs = this.#parts.origin.nowMs;
    this.#add(record, key, late);
  };

  #compileTakeByKeyClocks(): TakeRecord {
    const { clock } = this.#place;
    const { origin, state } = this.#parts;
    const table = state.table(this.#options.uid);
    const keys = clock.perKey(table, this.#options.keyClock)!;
    return (record, key, late) => {
      const { atMs, nowMs } = origin;
      this.#time.atMs = atMs;
      this.#time.watermarkMs = keys.watermarkOf(key, nowMs);
      this.#add(record, key, late);
      const watermarkMs = keys.observe(key, atMs, nowMs);
      const entry = table.find(key, nowMs);
      const held = entry === undefined ? undefined : slotOf(entry, SLOT);
      if (held !== undefined && (held as Waking).wake <= watermarkMs) keys.fireSoon(key);
    };
  }

  #add(record: unknown, key: string, late: unknown): void {
    let isTaken: boolean;
    try {
      isTaken = this.#windows.add(record, key, this.#time);
    } catch (thrown) {
      this.#fired = [];
      this.#place.setAside(late, thrown);
      return;
    }
    if (!isTaken) {
      this.#place.count.lateRecords++;
      this.#late?.(late);
    }
    if (this.#fired.length > 0) this.#sendOfRecord();
  }

  /** Sends what a record made fire: ids are the record's, times the windows'. */
  #sendOfRecord(): void {
    const { origin } = this.#parts;
    const { atMs } = origin;
    for (const firing of this.#takeFired()) {
      origin.atMs = firing.end - 1;
      this.#send(firing);
    }
    origin.atMs = atMs;
  }

  /** Wakes the windows of `key` and sends what fired of itself. */
  #wake(key: string, atMs: number): void {
    this.#windows.wake(key, atMs);
    if (this.#fired.length === 0) return;
    const { origin } = this.#parts;
    const { uid, windows } = this.#options;
    for (const firing of this.#takeFired()) {
      const endMs = firing.end - 1;
      // The end of a global window is that of its records: two firings may have the same.
      const timeMs = windows.kind === "global" ? atMs : endMs;
      origin.setFiring({ kind: "window", uid, key, timeMs, nowMs: origin.nowMs });
      origin.atMs = Math.max(endMs, timeMs);
      this.#send(firing);
    }
  }

  #takeFired(): readonly Firing[] {
    const fired = this.#fired;
    this.#fired = [];
    return fired;
  }

  #send({ key, acc, start, end, isLate }: Firing): void {
    const { count, emit } = this.#place;
    let results: readonly unknown[];
    try {
      results = this.#options.resultsOf(acc, { key, start, end, isLate });
    } catch (thrown) {
      const subject = { window: { key, start, end } };
      this.#place.setAside(subject, thrown);
      return;
    }
    for (const result of results) {
      count.recordsOut++;
      emit(result);
    }
  }

  #byWatermark(): WakeAt {
    const { clock } = this.#place;
    const queue = new FireQueue();
    clock.onAdvance((watermarkMs) => {
      queue.advance(watermarkMs, (key, atMs) => this.#wake(key, atMs));
      if (queue.nextMs !== Infinity) clock.wakeAt(queue.nextMs);
    });
    this.#parts.timers.onLoad(() => {
      this.#fill(queue);
      if (queue.nextMs !== Infinity) clock.wakeAt(queue.nextMs);
    });
    return (key, atMs) => {
      queue.add(key, atMs);
      clock.wakeAt(atMs);
    };
  }

  /** A key's own clock wakes its windows. */
  #byKeyClocks(): WakeAt {
    const { clock } = this.#place;
    const { state, timers } = this.#parts;
    const table = state.table(this.#options.uid);
    const keys = clock.perKey(table, this.#options.keyClock)!;
    const isWaiting = (key: string) => {
      const entry = table.find(key, 0);
      return entry !== undefined && slotOf(entry, SLOT) !== undefined;
    };
    keys.onAdvance((key, watermarkMs) => {
      this.#wake(key, watermarkMs);
      return isWaiting(key);
    });
    timers.onLoad((nowMs) => {
      keys.loaded(nowMs);
      for (const { key } of table.entries()) if (isWaiting(key)) keys.heard(key, nowMs);
    });
    return this.#atEndOfInput(() => {});
  }

  /** The end of the input fires everything, whatever the clock of the windows; until then `wakeAt` counts. */
  #atEndOfInput(wakeAt: WakeAt): WakeAt {
    const { clock } = this.#place;
    let rest: FireQueue | null = null;
    clock.onAdvance((watermarkMs) => {
      if (watermarkMs < MAX_WATERMARK_MS) return;
      rest = new FireQueue();
      this.#fill(rest);
      rest.advance(watermarkMs, (key, atMs) => this.#wake(key, atMs));
      rest = null;
    });
    clock.wakeAt(MAX_WATERMARK_MS);
    return (key, atMs) => rest === null ? wakeAt(key, atMs) : rest.add(key, atMs);
  }

  /** Timers of processing time are state of their own: a restore finds them without the windows. */
  #byWallClock(): WakeAt {
    const { state, timers, origin } = this.#parts;
    const { uid } = this.#options;
    const operator = timers.addOperator(state.table(uid), (timeMs, key, nowMs) => {
      origin.setFiring({ kind: "timer", uid, key, timeMs, nowMs });
      this.#wake(key, timeMs - 1);
    });
    return this.#atEndOfInput((key, atMs) => timers.add(operator, key, atMs + 1, origin.nowMs));
  }

  #fill(queue: FireQueue): void {
    queue.clear();
    for (const entry of this.#parts.state.table(this.#options.uid).entries()) {
      const held = slotOf(entry, SLOT) as Waking | undefined;
      if (held?.wake !== undefined && held.wake !== Infinity) queue.add(entry.key, held.wake);
    }
  }
}
