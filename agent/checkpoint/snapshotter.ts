/**
 * Makes the snapshots of one subtask under one attempt durable, then acknowledges them.
 *
 * Shell: local store, network and hub link through ports; uploads run beside the message loop.
 *
 *   trigger n ─▶ piece… ─▶ snapshot n ─▶ uploadRequest ─▶ grant ─▶ PUT… ─▶ alarms stored ─▶ acknowledge n
 *   any step that fails ─▶ decline n; aborted n, or a newer trigger ─▶ everything of n is given up
 *
 *  1. (C1) `acknowledge` is sent only when the hub holds every piece of the snapshot, those of earlier
 *     checkpoints included, and every alarm edge raised before it.
 *  2. (C6) One checkpoint at a time: a newer trigger ends the older one.
 *  3. (C5) What was asked or acknowledged is sent again after each reconnect, until n ends.
 *  4. Pieces of n stay in the local store until n is aborted or a later checkpoint has completed.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import { messageOf } from "@shared/errors.ts";
import type { Attempt, CheckpointId, Digest, JobId, RegionId, SubtaskId } from "@shared/ids.ts";
import type { Logger } from "@shared/logger.ts";
import type { PieceRef, SubtaskSnapshot } from "@shared/manifest.ts";
import type { AgentMessage, DeclineReason, HubMessageOf } from "@shared/messages.ts";
import type { AlarmOutbox } from "../alarm_outbox.ts";
import type { FailPoints } from "../fail_points.ts";
import type { RunnerReport } from "../runner_frames.ts";
import { type TransferPorts, uploadBlob } from "./blob_transfer.ts";
import type { LocalStore } from "./local_store.ts";

/** Uploads of one snapshot that run at once. */
const UPLOADS_MAX = 2;

/** Checkpoints of which it is not known how they ended, whose pieces are kept; as many as the runner remembers. */
const LATER_MAX = 8;

type ReportOf<K extends RunnerReport["kind"]> = Extract<RunnerReport, { kind: K }>;

export interface SnapshotterOptions {
  readonly region: {
    readonly jobId: JobId;
    readonly regionId: RegionId;
    readonly attempt: Attempt;
  };
  readonly subtaskId: SubtaskId;
  readonly send: (message: AgentMessage) => void;
  readonly store: LocalStore;
  readonly alarms: AlarmOutbox;
  readonly failPoints: FailPoints;
  readonly transfer: TransferPorts;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Grant = HubMessageOf<"uploadGrant"> | HubMessageOf<"uploadRefused">;

/** One checkpoint on its way. */
interface Work {
  readonly checkpointId: CheckpointId;
  readonly triggeredAtMs: number;
  readonly abort: AbortController;
  /** New pieces on their way to the local disk; a failed write is kept, not thrown. */
  readonly writes: Map<Digest, Promise<unknown>>;
  readonly granted: PromiseWithResolvers<Grant>;
  snapshot: SubtaskSnapshot | null;
  /** What a reconnect must send again: the open question, later the acknowledgement. */
  outstanding: AgentMessage | null;
}

/** A step that failed, as the hub is told. */
class Declined extends Error {
  constructor(readonly reason: DeclineReason, detail: string) {
    super(detail);
  }
}

export class Snapshotter {
  readonly #options: SnapshotterOptions;
  readonly #owner: string;
  #work: Work | null = null;
  /** Digests of the last completed checkpoint, and of everything after it. */
  #completed: ReadonlySet<Digest> = new Set();
  readonly #later = new Map<CheckpointId, Set<Digest>>();

  constructor(options: SnapshotterOptions) {
    this.#options = options;
    const { jobId, regionId, attempt } = options.region;
    this.#owner = `${jobId}/${regionId}/${attempt}/${options.subtaskId}`;
  }

  /** The subtask starts from these pieces: they are needed until the next checkpoint completes. */
  restoring(pieces: readonly PieceRef[]): void {
    this.#completed = new Set(pieces.map((piece) => piece.digest));
    this.#refer();
  }

