/**
 * One frame of the exchange: what one MQTT message between two agents carries.
 *
 * Pure but for the digests of `node:crypto`. Numbers are little-endian.
 *
 *   0   u8   version
 *   1   u8   kind: 1 elements, 2 elements that the next frame goes on with, 3 credit
 *   2   u32  attempt
 *   6   u48  number of the channel
 *   12  u48  elements: place of the frame in its channel, from 1; credit: 0
 *   18       body: part of a batch's body, or the credit
 *   -16      code: HMAC-SHA256 of everything before it, cut to 16 bytes
 *
 * Invariants (tests/property/exchange_frame_test.ts):
 *
 *   F3  A frame says its attempt in the clear, so that one of an old attempt is told from a forged one.
 *   F4  Nothing of a frame is used before its code was found to be right for its channel and attempt.
 *
 * @module
 */
import { type KeyObject, timingSafeEqual } from "node:crypto";
import type { Attempt } from "@shared/ids.ts";
import { CODE_BYTES, codeOf } from "./channel_key.ts";

/** Raised when the form of a frame changes. */
export const FRAME_VERSION = 1;

export type FrameKind = "elements" | "part" | "credit";

const KIND_CODES: Readonly<Record<FrameKind, number>> = { elements: 1, part: 2, credit: 3 };
const KINDS: readonly (FrameKind | undefined)[] = [undefined, "elements", "part", "credit"];

const HEAD_BYTES = 18;
/** Most of a batch's body in one frame; brokers limit messages, often to 256 KiB. */
export const FRAME_BODY_BYTES_MAX = 192 * 1024;
/** Longest frame that is taken. */
export const FRAME_BYTES_MAX: number = HEAD_BYTES + FRAME_BODY_BYTES_MAX + CODE_BYTES;

export interface FrameHead {
  readonly kind: FrameKind;
  readonly attempt: Attempt;
  readonly channel: number;
  /** 0 in a frame with credit. */
  readonly sequence: number;
}

/** What a message claims to be, before its code was checked. */
export type ClaimedFrame =
  | { readonly kind: "claimed"; readonly head: FrameHead }
  | { readonly kind: "malformed"; readonly detail: string };

/** The bytes of one frame; `body` is at most `FRAME_BODY_BYTES_MAX`. */
export function encodeFrame(head: FrameHead, body: Uint8Array, key: KeyObject): Uint8Array {
  const frame = new Uint8Array(HEAD_BYTES + body.length + CODE_BYTES);
  const view = new DataView(frame.buffer);
  view.setUint8(0, FRAME_VERSION);
  view.setUint8(1, KIND_CODES[head.kind]);
  view.setUint32(2, head.attempt, true);
  setUint48(view, 6, head.channel);
  setUint48(view, 12, head.sequence);
  frame.set(body, HEAD_BYTES);
  const end = HEAD_BYTES + body.length;
  frame.set(codeOf(key, frame.subarray(0, end)), end);
  return frame;
}

/** Reads what anybody could have written: to find the key by, for nothing else. */
export function claimedFrame(frame: Uint8Array): ClaimedFrame {
  if (frame.length < HEAD_BYTES + CODE_BYTES || frame.length > FRAME_BYTES_MAX) {
    return { kind: "malformed", detail: `${frame.length} bytes` };
  }
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const version = view.getUint8(0);
  if (version !== FRAME_VERSION) return { kind: "malformed", detail: `version ${version}` };
  const kind = KINDS[view.getUint8(1)];
  if (kind === undefined) return { kind: "malformed", detail: `kind ${view.getUint8(1)}` };
  return {
    kind: "claimed",
    head: {
      kind,
      attempt: view.getUint32(2, true) as Attempt,
      channel: getUint48(view, 6),
      sequence: getUint48(view, 12),
    },
  };
}

/** The body, a view on `frame`; null if the frame was not made with `key`. */
export function authenticBody(frame: Uint8Array, key: KeyObject): Uint8Array | null {
  const end = frame.length - CODE_BYTES;
  const code = codeOf(key, frame.subarray(0, end));
  return timingSafeEqual(code, frame.subarray(end)) ? frame.subarray(HEAD_BYTES, end) : null;
}

function setUint48(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 0x1_0000_0000, true);
  view.setUint16(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

function getUint48(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint16(at + 4, true) * 0x1_0000_0000;
}
