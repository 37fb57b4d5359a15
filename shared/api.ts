/**
 * Answers of the REST API under /api/v1, as the hub sends them and CLI and dashboard read them.
 *
 * Pure types. `hub/routes` holds each answer against a zod schema of the same shape, from which the
 * OpenAPI document is made. Times are ISO-8601 UTC texts, durations ms, sizes bytes.
 *
 * @module
 */
import type { Guarantee, JobGraph } from "@shared/job_graph.ts";

export type Role = "viewer" | "operator" | "admin" | "agent";

/** RFC 9457, `application/problem+json`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** Stable, for programs. */
  readonly code: string;
  readonly instance?: string;
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}

/** Cursor paging: pass `next` as `?cursor=` for the following page; null at the end. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

export type JobStatus =
  | "starting"
  | "running"
  | "degraded"
  | "restarting"
  | "stopping"
  | "stopped"
  | "cancelled";

export interface JobSummary {
  readonly id: string;
  readonly name: string;
  readonly desiredState: "running" | "stopped" | "cancelled";
  /** Derived from its regions. */
  readonly status: JobStatus;
  readonly regionsRunning: number;
  readonly regionsTotal: number;
  readonly lastCheckpoint: {
    readonly id: number;
    readonly endedAt: string;
    readonly status: string;
  } | null;
  readonly activeAlarms: number;
  readonly createdAt: string;
  readonly createdBy: string;
  /** Name of the token that `createdBy` stands for; null when it is none that the hub knows. */
  readonly createdByName: string | null;
}

export interface JobDetail extends JobSummary {
  readonly bundleDigest: string;
  readonly params: Readonly<Record<string, string>>;
  readonly graph: JobGraph;
  readonly lineage: number;
  readonly checkpointIntervalMs: number;
  /** Subtasks of each keyed stage. */
  readonly parallelism: number;
  readonly regions: readonly RegionView[];
  readonly guarantee: GuaranteeView;
}

/** The minimum of what was asked and what the brokers give, with the reason (M7, K1). */
export interface GuaranteeView {
  readonly asked: Guarantee;
  readonly given: Guarantee;
  readonly reasons: readonly string[];
}

export interface RegionView {
  readonly regionId: string;
  readonly status: string;
  readonly attempt: number;
  readonly agentId: string | null;
  readonly agentName: string | null;
  readonly lastCompletedId: number | null;
  readonly restoredFromId: number | null;
  readonly consecutiveFailures: number;
  /** Agent unreachable past `reassignWithin`: reassigning needs `allowGap` (P6). */
  readonly isPossiblyAutonomous: boolean;
  /** Of all its subtasks together; records that they exchange count once. */
  readonly metrics: RegionMetrics | null;
  readonly subtasks: readonly SubtaskView[];
}

/** One of the subtasks that a region consists of; they may be on different agents. */
export interface SubtaskView {
  readonly subtaskId: string;
  /** Null while nobody runs it. */
  readonly agentId: string | null;
  readonly agentName: string | null;
  readonly operatorUids: readonly string[];
  /** First and last key group it owns; null when its state is local to its split. */
  readonly keyGroups: readonly [number, number] | null;
  readonly metrics: RegionMetrics | null;
}

export interface RegionMetrics {
  readonly receivedAt: string;
  readonly recordsIn: number;
  readonly recordsOut: number;
  /** Records per second between the last two reports; null before there are two. */
  readonly recordsInPerSecond: number | null;
  readonly duplicatesDropped: number;
  readonly deadLetters: number;
  readonly stateEntries: number;
  readonly windowUsed: number;
  readonly windowSize: number;
  readonly windowSecondsLeft: number | null;
  readonly busyRatio: number;
  /** Share of time in which it took nothing in, because what it sends to had no room. */
  readonly backpressuredRatio: number;
  readonly idleRatio: number;
  /** No record with an event time up to it is expected; null before the first record. */
  readonly watermarkMs: number | null;
  /** How far the watermark, and the newest record read, are behind the wall clock. */
  readonly eventTimeLagMs: number | null;
  readonly sourceLagMs: number | null;
  readonly lateRecords: number;
  readonly shedRecords: number;
  readonly futureRecords: number;
  /** Records that came over channels and wait for their turn. */
  readonly inputQueued: number;
  readonly position: number;
  readonly isConnected: boolean;
  readonly operators: readonly {
    readonly uid: string;
    readonly recordsIn: number;
    readonly recordsOut: number;
    /** Left out before there are two reports. */
    readonly recordsInPerSecond?: number | null;
    readonly recordsOutPerSecond?: number | null;
  }[];
}

