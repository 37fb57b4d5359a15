/**
 * The rare packets of MQTT 5 as bytes: everything but an incoming PUBLISH, which `mqtt_packet_reader` cuts.
 *
 * Pure. Source: MQTT Version 5.0, OASIS Standard, 7 March 2019; section numbers in brackets.
 *
 * @module
 */
import { PenstockError } from "@shared/errors.ts";

export const PACKET = {
  CONNECT: 1,
  CONNACK: 2,
  PUBLISH: 3,
  PUBACK: 4,
  SUBSCRIBE: 8,
  SUBACK: 9,
  UNSUBSCRIBE: 10,
  UNSUBACK: 11,
  PINGREQ: 12,
  PINGRESP: 13,
  DISCONNECT: 14,
} as const;

/** Property identifiers [2.2.2.2] that this project reads or writes. */
export const PROPERTY = {
  SESSION_EXPIRY_SECONDS: 0x11,
  SERVER_KEEP_ALIVE_SECONDS: 0x13,
  REASON_TEXT: 0x1f,
  WILL_DELAY_SECONDS: 0x18,
  RECEIVE_MAXIMUM: 0x21,
  MAXIMUM_QOS: 0x24,
  ASSIGNED_CLIENT_ID: 0x12,
  USER: 0x26,
  MAXIMUM_PACKET_BYTES: 0x27,
} as const;

export const SESSION_TAKEN_OVER = 0x8e;

const REASONS: Readonly<Record<number, string>> = {
  0x80: "unspecified error",
  0x81: "malformed packet",
  0x82: "protocol error",
  0x84: "unsupported protocol version",
  0x85: "client id not valid",
  0x86: "bad user name or password",
  0x87: "not authorized",
  0x88: "server unavailable",
  0x89: "server busy",
  0x8a: "banned",
  0x8b: "server shutting down",
  0x8d: "keep-alive timeout",
  0x8e: "session taken over",
  0x8f: "topic filter not valid",
  0x93: "receive maximum exceeded",
  0x95: "packet too large",
  0x97: "quota exceeded",
  0x98: "administrative action",
};

/** `not authorized (0x87)`. */
export function reasonText(reasonCode: number): string {
  return `${REASONS[reasonCode] ?? "reason"} (0x${reasonCode.toString(16).padStart(2, "0")})`;
}

export interface ConnectOptions {
  readonly clientId: string;
  readonly username: string | null;
  readonly password: string | null;
  readonly keepAliveSeconds: number;
  readonly sessionExpirySeconds: number;
  /** Most unacknowledged QoS 1 messages the broker may send, 1..65535. */
  readonly receiveMaximum: number;
  /** The broker forgets what it kept for this client id; default false. */
  readonly isCleanStart?: boolean;
}

/**
 * CONNECT [3.1], with Clean Start 0 unless asked otherwise. Never carries Maximum Packet Size: the broker would discard larger
 * messages silently (M9). Never carries Topic Alias Maximum: topics come in full.
 */
export function encodeConnect(options: ConnectOptions): Uint8Array {
  const body = new ByteWriter();
  const flags = (options.username === null ? 0 : 0x80) | (options.password === null ? 0 : 0x40) |
    (options.isCleanStart === true ? 0x02 : 0);
  body.text("MQTT").byte(5).byte(flags).uint16(options.keepAliveSeconds);
  const properties = new ByteWriter();
  properties.byte(PROPERTY.SESSION_EXPIRY_SECONDS).uint32(options.sessionExpirySeconds);
  properties.byte(PROPERTY.RECEIVE_MAXIMUM).uint16(options.receiveMaximum);
  body.block(properties);
  body.text(options.clientId);
  if (options.username !== null) body.text(options.username);
  if (options.password !== null) body.text(options.password);
  return packet(PACKET.CONNECT << 4, body);
}

/** SUBSCRIBE at QoS 1, Retain Handling 2, Retain As Published 0 [3.8]. */
export function encodeSubscribe(packetId: number, filters: readonly string[]): Uint8Array {
  const body = new ByteWriter().uint16(packetId).byte(0);
  for (const filter of filters) body.text(filter).byte(0x21);
  return packet((PACKET.SUBSCRIBE << 4) | 2, body);
}

