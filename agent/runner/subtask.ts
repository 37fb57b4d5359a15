/**
 * One subtask: a chain of operators behind one split, with its state, timers, snapshots and sinks.
 *
 * Touches its connectors, the clock and the report port. Everything runs on one thread, and a record, a
 * timer or a command runs to its end before the next one: that is its queue, and it is the one writer.
 *
 *   created ── restore ──▶ restored ── run ──▶ running ── stop ──▶ stopped
 *        └─────────────────────┴──────────────────┴── throw ──▶ failed
 *
 * Invariants (agent/runner/subtask_test.ts):
 *
 *   C8  No record and no timer before `run`.
 *   A5  A snapshot falls between two records, timers or commands.
 *   A6  Snapshot ids strictly increase; a later barrier gives an unfinished snapshot up.
 *   C1  A snapshot is sent after all its pieces and sink flushes.
 *   P1  Only a completed checkpoint, never a savepoint, reaches the source and the sinks.
 *
 * @module
 */
import { assert, AssertionError } from "@shared/assert.ts";
import type { Clock } from "@shared/clock.ts";
import { messageOf, PenstockError, UserError } from "@shared/errors.ts";
import type { Attempt, ChannelIndex, CheckpointId, Digest, RegionId } from "@shared/ids.ts";
import type { OperatorNode } from "@shared/job_graph.ts";
import type { SignalSample, SubtaskMetrics } from "@shared/messages.ts";
import type { SubtaskPlan } from "@shared/regions.ts";
import type { BuiltJob, OperatorSpec } from "@shared/sdk/operator.ts";
import type { SinkWriter, SourceOutput, SourceReader } from "../connectors/connector.ts";
import type { RunnerReport } from "../runner_frames.ts";
import { KeyedState } from "../state/keyed_state.ts";
import { StateTable } from "../state/state_table.ts";
import { type AlignerState, createAligner, stepAligner } from "./barrier_aligner.ts";
import { type Chain, compileChain } from "./chain.ts";
import type { ConnectorFactory } from "./connectors.ts";
import type { FailPoints } from "./fail_points.ts";
import { DeadLetters, OperatorFailedError } from "./failures.ts";
import { LatestTime, Origin } from "./origin.ts";
import { planRestore, type RestoreRequest, slotStates } from "./restore_plan.ts";
import { decodeSourceSection, loadPieces } from "./restorer.ts";
import { SignalSamples } from "./signal_samples.ts";
import { SnapshotRun } from "./snapshot_run.ts";
import { SubtaskMeter } from "./subtask_meter.ts";
import { TimerService } from "./timer_service.ts";

/** Outputs a sink may have unconfirmed before the source is paused. */
export const SINK_PENDING_MAX = 10_000;
/** The source goes on when no sink has more than this. */
const SINK_PENDING_RESUME = SINK_PENDING_MAX / 2;
const RESUME_POLL_MS = 10;
/** Expired entries looked for per operator and second. */
const SWEEP_ENTRIES_PER_SECOND = 20_000;
/** The one input channel of a chain. */
const INPUT = 0 as ChannelIndex;

export interface SubtaskPorts {
  readonly clock: Clock;
  /** Resolves after other work, the network's too, had its turn. */
  readonly yieldTurn: () => Promise<void>;
  readonly report: (report: RunnerReport, body?: Uint8Array) => void;
  readonly connectors: ConnectorFactory;
  readonly failPoints: FailPoints;
  readonly askOwnership: (regionId: RegionId, attempt: Attempt) => Promise<boolean>;
}

export interface SubtaskIdentity {
  readonly jobId: string;
  readonly regionId: RegionId;
  readonly attempt: Attempt;
  readonly plan: SubtaskPlan;
}

type Phase = "created" | "restored" | "running" | "stopped" | "failed";

export class Subtask {
  readonly #identity: SubtaskIdentity;
  readonly #ports: SubtaskPorts;
  readonly #job: BuiltJob;
  readonly #operators: readonly OperatorNode[];
  readonly #latest = new LatestTime();
  readonly #origin: Origin;
  readonly #state: KeyedState;
  readonly #timers: TimerService;
  readonly #deadLetters: DeadLetters;
  readonly #samples = new SignalSamples();
  readonly #sinks: ReadonlyMap<string, SinkWriter>;
  readonly #source: SourceReader;
  readonly #chain: Chain;
  readonly #meter: SubtaskMeter;
  #phase: Phase = "created";
  #aligner: AlignerState = createAligner(1);
  #snapshot: SnapshotRun | null = null;
  #isPaused = false;
  #closed: Promise<unknown> | null = null;

