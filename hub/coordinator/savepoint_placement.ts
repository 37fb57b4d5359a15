/**
 * Which region of a job starts from which snapshots of a savepoint.
 *
 * Pure. The plan of the savepoint and that of the job may differ: another parallelism, regions that an
 * exchange ties together now, operators that moved. A snapshot goes to the region that has its subtask's
 * split, or that owns its operators' key groups.
 *
 *   saved local, wanted local      with its split
 *   saved local, wanted by range   to the region of the range: it takes its groups from every snapshot
 *   saved by range, wanted by range    the same
 *   saved by range, wanted local   impossible: nobody knows which split a key belongs to
 *
 * @module
 */
import type { RegionId } from "@shared/ids.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import type { RegionPlan, SubtaskPlan } from "@shared/regions.ts";

export interface PlacedPart {
  readonly regionId: RegionId;
  readonly snapshots: readonly SubtaskSnapshot[];
}

export interface SavepointPlacement {
  /** Regions that start from something, in the order of the plan. */
  readonly parts: readonly PlacedPart[];
  /** Saved subtasks that no region of the job takes: a split that is gone, operators that are gone. */
  readonly straySubtasks: readonly string[];
  /** Operators whose state cannot be divided as the job wants it. */
  readonly indivisible: readonly { readonly uid: string; readonly reason: string }[];
}

/** Places every snapshot; nothing is lost without being named. */
export function placeSavepoint(
  snapshots: readonly SubtaskSnapshot[],
  regions: readonly RegionPlan[],
): SavepointPlacement {
  const parts = new Map<RegionId, SubtaskSnapshot[]>();
  const straySubtasks: string[] = [];
  const indivisible = new Map<string, string>();
  for (const snapshot of snapshots) {
    const homes = homesOf(snapshot, regions, indivisible);
    if (homes.size === 0) straySubtasks.push(snapshot.subtaskId);
    for (const regionId of homes) parts.set(regionId, [...parts.get(regionId) ?? [], snapshot]);
  }
  return {
    parts: regions.flatMap(({ regionId }) => {
      const placed = parts.get(regionId);
      return placed === undefined ? [] : [{ regionId, snapshots: placed }];
    }),
    straySubtasks: straySubtasks.sort(),
    indivisible: [...indivisible].map(([uid, reason]) => ({ uid, reason }))
      .sort((a, b) => a.uid < b.uid ? -1 : 1),
  };
}

function homesOf(
  snapshot: SubtaskSnapshot,
  regions: readonly RegionPlan[],
  indivisible: Map<string, string>,
): ReadonlySet<RegionId> {
  const homes = new Set<RegionId>();
  const wasByRange = (snapshot.keyGroups ?? null) !== null;
  const own = regions.find(({ subtasks }) =>
    subtasks.some((subtask) =>
      subtask.subtaskId === snapshot.subtaskId && (subtask.keyGroups === null) === !wasByRange
    )
  );
  if (own !== undefined) homes.add(own.regionId);
  for (const { uid, states } of snapshot.operators) {
    if (states.length === 0) continue;
    const holders = regions.flatMap((region) =>
      region.subtasks.filter(({ operatorUids }) => operatorUids.includes(uid))
        .map((subtask) => ({ region, subtask }))
    );
    const byRange = holders.find(({ subtask }) => subtask.keyGroups !== null);
    if (byRange !== undefined) homes.add(byRange.region.regionId);
    else if (holders.length > 0 && wasByRange) {
      indivisible.set(uid, indivisibleBecause(holders.map(({ subtask }) => subtask)));
    }
  }
  return homes;
}

function indivisibleBecause(holders: readonly SubtaskPlan[]): string {
  const places = holders.map(({ subtaskId }) => subtaskId).join(", ");
  return `Saved by key group behind keyBy, wanted local to splits (${places}): ` +
    `nobody knows which split a key belongs to`;
}
