/**
 * Tables of the hub, for PostgreSQL and PGlite alike. `migrations/` is generated from this file.
 *
 * Counters that fence (hub term, attempt, checkpoint id) live here and only grow (F1). Times are
 * `timestamptz`. Row types stay inside `hub/db`: the stores return their own shapes.
 *
 * @module
 */
import { sql } from "drizzle-orm";
import {
  bigint,
  bigserial,
  boolean,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
} from "drizzle-orm/pg-core";
import type { JobGraph } from "@shared/job_graph.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";

const at = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });
const big = (name: string) => bigint(name, { mode: "number" });

/** One row: who reigns, and the secrets of this hub. */
export const hubState = pgTable("hub_state", {
  id: integer("id").primaryKey(),
  hubTerm: big("hub_term").notNull(),
  /** Signs object URLs; base64, made at first start. */
  signingSecret: text("signing_secret").notNull(),
  createdAt: at("created_at").notNull(),
});

/** Bearer tokens of people and programs; only SHA-256 of the secret is kept (S19). */
export const apiTokens = pgTable("api_tokens", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  role: text("role").notNull(),
  secretHash: text("secret_hash").notNull(),
  createdAt: at("created_at").notNull(),
  /** Principal that made it; `hub` for the first one. */
  createdBy: text("created_by").notNull().default("hub"),
  expiresAt: at("expires_at"),
  lastUsedAt: at("last_used_at"),
  revokedAt: at("revoked_at"),
}, (t) => [uniqueIndex("api_tokens_secret").on(t.secretHash)]);

/** One-off tokens with which an agent enrols (S1). */
export const joinTokens = pgTable("join_tokens", {
  id: text("id").primaryKey(),
  secretHash: text("secret_hash").notNull(),
  labels: jsonb("labels").$type<Record<string, string>>().notNull(),
  createdAt: at("created_at").notNull(),
  createdBy: text("created_by").notNull(),
  expiresAt: at("expires_at").notNull(),
  usedAt: at("used_at"),
  usedByAgentId: text("used_by_agent_id"),
  /** Agent that is removed when this token is used; whoever joins gets its name and labels. */
  replacesAgentId: text("replaces_agent_id"),
  revokedAt: at("revoked_at"),
}, (t) => [uniqueIndex("join_tokens_secret").on(t.secretHash)]);

export const agents = pgTable("agents", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  labels: jsonb("labels").$type<Record<string, string>>().notNull(),
  /** SHA-256 of the agent's own credential. */
  credentialHash: text("credential_hash").notNull(),
  agentVersion: text("agent_version"),
  bootId: text("boot_id"),
  enrolledAt: at("enrolled_at").notNull(),
  lastSeenAt: at("last_seen_at"),
  isDraining: boolean("is_draining").notNull().default(false),
  removedAt: at("removed_at"),
}, (t) => [uniqueIndex("agents_credential").on(t.credentialHash)]);

/** Bundles by digest; small text, so they live here and not in the object store. */
export const bundles = pgTable("bundles", {
  digest: text("digest").primaryKey(),
  bundle: text("bundle").notNull(),
  createdAt: at("created_at").notNull(),
});

export const jobs = pgTable("jobs", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  bundleDigest: text("bundle_digest").notNull().references(() => bundles.digest),
  params: jsonb("params").$type<Record<string, string>>().notNull(),
  graph: jsonb("graph").$type<JobGraph>().notNull(),
  /** What the person wants: running, stopped, cancelled. */
  desiredState: text("desired_state").notNull(),
  /** Raised by a rollback or a start from a savepoint (L1). */
  lineage: integer("lineage").notNull().default(1),
  /** Highest id given out; never goes back (F1). */
  lastCheckpointId: big("last_checkpoint_id").notNull().default(0),
  checkpointIntervalMs: integer("checkpoint_interval_ms").notNull(),
  allowNonRestoredState: boolean("allow_non_restored_state").notNull().default(false),
  /** Job whose MQTT sessions this one goes on with; null: its own. Never two running jobs with the same. */
  sessionJobId: text("session_job_id"),
  /** Subtasks of each keyed stage. */
  parallelism: integer("parallelism").notNull().default(1),
  createdAt: at("created_at").notNull(),
  createdBy: text("created_by").notNull(),
  stoppedAt: at("stopped_at"),
}, (t) => [index("jobs_name").on(t.name)]);

