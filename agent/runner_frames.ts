/**
 * Frames between an agent and its runner process, over the runner's stdin and stdout.
 *
 * Pure types and codec. One frame: u32 BE length of the rest, u32 BE length of the JSON header, the
 * header in UTF-8, then the body (bytes, may be empty). Both ends are of one build, so the header is
 * trusted in shape; a runner's stdout is written by the bootstrap alone.
 *
 *   agent ── init ──▶ runner ── ready ──▶ agent
 *   agent ── restorePiece… start ──▶ runner ── restored ──▶ agent ── run ──▶ runner ── running ──▶
 *   agent ── trigger n ──▶ runner ── piece… snapshot n ──▶ agent ── completed n ──▶ runner
 *
 * @module
 */
import type { Attempt, CheckpointId, Digest, RegionId, SubtaskId } from "@shared/ids.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import type {
  AlarmEdge,
  BrokerConfig,
  EquipmentPlace,
  ExchangeConfig,
  KeyAnswer,
  RegionEvent,
  SignalSample,
  SubtaskMetrics,
} from "@shared/messages.ts";
import type { SubtaskPlan } from "@shared/regions.ts";

interface OfRegion {
  readonly regionId: RegionId;
  readonly attempt: Attempt;
}

/** Agent to runner. Body in brackets. */
export type RunnerCommand =
  /** First frame. [job bundle, UTF-8 CommonJS text] */
  | {
    readonly kind: "init";
    readonly jobId: string;
    readonly jobName: string;
    readonly params: Readonly<Record<string, string>>;
    /** Job under whose name the sources keep their MQTT sessions; its own when left out. */
    readonly sessionJobId?: string;
    readonly brokers: readonly BrokerConfig[];
    /** Tests only: `name:nth`, the point at which to stop dead. */
    readonly failPoint: string | null;
  }
  /** One piece of the snapshot to restore, sent before `start`. [piece bytes, verified by the agent] */
  | (OfRegion & { readonly kind: "restorePiece"; readonly digest: Digest })
  | (OfRegion & {
    readonly kind: "start";
    /** All of the region that this agent runs. */
    readonly subtasks: readonly SubtaskPlan[];
    /** Null when no subtask of the region is elsewhere. */
    readonly exchange: ExchangeConfig | null;
    readonly restore: {
      readonly checkpointId: CheckpointId;
      readonly isSavepoint: boolean;
      /** All of the region; each subtask takes its share. */
      readonly snapshots: readonly SubtaskSnapshot[];
      /** State that no operator takes is left behind instead of refused (S2); default false. */
      readonly allowNonRestoredState?: boolean;
      /** The next record of each split gets an ordinal above this, whatever the snapshot says (P4). */
      readonly positionFloors?: readonly {
        readonly sourceUid: string;
        readonly splitIndex: number;
        readonly position: number;
      }[];
    } | null;
  })
  /** Every subtask of the region has restored: records and timers may run (C8). */
  | (OfRegion & { readonly kind: "run" })
  /** Close sessions cleanly, keep the broker's session; answered by `stopped`. */
  | (OfRegion & { readonly kind: "stop" })
  | (OfRegion & {
    readonly kind: "trigger";
    readonly checkpointId: CheckpointId;
    readonly isSavepoint: boolean;
    /** The maximum watermark goes before the barrier: every event timer and window fires (L3). */
    readonly drain?: boolean;
  })
  /** Checkpoint and all before it are durable: release PUBACKs, emit staged output (C5, C9). */
  | (OfRegion & {
    readonly kind: "completed";
    readonly checkpointId: CheckpointId;
    readonly isSavepoint: boolean;
  })
  | (OfRegion & { readonly kind: "aborted"; readonly checkpointId: CheckpointId })
  /** A person asks for the state of one key; answered by `stateAnswer`. */
  | (OfRegion & {
    readonly kind: "queryState";
    readonly requestId: string;
    readonly subtaskId: SubtaskId;
    readonly operatorUid: string;
    readonly key: string;
  })
  | { readonly kind: "ownership"; readonly requestId: string; readonly isOwner: boolean }
  /** The hub may have missed where equipment stands: tell all of it again. */
  | { readonly kind: "tellPlaces" };

