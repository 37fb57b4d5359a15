/**
 * Carries out the operations of a job: deploy, savepoint, rollback, rescale, rebalance, stop, cancel.
 *
 * Touches the database and the agents' links. Every step that must survive a crash is written in the
 * transaction of its effect, so a loop that starts over finds where it was (H2). What stops regions goes
 * one after the other; a cancel goes first and ends the others. A stop that drains is one with a
 * savepoint whose trigger sends the maximum watermark first (L3).
 *
 * @module
 */
import type { Attempt, CheckpointId, RegionId } from "@shared/ids.ts";
import { type HaltInput, resumeRestart, startHalt, stepHalt } from "./coordinator/halt_steps.ts";
import { refuseGap } from "./coordinator/rollback.ts";
import { judgeReadiness } from "./coordinator/savepoint.ts";
import type { NewGap } from "./db/gap_store.ts";
import { endJob } from "./db/job_store.ts";
import { openOperations, type OperationRecord } from "./db/operation_store.ts";
import { endAttempt } from "./db/region_store.ts";
import { commitRollback } from "./db/rollback_store.ts";
import { abortInFlight, feedSchedule } from "./job_loop_checkpoint.ts";
import { endOperation, fail, type Failure, report, succeed } from "./job_loop_operation_rows.ts";
import { freeRegion, stopRegion } from "./job_loop_regions.ts";
import { judgeMove, switchMove } from "./job_loop_rescale.ts";
import { retainSavepointsOnly } from "./job_loop_retention.ts";
import {
  agentsOf,
  announceRegion,
  type InFlight,
  isOnAgent,
  type JobRun,
  type LoopNote,
  type OperationRun,
} from "./job_run.ts";
import { judgeRollback } from "./rollback_plan.ts";

/** Takes up operations that are new in the database. */
export async function takeUpOperations(run: JobRun): Promise<void> {
  const records = await openOperations(run.world.db, run.job.id);
  for (const record of records) {
    if (run.operations.has(record.id)) continue;
    run.operations.set(record.id, {
      record,
      sinceMs: run.world.clock.monotonicMs(),
      halt: null,
      isQueued: false,
      progress: "",
      pausedMs: null,
    });
  }
}

/** Moves every open operation on as far as it goes now. */
export async function advanceOperations(run: JobRun): Promise<void> {
  const cancel = [...run.operations.values()].find(({ record }) => record.kind === "cancel");
  if (cancel !== undefined) await endOthers(run, cancel);
  const first = cancel ?? [...run.operations.values()].find(isExclusive);
  for (const operation of [...run.operations.values()]) {
    if (isExclusive(operation) && operation !== first) continue;
    if (run.operations.has(operation.record.id)) await advance(run, operation);
  }
}

/** Whether an operation is about to change the job's rows: nothing is placed or moved meanwhile. */
export function isHalting(run: JobRun): boolean {
  return [...run.operations.values()].some(({ halt }) =>
    halt !== null && (halt.phase === "halting" || halt.phase === "switching")
  );
}

/** A region that was asked to stop has stopped. */
export function noteStopped(run: JobRun, regionId: RegionId): Promise<void> {
  return feedHalts(run, { kind: "stopped", regionId });
}

/** A region that was asked to stop ended without saying so. */
export function noteLost(run: JobRun, regionId: RegionId): Promise<void> {
  return feedHalts(run, { kind: "lost", regionId });
}

/** A region runs. */
export function noteRunning(run: JobRun, regionId: RegionId): Promise<void> {
  return feedHalts(run, { kind: "running", regionId });
}

/**
 * A savepoint ended; its operation was ended in the same transaction when it completed.
 *
 * @param failure Why it failed, or null.
 */
export async function noteSavepoint(
  run: JobRun,
  savepoint: NonNullable<InFlight["savepoint"]>,
  failure: string | null,
): Promise<void> {
  const operation = run.operations.get(savepoint.operationId);
  if (failure !== null) {
    if (operation === undefined) return;
    return await fail(run, operation, {
      code: "savepoint-failed",
      status: 409,
      detail: `The savepoint was not completed, nothing was changed: ${failure}`,
    });
  }
  if (!savepoint.isStop) {
    if (operation !== undefined) endOperation(run, operation, "succeeded", null);
    return;
  }
  run.job = { ...run.job, desiredState: "stopped" };
  for (const region of run.regions.values()) region.status = "stopping";
  if (operation !== undefined) await halt(run, operation);
}

