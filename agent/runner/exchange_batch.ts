/**
 * Elements of one channel on their way from one subtask to another, in batches.
 *
 * Pure. A batch is a struct of arrays: element `i` is one index in all of them, so that a record costs no
 * object of its own. Records and control elements share one order, because a barrier divides records (A2).
 *
 *   element     edges[i]           values[i]   times[i]         positions[i]     lanes[i]
 *   record      graph edge, >= 0   the record  event time, ms   of its origin    of its origin
 *   watermark   WATERMARK          -           watermark, ms    -                -
 *   idle        IDLE               -           -                1 idle, 0 not    -
 *   barrier     BARRIER            -           -                checkpoint id    -
 *   end         END                -           -                -                -
 *
 * A field that an element does not use is 0, a value `undefined`. The values of a batch sent belong to
 * the receiver: records are never changed in place, so between subtasks of one process no copy is made.
 *
 * @module
 */
import type { CheckpointId } from "@shared/ids.ts";

/** Codes of control elements in `edges`; everything from 0 up is a record of that graph edge. */
export const WATERMARK = -1;
export const IDLE = -2;
export const BARRIER = -3;
export const END = -4;

/** A batch of so many elements is sent at once. */
export const BATCH_ELEMENTS_MAX = 256;
/** A batch that is not full is sent after so long, ms. */
export const BATCH_LINGER_MS = 5;
/**
 * Records that a channel may hold between its two ends, those in the consumer's queue included. A producer
 * that has used them up takes in nothing more; what it is working on still goes out, and control elements
 * always do.
 */
export const CHANNEL_CREDIT_RECORDS = 4_096;

export interface ElementBatch {
  readonly edges: readonly number[];
  readonly values: readonly unknown[];
  readonly times: readonly number[];
  readonly positions: readonly number[];
  readonly lanes: readonly number[];
  /** Records among the elements: what the batch costs in credit. */
  readonly recordCount: number;
}

/** Gathers the elements of one batch. */
export class BatchBuilder {
  readonly #edges: number[] = [];
  readonly #values: unknown[] = [];
  readonly #times: number[] = [];
  readonly #positions: number[] = [];
  readonly #lanes: number[] = [];
  #recordCount = 0;

  /** Elements gathered. */
  get length(): number {
    return this.#edges.length;
  }

  /** @param edge Index of the edge in the graph. */
  record(
    edge: number,
    value: unknown,
    origin: { readonly atMs: number; readonly position: number },
    lane: number,
  ): void {
    this.#recordCount++;
    this.#push(edge, value, origin.atMs, origin.position);
    this.#lanes.push(lane);
  }

  watermark(watermarkMs: number): void {
    this.#push(WATERMARK, undefined, watermarkMs, 0);
    this.#lanes.push(0);
  }

  idle(isIdle: boolean): void {
    this.#push(IDLE, undefined, 0, isIdle ? 1 : 0);
    this.#lanes.push(0);
  }

  barrier(checkpointId: CheckpointId): void {
    this.#push(BARRIER, undefined, 0, checkpointId);
    this.#lanes.push(0);
  }

  end(): void {
    this.#push(END, undefined, 0, 0);
    this.#lanes.push(0);
  }

  /** The batch; the builder must not be used afterwards. */
  finish(): ElementBatch {
    return {
      edges: this.#edges,
      values: this.#values,
      times: this.#times,
      positions: this.#positions,
      lanes: this.#lanes,
      recordCount: this.#recordCount,
    };
  }

  #push(edge: number, value: unknown, timeMs: number, position: number): void {
    this.#edges.push(edge);
    this.#values.push(value);
    this.#times.push(timeMs);
    this.#positions.push(position);
  }
}
