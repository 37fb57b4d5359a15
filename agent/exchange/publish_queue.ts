/**
 * What is to be published at QoS 1, as far as the broker takes unanswered messages.
 *
 * Touches the session it is given. Credit goes before elements: the other side waits for it.
 *
 * @module
 */
import { PenstockError } from "@shared/errors.ts";
import { reasonText } from "../connectors/mqtt_packets.ts";

/** 1 is the subscription's. */
const FIRST_PACKET_ID = 2;
const LAST_PACKET_ID = 65_535;

/** Below it the broker took the message; that nobody has subscribed to it is for the one who left to tell. */
const REFUSED_FROM = 0x80;

export interface Publication {
  readonly topic: string;
  readonly frame: Uint8Array;
}

export type Publish = (topic: string, packetId: number, payload: Uint8Array) => void;

export class PublishQueue {
  readonly #publish: Publish;
  readonly #inFlightMax: number;
  #credits: Publication[] = [];
  #elements: Publication[] = [];
  #inFlight = 0;
  #packetId = FIRST_PACKET_ID - 1;
  #onEmpty: (() => void) | null = null;

  /** @param inFlightMax Messages that the broker takes unanswered: its Receive Maximum. */
  constructor(publish: Publish, inFlightMax: number) {
    this.#publish = publish;
    this.#inFlightMax = Math.min(inFlightMax, LAST_PACKET_ID - FIRST_PACKET_ID);
  }

  get isEmpty(): boolean {
    return this.#inFlight === 0 && this.#credits.length === 0 && this.#elements.length === 0;
  }

  elements(publication: Publication): void {
    this.#elements.push(publication);
    this.#pump();
  }

  credit(publication: Publication): void {
    this.#credits.push(publication);
    this.#pump();
  }

  /** The oldest unanswered message was answered. @throws {PenstockError} If the broker refused it. */
  answered(reasonCode: number): void {
    if (reasonCode >= REFUSED_FROM) {
      throw new PenstockError(
        `The broker refused a frame of the exchange: ${reasonText(reasonCode)}`,
        { code: "exchange-refused", domain: "external", isRetryable: true },
      );
    }
    this.#inFlight--;
    this.#pump();
    if (this.isEmpty) this.#onEmpty?.();
  }

  /** Calls `fire` when everything was answered. */
  whenEmpty(fire: () => void): void {
    if (this.isEmpty) fire();
    else this.#onEmpty = fire;
  }

  #pump(): void {
    while (this.#inFlight < this.#inFlightMax) {
      const next = this.#credits.shift() ?? this.#elements.shift();
      if (next === undefined) return;
      this.#inFlight++;
      this.#packetId = this.#packetId === LAST_PACKET_ID ? FIRST_PACKET_ID : this.#packetId + 1;
      this.#publish(next.topic, this.#packetId, next.frame);
    }
  }
}
