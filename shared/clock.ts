/** Time as a port. Pure code gets `nowMs` as a value instead. @module */

export interface Clock {
  /** Milliseconds since the Unix epoch; may jump when somebody sets the clock. */
  nowMs(): number;
  /** Milliseconds on a clock that never goes back; for leases, timeouts and durations. */
  monotonicMs(): number;
  /** Calls `fire` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, fire: () => void): () => void;
}
