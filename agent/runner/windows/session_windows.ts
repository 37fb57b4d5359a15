/**
 * Session windows: a window of a key ends when the key had no record for the length of the gap.
 *
 * Touches the table it is given. Each record is a window `[time, time + gap)`; windows that touch are one.
 *
 * Invariants (tests/property/windows_test.ts):
 *
 *   1. Two sessions of a key never touch. A record between two makes one of them.
 *   2. A session fires when the watermark has reached its end - 1, and with every record that is added behind that.
 *   3. A record is too late when the session it would be in is over: end - 1 + allowed lateness.
 *
 * @module
 */
import type { AggregateSpec } from "@shared/sdk/window_spec.ts";
import type { Entry, TableKey } from "../../state/state_table.ts";
import type { RecordTime, Waking, WindowPlace, Windows } from "./windows.ts";

const SLOT = 0;

/** State of one key: its sessions, the earliest first. */
interface KeySessions extends Waking {
  readonly starts: number[];
  readonly ends: number[];
  readonly accs: unknown[];
  /** Whether the session has yet to fire in time. */
  readonly pending: boolean[];
}

export interface SessionOptions {
  readonly gapMs: number;
  readonly aggregate: AggregateSpec;
  readonly allowedLatenessMs: number;
}

export class SessionWindows implements Windows {
  readonly #place: WindowPlace;
  readonly #gapMs: number;
  readonly #aggregate: AggregateSpec;
  readonly #latenessMs: number;

  constructor({ gapMs, aggregate, allowedLatenessMs }: SessionOptions, place: WindowPlace) {
    this.#place = place;
    this.#gapMs = gapMs;
    this.#aggregate = aggregate;
    this.#latenessMs = allowedLatenessMs;
  }

  add(record: unknown, key: TableKey, { atMs, watermarkMs }: RecordTime): boolean {
    const { table } = this.#place;
    const entry = table.find(key, 0);
    const held = entry?.first as KeySessions | undefined;
    const sessions = held ?? emptySessions();
    const { first, behind } = touched(sessions, atMs, atMs + this.#gapMs);
    const isNew = first === behind;
    const start = isNew ? atMs : Math.min(atMs, sessions.starts[first]!);
    const end = isNew
      ? atMs + this.#gapMs
      : Math.max(atMs + this.#gapMs, sessions.ends[behind - 1]!);
    if (end - 1 + this.#latenessMs <= watermarkMs) return false;
    if (held !== undefined) table.write(entry!, SLOT, sessions, 0);
    const acc = this.#aggregate.add(this.#merged(sessions, first, behind), record);
    const isPending = end - 1 > watermarkMs;
    if (behind === first + 1) {
      sessions.starts[first] = start;
      sessions.ends[first] = end;
      sessions.accs[first] = acc;
      sessions.pending[first] = isPending;
    } else {
      sessions.starts.splice(first, behind - first, start);
      sessions.ends.splice(first, behind - first, end);
      sessions.accs.splice(first, behind - first, acc);
      sessions.pending.splice(first, behind - first, isPending);
    }
    const text = entry === undefined ? String(key) : entry.key;
    if (held === undefined) table.put(text, SLOT, sessions, 0);
    // A session that became longer is looked at when it was due before: then, and only then, the key is queued again.
    const wake = this.#dueAt(sessions, first);
    if (wake < sessions.wake) {
      sessions.wake = wake;
      this.#place.wakeAt(text, wake);
    }
    if (!isPending) this.#place.fire({ key: text, acc, start, end, isLate: true });
    return true;
  }

  wake(key: string, atMs: number): void {
    const { table } = this.#place;
    const entry = table.find(key, 0);
    const sessions = entry?.first as KeySessions | undefined;
    if (entry === undefined || sessions === undefined || sessions.wake > atMs) return;
    table.write(entry, SLOT, sessions, 0);
    const { starts, ends, accs, pending } = sessions;
    for (let i = 0; i < starts.length; i++) {
      const end = ends[i]!;
      if (!pending[i] || end - 1 > atMs) continue;
      pending[i] = false;
      this.#place.fire({ key, acc: accs[i], start: starts[i]!, end, isLate: false });
    }
    this.#forgetOver(sessions, atMs);
    this.#rest(entry, sessions);
  }

  /** Drops the sessions that are over; they are the earliest. */
  #forgetOver({ starts, ends, accs, pending }: KeySessions, atMs: number): void {
    let over = 0;
    while (over < ends.length && ends[over]! - 1 + this.#latenessMs <= atMs) over++;
    if (over === 0) return;
    for (const list of [starts, ends, accs, pending]) list.splice(0, over);
  }

  /** Queues the key for what is due next, or forgets it. */
  #rest(entry: Entry, sessions: KeySessions): void {
    if (sessions.starts.length === 0) {
      this.#place.table.write(entry, SLOT, undefined, 0);
      return;
    }
    let wake = Infinity;
    for (let i = 0; i < sessions.starts.length; i++) {
      wake = Math.min(wake, this.#dueAt(sessions, i));
    }
    sessions.wake = wake;
    this.#place.wakeAt(entry.key, wake);
  }

  #dueAt({ ends, pending }: KeySessions, index: number): number {
    return ends[index]! - 1 + (pending[index] ? 0 : this.#latenessMs);
  }

  /** What the sessions from `first` up to `behind` give together; a new accumulator when there are none. */
  #merged({ accs }: KeySessions, first: number, behind: number): unknown {
    if (first === behind) return this.#aggregate.initial();
    let acc = accs[first];
    for (let i = first + 1; i < behind; i++) acc = this.#aggregate.merge!(acc, accs[i]);
    return acc;
  }
}

function emptySessions(): KeySessions {
  return { wake: Infinity, starts: [], ends: [], accs: [], pending: [] };
}

/** The sessions that `[start, end)` overlaps or touches, from `first` up to `behind`. */
function touched(
  { starts, ends }: KeySessions,
  start: number,
  end: number,
): { first: number; behind: number } {
  // From the end: most records belong to the latest session.
  let behind = starts.length;
  while (behind > 0 && starts[behind - 1]! > end) behind--;
  let first = behind;
  while (first > 0 && ends[first - 1]! >= start) first--;
  return { first, behind };
}
