/**
 * Snapshots of a local job, in the form in which checkpoints are stored, and jobs that go on from them.
 *
 * Touches the subtasks it is given. A snapshot is encoded and decoded like any other, so that a test of a
 * restore is a test of the restore; only the way to the object store and back is left out.
 *
 * @module
 */
import { PenstockError, UserError } from "@shared/errors.ts";
import type { CheckpointId, Digest, RegionId } from "@shared/ids.ts";
import type { OperatorNode } from "@shared/job_graph.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import { isRestorable, judgeCompatibility } from "@shared/state_compatibility.ts";
import { SnapshotRun } from "../runner/snapshot_run.ts";
import { restoreSubtask } from "../runner/subtask_restore.ts";
import { MIN_WATERMARK_MS } from "../runner/watermarks.ts";
import type { LocalSubtask } from "./local_subtask.ts";

export interface LocalSnapshot {
  readonly checkpointId: CheckpointId;
  readonly regions: ReadonlyMap<RegionId, readonly SubtaskSnapshot[]>;
  readonly pieces: ReadonlyMap<Digest, Uint8Array>;
}

/** The state of all subtasks as of this moment. @throws {PenstockError} `snapshot-failed`. */
export async function takeLocalSnapshot(
  subtasks: readonly LocalSubtask[],
  checkpointId: CheckpointId,
): Promise<LocalSnapshot> {
  const runs = subtasks.map((subtask) => ({ subtask, run: captureOf(subtask, checkpointId) }));
  const regions = new Map<RegionId, SubtaskSnapshot[]>();
  const pieces = new Map<Digest, Uint8Array>();
  for (const { subtask, run } of runs) {
    const result = await run.finish();
    if (result.kind !== "taken") {
      const detail = result.kind === "declined" ? result.detail : "it was cancelled";
      throw new PenstockError(`Subtask ${subtask.plan.subtaskId} took no snapshot: ${detail}`, {
        code: "snapshot-failed",
        domain: "internal",
      });
    }
    regions.set(subtask.regionId, [...regions.get(subtask.regionId) ?? [], result.snapshot]);
    pieces.set(result.piece.digest, result.piece.bytes);
  }
  return { checkpointId, regions, pieces };
}

function captureOf(subtask: LocalSubtask, checkpointId: CheckpointId): SnapshotRun {
  const { plan, operators, state, latest, chain, sinks } = subtask;
  return new SnapshotRun(checkpointId, {
    plan,
    operators,
    state,
    latest,
    time: () => ({
      watermarkMs: chain.watermarkMs,
      latestEventMs: chain.sourceTime?.latestMs ?? MIN_WATERMARK_MS,
    }),
    source: null,
    atBarrier: null,
    sinks,
    monotonicMs: () => 0,
    yieldTurn: () => Promise.resolve(),
  });
}

/**
 * Takes a snapshot over, whatever its parallelism was.
 *
 * @param operators All of the job.
 * @throws {UserError} `state-not-restored` or `snapshot-incompatible`, where a hub or an agent would refuse it.
 */
export async function restoreLocal(
  subtasks: readonly LocalSubtask[],
  { checkpointId, regions, pieces }: LocalSnapshot,
  options: { operators: readonly OperatorNode[]; allowNonRestoredState: boolean },
): Promise<void> {
  refuseUnfit([...regions.values()].flat(), options);
  for (const subtask of subtasks) {
    const { plan, regionId, state, latest, chain, sinks, timers } = subtask;
    const snapshots = regions.get(regionId);
    if (snapshots === undefined) continue;
    const { operators, allowNonRestoredState } = options;
    const time = await restoreSubtask(
      { checkpointId, isSavepoint: true, snapshots, allowNonRestoredState },
      pieces,
      {
        plan,
        operators,
        state,
        latest,
        source: null,
        sinks,
        monotonicMs: () => 0,
        yieldTurn: () => Promise.resolve(),
        onHalf: () => {},
        isOver: () => false,
      },
    );
    if (time === null) continue;
    chain.restore(time);
    timers.load();
  }
}

/** What the hub does before it stops anything (S3). */
function refuseUnfit(
  snapshots: readonly SubtaskSnapshot[],
  { operators, allowNonRestoredState }: {
    operators: readonly OperatorNode[];
    allowNonRestoredState: boolean;
  },
): void {
  const judged = judgeCompatibility(snapshots, { operators });
  if (isRestorable(judged, allowNonRestoredState)) return;
  const reasons = judged
    .filter(({ compatibility }) => compatibility === "incompatible" || compatibility === "dropped")
    .map(({ uid, reason }) => `operator "${uid}": ${reason}`);
  throw new UserError("state-not-restored", `Cannot restore the snapshot: ${reasons.join("; ")}`);
}