export const regions = pgTable("regions", {
  jobId: text("job_id").notNull().references(() => jobs.id),
  regionId: text("region_id").notNull(),
  /** The fencing token; 0 before the first deployment. */
  attempt: big("attempt").notNull().default(0),
  /** Agent of the first subtask; null while nobody runs the region. */
  agentId: text("agent_id"),
  /** Subtask -> agent. While nobody runs the region: where its subtasks were, or are to go. */
  placement: jsonb("placement").$type<Record<string, string>>().notNull().default({}),
  /** waiting, deploying, restoring, running, stopping, stopped, backing-off. */
  status: text("status").notNull(),
  /** Last completed checkpoint of the current lineage: the recovery base. */
  lastCompletedId: big("last_completed_id"),
  /** What the current attempt was restored from: a checkpoint or a savepoint; null means empty. */
  restoredFromId: big("restored_from_id"),
  consecutiveFailures: integer("consecutive_failures").notNull().default(0),
  notBefore: at("not_before"),
}, (t) => [primaryKey({ columns: [t.jobId, t.regionId] })]);

/** Every attempt ever, with its cause and end; the restart history. */
export const attempts = pgTable("attempts", {
  jobId: text("job_id").notNull().references(() => jobs.id),
  regionId: text("region_id").notNull(),
  attempt: big("attempt").notNull(),
  /** Agent of the first subtask. */
  agentId: text("agent_id").notNull(),
  /** Subtask -> agent; empty for attempts of a region that was one subtask. */
  placement: jsonb("placement").$type<Record<string, string>>().notNull().default({}),
  cause: text("cause").notNull(),
  restoredFromId: big("restored_from_id"),
  startedAt: at("started_at").notNull(),
  runningAt: at("running_at"),
  endedAt: at("ended_at"),
  endReason: text("end_reason"),
}, (t) => [primaryKey({ columns: [t.jobId, t.regionId, t.attempt] })]);

/** Checkpoints and savepoints of a job; one id space. */
export const checkpoints = pgTable("checkpoints", {
  jobId: text("job_id").notNull().references(() => jobs.id),
  checkpointId: big("checkpoint_id").notNull(),
  lineage: integer("lineage").notNull(),
  isSavepoint: boolean("is_savepoint").notNull(),
  /** pending, completed, degraded, aborted, abandoned (L1), subsumed (retention let it go). */
  status: text("status").notNull(),
  /** periodic, window-pressure, person, stop, rescale, restore. */
  trigger: text("trigger").notNull(),
  triggeredAt: at("triggered_at").notNull(),
  endedAt: at("ended_at"),
  reason: text("reason"),
  /** Manifests are kept while true; retention clears it and the references in one transaction. */
  isRetained: boolean("is_retained").notNull().default(true),
}, (t) => [
  primaryKey({ columns: [t.jobId, t.checkpointId] }),
  index("checkpoints_status").on(t.jobId, t.status),
]);

/** One region's part of a checkpoint; `completed` here is the commit point of C3. */
export const checkpointRegions = pgTable("checkpoint_regions", {
  jobId: text("job_id").notNull(),
  checkpointId: big("checkpoint_id").notNull(),
  regionId: text("region_id").notNull(),
  attempt: big("attempt").notNull(),
  agentId: text("agent_id").notNull(),
  /** pending, completed, aborted. */
  status: text("status").notNull(),
  completedAt: at("completed_at"),
  reason: text("reason"),
  /** Null until completed, and after retention let it go. */
  snapshots: jsonb("snapshots").$type<SubtaskSnapshot[]>(),
  /** Per subtask: SnapshotStats and its id. */
  stats: jsonb("stats").$type<Record<string, unknown>[]>(),
  fullBytes: big("full_bytes").notNull().default(0),
  uploadedBytes: big("uploaded_bytes").notNull().default(0),
}, (t) => [
  primaryKey({ columns: [t.jobId, t.checkpointId, t.regionId] }),
  index("checkpoint_regions_region").on(t.jobId, t.regionId, t.status),
]);

export const savepoints = pgTable("savepoints", {
  id: text("id").primaryKey(),
  jobId: text("job_id").notNull().references(() => jobs.id),
  checkpointId: big("checkpoint_id").notNull(),
  label: text("label"),
  owner: text("owner").notNull(),
  jobName: text("job_name").notNull(),
  bundleDigest: text("bundle_digest").notNull(),
  graph: jsonb("graph").$type<JobGraph>().notNull(),
  /** pending, completed, failed. */
  status: text("status").notNull(),
  reason: text("reason"),
  createdAt: at("created_at").notNull(),
  completedAt: at("completed_at"),
  fullBytes: big("full_bytes").notNull().default(0),
  /** A job that was started from it and took it over: it goes when that job needs it no more. */
  claimedByJobId: text("claimed_by_job_id"),
}, (t) => [uniqueIndex("savepoints_checkpoint").on(t.jobId, t.checkpointId)]);

