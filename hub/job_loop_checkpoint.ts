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
import { endPart, startJobCheckpoint, statusOf } from "./coordinator/job_checkpoint.ts";
import {
  countsAsFailure,
  type RegionCheckpoint,
  type RegionCheckpointEffect,
  type RegionCheckpointInput,
  stepRegionCheckpoint,
  triggerRegionCheckpoint,
} from "./coordinator/region_checkpoint.ts";
import {
  abortPart,
  type CheckpointEnd,
  type CheckpointTrigger,
  completePart,
  endCheckpoint,
  startCheckpoint,
} from "./db/checkpoint_store.ts";
import { DeposedError } from "./db/hub_state_store.ts";
import {
  noteEnd,
  publishEnd,
  reasonOf,
  savepointEnd,
  subtasksOf,
  tellSavepointEnd,
} from "./job_loop_checkpoint_end.ts";
import { retain } from "./job_loop_retention.ts";
import {
  agentsOf,
  type InFlight,
  type JobRun,
  type OperationRun,
  type RegionRun,
  runsOn,
  tell,
  tellAgent,
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
        for (const regionId of effect.regionIds) {
          run.notes.push({ kind: "restart", regionId, cause: "checkpoint-failures" });
        }
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
  if (run.inFlight?.checkpointId !== checkpointId) {
    return answerLate(run, region, { agentId, checkpointId });
  }
  // What another agent runs is not this one's to acknowledge (C2).
  if ((region.placement[subtaskId] ?? region.agentId) !== agentId) return;
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
  if (run.inFlight?.checkpointId === checkpointId) {
    const { detail } = message;
    run.inFlight.declined.set(`${message.regionId}/${subtaskId}`, { reason, detail });
  }
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
      for (const agentId of agentsOf(region)) {
        tellStale(run, region, { agentId, attempt: effect.attempt });
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
    subtasks: subtasksOf(inFlight, region.regionId),
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
  await begin(run, TRIGGERS[operation.record.kind] ?? "person", operation);
}

/** What began a checkpoint that an operation asked for. */
const TRIGGERS: Readonly<Record<string, CheckpointTrigger>> = {
  stop: "stop",
  rescale: "rescale",
  rebalance: "rescale",
};

async function begin(
  run: JobRun,
  trigger: CheckpointTrigger,
  operation: OperationRun | null,
): Promise<void> {
  const { world, job } = run;
  const nowMs = world.clock.monotonicMs();
  const present = [...run.regions.values()].filter((region) => isCheckpointed(run, region));
  // A rescale goes on from a checkpoint like any other: it releases, and nobody keeps it.
  const savepoint = operation === null || trigger === "rescale" ? null : {
    id: world.random.uuid(),
    operationId: operation.record.id,
    isStop: trigger === "stop",
  };
  const isDrain = savepoint?.isStop === true && operation?.record.request["drain"] === true;
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
    savepoint: savepoint === null ? null : savepointRow(run, savepoint.id, operation!),
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
    forOperation: savepoint === null ? operation?.record.id ?? null : null,
    isDrain,
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
    declined: new Map(),
    failed: new Set(),
  };
  await feedSchedule(run, { kind: "started", checkpointId, nowMs });
  await sendTriggers(run, present, {
    checkpointId,
    isSavepoint: savepoint !== null,
    ...(isDrain ? { drain: true } : {}),
  });
  world.failPoint?.("after-trigger");
}

async function sendTriggers(
  run: JobRun,
  regions: readonly RegionRun[],
  trigger: {
    readonly checkpointId: CheckpointId;
    readonly isSavepoint: boolean;
    readonly drain?: boolean;
  },
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
  const completed = [...inFlight.parts].filter(([, part]) => part.status === "completed")
    .map(([regionId]) => regionId);
  noteEnd(run, inFlight, { status, reason, completed });
  await feedSchedule(run, {
    kind: "ended",
    nowMs: run.world.clock.monotonicMs(),
    completed,
    failed: [...inFlight.failed],
  });
  if (inFlight.savepoint === null && status !== "aborted") await retain(run);
}

/** Running, its agents connected, and not on the way elsewhere. */
function isCheckpointed(run: JobRun, region: RegionRun): boolean {
  return region.status === "running" && region.agentId !== null &&
    agentsOf(region).every((agentId) => run.world.links.isOnline(agentId));
}

/** True when the message was of another attempt or agent, and answered as such (C2, F3). */
function refuseStale(
  run: JobRun,
  region: RegionRun,
  agentId: AgentId,
  message: { readonly attempt: RegionRun["attempt"] },
): boolean {
  if (message.attempt === region.attempt && runsOn(region, agentId)) return false;
  if (message.attempt <= region.attempt) {
    tellStale(run, region, { agentId, attempt: message.attempt });
  }
  return true;
}

/** The checkpoint has ended: say how, in case the agent missed it (C4, C5). */
function answerLate(
  run: JobRun,
  region: RegionRun,
  late: { readonly agentId: AgentId; readonly checkpointId: CheckpointId },
): void {
  const { agentId, checkpointId } = late;
  const { lastCompletedId } = region;
  const message = lastCompletedId !== null && checkpointId <= lastCompletedId
    ? { kind: "completed", checkpointId: lastCompletedId, isSavepoint: false } as const
    : { kind: "aborted", checkpointId, reason: "ended" } as const;
  tellAgent(run, region, { agentId, message });
}
