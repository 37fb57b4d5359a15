/**
 * Decides when a source connects again, and whether it must ask for its ownership first.
 *
 * Pure but for the chance it is given. Invariant (M2): after a takeover notice, or at the second unexplained
 * close inside the window, the answer is to ask first; a session is never taken back blindly.
 *
 * @module
 */
import type { Random } from "@shared/random.ts";
import type { SessionClose } from "./mqtt_session.ts";
import { SESSION_TAKEN_OVER } from "./mqtt_packets.ts";

export interface Reconnect {
  readonly delayMs: number;
  readonly asksFirst: boolean;
}

/** The broker could not be reached at all. */
export interface Unreachable {
  readonly kind: "unreachable";
  readonly detail: string;
}

const DELAY_MIN_MS = 1_000;
const DELAY_MAX_MS = 10_000;
const JITTER = 0.2;
/** Two unexplained closes this near each other look like another owner; a connection this old is a good one. */
const WINDOW_MS = 60_000;

export class ReconnectPolicy {
  #failures = 0;
  #connectedAtMs: number | null = null;
  #unexplainedAtMs: number | null = null;
  /** Once suspected, ownership is asked for until it is affirmed. */
  #mustAsk = false;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** @param nowMs Monotonic. */
  connected(nowMs: number): void {
    this.#connectedAtMs = nowMs;
  }

  /** The hub says that the split is ours. */
  ownershipAffirmed(): void {
    this.#mustAsk = false;
    this.#unexplainedAtMs = null;
  }

  /**
   * A connection, or the attempt at one, is over.
   *
   * @param nowMs Monotonic.
   */
  closed(close: SessionClose | Unreachable, nowMs: number): Reconnect {
    if (this.#connectedAtMs !== null && nowMs - this.#connectedAtMs >= WINDOW_MS) {
      this.#failures = 0;
    }
    this.#connectedAtMs = null;
    if (close.kind === "disconnected" && close.reasonCode === SESSION_TAKEN_OVER) {
      this.#mustAsk = true;
    }
    if (close.kind === "lost" && close.wasConnected) {
      const before = this.#unexplainedAtMs;
      if (before !== null && nowMs - before < WINDOW_MS) this.#mustAsk = true;
      this.#unexplainedAtMs = nowMs;
    }
    const delayMs = Math.min(DELAY_MAX_MS, DELAY_MIN_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    const jitter = 1 + JITTER * (2 * this.#random.next() - 1);
    return { delayMs: delayMs * jitter, asksFirst: this.#mustAsk };
  }
}
