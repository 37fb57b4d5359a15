/**
 * Regions and their attempts: who runs what, and under which fencing token.
 *
 * Touches the database. While an agent runs something of a region, `agentId` is the agent of its first
 * subtask and `placement` names the agent of each; while nobody does, `agentId` is null and `placement`
 * says where the subtasks were, so that as few as possible move. Invariants: F1 the attempt only grows. F2 every write names the hub's term and
 * the attempt it belongs to; when nothing matches it changes nothing and says so.
 *
 * @module
 */
import { and, asc, desc, eq, isNotNull, isNull, ne, or, sql } from "drizzle-orm";
import type {
  AgentId,
  Attempt,
  CheckpointId,
  HubTerm,
  JobId,
  RegionId,
  SubtaskId,
} from "@shared/ids.ts";
import type { Db } from "./client.ts";
import { withReign } from "./hub_state_store.ts";
import { attempts, regions } from "./schema.ts";

export type RegionRowStatus =
  | "waiting"
  | "deploying"
  | "restoring"
  | "running"
  | "stopping"
  | "stopped"
  | "backing-off";

/** Which agent each subtask is on. */
export type Placement = Readonly<Record<SubtaskId, AgentId>>;

export interface RegionRecord {
  readonly jobId: JobId;
  readonly regionId: RegionId;
  /** 0 before the first deployment. */
  readonly attempt: Attempt;
  /** Agent of the first subtask; null while nobody runs the region. */
  readonly agentId: AgentId | null;
  /** Empty for a region whose agent runs all of it since before placements were kept. */
  readonly placement: Placement;
  readonly status: RegionRowStatus;
  readonly lastCompletedId: CheckpointId | null;
  readonly restoredFromId: CheckpointId | null;
  readonly consecutiveFailures: number;
  readonly notBeforeMs: number | null;
}

export interface AttemptRecord {
  readonly regionId: RegionId;
  readonly attempt: Attempt;
  readonly agentId: AgentId;
  readonly placement: Placement;
  readonly cause: string;
  readonly restoredFromId: CheckpointId | null;
  readonly startedAtMs: number;
  readonly runningAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly endReason: string | null;
}

/** Makes the rows that are missing; new regions wait and restore from `restoredFromId`. */
export async function ensureRegions(
  tx: Db,
  jobId: JobId,
  wanted: readonly { regionId: RegionId; restoredFromId: CheckpointId | null }[],
): Promise<void> {
  if (wanted.length === 0) return;
  await tx.insert(regions).values(wanted.map((region) => ({
    jobId,
    ...region,
    status: "waiting",
  }))).onConflictDoNothing();
}

/** Regions of a job, sorted by id. */
export async function listRegions(db: Db, jobId: string): Promise<RegionRecord[]> {
  const rows = await db.select().from(regions).where(eq(regions.jobId, jobId))
    .orderBy(asc(regions.regionId));
  return rows.map(recordOf);
}

/** Regions of which an agent runs, or is to run, a subtask, of all jobs. */
export async function regionsOnAgent(db: Db, agentId: string): Promise<RegionRecord[]> {
  const isOn =
    sql`exists (select 1 from jsonb_each_text(${regions.placement}) where value = ${agentId})`;
  const rows = await db.select().from(regions)
    .where(and(isActive(), or(eq(regions.agentId, agentId), isOn)))
    .orderBy(asc(regions.jobId), asc(regions.regionId));
  return rows.map(recordOf);
}

/** Active subtasks per agent, of all jobs but one. */
export async function agentLoads(db: Db, exceptJobId: JobId): Promise<Map<AgentId, number>> {
  const rows = await db.select({ agentId: regions.agentId, placement: regions.placement })
    .from(regions).where(and(isActive(), ne(regions.jobId, exceptJobId)));
  const loads = new Map<AgentId, number>();
  for (const agentId of rows.flatMap(agentsNamed)) {
    loads.set(agentId, (loads.get(agentId) ?? 0) + 1);
  }
  return loads;
}

/** Agents that some active region names; after a start they are expected back (F5). */
export async function agentsWithRegions(db: Db): Promise<AgentId[]> {
  const rows = await db.select({ agentId: regions.agentId, placement: regions.placement })
    .from(regions).where(isActive());
  return [...new Set(rows.flatMap(agentsNamed))].sort();
}

/** One entry for each subtask. */
function agentsNamed(row: {
  readonly agentId: string | null;
  readonly placement: Record<string, string>;
}): AgentId[] {
  const named = Object.values(row.placement);
  return (named.length === 0 ? [row.agentId!] : named) as AgentId[];
}

function isActive() {
  return and(isNotNull(regions.agentId), ne(regions.status, "stopped"));
}

export interface RegionWrite {
  readonly jobId: JobId;
  readonly regionId: RegionId;
  /** The attempt the writer acts for; another one in the row means it is late. */
  readonly attempt: Attempt;
  readonly nowMs: number;
}

/**
 * Gives the region's subtasks to agents under the next attempt.
 *
 * @returns The new attempt, or null when the row's attempt is not `attempt` any more.
 */
