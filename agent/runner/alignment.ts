/**
 * Carries out what the barrier aligner of one subtask decides, and measures how long an alignment takes.
 *
 * Shell around `barrier_aligner.ts`: the actions of an event are carried out before the event returns.
 *
 * Invariants: A4, A6 of `barrier_aligner.ts`.
 *
 * @module
 */
import type { ChannelIndex, CheckpointId } from "@shared/ids.ts";
import {
  type AbortReason,
  type AlignerEvent,
  type AlignerState,
  createAligner,
  stepAligner,
} from "./barrier_aligner.ts";

export interface AlignmentPorts {
  readonly monotonicMs: () => number;
  readonly block: (channel: number) => void;
  readonly unblockAll: () => void;
  /** Every input is aligned: take the snapshot of this moment. */
  readonly snapshot: (checkpointId: CheckpointId, alignmentMs: number) => void;
  readonly abort: (checkpointId: CheckpointId, reason: AbortReason) => void;
}

export class Alignment {
  readonly #ports: AlignmentPorts;
  #state: AlignerState;
  #startedMs = 0;

  /** @param channelCount Inputs that deliver barriers: channels, and the source if there is one. */
  constructor(channelCount: number, ports: AlignmentPorts) {
    this.#state = createAligner(channelCount);
    this.#ports = ports;
  }

  /**
   * Barrier n on an input that is not blocked, or on the source, whose barriers come from outside: there
   * a second n is ignored and a later one gives n up.
   */
  barrier(channel: number, checkpointId: CheckpointId): void {
    const { aligning, aligned } = this.#state;
    if (aligning !== null && aligned.has(channel as ChannelIndex)) {
      if (checkpointId <= aligning) return;
      this.#step({ kind: "cancel", checkpointId: aligning }, "subsumed");
    }
    this.#step({ kind: "barrier", channel: channel as ChannelIndex, checkpointId });
  }

  /** Checkpoint n was triggered; matters only when every input has ended. */
  trigger(checkpointId: CheckpointId): void {
    this.#step({ kind: "trigger", checkpointId });
  }

  /** Checkpoint n, and every one before it, will not be. */
  cancel(checkpointId: CheckpointId): void {
    this.#step({ kind: "cancel", checkpointId });
  }

  /** The input has delivered its last element. */
  close(channel: number): void {
    this.#step({ kind: "close", channel: channel as ChannelIndex });
  }

  #step(event: AlignerEvent, abortedAs?: AbortReason): void {
    const before = this.#state.aligning;
    const { state, actions } = stepAligner(this.#state, event);
    this.#state = state;
    const nowMs = this.#ports.monotonicMs();
    if (before === null || actions.some((action) => action.kind === "abort")) {
      this.#startedMs = nowMs;
    }
    for (const action of actions) {
      switch (action.kind) {
        case "block":
          this.#ports.block(action.channel);
          break;
        case "unblockAll":
          this.#ports.unblockAll();
          break;
        case "snapshot":
          this.#ports.snapshot(action.checkpointId, nowMs - this.#startedMs);
          break;
        case "abort":
          this.#ports.abort(action.checkpointId, abortedAs ?? action.reason);
      }
    }
  }
}
