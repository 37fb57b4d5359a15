/**
 * What the broker keeps for one client id: subscriptions, messages in flight, messages waiting.
 *
 * Pure. Invariants: at most the client's Receive Maximum is in flight; redelivery is in the order of the first
 * delivery, under the same packet ids, with DUP.
 *
 * @module
 */
import type { Message } from "./message.ts";

export interface Subscription {
  readonly filter: string;
  readonly qos: number;
  readonly isNoLocal: boolean;
  readonly isRetainAsPublished: boolean;
  readonly retainHandling: number;
}

/** One message on its way to the client. */
export interface Delivery {
  readonly message: Message;
  readonly isRetained: boolean;
}

const PACKET_ID_MAX = 65_535;
/** Sent messages at the head of the queue before it is cut, if they are more than wait. */
const SENT_MAX = 1_024;

export class Session {
  readonly clientId: string;
  readonly subscriptions = new Map<string, Subscription>();
  /** Seconds it outlives its connection; Infinity for ever. */
  expirySeconds = 0;
  /** When it goes, on the monotonic clock; null while connected. */
  expiresAtMs: number | null = null;
  receiveMaximum = PACKET_ID_MAX;
  droppedCount = 0;
  readonly #inFlight = new Map<number, Delivery>();
  #queue: Delivery[] = [];
  #queueHead = 0;
  #lastPacketId = 0;

  constructor(clientId: string) {
    this.clientId = clientId;
  }

  get inFlight(): ReadonlyMap<number, Delivery> {
    return this.#inFlight;
  }

  get queuedCount(): number {
    return this.#queue.length - this.#queueHead;
  }

  /** Keeps a message until it is acknowledged; the newest is dropped when `queueMax` wait. */
  enqueue(delivery: Delivery, queueMax: number): void {
    if (this.queuedCount >= queueMax) this.droppedCount += 1;
    else this.#queue.push(delivery);
  }

  /** The next message that may be sent, now in flight; null when none waits or the window is full. */
  next(): { packetId: number; delivery: Delivery } | null {
    if (this.queuedCount === 0 || this.#inFlight.size >= this.receiveMaximum) return null;
    const delivery = this.#queue[this.#queueHead]!;
    this.#queueHead += 1;
    // A message that was sent shares its chunk of bytes with others: it must not stay for long.
    if (
      this.queuedCount === 0 ||
      this.#queueHead >= SENT_MAX && 2 * this.#queueHead > this.#queue.length
    ) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
    let packetId = this.#lastPacketId;
    do packetId = packetId % PACKET_ID_MAX + 1; while (this.#inFlight.has(packetId));
    this.#lastPacketId = packetId;
    this.#inFlight.set(packetId, delivery);
    return { packetId, delivery };
  }

  acknowledged(packetId: number): void {
    this.#inFlight.delete(packetId);
  }
}
