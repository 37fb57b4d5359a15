/**
 * What a snapshot consists of, as plain JSON kept in Postgres beside the blobs it names.
 *
 * Pure. A blob ("piece") packs sections; a section holds one key group of one operator, or the one
 * position of a source split, or what a sink has staged. A key group that did not change keeps pointing
 * into the piece that was uploaded for an earlier checkpoint (P9).
 *
 * @module
 */
import type { Attempt, CheckpointId, Digest, JobId, RegionId, SubtaskId } from "@shared/ids.ts";

export const MANIFEST_VERSION = 1;

/** Hash from key to key group; frozen by a golden test, named in every manifest (S1). */
export const KEY_HASH_ID = "murmur3-32-utf8-seed0/1";

/** `[from, to]` inclusive key groups. */
export type GroupRange = readonly [number, number];

/** Which sections of a piece this snapshot uses. Key groups not listed are garbage to it. */
export interface SectionRef {
  /**
   * `keyed`: key groups whole. `delta`: what changed in key groups since the sections of older pieces.
   * `broadcast`: an operator's state that is the same in all its subtasks. `time`: how far time has come
   * in the subtask; its uid is that of the stage.
   */
  readonly kind: "keyed" | "delta" | "broadcast" | "source" | "sink" | "time";
  readonly uid: string;
  /** Sorted, disjoint; empty for all but `keyed` and `delta`: one section per subtask. */
  readonly groups: readonly GroupRange[];
}

export interface PieceRef {
  readonly digest: Digest;
  readonly bytes: number;
  readonly sections: readonly SectionRef[];
}

/** Where a split stood at the barrier; lets the hub tell what a rollback would lose (P4). */
export interface SplitPosition {
  readonly sourceUid: string;
  readonly splitIndex: number;
  /** Records taken from the split into the state since the job began. */
  readonly position: number;
  /** Arrival time of the last of them, ms since the epoch; null before the first. */
  readonly lastRecordAtMs: number | null;
}

export interface OperatorSnapshot {
  readonly uid: string;
  readonly states: readonly { name: string; kind: string; codecVersion: number }[];
  readonly entryCount: number;
}

export interface SubtaskSnapshot {
  readonly version: typeof MANIFEST_VERSION;
  readonly subtaskId: SubtaskId;
  /** Range of key groups that the subtask owned; null, or left out, when its state is local to its split. */
  readonly keyGroups?: GroupRange | null;
  readonly keyGroupCount: number;
  readonly keyHash: string;
  readonly operators: readonly OperatorSnapshot[];
  readonly splits: readonly SplitPosition[];
  /** Oldest first: a key group is its `keyed` section, then its `delta` sections in this order. */
  readonly pieces: readonly PieceRef[];
}

export interface RegionManifest {
  readonly version: typeof MANIFEST_VERSION;
  readonly jobId: JobId;
  readonly regionId: RegionId;
  readonly attempt: Attempt;
  readonly checkpointId: CheckpointId;
  readonly subtasks: readonly SubtaskSnapshot[];
}

/** Phases of one subtask's snapshot, milliseconds, and what it wrote, bytes. */
export interface SnapshotStats {
  /** From the trigger at the hub to the barrier at the subtask. */
  readonly startDelayMs: number;
  readonly alignmentMs: number;
  /** Processing stood still. */
  readonly syncMs: number;
  /** Encode, write, upload and sink flush, beside the processing. */
  readonly asyncMs: number;
  /** All pieces the snapshot refers to. */
  readonly fullBytes: number;
  /** Pieces uploaded for this snapshot. */
  readonly uploadedBytes: number;
}

/** Digests a region's manifest refers to, sorted, each once. */
export function digestsOf(subtasks: readonly SubtaskSnapshot[]): Digest[] {
  const digests = new Set<Digest>();
  for (const subtask of subtasks) for (const piece of subtask.pieces) digests.add(piece.digest);
  return [...digests].sort();
}
