/**
 * One client's connection to the embedded broker: packets in, packets out.
 *
 * Touches its socket. Versions 5 and 3.1.1; QoS 2 is refused. What one chunk of bytes causes is sent as one write
 * per client.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  ByteReader,
  ByteWriter,
  malformed,
  PACKET,
  packet,
  PROPERTY,
  SESSION_TAKEN_OVER,
} from "../../agent/connectors/mqtt_packets.ts";
import type { Broker, Peer } from "./broker.ts";
import { Message } from "./message.ts";
import type { Session } from "./session.ts";
import { isFilter } from "./topics.ts";

const CHUNK_BYTES = 256 * 1024;
const PACKET_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes that may wait for the socket before messages stay in the session. */
const OUT_BYTES_MAX = 1024 * 1024;
/** Idle buffers larger than this are given back. */
const OUT_KEPT_BYTES_MAX = 4 * OUT_BYTES_MAX;
const EXPIRY_NEVER = 0xffff_ffff;

interface Will {
  readonly message: Message;
  readonly delaySeconds: number;
}

export class BrokerConnection implements Peer {
  readonly #socket: Deno.Conn;
  readonly #broker: Broker;
  #session: Session | null = null;
  #isVersion5 = true;
  #keepAliveMs = 0;
  #heardAtMs: number;
  #will: Will | null = null;
  #isOpen = true;

  #in = new Uint8Array(CHUNK_BYTES);
  #inEnd = 0;
  #chunk: Uint8Array | null = null;
  #out = new Uint8Array(CHUNK_BYTES);
  #outEnd = 0;
  #spare = new Uint8Array(CHUNK_BYTES);
  #isWriting = false;

  constructor(socket: Deno.Conn, broker: Broker) {
    this.#socket = socket;
    this.#broker = broker;
    this.#heardAtMs = performance.now();
  }

  get session(): Session {
    return this.#session!;
  }

  /** Serves the client until it goes; never rejects. */
  async serve(): Promise<void> {
    try {
      while (this.#isOpen) {
        if (this.#inEnd === this.#in.length) this.#in = grown(this.#in);
        const count = await this.#socket.read(this.#in.subarray(this.#inEnd));
        if (count === null) break;
        this.#inEnd += count;
        this.#heardAtMs = performance.now();
        this.#parse();
        this.#flush();
        this.#broker.flush();
      }
    } catch {
      // A client that breaks off or breaks the protocol is gone: its will says so.
    }
    this.#gone();
  }

  /** Closes when the client has been silent for one and a half keep-alive times. */
  checkAlive(nowMs: number): void {
    if (this.#keepAliveMs > 0 && nowMs - this.#heardAtMs > 1.5 * this.#keepAliveMs) this.#gone();
  }

  /** Cuts the client off, as a crash of the broker would. */
  close(): void {
    this.#will = null;
    this.#gone();
  }

  takenOver(): void {
    this.#will = null;
    if (this.#isVersion5) {
      this.#put(packet(PACKET.DISCONNECT << 4, new ByteWriter().byte(SESSION_TAKEN_OVER).byte(0)));
    }
    this.#isOpen = false;
    // The reason goes out first; then the socket closes.
    void this.#write().finally(() => this.#gone());
  }

  deliver(): void {
    const session = this.session;
    while (this.#isOpen && this.#outEnd < OUT_BYTES_MAX) {
      const next = session.next();
      if (next === null) break;
      this.#publish(next.delivery.message, {
        qos: 1,
        packetId: next.packetId,
        isDup: false,
        isRetained: next.delivery.isRetained,
      });
    }
    this.#flush();
  }

  deliverUnassured(message: Message, isRetained: boolean): void {
    if (this.#outEnd > OUT_BYTES_MAX) return;
    this.#publish(message, { qos: 0, packetId: 0, isDup: false, isRetained });
    this.#flush();
  }

  #publish(
    message: Message,
    as: { qos: number; packetId: number; isDup: boolean; isRetained: boolean },
  ): void {
    this.#reserve(message.packetBytesMax);
    this.#outEnd = message.encode(this.#out, this.#outEnd, { ...as, isVersion5: this.#isVersion5 });
  }

