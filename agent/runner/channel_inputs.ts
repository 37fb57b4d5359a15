/**
 * The channels that end in one subtask: keeps what has come until the subtask's turn, and hands it over
 * element by element.
 *
 * Pure. What is kept is bounded by the credit of each channel. A blocked channel is not read; what it
 * holds stays where it is (A4).
 *
 * Invariants:
 *
 *   A1  A channel is FIFO; an element is handed over once.
 *   A4  Behind a barrier nothing of its channel is handed over before the channel is unblocked.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { CheckpointId } from "@shared/ids.ts";
import { BARRIER, type ElementBatch, END, IDLE, WATERMARK } from "./exchange_batch.ts";

/** Batches handed over in one turn. */
const BATCHES_PER_TURN_MAX = 8;

/** Gets the elements, each to its end before the next. */
export interface ElementTaker {
  /** Takes nothing more until further notice; asked before each element. */
  readonly isHeld: boolean;
  record(edge: number, value: unknown, of: ElementBatch, index: number): void;
  watermark(channel: number, watermarkMs: number): void;
  idle(channel: number, isIdle: boolean): void;
  barrier(channel: number, checkpointId: CheckpointId): void;
  end(channel: number): void;
}

interface Queue {
  readonly batches: ElementBatch[];
  /** Elements of the first batch that were handed over. */
  cursor: number;
  isBlocked: boolean;
}

export class ChannelInputs {
  readonly #queues: readonly Queue[];
  readonly #taker: ElementTaker;
  readonly #onWorkedOff: (channel: number, records: number) => void;
  #next = 0;
  #queuedRecords = 0;

  /** @param onWorkedOff So many records of a channel were handed over: it may send as many more. */
  constructor(
    channelCount: number,
    taker: ElementTaker,
    onWorkedOff: (channel: number, records: number) => void,
  ) {
    this.#queues = Array.from(
      { length: channelCount },
      () => ({ batches: [], cursor: 0, isBlocked: false }),
    );
    this.#taker = taker;
    this.#onWorkedOff = onWorkedOff;
  }

  /** Records of batches that are not worked off. */
  get queuedRecords(): number {
    return this.#queuedRecords;
  }

  /** Whether a turn would find anything to hand over. */
  get hasWork(): boolean {
    return !this.#taker.isHeld && this.#queues.some(isReady);
  }

  enqueue(channel: number, batch: ElementBatch): void {
    const queue = this.#queues[channel];
    assert(queue !== undefined, `Channel ${channel}: want one below ${this.#queues.length}`);
    queue.batches.push(batch);
    this.#queuedRecords += batch.recordCount;
  }

  block(channel: number): void {
    this.#queues[channel]!.isBlocked = true;
  }

  unblockAll(): void {
    for (const queue of this.#queues) queue.isBlocked = false;
  }

  /** Hands over some batches, the channels taking turns. @returns Whether there is more. */
  drain(): boolean {
    const count = this.#queues.length;
    let left = BATCHES_PER_TURN_MAX;
    for (let passed = 0; passed < count && left > 0 && !this.#taker.isHeld;) {
      const channel = this.#next;
      this.#next = (channel + 1) % count;
      const queue = this.#queues[channel]!;
      if (!isReady(queue)) {
        passed++;
        continue;
      }
      passed = 0;
      left--;
      this.#handOver(channel, queue);
    }
    return this.hasWork;
  }

  #handOver(channel: number, queue: Queue): void {
    const taker = this.#taker;
    const batch = queue.batches[0]!;
    const { edges, values } = batch;
    let at = queue.cursor;
    for (; at < edges.length && !queue.isBlocked && !taker.isHeld; at++) {
      const edge = edges[at]!;
      if (edge >= 0) taker.record(edge, values[at], batch, at);
      else this.#control(channel, batch, at);
    }
    if (at < edges.length) {
      queue.cursor = at;
      return;
    }
    queue.batches.shift();
    queue.cursor = 0;
    if (batch.recordCount === 0) return;
    this.#queuedRecords -= batch.recordCount;
    this.#onWorkedOff(channel, batch.recordCount);
  }

  #control(channel: number, batch: ElementBatch, at: number): void {
    const position = batch.positions[at]!;
    switch (batch.edges[at]) {
      case WATERMARK:
        return this.#taker.watermark(channel, batch.times[at]!);
      case IDLE:
        return this.#taker.idle(channel, position === 1);
      case BARRIER:
        return this.#taker.barrier(channel, position as CheckpointId);
      case END:
        return this.#taker.end(channel);
    }
    assert(false, `Element of unknown kind ${batch.edges[at]}`);
  }
}

function isReady(queue: Queue): boolean {
  return !queue.isBlocked && queue.batches.length > 0;
}
