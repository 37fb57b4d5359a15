/**
 * Size of the state and time of the last restore, of each region that somebody runs.
 *
 * Touches the database; reads only.
 *
 * @module
 */
import { and, eq, isNotNull } from "drizzle-orm";
import type { Db } from "./client.ts";
import { attempts, checkpointRegions, regions } from "./schema.ts";

export interface RegionFigures {
  /** Of its last completed checkpoint. */
  stateBytes?: number;
  /** From the assignment of its attempt to running, where it began from a snapshot. */
  restoreMs?: number;
}

/** By `job/region`; a figure that nobody knows is left out. */
export async function regionFigures(db: Db): Promise<ReadonlyMap<string, Readonly<RegionFigures>>> {
  const found = new Map<string, RegionFigures>();
  const entry = (row: { jobId: string; regionId: string }) => {
    const key = `${row.jobId}/${row.regionId}`;
    const known = found.get(key) ?? {};
    found.set(key, known);
    return known;
  };
  const at = { jobId: regions.jobId, regionId: regions.regionId };
  const parts = await db.select({ ...at, bytes: checkpointRegions.fullBytes }).from(regions)
    .innerJoin(
      checkpointRegions,
      and(
        eq(checkpointRegions.jobId, regions.jobId),
        eq(checkpointRegions.checkpointId, regions.lastCompletedId),
        eq(checkpointRegions.regionId, regions.regionId),
      ),
    ).where(isNotNull(regions.agentId));
  for (const row of parts) entry(row).stateBytes = row.bytes;
  const runs = await db.select({
    ...at,
    startedAt: attempts.startedAt,
    runningAt: attempts.runningAt,
  }).from(regions).innerJoin(
    attempts,
    and(
      eq(attempts.jobId, regions.jobId),
      eq(attempts.regionId, regions.regionId),
      eq(attempts.attempt, regions.attempt),
    ),
  ).where(and(isNotNull(regions.agentId), isNotNull(attempts.restoredFromId)));
  for (const row of runs) {
    if (row.runningAt !== null) entry(row).restoreMs = +row.runningAt - +row.startedAt;
  }
  return found;
}
