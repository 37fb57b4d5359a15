/**
 * The one transaction of a rollback: lineage, abandoned checkpoints, attempts, gaps and recovery base.
 *
 * Touches the database. Invariants: L1 what is newer than the savepoint is never again a recovery
 * candidate of the regions rolled back. F1 lineage and attempts only grow. F2 nothing changes unless
 * every region still has the attempt the plan was made for.
 *
 * @module
 */
import { and, desc, eq, gt, inArray, sql } from "drizzle-orm";
import type { RollbackPlan } from "@shared/job_api.ts";
import type { Attempt, CheckpointId, HubTerm, JobId, RegionId } from "@shared/ids.ts";
import type { Db } from "./client.ts";
import { insertGaps, type NewGap } from "./gap_store.ts";
import { withReign } from "./hub_state_store.ts";
import { updateOperation } from "./operation_store.ts";
import { raiseAttempt } from "./region_store.ts";
import { checkpointRegions, checkpoints, jobs } from "./schema.ts";

export interface RollbackWrite {
  readonly jobId: JobId;
  readonly operationId: string;
  readonly plan: RollbackPlan;
  /** Every region of the job is rolled back. */
  readonly isWhole: boolean;
  readonly gaps: readonly NewGap[];
  readonly nowMs: number;
}

/** Ends the transaction of a rollback whose plan is out of date. */
class PlanOutdated extends Error {}

/**
 * The regions of the plan wait under a new attempt, to be restored from the savepoint; the operation is
 * at `restoring` and holds the plan.
 *
 * @returns The new lineage, or null when an attempt has changed since the plan was made.
 */
export async function commitRollback(
  db: Db,
  hubTerm: HubTerm,
  write: RollbackWrite,
): Promise<number | null> {
  try {
    return await withReign(db, hubTerm, (tx) => commitRollbackIn(tx, write));
  } catch (thrown) {
    if (thrown instanceof PlanOutdated) return null;
    throw thrown;
  }
}

async function commitRollbackIn(tx: Db, write: RollbackWrite): Promise<number> {
  const { jobId, plan, nowMs } = write;
  const [job] = await tx.update(jobs).set({ lineage: sql`${jobs.lineage} + 1` })
    .where(and(eq(jobs.id, jobId), eq(jobs.desiredState, "running")))
    .returning({ lineage: jobs.lineage });
  if (job === undefined) throw new PlanOutdated();
  for (const region of plan.regions) {
    const regionId = region.regionId as RegionId;
    const attempt = region.currentAttempt as Attempt;
    const isCurrent = await raiseAttempt(tx, { jobId, regionId, attempt, nowMs }, {
      lastCompletedId: null,
      restoredFromId: plan.checkpointId,
      consecutiveFailures: 0,
    }, "rolled-back");
    if (!isCurrent) throw new PlanOutdated();
  }
  await abandon(tx, write);
  await insertGaps(tx, write.gaps);
  await updateOperation(tx, write.operationId, {
    status: "running",
    progress: { done: 0, total: plan.regions.length, phase: "restoring" },
    result: { plan, lineage: job.lineage },
    nowMs,
  });
  return job.lineage;
}

/** Savepoints stay: a person owns them and may go back to them (L2). */
async function abandon(tx: Db, write: RollbackWrite): Promise<void> {
  const { jobId, plan } = write;
  if (plan.abandonedCheckpointIds.length === 0) return;
  const ids = [...plan.abandonedCheckpointIds];
  await tx.update(checkpointRegions).set({ status: "abandoned" }).where(and(
    eq(checkpointRegions.jobId, jobId),
    inArray(checkpointRegions.checkpointId, ids),
    inArray(checkpointRegions.regionId, plan.regions.map(({ regionId }) => regionId)),
    eq(checkpointRegions.status, "completed"),
  ));
  await tx.update(checkpoints).set({ status: write.isWhole ? "abandoned" : "degraded" })
    .where(and(
      eq(checkpoints.jobId, jobId),
      inArray(checkpoints.checkpointId, ids),
      inArray(checkpoints.status, ["completed", "degraded"]),
    ));
}

/** Completed checkpoints newer than `checkpointId` that are no savepoints, oldest first. */
export async function newerCompleted(
  db: Db,
  jobId: JobId,
  checkpointId: CheckpointId,
): Promise<CheckpointId[]> {
  const rows = await db.select({ id: checkpoints.checkpointId }).from(checkpoints).where(and(
    eq(checkpoints.jobId, jobId),
    gt(checkpoints.checkpointId, checkpointId),
    eq(checkpoints.isSavepoint, false),
    inArray(checkpoints.status, ["completed", "degraded"]),
  )).orderBy(desc(checkpoints.checkpointId));
  return rows.map(({ id }) => id as CheckpointId).reverse();
}
