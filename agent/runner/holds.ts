/**
 * Why a subtask takes nothing in at the moment: keeps its source paused as long as there is one reason.
 *
 * Touches the source it is given.
 *
 * @module
 */
import type { SourceReader } from "../connectors/connector.ts";

/** A sink has too much unconfirmed. */
export const SINK_FULL = 1;
/** A channel that leaves the subtask has no credit. */
export const NO_CREDIT = 2;
/** The source has given its barrier and waits for the channels beside it (A4). */
export const ALIGNING = 4;
/** The job ends: the source is not read any more (L3). */
export const DRAINED = 8;

const FULL_BEHIND = SINK_FULL | NO_CREDIT;
const SOURCE_ONLY = ALIGNING | DRAINED;

export class Holds {
  readonly #source: SourceReader | null;
  readonly #monotonicMs: () => number;
  readonly #pausing: number;
  #reasons = 0;
  #fullSinceMs = 0;
  #fullMs = 0;

  /** @param options `isShedding`: the source goes on without room behind; what it reads then is shed. */
  constructor(
    source: SourceReader | null,
    monotonicMs: () => number,
    options: { isShedding: boolean } = { isShedding: false },
  ) {
    this.#source = source;
    this.#monotonicMs = monotonicMs;
    this.#pausing = options.isShedding ? SOURCE_ONLY : SOURCE_ONLY | FULL_BEHIND;
  }

  /** What is behind the subtask has no room: nothing is taken from the channels either. */
  get isFullBehind(): boolean {
    return (this.#reasons & FULL_BEHIND) !== 0;
  }

  /** Records of the source must not be worked on now. */
  get isSourceHeld(): boolean {
    return (this.#reasons & SOURCE_ONLY) !== 0;
  }

  has(reason: number): boolean {
    return (this.#reasons & reason) !== 0;
  }

  add(reason: number): void {
    const before = this.#reasons;
    this.#reasons |= reason;
    if ((before & FULL_BEHIND) === 0 && this.isFullBehind) this.#fullSinceMs = this.#monotonicMs();
    if (!this.#pauses(before) && this.#pauses(this.#reasons)) this.#source?.pause();
  }

  /** @param beforeResume Runs when the reason is gone and the source still pauses. */
  remove(reason: number, beforeResume: () => void = () => {}): void {
    if (!this.has(reason)) return;
    const wasFull = this.isFullBehind;
    const before = this.#reasons;
    this.#reasons &= ~reason;
    if (wasFull && !this.isFullBehind) this.#fullMs += this.#monotonicMs() - this.#fullSinceMs;
    beforeResume();
    if (this.#pauses(before) && !this.#pauses(this.#reasons)) this.#source?.resume();
  }

  #pauses(reasons: number): boolean {
    return (reasons & this.#pausing) !== 0;
  }

  /** Time without room behind since the last call, ms. */
  takeFullMs(): number {
    const nowMs = this.#monotonicMs();
    const fullMs = this.#fullMs + (this.isFullBehind ? nowMs - this.#fullSinceMs : 0);
    this.#fullMs = 0;
    this.#fullSinceMs = nowMs;
    return fullMs;
  }
}
