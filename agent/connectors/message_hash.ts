/**
 * Hash that tells one message of a session from another: 32 bits over topic and payload.
 *
 * Pure. Kept in snapshots, so its values are frozen by a golden test. Four bytes a step, mixed as in
 * MurmurHash3 (Austin Appleby, public domain); the lengths go in first, so the seam between topic and payload counts.
 *
 * @module
 */
import type { InboundMessage } from "./mqtt_packet_reader.ts";

const SEED = 0x50454e53;

export class MessageHash {
  /** Whether the payload last hashed has no byte above 0x7f. */
  isAscii = true;

  /** @returns Unsigned 32 bits. */
  of(message: InboundMessage): number {
    const { view, topicStart, topicEnd, payloadStart, payloadEnd } = message;
    let hash = SEED ^ (topicEnd - topicStart);
    hash = this.#range(hash, view, topicStart, topicEnd);
    hash = this.#range(hash ^ (payloadEnd - payloadStart), view, payloadStart, payloadEnd);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  #range(seed: number, view: DataView, start: number, end: number): number {
    let hash = seed;
    let seen = 0;
    let at = start;
    for (; at + 4 <= end; at += 4) {
      const word = view.getInt32(at, true);
      seen |= word;
      hash = mix(hash, word);
    }
    if (at < end) {
      let word = 0;
      for (let shift = 0; at < end; at += 1, shift += 8) word |= view.getUint8(at) << shift;
      seen |= word;
      hash = mix(hash, word);
    }
    this.isAscii = (seen & 0x80808080) === 0;
    return hash;
  }
}

function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const mixed = hash ^ Math.imul(k, 0x1b873593);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}
