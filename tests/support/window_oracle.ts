/**
 * Windows as their definition says, one list of records for each key and window: slow, and hard to get wrong.
 *
 * @module
 */
import type { SessionWindowsSpec, TimeWindowsSpec } from "@shared/sdk/window_spec.ts";

/** A record of the tests; `id` tells records apart. */
export interface Event {
  readonly key: string;
  readonly atMs: number;
  readonly id: number;
}

/** A result as the tests compare it. */
export interface Fired {
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly isLate: boolean;
  readonly ids: readonly number[];
}

interface Held {
  readonly key: string;
  start: number;
  end: number;
  ids: number[];
  isPending: boolean;
}

export class WindowOracle {
  readonly fired: Fired[] = [];
  readonly late: number[] = [];
  #held: Held[] = [];

  constructor(
    readonly windows: TimeWindowsSpec | SessionWindowsSpec,
    readonly latenessMs: number,
  ) {}

  add({ key, atMs, id }: Event, watermarkMs: number): void {
    const assigned = this.windows.kind === "time"
      ? startsOf(this.windows, atMs).map((start) => this.#window(key, start))
      : [this.#session(key, atMs, watermarkMs)];
    let isTaken = assigned.length === 0 && atMs + this.latenessMs > watermarkMs;
    for (const window of assigned) {
      if (window.end - 1 + this.latenessMs <= watermarkMs) continue;
      isTaken = true;
      if (!this.#held.includes(window)) this.#held.push(window);
      window.ids.push(id);
      window.isPending = window.end - 1 > watermarkMs;
      if (!window.isPending) this.#fire(window, true);
    }
    if (!isTaken) this.late.push(id);
  }

  advance(watermarkMs: number): void {
    const due = this.#held.filter((window) => window.isPending && window.end - 1 <= watermarkMs);
    for (const window of due.sort((a, b) => a.end - b.end || (a.key < b.key ? -1 : 1))) {
      window.isPending = false;
      this.#fire(window, false);
    }
    this.#held = this.#held.filter((window) => window.end - 1 + this.latenessMs > watermarkMs);
  }

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  #window(key: string, start: number): Held {
    const found = this.#held.find((window) => window.key === key && window.start === start);
    const { sizeMs } = this.windows as TimeWindowsSpec;
    return found ?? { key, start, end: start + sizeMs, ids: [], isPending: false };
  }

  #session(key: string, atMs: number, watermarkMs: number): Held {
    const { gapMs } = this.windows as SessionWindowsSpec;
    const own: Held = { key, start: atMs, end: atMs + gapMs, ids: [], isPending: false };
    const touching = this.#held.filter((other) =>
      other.key === key && other.start <= own.end && other.end >= own.start
    );
    own.start = Math.min(own.start, ...touching.map((other) => other.start));
    own.end = Math.max(own.end, ...touching.map((other) => other.end));
    if (own.end - 1 + this.latenessMs <= watermarkMs) return own;
    own.ids = touching.flatMap((other) => other.ids);
    this.#held = this.#held.filter((other) => !touching.includes(other));
    return own;
  }

  #fire({ key, start, end, ids }: Held, isLate: boolean): void {
    this.fired.push({ key, start, end, isLate, ids: [...ids].sort((a, b) => a - b) });
  }
}

function startsOf({ sizeMs, slideMs, offsetMs }: TimeWindowsSpec, atMs: number): number[] {
  const starts: number[] = [];
  let start = offsetMs + Math.floor((atMs - offsetMs) / slideMs) * slideMs;
  for (; start > atMs - sizeMs; start -= slideMs) starts.unshift(start);
  return starts;
}
