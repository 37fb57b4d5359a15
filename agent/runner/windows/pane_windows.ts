/**
 * Tumbling and sliding windows: records of a key are gathered in panes, and a window is combined of its panes
 * when it fires, so that a record costs the same however many windows overlap.
 *
 * Touches the table it is given. A pane is as long as the greatest common divisor of size and slide.
 *
 * Invariants (tests/property/windows_test.ts):
 *
 *   1. A window fires when the watermark has reached its end - 1, once; after that with every record that is
 *      added to it, until the watermark has reached its end - 1 + allowed lateness.
 *   2. A record is too late when all its windows are over. A window that is over never fires again.
 *   3. A pane is kept until the last of its windows is over.
 *   4. Panes, and when they are due, are state (A5).
 *
 * @module
 */
import type { AggregateSpec, TimeWindowsSpec } from "@shared/sdk/window_spec.ts";
import type { TableKey } from "../../state/state_table.ts";
import { combineOnce, type Merge, PaneSums } from "./pane_sums.ts";
import {
  floorTo,
  gcd,
  lowerBound,
  type RecordTime,
  type Waking,
  type WindowPlace,
  type Windows,
} from "./windows.ts";

const SLOT = 0;

/** State of one key. */
interface KeyPanes extends Waking {
  /** End of the next window to fire in time; `Infinity` when none is. */
  fire: number;
  /** Starts of the panes that hold anything, ascending. */
  readonly starts: number[];
  readonly accs: unknown[];
}

export interface PaneOptions {
  readonly windows: TimeWindowsSpec;
  readonly aggregate: AggregateSpec;
  readonly allowedLatenessMs: number;
  /** Whether sums of panes are kept from one window to the next; of no use when they grow with their records. */
  readonly keepsSums: boolean;
}

export class PaneWindows implements Windows {
  readonly #place: WindowPlace;
  readonly #sizeMs: number;
  readonly #slideMs: number;
  readonly #offsetMs: number;
  readonly #paneMs: number;
  readonly #latenessMs: number;
  readonly #initial: () => unknown;
  readonly #add: (acc: unknown, record: unknown) => unknown;
  readonly #merge: Merge | null;
  readonly #sums: PaneSums | null;
  /** The pane of the last record, and the windows that it is in: most records follow one of the same pane. */
  #from = 0;
  #to = 0;
  #firstEnd = 0;
  #lastEnd = 0;

  constructor(
    { windows, aggregate, allowedLatenessMs, keepsSums }: PaneOptions,
    place: WindowPlace,
  ) {
    this.#place = place;
    this.#sizeMs = windows.sizeMs;
    this.#slideMs = windows.slideMs;
    this.#offsetMs = windows.offsetMs;
    this.#paneMs = gcd(windows.sizeMs, windows.slideMs);
    this.#latenessMs = allowedLatenessMs;
    this.#initial = aggregate.initial;
    this.#add = aggregate.add;
    this.#merge = aggregate.merge;
    const isShared = windows.sizeMs > this.#paneMs;
    this.#sums = isShared && keepsSums ? new PaneSums(aggregate.merge!) : null;
  }

