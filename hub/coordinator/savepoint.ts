/**
 * When a savepoint can be taken and when it may be deleted.
 *
 * Pure. A savepoint is a checkpoint that a person owns: it needs every region, is never subsumed, and
 * leaves only by an explicit delete (L2).
 *
 * @module
 */
import type { CheckpointId, RegionId } from "@shared/ids.ts";

export type SavepointReadiness =
  | { readonly kind: "ready" }
  | { readonly kind: "wait"; readonly missing: readonly RegionId[] }
  | { readonly kind: "refused"; readonly detail: string };

/**
 * Whether a savepoint may start.
 *
 * @param running Whether each region of the job runs now.
 * @param waitedMs Since it was asked for.
 * @param waitMaxMs After this it is refused, naming the regions that do not run.
 */
export function judgeReadiness(
  running: ReadonlyMap<RegionId, boolean>,
  waitedMs: number,
  waitMaxMs: number,
): SavepointReadiness {
  const missing = [...running].filter(([, isRunning]) => !isRunning).map(([id]) => id).sort();
  if (missing.length === 0) return { kind: "ready" };
  if (waitedMs < waitMaxMs) return { kind: "wait", missing };
  return {
    kind: "refused",
    detail: `A savepoint needs every region; not running after ${Math.round(waitedMs / 1000)} s: ` +
      missing.join(", "),
  };
}

export interface RecoveryBase {
  readonly regionId: RegionId;
  readonly isActive: boolean;
  readonly lastCompletedId: CheckpointId | null;
  readonly restoredFromId: CheckpointId | null;
}

/** Regions of an active job that could recover from nothing else than this savepoint; sorted (L2). */
export function regionsThatNeed(
  checkpointId: CheckpointId,
  bases: readonly RecoveryBase[],
): RegionId[] {
  return bases
    .filter((base) =>
      base.isActive && (base.lastCompletedId ?? base.restoredFromId) === checkpointId
    )
    .map(({ regionId }) => regionId)
    .sort();
}