/** Known objects. `deleting` is the mark of G2: a blob so marked is never handed out again. */
export const blobs = pgTable("blobs", {
  digest: text("digest").primaryKey(),
  bytes: big("bytes").notNull(),
  /** granted (an upload may be under way), stored, deleting. */
  state: text("state").notNull(),
  changedAt: at("changed_at").notNull(),
});

/** Checkpoint -> blob, written in the transaction that completes the region (G1). */
export const blobRefs = pgTable("blob_refs", {
  jobId: text("job_id").notNull(),
  checkpointId: big("checkpoint_id").notNull(),
  regionId: text("region_id").notNull(),
  digest: text("digest").notNull(),
}, (t) => [
  primaryKey({ columns: [t.jobId, t.checkpointId, t.regionId, t.digest] }),
  index("blob_refs_digest").on(t.digest),
]);

/** Written before "already have it" is answered (G1); dropped when the checkpoint ended or time is up. */
export const blobPins = pgTable("blob_pins", {
  digest: text("digest").notNull(),
  jobId: text("job_id").notNull(),
  regionId: text("region_id").notNull(),
  attempt: big("attempt").notNull(),
  checkpointId: big("checkpoint_id").notNull(),
  expiresAt: at("expires_at").notNull(),
}, (t) => [
  primaryKey({ columns: [t.digest, t.jobId, t.regionId, t.checkpointId] }),
]);

/** Spans of records known lost, from rollbacks and lost sessions (P4, M9). */
export const gaps = pgTable("gaps", {
  id: text("id").primaryKey(),
  jobId: text("job_id").notNull().references(() => jobs.id),
  regionId: text("region_id").notNull(),
  sourceUid: text("source_uid").notNull(),
  splitIndex: integer("split_index").notNull(),
  /** rollback, session-lost. */
  cause: text("cause").notNull(),
  /** Last record inside the state, and last record acknowledged; null when not known. */
  fromPosition: big("from_position"),
  toPosition: big("to_position"),
  fromAt: at("from_at"),
  toAt: at("to_at"),
  savepointId: text("savepoint_id"),
  createdAt: at("created_at").notNull(),
});

/** Everything that takes time; durable before 202 is sent (H2). */
export const operations = pgTable("operations", {
  id: text("id").primaryKey(),
  /** savepoint, rollback, stop, cancel, deploy, drain. */
  kind: text("kind").notNull(),
  jobId: text("job_id"),
  agentId: text("agent_id"),
  /** pending, running, succeeded, failed. */
  status: text("status").notNull(),
  request: jsonb("request").$type<Record<string, unknown>>().notNull(),
  progress: jsonb("progress").$type<{ done: number; total: number; phase: string }>().notNull(),
  result: jsonb("result").$type<Record<string, unknown>>(),
  error: jsonb("error").$type<{ code: string; title: string; detail: string; status: number }>(),
  createdBy: text("created_by").notNull(),
  createdAt: at("created_at").notNull(),
  updatedAt: at("updated_at").notNull(),
}, (t) => [index("operations_open").on(t.jobId, t.status)]);

export const idempotencyKeys = pgTable("idempotency_keys", {
  principal: text("principal").notNull(),
  key: text("key").notNull(),
  requestHash: text("request_hash").notNull(),
  /** Null while the first request is under way. */
  responseStatus: integer("response_status"),
  responseHeaders: jsonb("response_headers").$type<Record<string, string>>(),
  responseBody: text("response_body"),
  createdAt: at("created_at").notNull(),
}, (t) => [primaryKey({ columns: [t.principal, t.key] })]);

