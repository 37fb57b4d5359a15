/**
 * Lets the subtasks of one process take turns: work that one makes for another never runs inside it.
 *
 * Touches the event loop through the port it is given. A slice of turns, then everything else of the
 * process has its turn: sockets, timers, commands.
 *
 * @module
 */

/** Longest stretch of turns before other work, ms. */
const SLICE_MS = 8;
/** Turns in a stretch, whatever the clock says. */
const SLICE_TURNS_MAX = 64;

/** Someone with work to do in turns. */
export interface TurnTaker {
  /** Does a bounded part of its work; never throws. @returns Whether more can be done at once. */
  turn(): boolean;
}

export class TurnQueue {
  readonly #yieldTurn: () => Promise<void>;
  readonly #monotonicMs: () => number;
  /** In the order of their next turn; each at most once. */
  readonly #waiting = new Set<TurnTaker>();
  #isRunning = false;

  constructor(ports: { yieldTurn: () => Promise<void>; monotonicMs: () => number }) {
    this.#yieldTurn = ports.yieldTurn;
    this.#monotonicMs = ports.monotonicMs;
  }

  /** `taker` gets a turn soon, never before this call has returned. */
  schedule(taker: TurnTaker): void {
    this.#waiting.add(taker);
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      await this.#yieldTurn();
      this.#slice();
    }
    this.#isRunning = false;
  }

  #slice(): void {
    const endMs = this.#monotonicMs() + SLICE_MS;
    let turns = 0;
    // A taker that is added again while it is iterated over comes round behind the others.
    for (const taker of this.#waiting) {
      this.#waiting.delete(taker);
      if (taker.turn()) this.#waiting.add(taker);
      if (++turns >= SLICE_TURNS_MAX || this.#monotonicMs() >= endMs) return;
    }
  }
}
