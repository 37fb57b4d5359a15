/**
 * Carries out what the checkpoint machines decide: rows, triggers, commits, announcements, retention.
 *
 * Touches the database and the agents' links. Invariants: C3 agents hear of a completion only after
 * its COMMIT; a COMMIT whose answer was lost is asked for again, and nothing is deleted meanwhile.
 * C6 one checkpoint in flight. P1 the completion of a savepoint is told as one, so that no source
 * acknowledges on it; that of a stop is told as a checkpoint, once the whole of it is durable (K2).
 *
 * @module
 */
import type { AgentId, CheckpointId, RegionId } from "@shared/ids.ts";
import { messageOf } from "@shared/errors.ts";
import { type ScheduleInput, stepSchedule } from "./coordinator/checkpoint_schedule.ts";
import { endPart, standInsOf, startJobCheckpoint, statusOf } from "./coordinator/job_checkpoint.ts";
import {
  type Acknowledgement,
  countsAsFailure,
  type RegionCheckpoint,
  type RegionCheckpointEffect,
  type RegionCheckpointInput,
  stepRegionCheckpoint,
  triggerRegionCheckpoint,
} from "./coordinator/region_checkpoint.ts";
import { type LetGo, partsToLetGo } from "./coordinator/retention.ts";
import {
  abortPart,
  type CheckpointEnd,
  type CheckpointTrigger,
  completePart,
  endCheckpoint,
  startCheckpoint,
} from "./db/checkpoint_store.ts";
import { DeposedError } from "./db/hub_state_store.ts";
import { heldParts, letPartsGo } from "./db/retention_store.ts";
import {
  type InFlight,
  type JobRun,
  type OperationRun,
  type RegionRun,
  tell,
  tellStale,
} from "./job_run.ts";
import type { RegionMessage } from "./ports.ts";
import { sleep } from "./sleep.ts";

/** Times a COMMIT with a lost answer is asked for again before the loop starts over. */
const COMMIT_ATTEMPTS_MAX = 5;
const COMMIT_RETRY_MS = 300;

/** Lets the schedule act on the time. */
export async function tickSchedule(run: JobRun): Promise<void> {
  const regions = [...run.regions.values()];
  const running = regions.filter((region) => isCheckpointed(run, region));
  const isActive = run.job.desiredState === "running";
  await feedSchedule(run, {
    kind: "tick",
    nowMs: run.world.clock.monotonicMs(),
    canCheckpoint: isActive && running.length > 0,
    canSavepoint: isActive && running.length === regions.length,
  });
}

/** Gives the schedule an input and does what it decides. */
export async function feedSchedule(run: JobRun, input: ScheduleInput): Promise<void> {
  const step = stepSchedule(run.schedule, input);
  run.schedule = step.state;
  for (const effect of step.effects) {
    switch (effect.kind) {
      case "start":
        await begin(run, effect.trigger, null);
        break;
      case "startSavepoint":
        await beginSavepoint(run, effect.operationId);
        break;
      case "timeOut":
        await feedAllParts(run, { kind: "timeout" });
        break;
      case "restartRegions":
        for (const regionId of effect.regionIds) run.notes.push({ kind: "restart", regionId });
        break;
    }
  }
}

/** An acknowledgement; its blobs were verified by the agent's session (C1). */
export async function onAcknowledge(
  run: JobRun,
  agentId: AgentId,
  message: Extract<RegionMessage, { kind: "acknowledge" }>,
): Promise<void> {
  const region = run.regions.get(message.regionId);
  if (region === undefined || refuseStale(run, region, agentId, message)) return;
  run.world.failPoint?.("first-ack");
  const { checkpointId, attempt, subtaskId, snapshot, stats } = message;
  if (run.inFlight?.checkpointId !== checkpointId) return answerLate(run, region, checkpointId);
  await feedPart(run, message.regionId, {
    kind: "acknowledge",
    checkpointId,
    attempt,
    subtaskId,
    acknowledgement: { snapshot, stats },
  });
}

/** A subtask could not take part. */
export async function onDecline(
  run: JobRun,
  agentId: AgentId,
  message: Extract<RegionMessage, { kind: "decline" }>,
): Promise<void> {
  const region = run.regions.get(message.regionId);
  if (region === undefined || refuseStale(run, region, agentId, message)) return;
  const { checkpointId, attempt, subtaskId, reason } = message;
  run.world.logger.info("Checkpoint was declined", {
    jobId: run.job.id,
    regionId: message.regionId,
    checkpointId,
    reason,
    detail: message.detail,
  });
  await feedPart(run, message.regionId, {
    kind: "decline",
    checkpointId,
    attempt,
    subtaskId,
    reason,
  });
}

