/**
 * Which parts of a region's snapshots one subtask restores from: agents fetch these pieces, runners load them.
 *
 * Pure. A subtask whose state is local to its split takes its own snapshot. One with a range of key groups
 * takes the groups of its range from all snapshots, whatever the parallelism was, and what cannot be
 * divided from the subtasks it succeeds.
 *
 * Invariants (tests/property/restore_share_test.ts):
 *
 *   C8  Over the subtasks of a stage, every keyed section and every staged output is taken exactly once.
 *   S1  A key group is taken by the subtask that owns it, and by no other.
 *
 * @module
 */
import { PenstockError } from "@shared/errors.ts";
import { KEY_GROUP_COUNT } from "@shared/job_graph.ts";
import type { GroupRange, PieceRef, SectionRef, SubtaskSnapshot } from "@shared/manifest.ts";
import { stageOf, type SubtaskPlan } from "@shared/regions.ts";

const EVERY_GROUP: GroupRange = [0, KEY_GROUP_COUNT - 1];

/** What is taken from one snapshot. */
export interface RestoreShare {
  readonly snapshot: SubtaskSnapshot;
  /** In the snapshot's order; only the sections that are taken, only pieces with any. */
  readonly pieces: readonly PieceRef[];
  /** The snapshot is of a subtask with the same place and key groups: what is loaded is all it held. */
  readonly isOwn: boolean;
}

/**
 * @param snapshots All of the region.
 * @throws {PenstockError} `snapshot-missing`, when there is none of a subtask that reads a split.
 */
export function restoreShares(
  plan: SubtaskPlan,
  snapshots: readonly SubtaskSnapshot[],
): RestoreShare[] {
  const { subtaskId, keyGroups } = plan;
  if (keyGroups !== null) return rangeShares(plan, keyGroups, snapshots);
  const own = snapshots.find((candidate) => candidate.subtaskId === subtaskId);
  if (own === undefined) {
    throw new PenstockError(`Cannot restore: there is no snapshot of subtask "${subtaskId}"`, {
      code: "snapshot-missing",
      domain: "internal",
    });
  }
  return [{ snapshot: own, pieces: own.pieces, isOwn: true }];
}

function rangeShares(
  plan: SubtaskPlan,
  range: GroupRange,
  snapshots: readonly SubtaskSnapshot[],
): RestoreShare[] {
  const stage = stageOf(plan.subtaskId);
  return snapshots.flatMap((snapshot): RestoreShare[] => {
    const take = (section: SectionRef) =>
      sectionShare(section, { plan, range, stage, snapshot, snapshots });
    const pieces = snapshot.pieces
      .map((piece) => ({ ...piece, sections: piece.sections.flatMap(take) }))
      .filter((piece) => piece.sections.length > 0);
    if (pieces.length === 0) return [];
    const before = snapshot.keyGroups ?? null;
    const isSameRange = before !== null && before[0] === range[0] && before[1] === range[1];
    return [{ snapshot, pieces, isOwn: isSameRange && snapshot.subtaskId === plan.subtaskId }];
  });
}

function sectionShare(
  section: SectionRef,
  { plan, range, stage, snapshot, snapshots }: {
    plan: SubtaskPlan;
    range: GroupRange;
    stage: string;
    snapshot: SubtaskSnapshot;
    /** All of the region. */
    snapshots: readonly SubtaskSnapshot[];
  },
): SectionRef[] {
  if (section.kind === "source") return [];
  if (section.kind === "time") {
    return section.uid === stage && overlaps(snapshot.keyGroups, range) ? [section] : [];
  }
  if (!plan.operatorUids.includes(section.uid)) return [];
  switch (section.kind) {
    case "keyed":
    case "delta": {
      const groups = section.groups.flatMap((group) => intersection(group, range));
      return groups.length === 0 ? [] : [{ ...section, groups }];
    }
    case "broadcast":
      return snapshot === broadcastHolder(section.uid, range, snapshots) ? [section] : [];
    case "sink":
      // One subtask takes over what cannot be divided: the one that owns the first key group of the old one.
      return holds(range, (snapshot.keyGroups ?? EVERY_GROUP)[0]) ? [section] : [];
  }
}

/** Every subtask of a stage held the same: it is taken from the one that owned the first key group of the range. */
function broadcastHolder(
  uid: string,
  [from]: GroupRange,
  snapshots: readonly SubtaskSnapshot[],
): SubtaskSnapshot | undefined {
  return snapshots.find(({ keyGroups, pieces }) =>
    holds(keyGroups ?? EVERY_GROUP, from) &&
    pieces.some(({ sections }) =>
      sections.some((section) => section.kind === "broadcast" && section.uid === uid)
    )
  );
}

function holds([from, to]: GroupRange, group: number): boolean {
  return from <= group && group <= to;
}

function overlaps(before: GroupRange | null | undefined, [from, to]: GroupRange): boolean {
  return before === null || before === undefined || (before[0] <= to && before[1] >= from);
}

function intersection([from, to]: GroupRange, [low, high]: GroupRange): GroupRange[] {
  const start = Math.max(from, low);
  const end = Math.min(to, high);
  return start <= end ? [[start, end]] : [];
}
