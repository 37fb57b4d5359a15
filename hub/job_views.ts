/**
 * Jobs as people see them: rows of the database and what memory knows, put together.
 *
 * Pure: rows, live state and the time come in as values.
 *
 * @module
 */
import type {
  GuaranteeView,
  JobDetail,
  JobStatus,
  JobSummary,
  RegionMetrics,
  RegionView,
} from "@shared/api.ts";
import type { JobFacts, RegionFacts } from "./db/job_view_store.ts";
import { guaranteeOf } from "./guarantee.ts";
import type { HubConfig, LiveMetrics, LiveState } from "./ports.ts";

/** What a view is made of beside the rows. */
export interface Moment {
  readonly live: LiveState;
  readonly config: Pick<HubConfig, "leaseTtlMs" | "reassignWithinMs">;
  readonly nowMs: number;
}

export function jobSummary(job: JobFacts): JobSummary {
  return {
    id: job.id,
    name: job.name,
    desiredState: job.desiredState,
    status: jobStatus(job),
    regionsRunning: job.regions.filter(({ status }) => status === "running").length,
    regionsTotal: job.regions.length,
    lastCheckpoint: job.lastCheckpoint,
    activeAlarms: job.activeAlarms,
    createdAt: job.createdAt,
    createdBy: job.createdBy,
  };
}

export function jobDetail(job: JobFacts, moment: Moment): JobDetail {
  return {
    ...jobSummary(job),
    bundleDigest: job.bundleDigest,
    params: job.params,
    graph: job.graph,
    lineage: job.lineage,
    checkpointIntervalMs: job.checkpointIntervalMs,
    regions: job.regions.map((region) => regionView(region, moment)),
    guarantee: jobGuarantee(job, moment.live),
  };
}

/** The job's state in one word: what is wanted, held against how its regions stand. */
export function jobStatus(job: Pick<JobFacts, "desiredState" | "regions">): JobStatus {
  const { desiredState, regions } = job;
  const all = (status: string) => regions.every((region) => region.status === status);
  if (desiredState !== "running") return all("stopped") ? desiredState : "stopping";
  if (regions.length === 0) return "starting";
  if (all("running")) return "running";
  if (regions.every(({ attempt, status }) => attempt <= 1 && status !== "backing-off")) {
    return "starting";
  }
  return regions.some(({ status }) => status === "running") ? "degraded" : "restarting";
}

export function regionView(region: RegionFacts, moment: Moment): RegionView {
  const { jobId: _jobId, agentLastSeenAtMs: _seen, ...rest } = region;
  const metrics = moment.live.metrics.get(`${region.jobId}/${region.regionId}`);
  return {
    ...rest,
    isPossiblyAutonomous: isPossiblyAutonomous(region, moment),
    metrics: metrics === undefined || metrics.attempt !== region.attempt
      ? null
      : metricsView(metrics),
  };
}

export function metricsView(metrics: LiveMetrics): RegionMetrics {
  return {
    receivedAt: new Date(metrics.receivedAtMs).toISOString(),
    recordsIn: metrics.recordsIn,
    recordsOut: metrics.recordsOut,
    recordsInPerSecond: metrics.recordsInPerSecond,
    duplicatesDropped: metrics.duplicatesDropped,
    deadLetters: metrics.deadLetters,
    stateEntries: metrics.stateEntries,
    windowUsed: metrics.windowUsed,
    windowSize: metrics.windowSize,
    windowSecondsLeft: metrics.windowSecondsLeft,
    busyRatio: metrics.busyRatio,
    position: metrics.position,
    isConnected: metrics.isConnected,
    operators: metrics.operators,
  };
}

/** Its agent has been silent past the time in which the hub may reassign by itself (P6). */
function isPossiblyAutonomous(region: RegionFacts, { live, config, nowMs }: Moment): boolean {
  if (region.agentId === null || region.status === "stopped") return false;
  if (live.onlineAgents.has(region.agentId) || region.agentLastSeenAtMs === null) return false;
  return nowMs - region.agentLastSeenAtMs > config.leaseTtlMs + config.reassignWithinMs;
}

function jobGuarantee(job: JobFacts, live: LiveState): GuaranteeView {
  const profiles = job.regions.flatMap(({ regionId }) => {
    const profile = live.brokerProfiles.get(`${job.id}/${regionId}`);
    return profile === undefined ? [] : [{ regionId, profile }];
  });
  return guaranteeOf(job.graph, profiles);
}
