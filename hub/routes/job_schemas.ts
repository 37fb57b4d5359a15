/**
 * Shapes of the answers about jobs, checkpoints, savepoints and operations, as zod schemas.
 *
 * Pure. `satisfies` breaks the build when a type of `shared/api.ts` and its schema part ways.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { OperationView } from "@shared/api.ts";
import type {
  AttemptView,
  CheckpointDetail,
  CheckpointView,
  GapView,
  JobDetail,
  JobSummary,
  MetricSeries,
  RegionMetrics,
  RollbackPlan,
  SavepointView,
} from "@shared/job_api.ts";
import type {
  DeployPlan,
  KeyStateView,
  SavepointCompatibility,
  SavepointDiff,
} from "@shared/state_api.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import type { JobMetrics } from "@shared/metrics_api.ts";
import { count, labels, list, maybeTime, problemSchema, text, time } from "./schema_parts.ts";

const jobFields = {
  id: text,
  name: text,
  desiredState: z.enum(["running", "stopped", "cancelled"]),
  status: z.enum([
    "starting",
    "running",
    "degraded",
    "restarting",
    "stopping",
    "stopped",
    "cancelled",
  ]),
  regionsRunning: count,
  regionsTotal: count,
  lastCheckpoint: z.object({ id: count, endedAt: time, status: text }).nullable(),
  activeAlarms: count,
  createdAt: time,
  createdBy: text,
  createdByName: text.nullable(),
};
export const jobSummarySchema = z.object(jobFields).openapi("JobSummary") satisfies z.ZodType<
  JobSummary
>;

export const regionMetricsSchema = z.object({
  receivedAt: time,
  recordsIn: count,
  recordsOut: count,
  recordsInPerSecond: z.number().nullable(),
  duplicatesDropped: count,
  deadLetters: count,
  stateEntries: count,
  windowUsed: count,
  windowSize: count,
  windowSecondsLeft: z.number().nullable(),
  busyRatio: z.number(),
  backpressuredRatio: z.number(),
  idleRatio: z.number(),
  watermarkMs: z.number().nullable(),
  eventTimeLagMs: z.number().nullable(),
  sourceLagMs: z.number().nullable(),
  lateRecords: count,
  shedRecords: count,
  futureRecords: count,
  inputQueued: count,
  position: count,
  isConnected: z.boolean(),
  operators: list(z.object({
    uid: text,
    recordsIn: count,
    recordsOut: count,
    recordsInPerSecond: z.number().nullish() as unknown as z.ZodType<number | null>,
    recordsOutPerSecond: z.number().nullish() as unknown as z.ZodType<number | null>,
  })),
}).openapi("RegionMetrics") satisfies z.ZodType<RegionMetrics>;

const guarantee = z.enum(["exactly-once", "at-least-once", "at-most-once"]);
export const jobDetailSchema = z.object({
  ...jobFields,
  bundleDigest: text,
  params: labels,
  graph: z.custom<JobGraph>().openapi({
    type: "object",
    description: "Operators in topological order and the edges between them",
  }),
  lineage: count,
  checkpointIntervalMs: count,
  parallelism: count,
  regions: list(z.object({
    regionId: text,
    status: text,
    attempt: count,
    agentId: text.nullable(),
    agentName: text.nullable(),
    lastCompletedId: count.nullable(),
    restoredFromId: count.nullable(),
    consecutiveFailures: count,
    isPossiblyAutonomous: z.boolean(),
    metrics: regionMetricsSchema.nullable(),
    subtasks: list(z.object({
      subtaskId: text,
      agentId: text.nullable(),
      agentName: text.nullable(),
      operatorUids: list(text),
      keyGroups: z.tuple([z.number(), z.number()]).nullable(),
      metrics: regionMetricsSchema.nullable(),
    })),
  })),
  guarantee: z.object({ asked: guarantee, given: guarantee, reasons: list(text) }),
}).openapi("JobDetail") satisfies z.ZodType<JobDetail>;

export const jobMetricsSchema = z.object({
  jobId: text,
  regions: jobDetailSchema.shape.regions,
  subtasks: list(z.object({
    regionId: text,
    subtaskId: text,
    agentId: text.nullable(),
    agentName: text.nullable(),
    operatorUids: list(text),
    keyGroups: z.tuple([z.number(), z.number()]).nullable(),
    pressure: z.number().nullable().openapi({
      description: "Nearness to the nearest limit, 0 to 1: busy, backpressured, window",
    }),
    metrics: regionMetricsSchema.nullable(),
  })),
  operators: list(z.object({
    operator: text,
    subtasks: count,
    recordsIn: count,
    recordsOut: count,
    recordsInPerSecond: z.number().nullable(),
    recordsOutPerSecond: z.number().nullable(),
    busyRatio: z.number(),
    backpressuredRatio: z.number(),
    watermarkMs: z.number().nullable(),
    eventTimeLagMs: z.number().nullable(),
  })),
}).openapi("JobMetrics") satisfies z.ZodType<JobMetrics>;

const onAgent = z.object({ subtaskId: text, agentId: text, agentName: text.nullable() });

export const attemptSchema = z.object({
  regionId: text,
  attempt: count,
  agentId: text,
  agentName: text.nullable(),
  cause: text,
  restoredFromId: count.nullable(),
  startedAt: time,
  runningAt: maybeTime,
  endedAt: maybeTime,
  endReason: text.nullable(),
  subtasks: list(onAgent),
}).openapi("Attempt") satisfies z.ZodType<AttemptView>;

const checkpointFields = {
  id: count,
  lineage: count,
  isSavepoint: z.boolean(),
  status: text,
  trigger: text,
  triggeredAt: time,
  endedAt: maybeTime,
  durationMs: z.number().nullable(),
  reason: text.nullable(),
  regionsCompleted: count,
  regionsTotal: count,
  fullBytes: count,
  uploadedBytes: count,
};
export const checkpointSchema = z.object(checkpointFields).openapi(
  "Checkpoint",
) satisfies z.ZodType<CheckpointView>;

export const checkpointDetailSchema = z.object({
  ...checkpointFields,
  regions: list(z.object({
    regionId: text,
    agentId: text,
    agentName: text.nullable(),
    attempt: count,
    status: text,
    completedAt: maybeTime,
    reason: text.nullable(),
    subtasks: list(onAgent.extend({
      startDelayMs: z.number(),
      alignmentMs: z.number(),
      syncMs: z.number(),
      asyncMs: z.number(),
      fullBytes: count,
      uploadedBytes: count,
    })),
    missing: list(onAgent.extend({ reason: text.nullable(), detail: text.nullable() })),
  })),
}).openapi("CheckpointDetail") satisfies z.ZodType<CheckpointDetail>;

export const savepointSchema = z.object({
  id: text,
  jobId: text,
  jobName: text,
  checkpointId: count,
  label: text.nullable(),
  owner: text,
  ownerName: text.nullable(),
  claimedByJobId: text.nullable(),
  bundleDigest: text,
  status: z.enum(["pending", "completed", "failed"]),
  reason: text.nullable(),
  createdAt: time,
  completedAt: maybeTime,
  fullBytes: count,
}).openapi("Savepoint") satisfies z.ZodType<SavepointView>;

export const rollbackPlanSchema = z.object({
  jobId: text,
  savepointId: text,
  checkpointId: count,
  regions: list(z.object({
    regionId: text,
    agentId: text.nullable(),
    agentName: text.nullable(),
    currentAttempt: count,
    lastCompletedId: count.nullable(),
    entriesNow: count,
    entriesThen: count,
    bytesToRestore: count,
  })),
  gaps: list(z.object({
    regionId: text,
    sourceUid: text,
    splitIndex: count,
    fromPosition: count,
    toPosition: count,
    records: count,
    fromAt: maybeTime,
    toAt: maybeTime,
  })),
  needsAllowGap: z.boolean(),
  abandonedCheckpointIds: list(count),
  operators: list(z.object({
    uid: text,
    compatibility: z.enum(["as-is", "migrates", "incompatible", "dropped", "new"]),
    reason: text,
  })),
  alarmsConcerned: list(z.object({ id: text, equipment: text, text, raisedAt: time })),
}).openapi("RollbackPlan") satisfies z.ZodType<RollbackPlan>;

const states = z.record(z.string(), z.unknown());
export const keyStateSchema = z.object({
  operator: text,
  key: text,
  keyGroup: count,
  subtaskId: text,
  agentId: text.nullable(),
  agentName: text.nullable(),
  savepointId: text.nullable(),
  states: states.openapi({ example: { count: 12, seen: { $type: "set", values: ["a"] } } }),
  timers: list(z.number()),
  eventTimers: list(z.number()),
  asOf: time,
  alsoIn: list(text),
}).openapi("KeyState") satisfies z.ZodType<KeyStateView>;

export const savepointDiffSchema = z.object({
  savepointId: text,
  against: text,
  operators: list(z.object({
    operator: text,
    added: count,
    removed: count,
    changed: count,
    unchanged: count,
  })),
  items: list(z.object({
    operator: text,
    key: text,
    keyGroup: count,
    kind: z.enum(["added", "removed", "changed"]),
    before: z.unknown(),
    after: z.unknown(),
  })),
  next: text.nullable(),
}).openapi("SavepointDiff") satisfies z.ZodType<SavepointDiff>;

const compatibility = z.enum(["as-is", "migrates", "incompatible", "dropped", "new"]);
const operatorVerdicts = list(z.object({
  uid: text,
  compatibility,
  reason: text,
  states: list(z.object({ name: text, compatibility, reason: text })),
}));

export const savepointCompatibilitySchema = z.object({
  savepointId: text,
  jobId: text,
  isSameVersion: z.boolean(),
  verdict: compatibility,
  operators: operatorVerdicts,
}).openapi("SavepointCompatibility") satisfies z.ZodType<SavepointCompatibility>;

export const deployPlanSchema = z.object({
  name: text,
  parallelism: count,
  regions: list(z.object({ regionId: text, subtasks: list(text) })),
  from: z.object({ savepointId: text.nullable(), jobId: text, checkpointId: count }).nullable(),
  sessions: z.enum(["continued", "own"]),
  operators: operatorVerdicts,
  straySubtasks: list(text),
  needsAllowGap: z.boolean(),
}).openapi("DeployPlan") satisfies z.ZodType<DeployPlan>;

export const gapSchema = z.object({
  id: text,
  jobId: text,
  regionId: text,
  sourceUid: text,
  splitIndex: count,
  cause: text,
  fromPosition: count.nullable(),
  toPosition: count.nullable(),
  records: count.nullable(),
  fromAt: maybeTime,
  toAt: maybeTime,
  savepointId: text.nullable(),
  createdAt: time,
}).openapi("Gap") satisfies z.ZodType<GapView>;

export const operationSchema = z.object({
  id: text,
  kind: text,
  status: z.enum(["pending", "running", "succeeded", "failed", "cancelled"]),
  progress: z.object({ done: count, total: count, phase: text }),
  jobId: text.nullable(),
  agentId: text.nullable(),
  result: z.record(z.string(), z.unknown()).nullable(),
  error: problemSchema.nullable(),
  resource: text.nullable(),
  createdBy: text,
  createdByName: text.nullable(),
  createdAt: time,
  updatedAt: time,
  expiresAt: time,
}).openapi("Operation") satisfies z.ZodType<OperationView>;

export const metricSeriesSchema = z.object({
  subtaskId: text,
  metric: text,
  at: list(z.number()),
  value: list(z.number().nullable()),
  resolutionMs: z.number(),
}).openapi("MetricSeries") satisfies z.ZodType<MetricSeries>;
