/**
 * One region's part of checkpoint n: decides when it commits, aborts, and which acknowledgements count.
 *
 * Pure. The shell carries out the effects in order and feeds `committed` or `commitRefused` back when
 * the database has answered.
 *
 *   pending ──last subtask acknowledged──▶ committing ──committed──▶ completed
 *      │                                        └──commitRefused──▶ aborted
 *      └──decline, timeout, attemptRaised, agentAway, cancel──▶ aborted
 *
 * Invariants (tests/property/region_checkpoint_test.ts):
 *
 *   C2  It commits iff every subtask of the plan fixed at the trigger acknowledged n under the attempt of
 *       the trigger. A duplicate changes nothing; from outside the plan or of another attempt: discarded.
 *   C3  `notifyCompleted` comes after `committed` and never before.
 *   C4  Nothing revives an aborted n.
 *   F3  Who acknowledges under an older attempt is told that it is stale.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { Attempt, CheckpointId, Digest, SubtaskId } from "@shared/ids.ts";
import { digestsOf, type SnapshotStats, type SubtaskSnapshot } from "@shared/manifest.ts";
import type { DeclineReason } from "@shared/messages.ts";

/** Why a region's part ended without completing; the list is closed. */
export type AbortReason =
  | DeclineReason
  | "timeout"
  | "attempt-raised"
  | "agent-away"
  | "cancelled"
  | "hub-restarted"
  | "commit-refused";

/**
 * Whether an abort is held against the region (C6): I/O error, snapshot failure, decline and timeout are;
 * what the hub or the fleet brought about is not.
 */
export function countsAsFailure(reason: AbortReason): boolean {
  switch (reason) {
    case "timeout":
    case "not-running":
    case "snapshot-failed":
    case "upload-failed":
    case "sink-failed":
    case "disk-failed":
      return true;
    case "superseded":
    case "attempt-raised":
    case "agent-away":
    case "cancelled":
    case "hub-restarted":
    case "commit-refused":
      return false;
  }
}

export interface Acknowledgement {
  readonly snapshot: SubtaskSnapshot;
  readonly stats: SnapshotStats;
}

export type RegionCheckpointInput =
  | {
    readonly kind: "acknowledge";
    readonly checkpointId: CheckpointId;
    readonly attempt: Attempt;
    readonly subtaskId: SubtaskId;
    readonly acknowledgement: Acknowledgement;
  }
  | {
    readonly kind: "decline";
    readonly checkpointId: CheckpointId;
    readonly attempt: Attempt;
    readonly subtaskId: SubtaskId;
    readonly reason: DeclineReason;
  }
  | { readonly kind: "timeout" }
  | { readonly kind: "attemptRaised" }
  | { readonly kind: "agentAway" }
  | { readonly kind: "cancel" }
  | { readonly kind: "committed" }
  | { readonly kind: "commitRefused" };

export type RegionCheckpointEffect =
  | {
    readonly kind: "commit";
    /** In the order of the plan. */
    readonly acknowledgements: readonly (Acknowledgement & { readonly subtaskId: SubtaskId })[];
  }
  | { readonly kind: "notifyCompleted" }
  | { readonly kind: "abort"; readonly reason: AbortReason }
  /** These blobs belong to no checkpoint: their pins may go, garbage collection does the rest (C2). */
  | { readonly kind: "discard"; readonly digests: readonly Digest[] }
  | { readonly kind: "replyStale"; readonly attempt: Attempt };

export interface RegionCheckpoint {
  readonly status: "pending" | "committing" | "completed" | "aborted";
  readonly checkpointId: CheckpointId;
  readonly attempt: Attempt;
  /** Fixed at the trigger, sorted. */
  readonly plan: readonly SubtaskId[];
  readonly acknowledged: ReadonlyMap<SubtaskId, Acknowledgement>;
  readonly reason: AbortReason | null;
}

