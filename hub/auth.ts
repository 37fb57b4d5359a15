/**
 * Who is calling: secrets, their hashes, roles, sessions of the dashboard.
 *
 * Pure but for the database lookups of `identify`. Every secret is a prefix that names its kind and 32
 * random bytes; the database holds its SHA-256 alone (S19).
 *
 *   pst_<secret>            API token of a person or program: viewer, operator or admin
 *   pag_<secret>            credential of one agent
 *   pj_<hub>_<secret>       join token: one use, at most an hour unless asked otherwise (S1)
 *   psn.<token id>.<expiry>.<mac>   session cookie: stands for an API token until expiry or revocation
 *
 * `<hub>` is the first half of a hash of the hub's identity, shown at /version: an agent compares it
 * before it sends the secret, so a token is not handed to a hub it was not made for. Over plain http
 * that tells hubs apart but proves nothing; over https the certificate does.
 *
 * @module
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";
import type { Role } from "@shared/api.ts";
import type { AgentId } from "@shared/ids.ts";
import type { Random } from "@shared/random.ts";
import { findAgentByCredential } from "./db/agent_store.ts";
import type { Db } from "./db/client.ts";
import { findApiToken, getApiToken } from "./db/token_store.ts";

export const SESSION_COOKIE = "penstock_session";
export const SESSION_TTL_MS = 12 * 3_600_000;
export const JOIN_TOKEN_TTL_MS = 3_600_000;
const SECRET_BYTES = 32;
const HUB_ID_LENGTH = 16;
/** Longest bearer text looked at; anything longer is no secret of ours. */
const SECRET_LENGTH_MAX = 200;

/** The caller of one request. */
export interface Principal {
  readonly role: Role;
  /** `token:<id>` or `agent:<id>`: what the audit log names. */
  readonly name: string;
  /** Shown to people, such as `admin`. */
  readonly displayName: string;
  readonly agentId: AgentId | null;
  /** True when the browser's cookie vouched: such requests are checked for their origin. */
  readonly isSession: boolean;
}

const RANK: Readonly<Record<Exclude<Role, "agent">, number>> = { viewer: 1, operator: 2, admin: 3 };

/** Whether `role` may do what needs `needed`; agents may do nothing that people do. */
export function mayAct(role: Role, needed: Exclude<Role, "agent">): boolean {
  return role !== "agent" && RANK[role] >= RANK[needed];
}

export function newApiSecret(random: Random): string {
  return `pst_${secretText(random)}`;
}

export function newAgentCredential(random: Random): string {
  return `pag_${secretText(random)}`;
}

export function newJoinSecret(random: Random, hubId: string): string {
  return `pj_${hubId}_${secretText(random)}`;
}

/** SHA-256 of a secret, hex: what the database holds. */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** The hub's public identity, made of its signing secret: the same ever after over one database. */
export function hubIdOf(signingSecret: string): string {
  return createHash("sha256").update(`penstock-hub-id:${signingSecret}`).digest("hex")
    .slice(0, HUB_ID_LENGTH);
}

/** The secret of `Authorization: Bearer …`, or null. */
export function bearerOf(header: string | null | undefined): string | null {
  const match = /^Bearer ([\x21-\x7e]+)$/i.exec(header ?? "");
  const secret = match?.[1];
  return secret === undefined || secret.length > SECRET_LENGTH_MAX ? null : secret;
}

/** Cookie value that stands for the token `tokenId` until `expiresAtMs`. */
export function signSession(signingSecret: string, tokenId: string, expiresAtMs: number): string {
  const payload = `psn.${tokenId}.${expiresAtMs}`;
  return `${payload}.${sessionMac(signingSecret, payload)}`;
}

/** @returns The id of the API token behind the cookie, or null if it is forged or over. */
export function verifySession(signingSecret: string, cookie: string, nowMs: number): string | null {
  const match = /^(psn\.([0-9a-zA-Z-]{1,64})\.(\d{1,16}))\.([0-9A-Za-z_-]{43})$/.exec(cookie);
  if (match === null) return null;
  const [, payload, tokenId, expiresAtMs, mac] = match;
  if (!sameText(mac!, sessionMac(signingSecret, payload!))) return null;
  return Number(expiresAtMs) > nowMs ? tokenId! : null;
}

/** The principal of a bearer secret or a session cookie; null when neither is known. */
export async function identify(
  db: Db,
  presented: { readonly bearer: string | null; readonly cookie: string | null },
  world: { readonly signingSecret: string; readonly nowMs: number },
): Promise<Principal | null> {
  if (presented.bearer !== null) return await identifyBearer(db, presented.bearer, world.nowMs);
  if (presented.cookie === null) return null;
  const tokenId = verifySession(world.signingSecret, presented.cookie, world.nowMs);
  if (tokenId === null) return null;
  const token = await getApiToken(db, tokenId, world.nowMs);
  return token === null ? null : personOf(token, true);
}

/** The API token or agent behind a bearer secret. */
export async function identifyBearer(
  db: Db,
  bearer: string,
  nowMs: number,
): Promise<Principal | null> {
  const hash = hashSecret(bearer);
  if (bearer.startsWith("pst_")) {
    const token = await findApiToken(db, hash, nowMs);
    return token !== null && sameText(token.secretHash, hash) ? personOf(token, false) : null;
  }
  if (!bearer.startsWith("pag_")) return null;
  const agent = await findAgentByCredential(db, hash);
  if (agent === null) return null;
  return {
    role: "agent",
    name: `agent:${agent.id}`,
    displayName: agent.name,
    agentId: agent.id,
    isSession: false,
  };
}

function personOf(token: { id: string; name: string; role: Role }, isSession: boolean): Principal {
  return {
    role: token.role,
    name: `token:${token.id}`,
    displayName: token.name,
    agentId: null,
    isSession,
  };
}

function secretText(random: Random): string {
  return Buffer.from(random.bytes(SECRET_BYTES)).toString("base64url");
}

function sessionMac(signingSecret: string, payload: string): string {
  return createHmac("sha256", signingSecret).update(payload).digest("base64url");
}

/** Compares in a time that does not depend on where the texts differ. */
function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
