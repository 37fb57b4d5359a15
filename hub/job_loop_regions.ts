/**
 * The life of a job's regions: placing, deploying, restarting, moving, losing and adopting them.
 *
 * Touches the database, the agents' links and the object store's signatures.
 *
 *   waiting ─▶ deploying ─▶ restoring ─▶ running ─▶ stopping ─▶ stopped
 *      ▲            └───────────┴───────────┴─▶ backing-off ─┐
 *      └─────────────────────── agent lost, moved, retry ◀───┘
 *
 * Invariants: F4 a new attempt is fenced in the database before anybody hears of it. C8 `run` is sent
 * only after the region reported restored. P6 a region of an agent that may have gone autonomous stays
 * its. H1 an attempt that an agent still runs is adopted, not restarted.
 *
 * @module
 */
import type { AgentId, Attempt, RegionId } from "@shared/ids.ts";
import type { RunningRegion } from "@shared/messages.ts";
import { assign, type LiveAgent } from "./coordinator/assignment.ts";
import { afterFailure } from "./coordinator/restart_backoff.ts";
import { HALT_TIMEOUT_MS } from "./coordinator/halt_steps.ts";
import {
  agentLoads,
  endAttempt,
  type RegionRowStatus,
  setRegionStatus,
} from "./db/region_store.ts";
import { feedPart } from "./job_loop_checkpoint.ts";
import { deployRegion } from "./job_loop_deploy.ts";
import {
  announceRegion,
  isOnAgent,
  type JobRun,
  type RegionRun,
  tell,
  tellStale,
} from "./job_run.ts";
import type { RegionMessage } from "./ports.ts";

/** An attempt that neither runs nor fails for this long is replaced. */
const START_TIMEOUT_MS = 180_000;

type StatusMessage = Extract<RegionMessage, { kind: "status" }>;

/** Gives every region that waits to an agent, where there is one; moves off agents that drain. */
export async function placeRegions(run: JobRun): Promise<void> {
  if (run.job.desiredState !== "running" || !run.world.isFleetBack()) return;
  const { world } = run;
  const nowMs = world.clock.monotonicMs();
  const free = [...run.regions.values()].filter((region) => isFree(run, region, nowMs));
  if (free.length > 0) {
    const live = await liveAgents(run);
    const needs = [...run.regions.values()].map((region) => ({
      regionId: region.regionId,
      near: region.plan.near,
      runsOn: isOnAgent(region) ? region.agentId : null,
    }));
    for (const { regionId, agentId } of assign(needs, live)) {
      const region = run.regions.get(regionId)!;
      if (agentId !== null && free.includes(region)) await deployRegion(run, region, agentId);
    }
  }
}

/** Starts to move one region off an agent that drains, if another agent can take it. */
export async function moveOffDraining(run: JobRun): Promise<void> {
  if (run.job.desiredState !== "running") return;
  const regions = [...run.regions.values()];
  if (regions.some(({ status }) => status === "stopping")) return;
  const { fleet } = run.world;
  const hasTarget = [...fleet.values()].some((a) => !a.isDraining && run.world.isLive(a.agentId));
  if (!hasTarget) return;
  const region = regions.find(({ agentId, status }) =>
    status === "running" && agentId !== null && fleet.get(agentId)?.isDraining === true
  );
  if (region === undefined) return;
  await stopRegion(run, region, "Its agent drains");
  region.isMoving = true;
}

/** Asks the agent to stop the region's attempt, once it knows what it may release (K2). */
export async function stopRegion(run: JobRun, region: RegionRun, reason: string): Promise<void> {
  await leaveCheckpoint(run, region);
  await changeStatus(run, region, "stopping", reason);
  tellLastCompleted(run, region);
  tell(run, region, { kind: "stop", reason });
}

/** The agent may have missed it, in a crash of the hub above all; saying it again is harmless (C5). */
function tellLastCompleted(run: JobRun, region: RegionRun): void {
  const { lastCompletedId } = region;
  if (lastCompletedId === null) return;
  tell(run, region, { kind: "completed", checkpointId: lastCompletedId, isSavepoint: false });
}

