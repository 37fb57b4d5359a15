/**
 * The one transaction of a rescale or a rebalance: parallelism, attempts, placements, progress.
 *
 * Touches the database. Invariants: F1 attempts only grow: no acknowledgement of the old plan counts any
 * more. F2 nothing changes unless every region still has the attempt that was stopped. Positions, ids
 * and the recovery base are not touched.
 *
 * @module
 */
import { and, eq } from "drizzle-orm";
import type { Attempt, HubTerm, JobId, RegionId } from "@shared/ids.ts";
import type { Db } from "./client.ts";
import { withReign } from "./hub_state_store.ts";
import { updateOperation } from "./operation_store.ts";
import { type Placement, raiseAttempt } from "./region_store.ts";
import { jobs } from "./schema.ts";

export interface MoveWrite {
  readonly jobId: JobId;
  readonly operationId: string;
  readonly kind: "rescale" | "rebalance";
  /** Subtasks of each keyed stage from now on. */
  readonly parallelism: number;
  readonly regions: readonly {
    readonly regionId: RegionId;
    readonly attempt: Attempt;
    /** Where its subtasks are to go, as far as they are known. */
    readonly placement: Placement;
  }[];
  readonly result: Readonly<Record<string, unknown>>;
  readonly nowMs: number;
}

/** Ends the transaction when something of it is out of date. */
class MoveOutdated extends Error {}

/**
 * The regions wait under another attempt; the operation is at `restoring`.
 *
 * @returns False when an attempt has changed, or the job is not to run any more.
 */
export async function commitMove(db: Db, hubTerm: HubTerm, write: MoveWrite): Promise<boolean> {
  try {
    await withReign(db, hubTerm, (tx) => commitMoveIn(tx, write));
    return true;
  } catch (thrown) {
    if (thrown instanceof MoveOutdated) return false;
    throw thrown;
  }
}

async function commitMoveIn(tx: Db, write: MoveWrite): Promise<void> {
  const { jobId, nowMs } = write;
  const [job] = await tx.update(jobs).set({ parallelism: write.parallelism })
    .where(and(eq(jobs.id, jobId), eq(jobs.desiredState, "running")))
    .returning({ id: jobs.id });
  if (job === undefined) throw new MoveOutdated();
  for (const { regionId, attempt, placement } of write.regions) {
    const also = { placement: { ...placement } };
    const isCurrent = await raiseAttempt(tx, { jobId, regionId, attempt, nowMs }, also, write.kind);
    if (!isCurrent) throw new MoveOutdated();
  }
  await updateOperation(tx, write.operationId, {
    status: "running",
    progress: { done: 0, total: write.regions.length, phase: "restoring" },
    result: write.result,
    nowMs,
  });
}
