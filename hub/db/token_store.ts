/**
 * API tokens of people and programs, and the one-off tokens with which agents enrol.
 *
 * Touches the database. Only SHA-256 hashes of secrets come in here; a secret is never stored (S1, S19).
 *
 * @module
 */
import { and, count, desc, eq, gt, isNull, lt, type SQL } from "drizzle-orm";
import type { ApiTokenView, JoinTokenView, Role } from "@shared/api.ts";
import type { Db } from "./client.ts";
import { principalNames } from "./principal_names.ts";
import { apiTokens, joinTokens } from "./schema.ts";

export interface ApiToken {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly secretHash: string;
}

export interface NewApiToken extends ApiToken {
  /** Principal that makes it; the hub itself when left out. */
  readonly createdBy?: string;
  readonly nowMs: number;
  readonly expiresAtMs: number | null;
}

export interface NewJoinToken {
  readonly id: string;
  readonly secretHash: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdBy: string;
  readonly nowMs: number;
  readonly expiresAtMs: number;
  /** Removed when the token is used. */
  readonly replacesAgentId?: string;
}

export async function insertApiToken(db: Db, token: NewApiToken): Promise<ApiTokenView> {
  const { nowMs, expiresAtMs, ...row } = token;
  const rows = await db.insert(apiTokens).values({
    ...row,
    createdAt: new Date(nowMs),
    expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs),
  }).returning();
  return (await apiTokenViews(db, rows))[0]!;
}

/** Newest first, revoked and expired ones too. */
export async function listApiTokens(
  db: Db,
  page: { limit: number; beforeId: string | null },
): Promise<ApiTokenView[]> {
  const rows = await db.select().from(apiTokens)
    .where(page.beforeId === null ? undefined : lt(apiTokens.id, page.beforeId))
    .orderBy(desc(apiTokens.id)).limit(page.limit);
  return await apiTokenViews(db, rows);
}

/**
 * Revokes an API token; its sessions end with it. Revoking twice is the same as once.
 *
 * @returns `last-admin` when nobody could administer the hub afterwards; then nothing is changed.
 */
export async function revokeApiToken(
  tx: Db,
  id: string,
  nowMs: number,
): Promise<"revoked" | "not-found" | "last-admin"> {
  const live = await tx.select({ id: apiTokens.id, expiresAt: apiTokens.expiresAt }).from(apiTokens)
    .where(and(eq(apiTokens.role, "admin"), isNull(apiTokens.revokedAt))).for("update");
  const others = live.filter((row) => row.id !== id && row.expiresAt === null);
  if (live.some((row) => row.id === id) && others.length === 0) return "last-admin";
  await tx.update(apiTokens).set({ revokedAt: new Date(nowMs) })
    .where(and(eq(apiTokens.id, id), isNull(apiTokens.revokedAt)));
  const rows = await tx.select({ id: apiTokens.id }).from(apiTokens).where(eq(apiTokens.id, id));
  return rows.length > 0 ? "revoked" : "not-found";
}

/** The token with this hash, unless revoked or expired at `nowMs`. */
export async function findApiToken(
  db: Db,
  secretHash: string,
  nowMs: number,
): Promise<ApiToken | null> {
  return await liveToken(db, eq(apiTokens.secretHash, secretHash), nowMs);
}

/** The token with this id, unless revoked or expired at `nowMs`; for sessions made from it. */
export async function getApiToken(db: Db, id: string, nowMs: number): Promise<ApiToken | null> {
  return await liveToken(db, eq(apiTokens.id, id), nowMs);
}

export async function touchApiToken(db: Db, id: string, nowMs: number): Promise<void> {
  await db.update(apiTokens).set({ lastUsedAt: new Date(nowMs) }).where(eq(apiTokens.id, id));
}

/** How many API tokens were ever made; 0 means first start. */
export async function countApiTokens(db: Db): Promise<number> {
  const rows = await db.select({ n: count() }).from(apiTokens);
  return rows[0]?.n ?? 0;
}

export async function insertJoinToken(db: Db, token: NewJoinToken): Promise<JoinTokenView> {
  const { nowMs, expiresAtMs, labels, ...row } = token;
  const rows = await db.insert(joinTokens).values({
    ...row,
    labels: { ...labels },
    createdAt: new Date(nowMs),
    expiresAt: new Date(expiresAtMs),
  }).returning();
  return (await joinTokenViews(db, rows))[0]!;
}

