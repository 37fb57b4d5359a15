/**
 * What the loop of one job holds in memory, and the words it uses with agents.
 *
 * Touches nothing itself: `job_loop*.ts` write it. The database is ahead of it or equal: a loop that
 * meets an error drops all of this and loads again.
 *
 * @module
 */
import type { OperationRecord } from "./db/operation_store.ts";
import type { JobRecord } from "./db/job_store.ts";
import type { Placement, RegionRowStatus } from "./db/region_store.ts";
import type { Schedule } from "./coordinator/checkpoint_schedule.ts";
import type { HaltSteps } from "./coordinator/halt_steps.ts";
import type { JobCheckpoint } from "./coordinator/job_checkpoint.ts";
import type { RegionCheckpoint } from "./coordinator/region_checkpoint.ts";
import type { AgentId, Attempt, CheckpointId, RegionId } from "@shared/ids.ts";
import type { HubMessage, HubMessageOf, RegionStatus } from "@shared/messages.ts";
import type { RegionPlan } from "@shared/regions.ts";
import type { AgentLinks, HubContext } from "./ports.ts";

/** One agent as the loops see it. */
export interface FleetAgent {
  readonly agentId: AgentId;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly isDraining: boolean;
}

/** What all loops share. */
export interface LoopWorld extends HubContext {
  readonly links: AgentLinks;
  /** Enrolled agents, connected or not. */
  readonly fleet: ReadonlyMap<AgentId, FleetAgent>;
  /** Agents whose arrival every loop was told of and that hold a lease. */
  isLive(agentId: AgentId): boolean;
  /**
   * Every enrolled agent has arrived since the hub started, or had the time to. Before that, placing
   * would give everything that waits to the first one that connects.
   */
  isFleetBack(): boolean;
}

export interface RegionRun {
  readonly regionId: RegionId;
  /** Changes with the job's parallelism, while nobody runs the region. */
  plan: RegionPlan;
  attempt: Attempt;
  /**
   * Agent of the first subtask; null when nobody runs the region. While waiting: the lost agent that may
   * still run all of it under this attempt.
   */
  agentId: AgentId | null;
  /** Where each subtask is; while nobody runs the region, where they were or are to go. */
  placement: Placement;
  status: RegionRowStatus;
  lastCompletedId: CheckpointId | null;
  restoredFromId: CheckpointId | null;
  consecutiveFailures: number;
  /** Monotonic; not placed earlier. */
  retryAtMs: number | null;
  /** Monotonic; when the status last changed. */
  sinceMs: number;
  /** Why the next attempt begins. */
  nextCause: string;
  /** Its agent drains: when it has stopped it goes elsewhere. */
  isMoving: boolean;
}

export interface InFlight {
  readonly checkpointId: CheckpointId;
  readonly triggeredMs: number;
  readonly savepoint: {
    readonly id: string;
    readonly operationId: string;
    readonly isStop: boolean;
  } | null;
  readonly trigger: string;
  /** Operation that goes on when this checkpoint has ended; it is no savepoint. */
  readonly forOperation: string | null;
  /** The maximum watermark went before its barrier (L3). */
  readonly isDrain: boolean;
  composite: JobCheckpoint;
  readonly parts: Map<RegionId, RegionCheckpoint>;
  /** What a subtask that declined said of it, by region and subtask. */
  readonly declined: Map<string, { readonly reason: string; readonly detail: string }>;
  /** Regions whose failure is held against them (C6). */
  readonly failed: Set<RegionId>;
}

export interface OperationRun {
  readonly record: OperationRecord;
  readonly sinceMs: number;
  /** Null until rows are to be changed. */
  halt: HaltSteps | null;
  /** A savepoint was asked of the schedule. */
  isQueued: boolean;
  /** Last progress written. */
  progress: string;
  /** Monotonic; when the first region was stopped for it, null before and after a crash. */
  pausedMs: number | null;
}

export type RestartCause = "checkpoint-failures" | "drain-failed";

/** What the agents of a region said last of its attempt. */
export interface Reported {
  readonly attempt: Attempt;
  readonly statuses: Map<AgentId, RegionStatus>;
  /** Agents that were told to run since they said that they had restored. */
  readonly toldToRun: Set<AgentId>;
}

export type LoopNote =
  | { readonly kind: "stopped"; readonly regionId: RegionId }
  /** It was to stop, and what ran of it is gone without having said so. */
  | { readonly kind: "lost"; readonly regionId: RegionId }
  | { readonly kind: "running"; readonly regionId: RegionId }
  /** Its attempt is to end: too many checkpoints of it failed in a row (C6), or it drained in vain (L3). */
  | { readonly kind: "restart"; readonly regionId: RegionId; readonly cause: RestartCause }
  /** A checkpoint that an operation asked for has ended. */
  | {
    readonly kind: "checkpointEnded";
    readonly operationId: string;
    readonly checkpointId: CheckpointId;
    /** Regions whose part completed. */
    readonly completed: readonly RegionId[];
    readonly reason: string | null;
  }
  | {
    readonly kind: "savepointEnded";
    readonly savepoint: NonNullable<InFlight["savepoint"]>;
    /** Null when it completed. */
    readonly failure: string | null;
  };