  /** Compiles the chain and makes its connectors; nothing is connected yet. */
  constructor(identity: SubtaskIdentity, job: BuiltJob, ports: SubtaskPorts) {
    this.#identity = identity;
    this.#ports = ports;
    this.#job = job;
    const uids = identity.plan.operatorUids;
    this.#operators = job.graph.operators.filter((node) => uids.includes(node.uid));
    this.#origin = new Origin(identity.regionId);
    this.#state = new KeyedState(tablesOf(this.#operators, job.operators));
    const { clock } = ports;
    this.#timers = new TimerService(clock, this.#latest, (thrown) => this.#fail(thrown));
    this.#deadLetters = new DeadLetters(
      (event) => ports.report({ kind: "event", ...this.#region(), event }),
      () => clock.monotonicMs(),
    );
    this.#sinks = this.#createSinks();
    this.#source = this.#createSource();
    this.#chain = compileChain(
      { operatorUids: uids, edges: job.graph.edges, operators: job.operators },
      {
        origin: this.#origin,
        state: this.#state,
        timers: this.#timers,
        deadLetters: this.#deadLetters,
        samples: this.#samples,
        sinks: this.#sinks,
        afterWrite: (sink) => this.#pushBack(sink),
      },
    );
    this.#meter = new SubtaskMeter(this.#chain.counts, () => clock.monotonicMs());
  }

  get regionId(): RegionId {
    return this.#identity.regionId;
  }

  get attempt(): Attempt {
    return this.#identity.attempt;
  }