export function startAttempt(
  db: Db,
  hubTerm: HubTerm,
  write: RegionWrite & {
    /** Agent of the first subtask. */
    readonly agentId: AgentId;
    /** Left out: the agent runs all of the region. */
    readonly placement?: Placement;
    readonly cause: string;
    readonly restoredFromId: CheckpointId | null;
  },
): Promise<Attempt | null> {
  return withReign(db, hubTerm, async (tx) => {
    const next = (write.attempt + 1) as Attempt;
    const rows = await tx.update(regions).set({
      attempt: next,
      agentId: write.agentId,
      placement: { ...write.placement },
      status: "deploying",
      restoredFromId: write.restoredFromId,
      notBefore: null,
    }).where(sameAttempt(write)).returning({ attempt: regions.attempt });
    if (rows.length === 0) return null;
    await endAttemptRow(tx, write, "replaced");
    await tx.insert(attempts).values({
      jobId: write.jobId,
      regionId: write.regionId,
      attempt: next,
      agentId: write.agentId,
      placement: { ...write.placement },
      cause: write.cause,
      restoredFromId: write.restoredFromId,
      startedAt: new Date(write.nowMs),
    });
    return next;
  });
}

/** The attempt moved on. @returns False when the row's attempt is another one. */
export function setRegionStatus(
  db: Db,
  hubTerm: HubTerm,
  write: RegionWrite & { readonly status: RegionRowStatus },
): Promise<boolean> {
  return withReign(db, hubTerm, async (tx) => {
    const rows = await tx.update(regions).set({ status: write.status })
      .where(sameAttempt(write)).returning({ attempt: regions.attempt });
    if (rows.length > 0 && write.status === "running") {
      await tx.update(attempts).set({ runningAt: new Date(write.nowMs) })
        .where(and(attemptRow(write), isNull(attempts.runningAt)));
    }
    return rows.length > 0;
  });
}

/** The attempt is over; the region waits, backs off or has stopped. @returns False when it was over before. */
export function endAttempt(
  db: Db,
  hubTerm: HubTerm,
  write: RegionWrite & {
    readonly status: "waiting" | "backing-off" | "stopped";
    readonly reason: string;
    readonly consecutiveFailures: number;
    readonly notBeforeMs: number | null;
  },
): Promise<boolean> {
  return withReign(db, hubTerm, async (tx) => {
    const rows = await tx.update(regions).set({
      status: write.status,
      agentId: null,
      consecutiveFailures: write.consecutiveFailures,
      notBefore: write.notBeforeMs === null ? null : new Date(write.notBeforeMs),
    }).where(sameAttempt(write)).returning({ attempt: regions.attempt });
    if (rows.length === 0) return false;
    await endAttemptRow(tx, write, write.reason);
    return true;
  });
}

/** Newest first. */
export async function listAttempts(
  db: Db,
  jobId: string,
  limit: number,
): Promise<AttemptRecord[]> {
  const rows = await db.select().from(attempts).where(eq(attempts.jobId, jobId))
    .orderBy(desc(attempts.startedAt), desc(attempts.attempt), asc(attempts.regionId)).limit(limit);
  return rows.map((row) => ({
    regionId: row.regionId as RegionId,
    attempt: row.attempt as Attempt,
    agentId: row.agentId as AgentId,
    placement: row.placement as Placement,
    cause: row.cause,
    restoredFromId: row.restoredFromId as CheckpointId | null,
    startedAtMs: row.startedAt.getTime(),
    runningAtMs: row.runningAt?.getTime() ?? null,
    endedAtMs: row.endedAt?.getTime() ?? null,
    endReason: row.endReason,
  }));
}

/**
 * Raises the attempt of a region that waits from now on, and ends the row of the one before; for use inside a
 * transaction that moves several regions.
 *
 * @param also What else of the row changes.
 * @returns False when the row's attempt is another one (F2).
 */
export async function raiseAttempt(
  tx: Db,
  write: RegionWrite,
  also: Partial<typeof regions.$inferInsert>,
  reason: string,
): Promise<boolean> {
  const rows = await tx.update(regions).set({
    ...also,
    attempt: write.attempt + 1,
    agentId: null,
    status: "waiting",
    notBefore: null,
  }).where(sameAttempt(write)).returning({ attempt: regions.attempt });
  if (rows.length === 0) return false;
  await endAttemptRow(tx, write, reason);
  return true;
}

/** Ends the row of an attempt, once. For use inside a transaction that moves the region. */
export async function endAttemptRow(tx: Db, write: RegionWrite, reason: string): Promise<void> {
  await tx.update(attempts).set({ endedAt: new Date(write.nowMs), endReason: reason })
    .where(and(attemptRow(write), isNull(attempts.endedAt)));
}

function sameAttempt(write: RegionWrite) {
  return and(
    eq(regions.jobId, write.jobId),
    eq(regions.regionId, write.regionId),
    eq(regions.attempt, write.attempt),
  );
}

function attemptRow(write: RegionWrite) {
  return and(
    eq(attempts.jobId, write.jobId),
    eq(attempts.regionId, write.regionId),
    eq(attempts.attempt, write.attempt),
  );
}

function recordOf(row: typeof regions.$inferSelect): RegionRecord {
  return {
    jobId: row.jobId as JobId,
    regionId: row.regionId as RegionId,
    attempt: row.attempt as Attempt,
    agentId: row.agentId as AgentId | null,
    placement: row.placement as Placement,
    status: row.status as RegionRowStatus,
    lastCompletedId: row.lastCompletedId as CheckpointId | null,
    restoredFromId: row.restoredFromId as CheckpointId | null,
    consecutiveFailures: row.consecutiveFailures,
    notBeforeMs: row.notBefore?.getTime() ?? null,
  };
}
