/**
 * Jobs as people see them: rows of the database and what memory knows, put together.
 *
 * Pure: rows and live state come in as values.
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
} from "@shared/job_api.ts";
import type { JobId, RegionId } from "@shared/ids.ts";
import { planRegions, type RegionPlan } from "@shared/regions.ts";
import type { JobFacts, RegionFacts } from "./db/job_view_store.ts";
import { guaranteeOf } from "./guarantee.ts";
import type { LiveMetrics, LiveState } from "./ports.ts";
import type { WindowTimes } from "./window_check.ts";

/** What a view is made of beside the rows. */
export interface Moment {
  readonly live: LiveState;
  isPossiblyAutonomous(jobId: JobId, regionId: RegionId): boolean;
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
    createdByName: job.createdByName,
  };
}

/** @param times How long its sources hold messages; the interval is the job's own. */
export function jobDetail(
  job: JobFacts,
  moment: Moment,
  times: Omit<WindowTimes, "checkpointIntervalMs">,
): JobDetail {
  return {
    ...jobSummary(job),
    bundleDigest: job.bundleDigest,
    params: job.params,
    graph: job.graph,
    lineage: job.lineage,
    checkpointIntervalMs: job.checkpointIntervalMs,
    parallelism: job.parallelism,
    regions: regionViews(job, moment),
    guarantee: jobGuarantee(job, moment.live, times),
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

/** The regions of a job, with the subtasks they consist of. */
export function regionViews(
  job: Pick<JobFacts, "graph" | "parallelism" | "regions">,
  moment: Moment,
): RegionView[] {
  const plans = new Map(
    planRegions(job.graph, job.parallelism).map((plan) => [plan.regionId, plan]),
  );
  return job.regions.map((region) =>
    regionView(region, plans.get(region.regionId) ?? null, moment)
  );
}

/** @param plan Null when the region is not of the job's present plan. */
function regionView(
  region: RegionFacts,
  plan: RegionPlan | null,
  moment: Moment,
): RegionView {
  const { jobId: _jobId, placement: _placement, ...rest } = region;
  const key = `${region.jobId}/${region.regionId}`;
  const ofAttempt = (metrics: LiveMetrics | undefined) =>
    metrics === undefined || metrics.attempt !== region.attempt ? null : metricsView(metrics);
  const live = moment.live.subtasks.get(key);
  return {
    ...rest,
    isPossiblyAutonomous: moment.isPossiblyAutonomous(region.jobId, region.regionId),
    metrics: ofAttempt(moment.live.metrics.get(key)),
    subtasks: (plan?.subtasks ?? []).map(({ subtaskId, operatorUids, keyGroups }) => {
      const agent = region.placement.get(subtaskId);
      return {
        subtaskId,
        agentId: agent?.id ?? region.agentId,
        agentName: agent === undefined ? region.agentName : agent.name,
        operatorUids,
        keyGroups: keyGroups === null ? null : [keyGroups[0], keyGroups[1]],
        metrics: ofAttempt(live?.get(subtaskId)),
      };
    }),
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
    backpressuredRatio: metrics.backpressuredRatio,
    idleRatio: metrics.idleRatio,
    watermarkMs: metrics.watermarkMs,
    eventTimeLagMs: metrics.eventTimeLagMs,
    sourceLagMs: metrics.sourceLagMs,
    lateRecords: metrics.lateRecords,
    shedRecords: metrics.shedRecords,
    futureRecords: metrics.futureRecords,
    inputQueued: metrics.inputQueued,
    position: metrics.position,
    isConnected: metrics.isConnected,
    operators: metrics.operators,
  };
}

function jobGuarantee(
  job: JobFacts,
  live: LiveState,
  times: Omit<WindowTimes, "checkpointIntervalMs">,
): GuaranteeView {
  const running = new Map(
    job.regions.filter(({ status }) => status === "running")
      .map(({ regionId, attempt }) => [regionId, attempt]),
  );
  const measures = planRegions(job.graph, job.parallelism)
    .filter(({ regionId }) => running.has(regionId))
    .flatMap(({ regionId, subtasks }) =>
      subtasks.filter(({ sourceUid }) => sourceUid !== null).map(({ subtaskId }) => {
        const metrics = live.subtasks.get(`${job.id}/${regionId}`)?.get(subtaskId);
        const isCurrent = metrics?.attempt === running.get(regionId);
        return {
          split: subtaskId,
          profile: live.brokerProfiles.get(`${job.id}/${subtaskId}`) ?? null,
          ratePerSecond: isCurrent ? metrics?.recordsInPerSecond ?? null : null,
        };
      })
    );
  const { checkpointIntervalMs } = job;
  return guaranteeOf(job.graph, measures, { ...times, checkpointIntervalMs });
}