  /**
   * Takes over a snapshot, or starts empty; reports `restored`, or `failed` with nothing having run.
   *
   * @param pieces Bytes of every piece that the snapshot names.
   */
  async restore(
    request: RestoreRequest | null,
    pieces: ReadonlyMap<Digest, Uint8Array>,
  ): Promise<void> {
    try {
      if (request !== null) await this.#load(request, pieces);
    } catch (thrown) {
      return this.#fail(thrown);
    }
    if (this.#phase !== "created") return;
    this.#phase = "restored";
    this.#ports.report({ kind: "restored", ...this.#region() });
    this.#ports.failPoints.hit("restored-before-run");
  }

  /** Lets records and timers run; every subtask of the region has restored (C8). Idempotent. */
  async run(): Promise<void> {
    if (this.#phase !== "restored") return;
    this.#phase = "running";
    this.#timers.start();
    try {
      await this.#source.start();
    } catch (thrown) {
      return this.#fail(thrown);
    }
    if (this.#isRunning()) this.#ports.report({ kind: "running", ...this.#region() });
  }

  /** Barrier `checkpointId`: takes a snapshot now, or declines. */
  trigger(checkpointId: CheckpointId): void {
    if (this.#phase !== "running") {
      return this.#decline(checkpointId, "not-running", `The subtask is ${this.#phase}`);
    }
    const event = { kind: "barrier", channel: INPUT, checkpointId } as const;
    const { state, actions } = stepAligner(this.#aligner, event);
    this.#aligner = state;
    if (actions.some((action) => action.kind === "snapshot")) this.#takeSnapshot(checkpointId);
  }

  /** All checkpoints up to this one are durable (C5). A savepoint releases nothing (P1). Idempotent. */
  completed(checkpointId: CheckpointId, { isSavepoint }: { isSavepoint: boolean }): void {
    this.#ports.failPoints.hit("completed-received");
    this.#state.completed(checkpointId);
    if (isSavepoint || this.#phase !== "running") return;
    this.#source.notifyCompleted(checkpointId);
    for (const sink of this.#sinks.values()) sink.notifyCompleted(checkpointId);
  }

  /** Checkpoint `checkpointId` will not be: what it captured is written by the next one. */
  aborted(checkpointId: CheckpointId): void {
    this.#aligner = stepAligner(this.#aligner, { kind: "cancel", checkpointId }).state;
    if (this.#snapshot !== null && this.#snapshot.checkpointId <= checkpointId) {
      this.#snapshot.cancel();
      this.#snapshot = null;
    }
    this.#state.aborted(checkpointId);
    if (this.#phase === "running") this.#source.notifyAborted(checkpointId);
  }

  /** Disconnects; the brokers keep the sessions. Resolves when source and sinks are closed. Idempotent. */
  stop(): Promise<unknown> {
    if (this.#phase !== "failed") this.#phase = "stopped";
    this.#timers.stop();
    this.#snapshot?.cancel();
    this.#snapshot = null;
    this.#closed ??= Promise.allSettled(
      [this.#source, ...this.#sinks.values()].map((connector) => connector.close()),
    );
    return this.#closed;
  }

  /** Once a second: expires state, and says what happened since. */
  tick(): { metrics: SubtaskMetrics; samples: SignalSample[] } {
    if (this.#isRunning()) {
      const nowMs = this.#latest.observe(this.#ports.clock.nowMs());
      for (const table of this.#state.tables) table.sweep(nowMs, SWEEP_ENTRIES_PER_SECOND);
    }
    const metrics = this.#meter.report({
      source: this.#source.metrics(),
      deadLetters: this.#deadLetters.count,
      stateEntries: this.#state.size,
      sinkUids: [...this.#sinks.keys()],
    });
    const { jobId, plan } = this.#identity;
    const identity = {
      jobId: jobId as SubtaskMetrics["jobId"],
      ...this.#region(),
      subtaskId: plan.subtaskId,
    };
    return { metrics: { ...identity, ...metrics }, samples: this.#samples.take() };
  }

  #region(): { regionId: RegionId; attempt: Attempt } {
    return { regionId: this.regionId, attempt: this.attempt };
  }

  #isRunning(): boolean {
    return this.#phase === "running";
  }

  async #load(request: RestoreRequest, pieces: ReadonlyMap<Digest, Uint8Array>): Promise<void> {
    const { checkpointId, isSavepoint, snapshot, positionFloor = 0 } = request;
    const plan = planRestore(request, this.#operators);
    const sections: [kind: "source" | "sink", uid: string, bytes: Uint8Array][] = [];
    const live = await loadPieces(snapshot.pieces, pieces, plan, {
      state: this.#state,
      monotonicMs: () => this.#ports.clock.monotonicMs(),
      yieldTurn: this.#ports.yieldTurn,
      onHalf: () => this.#ports.failPoints.hit("restore-half-loaded"),
      onSection: (kind, uid, bytes) => sections.push([kind, uid, bytes]),
    });
    if (this.#phase !== "created") return;
    this.#state.adopt(checkpointId, live);
    for (const [kind, uid, bytes] of sections) {
      if (kind === "sink") {
        this.#sinks.get(uid)?.restore(bytes, checkpointId);
        continue;
      }
      const { latestMs, ofSource } = decodeSourceSection(bytes);
      this.#latest.observe(latestMs);
      this.#source.restore(ofSource, { isSavepoint, positionFloor });
    }
    for (const table of this.#state.tables) table.stampUntimed(this.#latest.latestMs);
    this.#timers.load();
  }

  #takeSnapshot(checkpointId: CheckpointId): void {
    if (this.#snapshot !== null) {
      this.#snapshot.cancel();
      const detail = `Checkpoint ${checkpointId} began before it was ready`;
      this.#decline(this.#snapshot.checkpointId, "superseded", detail);
    }
    const { failPoints, clock, yieldTurn } = this.#ports;
    failPoints.hit("barrier-before-snapshot");
    try {
      this.#snapshot = new SnapshotRun(checkpointId, {
        subtaskId: this.#identity.plan.subtaskId,
        sourceUid: this.#sourceUid(),
        operators: this.#operators,
        state: this.#state,
        latest: this.#latest,
        source: this.#source,
        sinks: this.#sinks,
        monotonicMs: () => clock.monotonicMs(),
        yieldTurn,
      });
    } catch (thrown) {
      this.#snapshot = null;
      this.#state.drop();
      return this.#decline(checkpointId, "snapshot-failed", messageOf(thrown));
    }
    failPoints.hit("barrier-after-snapshot");
    void this.#finishSnapshot(this.#snapshot);
  }

  async #finishSnapshot(run: SnapshotRun): Promise<void> {
    const result = await run.finish();
    if (this.#snapshot === run) this.#snapshot = null;
    const { checkpointId, syncMs } = run;
    switch (result.kind) {
      case "cancelled":
        return;
      case "declined":
        return this.#decline(checkpointId, result.reason, result.detail);
      case "taken": {
        const { piece, snapshot, asyncMs } = result;
        const { subtaskId } = this.#identity.plan;
        const of = { ...this.#region(), checkpointId };
        this.#ports.report({ kind: "piece", ...of, digest: piece.digest }, piece.bytes);
        const times = { alignmentMs: 0, syncMs, asyncMs };
        this.#ports.report({ kind: "snapshot", ...of, subtaskId, snapshot, ...times });
        this.#ports.failPoints.hit("snapshot-sent");
      }
    }
  }

  #decline(
    checkpointId: CheckpointId,
    reason: "not-running" | "snapshot-failed" | "sink-failed" | "superseded",
    detail: string,
  ): void {
    this.#ports.report({
      kind: "declined",
      ...this.#region(),
      subtaskId: this.#identity.plan.subtaskId,
      checkpointId,
      reason,
      detail,
    });
  }

  #record(value: unknown, position: number, arrivedAtMs: number): void {
    if (this.#phase !== "running") return;
    const startedMs = this.#meter.begin();
    this.#origin.setRecord(position, this.#latest.observe(arrivedAtMs));
    try {
      this.#chain.push(value);
    } catch (thrown) {
      this.#fail(thrown);
    }
    this.#meter.end(startedMs);
  }

  #fail(thrown: unknown): void {
    if (thrown instanceof AssertionError) throw thrown;
    const isRetryable = thrown instanceof PenstockError
      ? thrown.isRetryable || thrown instanceof OperatorFailedError
      : true;
    this.#failWith(messageOf(thrown), { isRetryable });
  }

  #failWith(message: string, { isRetryable }: { isRetryable: boolean }): void {
    if (this.#phase === "failed" || this.#phase === "stopped") return;
    this.#phase = "failed";
    this.#ports.report({ kind: "failed", ...this.#region(), message, isRetryable });
    void this.stop();
  }

  /** Pauses the source while a sink has too much unconfirmed. */
  #pushBack(sink: SinkWriter): void {
    if (this.#isPaused || sink.pendingCount <= SINK_PENDING_MAX) return;
    this.#isPaused = true;
    this.#source.pause();
    this.#ports.clock.after(RESUME_POLL_MS, () => this.#resumeWhenDrained());
  }

  #resumeWhenDrained(): void {
    if (!this.#isRunning()) return;
    if ([...this.#sinks.values()].some((sink) => sink.pendingCount > SINK_PENDING_RESUME)) {
      this.#ports.clock.after(RESUME_POLL_MS, () => this.#resumeWhenDrained());
      return;
    }
    this.#isPaused = false;
    this.#source.resume();
  }

  #createSource(): SourceReader {
    const { splitIndex } = this.#identity.plan;
    const uid = this.#sourceUid();
    const spec = specOf(this.#job, uid);
    if (spec.kind !== "source") throw notOfKind(uid, "source", spec.kind);
    const output: SourceOutput = {
      record: (value, position, arrivedAtMs) => this.#record(value, position, arrivedAtMs),
      deadLetter: (reason, payload, position) =>
        this.#deadLetters.add(uid, reason, payload, position),
      windowPressure: () => this.#ports.report({ kind: "requestCheckpoint", ...this.#region() }),
      event: (event) => this.#ports.report({ kind: "event", ...this.#region(), event }),
      failed: (message, options) => this.#failWith(message, options),
      askOwnership: () => this.#ports.askOwnership(this.regionId, this.attempt),
    };
    return this.#ports.connectors.createSource(spec.source, output, {
      ...this.#region(),
      uid,
      splitIndex,
    });
  }

  #sourceUid(): string {
    const { sourceUid } = this.#identity.plan;
    assert(sourceUid !== null, "A subtask without a source");
    return sourceUid;
  }

  #createSinks(): Map<string, SinkWriter> {
    const sinks = new Map<string, SinkWriter>();
    for (const { uid, kind } of this.#operators) {
      if (kind !== "sink") continue;
      const spec = specOf(this.#job, uid);
      if (spec.kind !== "sink") throw notOfKind(uid, "sink", spec.kind);
      const inputUids = this.#job.graph.edges.filter((edge) => edge.to === uid).map((e) => e.from);
      const sink = this.#ports.connectors.createSink(spec.sink, {
        ...this.#region(),
        uid,
        inputUids,
        onAlarms: (edges) => this.#ports.report({ kind: "alarms", edges }),
        failed: (message, options) => this.#failWith(message, options),
      });
      sinks.set(uid, sink);
    }
    return sinks;
  }
}

function tablesOf(
  operators: readonly OperatorNode[],
  specs: ReadonlyMap<string, OperatorSpec>,
): StateTable[] {
  return operators.filter((node) => node.isKeyed).map(({ uid, kind, states }) => {
    const spec = specs.get(uid);
    const ttlMs = spec !== undefined && "ttlMs" in spec ? spec.ttlMs : null;
    const slotCount = slotStates(states).length;
    return new StateTable({ uid, slotCount, ttlMs, isMutable: kind === "detect" });
  });
}

function specOf(job: BuiltJob, uid: string): OperatorSpec {
  const spec = job.operators.get(uid);
  if (spec !== undefined) return spec;
  throw new UserError("operator-missing", `The job's bundle has no operator "${uid}"`);
}

function notOfKind(uid: string, want: string, found: string): UserError {
  return new UserError(
    "operator-kind",
    `Operator "${uid}" is a ${found} in the bundle, want ${want}`,
  );
}
