/**
 * Reminders of timers, earliest first: a binary heap.
 *
 * Pure. A reminder is not a timer: which timers exist is keyed state, and a timer taken back leaves its
 * reminder, which is passed over when its turn comes.
 *
 * @module
 */

/** Passed-over reminders tolerated beside the live ones before the queue is cleaned. */
export const STALE_MAX = 10_000;

export interface Reminder {
  readonly timeMs: number;
  readonly key: string;
  /** Index of the operator in the chain: ties are in the order of the chain, then of keys. */
  readonly operator: number;
}

export class ReminderQueue {
  #heap: Reminder[] = [];

  get length(): number {
    return this.#heap.length;
  }

  /** The earliest; undefined when there is none. */
  get first(): Reminder | undefined {
    return this.#heap[0];
  }

  clear(): void {
    this.#heap = [];
  }

  push(reminder: Reminder): void {
    const heap = this.#heap;
    let at = heap.push(reminder) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(reminder, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = reminder;
  }

  /** Takes the earliest out. */
  pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Reminder, b: Reminder): boolean {
  if (a.timeMs !== b.timeMs) return a.timeMs < b.timeMs;
  if (a.operator !== b.operator) return a.operator < b.operator;
  return a.key < b.key;
}
