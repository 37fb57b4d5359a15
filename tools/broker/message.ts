/**
 * A published message as the broker keeps it: its bytes as they came, and where the parts lie.
 *
 * Pure. The body of a PUBLISH at QoS 1 goes out as it came in, but for its packet id.
 *
 * @module
 */
export class Message {
  /** Body of the PUBLISH it came in; may be a part of a larger buffer. */
  readonly bytes: Uint8Array;
  /** One char a byte. */
  readonly topic: string;
  readonly qos: number;
  readonly isRetained: boolean;
  readonly #topicEnd: number;
  readonly #propertiesStart: number;
  readonly #payloadStart: number;

  constructor(
    bytes: Uint8Array,
    topic: string,
    parts: {
      readonly qos: number;
      readonly isRetained: boolean;
      readonly topicEnd: number;
      /** Where the property length begins; equals `payloadStart` when it came without (3.1.1). */
      readonly propertiesStart: number;
      readonly payloadStart: number;
    },
  ) {
    this.bytes = bytes;
    this.topic = topic;
    this.qos = parts.qos;
    this.isRetained = parts.isRetained;
    this.#topicEnd = parts.topicEnd;
    this.#propertiesStart = parts.propertiesStart;
    this.#payloadStart = parts.payloadStart;
  }

  /** The same message in bytes of its own, to keep for long. */
  copy(): Message {
    return new Message(this.bytes.slice(), this.topic, {
      qos: this.qos,
      isRetained: this.isRetained,
      topicEnd: this.#topicEnd,
      propertiesStart: this.#propertiesStart,
      payloadStart: this.#payloadStart,
    });
  }

  get payloadBytes(): number {
    return this.bytes.length - this.#payloadStart;
  }

  /** Longest PUBLISH packet this message can become. */
  get packetBytesMax(): number {
    return this.bytes.length + 8;
  }

  /**
   * Writes a PUBLISH into `out` at `start`, which has room for `packetBytesMax`.
   *
   * @returns Where it ends.
   */
  encode(
    out: Uint8Array,
    start: number,
    as: { qos: number; packetId: number; isDup: boolean; isRetained: boolean; isVersion5: boolean },
  ): number {
    const hasProperties = this.#propertiesStart < this.#payloadStart;
    const propertyBytes = !as.isVersion5
      ? 0
      : hasProperties
      ? this.#payloadStart - this.#propertiesStart
      : 1;
    const idBytes = as.qos === 0 ? 0 : 2;
    const length = this.#topicEnd + idBytes + propertyBytes + this.payloadBytes;
    let at = start;
    out[at++] = 0x30 | (as.isDup ? 8 : 0) | (as.qos << 1) | (as.isRetained ? 1 : 0);
    let rest = length;
    while (rest > 127) {
      out[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    out[at++] = rest;
    if (length === this.bytes.length && as.qos === this.qos) out.set(this.bytes, at);
    else {
      out.set(this.bytes.subarray(0, this.#topicEnd), at);
      const propertiesAt = at + this.#topicEnd + idBytes;
      if (hasProperties && as.isVersion5) {
        out.set(this.bytes.subarray(this.#propertiesStart, this.#payloadStart), propertiesAt);
      } else if (as.isVersion5) out[propertiesAt] = 0;
      out.set(this.bytes.subarray(this.#payloadStart), propertiesAt + propertyBytes);
    }
    if (as.qos > 0) {
      out[at + this.#topicEnd] = as.packetId >> 8;
      out[at + this.#topicEnd + 1] = as.packetId & 0xff;
    }
    return at + length;
  }
}
