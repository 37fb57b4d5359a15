/**
 * What a chain is working on, a record or something that fires, and the output ids made of it.
 *
 * Pure. One origin lives as long as its subtask and is set anew for each record, so that nothing is
 * allocated. Ids are made of what a replay repeats: region, sink, position in the split or what fires, and
 * the number of the output. Two subtasks, two sinks, two records never make the same id.
 *
 * Behind an exchange a record goes on under the position of its origin, and a lane tells apart what one
 * origin sent: 0 in the subtask of the source; then a 53-bit hash of the lane before, the way taken and
 * the how-manieth record it was. What fires has its time as position and the hash of its text as lane.
 *
 * @module
 */
import type { RegionId } from "@shared/ids.ts";

/** Lanes are whole numbers below 2^53: exact as numbers. */
const HIGH_FACTOR = 0x20_0000;
const WORD = 0x1_0000_0000;

/** What fires: `timer` by the wall clock, `event` by event time, `window` a window that closes. */
export type FiringKind = "timer" | "event" | "window";

const FIRING_LETTERS: Readonly<Record<FiringKind, string>> = {
  timer: "t",
  event: "e",
  window: "w",
};

/** What names a firing: the same after every replay, and of no other firing. */
export interface Firing {
  readonly kind: FiringKind;
  readonly uid: string;
  readonly key: string;
  /** Time it was set for; of a window its end - 1. It becomes the event time of what is emitted. */
  readonly timeMs: number;
  readonly nowMs: number;
}

export class Origin {
  readonly #regionId: RegionId;
  #lane = 0;
  #firing: Firing | null = null;
  /** Raised for each record and each firing: tells a sink to number its outputs from 0 again. */
  serial = 0;
  /** Number of the record in its split; of a firing, its time. */
  position = 0;
  /** Time to judge and stamp by, ms since the epoch; never goes back. */
  nowMs = 0;
  /** Event time of the record, or its arrival time, ms since the epoch. */
  atMs = 0;

  constructor(regionId: RegionId) {
    this.#regionId = regionId;
  }

  /** Tells apart the records of one position; 0 for a record of this subtask's own source. */
  get lane(): number {
    if (this.#lane === 0 && this.#firing !== null) this.#lane = hash53(this.#firingText());
    return this.#lane;
  }

  /**
   * A record of this subtask's own source.
   *
   * @param arrivedAtMs Already held up to the latest time seen.
   */
  setRecord(position: number, arrivedAtMs: number): void {
    this.serial++;
    this.position = position;
    this.nowMs = arrivedAtMs;
    this.atMs = arrivedAtMs;
    this.#lane = 0;
    this.#firing = null;
  }

  /** A record that came over an exchange. */
  setExchanged(position: number, lane: number, atMs: number, nowMs: number): void {
    this.serial++;
    this.position = position;
    this.nowMs = nowMs;
    this.atMs = atMs;
    this.#lane = lane;
    this.#firing = null;
  }

  /** The record goes to several subtasks, and what each makes of it needs ids of its own; `branch` is this one's. */
  setBranch(branch: number): void {
    this.serial++;
    this.#lane = mix53(this.lane, branch, 1);
  }

  /** A timer or a window of this subtask, outside of any record. */
  setFiring(firing: Firing): void {
    this.serial++;
    this.position = firing.timeMs;
    this.nowMs = firing.nowMs;
    this.atMs = firing.timeMs;
    this.#lane = 0;
    this.#firing = firing;
  }

  /** Id of output number `index` of this origin at a sink; the same after every replay. */
  outputId(sinkUid: string, index: number): string {
    return `${this.#regionId}:${sinkUid}:${this.#place()}:${index}`;
  }

  #place(): string {
    if (this.#firing !== null) return this.#firingText();
    if (this.#lane === 0) return String(this.position);
    return `${this.position}~${this.#lane}`;
  }

  #firingText(): string {
    const { kind, timeMs, uid, key } = this.#firing!;
    return `${FIRING_LETTERS[kind]}${timeMs}:${uid}:${key}`;
  }
}

/** Gives the lane of each record that leaves over one exchange edge. */
export class LaneCounter {
  readonly #origin: Origin;
  readonly #way: number;
  #serial = -1;
  #sent = 0;

  /**
   * @param way Of edge and sending subtask: another for each edge and each subtask of the region.
   */
  constructor(origin: Origin, way: { edge: number; subtaskOrdinal: number }) {
    this.#origin = origin;
    this.#way = mix53(way.edge, way.subtaskOrdinal, 0);
  }

  /** Lane of the next record that the current origin sends. */
  next(): number {
    const { serial, lane } = this.#origin;
    if (serial !== this.#serial) {
      this.#serial = serial;
      this.#sent = 0;
    }
    return mix53(lane, this.#way, this.#sent++);
  }
}

/** Hash of three whole numbers below 2^53 as one from 1 to 2^53 - 1; frozen, since ids are made of it. */
export function mix53(a: number, b: number, c: number): number {
  let high = mix(mix(mix(0x2545f491, a >>> 0), b >>> 0), c >>> 0);
  high = mix(mix(mix(high, a / WORD), b / WORD), c / WORD);
  const low = mix(mix(mix(mix(high, 0x9e3779b9), a >>> 0), b >>> 0), c >>> 0);
  return join53(high, low);
}

/** Hash of a text as a whole number from 1 to 2^53 - 1; frozen, since ids are made of it. */
export function hash53(text: string): number {
  let high = 0x811c9dc5;
  let low = 0x2545f491;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 0x01000193);
    low = Math.imul(low ^ unit, 0x85ebca6b);
    low ^= low >>> 15;
  }
  return join53(mix(high, text.length), mix(low, high));
}

function join53(high: number, low: number): number {
  return (high >>> 0) * HIGH_FACTOR + (low >>> 11) || 1;
}

/** One round over a 32-bit word; for the same `hash` no two words give the same. */
function mix(hash: number, word: number): number {
  let mixed = Math.imul(hash ^ (word | 0), 0xcc9e2d51) + 0xe6546b64 | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  return mixed ^ (mixed >>> 13);
}

/** The wall clock as state sees it: it never goes back, not even over a restore (S4). */
export class LatestTime {
  #latestMs = 0;

  get latestMs(): number {
    return this.#latestMs;
  }

  /** The later of `nowMs` and all that was observed before. */
  observe(nowMs: number): number {
    if (nowMs > this.#latestMs) this.#latestMs = nowMs;
    return this.#latestMs;
  }
}
