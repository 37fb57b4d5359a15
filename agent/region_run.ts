/**
 * What this agent runs of one attempt of one region, from its deployment to its end.
 *
 * Shell around the runner, the snapshotters of its subtasks and the restorer.
 *
 *   restoring ── restored ──▶ restored ── run, running ──▶ running
 *       └──────────────┴── failure, runner exit ──┴──▶ failed
 *       └──────────────┴── stop() ────────────────┴──▶ stopped
 *
 *  1. (C8) Nothing runs before the hub's `run`, which it sends when all of the region is restored.
 *  2. (C9) Completions reach the runner only from the hub's `completed`.
 *  3. (M2) A question about ownership is answered by the hub or not at all.
 *  4. (F3) When `stop` has resolved nothing of this attempt runs in this agent.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import { messageOf, PenstockError } from "@shared/errors.ts";
import type { Attempt, CheckpointId, JobId, RegionId, SubtaskId } from "@shared/ids.ts";
import type { Logger } from "@shared/logger.ts";
import type {
  AgentMessage,
  AgentMessageOf,
  HubMessageOf,
  RegionEvent,
  RegionStatus,
  RestorePlan,
  RunningRegion,
} from "@shared/messages.ts";
import type { SubtaskPlan } from "@shared/regions.ts";
import type { AlarmOutbox } from "./alarm_outbox.ts";
import { downloadBlob, type TransferPorts } from "./checkpoint/blob_transfer.ts";
import type { LocalStore } from "./checkpoint/local_store.ts";
import { piecesOf, restorePieces } from "./checkpoint/restorer.ts";
import { Snapshotter } from "./checkpoint/snapshotter.ts";
import type { FailPoints } from "./fail_points.ts";
import type { RunnerReport } from "./runner_frames.ts";
import type { Deploy, RunnerHost, RunnerLease, RunnerTenant } from "./runner_host.ts";
import type { RunnerExit } from "./runner_process.ts";

/** From `stop` to the runner's `stopped`; a runner that takes longer is killed. */
export const STOP_TIMEOUT_MS = 3_000;
const REASON_CHARS_MAX = 4_000;

