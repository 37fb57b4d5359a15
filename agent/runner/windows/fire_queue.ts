/**
 * Which keys are to be looked at when time has come so far: one bucket per moment, not one entry per key and
 * window in a heap.
 *
 * Pure. Nothing of it is state: after a restore it is filled again from the windows of the table.
 *
 * Invariants (tests/property/windows_test.ts):
 *
 *   1. Keys are given by time, then by key, whatever the order they came in.
 *   2. A key that is added for a moment already due while the queue is being emptied is given too.
 *
 * @module
 */

export class FireQueue {
  readonly #buckets = new Map<number, string[]>();
  /** The moments of the buckets, as a heap. */
  readonly #heap: number[] = [];

  /** Moment of the first bucket, ms; `Infinity` when there is none. */
  get nextMs(): number {
    return this.#heap[0] ?? Infinity;
  }

  /** Puts `key` into the bucket of `atMs`. */
  add(key: string, atMs: number): void {
    const bucket = this.#buckets.get(atMs);
    if (bucket !== undefined) {
      bucket.push(key);
      return;
    }
    this.#buckets.set(atMs, [key]);
    this.#push(atMs);
  }

  /** Takes out every key due up to `toMs` and gives it to `onDue`. */
  advance(toMs: number, onDue: (key: string, atMs: number) => void): void {
    for (let atMs = this.nextMs; atMs <= toMs && atMs !== Infinity; atMs = this.nextMs) {
      const keys = this.#buckets.get(atMs)!.sort();
      this.#buckets.delete(atMs);
      this.#pop();
      for (const key of keys) onDue(key, atMs);
    }
  }

  clear(): void {
    this.#buckets.clear();
    this.#heap.length = 0;
  }

  #push(atMs: number): void {
    const heap = this.#heap;
    let at = heap.push(atMs) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]! <= atMs) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = atMs;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= last) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}
