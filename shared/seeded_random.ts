/**
 * Chance that a seed fixes: the same seed gives the same sequence; for tests and the simulation.
 *
 * Pure. Small fast counter generator (sfc32, Doty-Humphrey, PractRand). Not for secrets.
 *
 * @module
 */
import type { Random } from "@shared/random.ts";
import { uuidV7 } from "@shared/uuid.ts";

const WARM_UP_ROUNDS = 15;

export class SeededRandom implements Random {
  #a = 0x9e3779b9;
  #b = 0x243f6a88;
  #c: number;
  #counter = 1;
  readonly #nowMs: () => number;

  /**
   * @param seed Any integer; its low 32 bits count.
   * @param nowMs Time that the UUIDs carry; stands at 0 unless given.
   */
  constructor(seed: number, nowMs: () => number = () => 0) {
    this.#c = seed | 0;
    this.#nowMs = nowMs;
    for (let round = 0; round < WARM_UP_ROUNDS; round++) this.#nextUint32();
  }

  next(): number {
    return this.#nextUint32() / 2 ** 32;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#nextUint32() & 0xff);
  }

  uuid(): string {
    return uuidV7(this.#nowMs(), this.bytes(10));
  }

  #nextUint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum | 0;
    return sum >>> 0;
  }
}
