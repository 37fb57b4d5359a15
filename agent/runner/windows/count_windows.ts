/**
 * Count windows: every `slide` records of a key, a result of its last `size` records.
 *
 * Touches the table it is given. Records are gathered in panes as long as the greatest common divisor of
 * size and slide, so that a record costs the same however many windows overlap.
 *
 * Invariants (tests/property/windows_test.ts):
 *
 *   1. Records count in the order in which they come; none is late.
 *   2. The first windows of a sliding count hold fewer than `size` records.
 *
 * @module
 */
import type { AggregateSpec } from "@shared/sdk/window_spec.ts";
import type { TableKey } from "../../state/state_table.ts";
import { PaneSums } from "./pane_sums.ts";
import { gcd, type RecordTime, type WindowPlace, type Windows } from "./windows.ts";

const SLOT = 0;

/** State of one key. */
interface KeyCount {
  /** Records of the key since it was first seen. */
  count: number;
  /** Number of the first record of each pane, ascending. */
  readonly starts: number[];
  readonly accs: unknown[];
  /** Times of the earliest and latest record of each pane, ms. */
  readonly earliest: number[];
  readonly latest: number[];
}

export class CountWindows implements Windows {
  readonly #place: WindowPlace;
  readonly #size: number;
  readonly #slide: number;
  readonly #pane: number;
  readonly #aggregate: AggregateSpec;
  readonly #sums: PaneSums | null;

  constructor(of: { size: number; slide: number; aggregate: AggregateSpec }, place: WindowPlace) {
    this.#place = place;
    this.#size = of.size;
    this.#slide = of.slide;
    this.#pane = gcd(of.size, of.slide);
    this.#aggregate = of.aggregate;
    this.#sums = of.size > this.#pane ? new PaneSums(of.aggregate.merge!) : null;
  }

  add(record: unknown, key: TableKey, { atMs }: RecordTime): boolean {
    const { table } = this.#place;
    const entry = table.find(key, 0);
    const held = entry?.first as KeyCount | undefined;
    const panes = held ?? emptyCount();
    if (held !== undefined) table.write(entry!, SLOT, panes, 0);
    const isNew = panes.count % this.#pane === 0;
    const at = isNew ? panes.starts.length : panes.starts.length - 1;
    const { initial, add } = this.#aggregate;
    panes.accs[at] = add(isNew ? initial() : panes.accs[at], record);
    if (isNew) panes.starts[at] = panes.count;
    panes.earliest[at] = isNew ? atMs : Math.min(panes.earliest[at]!, atMs);
    panes.latest[at] = isNew ? atMs : Math.max(panes.latest[at]!, atMs);
    panes.count++;
    // With gaps between windows only the last records before a firing matter.
    if (isNew) this.#forgetBefore(panes, panes.count - this.#size);
    const text = entry === undefined ? String(key) : entry.key;
    if (held === undefined) table.put(text, SLOT, panes, 0);
    if (panes.count % this.#slide === 0) this.#fire(panes, text);
    return true;
  }

  wake(): void {}

  #fire(panes: KeyCount, key: string): void {
    const { count, starts } = panes;
    this.#forgetBefore(panes, count - this.#size);
    const acc = this.#sums === null
      ? panes.accs[panes.accs.length - 1]
      : this.#sums.combine(panes, starts[0]!, count);
    const start = Math.min(...panes.earliest);
    const end = Math.max(...panes.latest) + 1;
    this.#forgetBefore(panes, count + this.#slide - this.#size);
    if (starts.length === 0) this.#place.table.put(key, SLOT, undefined, 0);
    this.#place.fire({ key, acc, start, end, isLate: false });
  }

  /** Drops the panes of records before the one with number `first`. */
  #forgetBefore({ starts, accs, earliest, latest }: KeyCount, first: number): void {
    let over = 0;
    while (over < starts.length && starts[over]! < first) over++;
    if (over === 0) return;
    for (const list of [starts, accs, earliest, latest]) list.splice(0, over);
  }
}

function emptyCount(): KeyCount {
  return { count: 0, starts: [], accs: [], earliest: [], latest: [] };
}