  triggered(trigger: HubMessageOf<"trigger">): void {
    const older = this.#work;
    if (older !== null && older.checkpointId >= trigger.checkpointId) return;
    if (older !== null) this.#decline(older, "superseded", "A newer checkpoint was triggered");
    this.#work = {
      checkpointId: trigger.checkpointId,
      triggeredAtMs: trigger.triggeredAtMs,
      abort: new AbortController(),
      writes: new Map(),
      granted: Promise.withResolvers(),
      snapshot: null,
      outstanding: null,
    };
  }

  /** A new blob of the snapshot: on its way to the local disk when this returns. */
  piece(report: ReportOf<"piece">, bytes: Uint8Array): void {
    const work = this.#current(report.checkpointId);
    if (work === null) return;
    this.#laterDigests(work.checkpointId).add(report.digest);
    this.#refer();
    const write = this.#options.store.put(report.digest, bytes).then(() => null, (error) => error);
    work.writes.set(report.digest, write);
  }

  /** All pieces have come: the rest happens beside the message loop. */
  snapshot(report: ReportOf<"snapshot">): void {
    const work = this.#current(report.checkpointId);
    if (work === null || work.snapshot !== null) return;
    work.snapshot = report.snapshot;
    for (const piece of report.snapshot.pieces) {
      this.#laterDigests(work.checkpointId).add(piece.digest);
    }
    this.#refer();
    void this.#carry(work, report, report.snapshot);
  }

  /** The runner could not make the snapshot. */
  declined(report: ReportOf<"declined">): void {
    const work = this.#current(report.checkpointId);
    if (work !== null) this.#decline(work, report.reason, report.detail);
  }