/** The checkpoint that a rescale or rebalance goes on from has ended; without it nothing is touched. */
export async function noteCheckpoint(
  run: JobRun,
  note: Extract<LoopNote, { kind: "checkpointEnded" }>,
): Promise<void> {
  const operation = run.operations.get(note.operationId);
  if (operation === undefined) return;
  const judgement = await judgeMove(run, operation);
  if (judgement.kind === "refused") return await fail(run, operation, judgement);
  const { regionIds } = judgement;
  const missing = regionIds.filter((regionId) => !note.completed.includes(regionId));
  if (missing.length > 0) {
    return await fail(run, operation, {
      code: "checkpoint-failed",
      status: 409,
      detail: `Checkpoint ${note.checkpointId} was not completed by ${missing.join(", ")}, ` +
        `nothing was changed: ${note.reason ?? "it was aborted"}`,
    });
  }
  await halt(run, operation, regionIds);
}

async function advance(run: JobRun, operation: OperationRun): Promise<void> {
  const nowMs = run.world.clock.monotonicMs();
  if (operation.halt !== null) return await feedHalt(run, operation, { kind: "tick", nowMs });
  switch (operation.record.kind) {
    case "deploy":
      return await advanceDeploy(run, operation);
    case "savepoint":
      return await advanceSavepoint(run, operation);
    case "rollback":
      return await advanceRollback(run, operation);
    case "rescale":
    case "rebalance":
      return await advanceMove(run, operation);
    case "stop":
    case "cancel":
      return await advanceStop(run, operation);
    default:
      return;
  }
}

async function advanceDeploy(run: JobRun, operation: OperationRun): Promise<void> {
  if (run.job.desiredState !== "running") {
    return await fail(run, operation, {
      code: "job-ended",
      status: 409,
      detail: `The job was ${run.job.desiredState} before all of its regions ran`,
    });
  }
  const regions = [...run.regions.values()];
  const done = regions.filter(({ status }) => status === "running").length;
  const total = regions.length;
  if (done < total) return await report(run, operation, { done, total, phase: "starting" });
  await succeed(run, operation, { jobId: run.job.id }, total);
}

/** Rescale and rebalance: a checkpoint, a stop of what is concerned, new attempts from the checkpoint. */
async function advanceMove(run: JobRun, operation: OperationRun): Promise<void> {
  const { record } = operation;
  if (record.progress.phase === "restoring") {
    const regionIds = (record.result?.["regions"] ?? []) as RegionId[];
    if (record.kind === "rebalance") {
      for (const regionId of regionIds) {
        const region = run.regions.get(regionId)!;
        if (!isOnAgent(region)) region.nextCause = "rebalance";
      }
    }
    return await resume(run, operation, regionIds);
  }
  const judgement = await judgeMove(run, operation);
  if (judgement.kind === "refused") {
    await feedSchedule(run, { kind: "withdraw", operationId: record.id });
    return await fail(run, operation, judgement);
  }
  const { regionIds } = judgement;
  if (record.progress.phase === "stopping") return await halt(run, operation, regionIds);
  if (regionIds.length === 0) return await succeed(run, operation, { regions: [] }, 0);
  await advanceSavepoint(run, operation);
}

/** Its rows were changed before the hub restarted: waits until the regions run. */
async function resume(
  run: JobRun,
  operation: OperationRun,
  regionIds: readonly RegionId[],
): Promise<void> {
  const toRun = regionIds
    .filter((regionId) => run.regions.get(regionId)?.status !== "running");
  operation.halt = resumeRestart(toRun);
  if (toRun.length === 0) await finish(run, operation);
}

