/**
 * Changes asked for over REST: one transaction holds the change, its audit row and the answer that a
 * repeated `Idempotency-Key` gets.
 *
 * Touches the database.
 *
 * 1. The answer leaves after the commit: what a 202 promises is durable (H2).
 * 2. A change commits only under this hub's reign (F2).
 * 3. A key means one request: same body, same answer; another body is refused; the answers of changes
 *    that failed are not kept, so the call may be repeated.
 * 4. Answers that hold a secret are stored sealed under the caller's own secret and key.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { getCookie } from "hono/cookie";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { assert } from "@shared/assert.ts";
import { bearerOf, SESSION_COOKIE } from "../auth.ts";
import { appendAudit } from "../db/audit_store.ts";
import type { Db } from "../db/client.ts";
import { withReign } from "../db/hub_state_store.ts";
import {
  abandonRequest,
  beginRequest,
  finishRequest,
  type IdempotencyKey,
  type StoredAnswer,
} from "../db/idempotency_store.ts";
import { createOperation, type NewOperation, operationViews } from "../db/operation_store.ts";
import { type HubRequest, Refusal, type RouteDeps } from "./http.ts";

/** Seconds after which a caller should look at a fresh operation. */
const RETRY_AFTER_SECONDS = 1;
const KEY_PATTERN = /^[\x21-\x7e]{1,255}$/;
const SEALED_PREFIX = "sealed-answer:";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What a change did, to be answered and kept. */
export interface Change {
  readonly status: 200 | 201 | 202 | 204;
  /** Null with 204. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly audit: {
    readonly action: string;
    readonly subject: string;
    readonly reason?: string;
    readonly fields?: Readonly<Record<string, unknown>>;
  };
  /** The answer holds a secret that is shown once. */
  readonly isSecret?: boolean;
  /** Runs after the commit; not on a replay. */
  readonly after?: () => void;
}

export interface Actor {
  readonly name: string;
  readonly role: string;
  /** What the caller alone holds, where it is neither its bearer nor its cookie. */
  readonly secret?: string;
}

/**
 * Carries a change out once.
 *
 * @param prepare Everything that needs no transaction; what it returns runs inside one and must use
 *   the handle it is given.
 */
export async function change(
  c: HubRequest,
  deps: RouteDeps,
  prepare: () => Promise<(tx: Db) => Promise<Change>> | ((tx: Db) => Promise<Change>),
  actor: Actor = c.get("principal"),
): Promise<Response> {
  const key = keyOf(c, actor);
  if (key === null) return await commit(c, deps, await prepare(), actor, null);
  const begun = await beginRequest(deps.hub.db, {
    ...key,
    requestHash: await requestHash(c),
    nowMs: deps.hub.clock.nowMs(),
  });
  switch (begun.kind) {
    case "answered":
      return replay(c, actor, begun.answer);
    case "mismatch":
      throw new Refusal(
        422,
        "idempotency-key-reused",
        `The Idempotency-Key "${key.key}" belongs to another request: use a new one`,
      );
    case "under-way":
      throw new Refusal(
        409,
        "request-under-way",
        `The first request with the Idempotency-Key "${key.key}" is still under way: repeat later`,
        {},
        { "retry-after": String(RETRY_AFTER_SECONDS) },
      );
    case "new":
      try {
        return await commit(c, deps, await prepare(), actor, key);
      } catch (thrown) {
        // Harmless where the commit succeeded after all: an answered row stays.
        await abandonRequest(deps.hub.db, key);
        throw thrown;
      }
  }
}

/** A change whose work goes on as an operation: 202 with its place. */
export async function accept(
  tx: Db,
  operation: NewOperation,
  audit: Change["audit"],
  after: () => void,
): Promise<Change> {
  const [view] = await operationViews(tx, [await createOperation(tx, operation)]);
  assert(view !== undefined, "An operation has a view");
  return {
    status: 202,
    body: view,
    headers: {
      "location": `/api/v1/operations/${view.id}`,
      "retry-after": String(RETRY_AFTER_SECONDS),
    },
    audit: { ...audit, fields: { ...audit.fields, operationId: view.id } },
    after,
  };
}

