/**
 * The life of a job's regions once they are deployed: starting, failing, stopping, losing and adopting.
 *
 * Touches the database and the agents' links. `job_loop_placing.ts` decides where a region goes.
 *
 *   waiting ─▶ deploying ─▶ restoring ─▶ running ─▶ stopping ─▶ stopped
 *      ▲            └───────────┴───────────┴─▶ backing-off ─┐
 *      └─────────────────────── agent lost, moved, retry ◀───┘
 *
 * Invariants: F4 a new attempt is fenced in the database before anybody hears of it. C8 `run` is sent
 * only after every agent of the region reported restored. H1 an attempt that its agents still run is
 * adopted, not restarted. A region over several agents lives and dies as one: what ends its attempt on
 * one of them ends it on all, under the next attempt it begins again.
 *
 * @module
 */
import type { AgentId, Attempt, RegionId } from "@shared/ids.ts";
import type { RegionStatus, RunningRegion } from "@shared/messages.ts";
import { agentsToRun, haveStopped, reachOf } from "./coordinator/region_reach.ts";
import { afterFailure } from "./coordinator/restart_backoff.ts";
import { HALT_TIMEOUT_MS } from "./coordinator/halt_steps.ts";
import { endAttempt, type RegionRowStatus, setRegionStatus } from "./db/region_store.ts";
import { feedPart } from "./job_loop_checkpoint.ts";
import {
  agentsOf,
  announceRegion,
  isOnAgent,
  isSpanning,
  type JobRun,
  type RegionRun,
  type Reported,
  type RestartCause,
  runsOn,
  tell,
  tellAgent,
  tellStale,
} from "./job_run.ts";
import type { RegionMessage } from "./ports.ts";

/** An attempt that neither runs nor fails for this long is replaced. */
const START_TIMEOUT_MS = 180_000;

/** Why a region that was to stop ended without saying so. */
const AGENT_LOST = "agent-lost";
const AGENT_RESTARTED = "agent-restarted";

type StatusMessage = Extract<RegionMessage, { kind: "status" }>;

/** Asks the agents to stop the region's attempt, once they know what they may release (K2). */
export async function stopRegion(run: JobRun, region: RegionRun, reason: string): Promise<void> {
  await leaveCheckpoint(run, region);
  await changeStatus(run, region, "stopping", reason);
  tellToStop(run, region, { agents: agentsOf(region), reason });
}

function tellToStop(
  run: JobRun,
  region: RegionRun,
  what: { readonly agents: readonly AgentId[]; readonly reason: string },
): void {
  for (const agentId of what.agents) {
    tellLastCompleted(run, region, agentId);
    tellAgent(run, region, { agentId, message: { kind: "stop", reason: what.reason } });
  }
}

/** The attempt ended on one agent: the others are not to go on with it. */
function tellOthersToStop(
  run: JobRun,
  region: RegionRun,
  what: { readonly except: AgentId | null; readonly reason: string },
): void {
  const agents = agentsOf(region).filter((agentId) => agentId !== what.except);
  tellToStop(run, region, { agents, reason: what.reason });
}

/** The agent may have missed it, in a crash of the hub above all; saying it again is harmless (C5). */
function tellLastCompleted(run: JobRun, region: RegionRun, agentId: AgentId): void {
  const { lastCompletedId } = region;
  if (lastCompletedId === null) return;
  const message = { kind: "completed", checkpointId: lastCompletedId, isSavepoint: false } as const;
  tellAgent(run, region, { agentId, message });
}

