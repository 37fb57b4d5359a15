/**
 * The places of frames in one channel: what comes next, what came already, what is missing.
 *
 * Pure.
 *
 * Invariants (tests/property/exchange_channel_test.ts):
 *
 *   A1  Exactly the next place is taken; a place taken before is dropped; a gap is told and never passed over.
 *
 * @module
 */

export type FramePlace =
  | { readonly kind: "next" }
  | { readonly kind: "duplicate" }
  | { readonly kind: "gap"; readonly expected: number };

const NEXT: FramePlace = { kind: "next" };
const DUPLICATE: FramePlace = { kind: "duplicate" };

/** The consumer's end. */
export class FrameOrder {
  #latest = 0;

  /** Place of the latest frame taken, 0 before the first. */
  get latest(): number {
    return this.#latest;
  }

  /** Judges a frame, which is taken if it is the next. @param sequence Its place, from 1. */
  take(sequence: number): FramePlace {
    if (sequence <= this.#latest) return DUPLICATE;
    const expected = this.#latest + 1;
    if (sequence > expected) return { kind: "gap", expected };
    this.#latest = sequence;
    return NEXT;
  }
}
