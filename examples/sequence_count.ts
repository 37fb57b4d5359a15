/**
 * Counts numbered readings so that a lost one and one counted twice can be told.
 *
 * @module
 */

/** What is known of the numbers 1, 2, 3, … seen so far. */
export interface SequenceCount {
  readonly n: number;
  /** Of all numbers. */
  readonly sum: number;
  readonly lastSeq: number;
  /** Numbers passed over. */
  readonly holes: number;
  /** Numbers at or below one seen before. */
  readonly duplicates: number;
}

export const NOTHING_COUNTED: SequenceCount = {
  n: 0,
  sum: 0,
  lastSeq: 0,
  holes: 0,
  duplicates: 0,
};

/** The count with number `seq` in it. */
export function countNumber(count: SequenceCount, seq: number): SequenceCount {
  const isDuplicate = seq <= count.lastSeq;
  return {
    n: count.n + 1,
    sum: count.sum + seq,
    lastSeq: Math.max(count.lastSeq, seq),
    holes: count.holes + (isDuplicate ? 0 : seq - count.lastSeq - 1),
    duplicates: count.duplicates + (isDuplicate ? 1 : 0),
  };
}