async function commit(
  c: HubRequest,
  deps: RouteDeps,
  run: (tx: Db) => Promise<Change>,
  actor: Actor,
  key: IdempotencyKey | null,
): Promise<Response> {
  const { hub } = deps;
  const { done, answer } = await withReign(hub.db, hub.hubTerm, async (tx) => {
    const done = await run(tx);
    await appendAudit(tx, {
      atMs: hub.clock.nowMs(),
      principal: actor.name,
      role: actor.role,
      action: done.audit.action,
      subject: done.audit.subject,
      reason: done.audit.reason ?? null,
      outcome: done.status === 202 ? "accepted" : "done",
      remoteAddress: c.env.remoteAddress,
      fields: done.audit.fields ?? {},
    });
    const body = done.status === 204 ? "" : JSON.stringify(done.body);
    const answer: StoredAnswer = { status: done.status, headers: done.headers ?? {}, body };
    if (key !== null) {
      const nonce = hub.random.bytes(NONCE_BYTES);
      const stored = done.isSecret === true
        ? { ...answer, headers: {}, body: seal(sealingKey(c, actor, key.key), answer, nonce) }
        : answer;
      await finishRequest(tx, key, stored);
    }
    return { done, answer };
  });
  done.after?.();
  return respond(c, answer);
}

function replay(c: HubRequest, actor: Actor, stored: StoredAnswer): Response {
  const key = c.req.header("idempotency-key") ?? "";
  const answer = unseal(sealingKey(c, actor, key), stored);
  const headers = { ...answer.headers, "idempotency-replayed": "true" };
  return respond(c, { ...answer, headers });
}

function respond(c: HubRequest, answer: StoredAnswer): Response {
  if (answer.status === 204) return c.body(null, 204, { ...answer.headers });
  const headers = { "content-type": "application/json", ...answer.headers };
  return c.body(answer.body, answer.status as ContentfulStatusCode, headers);
}

/** The key of a POST, bound to its caller; null when it carries none. */
function keyOf(c: HubRequest, actor: Actor): IdempotencyKey | null {
  const key = c.req.header("idempotency-key");
  if (key === undefined || c.req.method !== "POST") return null;
  if (!KEY_PATTERN.test(key)) {
    throw new Refusal(
      400,
      "idempotency-key-invalid",
      "An Idempotency-Key has 1 to 255 printable ASCII characters without spaces",
    );
  }
  return { principal: actor.name, key };
}

async function requestHash(c: HubRequest): Promise<string> {
  return createHash("sha256").update(`${c.req.method} ${c.req.path}\n`)
    .update(await c.req.text()).digest("hex");
}

/** Headers and body as one sealed text. */
function seal(key: Buffer, { headers, body }: StoredAnswer, nonce: Uint8Array): string {
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  const plain = JSON.stringify({ headers, body });
  const text = Buffer.concat([cipher.update(plain, "utf8"), cipher.final()]);
  return SEALED_PREFIX + Buffer.concat([nonce, cipher.getAuthTag(), text]).toString("base64");
}

function unseal(key: Buffer, stored: StoredAnswer): StoredAnswer {
  if (!stored.body.startsWith(SEALED_PREFIX)) return stored;
  const sealed = Buffer.from(stored.body.slice(SEALED_PREFIX.length), "base64");
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE_BYTES));
  decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  const text = sealed.subarray(NONCE_BYTES + TAG_BYTES);
  const plain = Buffer.concat([decipher.update(text), decipher.final()]).toString("utf8");
  return { ...stored, ...JSON.parse(plain) as Pick<StoredAnswer, "headers" | "body"> };
}

/** Made of what the caller alone holds: its secret, and the key it chose. */
function sealingKey(c: HubRequest, actor: Actor, key: string): Buffer {
  const secret = actor.secret ?? bearerOf(c.req.header("authorization")) ??
    getCookie(c, SESSION_COOKIE) ?? "";
  return createHash("sha256").update(`seal:${secret}\n${key}`).digest();
}
