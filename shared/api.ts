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
  /** Of the request: what the hub's log says about it carries the same. */
  readonly traceId?: string;
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
  /** Where its subtasks ran; empty for a region of one subtask, which ran on `agentId`. */
  readonly subtasks: readonly {
    readonly subtaskId: string;
    readonly agentId: string;
    readonly agentName: string | null;
  }[];
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
      /** Where the attempt ran it. */
      readonly agentId: string;
      readonly agentName: string | null;
      readonly startDelayMs: number;
      readonly alignmentMs: number;
      readonly syncMs: number;
      readonly asyncMs: number;
      readonly fullBytes: number;
      readonly uploadedBytes: number;
    }[];
    /** Subtasks that did not acknowledge, with why; what the rest acknowledged is in `subtasks`. */
    readonly missing: readonly {
      readonly subtaskId: string;
      readonly agentId: string;
      readonly agentName: string | null;
      /** `timeout`, `upload-failed`, …; null when another subtask's failure ended the wait. */
      readonly reason: string | null;
      readonly detail: string | null;
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
  /** Version of the job that it was taken of. */
  readonly bundleDigest: string;
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

export type OperationStatus = "pending" | "running" | "succeeded" | "failed" | "cancelled";

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
  /** What it is about, such as `/api/v1/jobs/{id}`; null when that is gone. */
  readonly resource: string | null;
  /** Principal that asked for it, and its name when the hub knows one. */
  readonly createdBy: string;
  readonly createdByName: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** From then on the hub may forget it. */
  readonly expiresAt: string;
}

