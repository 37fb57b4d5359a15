/**
 * Global windows: one window for each key, without an end; its trigger says when it gives its result.
 *
 * Touches the table it is given. A result is of all records since the window was last purged.
 *
 * Invariants (agent/runner/windows/window_operator_test.ts):
 *
 *   1. No record is late.
 *   2. A trigger of time fires at whole multiples of its interval, and only when a record came since it last fired.
 *
 * @module
 */
import type { AggregateSpec, TriggerAnswer, TriggerSpec } from "@shared/sdk/window_spec.ts";
import type { TableKey } from "../../state/state_table.ts";
import {
  floorTo,
  type RecordTime,
  type Waking,
  type WindowPlace,
  type Windows,
} from "./windows.ts";

const SLOT = 0;

/** State of one key. */
interface KeyWindow extends Waking {
  acc: unknown;
  /** Records since the trigger last fired. */
  fresh: number;
  /** Times of the earliest and latest record, ms. */
  start: number;
  latest: number;
}

export class GlobalWindows implements Windows {
  readonly #place: WindowPlace;
  readonly #trigger: TriggerSpec;
  readonly #aggregate: AggregateSpec;

  constructor(of: { trigger: TriggerSpec; aggregate: AggregateSpec }, place: WindowPlace) {
    this.#place = place;
    this.#trigger = of.trigger;
    this.#aggregate = of.aggregate;
  }

  add(record: unknown, key: TableKey, at: RecordTime): boolean {
    const { table } = this.#place;
    const { initial, add } = this.#aggregate;
    const { atMs } = at;
    const entry = table.find(key, 0);
    const text = entry === undefined ? String(key) : entry.key;
    let window = entry?.first as KeyWindow | undefined;
    if (window === undefined) {
      const acc = add(initial(), record);
      window = { wake: Infinity, acc, fresh: 1, start: atMs, latest: atMs };
      table.put(text, SLOT, window, 0);
    } else {
      table.write(entry!, SLOT, window, 0);
      window.acc = add(window.acc, record);
      window.fresh++;
      window.start = Math.min(window.start, atMs);
      window.latest = Math.max(window.latest, atMs);
    }
    this.#carryOut(this.#judge(window, text, { record, at }), window, text);
    return true;
  }

  wake(key: string, atMs: number): void {
    const entry = this.#place.table.find(key, 0);
    const window = entry?.first as KeyWindow | undefined;
    if (entry === undefined || window === undefined || window.wake > atMs) return;
    this.#place.table.write(entry, SLOT, window, 0);
    window.wake = Infinity;
    if (window.fresh > 0) this.#carryOut(this.#answer(), window, key);
  }

  #judge(
    window: KeyWindow,
    key: string,
    { record, at }: { record: unknown; at: RecordTime },
  ): TriggerAnswer {
    const trigger = this.#trigger;
    switch (trigger.on) {
      case "count":
        return window.fresh < trigger.count ? "continue" : this.#answer();
      case "record": {
        const { start, latest } = window;
        const end = latest + 1;
        return trigger.decide(record, window.acc, { key, start, end, isLate: false });
      }
      default: {
        if (window.wake !== Infinity) return "continue";
        const fromMs = Math.max(at.atMs, at.watermarkMs + 1);
        window.wake = floorTo(fromMs, trigger.everyMs, 0) + trigger.everyMs - 1;
        this.#place.wakeAt(key, window.wake);
        return "continue";
      }
    }
  }

  /** What a trigger that is not the author's own does when it fires. */
  #answer(): TriggerAnswer {
    return this.#trigger.on !== "record" && this.#trigger.isPurging ? "fireAndPurge" : "fire";
  }

  #carryOut(answer: TriggerAnswer, window: KeyWindow, key: string): void {
    if (answer === "continue") return;
    window.fresh = 0;
    if (answer !== "fire") this.#place.table.put(key, SLOT, undefined, 0);
    if (answer === "purge") return;
    const { acc, start, latest } = window;
    this.#place.fire({ key, acc, start, end: latest + 1, isLate: false });
  }
}
