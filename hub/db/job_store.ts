/**
 * Jobs: what a person deployed, and the counters that fence it.
 *
 * Touches the database. `lineage` and `last_checkpoint_id` only grow (F1); both move inside
 * transactions of the checkpoint and rollback stores.
 *
 * @module
 */
import { and, asc, eq, inArray, ne, or } from "drizzle-orm";
import type { HubTerm, JobId } from "@shared/ids.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import { defaultParallelism } from "@shared/regions.ts";
import type { Db } from "./client.ts";
import { withReign } from "./hub_state_store.ts";
import { jobs, operations, regions } from "./schema.ts";

export type DesiredState = "running" | "stopped" | "cancelled";

export interface JobRecord {
  readonly id: JobId;
  readonly name: string;
  readonly bundleDigest: string;
  readonly params: Readonly<Record<string, string>>;
  readonly graph: JobGraph;
  readonly desiredState: DesiredState;
  readonly lineage: number;
  readonly checkpointIntervalMs: number;
  readonly allowNonRestoredState: boolean;
  /** Subtasks of each keyed stage. */
  readonly parallelism: number;
  /** Job under whose name its sources keep their sessions: its own, or one that it goes on from. */
  readonly sessionJobId: JobId;
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly stoppedAtMs: number | null;
}

export interface NewJob {
  readonly id: JobId;
  readonly name: string;
  readonly bundleDigest: string;
  readonly params: Readonly<Record<string, string>>;
  readonly graph: JobGraph;
  readonly checkpointIntervalMs: number;
  readonly allowNonRestoredState: boolean;
  /** Subtasks of each keyed stage; {@linkcode defaultParallelism} when left out. */
  readonly parallelism?: number;
  /** Its own id when left out. */
  readonly sessionJobId?: JobId;
  readonly createdBy: string;
  readonly nowMs: number;
}

/** Stores a job that is to run; its bundle is stored already. Its loop makes the regions. */
export async function createJob(db: Db, job: NewJob): Promise<void> {
  const { nowMs, params, ...row } = job;
  await db.insert(jobs).values({
    ...row,
    params: { ...params },
    parallelism: job.parallelism ?? defaultParallelism(job.graph),
    desiredState: "running",
    createdAt: new Date(nowMs),
  });
}

export async function getJob(db: Db, id: string): Promise<JobRecord | null> {
  const rows = await db.select().from(jobs).where(eq(jobs.id, id));
  return rows[0] === undefined ? null : recordOf(rows[0]);
}

/** Jobs that need a loop: they are to run, something of them runs, or an operation on them is open. */
export async function jobsToLoop(db: Db): Promise<JobId[]> {
  const active = db.select({ id: regions.jobId }).from(regions).where(
    ne(regions.status, "stopped"),
  );
  const open = db.select({ id: operations.jobId }).from(operations)
    .where(inArray(operations.status, ["pending", "running"]));
  const rows = await db.select({ id: jobs.id }).from(jobs).where(
    or(eq(jobs.desiredState, "running"), inArray(jobs.id, active), inArray(jobs.id, open)),
  ).orderBy(asc(jobs.id));
  return rows.map(({ id }) => id as JobId);
}

/** The job is not to run any more; a job that ended so before keeps its first time. */
export async function endJob(
  db: Db,
  hubTerm: HubTerm,
  end: { readonly jobId: JobId; readonly desiredState: DesiredState; readonly nowMs: number },
): Promise<void> {
  await withReign(db, hubTerm, async (tx) => {
    await tx.update(jobs).set({
      desiredState: end.desiredState,
      stoppedAt: new Date(end.nowMs),
    }).where(and(eq(jobs.id, end.jobId), eq(jobs.desiredState, "running")));
  });
}

function recordOf(row: typeof jobs.$inferSelect): JobRecord {
  return {
    id: row.id as JobId,
    name: row.name,
    bundleDigest: row.bundleDigest,
    params: row.params,
    graph: row.graph,
    desiredState: row.desiredState as DesiredState,
    lineage: row.lineage,
    checkpointIntervalMs: row.checkpointIntervalMs,
    allowNonRestoredState: row.allowNonRestoredState,
    parallelism: row.parallelism,
    sessionJobId: (row.sessionJobId ?? row.id) as JobId,
    createdAtMs: row.createdAt.getTime(),
    createdBy: row.createdBy,
    stoppedAtMs: row.stoppedAt?.getTime() ?? null,
  };
}
