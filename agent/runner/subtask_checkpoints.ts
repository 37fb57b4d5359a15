/**
 * The checkpoints of one subtask, from the trigger to its snapshot: barriers in, alignment, capture, barriers
 * out.
 *
 * Touches the inputs and outputs it is given.
 *
 *   trigger ──▶ barrier of the source ─┐
 *   barriers of the channels ──────────┴─ aligned ──▶ capture, then the barrier to every output, in one step
 *
 * Invariants (agent/runner/region_host_test.ts, tests/property/exchange_cut_test.ts):
 *
 *   A3  Only the source's barrier comes of a trigger.
 *   A4  Nothing behind a barrier is in its snapshot, nothing in front of it is missing.
 *   A6  Ids strictly increase; a later barrier gives an unfinished checkpoint up.
 *
 * @module
 */
import { assert } from "@shared/assert.ts";
import type { CheckpointId } from "@shared/ids.ts";
import { Alignment } from "./alignment.ts";
import type { ChannelInputs } from "./channel_inputs.ts";
import type { ChannelOutputs } from "./channel_outputs.ts";
import { ALIGNING, DRAINED, type Holds } from "./holds.ts";
import { SourceGate } from "./source_gate.ts";
import {
  type DeclineReason,
  type SnapshotsOptions,
  SubtaskSnapshots,
} from "./subtask_snapshots.ts";

export interface CheckpointsOptions {
  readonly snapshots: SnapshotsOptions;
  readonly inputs: ChannelInputs;
  readonly outputs: ChannelOutputs;
  readonly holds: Holds;
  /** Runs a record of the source that had to wait. */
  readonly record: (value: unknown, position: number, arrivedAtMs: number) => void;
  /** Time comes to its end, in front of the barrier (L3). */
  readonly drain: () => void;
  /** Inputs that were blocked may be read again. */
  readonly onUnblocked: () => void;
  /** The attempt cannot go on. */
  readonly failed: (message: string) => void;
}

export class SubtaskCheckpoints {
  readonly #options: CheckpointsOptions;
  readonly #snapshots: SubtaskSnapshots;
  readonly #alignment: Alignment;
  readonly #gate: SourceGate;
  readonly #hasSource: boolean;
  /** Number of the source among the inputs that deliver barriers: behind the channels. */
  readonly #sourceChannel: number;
  #hasSourceEnded = false;
  #triggeredId: CheckpointId | null = null;
  #drainedBy: CheckpointId | null = null;

  constructor(options: CheckpointsOptions) {
    this.#options = options;
    const { plan, source, monotonicMs } = options.snapshots.parts;
    this.#snapshots = new SubtaskSnapshots(options.snapshots);
    this.#hasSource = source !== null;
    this.#sourceChannel = plan.inputs.length;
    const { holds, record, failed } = options;
    this.#gate = new SourceGate({ source, holds, record, failed });
    this.#alignment = new Alignment(plan.inputs.length + (source === null ? 0 : 1), {
      monotonicMs,
      block: (channel) => this.#block(channel),
      unblockAll: () => this.#unblockAll(),
      snapshot: (checkpointId, alignmentMs) => this.#take(checkpointId, alignmentMs),
      abort: (checkpointId, reason) => {
        if (reason !== "subsumed") return;
        this.decline(checkpointId, "superseded", "A later checkpoint began before it was aligned");
      },
    });
  }

  /** Checkpoint `checkpointId` has begun. */
  trigger(checkpointId: CheckpointId, { isDrain }: { isDrain: boolean }): void {
    if (this.#drainedBy !== null && checkpointId > this.#drainedBy) {
      const detail = `Checkpoint ${this.#drainedBy} has drained the subtask`;
      return this.decline(checkpointId, "not-running", detail);
    }
    if (isDrain) {
      // What waits behind an earlier barrier runs before time ends: nobody else would run it.
      this.#alignment.cancel((checkpointId - 1) as CheckpointId);
      this.#drainedBy = checkpointId;
      if (this.#hasSource) this.#options.drain();
      this.#options.holds.add(DRAINED);
    }
    this.#triggeredId = checkpointId;
    if (this.#hasSource && !this.#hasSourceEnded) {
      this.#alignment.barrier(this.#sourceChannel, checkpointId);
    } else this.#alignment.trigger(checkpointId);
  }

  /** Barrier `checkpointId` on a channel that is not blocked. */
  barrier(channel: number, checkpointId: CheckpointId): void {
    this.#alignment.barrier(channel, checkpointId);
  }

  /** The channel has delivered its last element. */
  channelEnded(channel: number): void {
    this.#alignment.close(channel);
  }

  /** The source has delivered its last record; what waits behind its barrier comes before that. */
  sourceEnded(): void {
    this.#hasSourceEnded = true;
    this.#alignment.close(this.#sourceChannel);
  }

  /** A record of the source came while the source is held. */
  keep(value: unknown, position: number, arrivedAtMs: number): void {
    this.#gate.keep(value, position, arrivedAtMs);
  }

  /** Checkpoint `checkpointId`, and every one before it, will not be. */
  aborted(checkpointId: CheckpointId): void {
    this.#alignment.cancel(checkpointId);
    this.#snapshots.aborted(checkpointId);
    if (this.#drainedBy !== checkpointId) return;
    this.#options.failed(
      `Checkpoint ${checkpointId}, which drained the job, was aborted: the job goes on from the ` +
        `checkpoint before it`,
    );
  }

  /** Gives the running snapshot up without a word. */
  cancel(): void {
    this.#snapshots.cancel();
  }

  decline(checkpointId: CheckpointId, reason: DeclineReason, detail: string): void {
    this.#snapshots.decline(checkpointId, reason, detail);
  }

  #take(checkpointId: CheckpointId, alignmentMs: number): void {
    const { atBarrier } = this.#gate;
    this.#snapshots.take(checkpointId, { atBarrier, alignmentMs });
    this.#options.outputs.barrier(checkpointId);
  }

  /** A source alone has nobody to wait for. */
  #block(channel: number): void {
    if (channel < this.#sourceChannel) return this.#options.inputs.block(channel);
    assert(this.#triggeredId !== null, "The source gave a barrier that nobody triggered");
    if (this.#sourceChannel > 0) this.#gate.block(this.#triggeredId);
  }

  #unblockAll(): void {
    const { inputs, holds, onUnblocked } = this.#options;
    inputs.unblockAll();
    if (holds.has(ALIGNING)) this.#gate.unblock();
    onUnblocked();
  }
}
