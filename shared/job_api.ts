/**
 * Answers of the REST API about jobs: regions, checkpoints, savepoints, rollbacks and how subtasks do.
 *
 * Pure types, as in `api.ts`: times are ISO-8601 UTC texts, durations ms, sizes bytes.
 *
 * @module
 */
import type { Guarantee, JobGraph } from "@shared/job_graph.ts";

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
