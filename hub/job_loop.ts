/**
 * The loop of one job: one queue, one writer of the job's state.
 *
 * Touches the database and the agents' links, through the `job_loop_*` parts. Whatever goes wrong in
 * between (a lost connection, a row that is not as expected), the loop forgets its memory and loads
 * again, as after a crash: nothing is repaired in place. A hub that was deposed stops at once (F2).
 *
 *   input ─▶ queue ─▶ load if needed ─▶ handle ─▶ notes, operations, placing ─▶ next
 *
 * @module
 */
import { messageOf } from "@shared/errors.ts";
import type { AgentId, Attempt, CheckpointId, JobId, RegionId } from "@shared/ids.ts";
import type { RunningRegion } from "@shared/messages.ts";
import { planRegions } from "@shared/regions.ts";
import { createSchedule } from "./coordinator/checkpoint_schedule.ts";
import { statusOf } from "./coordinator/job_checkpoint.ts";
import { abortPart, endCheckpoint, pendingCheckpoints } from "./db/checkpoint_store.ts";
import { DeposedError, withReign } from "./db/hub_state_store.ts";
import { getJob } from "./db/job_store.ts";
import { ensureRegions, listRegions, type RegionRecord } from "./db/region_store.ts";
import { cancelOperation, type CancelVerdict } from "./job_loop_cancel.ts";
import { feedSchedule, onAcknowledge, onDecline, tickSchedule } from "./job_loop_checkpoint.ts";
import {
  advanceOperations,
  isHalting,
  noteCheckpoint,
  noteLost,
  noteRunning,
  noteSavepoint,
  noteStopped,
  takeUpOperations,
} from "./job_loop_operations.ts";
import { isPossiblyAutonomous, moveOffDraining, placeRegions } from "./job_loop_placing.ts";
import {
  adoptReported,
  checkDeadlines,
  onAgentArrived,
  onAgentLost,
  onStatus,
  restartRegion,
} from "./job_loop_regions.ts";
import {
  announceJob,
  type JobRun,
  jobStatusOf,
  type LoopWorld,
  type RegionRun,
  runsOn,
} from "./job_run.ts";
import type { RegionMessage } from "./ports.ts";
import { sleep } from "./sleep.ts";

/** Inputs that wait; more means that the database has been away for long, and agents ask again. */
const QUEUE_MAX = 20_000;
const RELOAD_DELAY_MS = 1_000;
/** Times an input is handled when something fails in between. */
const HANDLE_ATTEMPTS_MAX = 2;
/** Notes that one input may cause; more means that two parts talk in a circle. */
const NOTES_MAX = 10_000;

type Work = (run: JobRun) => Promise<void>;

export interface JobLoopOptions {
  readonly jobId: JobId;
  readonly world: LoopWorld;
  /** Another hub reigns: this process has to end. */
  readonly onDeposed: (error: DeposedError) => void;
}

export class JobLoop {
  readonly #options: JobLoopOptions;
  readonly #queue: { work: Work; done: () => void; isPlacing: boolean }[] = [];
  readonly #reported: JobRun["reported"] = new Map();
  #run: JobRun | null = null;
  #working: Promise<void> | null = null;
  #isStopped = false;
  #hasTick = false;
  #isOver = false;

  constructor(options: JobLoopOptions) {
    this.#options = options;
  }