/** Feeds one region's part of the checkpoint in flight; nothing happens when it has none. */
export async function feedPart(
  run: JobRun,
  regionId: RegionId,
  input: RegionCheckpointInput,
): Promise<void> {
  const inFlight = run.inFlight;
  const part = inFlight?.parts.get(regionId);
  if (inFlight === null || part === undefined) return;
  const step = stepRegionCheckpoint(part, input);
  inFlight.parts.set(regionId, step.state);
  for (const effect of step.effects) await carryOut(run, inFlight, regionId, effect);
}

/** Aborts the checkpoint in flight; what its regions completed already stays completed. */
export async function abortInFlight(run: JobRun): Promise<void> {
  await feedAllParts(run, { kind: "cancel" });
}

async function feedAllParts(run: JobRun, input: RegionCheckpointInput): Promise<void> {
  for (const regionId of [...(run.inFlight?.parts.keys() ?? [])]) {
    await feedPart(run, regionId, input);
  }
}

async function carryOut(
  run: JobRun,
  inFlight: InFlight,
  regionId: RegionId,
  effect: RegionCheckpointEffect,
): Promise<void> {
  const region = run.regions.get(regionId)!;
  const part = inFlight.parts.get(regionId)!;
  switch (effect.kind) {
    case "commit": {
      run.world.failPoint?.("before-commit");
      const kind = await commitPart(run, inFlight, part, { region, acks: effect.acknowledgements })
        ? "committed"
        : "commitRefused";
      return await feedPart(run, regionId, { kind });
    }
    case "notifyCompleted":
      return await onPartCompleted(run, inFlight, region);
    case "abort":
      return await onPartAborted(run, inFlight, { region, effect });
    case "discard":
      // Nothing refers to these blobs and their pins end with the checkpoint: collection takes them.
      return;
    case "replyStale":
      if (region.agentId !== null) {
        tellStale(run, region, { agentId: region.agentId, attempt: effect.attempt });
      }
      return;
  }
}

/** @returns Whether the part is completed in the database. */
async function commitPart(
  run: JobRun,
  inFlight: InFlight,
  part: RegionCheckpoint,
  what: {
    region: RegionRun;
    acks: Extract<RegionCheckpointEffect, { kind: "commit" }>["acknowledgements"];
  },
): Promise<boolean> {
  const { world } = run;
  for (let attempt = 1;; attempt++) {
    try {
      const outcome = await completePart(world.db, world.hubTerm, {
        jobId: run.job.id,
        checkpointId: inFlight.checkpointId,
        regionId: what.region.regionId,
        attempt: part.attempt,
        isSavepoint: inFlight.savepoint !== null,
        subtasks: what.acks,
        nowMs: world.clock.nowMs(),
      });
      return outcome === "completed";
    } catch (thrown) {
      if (thrown instanceof DeposedError || attempt >= COMMIT_ATTEMPTS_MAX) throw thrown;
      world.logger.warn("Commit of a checkpoint was not answered, asking again", {
        jobId: run.job.id,
        checkpointId: inFlight.checkpointId,
        error: messageOf(thrown),
      });
      await sleep(world.clock, COMMIT_RETRY_MS * attempt);
    }
  }
}

async function onPartCompleted(run: JobRun, inFlight: InFlight, region: RegionRun): Promise<void> {
  run.world.failPoint?.("after-commit-before-notify");
  const { checkpointId, savepoint } = inFlight;
  if (savepoint === null) {
    region.lastCompletedId = checkpointId;
    tell(run, region, { kind: "completed", checkpointId, isSavepoint: false });
  }
  inFlight.composite = endPart(inFlight.composite, region.regionId, "completed");
  await finishIfEnded(run, inFlight);
}

async function onPartAborted(
  run: JobRun,
  inFlight: InFlight,
  what: { region: RegionRun; effect: Extract<RegionCheckpointEffect, { kind: "abort" }> },
): Promise<void> {
  const { world } = run;
  const { checkpointId } = inFlight;
  const { region, effect } = what;
  const { reason } = effect;
  await abortPart(world.db, world.hubTerm, {
    jobId: run.job.id,
    checkpointId,
    regionId: region.regionId,
    reason,
  });
  tell(run, region, { kind: "aborted", checkpointId, reason });
  if (countsAsFailure(reason)) inFlight.failed.add(region.regionId);
  inFlight.composite = endPart(inFlight.composite, region.regionId, "aborted");
  await finishIfEnded(run, inFlight);
}

async function beginSavepoint(run: JobRun, operationId: string): Promise<void> {
  const operation = run.operations.get(operationId);
  if (operation === undefined) {
    const nowMs = run.world.clock.monotonicMs();
    return await feedSchedule(run, { kind: "startFailed", nowMs });
  }
  await begin(run, operation.record.kind === "stop" ? "stop" : "person", operation);
}

