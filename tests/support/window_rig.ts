/**
 * Windows over a table in memory with a watermark of their own, and a restore through the stored form.
 *
 * @module
 */
import { FireQueue } from "../../agent/runner/windows/fire_queue.ts";
import { createWindows, type WindowsOptions } from "../../agent/runner/windows/create_windows.ts";
import type { Firing, RecordTime, Waking, Windows } from "../../agent/runner/windows/windows.ts";
import { StateTable } from "../../agent/state/state_table.ts";
import { captureTable } from "./table_copy.ts";

function emptyTable(): StateTable {
  return new StateTable({ uid: "w", slotCount: 1, ttlMs: null, isMutable: true });
}

export class WindowRig {
  readonly options: WindowsOptions;
  readonly outOfOrderMs: number;
  readonly fired: Firing[] = [];
  readonly late: unknown[] = [];
  readonly time: RecordTime = { atMs: 0, watermarkMs: -Infinity };
  #table = emptyTable();
  #queue = new FireQueue();
  #windows: Windows;

  constructor(options: WindowsOptions, outOfOrderMs = 0) {
    this.options = options;
    this.outOfOrderMs = outOfOrderMs;
    this.#windows = this.#create();
  }

  get keyCount(): number {
    return this.#table.size;
  }

  /** Adds a record, then has the watermark follow its time. */
  add(record: unknown, key: string, atMs: number): void {
    this.time.atMs = atMs;
    if (!this.#windows.add(record, key, this.time)) this.late.push(record);
    this.advance(atMs - this.outOfOrderMs - 1);
  }

  advance(watermarkMs: number): void {
    if (watermarkMs <= this.time.watermarkMs) return;
    this.time.watermarkMs = watermarkMs;
    this.#queue.advance(watermarkMs, (key, atMs) => this.#windows.wake(key, atMs));
  }

  /** Takes a snapshot of this moment, lets `meanwhile` change the windows, and answers what a restore would begin with. */
  restored(meanwhile: () => void = () => {}): WindowRig {
    const { watermarkMs } = this.time;
    const copy = captureTable(this.#table);
    meanwhile();
    const other = new WindowRig(this.options, this.outOfOrderMs);
    copy(other.#table);
    other.time.watermarkMs = watermarkMs;
    for (const entry of other.#table.entries()) {
      const { wake } = entry.first as Waking;
      if (wake !== undefined && wake !== Infinity) other.#queue.add(entry.key, wake);
    }
    return other;
  }

  #create(): Windows {
    return createWindows(this.options, {
      table: this.#table,
      wakeAt: (key, atMs) => this.#queue.add(key, atMs),
      fire: (firing) => this.fired.push({ ...firing, acc: structuredClone(firing.acc) }),
    });
  }
}