/** PUBLISH at QoS 1, not retained, without properties [3.3]. */
export function encodePublish(topic: string, packetId: number, payload: Uint8Array): Uint8Array {
  const body = new ByteWriter().text(topic).uint16(packetId).byte(0).raw(payload);
  return packet((PACKET.PUBLISH << 4) | 2, body);
}

/** Most bytes of a PUBLISH beside its topic and payload: a head of 5, a length and a packet id of 2, properties of 1. */
export const PUBLISH_FRAMING_BYTES_MAX = 10;

/** PUBACKs of success [3.4], one after the other. */
export function encodePubacks(packetIds: Uint16Array): Uint8Array {
  const bytes = new Uint8Array(4 * packetIds.length);
  let at = 0;
  for (const id of packetIds) {
    bytes[at] = PACKET.PUBACK << 4;
    bytes[at + 1] = 2;
    bytes[at + 2] = id >> 8;
    bytes[at + 3] = id & 0xff;
    at += 4;
  }
  return bytes;
}

export const PINGREQ_BYTES: Uint8Array = Uint8Array.of(PACKET.PINGREQ << 4, 0);
/** Normal disconnection: no will, the session stays [3.14]. */
export const DISCONNECT_BYTES: Uint8Array = Uint8Array.of(PACKET.DISCONNECT << 4, 0);

/** Normal disconnection with Session Expiry 0: the broker forgets the session [3.14.2.2.2]. */
export const DISCONNECT_AND_FORGET_BYTES: Uint8Array = Uint8Array.of(
  ...[PACKET.DISCONNECT << 4, 7, 0],
  ...[5, PROPERTY.SESSION_EXPIRY_SECONDS, 0, 0, 0, 0],
);

export type PropertyValue = number | string | Uint8Array;
export type Properties = ReadonlyMap<number, PropertyValue>;

/** What the broker granted in CONNACK; null where it did not say, which means what was asked (M7). */
export interface BrokerProfile {
  readonly isSessionPresent: boolean;
  /** Most unacknowledged messages the broker takes from us. */
  readonly receiveMaximum: number;
  readonly sessionExpirySeconds: number | null;
  readonly maximumQos: number;
  /** Longest packet the broker takes from us. */
  readonly maximumPacketBytes: number | null;
  readonly serverKeepAliveSeconds: number | null;
}

/** CONNACK [3.2]: reason code, and the profile when it is 0. */
export function decodeConnack(body: Uint8Array): { reasonCode: number; profile: BrokerProfile } {
  const reader = new ByteReader(body);
  const isSessionPresent = (reader.byte() & 1) === 1;
  const reasonCode = reader.byte();
  const properties = reader.hasMore ? reader.properties() : new Map<number, PropertyValue>();
  const numberOf = (id: number) => {
    const value = properties.get(id);
    return typeof value === "number" ? value : null;
  };
  return {
    reasonCode,
    profile: {
      isSessionPresent,
      receiveMaximum: numberOf(PROPERTY.RECEIVE_MAXIMUM) ?? 65_535,
      sessionExpirySeconds: numberOf(PROPERTY.SESSION_EXPIRY_SECONDS),
      maximumQos: numberOf(PROPERTY.MAXIMUM_QOS) ?? 2,
      maximumPacketBytes: numberOf(PROPERTY.MAXIMUM_PACKET_BYTES),
      serverKeepAliveSeconds: numberOf(PROPERTY.SERVER_KEEP_ALIVE_SECONDS),
    },
  };
}

/** SUBACK [3.9]: one reason code per filter; 0..2 is the granted QoS. */
export function decodeSuback(body: Uint8Array): { packetId: number; reasonCodes: number[] } {
  const reader = new ByteReader(body);
  const packetId = reader.uint16();
  reader.properties();
  return { packetId, reasonCodes: [...reader.rest()] };
}

/** PUBACK from the broker [3.4]: its reason code; 0x80 and above is a refusal. */
export function decodePuback(body: Uint8Array): number {
  return body[2] ?? 0;
}

