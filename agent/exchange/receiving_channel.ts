/**
 * The consumer's end of one channel from another agent: authentic frames in, batches out, credit back.
 *
 * Pure but for the digests of `node:crypto`.
 *
 *   whole ── part ──▶ gathering ── elements ──▶ whole
 *
 * Invariants (tests/property/exchange_channel_test.ts):
 *
 *   A1  A batch comes out once, in order; what is missing is told, never passed over.
 *
 * @module
 */
import { PenstockError } from "@shared/errors.ts";
import type { ElementBatch } from "../runner/exchange_batch.ts";
import type { ChannelAddress } from "../runner/exchange_port.ts";
import { BatchDecoder } from "./batch_codec.ts";
import { ConsumerCredit } from "./channel_credit.ts";
import type { ChannelKeys, ExchangeIdentity } from "./channel_key.ts";
import { FrameWriter } from "./frame_bytes.ts";
import { encodeFrame, type FrameHead } from "./frame_codec.ts";
import { FrameOrder } from "./frame_order.ts";
import { BODY_BYTES_MAX } from "./sending_channel.ts";

export type Received =
  | { readonly kind: "batch"; readonly batch: ElementBatch }
  /** More of the batch follows. */
  | { readonly kind: "part" }
  | { readonly kind: "duplicate" };

const PART: Received = { kind: "part" };
const DUPLICATE: Received = { kind: "duplicate" };

export class ReceivingChannel {
  readonly address: ChannelAddress;
  /** Where the credit goes. */
  readonly topic: string;
  readonly credit: ConsumerCredit;
  readonly #identity: ExchangeIdentity;
  readonly #keys: ChannelKeys;
  readonly #order = new FrameOrder();
  readonly #decoder = new BatchDecoder();
  #parts: Uint8Array[] = [];
  #partBytes = 0;

  /** @param at `channelCount`: channels that end in the same connection. */
  constructor(
    of: ExchangeIdentity,
    address: ChannelAddress,
    keys: ChannelKeys,
    at: { readonly topic: string; readonly channelCount: number },
  ) {
    this.#identity = of;
    this.address = address;
    this.#keys = keys;
    this.topic = at.topic;
    this.credit = new ConsumerCredit(at.channelCount);
  }

  /**
   * Takes an authentic frame.
   *
   * @param body Valid during the call.
   * @throws {PenstockError} `exchange-gap`; `exchange-frame-corrupt`: its bytes are not a batch.
   */
  receive({ kind, sequence }: FrameHead, body: Uint8Array): Received {
    const place = this.#order.take(sequence);
    switch (place.kind) {
      case "duplicate":
        return DUPLICATE;
      case "gap":
        throw this.#error("exchange-gap", `frame ${place.expected} is missing, ${sequence} came`);
      case "next":
        this.credit.frameTaken();
    }
    if (kind === "part") {
      this.#gather(body);
      return PART;
    }
    if (this.#parts.length === 0) return { kind: "batch", batch: this.#decoder.decode(body) };
    this.#gather(body);
    const whole = joined(this.#parts, this.#partBytes);
    this.#parts = [];
    this.#partBytes = 0;
    return { kind: "batch", batch: this.#decoder.decode(whole) };
  }

  /** The frame that tells the producer what it may send; it counts as told. */
  creditFrame(): Uint8Array {
    const { recordsWorkedOff, framesGranted } = this.credit.tell();
    const body = new FrameWriter(CREDIT_BYTES);
    body.varint(recordsWorkedOff);
    body.varint(framesGranted);
    const { attempt } = this.#identity;
    const { number, credit } = this.#keys;
    const head = { kind: "credit", attempt, channel: number, sequence: 0 } as const;
    return encodeFrame(head, body.written(), credit);
  }

  #gather(body: Uint8Array): void {
    this.#partBytes += body.length;
    if (this.#partBytes > BODY_BYTES_MAX) {
      throw this.#error("exchange-frame-corrupt", `a batch has more than ${BODY_BYTES_MAX} bytes`);
    }
    this.#parts.push(body.slice());
  }

  #error(code: string, detail: string): PenstockError {
    const { from, to } = this.address;
    const message = `Channel ${from} to ${to} is broken: ${detail}`;
    return new PenstockError(message, { code, domain: "external", isRetryable: true });
  }
}

const CREDIT_BYTES = 16;

function joined(parts: readonly Uint8Array[], byteCount: number): Uint8Array {
  const whole = new Uint8Array(byteCount);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
