/**
 * What a subtask needs of its source and its sinks.
 *
 * Pure types. Everything is called on the runner's one thread, between two elements: `capture` and
 * `notifyCompleted` never run in the middle of a record (A5).
 *
 * @module
 */
import type { CheckpointId } from "@shared/ids.ts";
import type { SplitPosition } from "@shared/manifest.ts";
import type { RegionEvent } from "@shared/messages.ts";

/** Where a source hands its records to; implemented by the subtask. */
export interface SourceOutput {
  /**
   * Runs one record through the chain, to its end, before it returns.
   *
   * @param value Decoded record.
   * @param position Number of this record in its split, from 1; the same record gets the same
   *   number after a restore, so ids made of it are stable.
   * @param arrivedAtMs Wall clock at arrival, ms since the epoch.
   */
  record(value: unknown, position: number, arrivedAtMs: number): void;
  /** A record that could not be decoded: counted, sampled, acknowledged like any other. */
  deadLetter(reason: string, payload: Uint8Array, position: number): void;
  /** The window is half full: ask the hub for an early checkpoint (M8). */
  windowPressure(): void;
  event(event: RegionEvent): void;
  /** The source cannot go on; the subtask fails with this reason. */
  failed(message: string, options: { isRetryable: boolean }): void;
  /** Asks the hub, through the agent, whether this attempt still owns the split (M2). */
  askOwnership(): Promise<boolean>;
  /** The split has no more records, and never will have. */
  ended?(): void;
  /** Topic of each message; set only where topics tell where equipment stands. */
  topicSeen?(topic: string): void;
}

export interface SourceMetrics {
  readonly position: number;
  readonly duplicatesDropped: number;
  /** Messages taken in whose PUBACK the broker has not confirmed. */
  readonly windowUsed: number;
  readonly windowSize: number;
  readonly isConnected: boolean;
}

export interface RestoreOptions {
  readonly isSavepoint: boolean;
  readonly positionFloor: number;
}

/** Reads one split. */
export interface SourceReader {
  /**
   * Takes over what a snapshot held; called before `start`, at most once.
   *
   * @param options `positionFloor`: a rollback left records up to it behind; the next new record of the
   *   broker gets an ordinal above it (P4). A source that makes its own records ignores it.
   */
  restore(section: Uint8Array, options: RestoreOptions): void;
  /** Connects and begins to emit; resolves when the source is attached. */
  start(): Promise<void>;
  /** Stops reading from the network until `resume`; sinks push back with it. */
  pause(): void;
  resume(): void;
  /** Section for the snapshot of this moment, given away; synchronous (A5). */
  capture(checkpointId: CheckpointId): { section: Uint8Array; position: SplitPosition };
  /** All checkpoints up to this one are durable: acknowledge what they cover (C9). Idempotent. */
  notifyCompleted(checkpointId: CheckpointId): void;
  notifyAborted(checkpointId: CheckpointId): void;
  metrics(): SourceMetrics;
  /** Disconnects; the broker keeps the session. Resolves when written acks are confirmed or 1 s passed. */
  close(): Promise<void>;
}

/** Writes what a sink operator gets. */
export interface SinkWriter {
  /**
   * Takes one output; never waits.
   *
   * @param outputId Stable over replays: the same output of the same record has the same id.
   */
  write(value: unknown, outputId: string): void;
  /** Makes nothing of output ids: none are made for it. */
  readonly ignoresIds?: boolean;
  /** Outputs taken and not yet confirmed by the other side. */
  readonly pendingCount: number;
  /** Resolves when everything written so far is confirmed; rejects when that cannot be (C1). */
  flush(): Promise<void>;
  /** Outputs that must be in the snapshot: staged and not yet confirmed. Null when the class has none. */
  capture(checkpointId: CheckpointId): Uint8Array | null;
  /** Takes over staged outputs; those of checkpoints up to `restoredId` are emitted at once (C5). */
  restore(section: Uint8Array, restoredId: CheckpointId): void;
  notifyCompleted(checkpointId: CheckpointId): void;
  close(): Promise<void>;
}