/** DISCONNECT from the broker [3.14]: its reason code. */
export function decodeDisconnect(body: Uint8Array): number {
  return body.length === 0 ? 0 : body[0]!;
}

/** A whole packet: fixed header, then the body. */
export function packet(firstByte: number, body: ByteWriter): Uint8Array {
  return new ByteWriter().byte(firstByte).block(body).bytes();
}

/** Appends the data types of MQTT [1.5]. */
export class ByteWriter {
  #bytes = new Uint8Array(128);
  #length = 0;

  byte(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  uint16(value: number): this {
    return this.byte(value >> 8).byte(value & 0xff);
  }

  uint32(value: number): this {
    return this.uint16(value >>> 16).uint16(value & 0xffff);
  }

  text(value: string): this {
    const bytes = new TextEncoder().encode(value);
    if (bytes.length > 65_535) throw malformed(`text of ${bytes.length} bytes`);
    return this.uint16(bytes.length).raw(bytes);
  }

  varint(value: number): this {
    let rest = value;
    while (rest > 127) {
      this.byte((rest & 127) | 128);
      rest >>>= 7;
    }
    return this.byte(rest);
  }

  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Length as a variable byte integer, then the bytes. */
  block(inner: ByteWriter): this {
    const bytes = inner.bytes();
    return this.varint(bytes.length).raw(bytes);
  }

  /** A view on what was written; valid until the next write. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * (this.#length + count));
    grown.set(this.bytes());
    this.#bytes = grown;
  }
}

/**
 * Reads the data types of MQTT [1.5] off one packet's body.
 *
 * @throws {PenstockError} `malformed-packet` from every method that finds too few bytes.
 */
export class ByteReader {
  #at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get hasMore(): boolean {
    return this.#at < this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw malformed(`ends after ${this.#at} bytes`);
    this.#at += 1;
    return value;
  }

  uint16(): number {
    return (this.byte() << 8) | this.byte();
  }

  uint32(): number {
    return this.uint16() * 65_536 + this.uint16();
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw malformed("variable byte integer of more than 4 bytes");
  }

  /** A view on the next `length` bytes. */
  raw(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw malformed(`wants ${length} bytes at ${this.#at}`);
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  binary(): Uint8Array {
    return this.raw(this.uint16());
  }

  text(): string {
    return new TextDecoder().decode(this.binary());
  }

  rest(): Uint8Array {
    return this.raw(this.#bytes.length - this.#at);
  }

  /** Properties [2.2.2]; of a repeated one, the last. User properties are skipped. */
  properties(): Map<number, PropertyValue> {
    const inner = new ByteReader(this.raw(this.varint()));
    const found = new Map<number, PropertyValue>();
    while (inner.hasMore) {
      const id = inner.varint();
      if (id === PROPERTY.USER) {
        inner.binary();
        inner.binary();
      } else found.set(id, inner.#propertyValue(id));
    }
    return found;
  }

  #propertyValue(id: number): PropertyValue {
    switch (id) {
      case 0x01:
      case 0x17:
      case 0x19:
      case 0x24:
      case 0x25:
      case 0x28:
      case 0x29:
      case 0x2a:
        return this.byte();
      case 0x13:
      case 0x21:
      case 0x22:
      case 0x23:
        return this.uint16();
      case 0x02:
      case 0x11:
      case 0x18:
      case 0x27:
        return this.uint32();
      case 0x0b:
        return this.varint();
      case 0x09:
      case 0x16:
        return this.binary();
      case 0x03:
      case 0x08:
      case 0x12:
      case 0x15:
      case 0x1a:
      case 0x1c:
      case 0x1f:
        return this.text();
      default:
        throw malformed(`property 0x${id.toString(16)} is not known`);
    }
  }
}

/** The other side broke the protocol; the connection is of no more use. */
export function malformed(found: string): PenstockError {
  return new PenstockError(`MQTT packet is malformed: ${found}`, {
    code: "malformed-packet",
    domain: "external",
    isRetryable: true,
  });
}