/** Asks for the operation's savepoint or checkpoint once every region runs. */
async function advanceSavepoint(run: JobRun, operation: OperationRun): Promise<void> {
  const { id } = operation.record;
  const { inFlight } = run;
  if (inFlight?.savepoint?.operationId === id || inFlight?.forOperation === id) {
    const parts = [...inFlight.parts.values()];
    const done = parts.filter(({ status }) => status === "completed").length;
    return await report(run, operation, { done, total: parts.length, phase: "snapshot" });
  }
  const running = new Map(
    [...run.regions.values()].map(({ regionId, status }) => [regionId, status === "running"]),
  );
  const { checkpointTimeoutMs } = run.world.config;
  const waitedMs = run.world.clock.monotonicMs() - operation.sinceMs;
  const isEnded = run.job.desiredState !== "running";
  const readiness = judgeReadiness(running, isEnded ? Infinity : waitedMs, checkpointTimeoutMs);
  if (readiness.kind === "refused") {
    await feedSchedule(run, { kind: "withdraw", operationId: id });
    const { detail } = readiness;
    return await fail(run, operation, { code: "regions-not-running", status: 409, detail });
  }
  if (operation.isQueued) return;
  operation.isQueued = true;
  await report(run, operation, { done: 0, total: run.regions.size, phase: "waiting" });
  await feedSchedule(run, { kind: "savepoint", operationId: id });
}

async function advanceStop(run: JobRun, operation: OperationRun): Promise<void> {
  const { kind, request, id, progress } = operation.record;
  const wantsSavepoint = kind === "stop" &&
    (request["savepoint"] === true || request["drain"] === true);
  const isSaved = progress.phase === "stopping" || run.job.desiredState !== "running";
  if (wantsSavepoint && !isSaved) return await advanceSavepoint(run, operation);
  const desiredState = kind === "cancel" ? "cancelled" : "stopped";
  await endJob(run.world.db, run.world.hubTerm, {
    jobId: run.job.id,
    desiredState,
    nowMs: run.world.clock.nowMs(),
  });
  run.world.logger.info("Job was asked to end", { jobId: run.job.id, desiredState, operation: id });
  if (run.job.desiredState === "running") run.job = { ...run.job, desiredState };
  await halt(run, operation);
}

async function advanceRollback(run: JobRun, operation: OperationRun): Promise<void> {
  const { progress } = operation.record;
  if (progress.phase === "restoring") {
    return await resume(run, operation, plannedRegions(operation.record));
  }
  const judgement = await judge(run, operation.record);
  if (judgement.kind === "failed") return await fail(run, operation, judgement.failure);
  await halt(run, operation, judgement.plan.regions.map(({ regionId }) => regionId as RegionId));
}

/** Stops the given regions, all of them by default; the next step follows when they have stopped. */
async function halt(
  run: JobRun,
  operation: OperationRun,
  regionIds: readonly RegionId[] = [...run.regions.keys()],
): Promise<void> {
  await abortInFlight(run);
  operation.pausedMs = run.world.clock.monotonicMs();
  const regions = regionIds.map((regionId) => run.regions.get(regionId)!).filter(isOnAgent);
  for (const region of regions) {
    region.isMoving = false;
    await stopRegion(run, region, operation.record.kind);
  }
  const total = regions.length;
  await report(run, operation, { done: 0, total, phase: "stopping" });
  // An agent that lost its lease will not answer; the attempt fences it (F4). One that is away for a
  // moment, as all are when the hub starts, is waited for: it has a last checkpoint to release (K2).
  const reachable = regions.filter((region) =>
    agentsOf(region).some((agentId) => run.world.links.verdict(agentId) === "held")
  );
  const step = startHalt(
    reachable.map(({ regionId }) => regionId),
    run.world.clock.monotonicMs(),
    regions.filter((region) => !reachable.includes(region)).map(({ regionId }) => regionId),
  );
  operation.halt = step.state;
  for (const effect of step.effects) await onHaltEffect(run, operation, effect.kind);
}

async function feedHalts(run: JobRun, input: HaltInput): Promise<void> {
  for (const operation of [...run.operations.values()]) {
    if (operation.halt !== null) await feedHalt(run, operation, input);
  }
}

