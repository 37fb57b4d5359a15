/**
 * Cuts the bytes of one connection into MQTT packets, without an object or a promise per message.
 *
 * Pure but for its own buffer. Incoming PUBLISHes are described by one reused `InboundMessage` whose ranges
 * point into the buffer; they are valid only during the callback. A PUBLISH longer than the limit is
 * reported with its first bytes and skipped, however long it is.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { malformed, PACKET } from "./mqtt_packets.ts";

/** One read from the network. */
export const CHUNK_BYTES = 256 * 1024;

/** What of an oversize message is kept to tell it from others and to show it. */
const EXCERPT_BYTES = 1024;
const PROPERTY_BYTES_MAX = 64 * 1024;
const TOPIC_BYTES_MAX = 65_535;
/** Longest packet other than PUBLISH that a broker has reason to send. */
const CONTROL_BYTES_MAX = 128 * 1024;

export interface PacketSink {
  message(message: InboundMessage): void;
  /** `body` is valid during the call only. */
  control(type: number, body: Uint8Array): void;
}

/** One PUBLISH; reused for the next. */
export class InboundMessage {
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(this.bytes.buffer);
  topicStart = 0;
  topicEnd = 0;
  payloadStart = 0;
  payloadEnd = 0;
  /** 0 at QoS 0. */
  packetId = 0;
  qos = 0;
  isRetained = false;
  /** The payload range holds the first bytes only: the message is longer than the limit. */
  isTruncated = false;
  #chunkText: string | null = null;
  #chunkStart = 0;
  #chunkEnd = 0;

  get payloadBytes(): number {
    return this.payloadEnd - this.payloadStart;
  }

  topic(): string {
    return Buffer.from(this.bytes.buffer, this.topicStart, this.topicEnd - this.topicStart)
      .toString("utf8");
  }

  /** A copy of the payload, to keep. */
  payload(): Uint8Array {
    return this.bytes.slice(this.payloadStart, this.payloadEnd);
  }

  /** The payload as text; `isAscii` if no byte of it is above 0x7f. */
  text(isAscii: boolean): string {
    if (!isAscii) {
      return Buffer.from(this.bytes.buffer, this.payloadStart, this.payloadBytes).toString("utf8");
    }
    // One conversion per chunk; the parts are slices that JSON.parse reads in place.
    this.#chunkText ??= Buffer
      .from(this.bytes.buffer, this.#chunkStart, this.#chunkEnd - this.#chunkStart)
      .toString("latin1");
    return this.#chunkText.substring(
      this.payloadStart - this.#chunkStart,
      this.payloadEnd - this.#chunkStart,
    );
  }

  /** New bytes are in the buffer. */
  chunk(bytes: Uint8Array, view: DataView, start: number, end: number): void {
    this.bytes = bytes;
    this.view = view;
    this.#chunkText = null;
    this.#chunkStart = start;
    this.#chunkEnd = end;
  }
}

export class PacketReader {
  /** While true, `parse` does nothing and leaves what has come in where it is. */
  isHeld = false;

  #bytes = new Uint8Array(CHUNK_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #end = 0;
  /** Bytes of an oversize message still to be passed over. */
  #skipBytes = 0;
  readonly #message = new InboundMessage();
  readonly #packetBytesMax: number;

  constructor(options: { readonly maxPayloadBytes: number }) {
    this.#packetBytesMax = options.maxPayloadBytes + PROPERTY_BYTES_MAX + TOPIC_BYTES_MAX + 8;
  }