export interface AttemptView {
  readonly regionId: string;
  readonly attempt: number;
  readonly agentId: string;
  readonly agentName: string | null;
  readonly cause: string;
  readonly restoredFromId: number | null;
  readonly startedAt: string;
  readonly runningAt: string | null;
  readonly endedAt: string | null;
  readonly endReason: string | null;
}

export interface CheckpointView {
  readonly id: number;
  readonly lineage: number;
  readonly isSavepoint: boolean;
  /** pending, completed, degraded, aborted, abandoned, subsumed. */
  readonly status: string;
  readonly trigger: string;
  readonly triggeredAt: string;
  readonly endedAt: string | null;
  readonly durationMs: number | null;
  readonly reason: string | null;
  readonly regionsCompleted: number;
  readonly regionsTotal: number;
  readonly fullBytes: number;
  readonly uploadedBytes: number;
}

export interface CheckpointDetail extends CheckpointView {
  readonly regions: readonly {
    readonly regionId: string;
    readonly agentId: string;
    readonly agentName: string | null;
    readonly attempt: number;
    readonly status: string;
    readonly completedAt: string | null;
    readonly reason: string | null;
    readonly subtasks: readonly {
      readonly subtaskId: string;
      readonly startDelayMs: number;
      readonly alignmentMs: number;
      readonly syncMs: number;
      readonly asyncMs: number;
      readonly fullBytes: number;
      readonly uploadedBytes: number;
    }[];
  }[];
}

export interface SavepointView {
  readonly id: string;
  readonly jobId: string;
  readonly jobName: string;
  readonly checkpointId: number;
  readonly label: string | null;
  readonly owner: string;
  /** Name of the token that `owner` stands for. */
  readonly ownerName: string | null;
  /** Job that took it over (claim): it is deleted when that job needs it no more. */
  readonly claimedByJobId: string | null;
  readonly status: "pending" | "completed" | "failed";
  readonly reason: string | null;
  readonly createdAt: string;
  readonly completedAt: string | null;
  readonly fullBytes: number;
}

/** What a rollback would do; the answer to `dryRun: true`. */
export interface RollbackPlan {
  readonly jobId: string;
  readonly savepointId: string;
  readonly checkpointId: number;
  readonly regions: readonly {
    readonly regionId: string;
    readonly agentId: string | null;
    readonly agentName: string | null;
    readonly currentAttempt: number;
    readonly lastCompletedId: number | null;
    /** Keys held now (last completed checkpoint) and in the savepoint. */
    readonly entriesNow: number;
    readonly entriesThen: number;
    readonly bytesToRestore: number;
  }[];
  readonly gaps: readonly GapPlan[];
  /** True when `gaps` is not empty: the rollback then needs `allowGap`. */
  readonly needsAllowGap: boolean;
  /** Checkpoints that would never again be a recovery candidate (L1). */
  readonly abandonedCheckpointIds: readonly number[];
  readonly operators: readonly {
    readonly uid: string;
    readonly compatibility: "as-is" | "migrates" | "incompatible" | "dropped" | "new";
    readonly reason: string;
  }[];
  /** Alarms raised since the savepoint; the replayed edges keep their ids and do not ring again. */
  readonly alarmsConcerned: readonly {
    readonly id: string;
    readonly equipment: string;
    readonly text: string;
    readonly raisedAt: string;
  }[];
}

export interface GapPlan {
  readonly regionId: string;
  readonly sourceUid: string;
  readonly splitIndex: number;
  readonly fromPosition: number;
  readonly toPosition: number;
  readonly records: number;
  readonly fromAt: string | null;
  readonly toAt: string | null;
}

export interface GapView {
  readonly id: string;
  readonly jobId: string;
  readonly regionId: string;
  readonly sourceUid: string;
  readonly splitIndex: number;
  readonly cause: string;
  readonly fromPosition: number | null;
  readonly toPosition: number | null;
  readonly records: number | null;
  readonly fromAt: string | null;
  readonly toAt: string | null;
  readonly savepointId: string | null;
  readonly createdAt: string;
}

export type OperationStatus = "pending" | "running" | "succeeded" | "failed";