export interface JobRun {
  readonly world: LoopWorld;
  job: JobRecord;
  readonly regions: ReadonlyMap<RegionId, RegionRun>;
  schedule: Schedule;
  inFlight: InFlight | null;
  /** Open operations, oldest first. */
  readonly operations: Map<string, OperationRun>;
  /** Checkpoints that died with the last hub, to be announced to each agent when it is there (H1). */
  readonly unannounced: Map<RegionId, { ids: readonly CheckpointId[]; told: Set<AgentId> }>;
  /** What one part of the loop has to tell another; taken up before the next input. */
  readonly notes: LoopNote[];
  /** Kept over a reload. */
  readonly reported: Map<RegionId, Reported>;
  jobStatus: string;
}

/** Statuses in which an agent runs, or is to run, the region's attempt. */
export function isOnAgent(region: RegionRun): boolean {
  switch (region.status) {
    case "deploying":
    case "restoring":
    case "running":
    case "stopping":
      return true;
    case "waiting":
    case "backing-off":
    case "stopped":
      return false;
  }
}

/** Agents that run, or are to run, something of the region; sorted. */
export function agentsOf(region: RegionRun): AgentId[] {
  if (region.agentId === null) return [];
  const agents = region.plan.subtasks.map(({ subtaskId }) => region.placement[subtaskId]);
  return [...new Set(agents.map((agentId) => agentId ?? region.agentId!))].sort();
}

export function runsOn(region: RegionRun, agentId: AgentId): boolean {
  return agentsOf(region).includes(agentId);
}

/** Its subtasks are on different agents: they exchange records, and hold when the hub is away (P5). */
export function isSpanning(region: RegionRun): boolean {
  return agentsOf(region).length > 1;
}

type Addressed = Extract<HubMessage, { jobId: unknown }>["kind"];
type Unaddressed<M> = M extends unknown ? Omit<M, "jobId" | "regionId" | "attempt"> : never;
type AboutRegion = Unaddressed<HubMessageOf<Addressed>>;

/** Sends a message about a region to all of its agents, under its attempt. @returns False when one is away. */
export function tell(run: JobRun, region: RegionRun, message: AboutRegion): boolean {
  const agents = agentsOf(region);
  const sent = agents.map((agentId) => tellAgent(run, region, { agentId, message }));
  return agents.length > 0 && sent.every((isSent) => isSent);
}

/** {@linkcode tell} for one agent. */
export function tellAgent(
  run: JobRun,
  region: RegionRun,
  what: { readonly agentId: AgentId; readonly message: AboutRegion },
): boolean {
  const { regionId, attempt } = region;
  const about = { jobId: run.job.id, regionId, attempt };
  return run.world.links.send(what.agentId, { ...what.message, ...about } as HubMessage);
}

/** Tells an agent that what it runs or says belongs to an attempt that is over (F3). */
export function tellStale(
  run: JobRun,
  region: RegionRun,
  to: { agentId: AgentId; attempt: Attempt },
): void {
  run.world.links.send(to.agentId, {
    kind: "stale",
    jobId: run.job.id,
    regionId: region.regionId,
    attempt: to.attempt,
    currentAttempt: region.attempt,
  });
}

/** Publishes what became of a region, and of the job when that changed with it. */
export function announceRegion(run: JobRun, region: RegionRun, reason: string): void {
  const { events } = run.world;
  events.publish("region.status", subjectOf(run, region), {
    jobName: run.job.name,
    regionId: region.regionId,
    attempt: region.attempt,
    status: region.status,
    reason,
    lastCompletedId: region.lastCompletedId,
    restoredFromId: region.restoredFromId,
  });
  announceJob(run);
}

/** Publishes the job's derived status when it changed. */
export function announceJob(run: JobRun): void {
  const status = jobStatusOf(run);
  if (status === run.jobStatus) return;
  run.jobStatus = status;
  const regions = [...run.regions.values()];
  run.world.events.publish("job.status", { jobId: run.job.id }, {
    jobName: run.job.name,
    status,
    regionsRunning: regions.filter((region) => region.status === "running").length,
    regionsTotal: regions.length,
  });
}

/** The status that the job's regions add up to, as `JobStatus` of the REST API. */
export function jobStatusOf(run: Pick<JobRun, "job" | "regions">): string {
  return deriveJobStatus(run.job.desiredState, [...run.regions.values()]);
}

/** {@linkcode jobStatusOf} of plain rows. */
export function deriveJobStatus(
  desiredState: string,
  regions: readonly { readonly status: string; readonly attempt: number }[],
): "starting" | "running" | "degraded" | "restarting" | "stopping" | "stopped" | "cancelled" {
  if (desiredState !== "running") {
    if (regions.some(({ status }) => status !== "stopped")) return "stopping";
    return desiredState === "cancelled" ? "cancelled" : "stopped";
  }
  const running = regions.filter(({ status }) => status === "running").length;
  if (regions.length > 0 && running === regions.length) return "running";
  if (running > 0) return "degraded";
  return regions.some(({ attempt }) => attempt > 1) ? "restarting" : "starting";
}

export function subjectOf(run: JobRun, region: RegionRun): { jobId: string; agentId?: string } {
  return region.agentId === null
    ? { jobId: run.job.id }
    : { jobId: run.job.id, agentId: region.agentId };
}
