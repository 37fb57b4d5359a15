/**
 * Answers given to requests that carried an `Idempotency-Key` (H2).
 *
 * Touches the database.
 *
 *   (none) ──begin──▶ under way ──finish, in the transaction of the effect──▶ answered
 *                         └──abandon, when the request failed──▶ (none)
 *
 * 1. An answered row and the effect it answers for commit together, so a crash keeps both or neither.
 * 2. Rows still under way when a hub starts belong to requests that never committed: they are dropped.
 *
 * @module
 */
import { and, eq, isNull, lt } from "drizzle-orm";
import type { Db } from "./client.ts";
import { idempotencyKeys } from "./schema.ts";

/** No request takes longer; the slowest evaluates a bundle. */
const UNDER_WAY_MAX_MS = 10 * 60_000;

export interface IdempotencyKey {
  readonly principal: string;
  readonly key: string;
}

export interface StoredAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type BeginOutcome =
  | { readonly kind: "new" }
  | { readonly kind: "answered"; readonly answer: StoredAnswer }
  /** The key was used for another request. */
  | { readonly kind: "mismatch" }
  | { readonly kind: "under-way" };

/** Claims the key for a request with this hash, or tells what became of the earlier one. */
export async function beginRequest(
  db: Db,
  request: IdempotencyKey & { readonly requestHash: string; readonly nowMs: number },
): Promise<BeginOutcome> {
  const { nowMs, ...row } = request;
  // A request that could not even say that it failed, because the database was away.
  await db.delete(idempotencyKeys).where(and(
    same(request),
    isNull(idempotencyKeys.responseStatus),
    lt(idempotencyKeys.createdAt, new Date(nowMs - UNDER_WAY_MAX_MS)),
  ));
  const inserted = await db.insert(idempotencyKeys).values({ ...row, createdAt: new Date(nowMs) })
    .onConflictDoNothing().returning({ key: idempotencyKeys.key });
  if (inserted.length > 0) return { kind: "new" };
  const rows = await db.select().from(idempotencyKeys).where(same(request));
  const found = rows[0];
  if (found === undefined) return { kind: "under-way" };
  if (found.requestHash !== request.requestHash) return { kind: "mismatch" };
  if (found.responseStatus === null) return { kind: "under-way" };
  return {
    kind: "answered",
    answer: {
      status: found.responseStatus,
      headers: found.responseHeaders ?? {},
      body: found.responseBody ?? "",
    },
  };
}

/** Stores the answer, in the transaction of the effect. */
export async function finishRequest(
  tx: Db,
  key: IdempotencyKey,
  answer: StoredAnswer,
): Promise<void> {
  await tx.update(idempotencyKeys).set({
    responseStatus: answer.status,
    responseHeaders: { ...answer.headers },
    responseBody: answer.body,
  }).where(same(key));
}

/** Frees the key of a request that had no effect. */
export async function abandonRequest(db: Db, key: IdempotencyKey): Promise<void> {
  await db.delete(idempotencyKeys)
    .where(and(same(key), isNull(idempotencyKeys.responseStatus)));
}

/** Drops what a hub that died left under way; only while this hub serves nobody yet. */
export async function dropUnfinishedRequests(db: Db): Promise<void> {
  await db.delete(idempotencyKeys).where(isNull(idempotencyKeys.responseStatus));
}

/** Forgets answers older than `beforeMs`. */
export async function deleteRequestsBefore(db: Db, beforeMs: number): Promise<void> {
  await db.delete(idempotencyKeys).where(lt(idempotencyKeys.createdAt, new Date(beforeMs)));
}

function same(key: IdempotencyKey) {
  return and(eq(idempotencyKeys.principal, key.principal), eq(idempotencyKeys.key, key.key));
}
