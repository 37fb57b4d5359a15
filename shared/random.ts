/** Chance as a port. @module */

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** `count` unguessable bytes. */
  bytes(count: number): Uint8Array;
  /** A UUIDv7 text: sorts by time. */
  uuid(): string;
}