  /** The job has ended and nothing of it is open: the loop can be dropped. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Gives an operation up, or says why it goes on; resolves when that is written. */
  async cancelOperation(operationId: string): Promise<CancelVerdict> {
    let verdict: CancelVerdict = {
      kind: "refused",
      code: "operation-beyond-cancel",
      detail: "The loop of the job takes nothing in at the moment: repeat later",
    };
    await this.#enqueue(async (run) => {
      verdict = await cancelOperation(run, operationId);
    });
    return verdict;
  }

  /** Looks for new operations in the database. */
  wake(): void {
    this.#isOver = false;
    void this.#enqueue(async (run) => {
      const job = await getJob(run.world.db, run.job.id);
      if (job !== null) run.job = job;
      await takeUpOperations(run);
    });
  }

  /** Time passed; at most one tick waits. */
  tick(): void {
    if (this.#hasTick) return;
    this.#hasTick = true;
    void this.#enqueue(async (run) => {
      await checkDeadlines(run);
      await tickSchedule(run);
      if (!isHalting(run)) await moveOffDraining(run);
      // Also when the queue was too full for it.
    }).finally(() => this.#hasTick = false);
  }

  /** The fleet changed: places what waits. */
  fleetChanged(): void {
    void this.#enqueue(() => Promise.resolve());
  }

  /** Resolves when the message was handled. */
  deliver(agentId: AgentId, message: RegionMessage): Promise<void> {
    return this.#enqueue((run) => handle(run, agentId, message));
  }

  agentArrived(agentId: AgentId, regions: readonly RunningRegion[]): Promise<void> {
    // What it lost is placed once it counts as live again, so that it can have it back.
    return this.#enqueue((run) => onAgentArrived(run, agentId, regions), false);
  }

  agentLost(agentId: AgentId): void {
    void this.#enqueue((run) => onAgentLost(run, agentId));
  }

  /** Current attempt of a region as the loop knows it; null when it does not know the region. */
  async ownership(
    agentId: AgentId,
    regionId: RegionId,
  ): Promise<{ currentAttempt: Attempt; isOwner: boolean } | null> {
    let answer: { currentAttempt: Attempt; isOwner: boolean } | null = null;
    await this.#enqueue((run) => {
      const region = run.regions.get(regionId);
      if (region !== undefined) {
        answer = { currentAttempt: region.attempt, isOwner: runsOn(region, agentId) };
      }
      return Promise.resolve();
    });
    return answer;
  }

  isPossiblyAutonomous(regionId: RegionId): boolean {
    const region = this.#run?.regions.get(regionId);
    return region !== undefined && isPossiblyAutonomous(this.#run!, region);
  }

  /** Nothing is handled afterwards. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const { done } of this.#queue.splice(0)) done();
    await this.#working;
  }

  #enqueue(work: Work, isPlacing = true): Promise<void> {
    if (this.#isStopped || this.#queue.length >= QUEUE_MAX) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#queue.push({ work, done: resolve, isPlacing });
    this.#working ??= this.#drain().finally(() => this.#working = null);
    return promise;
  }

  async #drain(): Promise<void> {
    // Lets the caller's turn end before the first input is handled.
    await Promise.resolve();
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      await this.#handleOne(next);
      next.done();
    }
  }

  /** Every input can be handled twice: it is judged by the state that was loaded. */
  async #handleOne({ work, isPlacing }: { work: Work; isPlacing: boolean }): Promise<void> {
    for (let attempt = 0; attempt < HANDLE_ATTEMPTS_MAX; attempt++) {
      const run = await this.#loaded();
      if (run === null) return;
      try {
        await work(run);
        await settle(run, isPlacing);
        this.#isOver = isOver(run);
        return;
      } catch (thrown) {
        this.#onError(thrown);
      }
    }
  }

  /** Waits for the database as long as it takes; null when the loop was stopped. */
  async #loaded(): Promise<JobRun | null> {
    while (this.#run === null && !this.#isStopped) {
      this.#run = await this.#tryLoad();
      if (this.#run === null) await sleep(this.#options.world.clock, RELOAD_DELAY_MS);
    }
    return this.#isStopped ? null : this.#run;
  }

  /** The job as the database has it, with everything a crash left open brought to an end. */
  async #tryLoad(): Promise<JobRun | null> {
    const { world, jobId } = this.#options;
    try {
      const run = await loadRun(world, jobId, this.#reported);
      await adoptReported(run);
      await settle(run);
      return run;
    } catch (thrown) {
      this.#onError(thrown);
      return null;
    }
  }

  #onError(thrown: unknown): void {
    const { world, jobId, onDeposed } = this.#options;
    this.#run = null;
    if (thrown instanceof DeposedError) {
      this.#isStopped = true;
      onDeposed(thrown);
      return;
    }
    world.logger.warn("Job loop starts over", { jobId, error: messageOf(thrown) });
  }
}

async function handle(run: JobRun, agentId: AgentId, message: RegionMessage): Promise<void> {
  switch (message.kind) {
    case "status":
      return await onStatus(run, agentId, message);
    case "acknowledge":
      return await onAcknowledge(run, agentId, message);
    case "decline":
      return await onDecline(run, agentId, message);
    case "requestCheckpoint": {
      const region = run.regions.get(message.regionId);
      if (region?.attempt !== message.attempt) return;
      return await feedSchedule(run, { kind: "windowPressure" });
    }
    case "uploadRequest":
    case "askOwnership":
      // Answered by the agent's session, from `ownership`.
      return;
  }
}

/** Takes up the notes of what was just done, then whatever has become possible. */
async function settle(run: JobRun, isPlacing = true): Promise<void> {
  for (let round = 0; round < NOTES_MAX; round++) {
    const note = run.notes.shift();
    if (note !== undefined) {
      await takeUp(run, note);
      continue;
    }
    await advanceOperations(run);
    if (run.notes.length === 0) break;
  }
  if (isPlacing && !isHalting(run)) await placeRegions(run);
  announceJob(run);
}

async function takeUp(run: JobRun, note: JobRun["notes"][number]): Promise<void> {
  switch (note.kind) {
    case "stopped":
      return await noteStopped(run, note.regionId);
    case "lost":
      return await noteLost(run, note.regionId);
    case "running":
      return await noteRunning(run, note.regionId);
    case "restart":
      return await restartRegion(run, note);
    case "checkpointEnded":
      return await noteCheckpoint(run, note);
    case "savepointEnded":
      return await noteSavepoint(run, note.savepoint, note.failure);
  }
}

