/**
 * The snapshots of one subtask: takes them one at a time, and reports what became of each.
 *
 * Touches the report port and what a snapshot captures.
 *
 * Invariants (agent/runner/subtask_test.ts):
 *
 *   A6  A later snapshot gives an unfinished one up.
 *   C1  A snapshot is sent after all its pieces and sink flushes.
 *
 * @module
 */
import { messageOf } from "@shared/errors.ts";
import type { Attempt, CheckpointId, RegionId } from "@shared/ids.ts";
import type { RunnerReport } from "../runner_frames.ts";
import type { FailPoints } from "./fail_points.ts";
import { type SnapshotParts, SnapshotRun, type SourceCapture } from "./snapshot_run.ts";

export type DeclineReason = Extract<RunnerReport, { kind: "declined" }>["reason"];

export interface SnapshotsOptions {
  readonly region: { readonly regionId: RegionId; readonly attempt: Attempt };
  readonly parts: Omit<SnapshotParts, "atBarrier">;
  readonly report: (report: RunnerReport, body?: Uint8Array) => void;
  readonly failPoints: FailPoints;
}

export class SubtaskSnapshots {
  readonly #options: SnapshotsOptions;
  #running: SnapshotRun | null = null;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
  }

  /** Captures everything as of this moment; encoding and sending happen beside the processing. */
  take(
    checkpointId: CheckpointId,
    { atBarrier, alignmentMs }: { atBarrier: SourceCapture | null; alignmentMs: number },
  ): void {
    const { parts, failPoints } = this.#options;
    if (this.#running !== null) {
      this.#running.cancel();
      const detail = `Checkpoint ${checkpointId} began before it was ready`;
      this.decline(this.#running.checkpointId, "superseded", detail);
    }
    failPoints.hit("barrier-before-snapshot");
    try {
      this.#running = new SnapshotRun(checkpointId, { ...parts, atBarrier });
    } catch (thrown) {
      this.#running = null;
      parts.state.drop();
      return this.decline(checkpointId, "snapshot-failed", messageOf(thrown));
    }
    failPoints.hit("barrier-after-snapshot");
    void this.#finish(this.#running, alignmentMs);
  }

  /** Checkpoint `checkpointId`, and every one before it, will not be. */
  aborted(checkpointId: CheckpointId): void {
    if (this.#running !== null && this.#running.checkpointId <= checkpointId) this.cancel();
  }

  /** Gives the running snapshot up without a word. */
  cancel(): void {
    this.#running?.cancel();
    this.#running = null;
  }

  decline(checkpointId: CheckpointId, reason: DeclineReason, detail: string): void {
    const { region, parts, report } = this.#options;
    const { subtaskId } = parts.plan;
    report({ kind: "declined", ...region, subtaskId, checkpointId, reason, detail });
  }

  async #finish(run: SnapshotRun, alignmentMs: number): Promise<void> {
    const result = await run.finish();
    if (this.#running === run) this.#running = null;
    const { checkpointId, syncMs } = run;
    switch (result.kind) {
      case "cancelled":
        return;
      case "declined":
        return this.decline(checkpointId, result.reason, result.detail);
      case "taken": {
        const { piece, snapshot, asyncMs } = result;
        const { region, parts, report, failPoints } = this.#options;
        const of = { ...region, subtaskId: parts.plan.subtaskId, checkpointId };
        report({ kind: "piece", ...of, digest: piece.digest }, piece.bytes);
        report({ kind: "snapshot", ...of, snapshot, alignmentMs, syncMs, asyncMs });
        failPoints.hit("snapshot-sent");
      }
    }
  }
}