async function begin(
  run: JobRun,
  trigger: CheckpointTrigger,
  operation: OperationRun | null,
): Promise<void> {
  const { world, job } = run;
  const nowMs = world.clock.monotonicMs();
  const present = [...run.regions.values()].filter((region) => isCheckpointed(run, region));
  const savepoint = operation === null ? null : {
    id: world.random.uuid(),
    operationId: operation.record.id,
    isStop: operation.record.kind === "stop",
  };
  world.failPoint?.("before-trigger-row");
  const checkpointId = await startCheckpoint(world.db, world.hubTerm, {
    jobId: job.id,
    lineage: job.lineage,
    trigger,
    parts: present.map(({ regionId, attempt, agentId }) => ({
      regionId,
      attempt,
      agentId: agentId!,
    })),
    nowMs: world.clock.nowMs(),
    savepoint: operation === null ? null : savepointRow(run, savepoint!.id, operation),
  });
  if (checkpointId === null) {
    if (operation !== null) operation.isQueued = false;
    return await feedSchedule(run, { kind: "startFailed", nowMs });
  }
  run.inFlight = {
    checkpointId,
    triggeredMs: nowMs,
    savepoint,
    trigger,
    composite: startJobCheckpoint(checkpointId, [...run.regions.keys()], {
      present: present.map(({ regionId }) => regionId),
      isSavepoint: savepoint !== null,
    }),
    parts: new Map(present.map((region) => [
      region.regionId,
      triggerRegionCheckpoint(
        checkpointId,
        region.attempt,
        region.plan.subtasks.map(({ subtaskId }) => subtaskId),
      ),
    ])),
    failed: new Set(),
  };
  await feedSchedule(run, { kind: "started", checkpointId, nowMs });
  await sendTriggers(run, present, { checkpointId, isSavepoint: savepoint !== null });
  world.failPoint?.("after-trigger");
}

async function sendTriggers(
  run: JobRun,
  regions: readonly RegionRun[],
  trigger: { readonly checkpointId: CheckpointId; readonly isSavepoint: boolean },
): Promise<void> {
  const triggeredAtMs = run.world.clock.nowMs();
  for (const region of regions) {
    const isSent = tell(run, region, { kind: "trigger", ...trigger, triggeredAtMs });
    if (!isSent) await feedPart(run, region.regionId, { kind: "agentAway" });
  }
}

function savepointRow(run: JobRun, id: string, operation: OperationRun) {
  const { job } = run;
  const { label } = operation.record.request;
  return {
    id,
    label: typeof label === "string" ? label : null,
    owner: operation.record.createdBy,
    jobName: job.name,
    bundleDigest: job.bundleDigest,
    graph: job.graph,
  };
}

async function finishIfEnded(run: JobRun, inFlight: InFlight): Promise<void> {
  if (run.inFlight !== inFlight) return;
  const status = statusOf(inFlight.composite);
  if (status === "pending") return;
  const hasPending = [...inFlight.composite.parts.values()].includes("pending");
  // A savepoint that lost one region is lost: the others need not go on. The last one ends it.
  if (hasPending) return await feedAllParts(run, { kind: "cancel" });
  run.inFlight = null;
  const reason = reasonOf(inFlight);
  const nowMs = run.world.clock.nowMs();
  const { jobId, checkpointId } = { jobId: run.job.id, checkpointId: inFlight.checkpointId };
  const end: CheckpointEnd = { jobId, checkpointId, status, reason, nowMs };
  await endCheckpoint(run.world.db, run.world.hubTerm, {
    ...end,
    ...savepointEnd(inFlight, status),
  });
  tellSavepointEnd(run, inFlight, status === "completed");
  publishEnd(run, inFlight, { status, reason });
  if (inFlight.savepoint !== null) {
    const failure = status === "completed" ? null : reason ?? "aborted";
    run.notes.push({ kind: "savepointEnded", savepoint: inFlight.savepoint, failure });
  }
  await feedSchedule(run, {
    kind: "ended",
    nowMs: run.world.clock.monotonicMs(),
    completed: [...inFlight.parts].filter(([, part]) => part.status === "completed")
      .map(([regionId]) => regionId),
    failed: [...inFlight.failed],
  });
  if (inFlight.savepoint === null && status !== "aborted") await retain(run);
}

/** What becomes durable together with the end of a savepoint (H2, L3). */
function savepointEnd(inFlight: InFlight, status: string): Partial<CheckpointEnd> {
  const { savepoint } = inFlight;
  if (savepoint === null || status !== "completed") return {};
  const { operationId, id } = savepoint;
  return savepoint.isStop
    ? { stopsJob: { operationId, savepointId: id } }
    : { succeeds: { operationId, result: { savepointId: id } } };
}

