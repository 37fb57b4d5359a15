/**
 * Shapes of the answers, as zod schemas held against the types of `shared/api.ts`.
 *
 * Pure. The OpenAPI document is made of them; `satisfies` breaks the build when a type and its schema
 * part ways.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type {
  AgentView,
  AlarmView,
  ApiTokenView,
  AttemptView,
  AuditView,
  CheckpointDetail,
  CheckpointView,
  CreatedApiToken,
  CreatedJoinToken,
  Enrolment,
  EquipmentView,
  GapView,
  JobDetail,
  JobSummary,
  JoinTokenView,
  OperationView,
  Problem,
  RegionMetrics,
  RollbackPlan,
  SampleSeries,
  SavepointView,
  SessionView,
} from "@shared/api.ts";
import type { DeployPlan, KeyStateView, SavepointDiff } from "@shared/state_api.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import type { JobMetrics } from "@shared/metrics_api.ts";

const text = z.string();
const count = z.number().int();
const time = z.string().openapi({ format: "date-time" });
const maybeTime = time.nullable();
const labels = z.record(z.string(), z.string());
const list = <S extends z.ZodType>(schema: S) => z.array(schema).readonly();

/** A page of `item`. */
export function pageSchema<S extends z.ZodType>(item: S) {
  return z.object({
    items: list(item),
    next: text.nullable().openapi({ description: "Cursor of the next page; null at the end" }),
  });
}

export const problemSchema = z.object({
  type: text,
  title: text,
  status: count,
  detail: text,
  code: text,
  instance: text.optional() as unknown as z.ZodType<string>,
  errors: list(z.object({ path: text, message: text })).optional() as unknown as z.ZodType<
    { path: string; message: string }[]
  >,
}).openapi("Problem") satisfies z.ZodType<Problem>;

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
    subtasks: list(z.object({
      subtaskId: text,
      startDelayMs: z.number(),
      alignmentMs: z.number(),
      syncMs: z.number(),
      asyncMs: z.number(),
      fullBytes: count,
      uploadedBytes: count,
    })),
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
export const deployPlanSchema = z.object({
  name: text,
  parallelism: count,
  regions: list(z.object({ regionId: text, subtasks: list(text) })),
  from: z.object({ savepointId: text.nullable(), jobId: text, checkpointId: count }).nullable(),
  sessions: z.enum(["continued", "own"]),
  operators: list(z.object({
    uid: text,
    compatibility,
    reason: text,
    states: list(z.object({ name: text, compatibility, reason: text })),
  })),
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
  status: z.enum(["pending", "running", "succeeded", "failed"]),
  progress: z.object({ done: count, total: count, phase: text }),
  jobId: text.nullable(),
  agentId: text.nullable(),
  result: z.record(z.string(), z.unknown()).nullable(),
  error: problemSchema.nullable(),
  createdAt: time,
  updatedAt: time,
}).openapi("Operation") satisfies z.ZodType<OperationView>;

export const agentSchema = z.object({
  id: text,
  name: text,
  labels,
  status: z.enum(["online", "stale", "offline", "draining", "removed"]),
  version: text.nullable(),
  enrolledAt: time,
  lastSeenAt: maybeTime,
  remoteAddress: text.nullable(),
  regions: list(z.object({
    jobId: text,
    jobName: text,
    regionId: text,
    status: text,
    attempt: count,
  })),
}).openapi("Agent") satisfies z.ZodType<AgentView>;

export const alarmSchema = z.object({
  id: text,
  jobId: text,
  operatorUid: text,
  equipment: text,
  priority: z.enum(["low", "medium", "high", "critical"]),
  text,
  response: text,
  isActive: z.boolean(),
  isAcknowledged: z.boolean(),
  acknowledgedBy: text.nullable(),
  acknowledgedAt: maybeTime,
  raisedAt: time,
  clearedAt: maybeTime,
  value: z.number().nullable(),
  score: z.number().nullable(),
  threshold: z.number().nullable(),
}).openapi("Alarm") satisfies z.ZodType<AlarmView>;

export const equipmentSchema = z.object({
  equipment: text,
  jobId: text,
  operatorUid: text,
  lastAt: maybeTime,
  value: z.number().nullable(),
  score: z.number().nullable(),
  activeAlarms: count,
  unacknowledgedAlarms: count,
  highestPriority: text.nullable(),
}).openapi("Equipment") satisfies z.ZodType<EquipmentView>;

export const sampleSeriesSchema = z.object({
  jobId: text,
  operatorUid: text,
  equipment: text,
  at: list(z.number()),
  value: list(z.number().nullable()),
  score: list(z.number().nullable()),
}).openapi("SampleSeries") satisfies z.ZodType<SampleSeries>;

const joinTokenFields = {
  id: text,
  labels,
  createdAt: time,
  createdBy: text,
  createdByName: text.nullable(),
  expiresAt: time,
  usedAt: maybeTime,
  usedByAgentId: text.nullable(),
  revokedAt: maybeTime,
};
export const joinTokenSchema = z.object(joinTokenFields).openapi("JoinToken") satisfies z.ZodType<
  JoinTokenView
>;
export const createdJoinTokenSchema = z.object({
  ...joinTokenFields,
  token: text,
  installCommand: text,
}).openapi("CreatedJoinToken") satisfies z.ZodType<CreatedJoinToken>;

const apiTokenFields = {
  id: text,
  name: text,
  role: z.enum(["viewer", "operator", "admin"]),
  createdAt: time,
  createdBy: text,
  createdByName: text.nullable(),
  expiresAt: maybeTime,
  lastUsedAt: maybeTime,
  revokedAt: maybeTime,
};
export const apiTokenSchema = z.object(apiTokenFields).openapi("ApiToken") satisfies z.ZodType<
  ApiTokenView
>;
export const createdApiTokenSchema = z.object({ ...apiTokenFields, token: text }).openapi(
  "CreatedApiToken",
) satisfies z.ZodType<CreatedApiToken>;

export const enrolmentSchema = z.object({ agentId: text, name: text, credential: text }).openapi(
  "Enrolment",
) satisfies z.ZodType<Enrolment>;

export const auditSchema = z.object({
  id: count,
  at: time,
  principal: text,
  principalName: text.nullable(),
  role: text,
  action: text,
  subject: text,
  reason: text.nullable(),
  outcome: text,
}).openapi("AuditRow") satisfies z.ZodType<AuditView>;

export const sessionSchema = z.object({
  name: text,
  role: z.enum(["viewer", "operator", "admin"]),
  expiresAt: maybeTime,
}).openapi("Session") satisfies z.ZodType<SessionView>;