export interface OperationView {
  readonly id: string;
  readonly kind: string;
  readonly status: OperationStatus;
  readonly progress: { readonly done: number; readonly total: number; readonly phase: string };
  readonly jobId: string | null;
  readonly agentId: string | null;
  /** savepoint: {savepointId}; rollback: {plan, lineage, durationMs}; stop: {savepointId}. */
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly error: Problem | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface AgentView {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Derived: online, stale (heartbeat late), offline, draining, removed. */
  readonly status: "online" | "stale" | "offline" | "draining" | "removed";
  readonly version: string | null;
  readonly enrolledAt: string;
  readonly lastSeenAt: string | null;
  readonly remoteAddress: string | null;
  readonly regions: readonly {
    readonly jobId: string;
    readonly jobName: string;
    readonly regionId: string;
    readonly status: string;
    readonly attempt: number;
  }[];
}

export interface AlarmView {
  readonly id: string;
  readonly jobId: string;
  readonly operatorUid: string;
  readonly equipment: string;
  readonly priority: "low" | "medium" | "high" | "critical";
  readonly text: string;
  readonly response: string;
  readonly isActive: boolean;
  readonly isAcknowledged: boolean;
  readonly acknowledgedBy: string | null;
  readonly acknowledgedAt: string | null;
  readonly raisedAt: string;
  readonly clearedAt: string | null;
  readonly value: number | null;
  readonly score: number | null;
  readonly threshold: number | null;
}

/** GET /equipment: what the telemetry names, with its freshest signal. */
export interface EquipmentView {
  readonly equipment: string;
  readonly jobId: string;
  readonly operatorUid: string;
  readonly lastAt: string | null;
  readonly value: number | null;
  readonly score: number | null;
  readonly activeAlarms: number;
  readonly unacknowledgedAlarms: number;
  readonly highestPriority: string | null;
}

/** GET /equipment/{equipment}/samples: columns, oldest first. */
export interface SampleSeries {
  readonly jobId: string;
  readonly operatorUid: string;
  readonly equipment: string;
  /** Epoch ms. */
  readonly at: readonly number[];
  readonly value: readonly (number | null)[];
  readonly score: readonly (number | null)[];
}

export interface JoinTokenView {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly createdByName: string | null;
  readonly expiresAt: string;
  readonly usedAt: string | null;
  readonly usedByAgentId: string | null;
  readonly revokedAt: string | null;
}

/** POST /tokens: the only time the secret is shown. */
export interface CreatedJoinToken extends JoinTokenView {
  readonly token: string;
  /** One line to run on the gateway. */
  readonly installCommand: string;
}

/** A token with which a person or a program calls the API. */
export interface ApiTokenView {
  readonly id: string;
  readonly name: string;
  readonly role: Exclude<Role, "agent">;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly createdByName: string | null;
  /** Null: it does not end by itself. */
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
  readonly revokedAt: string | null;
}

/** POST /tokens with a role: the only time the secret is shown. */
export interface CreatedApiToken extends ApiTokenView {
  readonly token: string;
}

/** POST /enrol, with the join token as bearer. */
export interface Enrolment {
  readonly agentId: string;
  readonly name: string;
  /** The agent's own credential, shown once. */
  readonly credential: string;
}

export interface AuditView {
  readonly id: number;
  readonly at: string;
  readonly principal: string;
  /** Name of the token or agent that `principal` stands for. */
  readonly principalName: string | null;
  readonly role: string;
  readonly action: string;
  readonly subject: string;
  readonly reason: string | null;
  readonly outcome: string;
}

/** POST /session and GET /me: who is calling. */
export interface SessionView {
  readonly name: string;
  readonly role: Exclude<Role, "agent">;
  /** When the session ends; null with a token of one's own. */
  readonly expiresAt: string | null;
}

/** Every type of event that GET /events sends, `heartbeat` of the stream itself aside. */
export const EVENT_TYPES = [
  "hub.started",
  "metrics",
  "samples",
  "job.created",
  "job.status",
  "deploy.failed",
  "region.status",
  "region.session-lost",
  "region.session-taken-over",
  "region.ledger-mismatch",
  "region.dead-letter",
  "region.window-pressure",
  "region.broker-disconnected",
  "region.broker-connected",
  "region.broker-profile",
  "region.runner-exited",
  "region.late-frame-refused",
  "region.forged-frame-refused",
  "region.records-shed",
  "gap.recorded",
  "checkpoint.completed",
  "checkpoint.aborted",
  "savepoint.completed",
  "savepoint.aborted",
  "savepoint.deleted",
  "rollback.completed",
  "operation.progress",
  "operation.ended",
  "alarm.raised",
  "alarm.cleared",
  "alarm.acknowledged",
  "agent.enrolled",
  "agent.online",
  "agent.offline",
  "agent.expired",
  "agent.unreachable",
  "agent.draining",
  "agent.removed",
] as const;
export type EventType = typeof EVENT_TYPES[number];