function tellSavepointEnd(run: JobRun, inFlight: InFlight, isCompleted: boolean): void {
  const { savepoint, checkpointId } = inFlight;
  if (savepoint === null) return;
  for (const [regionId, part] of inFlight.parts) {
    const region = run.regions.get(regionId)!;
    if (isCompleted) {
      if (savepoint.isStop) region.lastCompletedId = checkpointId;
      tell(run, region, { kind: "completed", checkpointId, isSavepoint: !savepoint.isStop });
    } else if (part.status === "completed") {
      tell(run, region, { kind: "aborted", checkpointId, reason: "savepoint-incomplete" });
    }
  }
}

function reasonOf(inFlight: InFlight): string | null {
  const reasons = [...inFlight.parts]
    .filter(([, part]) => part.reason !== null)
    .map(([regionId, part]) => `${regionId}: ${part.reason}`);
  const absent = [...inFlight.composite.parts]
    .filter(([, part]) => part === "absent").map(([regionId]) => `${regionId}: absent`);
  const all = [...reasons, ...absent].sort();
  return all.length === 0 ? null : all.join("; ").slice(0, 1000);
}

function publishEnd(
  run: JobRun,
  inFlight: InFlight,
  end: { readonly status: string; readonly reason: string | null },
): void {
  const { checkpointId, savepoint } = inFlight;
  const acks: Acknowledgement[] = [...inFlight.parts.values()]
    .filter((part) => part.status === "completed")
    .flatMap((part) => [...part.acknowledged.values()]);
  const lastCompleted = new Map(
    [...run.regions.values()].map((region) => [region.regionId, region.lastCompletedId]),
  );
  const body = {
    jobName: run.job.name,
    checkpointId,
    status: end.status,
    trigger: inFlight.trigger,
    reason: end.reason,
    isSavepoint: savepoint !== null,
    savepointId: savepoint?.id ?? null,
    durationMs: Math.round(run.world.clock.monotonicMs() - inFlight.triggeredMs),
    regionsCompleted: [...inFlight.parts.values()].filter((p) => p.status === "completed").length,
    regionsTotal: run.regions.size,
    fullBytes: acks.reduce((sum, { stats }) => sum + stats.fullBytes, 0),
    uploadedBytes: acks.reduce((sum, { stats }) => sum + stats.uploadedBytes, 0),
    standIns: standInsOf(inFlight.composite, lastCompleted),
  };
  const noun = savepoint === null ? "checkpoint" : "savepoint";
  const verb = end.status === "aborted" ? "aborted" : "completed";
  run.world.events.publish(`${noun}.${verb}`, { jobId: run.job.id }, body);
}

/** Running, its agent connected, and not on the way elsewhere. */
function isCheckpointed(run: JobRun, region: RegionRun): boolean {
  return region.status === "running" && region.agentId !== null &&
    run.world.links.isOnline(region.agentId);
}

/** True when the message was of another attempt or agent, and answered as such (C2, F3). */
function refuseStale(
  run: JobRun,
  region: RegionRun,
  agentId: AgentId,
  message: { readonly attempt: RegionRun["attempt"] },
): boolean {
  if (message.attempt === region.attempt && region.agentId === agentId) return false;
  if (message.attempt <= region.attempt) {
    tellStale(run, region, { agentId, attempt: message.attempt });
  }
  return true;
}

/** The checkpoint has ended: say how, in case the agent missed it (C4, C5). */
function answerLate(run: JobRun, region: RegionRun, checkpointId: CheckpointId): void {
  if (region.lastCompletedId !== null && checkpointId <= region.lastCompletedId) {
    const { lastCompletedId } = region;
    tell(run, region, { kind: "completed", checkpointId: lastCompletedId, isSavepoint: false });
    return;
  }
  tell(run, region, { kind: "aborted", checkpointId, reason: "ended" });
}

/** Lets go of what is older than the retained checkpoints. */
async function retain(run: JobRun): Promise<void> {
  const { world, job } = run;
  const bases = [...run.regions.values()].map((region) => ({
    regionId: region.regionId,
    baseId: region.lastCompletedId ?? region.restoredFromId,
  }));
  const held = await heldParts(world.db, job.id);
  await letGo(run, partsToLetGo(held, bases, world.config.retainedCheckpoints));
}

/** A job that has ended never recovers: of its checkpoints only the savepoints stay. */
export async function retainSavepointsOnly(run: JobRun): Promise<void> {
  const held = await heldParts(run.world.db, run.job.id);
  await letGo(run, partsToLetGo(held, [], 0));
}

async function letGo(run: JobRun, parts: readonly LetGo[]): Promise<void> {
  if (parts.length === 0) return;
  const { db, hubTerm, clock } = run.world;
  await letPartsGo(db, hubTerm, { jobId: run.job.id, parts, nowMs: clock.nowMs() });
}
