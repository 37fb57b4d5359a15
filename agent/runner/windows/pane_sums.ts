/**
 * Combines the panes of overlapping windows so that each pane is combined about twice, however many windows
 * share it: the two-stacks method for aggregation over a first-in-first-out window.
 *
 * Pure. Only a cache: what it holds is made again from the panes when it is missing. Source of the
 * algorithm: Tangwongsan, Hirzel, Schneider, "Optimal and general out-of-order sliding-window aggregation", section on two-stacks.
 *
 *   panes   p0 p1 p2 | p3 p4
 *           front: p0+p1+p2, p1+p2, p2      back: p3+p4
 *
 * @module
 */
import { lowerBound } from "./windows.ts";

/** Panes of one key, ascending. */
export interface Panes {
  readonly starts: readonly number[];
  readonly accs: readonly unknown[];
}

/** Combines two accumulators, the earlier first, and changes neither. */
export type Merge = (a: unknown, b: unknown) => unknown;

interface Stacks {
  /** Starts of the panes of the front, the latest first: the top of the stack is the earliest. */
  readonly frontStarts: number[];
  /** What the pane and all later ones of the front give together. */
  readonly frontSums: unknown[];
  /** Together with the panes behind the front up to `backEnd`; meaningless while `hasBack` is false. */
  back: unknown;
  hasBack: boolean;
  /** Panes that begin before it are in one of the stacks. */
  backEnd: number;
}

export class PaneSums {
  readonly #merge: Merge;
  readonly #stacks = new WeakMap<Panes, Stacks>();

  constructor(merge: Merge) {
    this.#merge = merge;
  }

  /** What the panes that begin in `[from, to)` give together, for windows whose bounds only grow. There is at least one. */
  combine(panes: Panes, from: number, to: number): unknown {
    let stacks = this.#stacks.get(panes);
    if (stacks === undefined) this.#stacks.set(panes, stacks = empty());
    const { frontStarts, frontSums } = stacks;
    while (frontStarts.length > 0 && frontStarts[frontStarts.length - 1]! < from) {
      frontStarts.pop();
      frontSums.pop();
    }
    if (frontStarts.length === 0) {
      this.#fill(stacks, panes, { from, to });
      return frontSums[frontSums.length - 1];
    }
    const { starts, accs } = panes;
    for (let i = lowerBound(starts, stacks.backEnd); i < starts.length && starts[i]! < to; i++) {
      stacks.back = stacks.hasBack ? this.#merge(stacks.back, accs[i]) : accs[i];
      stacks.hasBack = true;
    }
    stacks.backEnd = Math.max(stacks.backEnd, to);
    const front = frontSums[frontSums.length - 1];
    return stacks.hasBack ? this.#merge(front, stacks.back) : front;
  }

  /** Forgets what was combined of these panes: one that was in it has changed. */
  forget(panes: Panes): void {
    this.#stacks.delete(panes);
  }

  #fill(stacks: Stacks, { starts, accs }: Panes, span: { from: number; to: number }): void {
    const first = lowerBound(starts, span.from);
    for (let i = lowerBound(starts, span.to) - 1; i >= first; i--) {
      const { frontStarts, frontSums } = stacks;
      const sum = frontSums.length === 0
        ? accs[i]
        : this.#merge(accs[i], frontSums[frontSums.length - 1]);
      frontStarts.push(starts[i]!);
      frontSums.push(sum);
    }
    stacks.back = undefined;
    stacks.hasBack = false;
    stacks.backEnd = span.to;
  }
}

/** What the panes that begin in `[from, to)` give together, combined one by one. */
export function combineOnce(
  { starts, accs }: Panes,
  span: { from: number; to: number },
  merge: Merge,
): unknown {
  const first = lowerBound(starts, span.from);
  let sum = accs[first];
  for (let i = first + 1; i < starts.length && starts[i]! < span.to; i++) sum = merge(sum, accs[i]);
  return sum;
}

function empty(): Stacks {
  return { frontStarts: [], frontSums: [], back: undefined, hasBack: false, backEnd: -Infinity };
}