/** Ends what takes too long: starts that hang, stops that are not answered, agents without a lease. */
export async function checkDeadlines(run: JobRun): Promise<void> {
  const nowMs = run.world.clock.monotonicMs();
  for (const region of run.regions.values()) {
    const { agentId } = region;
    if (agentId !== null && isOnAgent(region) && run.world.links.verdict(agentId) !== "held") {
      await onAgentLost(run, agentId);
    }
    const tookMs = nowMs - region.sinceMs;
    const isStarting = region.status === "deploying" || region.status === "restoring";
    if (region.isMoving && region.status === "stopping" && tookMs >= HALT_TIMEOUT_MS) {
      await freeRegion(run, region, "moved");
    } else if (isStarting && region.agentId !== null && tookMs >= START_TIMEOUT_MS) {
      tell(run, region, { kind: "stop", reason: "It did not start in time" });
      await failRegion(run, region, "start-timeout", true);
    }
  }
}

/** A status that an agent reported. */
export async function onStatus(
  run: JobRun,
  agentId: AgentId,
  message: StatusMessage,
): Promise<void> {
  const region = run.regions.get(message.regionId);
  if (region === undefined) return;
  if (message.attempt < region.attempt) {
    if (message.status !== "stopped" && message.status !== "failed") {
      tellStale(run, region, { agentId, attempt: message.attempt });
    }
    return;
  }
  if (message.attempt > region.attempt || region.agentId !== agentId) return;
  run.reported.set(region.regionId, { attempt: message.attempt, status: message.status });
  switch (message.status) {
    case "restoring":
      if (region.status === "deploying") await changeStatus(run, region, "restoring", "");
      return;
    case "restored":
      if (region.status === "deploying") await changeStatus(run, region, "restoring", "");
      if (region.status === "restoring") tell(run, region, { kind: "run" });
      return;
    case "running":
      return await onRunning(run, region);
    case "failed":
      return await failRegion(run, region, message.reason, message.isRetryable);
    case "stopped":
      return await onStopped(run, region, message.reason);
  }
}

/** The lease of an agent expired, or it said goodbye; or its window to reassign closed. */
export async function onAgentLost(run: JobRun, agentId: AgentId): Promise<void> {
  for (const region of run.regions.values()) {
    if (region.agentId !== agentId || !isOnAgent(region)) continue;
    run.reported.delete(region.regionId);
    await leaveCheckpoint(run, region);
    if (region.status === "stopping") {
      await onStopped(run, region, "agent-lost");
      continue;
    }
    region.nextCause = "agent-lost";
    await changeStatus(run, region, "waiting", "agent-lost");
  }
}

/** An agent says what it runs: adopt it, end what is over, take back what it lost (H1). */
export async function onAgentArrived(
  run: JobRun,
  agentId: AgentId,
  listed: readonly RunningRegion[],
): Promise<void> {
  const mine = listed.filter(({ jobId }) => jobId === run.job.id);
  for (const entry of mine) {
    const region = run.regions.get(entry.regionId);
    if (region === undefined || region.agentId !== agentId || region.attempt !== entry.attempt) {
      refuseListed(run, agentId, entry);
    }
  }
  for (const region of run.regions.values()) {
    if (region.agentId !== agentId) continue;
    const entry = mine.find((candidate) =>
      candidate.regionId === region.regionId && candidate.attempt === region.attempt
    );
    if (entry === undefined) await onRegionMissing(run, region);
    else await adopt(run, region, entry);
  }
}

/** Applies again what agents had reported before the loop loaded anew. */
export async function adoptReported(run: JobRun): Promise<void> {
  for (const region of run.regions.values()) {
    const last = run.reported.get(region.regionId);
    if (last === undefined || last.attempt !== region.attempt || region.agentId === null) continue;
    const { agentId, regionId, attempt } = region;
    const jobId = run.job.id;
    await onStatus(run, agentId, {
      kind: "status",
      jobId,
      regionId,
      attempt,
      status: last.status,
      reason: "",
      isRetryable: true,
    });
  }
}