  #parse(): void {
    let start = 0;
    this.#chunk = null;
    while (this.#isOpen) {
      let at = start + 1;
      let length = 0;
      let isWhole = false;
      for (let shift = 0; at < this.#inEnd && !isWhole; shift += 7) {
        if (shift > 21) throw malformed("remaining length of more than 4 bytes");
        const byte = this.#in[at++]!;
        length |= (byte & 127) << shift;
        isWhole = byte < 128;
      }
      if (length > PACKET_BYTES_MAX) throw malformed(`packet of ${length} bytes`);
      if (!isWhole || at + length > this.#inEnd) break;
      const first = this.#in[start]!;
      start = at + length;
      this.#packet(first, at, start);
    }
    this.#chunk = null;
    this.#in.copyWithin(0, start, this.#inEnd);
    this.#inEnd -= start;
    if (this.#inEnd === 0 && this.#in.length > CHUNK_BYTES) this.#in = new Uint8Array(CHUNK_BYTES);
  }

  #packet(first: number, start: number, end: number): void {
    const type = first >> 4;
    if (type === PACKET.PUBLISH) return this.#incoming(first, start, end);
    if (type === PACKET.PUBACK) {
      this.session.acknowledged((this.#in[start]! << 8) | this.#in[start + 1]!);
      if (this.session.queuedCount > 0) this.deliver();
      return;
    }
    const body = new ByteReader(this.#in.slice(start, end));
    if ((this.#session === null) !== (type === PACKET.CONNECT)) throw malformed("CONNECT is first");
    switch (type) {
      case PACKET.CONNECT:
        return this.#connect(body);
      case PACKET.SUBSCRIBE:
        return this.#subscribe(body);
      case PACKET.UNSUBSCRIBE:
        return this.#unsubscribe(body);
      case PACKET.PINGREQ:
        return this.#put(Uint8Array.of(PACKET.PINGRESP << 4, 0));
      case PACKET.DISCONNECT:
        return this.#disconnect(body);
      default:
        throw malformed(`packet of type ${type}`);
    }
  }

  #incoming(first: number, start: number, end: number): void {
    const qos = (first >> 1) & 3;
    if (qos > 1) throw malformed(`QoS ${qos}`);
    const session = this.session;
    // One copy per chunk, which its messages share until they are acknowledged.
    this.#chunk ??= this.#in.slice(0, this.#inEnd);
    const bytes = this.#chunk.subarray(start, end);
    const topicEnd = 2 + ((bytes[0]! << 8) | bytes[1]!);
    const propertiesStart = topicEnd + 2 * qos;
    let payloadStart = propertiesStart;
    if (this.#isVersion5) {
      const reader = new VarintAt(bytes, propertiesStart);
      payloadStart = reader.end + reader.value;
    }
    if (topicEnd === 2 || payloadStart > bytes.length) throw malformed("PUBLISH");
    const topic = Buffer.from(bytes.buffer, start + 2, topicEnd - 2).toString("latin1");
    const parts = { qos, isRetained: (first & 1) === 1, topicEnd, propertiesStart, payloadStart };
    this.#broker.publish(new Message(bytes, topic, parts), session);
    if (qos === 0) return;
    this.#reserve(4);
    this.#out[this.#outEnd++] = PACKET.PUBACK << 4;
    this.#out[this.#outEnd++] = 2;
    this.#out[this.#outEnd++] = bytes[topicEnd]!;
    this.#out[this.#outEnd++] = bytes[topicEnd + 1]!;
  }

  #connect(body: ByteReader): void {
    const protocol = body.text();
    const version = body.byte();
    if (protocol !== "MQTT" || (version !== 5 && version !== 4)) {
      this.#put(Uint8Array.of(PACKET.CONNACK << 4, 2, 0, 1));
      throw malformed(`protocol ${protocol} ${version}`);
    }
    this.#isVersion5 = version === 5;
    const flags = body.byte();
    this.#keepAliveMs = 1000 * body.uint16();
    const properties = this.#isVersion5 ? body.properties() : new Map<number, unknown>();
    const givenId = latin1(body.binary());
    const clientId = givenId === "" ? `auto-${crypto.randomUUID()}` : givenId;
    if ((flags & 4) !== 0) this.#will = this.#willOf(body, flags);
    const isCleanStart = (flags & 2) !== 0;
    const { session, isPresent } = this.#broker.attach(clientId, { isCleanStart });
    const expiry = this.#isVersion5
      ? Number(properties.get(PROPERTY.SESSION_EXPIRY_SECONDS) ?? 0)
      : isCleanStart
      ? 0
      : EXPIRY_NEVER;
    session.expirySeconds = expiry === EXPIRY_NEVER ? Infinity : expiry;
    session.receiveMaximum = Number(properties.get(PROPERTY.RECEIVE_MAXIMUM) ?? 65_535);
    this.#session = session;
    this.#broker.connected(this);
    this.#put(this.#connack(isPresent, givenId === "" ? clientId : null));
    for (const [packetId, { message, isRetained }] of session.inFlight) {
      this.#publish(message, { qos: 1, packetId, isDup: true, isRetained });
    }
    this.deliver();
  }

  #connack(isPresent: boolean, assignedId: string | null): Uint8Array {
    const body = new ByteWriter().byte(isPresent ? 1 : 0).byte(0);
    if (this.#isVersion5) {
      // QoS 2, subscription identifiers and shared subscriptions are not offered.
      const properties = new ByteWriter().byte(PROPERTY.MAXIMUM_QOS).byte(1).byte(0x29).byte(0)
        .byte(0x2a).byte(0);
      if (assignedId !== null) properties.byte(PROPERTY.ASSIGNED_CLIENT_ID).text(assignedId);
      body.block(properties);
    }
    return packet(PACKET.CONNACK << 4, body);
  }

  #willOf(body: ByteReader, flags: number): Will {
    const properties = this.#isVersion5 ? body.properties() : new Map<number, unknown>();
    const topic = body.binary();
    const payload = body.binary();
    const bytes = new ByteWriter().uint16(topic.length).raw(topic).raw(payload).bytes().slice();
    const topicEnd = 2 + topic.length;
    const parts = { topicEnd, propertiesStart: topicEnd, payloadStart: topicEnd };
    const qos = Math.min(1, (flags >> 3) & 3);
    return {
      message: new Message(bytes, latin1(topic), { ...parts, qos, isRetained: (flags & 32) !== 0 }),
      delaySeconds: Number(properties.get(PROPERTY.WILL_DELAY_SECONDS) ?? 0),
    };
  }

  #subscribe(body: ByteReader): void {
    const answer = new ByteWriter().uint16(body.uint16());
    if (this.#isVersion5) {
      body.properties();
      answer.byte(0);
    }
    while (body.hasMore) {
      const filter = latin1(body.binary());
      const options = body.byte();
      const isTaken = isFilter(filter) && !filter.startsWith("$share/");
      const qos = Math.min(1, options & 3);
      answer.byte(isTaken ? qos : this.#isVersion5 ? 0x8f : 0x80);
      if (!isTaken) continue;
      this.#broker.subscribe(this, {
        filter,
        qos,
        isNoLocal: (options & 4) !== 0,
        isRetainAsPublished: (options & 8) !== 0,
        retainHandling: (options >> 4) & 3,
      });
    }
    this.#put(packet(PACKET.SUBACK << 4, answer));
  }

  #unsubscribe(body: ByteReader): void {
    const answer = new ByteWriter().uint16(body.uint16());
    if (this.#isVersion5) {
      body.properties();
      answer.byte(0);
    }
    while (body.hasMore) {
      const wasThere = this.#broker.unsubscribe(this.session, latin1(body.binary()));
      if (this.#isVersion5) answer.byte(wasThere ? 0 : 0x11);
    }
    this.#put(packet(PACKET.UNSUBACK << 4, answer));
  }

  #disconnect(body: ByteReader): void {
    const reasonCode = body.hasMore ? body.byte() : 0;
    // Reason 4: the client goes, and wants its will sent.
    if (reasonCode !== 4) this.#will = null;
    const expiry = body.hasMore ? body.properties().get(PROPERTY.SESSION_EXPIRY_SECONDS) : null;
    if (typeof expiry === "number") {
      this.session.expirySeconds = expiry === EXPIRY_NEVER ? Infinity : expiry;
    }
    this.#gone();
  }

  #put(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#out.set(bytes, this.#outEnd);
    this.#outEnd += bytes.length;
  }

  #reserve(count: number): void {
    while (this.#outEnd + count > this.#out.length) this.#out = grown(this.#out);
  }

  #flush(): void {
    if (!this.#isWriting && this.#outEnd > 0) void this.#write();
  }

  /** Writes what has come together; while it does, more comes together in the other buffer. */
  async #write(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    try {
      while (this.#outEnd > 0) {
        const bytes = this.#out.subarray(0, this.#outEnd);
        [this.#out, this.#spare] = [this.#spare, this.#out];
        this.#outEnd = 0;
        let offset = 0;
        while (offset < bytes.length) offset += await this.#socket.write(bytes.subarray(offset));
        if (this.#session !== null && this.#isOpen) this.deliver();
      }
      this.#shrink();
    } catch {
      this.#gone();
    } finally {
      this.#isWriting = false;
    }
  }

  /** Gives back what a redelivery of a whole window has made the buffers grow to. */
  #shrink(): void {
    if (this.#out.length > OUT_KEPT_BYTES_MAX) this.#out = new Uint8Array(CHUNK_BYTES);
    if (this.#spare.length > OUT_KEPT_BYTES_MAX) this.#spare = new Uint8Array(CHUNK_BYTES);
  }

  #gone(): void {
    this.#isOpen = false;
    try {
      this.#socket.close();
    } catch {
      // Closed before.
    }
    if (this.#session === null) return;
    const will = this.#will;
    this.#will = null;
    this.#broker.detach(this, will, performance.now());
    this.#broker.flush();
  }
}

/** A variable byte integer in the middle of a packet. */
class VarintAt {
  value = 0;
  end: number;

  constructor(bytes: Uint8Array, start: number) {
    this.end = start;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = bytes[this.end++] ?? 128;
      this.value |= (byte & 127) << shift;
      if (byte < 128) return;
    }
    throw malformed("property length");
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

function grown(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(2 * bytes.length);
  larger.set(bytes);
  return larger;
}
