/**
 * A broker in memory with one client's session, and the faults of real ones to choose from.
 *
 * Pure but for promises: packets in, packets out, no socket, no time.
 *
 * @module
 */
import { ByteReader, ByteWriter, PACKET, packet } from "../../agent/connectors/mqtt_packets.ts";
import type { Connection } from "@shared/dialer.ts";

export interface BrokerFaults {
  readonly connackCode?: number;
  readonly subackCode?: number;
  readonly pubackCode?: number;
  /** Takes publications and delivers nothing. */
  readonly isMute?: boolean;
  /** Never answers CONNECT. */
  readonly isSilent?: boolean;
  /** Sends this many unacknowledged, whatever was asked. */
  readonly window?: number;
  readonly losesSession?: boolean;
  /** Keeps the session and forgets what was in flight. */
  readonly losesInFlight?: boolean;
  readonly renumbers?: boolean;
  readonly reorders?: boolean;
}

interface Held {
  readonly payload: Uint8Array;
  readonly packetId: number;
}

export class FaultyBroker {
  dials = 0;
  openCount = 0;
  isSessionKept = false;
  /** Most publications that waited for their PUBACK at once. */
  mostUnanswered = 0;
  clientIds = new Set<string>();
  readonly #faults: BrokerFaults;
  readonly #receiveMaximum: number;
  #topic = "";
  #window = 0;
  #queue: Uint8Array[] = [];
  #inFlight: Held[] = [];
  #nextPacketId = 1;

  /** @param receiveMaximum Publications it takes unanswered; CONNACK says it. */
  constructor(faults: BrokerFaults = {}, receiveMaximum = 20) {
    this.#faults = faults;
    this.#receiveMaximum = receiveMaximum;
  }

  dial(): Promise<Connection> {
    this.dials += 1;
    this.openCount += 1;
    const inbox: Uint8Array[] = [];
    let isOpen = true;
    let wake = () => {};
    const send = (bytes: Uint8Array) => {
      inbox.push(bytes);
      wake();
    };
    return Promise.resolve({
      read: async (buffer) => {
        while (inbox.length === 0) {
          if (!isOpen) return null;
          await new Promise<void>((resolve) => wake = resolve);
        }
        const bytes = inbox.shift()!;
        buffer.set(bytes);
        return bytes.length;
      },
      write: (bytes) => Promise.resolve(this.#take(bytes.slice(), send)),
      close: () => {
        if (isOpen) this.openCount -= 1;
        isOpen = false;
        wake();
      },
    });
  }

  /** Answers what one write holds, with one read. */
  #take(bytes: Uint8Array, send: (bytes: Uint8Array) => void): void {
    const reader = new ByteReader(bytes);
    const answer = new ByteWriter();
    let unanswered = 0;
    while (reader.hasMore) {
      const type = reader.byte() >> 4;
      const body = new ByteReader(reader.raw(reader.varint()));
      if (type === PACKET.PUBLISH) unanswered += 1;
      this.#packet(type, body, answer);
    }
    this.mostUnanswered = Math.max(this.mostUnanswered, unanswered);
    const sent = answer.bytes().slice();
    if (sent.length > 0) send(sent);
  }

  #packet(type: number, body: ByteReader, answer: ByteWriter): void {
    switch (type) {
      case PACKET.CONNECT:
        return this.#connect(body, answer);
      case PACKET.SUBSCRIBE: {
        const packetId = body.uint16();
        body.properties();
        this.#topic = body.text();
        const suback = new ByteWriter().uint16(packetId).byte(0).byte(this.#faults.subackCode ?? 1);
        answer.raw(packet(PACKET.SUBACK << 4, suback));
        return;
      }
      case PACKET.PUBLISH:
        return this.#publish(body, answer);
      case PACKET.PUBACK: {
        const packetId = body.uint16();
        this.#inFlight = this.#inFlight.filter((held) => held.packetId !== packetId);
        return;
      }
      case PACKET.PINGREQ:
        answer.raw(Uint8Array.of(PACKET.PINGRESP << 4, 0));
        return;
      case PACKET.DISCONNECT:
        body.byte();
        this.isSessionKept = body.properties().get(0x11) !== 0;
    }
  }

  #connect(body: ByteReader, answer: ByteWriter): void {
    if (this.#faults.isSilent) return;
    const isPresent = this.isSessionKept && !this.#faults.losesSession;
    body.text();
    body.uint32();
    const properties = body.properties();
    this.#window = this.#faults.window ?? Number(properties.get(0x21));
    this.clientIds.add(body.text());
    const granted = new ByteWriter().byte(0x21).uint16(this.#receiveMaximum);
    const connack = new ByteWriter().byte(isPresent ? 1 : 0).byte(this.#faults.connackCode ?? 0);
    answer.raw(packet(PACKET.CONNACK << 4, connack.block(granted)));
    if (isPresent) this.#redeliver(answer);
    this.isSessionKept = true;
  }

  #redeliver(answer: ByteWriter): void {
    let held = this.#faults.losesInFlight ? [] : this.#inFlight;
    if (this.#faults.renumbers) {
      held = held.map(({ payload }) => ({ payload, packetId: this.#nextPacketId++ }));
    }
    if (this.#faults.reorders) held = held.toReversed();
    this.#inFlight = held;
    for (const message of held) answer.raw(this.#encoded(message));
  }

  #publish(body: ByteReader, answer: ByteWriter): void {
    body.text();
    const packetId = body.uint16();
    body.properties();
    const code = this.#faults.pubackCode ?? 0;
    answer.raw(packet(PACKET.PUBACK << 4, new ByteWriter().uint16(packetId).byte(code).byte(0)));
    if (!this.#faults.isMute) this.#queue.push(body.rest().slice());
    while (this.#queue.length > 0 && this.#inFlight.length < this.#window) {
      const held = { payload: this.#queue.shift()!, packetId: this.#nextPacketId++ };
      this.#inFlight.push(held);
      answer.raw(this.#encoded(held));
    }
  }

  #encoded({ payload, packetId }: Held): Uint8Array {
    const body = new ByteWriter().text(this.#topic).uint16(packetId).byte(0).raw(payload);
    return packet((PACKET.PUBLISH << 4) | 2, body).slice();
  }
}
