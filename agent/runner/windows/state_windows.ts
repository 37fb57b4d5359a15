/**
 * State windows: open while a condition holds for the records of a key.
 *
 * Touches the table it is given. Records are judged in the order in which they come.
 *
 *   closed ── condition holds ──▶ open ── condition does not hold ──▶ closed, result given
 *
 * Invariants (agent/runner/windows/window_operator_test.ts):
 *
 *   1. The record that ends a window is not in it; its time is the window's end.
 *   2. A key whose window is closed has no state.
 *
 * @module
 */
import type { AggregateSpec } from "@shared/sdk/window_spec.ts";
import type { TableKey } from "../../state/state_table.ts";
import type { RecordTime, WindowPlace, Windows } from "./windows.ts";

const SLOT = 0;

/** State of one key while its window is open. */
interface OpenWindow {
  /** Times of the earliest and latest record, ms. */
  start: number;
  latest: number;
  acc: unknown;
}

export interface StateWindowOptions {
  readonly condition: (record: unknown) => boolean;
  readonly aggregate: AggregateSpec;
}

export class StateWindows implements Windows {
  readonly #place: WindowPlace;
  readonly #condition: (record: unknown) => boolean;
  readonly #aggregate: AggregateSpec;

  constructor({ condition, aggregate }: StateWindowOptions, place: WindowPlace) {
    this.#place = place;
    this.#condition = condition;
    this.#aggregate = aggregate;
  }

  add(record: unknown, key: TableKey, { atMs }: RecordTime): boolean {
    const { table } = this.#place;
    const holds = this.#condition(record);
    const entry = table.find(key, 0);
    const { initial, add } = this.#aggregate;
    const open = entry?.first as OpenWindow | undefined;
    if (entry === undefined || open === undefined) {
      if (!holds) return true;
      table.put(String(key), SLOT, { start: atMs, latest: atMs, acc: add(initial(), record) }, 0);
      return true;
    }
    if (!holds) {
      const text = entry.key;
      table.write(entry, SLOT, undefined, 0);
      const end = Math.max(atMs, open.latest + 1);
      this.#place.fire({ key: text, acc: open.acc, start: open.start, end, isLate: false });
      return true;
    }
    table.write(entry, SLOT, open, 0);
    open.acc = add(open.acc, record);
    open.start = Math.min(open.start, atMs);
    open.latest = Math.max(open.latest, atMs);
    return true;
  }

  wake(): void {}
}
