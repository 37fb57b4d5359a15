/**
 * What becomes of old checkpoints: which parts are let go of, so that garbage collection takes their blobs.
 *
 * Touches the database.
 *
 * @module
 */
import { type LetGo, partsToLetGo } from "./coordinator/retention.ts";
import { heldParts, letPartsGo } from "./db/retention_store.ts";
import type { JobRun } from "./job_run.ts";

/** Lets go of what is older than the retained checkpoints. */
export async function retain(run: JobRun): Promise<void> {
  const { world, job } = run;
  const bases = [...run.regions.values()].map((region) => ({
    regionId: region.regionId,
    baseId: region.lastCompletedId ?? region.restoredFromId,
  }));
  const held = await heldParts(world.db, job.id);
  await letGo(run, partsToLetGo(held, bases, world.config.retainedCheckpoints));
}

/** A job that has ended never recovers: of its checkpoints only the savepoints stay. */
export async function retainSavepointsOnly(run: JobRun): Promise<void> {
  const held = await heldParts(run.world.db, run.job.id);
  await letGo(run, partsToLetGo(held, [], 0));
}

async function letGo(run: JobRun, parts: readonly LetGo[]): Promise<void> {
  if (parts.length === 0) return;
  const { db, hubTerm, clock } = run.world;
  await letPartsGo(db, hubTerm, { jobId: run.job.id, parts, nowMs: clock.nowMs() });
}
