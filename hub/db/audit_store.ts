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
import { and, asc, desc, eq, gt, gte, lt, type SQL, sql } from "drizzle-orm";
import type { AuditVerdict, AuditView } from "@shared/api.ts";
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

export interface AuditPage {
  readonly limit: number;
  /** Id of the last row of the previous page. */
  readonly beforeId: number | null;
  /** The action, or with a dot and a star at its end a family of them: `token.*`. */
  readonly action?: string | undefined;
  readonly subject?: string | undefined;
  readonly principal?: string | undefined;
  readonly outcome?: string | undefined;
  /** From then on, and before then. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

/** Newest first. */
export async function listAudit(db: Db, page: AuditPage): Promise<AuditView[]> {
  const rows = await db.select().from(audit).where(and(...conditionsOf(page)))
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

function conditionsOf(page: AuditPage): SQL[] {
  const { action } = page;
  const conditions: (SQL | undefined)[] = [
    page.beforeId === null ? undefined : lt(audit.id, page.beforeId),
    action === undefined
      ? undefined
      : action.endsWith(".*")
      ? sql`starts_with(${audit.action}, ${action.slice(0, -1)})`
      : eq(audit.action, action),
    page.subject === undefined ? undefined : eq(audit.subject, page.subject),
    page.principal === undefined ? undefined : eq(audit.principal, page.principal),
    page.outcome === undefined ? undefined : eq(audit.outcome, page.outcome),
    page.fromMs === undefined ? undefined : gte(audit.at, new Date(page.fromMs)),
    page.toMs === undefined ? undefined : lt(audit.at, new Date(page.toMs)),
  ];
  return conditions.filter((condition) => condition !== undefined);
}

/**
 * Follows the chain from its first row on, a page of rows in memory at a time.
 *
 * A row that was changed, put in or taken out shows at itself or at the row behind it; rows taken off the
 * end do not show, for nothing follows from them.
 */
export async function verifyAudit(db: Db): Promise<AuditVerdict> {
  let previous = GENESIS_HASH;
  let afterId = 0;
  let count = 0;
  for (;;) {
    const rows = await db.select().from(audit).where(gt(audit.id, afterId))
      .orderBy(asc(audit.id)).limit(VERIFY_PAGE_ROWS);
    for (const row of rows) {
      const { id, at, hash, ...entry } = row;
      count++;
      if (chainHash(previous, { ...entry, atMs: at.getTime() }) !== hash) {
        return { rows: count, isIntact: false, firstBrokenId: id };
      }
      previous = hash;
      afterId = id;
    }
    if (rows.length < VERIFY_PAGE_ROWS) {
      return { rows: count, isIntact: true, firstBrokenId: null };
    }
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