export interface AgentView {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Derived from its heartbeats and its regions. */
  readonly status:
    | "online"
    | "stale"
    | "offline"
    | "restoring"
    | "autonomous"
    | "draining"
    | "removed";
  /** How its way to this hub is doing; null while it is away. */
  readonly uplink: {
    readonly roundTripMs: number | null;
    readonly unsentBytes: number;
    readonly keptMessages: number;
  } | null;
  /** Newest completed checkpoint among its regions. */
  readonly lastCheckpointAt: string | null;
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

/** What draining or removing an agent would move; the answer to `dryRun`. */
export interface AgentMovePlan {
  readonly agentId: string;
  readonly agentName: string;
  readonly action: "drain" | "remove";
  readonly regions: readonly {
    readonly jobId: string;
    readonly jobName: string;
    readonly regionId: string;
    readonly attempt: number;
    /** Its subtasks that would be on another agent; null: nobody is there to take it, and it waits. */
    readonly moves:
      | readonly {
        readonly subtaskId: string;
        readonly agentId: string;
        readonly agentName: string | null;
      }[]
      | null;
  }[];
}

/** POST /agents/{id}/replace: the join token is bound to the agent whose place it fills. */
export interface AgentReplacement {
  readonly agentId: string;
  readonly agentName: string;
  readonly token: string;
  readonly expiresAt: string;
  /** One line to run on the new machine. */
  readonly installCommand: string;
}

export type AlarmPriority = "low" | "medium" | "high" | "critical";

/**
 * One occurrence of an alarm after ISA-18.2. Whether it is active, acknowledged, shelved, suppressed or
 * out of service are separate fields; `state` is the label made of them.
 */
export interface AlarmView {
  readonly id: string;
  readonly jobId: string;
  readonly operatorUid: string;
  readonly sinkUid: string;
  readonly equipment: string;
  /** `condition`: what a job noticed. `no-data`: a signal fell silent. */
  readonly kind: "condition" | "no-data";
  readonly priority: AlarmPriority;
  readonly text: string;
  /** What brings it about, what comes of it when nobody acts, what to do; empty when the author said nothing. */
  readonly cause: string;
  readonly consequence: string;
  readonly response: string;
  readonly state: AlarmStateLabel;
  readonly isActive: boolean;
  readonly isAcknowledged: boolean;
  readonly acknowledgedBy: string | null;
  readonly acknowledgedAt: string | null;
  /** Of the acknowledgement; null without one. */
  readonly comment: string | null;
  readonly raisedAt: string;
  readonly clearedAt: string | null;
  /** Shelving belongs to equipment and alarm sink together: later occurrences do not ring either. */
  readonly shelvedUntil: string | null;
  readonly shelvedBy: string | null;
  readonly shelveReason: string | null;
  /** Sink whose active alarm suppresses this one by design; null when none does. */
  readonly suppressedBy: string | null;
  readonly outOfServiceBy: string | null;
  readonly outOfServiceReason: string | null;
  readonly isChattering: boolean;
  /** Times its condition came again, or it rang again, while nobody had acknowledged it; 1 at first. */
  readonly occurrences: number;
  readonly value: number | null;
  readonly score: number | null;
  readonly threshold: number | null;
  /** Range expected at the onset, in units of the signal. */
  readonly low: number | null;
  readonly high: number | null;
}

export type AlarmStateLabel =
  | "unacknowledged"
  | "acknowledged"
  /** Over, and nobody has seen it. */
  | "returned-unacknowledged"
  | "normal"
  | "shelved"
  | "suppressed"
  | "out-of-service";

/** One step of an alarm's life; written once, never changed. */
export interface AlarmTransitionView {
  readonly id: number;
  readonly alarmId: string;
  readonly at: string;
  readonly kind: AlarmTransitionKind;
  readonly from: AlarmStateLabel | null;
  readonly to: AlarmStateLabel;
  /** edge (a record), person, clock, no-data. */
  readonly cause: string;
  /** Name of the person; null when none acted. */
  readonly by: string | null;
  readonly comment: string | null;
  readonly value: number | null;
  readonly equipment: string;
  readonly sinkUid: string;
  readonly priority: AlarmPriority;
}

export type AlarmTransitionKind =
  | "raised"
  | "cleared"
  | "acknowledged"
  | "re-alarmed"
  | "shelved"
  | "unshelved"
  | "suppressed"
  | "unsuppressed"
  | "out-of-service"
  | "returned-to-service"
  | "commented";

/** GET /alarms/{id}. */
export interface AlarmDetail extends AlarmView {
  readonly jobName: string | null;
  readonly path: readonly string[];
  /** Newest first, at most 200. */
  readonly transitions: readonly AlarmTransitionView[];
  /** Earlier occurrences of the same equipment and sink, newest first, at most 10. */
  readonly similar: readonly AlarmView[];
}

/** GET /alarms/health: how well the alarms themselves do, after ISA-18.2 and EEMUA 191. */
export interface AlarmHealth {
  readonly from: string;
  readonly to: string;
  /** Alarms that rang, in each span of ten minutes, oldest first. */
  readonly perTenMinutes: readonly { readonly at: string; readonly count: number }[];
  readonly averagePerTenMinutes: number;
  readonly peakPerTenMinutes: number;
  /** Share of the ten-minute spans that held ten or more. */
  readonly floodRatio: number;
  readonly byPriority: Readonly<Record<AlarmPriority, number>>;
  /** Equipment and sink that rang most. */
  readonly topTen: readonly AlarmSourceCount[];
  readonly chattering: readonly AlarmSourceCount[];
  /** Active for more than 24 h. */
  readonly stale: readonly AlarmView[];
  readonly floods: readonly AlarmFlood[];
  readonly shelved: number;
  readonly suppressed: number;
  readonly outOfService: number;
}

export interface AlarmSourceCount {
  readonly jobId: string;
  readonly sinkUid: string;
  readonly equipment: string;
  readonly count: number;
  /** Part of all that rang, 0..1. */
  readonly share: number;
}

/** Ten alarms or more within ten minutes, until fewer than five came in ten. */
export interface AlarmFlood {
  readonly from: string;
  /** Null while it goes on. */
  readonly to: string | null;
  readonly count: number;
  /** The alarm that came first. */
  readonly firstOut: AlarmView;
  /** What followed, by the part of the plant it came from, most first. */
  readonly groups: readonly { readonly path: readonly string[]; readonly count: number }[];
}

/** Whether what is shown is of now: `stale` when the signal is late, `unknown` when nothing was heard. */
export type Freshness = "good" | "stale" | "unknown";

/** Open alarms; shelved, suppressed and out-of-service ones count only in `shelved`. */
export interface AlarmTally {
  readonly critical: number;
  readonly high: number;
  readonly medium: number;
  readonly low: number;
  /** Of all priorities, active or not. */
  readonly unacknowledged: number;
  readonly shelved: number;
}

/** GET /plant: the equipment tree with everything below rolled up. */
export interface PlantView {
  readonly at: string;
  /** Names of the levels, outermost first; as many as the deepest path has, "level 1" where nobody named it. */
  readonly levels: readonly string[];
  /** The whole plant first (`path` empty), parents before children, siblings by name. */
  readonly nodes: readonly PlantNode[];
}

export interface PlantNode {
  readonly path: readonly string[];
  readonly equipment: number;
  /** Equipment below by freshness of its freshest signal. */
  readonly good: number;
  readonly stale: number;
  readonly unknown: number;
  readonly alarms: AlarmTally;
}

/** GET /plant/equipment: one row for each piece of equipment. */
export interface EquipmentSummary {
  readonly equipment: string;
  readonly path: readonly string[];
  readonly signals: number;
  readonly freshness: Freshness;
  readonly lastAt: string | null;
  readonly alarms: AlarmTally;
  readonly highestPriority: AlarmPriority | null;
  /** The signal furthest from its usual; null when no detector watches. */
  readonly worst: {
    readonly jobId: string;
    readonly operatorUid: string;
    readonly score: number;
  } | null;
}

/** GET /equipment: one row for each signal that telemetry names, with its newest value. */
export interface EquipmentView {
  readonly equipment: string;
  readonly jobId: string;
  readonly operatorUid: string;
  readonly lastAt: string | null;
  readonly freshness: Freshness;
  readonly value: number | null;
  readonly score: number | null;
  /** Range the detector expects now. */
  readonly low: number | null;
  readonly high: number | null;
  readonly activeAlarms: number;
  readonly unacknowledgedAlarms: number;
  readonly highestPriority: string | null;
}

/**
 * GET /equipment/{equipment}/samples: columns, oldest first. A null value is a gap: nothing was heard for
 * longer than the signal's own rhythm.
 */
export interface SampleSeries {
  readonly jobId: string;
  readonly operatorUid: string;
  readonly equipment: string;
  /** Epoch ms. */
  readonly at: readonly number[];
  readonly value: readonly (number | null)[];
  readonly score: readonly (number | null)[];
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
  /** Span that one roll-up stands for; 0: single samples. */
  readonly resolutionMs: number;
}

/** GET /equipment/{equipment}/markers: what happened, to be drawn into charts. */
export interface ChartMarker {
  readonly at: string;
  readonly kind:
    | "alarm"
    | "acknowledged"
    | "cleared"
    | "deploy"
    | "savepoint"
    | "restore"
    | "rollback";
  readonly text: string;
  readonly jobId: string | null;
  readonly alarmId: string | null;
  readonly priority: AlarmPriority | null;
  /** End of what lasts, such as an alarm; null for an instant, or while it lasts. */
  readonly until: string | null;
}

/** GET /alarms/{id}/evidence: what the detector saw. */
export interface AlarmEvidence {
  readonly alarmId: string;
  readonly from: string;
  readonly to: string;
  /** The signal with score and expected range, from before the onset to behind the end. */
  readonly series: SampleSeries | null;
  /** Range expected at the onset, and now. */
  readonly then: { readonly low: number | null; readonly high: number | null };
  readonly now: { readonly low: number | null; readonly high: number | null };
}

/** GET /jobs/{id}/series: one figure of one subtask over time. */
export interface MetricSeries {
  readonly subtaskId: string;
  readonly metric: string;
  readonly at: readonly number[];
  readonly value: readonly (number | null)[];
  readonly resolutionMs: number;
}

/**
 * GET /jobs/{id}/checkpoints/summary: completed checkpoints of a span. Null where there are none. A phase
 * counts with the subtask that took longest in it.
 */
export interface CheckpointSummary {
  readonly from: string;
  readonly to: string;
  /** By status; a `subsumed` one completed, and later ones took its place. */
  readonly counts: Readonly<Record<string, number>>;
  readonly durationMs: Percentiles | null;
  readonly startDelayMs: Percentiles | null;
  readonly alignmentMs: Percentiles | null;
  readonly syncMs: Percentiles | null;
  readonly asyncMs: Percentiles | null;
  readonly fullBytes: Percentiles | null;
  readonly uploadedBytes: Percentiles | null;
  readonly latest: {
    readonly completed: CheckpointView | null;
    readonly failed: CheckpointView | null;
    readonly savepoint: CheckpointView | null;
    readonly restored: { readonly at: string; readonly checkpointId: number } | null;
  };
  /** What the hub keeps to now. */
  readonly config: {
    readonly intervalMs: number;
    readonly timeoutMs: number;
    /** Completed checkpoints kept to restore from. */
    readonly retained: number;
  };
}

export interface Percentiles {
  readonly min: number;
  readonly average: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** A place that alarms are told to. */
export interface NotificationChannelView {
  readonly id: string;
  readonly name: string;
  readonly kind: "webhook" | "email";
  readonly isEnabled: boolean;
  /** Alarms below it are not told. */
  readonly minPriority: AlarmPriority;
  /** Part of the plant it is for; empty: all of it. */
  readonly path: readonly string[];
  /** webhook: its URL; the signing secret is never shown again. */
  readonly url: string | null;
  /** email: who gets it. */
  readonly recipients: readonly string[];
  readonly createdAt: string;
  readonly createdBy: string;
  readonly lastDelivery: {
    readonly at: string;
    readonly isDelivered: boolean;
    readonly error: string | null;
  } | null;
}

/** A broker that jobs may name, and what it was measured to give. */
export interface BrokerView {
  readonly name: string;
  /** Without credentials. */
  readonly url: string;
  readonly isReachable: boolean;
  readonly detail: string | null;
  readonly profiles: readonly {
    readonly jobId: string;
    readonly jobName: string | null;
    readonly split: string;
    readonly detail: string;
    readonly fields: Readonly<Record<string, string | number | boolean | null>>;
  }[];
}

/** GET and PATCH /settings, with an ETag. Spans in ms. */
export interface SettingsView {
  /** Single samples, roll-ups of a minute, roll-ups of an hour. */
  readonly sampleRetentionMs: number;
  readonly minuteRetentionMs: number;
  readonly hourRetentionMs: number;
  readonly eventRetentionMs: number;
  /** A signal without a sample for this long is stale. */
  readonly staleAfterMs: number;
  /** Longest time an alarm may be shelved. */
  readonly shelveMaxMs: number;
}

/** One line of the hub's or an agent's log; GET /logs. */
export interface LogView {
  readonly at: string;
  /** `hub`, or the agent's name. */
  readonly source: string;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
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
  /** `accepted` (an operation goes on), `done`, `refused`. */
  readonly outcome: string;
  readonly remoteAddress: string;
  /** What the action was about beside its subject. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** GET /audit/verify: whether each row still follows from the one before. */
export interface AuditVerdict {
  /** Looked at: all, or those up to the broken one. */
  readonly rows: number;
  readonly isIntact: boolean;
  readonly firstBrokenId: number | null;
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
  "alarm.re-alarmed",
  "alarm.shelved",
  "alarm.unshelved",
  "alarm.suppressed",
  "alarm.unsuppressed",
  "alarm.out-of-service",
  "alarm.returned-to-service",
  "alarm.commented",
  "alarm.chattering",
  "notification.failed",
  "log",
  "agent.enrolled",
  "agent.online",
  "agent.offline",
  "agent.expired",
  "agent.unreachable",
  "agent.draining",
  "agent.removed",
] as const;
export type EventType = typeof EVENT_TYPES[number];