/** Runner to agent. Body in brackets. */
export type RunnerReport =
  | { readonly kind: "ready" }
  /** The bundle cannot be evaluated; the runner exits. */
  | { readonly kind: "broken"; readonly message: string }
  | (OfRegion & { readonly kind: "restored" })
  | (OfRegion & { readonly kind: "running" })
  | (OfRegion & { readonly kind: "stopped" })
  | (OfRegion & {
    readonly kind: "failed";
    readonly message: string;
    readonly isRetryable: boolean;
  })
  /** A new blob of snapshot `checkpointId`. [blob bytes whose SHA-256 is `digest`] */
  | (OfRegion & {
    readonly kind: "piece";
    readonly subtaskId: SubtaskId;
    readonly checkpointId: CheckpointId;
    readonly digest: Digest;
  })
  /** Sent after all its new pieces, when state is encoded and every sink flush of it has ended (C1). */
  | (OfRegion & {
    readonly kind: "snapshot";
    readonly subtaskId: SubtaskId;
    readonly checkpointId: CheckpointId;
    readonly snapshot: SubtaskSnapshot;
    readonly alignmentMs: number;
    readonly syncMs: number;
    readonly asyncMs: number;
  })
  | (OfRegion & {
    readonly kind: "declined";
    /** Null: every subtask of the region that this agent runs. */
    readonly subtaskId: SubtaskId | null;
    readonly checkpointId: CheckpointId;
    readonly reason: "not-running" | "snapshot-failed" | "sink-failed" | "superseded";
    readonly detail: string;
  })
  | (OfRegion & { readonly kind: "requestCheckpoint" })
  | (OfRegion & { readonly kind: "askOwnership"; readonly requestId: string })
  | (OfRegion & {
    readonly kind: "stateAnswer";
    readonly requestId: string;
    readonly answer: KeyAnswer;
  })
  | { readonly kind: "alarms"; readonly edges: readonly AlarmEdge[] }
  | { readonly kind: "samples"; readonly samples: readonly SignalSample[] }
  | { readonly kind: "equipment"; readonly places: readonly EquipmentPlace[] }
  | { readonly kind: "metrics"; readonly subtasks: readonly SubtaskMetrics[] }
  | (OfRegion & { readonly kind: "event"; readonly event: RegionEvent })
  | {
    readonly kind: "log";
    readonly level: "debug" | "info" | "warn" | "error";
    readonly message: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }
  /** Tests only: the runner has reached its fail point and waits to be killed with its agent. */
  | { readonly kind: "failPoint"; readonly name: string };

/** Longest frame either end accepts, bytes. */
export const FRAME_BYTES_MAX = 256 * 1024 * 1024;

const LENGTH_BYTES = 4;
const NO_BODY = new Uint8Array(0);

/** Bytes of one frame, ready to be written. */
export function encodeFrame(
  header: RunnerCommand | RunnerReport,
  body: Uint8Array = NO_BODY,
): Uint8Array {
  const head = encodeFrameHead(header, body.length);
  const frame = new Uint8Array(head.length + body.length);
  frame.set(head);
  frame.set(body, head.length);
  return frame;
}

/** The frame up to its body, which is to be written right behind it. */
export function encodeFrameHead(
  header: RunnerCommand | RunnerReport,
  bodyBytes: number,
): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const head = new Uint8Array(8 + json.length);
  const view = new DataView(head.buffer);
  view.setUint32(0, 4 + json.length + bodyBytes);
  view.setUint32(4, json.length);
  head.set(json, 8);
  return head;
}

/**
 * Cuts a byte stream into frames. A frame is gathered in one array made for it, which header and body are
 * parts of, so what it hands out outlives the chunks it came in and nothing is copied twice.
 */
export class FrameDecoder<Header> {
  readonly #length = new Uint8Array(LENGTH_BYTES);
  #lengthBytes = 0;
  /** The frame behind its length; null while the length itself is being gathered. */
  #frame: Uint8Array | null = null;
  #frameBytes = 0;

  /**
   * @throws {RangeError} If a frame says that it is longer than `FRAME_BYTES_MAX`: the stream is broken.
   */
  push(chunk: Uint8Array, onFrame: (header: Header, body: Uint8Array) => void): void {
    for (let at = 0; at < chunk.length;) {
      const frame = this.#frame;
      if (frame === null) {
        this.#length[this.#lengthBytes++] = chunk[at++]!;
        if (this.#lengthBytes === LENGTH_BYTES) this.#begin();
        continue;
      }
      const part = chunk.subarray(at, at + frame.length - this.#frameBytes);
      frame.set(part, this.#frameBytes);
      this.#frameBytes += part.length;
      at += part.length;
      if (this.#frameBytes < frame.length) return;
      this.#frame = null;
      const headerEnd = LENGTH_BYTES + lengthOf(frame);
      const text = new TextDecoder().decode(frame.subarray(LENGTH_BYTES, headerEnd));
      onFrame(JSON.parse(text) as Header, frame.subarray(headerEnd));
    }
  }

  #begin(): void {
    const rest = lengthOf(this.#length);
    if (rest > FRAME_BYTES_MAX || rest < LENGTH_BYTES) {
      throw new RangeError(`Frame of ${rest} bytes: want ${LENGTH_BYTES} to ${FRAME_BYTES_MAX}`);
    }
    this.#frame = new Uint8Array(rest);
    this.#frameBytes = 0;
    this.#lengthBytes = 0;
  }
}

function lengthOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getUint32(0);
}
