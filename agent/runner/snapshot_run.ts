/**
 * One snapshot of one subtask: the capture at the barrier, then encoding and flushing beside the processing.
 *
 * Touches the subtask's state, source and sinks, and the report port. Encoding is cut into slices of
 * `SLICE_MS`, so processing never stands still for long.
 *
 *   captured ──▶ encoding ──▶ flushing ──▶ sent
 *       └───────────┴────────────┴── cancel, throw ──▶ dropped
 *
 * Invariants:
 *
 *   A5  Keyed state, timers, source position and staged output are fixed in one synchronous step.
 *   C1  The snapshot is sent after its pieces and after every sink flush of it has ended.
 *
 * @module
 */
import { messageOf } from "@shared/errors.ts";
import type { CheckpointId, SubtaskId } from "@shared/ids.ts";
import { KEY_GROUP_COUNT, type OperatorNode } from "@shared/job_graph.ts";
import {
  KEY_HASH_ID,
  MANIFEST_VERSION,
  type SplitPosition,
  type SubtaskSnapshot,
} from "@shared/manifest.ts";
import type { SinkWriter, SourceReader } from "../connectors/connector.ts";
import type { KeyedState, StateCapture } from "../state/keyed_state.ts";
import { type Piece, PiecePacker } from "../state/piece_codec.ts";
import { encodeSection } from "../state/snapshot_codec.ts";
import type { LatestTime } from "./origin.ts";
import { encodeSourceSection } from "./restorer.ts";

/** Longest time spent on encoding before other work gets its turn, ms. */
export const SLICE_MS = 4;

export interface SnapshotParts {
  readonly subtaskId: SubtaskId;
  readonly sourceUid: string;
  /** Operators of the chain. */
  readonly operators: readonly OperatorNode[];
  readonly state: KeyedState;
  readonly latest: LatestTime;
  readonly source: SourceReader;
  readonly sinks: ReadonlyMap<string, SinkWriter>;
  readonly monotonicMs: () => number;
  readonly yieldTurn: () => Promise<void>;
}

export type SnapshotResult =
  | {
    readonly kind: "taken";
    readonly piece: Piece;
    readonly snapshot: SubtaskSnapshot;
    readonly asyncMs: number;
  }
  | {
    readonly kind: "declined";
    readonly reason: "snapshot-failed" | "sink-failed";
    readonly detail: string;
  }
  | { readonly kind: "cancelled" };

export class SnapshotRun {
  readonly checkpointId: CheckpointId;
  /** How long the capture took: processing stood still. */
  readonly syncMs: number;
  readonly #parts: SnapshotParts;
  readonly #capture: StateCapture;
  readonly #split: SplitPosition;
  readonly #sourceSection: Uint8Array;
  readonly #latestMs: number;
  readonly #staged = new Map<string, Uint8Array>();
  readonly #packer = new PiecePacker();
  readonly #flushed: Promise<string | null>;
  #isCancelled = false;

  /** Captures: everything in the snapshot is as of this moment, and stays so (A5). */
  constructor(checkpointId: CheckpointId, parts: SnapshotParts) {
    const startMs = parts.monotonicMs();
    this.checkpointId = checkpointId;
    this.#parts = parts;
    this.#capture = parts.state.capture(checkpointId);
    const { section, position } = parts.source.capture(checkpointId);
    this.#split = position;
    this.#sourceSection = section;
    this.#latestMs = parts.latest.latestMs;
    for (const [uid, sink] of parts.sinks) {
      const staged = sink.capture(checkpointId);
      if (staged !== null) this.#staged.set(uid, staged);
    }
    this.#flushed = flushAll(parts.sinks);
    this.syncMs = parts.monotonicMs() - startMs;
  }

  /** Gives the snapshot up: what it captured is forgotten and `finish` answers `cancelled`. */
  cancel(): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    this.#parts.state.drop();
  }

  /** Encodes, flushes and describes the snapshot. Never rejects. */
  async finish(): Promise<SnapshotResult> {
    const startMs = this.#parts.monotonicMs();
    try {
      if (!await this.#encode()) return { kind: "cancelled" };
      const piece = this.#packer.finish();
      const fault = await this.#flushed;
      if (this.#isCancelled) return { kind: "cancelled" };
      if (fault !== null) return { kind: "declined", reason: "sink-failed", detail: fault };
      const snapshot = this.#describe(piece);
      return { kind: "taken", piece, snapshot, asyncMs: this.#parts.monotonicMs() - startMs };
    } catch (thrown) {
      if (this.#isCancelled) return { kind: "cancelled" };
      this.cancel();
      return { kind: "declined", reason: "snapshot-failed", detail: messageOf(thrown) };
    }
  }

  /** @returns False when it was cancelled in between. */
  async #encode(): Promise<boolean> {
    const { state, sourceUid, monotonicMs, yieldTurn } = this.#parts;
    await yieldTurn();
    const sourceSection = encodeSourceSection(this.#latestMs, this.#sourceSection);
    this.#packer.add({ kind: "source", uid: sourceUid, group: 0 }, sourceSection);
    for (const [uid, staged] of this.#staged) {
      this.#packer.add({ kind: "sink", uid, group: 0 }, staged);
    }
    await yieldTurn();
    let sliceStartMs = monotonicMs();
    for (const { uid, group } of this.#capture.write) {
      if (this.#isCancelled) return false;
      const plain = encodeSection(state.take(uid, group), uid);
      this.#packer.add({ kind: "keyed", uid, group }, plain);
      if (monotonicMs() - sliceStartMs < SLICE_MS) continue;
      await yieldTurn();
      sliceStartMs = monotonicMs();
    }
    return !this.#isCancelled;
  }

  #describe(piece: Piece): SubtaskSnapshot {
    const { subtaskId, operators, state } = this.#parts;
    return {
      version: MANIFEST_VERSION,
      subtaskId,
      keyGroupCount: KEY_GROUP_COUNT,
      keyHash: KEY_HASH_ID,
      operators: operators.filter((node) => node.states.length > 0).map(({ uid, states }) => ({
        uid,
        states: states.map(({ name, kind, codecVersion }) => ({ name, kind, codecVersion })),
        entryCount: this.#capture.entryCounts.get(uid) ?? 0,
      })),
      splits: [this.#split],
      pieces: state.seal(this.#capture, piece),
    };
  }
}

/** Null when everything written so far is confirmed; otherwise what a sink said. */
async function flushAll(sinks: ReadonlyMap<string, SinkWriter>): Promise<string | null> {
  const flushes = [...sinks].map(async ([uid, sink]) => {
    try {
      await sink.flush();
      return null;
    } catch (thrown) {
      return `sink "${uid}": ${messageOf(thrown)}`;
    }
  });
  return (await Promise.all(flushes)).find((fault) => fault !== null) ?? null;
}
