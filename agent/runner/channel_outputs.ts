/**
 * The channels that leave one subtask: gathers elements in batches and watches the credit.
 *
 * Touches the clock and the senders it is given. Nothing is refused: who runs out of credit is told, and
 * stops the subtask's inputs.
 *
 * Invariants:
 *
 *   A2  Watermarks, barriers and the end travel in the same order as records.
 *   A7  Control elements are sent whatever the credit.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import type { CheckpointId } from "@shared/ids.ts";
import {
  BATCH_ELEMENTS_MAX,
  BATCH_LINGER_MS,
  BatchBuilder,
  type ElementBatch,
} from "./exchange_batch.ts";
import type { Origin } from "./origin.ts";
import { MAX_WATERMARK_MS, MIN_WATERMARK_MS } from "./watermarks.ts";

/** The producer's end of one channel. */
export interface BatchSender {
  /** Takes every batch, in order; never waits. */
  send(batch: ElementBatch): void;
  /** Records that may still be sent; 0 or less stops the producer's inputs. */
  credit(): number;
}

/** Gathers the elements of one channel. */
export class ChannelOutput {
  readonly #sender: BatchSender;
  readonly #owner: ChannelOutputs;
  #batch = new BatchBuilder();
  #sentWatermarkMs = MIN_WATERMARK_MS;

  constructor(sender: BatchSender, owner: ChannelOutputs) {
    this.#sender = sender;
    this.#owner = owner;
  }

  get hasCredit(): boolean {
    return this.#sender.credit() > 0;
  }

  /** The record leaves with the next batch; `edge` is its index in the graph. */
  record(edge: number, value: unknown, origin: Origin, lane: number): void {
    this.#batch.record(edge, value, origin, lane);
    const { length } = this.#batch;
    if (length >= BATCH_ELEMENTS_MAX) this.flush();
    else if (length === 1) this.#owner.flushSoon();
  }

  idle(isIdle: boolean): void {
    this.#batch.idle(isIdle);
    this.flush();
  }

  /** Everything before it is told of time first. */
  barrier(checkpointId: CheckpointId): void {
    this.#tellTime();
    this.#batch.barrier(checkpointId);
    this.flush();
  }

  end(): void {
    this.#tellTime();
    this.#batch.end();
    this.flush();
  }

  /** Sends what was gathered, and how far time has come. */
  flush(): void {
    this.#tellTime();
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = new BatchBuilder();
    const finished = batch.finish();
    this.#sender.send(finished);
    if (finished.recordCount > 0 && !this.hasCredit) this.#owner.ranOut();
  }

  #tellTime(): void {
    const { watermarkMs } = this.#owner;
    if (watermarkMs <= this.#sentWatermarkMs) return;
    this.#sentWatermarkMs = watermarkMs;
    this.#batch.watermark(watermarkMs);
  }
}

export class ChannelOutputs {
  readonly #clock: Clock;
  readonly #onNoCredit: () => void;
  readonly #channels: ChannelOutput[] = [];
  #watermarkMs = MIN_WATERMARK_MS;
  #isIdle = false;
  #cancelFlush: (() => void) | null = null;
  #hasEnded = false;
  #isClosed = false;

  /** @param onNoCredit A channel has no credit left; may be called again and again. */
  constructor(clock: Clock, onNoCredit: () => void) {
    this.#clock = clock;
    this.#onNoCredit = onNoCredit;
  }

  /** Makes a channel known. */
  add(sender: BatchSender): ChannelOutput {
    const channel = new ChannelOutput(sender, this);
    this.#channels.push(channel);
    return channel;
  }

  get isEmpty(): boolean {
    return this.#channels.length === 0;
  }

  get hasCredit(): boolean {
    return this.#channels.every((channel) => channel.hasCredit);
  }

  /** How far time has come in the subtask, its own work at that time being done. */
  get watermarkMs(): number {
    return this.#watermarkMs;
  }

  /**
   * Everything that watermark `watermarkMs` sets off has been emitted; it goes out behind that. Never
   * called in the middle of a record: what the record still emits may not be behind its time.
   */
  settle(watermarkMs: number): void {
    if (watermarkMs <= this.#watermarkMs || this.#channels.length === 0) return;
    if (watermarkMs >= MAX_WATERMARK_MS) this.setIdle(false);
    this.#watermarkMs = watermarkMs;
    this.flushSoon();
  }

  /** The end of time counts at the other side, so who has come to it is not idle any more. */
  setIdle(isIdle: boolean): void {
    if (isIdle === this.#isIdle || this.#hasEnded) return;
    if (isIdle && this.#watermarkMs >= MAX_WATERMARK_MS) return;
    this.#isIdle = isIdle;
    for (const channel of this.#channels) channel.idle(isIdle);
  }

  /** Behind the end there is no barrier: a channel that has ended counts as aligned. */
  barrier(checkpointId: CheckpointId): void {
    if (this.#hasEnded) return;
    for (const channel of this.#channels) channel.barrier(checkpointId);
  }

  /** Nothing comes any more: time has come to its end. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#watermarkMs = MAX_WATERMARK_MS;
    for (const channel of this.#channels) channel.end();
  }

  /** Sends what is gathered within `BATCH_LINGER_MS`. */
  flushSoon(): void {
    if (this.#cancelFlush !== null || this.#isClosed) return;
    this.#cancelFlush = this.#clock.after(BATCH_LINGER_MS, () => {
      this.#cancelFlush = null;
      for (const channel of this.#channels) channel.flush();
    });
  }

  ranOut(): void {
    this.#onNoCredit();
  }

  /** Nothing is sent any more. */
  close(): void {
    this.#isClosed = true;
    this.#cancelFlush?.();
    this.#cancelFlush = null;
  }
}
