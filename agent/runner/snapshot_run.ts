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
import type { CheckpointId } from "@shared/ids.ts";
import { KEY_GROUP_COUNT, type OperatorNode } from "@shared/job_graph.ts";
import { KEY_HASH_ID, MANIFEST_VERSION, type SubtaskSnapshot } from "@shared/manifest.ts";
import { stageOf, type SubtaskPlan } from "@shared/regions.ts";
import type { SinkWriter, SourceReader } from "../connectors/connector.ts";
import { release } from "../state/byte_stream.ts";
import type { KeyedState, StateCapture } from "../state/keyed_state.ts";
import { type Piece, PiecePacker } from "../state/piece_codec.ts";
import type { LatestTime } from "./origin.ts";
import { encodeTimeSection, type TimeState, writeSourceSection } from "./time_section.ts";

/** Longest time spent on encoding before other work gets its turn, ms. */
export const SLICE_MS = 4;

export interface SnapshotParts {
  readonly plan: SubtaskPlan;
  /** Operators of the chain. */
  readonly operators: readonly OperatorNode[];
  readonly state: KeyedState;
  readonly latest: LatestTime;
  /** How far event time has come. */
  readonly time: () => TimeState;
  /** Null when only channels feed the subtask. */
  readonly source: SourceReader | null;
  /** Where the source stood at its barrier, if that was before this moment. */
  readonly atBarrier: SourceCapture | null;
  readonly sinks: ReadonlyMap<string, SinkWriter>;
  readonly monotonicMs: () => number;
  readonly yieldTurn: () => Promise<void>;
}

export type SourceCapture = ReturnType<SourceReader["capture"]>;

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
  readonly #source: SourceCapture | null;
  readonly #time: TimeState;
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
    this.#source = parts.atBarrier ?? parts.source?.capture(checkpointId) ?? null;
    this.#time = parts.time();
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
    const { state, monotonicMs, yieldTurn } = this.#parts;
    await yieldTurn();
    this.#encodeInputs();
    for (const [uid, staged] of this.#staged) {
      this.#packer.add({ kind: "sink", uid, group: 0 }, staged);
    }
    state.writeBroadcast(this.#capture, this.#packer);
    await yieldTurn();
    let sliceStartMs = monotonicMs();
    for (const group of this.#capture.write) {
      if (this.#isCancelled) return false;
      state.writeGroup(group, this.#packer);
      if (monotonicMs() - sliceStartMs < SLICE_MS) continue;
      await yieldTurn();
      sliceStartMs = monotonicMs();
    }
    return !this.#isCancelled;
  }

  /** Where the source stands, and how far time has come. */
  #encodeInputs(): void {
    const { sourceUid, subtaskId } = this.#parts.plan;
    if (this.#source !== null && sourceUid !== null) {
      const { section } = this.#source;
      const name = { kind: "source", uid: sourceUid, group: 0 } as const;
      this.#packer.write(name, (to) => writeSourceSection(to, this.#latestMs, section));
      release(section);
    }
    const section = encodeTimeSection(this.#latestMs, this.#time);
    this.#packer.add({ kind: "time", uid: stageOf(subtaskId), group: 0 }, section);
  }

  #describe(piece: Piece): SubtaskSnapshot {
    const { plan: { subtaskId, keyGroups }, operators, state } = this.#parts;
    return {
      version: MANIFEST_VERSION,
      subtaskId,
      keyGroups,
      keyGroupCount: KEY_GROUP_COUNT,
      keyHash: KEY_HASH_ID,
      operators: operators.filter((node) => node.states.length > 0).map(({ uid, states }) => ({
        uid,
        states: states.map(({ name, kind, codecVersion }) => ({ name, kind, codecVersion })),
        entryCount: this.#capture.entryCounts.get(uid) ?? 0,
      })),
      splits: this.#source === null ? [] : [this.#source.position],
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