async function feedHalt(run: JobRun, operation: OperationRun, input: HaltInput): Promise<void> {
  const step = stepHalt(operation.halt!, input);
  operation.halt = step.state;
  const { phase, total, waitingFor } = step.state;
  if (phase === "halting" || phase === "restarting") {
    const done = total - waitingFor.size;
    const name = phase === "halting" ? "stopping" : "restoring";
    await report(run, operation, { done, total, phase: name });
  }
  for (const effect of step.effects) await onHaltEffect(run, operation, effect.kind);
}

async function onHaltEffect(
  run: JobRun,
  operation: OperationRun,
  effect: "switch" | "done",
): Promise<void> {
  if (effect === "done") return await finish(run, operation);
  switch (operation.record.kind) {
    case "rollback":
      return await switchToSavepoint(run, operation);
    case "rescale":
    case "rebalance":
      return await switchToMoved(run, operation);
    default:
      return await switchToStopped(run, operation);
  }
}

async function switchToMoved(run: JobRun, operation: OperationRun): Promise<void> {
  const judgement = await judgeMove(run, operation);
  if (judgement.kind === "refused") return await undoHalt(run, operation, judgement);
  const toRun = await switchMove(run, operation, judgement);
  await feedHalt(run, operation, { kind: "switched", toRun });
}

async function switchToStopped(run: JobRun, operation: OperationRun): Promise<void> {
  const { db, hubTerm, clock } = run.world;
  for (const region of run.regions.values()) {
    const row = { jobId: run.job.id, regionId: region.regionId, attempt: region.attempt };
    await endAttempt(db, hubTerm, {
      ...row,
      status: "stopped",
      reason: operation.record.kind,
      consecutiveFailures: region.consecutiveFailures,
      notBeforeMs: null,
      nowMs: clock.nowMs(),
    });
    region.status = "stopped";
    announceRegion(run, region, operation.record.kind);
    region.agentId = null;
  }
  await retainSavepointsOnly(run);
  await feedHalt(run, operation, { kind: "switched", toRun: [] });
}

async function switchToSavepoint(run: JobRun, operation: OperationRun): Promise<void> {
  const { world, job } = run;
  const judgement = await judge(run, operation.record);
  if (judgement.kind === "failed") return await undoHalt(run, operation, judgement.failure);
  const { plan, isWhole } = judgement;
  const nowMs = world.clock.nowMs();
  const gaps: NewGap[] = plan.gaps.map((gap) => ({
    id: world.random.uuid(),
    jobId: job.id,
    regionId: gap.regionId as RegionId,
    sourceUid: gap.sourceUid,
    splitIndex: gap.splitIndex,
    cause: "rollback",
    fromPosition: gap.fromPosition,
    toPosition: gap.toPosition,
    fromAtMs: gap.fromAt === null ? null : Date.parse(gap.fromAt),
    toAtMs: gap.toAt === null ? null : Date.parse(gap.toAt),
    savepointId: plan.savepointId,
    nowMs,
  }));
  const write = { jobId: job.id, operationId: operation.record.id, plan, isWhole, gaps, nowMs };
  const lineage = await commitRollback(world.db, world.hubTerm, write);
  if (lineage === null) throw new Error(`Rollback of job ${job.id} met another attempt`);
  run.job = { ...job, lineage };
  for (const planned of plan.regions) {
    const region = run.regions.get(planned.regionId as RegionId)!;
    run.reported.delete(region.regionId);
    Object.assign(region, {
      attempt: (planned.currentAttempt + 1) as Attempt,
      agentId: null,
      status: "waiting",
      lastCompletedId: null,
      restoredFromId: plan.checkpointId as CheckpointId,
      consecutiveFailures: 0,
      retryAtMs: null,
      nextCause: "rollback",
    });
    announceRegion(run, region, "rollback");
  }
  for (const gap of plan.gaps) {
    world.events.publish("gap.recorded", { jobId: job.id }, { ...gap, cause: "rollback" });
  }
  await feedHalt(run, operation, {
    kind: "switched",
    toRun: plan.regions.map(({ regionId }) => regionId as RegionId),
  });
}

