/**
 * A channel between two subtasks of one process: batches change hands by reference, bounded by credit.
 *
 * Pure. Neither end runs the other: a batch waits for the consumer's turn, credit for the producer's.
 *
 * Invariants:
 *
 *   A1  FIFO, one producer, one consumer; every batch sent arrives.
 *   A4  At most `CHANNEL_CREDIT_RECORDS`, and what the producer was working on, wait here.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { BatchSender } from "./channel_outputs.ts";
import { CHANNEL_CREDIT_RECORDS, type ElementBatch } from "./exchange_batch.ts";

/** A producer that ran out goes on when so much is free again: it does not stop and go batch by batch. */
const RESUME_CREDIT = CHANNEL_CREDIT_RECORDS / 2;

export interface LinkEnds {
  /** Gets each batch; works on none of it before it has returned. */
  readonly deliver: (batch: ElementBatch) => void;
  /** There is credit again. */
  readonly credited: () => void;
}

export class ChannelLink implements BatchSender {
  #ends: LinkEnds | null = null;
  #unfinished = 0;

  /** Both ends exist; called once, before the first batch. */
  connect(ends: LinkEnds): void {
    this.#ends = ends;
  }

  send(batch: ElementBatch): void {
    assert(this.#ends !== null, "A batch was sent before the channel was connected");
    this.#unfinished += batch.recordCount;
    this.#ends.deliver(batch);
  }

  credit(): number {
    return CHANNEL_CREDIT_RECORDS - this.#unfinished;
  }

  /** The consumer has worked off `records`. */
  workedOff(records: number): void {
    const before = this.credit();
    this.#unfinished -= records;
    if (before < RESUME_CREDIT && this.credit() >= RESUME_CREDIT) this.#ends?.credited();
  }
}
