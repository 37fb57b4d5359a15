/**
 * Secrets with which webhooks are signed, sealed under the secret of this hub while they are stored.
 *
 * Pure, but for the chance it is given.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import type { Random } from "@shared/random.ts";

const SECRET_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export function newChannelSecret(random: Random): string {
  return `whsec_${Buffer.from(random.bytes(SECRET_BYTES)).toString("base64url")}`;
}

/** Opens only with the same hub's secret, for the same channel. */
export function sealSecret(
  secret: string,
  of: { readonly channelId: string; readonly signingSecret: string },
  random: Random,
): string {
  const nonce = random.bytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", keyOf(of.signingSecret), nonce);
  cipher.setAAD(Buffer.from(of.channelId));
  const text = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString("base64");
}

/** @throws When it was sealed for another channel or by another hub. */
export function openSecret(
  sealed: string,
  of: { readonly channelId: string; readonly signingSecret: string },
): string {
  const bytes = Buffer.from(sealed, "base64");
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", keyOf(of.signingSecret), nonce);
  decipher.setAAD(Buffer.from(of.channelId));
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  const text = bytes.subarray(NONCE_BYTES + TAG_BYTES);
  return Buffer.concat([decipher.update(text), decipher.final()]).toString("utf8");
}

function keyOf(signingSecret: string): Buffer {
  return createHash("sha256").update(`notification-channel\n${signingSecret}`).digest();
}