export interface RegionPorts {
  readonly send: (message: AgentMessage) => void;
  readonly runners: RunnerHost;
  readonly pieces: LocalStore;
  readonly bundles: LocalStore;
  readonly alarms: AlarmOutbox;
  readonly failPoints: FailPoints;
  readonly transfer: TransferPorts;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class RegionRun implements RunnerTenant {
  readonly jobId: JobId;
  readonly regionId: RegionId;
  readonly attempt: Attempt;
  readonly #ports: RegionPorts;
  readonly #subtasks: readonly SubtaskPlan[];
  readonly #snapshotters: ReadonlyMap<SubtaskId, Snapshotter>;
  readonly #abort = new AbortController();
  readonly #stopped = Promise.withResolvers<void>();
  readonly #questions = new Map<string, AgentMessageOf<"askOwnership">>();
  #runner: RunnerLease | null = null;
  /** The runner knows the region: `start` has been sent. */
  #isStarted = false;
  #stopping: Promise<void> | null = null;
  #releasing: Promise<void> | null = null;
  #lastCompletedId: CheckpointId | null = null;
  /** A hub keeps it in memory only: a new one is told again. */
  #brokerProfile: RegionEvent | null = null;
  #status: AgentMessageOf<"status">;

  constructor(deploy: Deploy, ports: RegionPorts) {
    const { jobId, regionId, attempt, subtasks } = deploy;
    this.jobId = jobId;
    this.regionId = regionId;
    this.attempt = attempt;
    this.#ports = ports;
    this.#subtasks = subtasks;
    const region = { jobId, regionId, attempt };
    this.#snapshotters = new Map(subtasks.map(({ subtaskId }) => [
      subtaskId,
      new Snapshotter({ ...ports, region, subtaskId, store: ports.pieces }),
    ]));
    this.#status = {
      kind: "status",
      ...region,
      status: "restoring",
      reason: "",
      isRetryable: true,
    };
  }

  get status(): RegionStatus {
    return this.#status.status;
  }

  get isRunning(): boolean {
    return this.status === "running" && this.#stopping === null;
  }

  /** Failed or stopped, or on the way there. */
  get isOver(): boolean {
    return this.#stopping !== null || this.status === "failed" || this.status === "stopped";
  }

  /** What hello says of it (H1). */
  get asRunning(): RunningRegion {
    const { jobId, regionId, attempt, status } = this;
    return { jobId, regionId, attempt, status, lastCompletedId: this.#lastCompletedId };
  }

  /**
   * Restores and waits for `run`; every outcome is told to the hub.
   *
   * @param before Resolves when an older attempt of the region has ended here.
   */
  async start(deploy: Deploy, before: Promise<void>): Promise<void> {
    this.#tell("restoring");
    try {
      await before;
      await this.#restore(deploy);
    } catch (error) {
      const isRetryable = !(error instanceof PenstockError) || error.isRetryable;
      this.#fail(messageOf(error), isRetryable);
    }
  }

  run(): void {
    if (this.status === "restored") this.#send({ kind: "run" });
    else this.repeatStatus();
  }

  /** Tells the hub once more how it is. */
  repeatStatus(): void {
    this.#ports.send(this.#status);
  }

  trigger(trigger: HubMessageOf<"trigger">): void {
    const { checkpointId, isSavepoint, drain = false } = trigger;
    if (!this.isRunning) {
      for (const subtask of this.#subtasks) {
        this.#ports.send(notRunning(trigger, subtask, `The region is ${this.status}`));
      }
      return;
    }
    for (const snapshotter of this.#snapshotters.values()) snapshotter.triggered(trigger);
    this.#send({ kind: "trigger", checkpointId, isSavepoint, drain });
  }

  completed({ checkpointId, isSavepoint }: HubMessageOf<"completed">): void {
    if (this.isOver) return;
    this.#ports.failPoints.reach("completed-received-agent");
    this.#send({ kind: "completed", checkpointId, isSavepoint });
    for (const snapshotter of this.#snapshotters.values()) {
      snapshotter.completed(checkpointId, isSavepoint);
    }
    if (!isSavepoint && checkpointId > (this.#lastCompletedId ?? 0)) {
      this.#lastCompletedId = checkpointId;
    }
  }

  aborted({ checkpointId }: HubMessageOf<"aborted">): void {
    for (const snapshotter of this.#snapshotters.values()) snapshotter.aborted(checkpointId);
    this.#send({ kind: "aborted", checkpointId });
  }

  /** @returns Whether the answer was for this region. */
  granted(grant: HubMessageOf<"uploadGrant"> | HubMessageOf<"uploadRefused">): boolean {
    return [...this.#snapshotters.values()].some((snapshotter) => snapshotter.answered(grant));
  }

  owned({ requestId, isOwner }: HubMessageOf<"ownership">): void {
    const question = this.#questions.get(requestId);
    if (question === undefined) return;
    this.#questions.delete(requestId);
    const asked = requestId.slice(`${this.#name}/`.length);
    void this.#runner?.send({ kind: "ownership", requestId: asked, isOwner });
  }

  /** Asks the runner for the state of a key; whoever does not run answers that. */
  query(question: HubMessageOf<"queryState">): void {
    const { requestId, subtaskId, operatorUid, key } = question;
    if (this.isRunning) this.#send({ kind: "queryState", requestId, subtaskId, operatorUid, key });
    else this.#ports.send(noState(question));
  }

  /** The hub is back: what it may have missed is sent again. */
  reconnected(): void {
    if (this.isOver) return;
    for (const snapshotter of this.#snapshotters.values()) snapshotter.reconnected();
    this.askAgain();
    if (this.#brokerProfile !== null) this.#sendEvent(this.#brokerProfile);
  }

  /** Sends again every question about ownership that has no answer yet. */
  askAgain(): void {
    for (const question of this.#questions.values()) this.#ports.send(question);
  }

  /** Ends the attempt; `STOP_TIMEOUT_MS` and the end of an empty runner bound how long that takes. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Tells the hub that it has stopped, as asked. */
  tellStopped(reason: string): void {
    this.#tell("stopped", reason);
  }

  onReport(report: Parameters<RunnerTenant["onReport"]>[0], body: Uint8Array): void {
    const { jobId } = this;
    switch (report.kind) {
      case "restored":
      case "running":
        if (!this.isOver) this.#tell(report.kind);
        break;
      case "stopped":
        this.#stopped.resolve();
        break;
      case "failed":
        this.#fail(report.message, report.isRetryable);
        break;
      case "piece":
        this.#snapshotters.get(report.subtaskId)?.piece(report, body);
        break;
      case "snapshot":
        this.#snapshotters.get(report.subtaskId)?.snapshot(report);
        break;
      case "declined":
        this.#declined(report);
        break;
      case "requestCheckpoint":
        this.#ports.send({ ...report, jobId, reason: "window-pressure" });
        break;
      case "askOwnership":
        this.#ask(report);
        break;
      case "stateAnswer": {
        const { requestId, answer } = report;
        this.#ports.send({ kind: "stateAnswer", requestId, answer });
        break;
      }
      case "event":
        if (report.event.type === "broker-profile") this.#brokerProfile = report.event;
        this.#sendEvent(report.event);
        break;
    }
  }

  onRunnerExit(exit: RunnerExit): void {
    this.#runner = null;
    this.#stopped.resolve();
    if (this.isOver) return;
    const detail = exit.reason.slice(0, REASON_CHARS_MAX);
    this.#sendEvent({ type: "runner-exited", detail, fields: {} });
    this.#fail(exit.reason, exit.isRetryable);
  }

  #declined(report: Extract<RunnerReport, { kind: "declined" }>): void {
    const { subtaskId } = report;
    if (subtaskId !== null) return this.#snapshotters.get(subtaskId)?.declined(report);
    for (const snapshotter of this.#snapshotters.values()) snapshotter.declined(report);
  }

  #sendEvent(event: RegionEvent): void {
    const { jobId, regionId, attempt } = this;
    this.#ports.send({ kind: "event", jobId, regionId, attempt, event });
  }

  async #restore(deploy: Deploy): Promise<void> {
    const { signal } = this.#abort;
    const { restore, exchange } = deploy;
    for (const subtask of this.#subtasks) {
      const needed = restore === null ? [] : piecesOf(restore, [subtask]);
      this.#snapshotters.get(subtask.subtaskId)?.restoring(needed);
    }
    signal.throwIfAborted();
    const runner = await this.#ports.runners.enter(deploy, this, () => this.#bundle(deploy));
    if (signal.aborted) return await runner.release();
    this.#runner = runner;
    const subtasks = this.#subtasks;
    if (restore === null) {
      this.#send({ kind: "start", subtasks, exchange, restore: null });
    } else {
      await this.#deliver(restore, runner);
      const { checkpointId, isSavepoint, snapshots, allowNonRestoredState, positionFloors } =
        restore;
      if (!isSavepoint) this.#lastCompletedId = checkpointId;
      const request = { checkpointId, isSavepoint, snapshots, allowNonRestoredState };
      this.#send({
        kind: "start",
        subtasks,
        exchange,
        restore: { ...request, positionFloors },
      });
    }
    this.#isStarted = true;
  }

  /** Hands the runner every piece that a subtask here needs. */
  async #deliver(restore: RestorePlan, runner: RunnerLease): Promise<void> {
    const { pieces: store, transfer } = this.#ports;
    const { signal } = this.#abort;
    const { regionId, attempt } = this;
    await restorePieces(restore, piecesOf(restore, this.#subtasks), {
      store,
      ports: transfer,
      signal,
      take: (digest, bytes) =>
        runner.send({ kind: "restorePiece", regionId, attempt, digest }, bytes),
    });
    signal.throwIfAborted();
  }

  async #bundle({ jobId, bundleDigest, bundleUrl }: Deploy): Promise<Uint8Array> {
    const { bundles, transfer } = this.#ports;
    bundles.refer(jobId, [bundleDigest]);
    const local = await bundles.get(bundleDigest);
    if (local !== null) return local;
    const want = { digest: bundleDigest, bytes: null };
    const bytes = await downloadBlob(bundleUrl, want, {
      signal: this.#abort.signal,
      ports: transfer,
    });
    await bundles.put(bundleDigest, bytes);
    return bytes;
  }

  async #stop(): Promise<void> {
    this.#giveUp("The attempt was stopped");
    const runner = this.#runner;
    if (runner === null) return;
    this.#send({ kind: "stop" });
    if (this.#isStarted && this.status !== "failed") {
      const cancel = this.#ports.clock.after(STOP_TIMEOUT_MS, () => {
        runner.kill(`Region ${this.regionId} did not stop within ${STOP_TIMEOUT_MS} ms`);
      });
      await this.#stopped.promise;
      cancel();
    }
    await this.#release(runner);
  }

  #release(runner: RunnerLease): Promise<void> {
    this.#releasing ??= runner.release();
    return this.#releasing;
  }

  #fail(reason: string, isRetryable: boolean): void {
    if (this.isOver) return;
    this.#giveUp(reason);
    this.#ports.logger.warn("Region failed", {
      jobId: this.jobId,
      regionId: this.regionId,
      attempt: this.attempt,
      reason,
      isRetryable,
    });
    this.#tell("failed", reason, isRetryable);
    this.#send({ kind: "stop" });
    if (this.#runner !== null) void this.#release(this.#runner);
  }

  #giveUp(reason: string): void {
    this.#abort.abort(new Error(reason));
    for (const snapshotter of this.#snapshotters.values()) snapshotter.close();
    this.#questions.clear();
    this.#ports.alarms.forget(this);
  }

  #ask(report: Extract<RunnerReport, { kind: "askOwnership" }>): void {
    const { jobId, regionId, attempt } = this;
    const requestId = `${this.#name}/${report.requestId}`;
    const question = { kind: "askOwnership", jobId, regionId, attempt, requestId } as const;
    this.#questions.set(requestId, question);
    this.#ports.send(question);
  }

  #tell(status: RegionStatus, reason = "", isRetryable = true): void {
    const { jobId, regionId, attempt } = this;
    this.#status = {
      kind: "status",
      jobId,
      regionId,
      attempt,
      status,
      reason: reason.slice(0, REASON_CHARS_MAX),
      isRetryable,
    };
    this.repeatStatus();
  }

  #send(command: RegionCommand): void {
    const { regionId, attempt } = this;
    void this.#runner?.send({ ...command, regionId, attempt });
  }

  get #name(): string {
    return `${this.jobId}/${this.regionId}/${this.attempt}`;
  }
}

type OfRegion = "regionId" | "attempt";
type WithoutRegion<T> = T extends { regionId: RegionId } ? Omit<T, OfRegion> : never;
type RegionCommand = WithoutRegion<Parameters<RunnerLease["send"]>[0]>;

/** The answer to a question about state that found no running attempt. */
export function noState(
  { requestId }: Pick<HubMessageOf<"queryState">, "requestId">,
): AgentMessageOf<"stateAnswer"> {
  return { kind: "stateAnswer", requestId, answer: { kind: "refused", reason: "not-running" } };
}

/** The decline of a trigger that found no running attempt. */
export function notRunning(
  { jobId, regionId, attempt, checkpointId }: HubMessageOf<"trigger">,
  { subtaskId }: Pick<SubtaskPlan, "subtaskId">,
  detail: string,
): AgentMessageOf<"decline"> {
  return {
    kind: "decline",
    jobId,
    regionId,
    attempt,
    subtaskId,
    checkpointId,
    reason: "not-running",
    detail,
  };
}