/** The join token with this hash, whatever its state. */
export async function findJoinToken(db: Db, secretHash: string): Promise<JoinTokenView | null> {
  const rows = await db.select().from(joinTokens).where(eq(joinTokens.secretHash, secretHash));
  return (await joinTokenViews(db, rows))[0] ?? null;
}

/** Agent whose place the token fills; null for a token of a new agent. */
export async function agentToReplace(db: Db, tokenId: string): Promise<string | null> {
  const rows = await db.select({ id: joinTokens.replacesAgentId }).from(joinTokens)
    .where(eq(joinTokens.id, tokenId));
  return rows[0]?.id ?? null;
}

/**
 * Uses the token up, once: of two callers at the same time one gets true (S1).
 *
 * @returns False if it was used, revoked or expired.
 */
export async function consumeJoinToken(
  db: Db,
  id: string,
  use: { readonly agentId: string; readonly nowMs: number },
): Promise<boolean> {
  const now = new Date(use.nowMs);
  const rows = await db.update(joinTokens).set({ usedAt: now, usedByAgentId: use.agentId })
    .where(and(
      eq(joinTokens.id, id),
      isNull(joinTokens.usedAt),
      isNull(joinTokens.revokedAt),
      gt(joinTokens.expiresAt, now),
    )).returning({ id: joinTokens.id });
  return rows.length > 0;
}

/** Newest first. */
export async function listJoinTokens(
  db: Db,
  page: { limit: number; beforeId: string | null },
): Promise<JoinTokenView[]> {
  const rows = await db.select().from(joinTokens)
    .where(page.beforeId === null ? undefined : lt(joinTokens.id, page.beforeId))
    .orderBy(desc(joinTokens.id)).limit(page.limit);
  return await joinTokenViews(db, rows);
}

/** @returns False if there is no such token. Revoking twice is the same as once. */
export async function revokeJoinToken(db: Db, id: string, nowMs: number): Promise<boolean> {
  await db.update(joinTokens).set({ revokedAt: new Date(nowMs) })
    .where(and(eq(joinTokens.id, id), isNull(joinTokens.revokedAt)));
  const rows = await db.select({ id: joinTokens.id }).from(joinTokens).where(eq(joinTokens.id, id));
  return rows.length > 0;
}

async function liveToken(db: Db, condition: SQL, nowMs: number): Promise<ApiToken | null> {
  const rows = await db.select().from(apiTokens).where(and(condition, isNull(apiTokens.revokedAt)));
  const row = rows[0];
  if (row === undefined) return null;
  if (row.expiresAt !== null && row.expiresAt.getTime() <= nowMs) return null;
  return { id: row.id, name: row.name, role: row.role as Role, secretHash: row.secretHash };
}

async function joinTokenViews(
  db: Db,
  rows: readonly (typeof joinTokens.$inferSelect)[],
): Promise<JoinTokenView[]> {
  const names = await principalNames(db, rows.map((row) => row.createdBy));
  return rows.map((row) => ({
    id: row.id,
    labels: row.labels,
    createdAt: row.createdAt.toISOString(),
    createdBy: row.createdBy,
    createdByName: names.get(row.createdBy) ?? null,
    expiresAt: row.expiresAt.toISOString(),
    usedAt: row.usedAt?.toISOString() ?? null,
    usedByAgentId: row.usedByAgentId,
    revokedAt: row.revokedAt?.toISOString() ?? null,
  }));
}

async function apiTokenViews(
  db: Db,
  rows: readonly (typeof apiTokens.$inferSelect)[],
): Promise<ApiTokenView[]> {
  const names = await principalNames(db, rows.map((row) => row.createdBy));
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    role: row.role as ApiTokenView["role"],
    createdAt: row.createdAt.toISOString(),
    createdBy: row.createdBy,
    createdByName: names.get(row.createdBy) ?? null,
    expiresAt: row.expiresAt?.toISOString() ?? null,
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
    revokedAt: row.revokedAt?.toISOString() ?? null,
  }));
}
