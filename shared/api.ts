/**
 * Answers of the REST API under /api/v1, as the hub sends them and CLI and dashboard read them.
 *
 * Pure types. `hub/routes` holds each answer against a zod schema of the same shape, from which the
 * OpenAPI document is made. Times are ISO-8601 UTC texts, durations ms, sizes bytes.
 *
 * @module
 */

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
  "agent.undrained",
  "agent.removed",
] as const;

export type EventType = typeof EVENT_TYPES[number];