/** Ends what takes too long: starts that hang, stops that are not answered, agents without a lease. */
export async function checkDeadlines(run: JobRun): Promise<void> {
  const nowMs = run.world.clock.monotonicMs();
  for (const region of run.regions.values()) {
    const lost = agentsOf(region)
      .filter((agentId) => isOnAgent(region) && run.world.links.verdict(agentId) !== "held");
    for (const agentId of lost) await onAgentLost(run, agentId);
    const tookMs = nowMs - region.sinceMs;
    const isStarting = region.status === "deploying" || region.status === "restoring";
    if (region.isMoving && region.status === "stopping" && tookMs >= HALT_TIMEOUT_MS) {
      await freeRegion(run, region, "moved");
    } else if (isStarting && region.agentId !== null && tookMs >= START_TIMEOUT_MS) {
      tell(run, region, { kind: "stop", reason: "It did not start in time" });
      await failRegion(run, region, { reason: "start-timeout", isRetryable: true });
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
  if (message.attempt > region.attempt || !runsOn(region, agentId)) return;
  const { status, reason, isRetryable } = message;
  noteStatus(run, region, { agentId, status });
  switch (status) {
    case "restoring":
    case "restored":
    case "running":
      return await advanceRegion(run, region);
    case "failed":
      return await failRegion(run, region, { reason, isRetryable, from: agentId });
    case "stopped":
      return await onStopped(run, region, { reason, from: agentId });
  }
}

function noteStatus(
  run: JobRun,
  region: RegionRun,
  said: { readonly agentId: AgentId; readonly status: RegionStatus },
): void {
  const reported = reportedOf(run, region);
  reported.statuses.set(said.agentId, said.status);
  // Said again, in a hello above all: it may have missed what followed.
  if (said.status === "restored") reported.toldToRun.delete(said.agentId);
  run.reported.set(region.regionId, reported);
}

/** What its agents said of the present attempt. */
function reportedOf(run: JobRun, { regionId, attempt }: RegionRun): Reported {
  const known = run.reported.get(regionId);
  return known?.attempt === attempt
    ? known
    : { attempt, statuses: new Map(), toldToRun: new Set() };
}

function statusesOf(run: JobRun, region: RegionRun): ReadonlyMap<AgentId, RegionStatus> {
  return reportedOf(run, region).statuses;
}

/** Moves a starting region on as far as all of its agents have come (C8). */
async function advanceRegion(run: JobRun, region: RegionRun): Promise<void> {
  const isStarting = region.status === "deploying" || region.status === "restoring";
  if (!isStarting) return;
  const agents = agentsOf(region);
  const { statuses, toldToRun } = reportedOf(run, region);
  if (reachOf(agents, statuses) === "running") {
    await changeStatus(run, region, "running", "");
    run.notes.push({ kind: "running", regionId: region.regionId });
    return;
  }
  if (region.status === "deploying") await changeStatus(run, region, "restoring", "");
  for (const agentId of agentsToRun(agents, statuses)) {
    if (toldToRun.has(agentId)) continue;
    toldToRun.add(agentId);
    tellAgent(run, region, { agentId, message: { kind: "run" } });
  }
}

/** The lease of an agent expired, or it said goodbye; or its window to reassign closed. */
export async function onAgentLost(run: JobRun, agentId: AgentId): Promise<void> {
  for (const region of run.regions.values()) {
    if (!runsOn(region, agentId) || !isOnAgent(region)) continue;
    if (region.status === "stopping") {
      noteStatus(run, region, { agentId, status: "stopped" });
      await onStopped(run, region, { reason: AGENT_LOST, from: agentId });
    } else if (isSpanning(region)) {
      tellOthersToStop(run, region, { except: agentId, reason: "Another agent was lost" });
      await freeRegion(run, region, "agent-lost");
    } else {
      // It may run on unseen, and is adopted when it comes back before somebody else has it (P6).
      run.reported.delete(region.regionId);
      await leaveCheckpoint(run, region);
      region.nextCause = "agent-lost";
      await changeStatus(run, region, "waiting", "agent-lost");
    }
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
    const isCurrent = region !== undefined && runsOn(region, agentId) &&
      region.attempt === entry.attempt;
    if (!isCurrent) {
      refuseListed(run, agentId, entry);
    }
  }
  for (const region of run.regions.values()) {
    if (!runsOn(region, agentId)) continue;
    const entry = mine.find((candidate) =>
      candidate.regionId === region.regionId && candidate.attempt === region.attempt
    );
    if (entry === undefined) await onRegionMissing(run, region, agentId);
    else await adopt(run, region, { agentId, entry });
  }
}

/** Applies again what agents had reported before the loop loaded anew. */
export async function adoptReported(run: JobRun): Promise<void> {
  for (const region of run.regions.values()) {
    for (const [agentId, status] of [...statusesOf(run, region)]) {
      const { regionId, attempt } = region;
      await onStatus(run, agentId, {
        kind: "status",
        jobId: run.job.id,
        regionId,
        attempt,
        status,
        reason: "",
        isRetryable: true,
      });
    }
  }
}

export interface RegionFailure {
  readonly reason: string;
  readonly isRetryable: boolean;
  /** The agent that said so; the others are told to stop. Left out: all know. */
  readonly from?: AgentId;
}

/** Ends the attempt after a failure; the next one waits longer each time. */
export async function failRegion(
  run: JobRun,
  region: RegionRun,
  failure: RegionFailure,
): Promise<void> {
  const { reason, isRetryable, from } = failure;
  if (region.status === "stopping") {
    run.notes.push({ kind: "lost", regionId: region.regionId });
    return await onStopped(run, region, { reason, from: from ?? null });
  }
  const { clock, random, config, logger } = run.world;
  if (from !== undefined) {
    tellOthersToStop(run, region, { except: from, reason: "Another part of the region failed" });
  }
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

/** Stopped on request, or an agent shuts down: then another attempt follows after the first pause. */
async function onStopped(
  run: JobRun,
  region: RegionRun,
  stop: { readonly reason: string; readonly from: AgentId | null },
): Promise<void> {
  const { reason, from } = stop;
  if (region.status === "stopping") {
    if (reason === AGENT_LOST || reason === AGENT_RESTARTED) {
      run.notes.push({ kind: "lost", regionId: region.regionId });
    }
    if (!haveStopped(agentsOf(region), statusesOf(run, region))) return;
    if (region.isMoving) await freeRegion(run, region, "moved");
    else run.notes.push({ kind: "stopped", regionId: region.regionId });
    return;
  }
  if (!isOnAgent(region)) return;
  tellOthersToStop(run, region, { except: from, reason: "Another agent stopped its part" });
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

async function onRegionMissing(run: JobRun, region: RegionRun, agentId: AgentId): Promise<void> {
  if (region.status === "stopping") {
    noteStatus(run, region, { agentId, status: "stopped" });
    return await onStopped(run, region, { reason: AGENT_RESTARTED, from: agentId });
  }
  if (isOnAgent(region) || region.status === "waiting") {
    tellOthersToStop(run, region, { except: agentId, reason: "Another agent was restarted" });
    await freeRegion(run, region, "agent-restarted");
  }
}

async function adopt(
  run: JobRun,
  region: RegionRun,
  listed: { readonly agentId: AgentId; readonly entry: RunningRegion },
): Promise<void> {
  const { regionId } = region;
  const { agentId, entry } = listed;
  const unannounced = run.unannounced.get(regionId);
  if (unannounced !== undefined && !unannounced.told.has(agentId)) {
    for (const checkpointId of unannounced.ids) {
      const message = { kind: "aborted", checkpointId, reason: "hub-restarted" } as const;
      tellAgent(run, region, { agentId, message });
    }
    unannounced.told.add(agentId);
  }
  tellLastCompleted(run, region, agentId);
  if (region.status === "stopping" || run.job.desiredState !== "running") {
    const message = { kind: "stop", reason: "The job stops" } as const;
    tellAgent(run, region, { agentId, message });
    return;
  }
  if (region.status === "waiting") await changeStatus(run, region, "restoring", "agent-returned");
  await onStatus(run, agentId, {
    kind: "status",
    jobId: run.job.id,
    regionId,
    attempt: region.attempt,
    status: entry.status,
    reason: entry.status === "failed" ? "It failed while the hub was away" : "",
    isRetryable: true,
  });
}

/** Begins another attempt of a region whose attempt is of no use any more. */
export async function restartRegion(
  run: JobRun,
  restart: { readonly regionId: RegionId; readonly cause: RestartCause },
): Promise<void> {
  const region = run.regions.get(restart.regionId)!;
  const { cause } = restart;
  if (region.status !== "running") return;
  const reason = cause === "drain-failed"
    ? "It drained for a savepoint that was not completed"
    : "Too many checkpoints failed";
  tell(run, region, { kind: "stop", reason });
  await failRegion(run, region, { reason: cause, isRetryable: true });
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