  /** @returns Whether the answer was for this subtask. */
  answered(grant: Grant): boolean {
    const work = this.#work;
    if (work === null || grant.requestId !== this.#requestId(work)) return false;
    work.granted.resolve(grant);
    return true;
  }

  /** Idempotent; completes every earlier one too (C5). */
  completed(checkpointId: CheckpointId, isSavepoint: boolean): void {
    const digests = this.#later.get(checkpointId);
    if (digests !== undefined) {
      // A savepoint is no base to restart from, so the pieces of the last checkpoint stay as well.
      this.#completed = isSavepoint ? new Set([...this.#completed, ...digests]) : digests;
    }
    for (const id of this.#later.keys()) if (id <= checkpointId) this.#later.delete(id);
    this.#refer();
    if (this.#work !== null && this.#work.checkpointId <= checkpointId) this.#end(this.#work);
  }

  aborted(checkpointId: CheckpointId): void {
    const work = this.#current(checkpointId);
    if (work !== null) this.#end(work);
    // No later snapshot refers to what an aborted one wrote: hours without a checkpoint must not fill the disk.
    if (this.#later.delete(checkpointId)) this.#refer();
  }

  /** The hub is back: what it may have missed is sent again. */
  reconnected(): void {
    const outstanding = this.#work?.outstanding ?? null;
    if (outstanding !== null) this.#options.send(outstanding);
  }

  /** The attempt is over: nothing of it is uploaded or acknowledged any more. */
  close(): void {
    if (this.#work !== null) this.#end(this.#work);
    this.#later.clear();
    this.#options.store.release(this.#owner);
  }

  async #carry(work: Work, report: ReportOf<"snapshot">, snapshot: SubtaskSnapshot): Promise<void> {
    const { clock, alarms, region, failPoints } = this.#options;
    const startedMs = clock.monotonicMs();
    const phasesMs = report.alignmentMs + report.syncMs + report.asyncMs;
    const startDelayMs = Math.max(0, clock.nowMs() - work.triggeredAtMs - phasesMs);
    const alarmsStored = alarms.whenStored(region, work.abort.signal);
    try {
      await this.#diskHolds(work);
      const uploadedBytes = await this.#hubHolds(work, snapshot.pieces);
      await alarmsStored;
      if (work.abort.signal.aborted) return;
      const dropped = alarms.droppedCount(region);
      if (dropped > 0) {
        throw new Declined(
          "sink-failed",
          `${dropped} alarm edges were dropped: the outbox was full`,
        );
      }
      failPoints.reach("uploaded-before-ack");
      const stats = {
        startDelayMs,
        alignmentMs: report.alignmentMs,
        syncMs: report.syncMs,
        asyncMs: report.asyncMs + clock.monotonicMs() - startedMs,
        fullBytes: snapshot.pieces.reduce((sum, piece) => sum + piece.bytes, 0),
        uploadedBytes,
      };
      const { subtaskId } = report;
      const { checkpointId } = work;
      this.#ask(work, { kind: "acknowledge", ...region, subtaskId, checkpointId, snapshot, stats });
      failPoints.reach("after-ack");
    } catch (error) {
      if (work.abort.signal.aborted) return;
      const reason = error instanceof Declined ? error.reason : "upload-failed";
      this.#decline(work, reason, messageOf(error));
    }
  }

  async #diskHolds(work: Work): Promise<void> {
    for (const [digest, write] of work.writes) {
      const problem = await write;
      if (problem !== null) {
        throw new Declined("disk-failed", `Cannot write piece "${digest}": ${messageOf(problem)}`);
      }
    }
  }

  /** @returns Bytes uploaded: what the hub did not hold yet. */
  async #hubHolds(work: Work, pieces: readonly PieceRef[]): Promise<number> {
    const bytesOf = new Map(pieces.map((piece) => [piece.digest, piece.bytes]));
    if (bytesOf.size === 0) return 0;
    const blobs = [...bytesOf].map(([digest, bytes]) => ({ digest, bytes }));
    const { checkpointId, abort } = work;
    const requestId = this.#requestId(work);
    const { region } = this.#options;
    this.#ask(work, { kind: "uploadRequest", requestId, ...region, checkpointId, blobs });
    const grant = await this.#unlessAborted(work, work.granted.promise);
    work.outstanding = null;
    if (grant.kind === "uploadRefused") throw new Declined("upload-failed", grant.reason);
    const puts = grant.blobs.filter((blob) => blob.put !== null);
    if (puts.length > 0) this.#options.failPoints.reach("upload-started");
    const next = puts[Symbol.iterator]();
    const lane = async () => {
      for (const { digest, put } of next) {
        if (put !== null) await this.#upload(digest, put, abort.signal);
      }
    };
    await Promise.all(Array.from({ length: UPLOADS_MAX }, lane));
    return puts.reduce((sum, blob) => sum + (bytesOf.get(blob.digest) ?? 0), 0);
  }

  async #upload(
    digest: Digest,
    put: { url: string; headers: Record<string, string> },
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    const bytes = await this.#options.store.get(digest);
    if (bytes === null) {
      throw new Declined("upload-failed", `The hub asks for piece "${digest}", which is not here`);
    }
    await uploadBlob(put, bytes, { digest, signal, ports: this.#options.transfer });
  }

  async #unlessAborted<T>(work: Work, promise: Promise<T>): Promise<T> {
    const { signal } = work.abort;
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const stop = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    try {
      return await Promise.race([promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  #ask(work: Work, message: AgentMessage): void {
    work.outstanding = message;
    this.#options.send(message);
  }

  #decline(work: Work, reason: DeclineReason, detail: string): void {
    this.#end(work);
    const { region, subtaskId, logger } = this.#options;
    const { checkpointId } = work;
    logger.warn("Declined a checkpoint", { ...region, checkpointId, reason, detail });
    this.#options.send({
      kind: "decline",
      ...region,
      subtaskId,
      checkpointId,
      reason,
      detail: detail.slice(0, 4000),
    });
  }

  #end(work: Work): void {
    work.abort.abort(new Error(`Checkpoint ${work.checkpointId} is over`));
    if (this.#work === work) this.#work = null;
  }

  #current(checkpointId: CheckpointId): Work | null {
    return this.#work?.checkpointId === checkpointId ? this.#work : null;
  }

  #laterDigests(checkpointId: CheckpointId): Set<Digest> {
    const digests = this.#later.get(checkpointId) ?? new Set();
    this.#later.set(checkpointId, digests);
    for (const oldest of this.#later.keys()) {
      if (this.#later.size <= LATER_MAX) break;
      this.#later.delete(oldest);
    }
    return digests;
  }

  #refer(): void {
    const digests = new Set(this.#completed);
    for (const later of this.#later.values()) for (const digest of later) digests.add(digest);
    this.#options.store.refer(this.#owner, digests);
  }

  #requestId(work: Work): string {
    return `${this.#owner}/${work.checkpointId}`;
  }
}