/** Ends the attempt after a failure; the next one waits longer each time. */
export async function failRegion(
  run: JobRun,
  region: RegionRun,
  reason: string,
  isRetryable: boolean,
): Promise<void> {
  if (region.status === "stopping") return await onStopped(run, region, reason);
  const { clock, random, config, logger } = run.world;
  const nowMs = clock.monotonicMs();
  const ranForMs = region.status === "running" ? nowMs - region.sinceMs : 0;
  const { failures, delayMs } = afterFailure(region.consecutiveFailures, ranForMs, {
    limits: config.restartBackoffMs,
    chance: random.next(),
    isRetryable,
  });
  region.nextCause = reason.slice(0, 200);
  await endRun(run, region, { status: "backing-off", reason, failures, delayMs });
  logger.warn("Region failed", {
    jobId: run.job.id,
    regionId: region.regionId,
    attempt: region.attempt,
    reason,
    delayMs,
  });
}

/** Ends the attempt so that the region can be placed again at once. */
export async function freeRegion(run: JobRun, region: RegionRun, reason: string): Promise<void> {
  region.nextCause = reason;
  await endRun(run, region, {
    status: "waiting",
    reason,
    failures: region.consecutiveFailures,
    delayMs: 0,
  });
}

/** Whether a region waits for an agent that may still run it, too long unheard of to be sure (P6). */
export function isPossiblyAutonomous(run: JobRun, region: RegionRun): boolean {
  return region.status === "waiting" && region.agentId !== null && mayContinueAlone(run, region) &&
    run.world.links.verdict(region.agentId) === "possibly-autonomous";
}

/** Takes the region's part out of the checkpoint in flight. */
export async function leaveCheckpoint(run: JobRun, region: RegionRun): Promise<void> {
  await feedPart(run, region.regionId, { kind: "attemptRaised" });
}

/** Moves the region on under its attempt; the loop loads again when the row says otherwise. */
export async function changeStatus(
  run: JobRun,
  region: RegionRun,
  status: RegionRowStatus,
  reason: string,
): Promise<void> {
  const { world } = run;
  const isCurrent = await setRegionStatus(world.db, world.hubTerm, {
    ...rowOf(run, region),
    status,
  });
  if (!isCurrent) throw new Error(`Region ${region.regionId} has another attempt in the database`);
  region.status = status;
  region.sinceMs = world.clock.monotonicMs();
  announceRegion(run, region, reason);
}

async function endRun(
  run: JobRun,
  region: RegionRun,
  end: { status: "waiting" | "backing-off"; reason: string; failures: number; delayMs: number },
): Promise<void> {
  const { world } = run;
  await leaveCheckpoint(run, region);
  run.reported.delete(region.regionId);
  const isCurrent = await endAttempt(world.db, world.hubTerm, {
    ...rowOf(run, region),
    status: end.status,
    reason: end.reason,
    consecutiveFailures: end.failures,
    notBeforeMs: end.delayMs === 0 ? null : world.clock.nowMs() + end.delayMs,
  });
  if (!isCurrent) throw new Error(`Region ${region.regionId} has another attempt in the database`);
  const nowMs = world.clock.monotonicMs();
  region.status = end.status;
  region.agentId = null;
  region.consecutiveFailures = end.failures;
  region.retryAtMs = end.delayMs === 0 ? null : nowMs + end.delayMs;
  region.sinceMs = nowMs;
  region.isMoving = false;
  announceRegion(run, region, end.reason);
}

async function onRunning(run: JobRun, region: RegionRun): Promise<void> {
  const isLateStart = region.status === "stopping" || region.status === "running";
  if (isLateStart || region.status === "stopped") return;
  await changeStatus(run, region, "running", "");
  run.notes.push({ kind: "running", regionId: region.regionId });
}

/** Stopped on request, or its agent shuts down: then another attempt follows after the first pause. */
async function onStopped(run: JobRun, region: RegionRun, reason: string): Promise<void> {
  if (region.status === "stopping") {
    if (region.isMoving) await freeRegion(run, region, "moved");
    else run.notes.push({ kind: "stopped", regionId: region.regionId });
    return;
  }
  if (!isOnAgent(region)) return;
  region.nextCause = reason === "" ? "stopped-by-agent" : reason.slice(0, 200);
  await endRun(run, region, {
    status: "backing-off",
    reason: region.nextCause,
    failures: region.consecutiveFailures,
    delayMs: run.world.config.restartBackoffMs.first,
  });
}