/** What had been halted runs again from where it was: what is refused changes nothing. */
async function undoHalt(run: JobRun, operation: OperationRun, failure: Failure): Promise<void> {
  for (const region of run.regions.values()) {
    // Nobody is waited for: its attempt was told to stop.
    const cause = `${operation.record.kind}-refused`;
    if (region.status === "stopping") await freeRegion(run, region, cause);
  }
  await fail(run, operation, failure);
}

async function finish(run: JobRun, operation: OperationRun): Promise<void> {
  const { kind, createdAt } = operation.record;
  const total = operation.halt?.total ?? 0;
  const before = await resultOf(run, operation);
  const durationMs = run.world.clock.nowMs() - Date.parse(createdAt);
  if (kind === "rescale" || kind === "rebalance") {
    const { pausedMs } = operation;
    const pauseMs = pausedMs === null ? null : run.world.clock.monotonicMs() - pausedMs;
    return await succeed(run, operation, { ...before, durationMs, pauseMs }, total);
  }
  if (kind !== "rollback") {
    // L3: saved and stopped, but a region may not have released what it held. It does when the job is
    // started from the savepoint (K2); nothing goes back to an older checkpoint.
    const uncommittedRegions = [...operation.halt?.uncommitted ?? []].sort();
    const outcome = uncommittedRegions.length === 0 ? "stopped" : "stopped-uncommitted";
    const savepointId = before["savepointId"] ?? null;
    await succeed(run, operation, { savepointId, outcome, uncommittedRegions }, total);
    return;
  }
  await succeed(run, operation, { ...before, durationMs }, total);
  const { jobId } = { jobId: run.job.id };
  run.world.events.publish("rollback.completed", { jobId }, {
    jobName: run.job.name,
    operationId: operation.record.id,
    ...before,
    durationMs,
  });
}

/** The result written so far: by the transaction of the rollback or of the stop's savepoint. */
async function resultOf(run: JobRun, operation: OperationRun): Promise<Record<string, unknown>> {
  const open = await openOperations(run.world.db, run.job.id);
  return { ...open.find(({ id }) => id === operation.record.id)?.result };
}

async function judge(run: JobRun, record: OperationRecord) {
  const { request } = record;
  const judgement = await judgeRollback(run.world.db, {
    jobId: run.job.id,
    savepointId: String(request["savepointId"]),
    agents: selectorOf(request["agents"]),
  });
  switch (judgement.kind) {
    case "not-found": {
      const detail = `There is no ${judgement.noun} ${judgement.id}`;
      return failed({ code: `${judgement.noun}-not-found`, status: 404, detail });
    }
    case "refused":
      return failed({ ...judgement.refusal, status: 409 });
    case "plan": {
      if (run.job.desiredState !== "running") {
        const detail = `Job ${run.job.id} is ${run.job.desiredState}: deploy from the savepoint`;
        return failed({ code: "job-ended", status: 409, detail });
      }
      const refusal = refuseGap(judgement.plan, request["allowGap"] === true);
      return refusal === null ? judgement : failed({ ...refusal, status: 409 });
    }
  }
}

function failed(failure: Failure): { readonly kind: "failed"; readonly failure: Failure } {
  return { kind: "failed", failure };
}

function selectorOf(agents: unknown): string | string[] | null {
  if (typeof agents === "string") return agents;
  return Array.isArray(agents) ? agents.map(String) : null;
}

function plannedRegions(record: OperationRecord): RegionId[] {
  const plan = record.result?.["plan"] as { regions?: { regionId: string }[] } | undefined;
  return (plan?.regions ?? []).map(({ regionId }) => regionId as RegionId);
}

async function endOthers(run: JobRun, cancel: OperationRun): Promise<void> {
  for (const operation of [...run.operations.values()]) {
    if (operation === cancel) continue;
    await feedSchedule(run, { kind: "withdraw", operationId: operation.record.id });
    const detail = "The job was cancelled";
    await fail(run, operation, { code: "job-cancelled", status: 409, detail });
  }
}

function isExclusive(operation: OperationRun): boolean {
  const { kind } = operation.record;
  return kind === "rollback" || kind === "rescale" || kind === "rebalance" || kind === "stop" ||
    kind === "cancel";
}
