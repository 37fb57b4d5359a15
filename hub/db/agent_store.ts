/**
 * Enrolled agents: identity, labels, when last seen, whether they drain.
 *
 * Touches the database. A removed agent keeps its row, so attempts and checkpoints of the past still
 * name it; its credential no longer finds it.
 *
 * @module
 */
import { and, asc, eq, isNotNull, isNull } from "drizzle-orm";
import type { AgentId } from "@shared/ids.ts";
import type { Db } from "./client.ts";
import { agents, checkpointRegions, regions } from "./schema.ts";

export interface AgentRecord {
  readonly id: AgentId;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly agentVersion: string | null;
  readonly bootId: string | null;
  readonly enrolledAtMs: number;
  readonly lastSeenAtMs: number | null;
  readonly isDraining: boolean;
  readonly removedAtMs: number | null;
}

export interface NewAgent {
  readonly id: AgentId;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** SHA-256 of the credential, hex. */
  readonly credentialHash: string;
  readonly nowMs: number;
}

export async function createAgent(db: Db, agent: NewAgent): Promise<void> {
  const { nowMs, labels, ...row } = agent;
  await db.insert(agents).values({ ...row, labels: { ...labels }, enrolledAt: new Date(nowMs) });
}

/** Agents in the order they enrolled; without removed ones unless asked. */
export async function listAgents(
  db: Db,
  options: { withRemoved?: boolean } = {},
): Promise<AgentRecord[]> {
  const rows = await db.select().from(agents)
    .where(options.withRemoved === true ? undefined : isNull(agents.removedAt))
    .orderBy(asc(agents.id));
  return rows.map(recordOf);
}

/** The agent, removed or not. */
export async function getAgent(db: Db, id: string): Promise<AgentRecord | null> {
  const rows = await db.select().from(agents).where(eq(agents.id, id));
  return rows[0] === undefined ? null : recordOf(rows[0]);
}

/** The agent that holds this credential; null when there is none or it was removed (S4). */
export async function findAgentByCredential(
  db: Db,
  credentialHash: string,
): Promise<AgentRecord | null> {
  const rows = await db.select().from(agents)
    .where(and(eq(agents.credentialHash, credentialHash), isNull(agents.removedAt)));
  return rows[0] === undefined ? null : recordOf(rows[0]);
}

/** Notes that the agent was heard of, and what it said of itself where given. */
export async function touchAgent(
  db: Db,
  id: string,
  seen: {
    readonly nowMs: number;
    readonly agentVersion?: string;
    readonly bootId?: string;
  },
): Promise<void> {
  const { nowMs, ...said } = seen;
  await db.update(agents).set({ ...said, lastSeenAt: new Date(nowMs) }).where(eq(agents.id, id));
}

/** @returns False if there is no such agent, or it was removed. */
export async function setDraining(db: Db, id: string, isDraining: boolean): Promise<boolean> {
  const rows = await db.update(agents).set({ isDraining })
    .where(and(eq(agents.id, id), isNull(agents.removedAt))).returning({ id: agents.id });
  return rows.length > 0;
}

/** Revokes the credential and takes the agent out of the fleet. @returns False if that was done before. */
export async function removeAgent(db: Db, id: string, nowMs: number): Promise<boolean> {
  const rows = await db.update(agents).set({ removedAt: new Date(nowMs) })
    .where(and(eq(agents.id, id), isNull(agents.removedAt))).returning({ id: agents.id });
  return rows.length > 0;
}

/** When the last completed checkpoint of each active region completed, by `job/region`. */
export async function lastCompletedTimes(db: Db): Promise<Map<string, number>> {
  const rows = await db.select({
    jobId: regions.jobId,
    regionId: regions.regionId,
    completedAt: checkpointRegions.completedAt,
  }).from(regions).innerJoin(
    checkpointRegions,
    and(
      eq(checkpointRegions.jobId, regions.jobId),
      eq(checkpointRegions.checkpointId, regions.lastCompletedId),
      eq(checkpointRegions.regionId, regions.regionId),
    ),
  ).where(and(isNotNull(regions.agentId), isNotNull(checkpointRegions.completedAt)));
  return new Map(rows.map(({ jobId, regionId, completedAt }) => [
    `${jobId}/${regionId}`,
    completedAt!.getTime(),
  ]));
}

function recordOf(row: typeof agents.$inferSelect): AgentRecord {
  return {
    id: row.id as AgentId,
    name: row.name,
    labels: row.labels,
    agentVersion: row.agentVersion,
    bootId: row.bootId,
    enrolledAtMs: row.enrolledAt.getTime(),
    lastSeenAtMs: row.lastSeenAt?.getTime() ?? null,
    isDraining: row.isDraining,
    removedAtMs: row.removedAt?.getTime() ?? null,
  };
}