export interface RegionCheckpointStep {
  readonly state: RegionCheckpoint;
  readonly effects: readonly RegionCheckpointEffect[];
}

/** The state right after the trigger; `plan` is not empty. */
export function triggerRegionCheckpoint(
  checkpointId: CheckpointId,
  attempt: Attempt,
  plan: readonly SubtaskId[],
): RegionCheckpoint {
  assert(plan.length > 0, `Checkpoint ${checkpointId} has no subtasks`);
  return {
    status: "pending",
    checkpointId,
    attempt,
    plan: [...plan].sort(),
    acknowledged: new Map(),
    reason: null,
  };
}

/** Applies one input. Messages that are late, repeated or foreign never throw: they are answered. */
export function stepRegionCheckpoint(
  state: RegionCheckpoint,
  input: RegionCheckpointInput,
): RegionCheckpointStep {
  switch (input.kind) {
    case "acknowledge":
      return onAcknowledge(state, input);
    case "decline":
      if (!isForThis(state, input)) return refuse(state, input.attempt, []);
      return abort(state, input.reason);
    case "timeout":
      return abort(state, "timeout");
    case "attemptRaised":
      return abort(state, "attempt-raised");
    case "agentAway":
      return abort(state, "agent-away");
    case "cancel":
      return abort(state, "cancelled");
    case "committed":
      assert(state.status === "committing", `Checkpoint committed while ${state.status}`);
      return { state: { ...state, status: "completed" }, effects: [{ kind: "notifyCompleted" }] };
    case "commitRefused":
      assert(state.status === "committing", `Commit refused while ${state.status}`);
      return end(state, "commit-refused");
  }
}

function onAcknowledge(
  state: RegionCheckpoint,
  input: Extract<RegionCheckpointInput, { kind: "acknowledge" }>,
): RegionCheckpointStep {
  const { subtaskId, acknowledgement } = input;
  const digests = digestsOf([acknowledgement.snapshot]);
  if (!isForThis(state, input)) return refuse(state, input.attempt, digests);
  if (state.acknowledged.has(subtaskId)) return { state, effects: [] };
  if (state.status !== "pending") return { state, effects: [{ kind: "discard", digests }] };

  const acknowledged = new Map(state.acknowledged).set(subtaskId, acknowledgement);
  if (acknowledged.size < state.plan.length) {
    return { state: { ...state, acknowledged }, effects: [] };
  }
  const acknowledgements = state.plan.map((id) => ({ subtaskId: id, ...acknowledged.get(id)! }));
  return {
    state: { ...state, acknowledged, status: "committing" },
    effects: [{ kind: "commit", acknowledgements }],
  };
}

function isForThis(
  state: RegionCheckpoint,
  input: { checkpointId: CheckpointId; attempt: Attempt; subtaskId: SubtaskId },
): boolean {
  return input.checkpointId === state.checkpointId && input.attempt === state.attempt &&
    state.plan.includes(input.subtaskId);
}

function refuse(
  state: RegionCheckpoint,
  attempt: Attempt,
  digests: readonly Digest[],
): RegionCheckpointStep {
  const effects: RegionCheckpointEffect[] = [];
  if (digests.length > 0) effects.push({ kind: "discard", digests });
  if (attempt < state.attempt) effects.push({ kind: "replyStale", attempt });
  return { state, effects };
}

/** While committing only the database decides; once ended nothing does. */
function abort(state: RegionCheckpoint, reason: AbortReason): RegionCheckpointStep {
  return state.status === "pending" ? end(state, reason) : { state, effects: [] };
}

function end(state: RegionCheckpoint, reason: AbortReason): RegionCheckpointStep {
  const digests = digestsOf([...state.acknowledged.values()].map((ack) => ack.snapshot));
  const effects: RegionCheckpointEffect[] = [{ kind: "abort", reason }];
  if (digests.length > 0) effects.push({ kind: "discard", digests });
  return { state: { ...state, status: "aborted", reason }, effects };
}
