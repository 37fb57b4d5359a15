/**
 * Which parts of completed checkpoints may be let go.
 *
 * Pure. Parts are kept per region, because a region that was absent for long still needs its old one
 * while the others have newer ones.
 *
 * Invariants (tests/property/coordinator_test.ts):
 *
 *   1  The newest `retained` completed parts of each region stay; so the stand-ins of the newest
 *      `retained` degraded checkpoints stay too.
 *   2  A savepoint stays (L2).
 *   3  The recovery base of a region stays, whatever its age.
 *   4  Abandoned parts go: no recovery ever uses them (L1).
 *
 * @module
 */
import type { CheckpointId, RegionId } from "@shared/ids.ts";

export interface RetainedPart {
  readonly checkpointId: CheckpointId;
  readonly regionId: RegionId;
  readonly isSavepoint: boolean;
  readonly isAbandoned: boolean;
}

export interface RegionBase {
  readonly regionId: RegionId;
  /** Last completed checkpoint of the lineage, else what it was restored from; null when empty. */
  readonly baseId: CheckpointId | null;
}

export interface LetGo {
  readonly checkpointId: CheckpointId;
  readonly regionId: RegionId;
}

/**
 * Parts to let go, sorted by checkpoint then region.
 *
 * @param parts Completed parts that still hold their references.
 * @param retained Completed checkpoints kept per region: at least 1, or 0 for a job that has ended.
 */
export function partsToLetGo(
  parts: readonly RetainedPart[],
  bases: readonly RegionBase[],
  retained: number,
): LetGo[] {
  const baseOf = new Map(bases.map(({ regionId, baseId }) => [regionId, baseId]));
  const seen = new Map<RegionId, number>();
  const letGo: LetGo[] = [];
  for (const part of [...parts].sort((a, b) => b.checkpointId - a.checkpointId)) {
    const { checkpointId, regionId } = part;
    if (part.isSavepoint) continue;
    const isBase = baseOf.get(regionId) === checkpointId;
    if (part.isAbandoned) {
      if (!isBase) letGo.push({ checkpointId, regionId });
      continue;
    }
    const rank = seen.get(regionId) ?? 0;
    seen.set(regionId, rank + 1);
    if (rank >= retained && !isBase) letGo.push({ checkpointId, regionId });
  }
  return letGo.sort((a, b) =>
    a.checkpointId - b.checkpointId || (a.regionId < b.regionId ? -1 : 1)
  );
}
