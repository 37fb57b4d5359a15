/**
 * The audit log: append-only rows, each carrying the hash of the one before.
 *
 * Touches the database. `appendAudit` belongs in the transaction of the change it records, so a crash
 * keeps both or neither (S26). Writers are put in line by an advisory lock held until that
 * transaction ends, because the chain needs the previous row.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { asc, desc, gt, lt, sql } from "drizzle-orm";
import type { AuditView } from "@shared/api.ts";
import type { Db } from "./client.ts";
import { principalNames } from "./principal_names.ts";
import { audit } from "./schema.ts";

/** Number of the advisory lock that puts writers of the chain in line. */
const CHAIN_LOCK = 7002;
const VERIFY_PAGE_ROWS = 500;
const GENESIS_HASH = "0".repeat(64);

export interface AuditEntry {
  readonly atMs: number;
  /** `token:<id>`, `agent:<id>`, `join:<id>` or `hub`. */
  readonly principal: string;
  readonly role: string;
  /** `job.deploy`, `savepoint.delete`, `agent.enrol`, … */
  readonly action: string;
  /** What it was done to: `job:<id>`, `savepoint:<id>`, … */
  readonly subject: string;
  readonly reason: string | null;
  readonly outcome: string;
  readonly remoteAddress: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Adds `entry` to the end of the chain, inside the caller's transaction. */
export async function appendAudit(tx: Db, entry: AuditEntry): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${CHAIN_LOCK}::bigint)`);
  const last = await tx.select({ hash: audit.hash }).from(audit).orderBy(desc(audit.id)).limit(1);
  const { atMs, ...row } = entry;
  await tx.insert(audit).values({
    ...row,
    at: new Date(atMs),
    hash: chainHash(last[0]?.hash ?? GENESIS_HASH, entry),
  });
}

/** Newest first; `beforeId` is the id of the last row of the previous page. */
export async function listAudit(
  db: Db,
  page: { limit: number; beforeId: number | null },
): Promise<AuditView[]> {
  const rows = await db.select().from(audit)
    .where(page.beforeId === null ? undefined : lt(audit.id, page.beforeId))
    .orderBy(desc(audit.id)).limit(page.limit);
  const names = await principalNames(db, rows.map((row) => row.principal));
  return rows.map((row) => ({
    id: row.id,
    at: row.at.toISOString(),
    principal: row.principal,
    principalName: names.get(row.principal) ?? null,
    role: row.role,
    action: row.action,
    subject: row.subject,
    reason: row.reason,
    outcome: row.outcome,
    remoteAddress: row.remoteAddress,
    fields: row.fields,
  }));
}

/** @returns The id of the first row whose hash does not follow from the rows before, or null. */
export async function findBrokenAuditRow(db: Db): Promise<number | null> {
  let previous = GENESIS_HASH;
  let afterId = 0;
  for (;;) {
    const rows = await db.select().from(audit).where(gt(audit.id, afterId))
      .orderBy(asc(audit.id)).limit(VERIFY_PAGE_ROWS);
    for (const row of rows) {
      const { id, at, hash, ...entry } = row;
      if (chainHash(previous, { ...entry, atMs: at.getTime() }) !== hash) return id;
      previous = hash;
      afterId = id;
    }
    if (rows.length < VERIFY_PAGE_ROWS) return null;
  }
}

function chainHash(previous: string, entry: AuditEntry): string {
  return createHash("sha256").update(previous).update(canonicalJson(entry)).digest("hex");
}

/** JSON with sorted keys: jsonb does not keep the order of keys. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, field]) => field !== undefined).sort(
    ([a], [b]) => a < b ? -1 : 1,
  );
  return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`).join(",")}}`;
}
