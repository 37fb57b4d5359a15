/**
 * Jobs as the API shows them: rows of jobs, their regions and last checkpoint, read together.
 *
 * Touches the database, only to read. What moves these rows on is the job's loop and its stores.
 *
 * @module
 */
import { and, desc, eq, inArray, lt, type SQL, sql } from "drizzle-orm";
import type { JobSummary } from "@shared/job_api.ts";
import type { AgentId, JobId, RegionId } from "@shared/ids.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import type { Db } from "./client.ts";
import { principalNames } from "./principal_names.ts";
import { agents, alarms, checkpoints, jobs, regions } from "./schema.ts";

export interface JobFacts {
  readonly id: JobId;
  readonly name: string;
  readonly bundleDigest: string;
  readonly params: Readonly<Record<string, string>>;
  readonly graph: JobGraph;
  readonly desiredState: JobSummary["desiredState"];
  readonly lineage: number;
  readonly checkpointIntervalMs: number;
  readonly allowNonRestoredState: boolean;
  readonly parallelism: number;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly createdByName: string | null;
  readonly regions: readonly RegionFacts[];
  readonly lastCheckpoint: JobSummary["lastCheckpoint"];
  readonly activeAlarms: number;
}

export interface RegionFacts {
  readonly jobId: JobId;
  readonly regionId: RegionId;
  readonly status: string;
  readonly attempt: number;
  readonly agentId: AgentId | null;
  readonly agentName: string | null;
  /** Subtasks that agents run or are to run; empty while nobody does. */
  readonly placement: ReadonlyMap<string, { readonly id: AgentId; readonly name: string | null }>;
  readonly lastCompletedId: number | null;
  readonly restoredFromId: number | null;
  readonly consecutiveFailures: number;
}

export interface JobPage {
  readonly limit: number;
  readonly beforeId: string | null;
  readonly name?: string;
  readonly desiredState?: JobSummary["desiredState"];
}

/** Newest first. */
export async function listJobFacts(db: Db, page: JobPage): Promise<JobFacts[]> {
  const conditions: SQL[] = [];
  if (page.beforeId !== null) conditions.push(lt(jobs.id, page.beforeId));
  if (page.name !== undefined) conditions.push(eq(jobs.name, page.name));
  if (page.desiredState !== undefined) conditions.push(eq(jobs.desiredState, page.desiredState));
  const rows = await db.select().from(jobs).where(and(...conditions))
    .orderBy(desc(jobs.id)).limit(page.limit);
  return await factsOf(db, rows);
}

export async function getJobFacts(db: Db, id: string): Promise<JobFacts | null> {
  const rows = await db.select().from(jobs).where(eq(jobs.id, id));
  return (await factsOf(db, rows))[0] ?? null;
}

/** Names of those of `ids` that are jobs. */
export async function jobNames(db: Db, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await db.select({ id: jobs.id, name: jobs.name }).from(jobs)
    .where(inArray(jobs.id, [...ids]));
  return new Map(rows.map(({ id, name }) => [id, name]));
}

/** Regions of jobs that are not at their end, for the fleet's view. */
export async function listPlacedRegions(
  db: Db,
): Promise<(RegionFacts & { readonly jobName: string })[]> {
  const rows = await db.select({ region: regions, jobName: jobs.name }).from(regions)
    .innerJoin(jobs, eq(regions.jobId, jobs.id))
    .where(and(sql`${regions.agentId} is not null`, sql`${regions.status} <> 'stopped'`))
    .orderBy(jobs.name, regions.regionId);
  return rows.map(({ region, jobName }) => ({
    ...regionOf(region, new Map()),
    jobName,
  }));
}

async function factsOf(db: Db, rows: (typeof jobs.$inferSelect)[]): Promise<JobFacts[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  const regionRows = await db.select().from(regions)
    .where(inArray(regions.jobId, ids)).orderBy(regions.jobId, regions.regionId);
  const agentRows = await db.select({ id: agents.id, name: agents.name }).from(agents);
  const agentNames = new Map(agentRows.map(({ id, name }) => [id, name]));
  const names = await principalNames(db, rows.map((row) => row.createdBy));
  const lastCheckpoints = await lastCheckpointsOf(db, ids);
  const alarmRows = await db.select({ jobId: alarms.jobId, n: sql<number>`count(*)::int` })
    .from(alarms).where(and(inArray(alarms.jobId, ids), eq(alarms.isActive, true)))
    .groupBy(alarms.jobId);
  const activeAlarms = new Map(alarmRows.map((row) => [row.jobId, row.n]));
  return rows.map((row) => ({
    id: row.id as JobId,
    name: row.name,
    bundleDigest: row.bundleDigest,
    params: row.params,
    graph: row.graph,
    desiredState: row.desiredState as JobSummary["desiredState"],
    lineage: row.lineage,
    checkpointIntervalMs: row.checkpointIntervalMs,
    allowNonRestoredState: row.allowNonRestoredState,
    parallelism: row.parallelism,
    createdAt: row.createdAt.toISOString(),
    createdBy: row.createdBy,
    createdByName: names.get(row.createdBy) ?? null,
    regions: regionRows.filter(({ jobId }) => jobId === row.id)
      .map((region) => regionOf(region, agentNames)),
    lastCheckpoint: lastCheckpoints.get(row.id) ?? null,
    activeAlarms: activeAlarms.get(row.id) ?? 0,
  }));
}

async function lastCheckpointsOf(
  db: Db,
  ids: readonly string[],
): Promise<Map<string, JobSummary["lastCheckpoint"]>> {
  const rows = await db.selectDistinctOn([checkpoints.jobId], {
    jobId: checkpoints.jobId,
    id: checkpoints.checkpointId,
    endedAt: checkpoints.endedAt,
    status: checkpoints.status,
  }).from(checkpoints).where(and(
    inArray(checkpoints.jobId, [...ids]),
    inArray(checkpoints.status, ["completed", "degraded", "subsumed"]),
    sql`${checkpoints.endedAt} is not null`,
  )).orderBy(checkpoints.jobId, desc(checkpoints.checkpointId));
  return new Map(rows.map((row) => [row.jobId, {
    id: row.id,
    endedAt: row.endedAt!.toISOString(),
    status: row.status,
  }]));
}

function regionOf(
  region: typeof regions.$inferSelect,
  agentNames: ReadonlyMap<string, string>,
): RegionFacts {
  const nameOf = (agentId: string) => agentNames.get(agentId) ?? null;
  const placed = region.agentId === null ? [] : Object.entries(region.placement);
  return {
    jobId: region.jobId as JobId,
    regionId: region.regionId as RegionId,
    status: region.status,
    attempt: region.attempt,
    agentId: region.agentId as AgentId | null,
    agentName: region.agentId === null ? null : nameOf(region.agentId),
    placement: new Map(
      placed.map(([subtaskId, id]) => [subtaskId, { id: id as AgentId, name: nameOf(id) }]),
    ),
    lastCompletedId: region.lastCompletedId,
    restoredFromId: region.restoredFromId,
    consecutiveFailures: region.consecutiveFailures,
  };
}
