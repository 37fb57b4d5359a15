/**
 * Operations: everything that takes time, durable before the caller hears of it (H2).
 *
 * Touches the database. A route creates the row in the transaction of its change; the job's loop picks
 * it up, also after a restart, and is the only one that moves it on.
 *
 *   pending ──▶ running ──▶ succeeded | failed
 *      └──────────┴───────▶ cancelled, by a person, while nothing was changed yet
 *
 * @module
 */
import { and, asc, desc, eq, inArray, lt, type SQL, sql } from "drizzle-orm";
import type { OperationStatus, OperationView } from "@shared/api.ts";
import type { Db } from "./client.ts";
import { principalNames } from "./principal_names.ts";
import { operations } from "./schema.ts";

export type OperationKind =
  | "savepoint"
  | "rollback"
  | "rescale"
  | "rebalance"
  | "stop"
  | "cancel"
  | "deploy"
  | "drain";

export interface NewOperation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly jobId: string | null;
  readonly agentId: string | null;
  /** What was asked, as the loop needs it. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly createdBy: string;
  readonly nowMs: number;
}

/** What the loops see: what was asked and how far it is. */
export interface OperationRecord
  extends Omit<OperationView, "resource" | "createdByName" | "expiresAt"> {
  readonly request: Readonly<Record<string, unknown>>;
}

export interface OperationPatch {
  readonly status?: OperationStatus;
  readonly progress?: { readonly done: number; readonly total: number; readonly phase: string };
  readonly result?: Readonly<Record<string, unknown>> | null;
  readonly error?: {
    readonly code: string;
    readonly title: string;
    readonly detail: string;
    readonly status: number;
  } | null;
  /** The writer's clock; the database's own when left out. */
  readonly nowMs?: number;
}

const OPEN = ["pending", "running"];

/** An ended operation is kept this long. */
export const OPERATION_RETENTION_MS = 90 * 86_400_000;

export function isEnded(status: OperationStatus): boolean {
  return !OPEN.includes(status);
}

/** Stores a pending operation. */
export async function createOperation(db: Db, operation: NewOperation): Promise<OperationRecord> {
  const { nowMs, ...row } = operation;
  const at = new Date(nowMs);
  const rows = await db.insert(operations).values({
    ...row,
    request: { ...row.request },
    status: "pending",
    progress: { done: 0, total: 0, phase: "accepted" },
    createdAt: at,
    updatedAt: at,
  }).returning();
  return recordOf(rows[0]!);
}

export async function getOperation(db: Db, id: string): Promise<OperationRecord | null> {
  const rows = await db.select().from(operations).where(eq(operations.id, id));
  return rows[0] === undefined ? null : recordOf(rows[0]);
}

/** Pending and running operations of one job, oldest first. */
export async function openOperations(db: Db, jobId: string): Promise<OperationRecord[]> {
  const rows = await db.select().from(operations)
    .where(and(eq(operations.jobId, jobId), inArray(operations.status, OPEN)))
    .orderBy(asc(operations.createdAt), asc(operations.id));
  return rows.map(recordOf);
}

/** Pending and running operations on one agent (drains), oldest first. */
export async function openAgentOperations(db: Db, agentId: string): Promise<OperationRecord[]> {
  const rows = await db.select().from(operations)
    .where(and(eq(operations.agentId, agentId), inArray(operations.status, OPEN)))
    .orderBy(asc(operations.createdAt), asc(operations.id));
  return rows.map(recordOf);
}

/**
 * Changes the given fields of an operation that has not ended.
 *
 * @returns False if there is none, or it ended already: an ended operation never changes.
 */
export async function updateOperation(db: Db, id: string, patch: OperationPatch): Promise<boolean> {
  const { nowMs, ...fields } = patch;
  const rows = await db.update(operations).set({
    ...(fields.status === undefined ? {} : { status: fields.status }),
    ...progressOf(fields),
    ...(fields.result === undefined ? {} : { result: fields.result && { ...fields.result } }),
    ...(fields.error === undefined ? {} : { error: fields.error && { ...fields.error } }),
    updatedAt: nowMs === undefined ? sql`now()` : new Date(nowMs),
  }).where(and(eq(operations.id, id), inArray(operations.status, OPEN)))
    .returning({ id: operations.id });
  return rows.length > 0;
}

/** What ended well is done, also where its last step said nothing of progress. */
function progressOf({ status, progress }: OperationPatch) {
  if (progress !== undefined) return { progress: { ...progress } };
  if (status !== "succeeded") return {};
  const { progress: column } = operations;
  return {
    progress: sql<
      OperationView["progress"]
    >`${column} || jsonb_build_object('done', ${column}->'total', 'phase', 'done')`,
  };
}

/** Newest first; ids sort by time, so the last id of a page is the cursor of the next. */
export async function listOperations(
  db: Db,
  page: {
    limit: number;
    beforeId: string | null;
    jobId: string | null;
    status: OperationStatus | null;
  },
): Promise<OperationView[]> {
  const conditions: SQL[] = [];
  if (page.beforeId !== null) conditions.push(lt(operations.id, page.beforeId));
  if (page.jobId !== null) conditions.push(eq(operations.jobId, page.jobId));
  if (page.status !== null) conditions.push(eq(operations.status, page.status));
  const rows = await db.select().from(operations).where(and(...conditions))
    .orderBy(desc(operations.id)).limit(page.limit);
  return await operationViews(db, rows.map(recordOf));
}

/** What people see of `records`, in the same order. */
export async function operationViews(
  db: Db,
  records: readonly OperationRecord[],
): Promise<OperationView[]> {
  const names = await principalNames(db, records.map(({ createdBy }) => createdBy));
  return records.map(({ request: _request, ...record }) => ({
    ...record,
    resource: resourceOf(record),
    createdByName: names.get(record.createdBy) ?? null,
    expiresAt: new Date(Date.parse(record.updatedAt) + OPERATION_RETENTION_MS).toISOString(),
  }));
}

function resourceOf(
  { jobId, agentId, result }: Pick<OperationRecord, "jobId" | "agentId" | "result">,
): string | null {
  const savepointId = result?.["savepointId"];
  if (typeof savepointId === "string") return `/api/v1/savepoints/${savepointId}`;
  if (jobId !== null) return `/api/v1/jobs/${jobId}`;
  return agentId === null ? null : `/api/v1/agents/${agentId}`;
}

function recordOf(row: typeof operations.$inferSelect): OperationRecord {
  return {
    id: row.id,
    kind: row.kind,
    status: row.status as OperationStatus,
    progress: row.progress,
    jobId: row.jobId,
    agentId: row.agentId,
    result: row.result,
    error: row.error === null
      ? null
      : { type: `urn:penstock:problem:${row.error.code}`, ...row.error },
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    request: row.request,
    createdBy: row.createdBy,
  };
}