function refuseListed(run: JobRun, agentId: AgentId, entry: RunningRegion): void {
  const region = run.regions.get(entry.regionId);
  const isOver = entry.status === "failed" || entry.status === "stopped";
  if (region === undefined || isOver) return;
  if (entry.attempt < region.attempt) {
    tellStale(run, region, { agentId, attempt: entry.attempt });
    return;
  }
  const { jobId, regionId, attempt } = entry;
  if (entry.attempt === region.attempt && region.lastCompletedId !== null) {
    // It ran this attempt to its end, and may have missed that its last checkpoint is complete (K2).
    const checkpointId = region.lastCompletedId;
    const completed = { kind: "completed", checkpointId, isSavepoint: false } as const;
    run.world.links.send(agentId, { ...completed, jobId, regionId, attempt });
  }
  const reason = "The hub gave this region to nobody";
  run.world.links.send(agentId, { kind: "stop", jobId, regionId, attempt, reason });
}

async function onRegionMissing(run: JobRun, region: RegionRun): Promise<void> {
  if (region.status === "stopping") return await onStopped(run, region, "agent-restarted");
  if (isOnAgent(region) || region.status === "waiting") {
    await freeRegion(run, region, "agent-restarted");
  }
}

async function adopt(run: JobRun, region: RegionRun, entry: RunningRegion): Promise<void> {
  const { regionId } = region;
  for (const checkpointId of run.unannounced.get(regionId) ?? []) {
    tell(run, region, { kind: "aborted", checkpointId, reason: "hub-restarted" });
  }
  run.unannounced.delete(regionId);
  tellLastCompleted(run, region);
  if (region.status === "stopping" || run.job.desiredState !== "running") {
    tell(run, region, { kind: "stop", reason: "The job stops" });
    return;
  }
  if (region.status === "waiting") await changeStatus(run, region, "restoring", "agent-returned");
  await onStatus(run, region.agentId!, {
    kind: "status",
    jobId: run.job.id,
    regionId,
    attempt: region.attempt,
    status: entry.status,
    reason: entry.status === "failed" ? "It failed while the hub was away" : "",
    isRetryable: true,
  });
}

/** Begins another attempt of a region whose checkpoints keep failing. */
export async function restartRegion(run: JobRun, regionId: RegionId): Promise<void> {
  const region = run.regions.get(regionId)!;
  if (region.status !== "running") return;
  tell(run, region, { kind: "stop", reason: "Too many checkpoints failed" });
  await failRegion(run, region, "checkpoint-failures", true);
}

/** Waits, its pause is over, and nobody else may still run it beyond the hub's reach. */
function isFree(run: JobRun, region: RegionRun, nowMs: number): boolean {
  if (region.status === "backing-off") {
    return region.retryAtMs === null || nowMs >= region.retryAtMs;
  }
  if (region.status !== "waiting") return false;
  if (region.agentId === null) return true;
  const verdict = run.world.links.verdict(region.agentId);
  return verdict === "reassignable" ||
    (verdict === "possibly-autonomous" && !mayContinueAlone(run, region));
}

/** A source that goes on without the hub acknowledges on checkpoints the hub has not seen (P5). */
function mayContinueAlone(run: JobRun, region: RegionRun): boolean {
  const uids = new Set(region.plan.subtasks.map(({ sourceUid }) => sourceUid));
  return run.job.graph.operators.some(({ uid, source }) =>
    uids.has(uid) && source?.connector === "mqtt" && source.whenHubAway === "continue"
  );
}

async function liveAgents(run: JobRun): Promise<LiveAgent[]> {
  const { world } = run;
  const loads = await agentLoads(world.db, run.job.id);
  return [...world.fleet.values()]
    .filter(({ agentId }) => world.isLive(agentId))
    .map((agent) => ({ ...agent, load: loads.get(agent.agentId) ?? 0 }));
}

function rowOf(
  run: JobRun,
  region: RegionRun,
): { jobId: JobRun["job"]["id"]; regionId: RegionId; attempt: Attempt; nowMs: number } {
  return {
    jobId: run.job.id,
    regionId: region.regionId,
    attempt: region.attempt,
    nowMs: run.world.clock.nowMs(),
  };
}