function isOver(run: JobRun): boolean {
  return run.job.desiredState !== "running" && run.operations.size === 0 &&
    [...run.regions.values()].every(({ status }) => status === "stopped");
}

async function loadRun(
  world: LoopWorld,
  jobId: JobId,
  reported: JobRun["reported"],
): Promise<JobRun> {
  const job = await getJob(world.db, jobId);
  if (job === null) throw new Error(`Job ${jobId} is not in the database`);
  const plans = new Map(
    planRegions(job.graph, job.parallelism).map((plan) => [plan.regionId, plan]),
  );
  await withReign(world.db, world.hubTerm, (tx) =>
    ensureRegions(
      tx,
      jobId,
      [...plans.keys()].map((regionId) => ({ regionId, restoredFromId: null })),
    ));
  const pending = await endPending(world, jobId, [...plans.keys()]);
  const unannounced = new Map(
    [...pending].map(([regionId, ids]) => [regionId, { ids, told: new Set<AgentId>() }]),
  );
  const rows = await listRegions(world.db, jobId);
  const regions = new Map<RegionId, RegionRun>();
  for (const row of rows) {
    const plan = plans.get(row.regionId);
    if (plan !== undefined) regions.set(row.regionId, { ...regionOf(world, row), plan });
  }
  const nowMs = world.clock.monotonicMs();
  const { minPauseMs, checkpointTimeoutMs, tolerableFailures } = world.config;
  const intervalMs = job.checkpointIntervalMs;
  const limits = { intervalMs, minPauseMs, timeoutMs: checkpointTimeoutMs, tolerableFailures };
  const run: JobRun = {
    world,
    job,
    regions,
    schedule: createSchedule(limits, nowMs),
    inFlight: null,
    operations: new Map(),
    unannounced,
    notes: [],
    reported,
    jobStatus: jobStatusOf({ job, regions }),
  };
  await takeUpOperations(run);
  return run;
}

function regionOf(world: LoopWorld, row: RegionRecord): Omit<RegionRun, "plan"> {
  const nowMs = world.clock.monotonicMs();
  const waitMs = row.notBeforeMs === null ? 0 : row.notBeforeMs - world.clock.nowMs();
  return {
    regionId: row.regionId,
    attempt: row.attempt,
    agentId: row.agentId,
    placement: row.placement,
    status: row.status,
    lastCompletedId: row.lastCompletedId,
    restoredFromId: row.restoredFromId,
    consecutiveFailures: row.consecutiveFailures,
    // The wall clock may have jumped: never longer than the longest pause.
    retryAtMs: waitMs <= 0 ? null : nowMs + Math.min(waitMs, world.config.restartBackoffMs.max),
    sinceMs: nowMs,
    nextCause: row.attempt === 0 ? "deploy" : "restart",
    // Unless an operation takes it up, a stop that was under way ends with another attempt.
    isMoving: row.status === "stopping",
  };
}

/** Ends checkpoints left pending; what regions completed of them stays completed (H1). */
async function endPending(
  world: LoopWorld,
  jobId: JobId,
  regionIds: readonly RegionId[],
): Promise<Map<RegionId, CheckpointId[]>> {
  const unannounced = new Map<RegionId, CheckpointId[]>();
  for (const pending of await pendingCheckpoints(world.db, jobId)) {
    const { checkpointId, isSavepoint } = pending;
    const reason = "hub-restarted";
    const parts = new Map<RegionId, "completed" | "aborted" | "absent">(
      regionIds.map((regionId) => [regionId, "absent"]),
    );
    for (const { regionId, status } of pending.parts) {
      parts.set(regionId, status === "completed" ? "completed" : "aborted");
      if (status === "completed" && !isSavepoint) continue;
      await abortPart(world.db, world.hubTerm, { jobId, checkpointId, regionId, reason });
      unannounced.set(regionId, [...unannounced.get(regionId) ?? [], checkpointId]);
    }
    const status = statusOf({ checkpointId, isSavepoint, parts });
    if (status === "pending") throw new Error(`Checkpoint ${checkpointId} has pending parts`);
    const end = status === "completed" && isSavepoint ? "aborted" : status;
    await endCheckpoint(world.db, world.hubTerm, {
      jobId,
      checkpointId,
      status: end,
      reason: end === "completed" ? null : reason,
      nowMs: world.clock.nowMs(),
    });
    world.logger.info("Checkpoint of an earlier run was ended", {
      jobId,
      checkpointId,
      status: end,
    });
    const noun = isSavepoint ? "savepoint" : "checkpoint";
    const verb = end === "aborted" ? "aborted" : "completed";
    world.events.publish(`${noun}.${verb}`, { jobId }, {
      checkpointId,
      status: end,
      reason: end === "completed" ? null : reason,
      isSavepoint,
    });
  }
  return unannounced;
}