/** One row per occurrence; the id is made at the edge, so a replay updates and never adds. */
export const alarms = pgTable("alarms", {
  id: text("id").primaryKey(),
  jobId: text("job_id").notNull(),
  operatorUid: text("operator_uid").notNull(),
  sinkUid: text("sink_uid").notNull(),
  equipment: text("equipment").notNull(),
  priority: text("priority").notNull(),
  text: text("text").notNull(),
  response: text("response").notNull(),
  isActive: boolean("is_active").notNull(),
  isAcknowledged: boolean("is_acknowledged").notNull().default(false),
  acknowledgedBy: text("acknowledged_by"),
  acknowledgedAt: at("acknowledged_at"),
  raisedAt: at("raised_at").notNull(),
  clearedAt: at("cleared_at"),
  value: doublePrecision("value"),
  score: doublePrecision("score"),
  threshold: doublePrecision("threshold"),
  /** condition, no-data. */
  kind: text("kind").notNull().default("condition"),
  /** Range expected at the onset. */
  low: doublePrecision("low"),
  high: doublePrecision("high"),
  /** Of the acknowledgement. */
  comment: text("comment"),
  /** Raises and re-alarms while nobody had acknowledged it. */
  occurrences: integer("occurrences").notNull().default(1),
  /** False: a raise that waits for its on-delay, was too short, or continues another; no alarm of its own. */
  isRung: boolean("is_rung").notNull().default(true),
  /** When the clock next decides something about it: on-delay, off-delay, re-alarm. */
  dueAt: at("due_at"),
  /** Alarm that this raise belongs to: itself when it rang; null while it is none. */
  continuesId: text("continues_id"),
}, (t) => [
  index("alarms_raised").on(t.raisedAt, t.id),
  index("alarms_equipment").on(t.equipment, t.raisedAt),
  index("alarms_point").on(t.jobId, t.sinkUid, t.equipment, t.raisedAt),
  index("alarms_due").on(t.dueAt),
  /** Few of many: what people or the clock still have to do with. */
  index("alarms_pending").on(t.jobId, t.sinkUid, t.equipment)
    .where(sql`is_active or not is_acknowledged or due_at is not null`),
]);

/** What holds for a sink and a piece of equipment over all occurrences. */
export const alarmPoints = pgTable("alarm_points", {
  jobId: text("job_id").notNull(),
  sinkUid: text("sink_uid").notNull(),
  equipment: text("equipment").notNull(),
  shelvedUntil: at("shelved_until"),
  shelvedBy: text("shelved_by"),
  shelveReason: text("shelve_reason"),
  /** Sink whose active alarm suppresses this one. */
  suppressedBy: text("suppressed_by"),
  outOfServiceBy: text("out_of_service_by"),
  outOfServiceReason: text("out_of_service_reason"),
  outOfServiceAt: at("out_of_service_at"),
  chatteringSince: at("chattering_since"),
}, (t) => [
  primaryKey({ columns: [t.jobId, t.sinkUid, t.equipment] }),
  index("alarm_points_shelved").on(t.shelvedUntil),
]);

/** Every step of every alarm; append-only. */
export const alarmTransitions = pgTable("alarm_transitions", {
  id: bigserial("id", { mode: "number" }).primaryKey(),
  alarmId: text("alarm_id").notNull(),
  jobId: text("job_id").notNull(),
  sinkUid: text("sink_uid").notNull(),
  equipment: text("equipment").notNull(),
  priority: text("priority").notNull(),
  at: at("at").notNull(),
  kind: text("kind").notNull(),
  fromState: text("from_state"),
  toState: text("to_state").notNull(),
  /** edge, person, clock, no-data. */
  cause: text("cause").notNull(),
  by: text("by"),
  comment: text("comment"),
  value: doublePrecision("value"),
}, (t) => [
  index("alarm_transitions_alarm").on(t.alarmId, t.id),
  index("alarm_transitions_at").on(t.at),
  index("alarm_transitions_equipment").on(t.equipment, t.at),
]);

/** Where alarms are told. */
export const notificationChannels = pgTable("notification_channels", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  /** webhook, email. */
  kind: text("kind").notNull(),
  isEnabled: boolean("is_enabled").notNull().default(true),
  minPriority: text("min_priority").notNull(),
  path: jsonb("path").$type<string[]>().notNull().default([]),
  url: text("url"),
  /** Signs what is sent; sealed under the hub's secret. */
  sealedSecret: text("sealed_secret"),
  recipients: jsonb("recipients").$type<string[]>().notNull().default([]),
  createdAt: at("created_at").notNull(),
  createdBy: text("created_by").notNull(),
});

