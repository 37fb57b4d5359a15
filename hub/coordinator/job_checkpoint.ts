/**
 * Checkpoint n of a whole job, made of the parts of its regions: complete, degraded or aborted.
 *
 * Pure. Regions never exchange data, so any combination of region checkpoints is a consistent cut; a
 * region without a part is stood in for by its last completed one.
 *
 *   pending ──every part completed──▶ completed
 *      ├────── some part completed ──▶ degraded    (a savepoint is aborted instead: it needs them all)
 *      └────── no part completed ────▶ aborted
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { CheckpointId, RegionId } from "@shared/ids.ts";

export type PartStatus = "pending" | "completed" | "aborted" | "absent";
export type JobCheckpointStatus = "pending" | "completed" | "degraded" | "aborted";

export interface StandIn {
  readonly regionId: RegionId;
  /** Its last completed checkpoint; null when it has none and would start empty. */
  readonly lastCompletedId: CheckpointId | null;
}

export interface JobCheckpoint {
  readonly checkpointId: CheckpointId;
  readonly isSavepoint: boolean;
  /** Every region of the job. */
  readonly parts: ReadonlyMap<RegionId, PartStatus>;
}

/**
 * A checkpoint right after its trigger.
 *
 * @param present Regions that were triggered; the others of `all` are absent.
 */
export function startJobCheckpoint(
  checkpointId: CheckpointId,
  all: readonly RegionId[],
  options: { readonly present: readonly RegionId[]; readonly isSavepoint: boolean },
): JobCheckpoint {
  const present = new Set(options.present);
  assert(present.size > 0, `Checkpoint ${checkpointId} has no region`);
  const parts = new Map<RegionId, PartStatus>();
  for (const id of all) parts.set(id, present.has(id) ? "pending" : "absent");
  return { checkpointId, isSavepoint: options.isSavepoint, parts };
}

/** The checkpoint after the part of `regionId` ended; a part that ended already stays as it is. */
export function endPart(
  state: JobCheckpoint,
  regionId: RegionId,
  outcome: "completed" | "aborted",
): JobCheckpoint {
  if (state.parts.get(regionId) !== "pending") return state;
  return { ...state, parts: new Map(state.parts).set(regionId, outcome) };
}

/** What the parts add up to. */
export function statusOf(state: JobCheckpoint): JobCheckpointStatus {
  const parts = [...state.parts.values()];
  if (state.isSavepoint && parts.some((part) => part === "aborted" || part === "absent")) {
    return "aborted";
  }
  if (parts.includes("pending")) return "pending";
  if (parts.every((part) => part === "completed")) return "completed";
  return parts.includes("completed") ? "degraded" : "aborted";
}

/** Which earlier checkpoints stand in for the regions without a part, sorted by region. */
export function standInsOf(
  state: JobCheckpoint,
  lastCompleted: ReadonlyMap<RegionId, CheckpointId | null>,
): StandIn[] {
  return [...state.parts]
    .filter(([, part]) => part === "aborted" || part === "absent")
    .map(([regionId]) => ({ regionId, lastCompletedId: lastCompleted.get(regionId) ?? null }))
    .sort((a, b) => a.regionId < b.regionId ? -1 : 1);
}
