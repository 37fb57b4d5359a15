/**
 * The keys of one channel, made from the key of the attempt: one per direction, and the number that frames
 * name the channel by.
 *
 * Pure but for the digests of `node:crypto`. HMAC-SHA256 as the pseudo-random function of HKDF's second
 * step (RFC 5869, 2.3): the attempt's key is 32 random bytes already. Job, region, attempt and both ends
 * go in, so that a frame counts in one place only, in one direction, for one attempt (F4).
 *
 * @module
 */
import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { PenstockError } from "@shared/errors.ts";
import type { Attempt, RegionId } from "@shared/ids.ts";
import type { ChannelAddress } from "../runner/exchange_port.ts";

/** Bytes of the attempt's key. */
export const KEY_BYTES = 32;
/** Bytes of a frame's code; half of the digest, as RFC 2104, 5 allows. */
export const CODE_BYTES = 16;
const NUMBER_BYTES = 6;

export interface ExchangeIdentity {
  readonly jobId: string;
  readonly regionId: RegionId;
  readonly attempt: Attempt;
}

export interface ChannelKeys {
  /** 48 bits; frames name their channel by it. */
  readonly number: number;
  /** Of frames with elements, from producer to consumer. */
  readonly elements: KeyObject;
  /** Of frames with credit, from consumer to producer. */
  readonly credit: KeyObject;
}

/** @throws {PenstockError} If the attempt's key is not `KEY_BYTES` bytes of base64. */
export function attemptKey(base64: string): Uint8Array {
  const key = Uint8Array.from(decoded(base64), (character) => character.charCodeAt(0));
  if (key.length === KEY_BYTES) return key;
  throw new PenstockError(
    `Key of the exchange has ${key.length} bytes: want ${KEY_BYTES} in base64`,
    { code: "exchange-key-bad", domain: "internal" },
  );
}

function decoded(base64: string): string {
  try {
    return atob(base64);
  } catch {
    return "";
  }
}

export function channelKeys(
  key: Uint8Array,
  { jobId, regionId, attempt }: ExchangeIdentity,
  { from, to }: ChannelAddress,
): ChannelKeys {
  const derive = (purpose: string) =>
    createHmac("sha256", key)
      .update(JSON.stringify(["penstock exchange 1", purpose, jobId, regionId, attempt, from, to]))
      .digest();
  return {
    number: derive("number").readUIntBE(0, NUMBER_BYTES),
    elements: createSecretKey(derive("elements")),
    credit: createSecretKey(derive("credit")),
  };
}

/** The code of `bytes` under `key`. */
export function codeOf(key: KeyObject, bytes: Uint8Array): Uint8Array {
  return createHmac("sha256", key).update(bytes).digest().subarray(0, CODE_BYTES);
}