/** What is to be told, and what was; written in the transaction of the alarm's step. */
export const notifications = pgTable("notifications", {
  id: bigserial("id", { mode: "number" }).primaryKey(),
  channelId: text("channel_id").notNull(),
  alarmId: text("alarm_id").notNull(),
  /** Kind of the transition; `test` for a trial. */
  kind: text("kind").notNull(),
  createdAt: at("created_at").notNull(),
  /** pending, delivered, failed. */
  status: text("status").notNull(),
  tries: integer("tries").notNull().default(0),
  /** When to try; null when it is over. */
  dueAt: at("due_at"),
  endedAt: at("ended_at"),
  error: text("error"),
}, (t) => [
  uniqueIndex("notifications_once").on(t.channelId, t.alarmId, t.kind, t.createdAt),
  index("notifications_due").on(t.dueAt),
  index("notifications_ended").on(t.channelId, t.endedAt, t.id),
]);

/** What people changed of the hub's settings; a name without a row has its value from the flags. */
export const settings = pgTable("settings", {
  name: text("name").primaryKey(),
  value: jsonb("value").$type<unknown>().notNull(),
  changedAt: at("changed_at").notNull(),
  changedBy: text("changed_by").notNull(),
});

/** Where equipment stands in the plant. */
export const equipmentPlaces = pgTable("equipment_places", {
  equipment: text("equipment").primaryKey(),
  /** Outermost level first, the equipment left out. */
  path: jsonb("path").$type<string[]>().notNull(),
  jobId: text("job_id").notNull(),
  changedAt: at("changed_at").notNull(),
});

/** A number for each signal and each figure of a subtask; what `signal_*` tables are keyed by. */
export const series = pgTable("series", {
  id: integer("id").primaryKey().generatedAlwaysAsIdentity(),
  jobId: text("job_id").notNull(),
  /** signal, metric. */
  kind: text("kind").notNull(),
  /** Operator of a signal, subtask of a metric. */
  source: text("source").notNull(),
  /** Equipment of a signal, name of a metric. */
  subject: text("subject").notNull(),
}, (t) => [
  uniqueIndex("series_name").on(t.jobId, t.kind, t.source, t.subject),
  index("series_subject").on(t.subject),
]);

/** Checkpoints of a job's past, a day's in one row: kept for ever, so packed. */
export const checkpointArchive = pgTable("checkpoint_archive", {
  jobId: text("job_id").notNull(),
  firstId: big("first_id").notNull(),
  lastId: big("last_id").notNull(),
  fromAt: at("from_at").notNull(),
  toAt: at("to_at").notNull(),
  count: integer("count").notNull(),
  /** Base64 of zstd over JSON: `CheckpointDetail[]`. */
  packed: text("packed").notNull(),
}, (t) => [
  primaryKey({ columns: [t.jobId, t.firstId] }),
  index("checkpoint_archive_at").on(t.jobId, t.toAt),
]);

/** Every edge ever taken in, by its edge-made id: the transition log and the guard against replays. */
export const alarmEdges = pgTable("alarm_edges", {
  id: text("id").primaryKey(),
  alarmId: text("alarm_id").notNull(),
  isActive: boolean("is_active").notNull(),
  at: at("at").notNull(),
  receivedAt: at("received_at").notNull(),
}, (t) => [index("alarm_edges_alarm").on(t.alarmId)]);

/** Spans to roll up anew. The tables of signals are partitioned: `migrations/0005_signal_tables.sql`. */
export const signalDue = pgTable("signal_due", {
  /** minute, hour. */
  level: text("level").notNull(),
  at: at("at").notNull(),
}, (t) => [primaryKey({ columns: [t.level, t.at] })]);

/** What happened, for /events and the dashboard. */
export const events = pgTable("events", {
  id: bigserial("id", { mode: "number" }).primaryKey(),
  at: at("at").notNull(),
  type: text("type").notNull(),
  jobId: text("job_id"),
  agentId: text("agent_id"),
  body: jsonb("body").$type<Record<string, unknown>>().notNull(),
}, (t) => [index("events_job").on(t.jobId, t.id)]);

/** Who did what when and why; append-only, hash-chained (S26). */
export const audit = pgTable("audit", {
  id: bigserial("id", { mode: "number" }).primaryKey(),
  at: at("at").notNull(),
  principal: text("principal").notNull(),
  role: text("role").notNull(),
  action: text("action").notNull(),
  subject: text("subject").notNull(),
  reason: text("reason"),
  outcome: text("outcome").notNull(),
  remoteAddress: text("remote_address").notNull(),
  fields: jsonb("fields").$type<Record<string, unknown>>().notNull(),
  /** SHA-256 over the previous row's hash and this row. */
  hash: text("hash").notNull(),
});
