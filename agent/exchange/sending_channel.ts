/**
 * The producer's end of one channel to another agent: batches in, frames out, as far as frames are granted.
 *
 * Pure but for the digests of `node:crypto`.
 *
 * Invariants:
 *
 *   A1  Frames leave in the order of the batches, numbered without gaps.
 *   A7  A batch is always taken; without credit its frames wait here.
 *
 * @module
 */
import { PenstockError } from "@shared/errors.ts";
import { UnsupportedValueError } from "../state/value_codec.ts";
import type { ElementBatch } from "../runner/exchange_batch.ts";
import type { ChannelAddress } from "../runner/exchange_port.ts";
import { BatchEncoder } from "./batch_codec.ts";
import { type Grant, ProducerCredit } from "./channel_credit.ts";
import type { ChannelKeys, ExchangeIdentity } from "./channel_key.ts";
import { FrameReader, FrameWriter } from "./frame_bytes.ts";
import { encodeFrame, FRAME_BODY_BYTES_MAX } from "./frame_codec.ts";

/** Longest body of one batch; a record of that size was not meant for a broker. */
export const BODY_BYTES_MAX: number = 64 * 1024 * 1024;
/** Frames that wait for a grant; credit stops records long before, so these are watermarks of hours. */
const WAITING_FRAMES_MAX = 65_536;

/** Of all channels: a batch is encoded in one go. */
const body = new FrameWriter();

export class SendingChannel {
  readonly address: ChannelAddress;
  /** Where the frames go. */
  readonly topic: string;
  readonly #identity: ExchangeIdentity;
  readonly #keys: ChannelKeys;
  readonly #encoder = new BatchEncoder();
  readonly #credit = new ProducerCredit();
  #sequence = 0;
  #waiting: Uint8Array[] = [];

  constructor(of: ExchangeIdentity, address: ChannelAddress, keys: ChannelKeys, topic: string) {
    this.#identity = of;
    this.address = address;
    this.#keys = keys;
    this.topic = topic;
  }

  /** Records that may still be sent; below 0 when more were. */
  get credit(): number {
    return this.#credit.records;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * Takes a batch; a long one becomes several frames.
   *
   * @throws {PenstockError} `exchange-value`: a value has no form on the way, or is too long.
   *   `exchange-stuck`: the consumer has granted nothing for very long.
   */
  send(batch: ElementBatch): void {
    this.#encode(batch);
    const bytes = body.written();
    if (bytes.length > BODY_BYTES_MAX) {
      throw this.#unsendable(`a batch of ${bytes.length} bytes, at most ${BODY_BYTES_MAX} can`);
    }
    this.#credit.batchSent(batch.recordCount);
    for (let start = 0; start < bytes.length; start += FRAME_BODY_BYTES_MAX) {
      const part = bytes.subarray(start, start + FRAME_BODY_BYTES_MAX);
      const isLast = start + part.length === bytes.length;
      const { attempt } = this.#identity;
      const { number, elements } = this.#keys;
      const head = { attempt, channel: number, sequence: ++this.#sequence };
      this.#waiting.push(
        encodeFrame({ ...head, kind: isLast ? "elements" : "part" }, part, elements),
      );
    }
    if (this.#waiting.length <= WAITING_FRAMES_MAX) return;
    throw new PenstockError(
      `${this.#name} was granted nothing while ${this.#waiting.length} frames came together`,
      { code: "exchange-stuck", domain: "external", isRetryable: true },
    );
  }

  /** The frames that may go now; they count as sent. */
  takeFrames(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (const frame of this.#waiting) {
      if (!this.#credit.hasFrame) break;
      this.#credit.frameSent();
      frames.push(frame);
    }
    this.#waiting = this.#waiting.slice(frames.length);
    return frames;
  }

  /** Takes the consumer's word; see `ProducerCredit.granted`. @throws {CorruptFrameError} */
  granted(credit: Uint8Array): "noted" | "resumed" | "impossible" {
    const from = new FrameReader(credit);
    const grant: Grant = { recordsWorkedOff: from.varint(), framesGranted: from.varint() };
    from.end();
    return this.#credit.granted(grant);
  }

  get #name(): string {
    return `Channel ${this.address.from} to ${this.address.to}`;
  }

  #encode(batch: ElementBatch): void {
    body.clear();
    try {
      this.#encoder.encode(body, batch);
    } catch (thrown) {
      if (!(thrown instanceof UnsupportedValueError)) throw thrown;
      throw this.#unsendable(thrown.message, thrown);
    }
  }

  #unsendable(found: string, cause?: unknown): PenstockError {
    return new PenstockError(
      `${this.#name} got a record that cannot travel to another agent: ${found}. ` +
        `Want plain values: numbers, texts, lists, objects without a class, dates, maps, sets, bytes`,
      { code: "exchange-value", domain: "user", cause },
    );
  }
}