  add(record: unknown, key: TableKey, { atMs, watermarkMs }: RecordTime): boolean {
    if (!(atMs >= this.#from && atMs < this.#to)) this.#locate(atMs);
    if (this.#lastEnd < this.#to) return atMs + this.#latenessMs > watermarkMs;
    if (this.#lastEnd - 1 + this.#latenessMs <= watermarkMs) return false;
    const entry = this.#place.table.find(key, 0);
    const panes = entry?.first as KeyPanes | undefined;
    if (entry === undefined || panes === undefined) {
      this.#open(record, String(key), watermarkMs);
      return true;
    }
    const { starts, accs } = panes;
    let at = starts.length - 1;
    if (starts[at] !== this.#from) at = lowerBound(starts, this.#from);
    const isNew = starts[at] !== this.#from;
    // Announced before anything changes: a running snapshot keeps the entry as it was.
    this.#place.table.write(entry, SLOT, panes, 0);
    const acc = this.#add(isNew ? this.#initial() : accs[at], record);
    if (isNew) {
      starts.splice(at, 0, this.#from);
      accs.splice(at, 0, acc);
    } else accs[at] = acc;
    if (isNew || this.#firstEnd < panes.fire) this.#register(panes, entry.key, watermarkMs);
    if (this.#firstEnd - 1 <= watermarkMs) this.#fireLate(panes, entry.key, watermarkMs);
    return true;
  }

  wake(key: string, atMs: number): void {
    const { table } = this.#place;
    const entry = table.find(key, 0);
    const panes = entry?.first as KeyPanes | undefined;
    if (entry === undefined || panes === undefined || panes.wake > atMs) return;
    table.write(entry, SLOT, panes, 0);
    while (panes.fire - 1 <= atMs && panes.fire !== Infinity) {
      const end = panes.fire;
      const acc = this.#combine(panes, end);
      panes.fire = this.#nextEnd(panes, end);
      this.#place.fire({ key, acc, start: end - this.#sizeMs, end, isLate: false });
    }
    let over = 0;
    while (over < panes.starts.length && this.#overAt(panes.starts[over]!) <= atMs) over++;
    if (over > 0) {
      panes.starts.splice(0, over);
      panes.accs.splice(0, over);
    }
    if (panes.starts.length === 0) {
      table.write(entry, SLOT, undefined, 0);
      return;
    }
    panes.wake = this.#wakeOf(panes);
    this.#place.wakeAt(key, panes.wake);
  }

  /** The first record of a key. */
  #open(record: unknown, key: string, watermarkMs: number): void {
    const acc = this.#add(this.#initial(), record);
    const panes: KeyPanes = { wake: Infinity, fire: Infinity, starts: [this.#from], accs: [acc] };
    this.#place.table.put(key, SLOT, panes, 0);
    this.#register(panes, key, watermarkMs);
    if (this.#firstEnd - 1 <= watermarkMs) this.#fireLate(panes, key, watermarkMs);
  }

  /** Sets the pane of `atMs` and the ends of its first and last window; in a gap between windows the last one ends before it. */
  #locate(atMs: number): void {
    this.#from = floorTo(atMs, this.#paneMs, this.#offsetMs);
    this.#to = this.#from + this.#paneMs;
    this.#lastEnd = this.#lastEndOf(this.#from);
    this.#firstEnd = this.#lastEnd - floorTo(this.#lastEnd - this.#to, this.#slideMs, 0);
  }

  #lastEndOf(start: number): number {
    return floorTo(start, this.#slideMs, this.#offsetMs) + this.#sizeMs;
  }

  /** When the last window of the pane at `start` is over. */
  #overAt(start: number): number {
    return this.#lastEndOf(start) - 1 + this.#latenessMs;
  }

  #wakeOf(panes: KeyPanes): number {
    return Math.min(panes.fire - 1, this.#overAt(panes.starts[0]!));
  }

  /** Has the windows of the current pane that the watermark has not reached fire in time. */
  #register(panes: KeyPanes, key: string, watermarkMs: number): void {
    let end = this.#firstEnd;
    if (end - 1 <= watermarkMs) {
      end += floorTo(watermarkMs + 1 - end, this.#slideMs, 0) + this.#slideMs;
    }
    if (end <= this.#lastEnd && end < panes.fire) panes.fire = end;
    const wake = this.#wakeOf(panes);
    if (wake >= panes.wake) return;
    panes.wake = wake;
    this.#place.wakeAt(key, wake);
  }

  /** Gives the new result of the windows of the current pane that have fired and are not over. */
  #fireLate(panes: KeyPanes, key: string, watermarkMs: number): void {
    this.#sums?.forget(panes);
    for (let end = this.#firstEnd; end <= this.#lastEnd; end += this.#slideMs) {
      if (end - 1 > watermarkMs) return;
      if (end - 1 + this.#latenessMs <= watermarkMs) continue;
      const start = end - this.#sizeMs;
      const acc = combineOnce(panes, { from: start, to: end }, this.#merge!);
      this.#place.fire({ key, acc, start, end, isLate: true });
    }
  }

  #combine(panes: KeyPanes, end: number): unknown {
    const from = end - this.#sizeMs;
    if (this.#sums !== null) return this.#sums.combine(panes, from, end);
    return combineOnce(panes, { from, to: end }, this.#merge!);
  }

  /** End of the first window behind the one that ends at `end` of which there is a pane. */
  #nextEnd({ starts }: KeyPanes, end: number): number {
    const next = end + this.#slideMs;
    const start = starts[lowerBound(starts, next - this.#sizeMs)];
    if (start === undefined) return Infinity;
    if (start < next) return next;
    const lastEnd = this.#lastEndOf(start);
    return lastEnd - floorTo(lastEnd - start - this.#paneMs, this.#slideMs, 0);
  }
}