  /** Where the next read goes. Moves what is left over to the front. */
  space(): Uint8Array {
    if (this.#start > 0) {
      this.#bytes.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    if (this.#end === this.#bytes.length) {
      const grown = new Uint8Array(2 * this.#bytes.length);
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return this.#bytes.subarray(this.#end);
  }

  /** `count` bytes were read into `space()`. */
  filled(count: number): void {
    this.#end += count;
    this.#message.chunk(this.#bytes, this.#view, this.#start, this.#end);
  }

  /**
   * Hands out every packet that is complete, until held.
   *
   * @throws {PenstockError} `malformed-packet`.
   */
  parse(sink: PacketSink): void {
    while (!this.isHeld && this.#next(sink));
  }

  /** One packet; false if it is not complete. */
  #next(sink: PacketSink): boolean {
    if (this.#skipBytes > 0) return this.#skip();
    const bytes = this.#bytes;
    let at = this.#start + 1;
    let length = 0;
    for (let shift = 0;; shift += 7) {
      if (at >= this.#end) return false;
      const byte = bytes[at++]!;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
      if (shift === 21) throw malformed("remaining length of more than 4 bytes");
    }
    const first = bytes[this.#start]!;
    const type = first >> 4;
    const isPublish = type === PACKET.PUBLISH;
    if (isPublish && length > this.#packetBytesMax) return this.#oversize(first, at, length, sink);
    if (!isPublish && length > CONTROL_BYTES_MAX) {
      throw malformed(`packet of type ${type} has ${length} bytes`);
    }
    const end = at + length;
    if (end > this.#end) return false;
    this.#start = end;
    if (isPublish) this.#publish(first, at, end, sink);
    else sink.control(type, bytes.subarray(at, end));
    return true;
  }

  #publish(first: number, start: number, end: number, sink: PacketSink): void {
    const bytes = this.#bytes;
    const message = this.#message;
    let at = this.#head(first, start, end);
    // Properties: nothing in them is used, so they are passed over.
    let length = 0;
    for (let shift = 0;; shift += 7) {
      if (at >= end || shift > 21) throw malformed("PUBLISH without properties");
      const byte = bytes[at++]!;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    at += length;
    if (at > end) throw malformed("PUBLISH properties run over its end");
    message.payloadStart = at;
    message.payloadEnd = end;
    message.isTruncated = false;
    sink.message(message);
  }

  /** Topic and packet id of a PUBLISH; returns where its properties begin. */
  #head(first: number, start: number, end: number): number {
    const bytes = this.#bytes;
    const message = this.#message;
    const qos = (first >> 1) & 3;
    const topicStart = start + 2;
    const topicEnd = topicStart + ((bytes[start]! << 8) | bytes[start + 1]!);
    const headEnd = topicEnd + (qos === 0 ? 0 : 2);
    if (start + 2 > end || headEnd > end) throw malformed("PUBLISH topic runs over its end");
    if (qos > 1) throw malformed(`PUBLISH at QoS ${qos}, subscribed at most at 1`);
    if (topicEnd === topicStart) throw malformed("PUBLISH by topic alias, none was allowed");
    message.topicStart = topicStart;
    message.topicEnd = topicEnd;
    message.packetId = qos === 0 ? 0 : (bytes[topicEnd]! << 8) | bytes[topicEnd + 1]!;
    message.qos = qos;
    message.isRetained = (first & 1) === 1;
    return headEnd;
  }

  /** Reports a message over the limit by its topic and what follows its packet id; skips the rest. */
  #oversize(first: number, start: number, length: number, sink: PacketSink): boolean {
    const end = start + length;
    if (this.#end - start < 2) return false;
    const topicBytes = (this.#bytes[start]! << 8) | this.#bytes[start + 1]!;
    const excerptEnd = Math.min(end, start + 2 + topicBytes + 2 + EXCERPT_BYTES);
    if (this.#end < excerptEnd) return false;
    this.#message.payloadStart = this.#head(first, start, end);
    this.#message.payloadEnd = excerptEnd;
    this.#message.isTruncated = true;
    this.#start = excerptEnd;
    this.#skipBytes = end - excerptEnd;
    sink.message(this.#message);
    return true;
  }

  #skip(): boolean {
    const count = Math.min(this.#skipBytes, this.#end - this.#start);
    this.#start += count;
    this.#skipBytes -= count;
    return count > 0;
  }
}
