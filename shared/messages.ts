/**
 * The control channel between agent and hub: JSON messages over one WebSocket.
 *
 * Pure. Every message that concerns a region carries job, region and attempt (F3). Agents send
 * `AgentMessage`, the hub sends `HubMessage`; each end decodes what it gets and refuses other versions.
 *
 *   agent ── hello ──▶ hub                   first message; lists what the agent runs (H1)
 *   hub ── welcome, then run/stop for what it listed ──▶ agent
 *   hub ── deploy ──▶ agent ── status restored ──▶ hub ── run ──▶ agent ── status running ──▶ hub
 *   hub ── trigger n ──▶ agent ── uploadRequest/uploadGrant ── acknowledge n ──▶ hub ── completed n ──▶
 *
 * @module
 */
import * as z from "zod/mini";
import { PenstockError } from "@shared/errors.ts";
import type {
  AgentId,
  Attempt,
  CheckpointId,
  Digest,
  HubTerm,
  JobId,
  RegionId,
  SubtaskId,
} from "@shared/ids.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import type { SubtaskPlan } from "@shared/regions.ts";

/** Raised on every incompatible change; hello and welcome carry it. */
export const MESSAGE_VERSION = 1;

/** Longest control message either end accepts, bytes. */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

const text = z.string().check(z.maxLength(4096));
const id = z.string().check(z.minLength(1), z.maxLength(200));
const count = z.number().check(z.nonnegative());
const branded = <T>() => id as unknown as z.ZodMiniType<T>;
const jobId = branded<JobId>();
const regionId = branded<RegionId>();
const subtaskId = branded<SubtaskId>();
const agentId = branded<AgentId>();
const digest = z.string().check(z.regex(/^[0-9a-f]{64}$/)) as unknown as z.ZodMiniType<Digest>;
const attempt = z.int().check(z.positive()) as unknown as z.ZodMiniType<Attempt>;
const checkpointId = z.int().check(z.positive()) as unknown as z.ZodMiniType<CheckpointId>;
const hubTerm = z.int().check(z.positive()) as unknown as z.ZodMiniType<HubTerm>;
const labels = z.record(z.string(), z.string());

/** What every message about a region carries (F3). */
const region = { jobId, regionId, attempt };

const sectionRef = z.object({
  kind: z.enum(["keyed", "delta", "broadcast", "source", "sink", "time"]),
  uid: id,
  groups: z.array(z.tuple([z.int(), z.int()])),
});
const snapshot = z.object({
  version: z.literal(1),
  subtaskId,
  keyGroups: z._default(z.nullable(z.tuple([z.int(), z.int()])), null),
  keyGroupCount: z.int(),
  keyHash: text,
  operators: z.array(z.object({
    uid: id,
    states: z.array(z.object({ name: text, kind: text, codecVersion: z.int() })),
    entryCount: count,
  })),
  splits: z.array(z.object({
    sourceUid: id,
    splitIndex: z.int(),
    position: count,
    lastRecordAtMs: z.nullable(z.number()),
  })),
  pieces: z.array(z.object({ digest, bytes: count, sections: z.array(sectionRef) })),
}) as unknown as z.ZodMiniType<SubtaskSnapshot>;

const stats = z.object({
  startDelayMs: z.number(),
  alignmentMs: z.number(),
  syncMs: z.number(),
  asyncMs: z.number(),
  fullBytes: count,
  uploadedBytes: count,
});

/** Why a subtask did not acknowledge a checkpoint; the list is closed (C1). */
export const DECLINE_REASONS = [
  "not-running",
  "snapshot-failed",
  "upload-failed",
  "sink-failed",
  "disk-failed",
  "superseded",
] as const;
export type DeclineReason = typeof DECLINE_REASONS[number];

const regionStatus = z.enum(["restoring", "restored", "running", "failed", "stopped"]);
export type RegionStatus = z.infer<typeof regionStatus>;

/** One edge of an alarm or anomaly, made at the edge with a stable id: replays never ring twice. */
const alarmEdge = z.object({
  /** Same record in, same id out: hash of job, operator, key and the position that raised it. */
  edgeId: id,
  /** Same for the raise and the clear of one occurrence. */
  alarmId: id,
  jobId,
  regionId,
  operatorUid: id,
  sinkUid: id,
  /** Key of the stream, normally the equipment. */
  key: text,
  isActive: z.boolean(),
  priority: z.enum(["low", "medium", "high", "critical"]),
  text,
  response: text,
  /** Event or arrival time of the record behind it, ms since the epoch. */
  atMs: z.number(),
  value: z.nullable(z.number()),
  score: z.nullable(z.number()),
  threshold: z.nullable(z.number()),
  /** Range the detector expected then, in units of the signal; null when it knows none. */
  low: z.optional(z.nullable(z.number())),
  high: z.optional(z.nullable(z.number())),
});
export type AlarmEdge = z.infer<typeof alarmEdge>;

/** Latest value of one signal of one key, decimated at the edge to about one a second. */
const sample = z.object({
  operatorUid: id,
  key: text,
  atMs: z.number(),
  value: z.nullable(z.number()),
  score: z.nullable(z.number()),
  /** Range the detector expects, in units of the signal; null when it knows none. */
  low: z.optional(z.nullable(z.number())),
  high: z.optional(z.nullable(z.number())),
});
export type SignalSample = z.infer<typeof sample>;

const subtaskMetrics = z.object({
  ...region,
  subtaskId,
  recordsIn: count,
  recordsOut: count,
  /** Redelivered duplicates recognised and not processed. */
  duplicatesDropped: count,
  deadLetters: count,
  stateEntries: count,
  /** Unacknowledged messages of the source's window, and its size. */
  windowUsed: count,
  windowSize: count,
  /** Seconds until the window is full at the present rate; null when nothing flows. */
  windowSecondsLeft: z.nullable(z.number()),
  /** Share of the last interval in which the runner was processing, 0..1. */
  busyRatio: z.number(),
  /** Share in which it took nothing in, because what it sends to had no room. */
  backpressuredRatio: z._default(z.number(), 0),
  /** Share in which there was nothing to do. */
  idleRatio: z._default(z.number(), 0),
  /** No record with an event time up to it is expected; null before the first record. */
  watermarkMs: z._default(z.nullable(z.number()), null),
  /** How far the watermark is behind the wall clock, ms; null before the first record. */
  eventTimeLagMs: z._default(z.nullable(z.number()), null),
  /** How far the newest record read is behind the wall clock, ms; null without a source or a record. */
  sourceLagMs: z._default(z.nullable(z.number()), null),
  /** Records that came behind the watermark and could not count any more. */
  lateRecords: z._default(count, 0),
  /** Records that an overloaded source did not work on. */
  shedRecords: z._default(count, 0),
  /** Records further in the future than their source allows. */
  futureRecords: z._default(count, 0),
  /** Records that came over channels and wait for their turn. */
  inputQueued: z._default(count, 0),
  position: count,
  isConnected: z.boolean(),
  /** Per operator: records in and out since the attempt began. */
  operators: z.array(z.object({ uid: id, recordsIn: count, recordsOut: count })),
});
export type SubtaskMetrics = z.infer<typeof subtaskMetrics>;

const regionEvent = z.object({
  type: z.enum([
    "session-lost",
    "session-taken-over",
    "ledger-mismatch",
    "dead-letter",
    "window-pressure",
    "broker-disconnected",
    "broker-connected",
    "broker-profile",
    "runner-exited",
    "late-frame-refused",
    "forged-frame-refused",
    "records-shed",
  ]),
  detail: text,
  fields: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
});
export type RegionEvent = z.infer<typeof regionEvent>;

/** Where equipment stands in the plant, as the job says: outermost level first, the equipment left out. */
const equipmentPlace = z.object({
  key: text,
  path: z.array(z.string().check(z.minLength(1), z.maxLength(200))).check(z.maxLength(8)),
});
export type EquipmentPlace = z.infer<typeof equipmentPlace>;

/** One line of an agent's log. */
const logLine = z.object({
  atMs: z.number(),
  level: z.enum(["debug", "info", "warn", "error"]),
  message: text,
  fields: z.record(z.string(), z.unknown()),
});
export type LogLine = z.infer<typeof logLine>;

/** How an agent's way to the hub is doing. */
const uplink = z.object({
  /** Time from the last heartbeat to its answer; null before the first. */
  roundTripMs: z.nullable(z.number()),
  /** Bytes written and not sent yet, and messages kept from a time without the hub. */
  unsentBytes: count,
  keptMessages: count,
});
export type Uplink = z.infer<typeof uplink>;

/** State values in JSON, as `toJsonValue` writes them. */
const states = z.record(z.string(), z.unknown());

/** What an agent knows of one key; the closed list of what may come of the question. */
const keyAnswer = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("found"),
    states,
    /** Processing-time and event-time timers, ms since the epoch, ascending. */
    timers: z.array(z.number()),
    eventTimers: z.array(z.number()),
    asOfMs: z.number(),
  }),
  z.object({ kind: z.literal("absent"), asOfMs: z.number() }),
  /** `not-running`: this agent does not run the subtask. `too-large`: the state is no answer's size. */
  z.object({
    kind: z.literal("refused"),
    reason: z.enum(["not-running", "unknown-operator", "too-large", "no-answer"]),
  }),
]);
export type KeyAnswer = z.infer<typeof keyAnswer>;

/** What an agent runs when it says hello, so that a restarted hub adopts it (H1). */
const runningRegion = z.object({
  ...region,
  status: regionStatus,
  lastCompletedId: z.nullable(checkpointId),
});
export type RunningRegion = z.infer<typeof runningRegion>;

const agentMessage = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("hello"),
    version: z.literal(MESSAGE_VERSION),
    agentVersion: text,
    /** New at each start of the agent process. */
    bootId: id,
    labels,
    regions: z.array(runningRegion),
    /** It may complete checkpoints by itself when the hub is away (P5); left out: it holds. */
    canGoAutonomous: z.optional(z.boolean()),
  }),
  z.object({ kind: z.literal("heartbeat"), seq: count, uplink: z.optional(uplink) }),
  z.object({
    kind: z.literal("status"),
    ...region,
    status: regionStatus,
    reason: text,
    isRetryable: z.boolean(),
  }),
  z.object({
    kind: z.literal("uploadRequest"),
    requestId: id,
    ...region,
    checkpointId,
    blobs: z.array(z.object({ digest, bytes: count })).check(z.maxLength(1000)),
  }),
  z.object({ kind: z.literal("acknowledge"), ...region, subtaskId, checkpointId, snapshot, stats }),
  z.object({
    kind: z.literal("decline"),
    ...region,
    subtaskId,
    checkpointId,
    reason: z.enum(DECLINE_REASONS),
    detail: text,
  }),
  z.object({
    kind: z.literal("requestCheckpoint"),
    ...region,
    reason: z.literal("window-pressure"),
  }),
  z.object({ kind: z.literal("askOwnership"), ...region, requestId: id }),
  z.object({
    kind: z.literal("alarms"),
    seq: count,
    edges: z.array(alarmEdge).check(z.maxLength(5000)),
  }),
  z.object({
    kind: z.literal("samples"),
    jobId,
    samples: z.array(sample).check(z.maxLength(20000)),
  }),
  z.object({
    kind: z.literal("equipment"),
    jobId,
    places: z.array(equipmentPlace).check(z.maxLength(20000)),
  }),
  z.object({ kind: z.literal("logs"), lines: z.array(logLine).check(z.maxLength(1000)) }),
  z.object({ kind: z.literal("metrics"), subtasks: z.array(subtaskMetrics) }),
  z.object({ kind: z.literal("event"), ...region, event: regionEvent }),
  z.object({ kind: z.literal("stateAnswer"), requestId: id, answer: keyAnswer }),
  z.object({ kind: z.literal("goodbye"), reason: text }),
]);
export type AgentMessage = z.infer<typeof agentMessage>;
export type AgentMessageOf<K extends AgentMessage["kind"]> = Extract<AgentMessage, { kind: K }>;

const signedUrl = z.object({ url: text, headers: z.record(z.string(), z.string()) });

const brokerConfig = z.object({
  name: id,
  /** `mqtt://host:port` or `mqtts://host:port`. */
  url: text,
  username: z.nullable(text),
  password: z.nullable(text),
  /** PEM of the authority to trust for mqtts; null for the system's own. */
  caPem: z.nullable(z.string()),
});
export type BrokerConfig = z.infer<typeof brokerConfig>;

const subtaskPlan = z.object({
  subtaskId,
  sourceUid: z.nullable(id),
  splitIndex: z.int(),
  operatorUids: z.array(id),
  keyGroups: z.nullable(z.tuple([z.int(), z.int()])),
  inputs: z.array(subtaskId),
  outputs: z.array(z.object({ edge: z.int(), targets: z.array(subtaskId) })),
}) as unknown as z.ZodMiniType<SubtaskPlan>;

/** How subtasks of a region that are on different agents exchange records (P7). */
const exchangeConfig = z.object({
  /** Name of the broker that carries the frames; among `brokers`. */
  broker: id,
  /** Authenticates the frames of this attempt, base64 of 32 bytes. */
  key: text,
});
export type ExchangeConfig = z.infer<typeof exchangeConfig>;

const restorePlan = z.object({
  checkpointId,
  /** A savepoint never releases PUBACKs, so what it holds is acknowledged with the next checkpoint (P1). */
  isSavepoint: z.boolean(),
  snapshots: z.array(snapshot),
  /** Where to fetch each digest that `snapshots` names. */
  urls: z.record(z.string(), signedUrl),
  /**
   * Records of these splits up to `position` were taken in by a lineage that a rollback left: ordinals go
   * on behind it, so that an output id never names two records (P4).
   */
  positionFloors: z._default(
    z.array(z.object({ sourceUid: id, splitIndex: z.int(), position: count })),
    [],
  ),
  /** State that no operator takes is left behind instead of refused (S2). */
  allowNonRestoredState: z._default(z.boolean(), false),
});
export type RestorePlan = z.infer<typeof restorePlan>;

const hubMessage = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("welcome"),
    version: z.literal(MESSAGE_VERSION),
    agentId,
    hubTerm,
    heartbeatIntervalMs: count,
    leaseTtlMs: count,
    autonomousAfterMs: count,
  }),
  z.object({ kind: z.literal("heartbeatAck"), seq: count }),
  z.object({
    kind: z.literal("deploy"),
    ...region,
    jobName: id,
    bundleDigest: digest,
    bundleUrl: signedUrl,
    params: z.record(z.string(), z.string()),
    /** Job under whose name the sources keep their MQTT sessions; its own when left out. */
    sessionJobId: z.optional(jobId),
    /** Of this region, those that this agent runs. */
    subtasks: z.array(subtaskPlan),
    /** Null when this agent runs all of the region. */
    exchange: z._default(z.nullable(exchangeConfig), null),
    brokers: z.array(brokerConfig),
    restore: z.nullable(restorePlan),
    heapMb: count,
  }),
  z.object({ kind: z.literal("run"), ...region }),
  /** A person asks for the state of one key; answered by `stateAnswer`, between two records. */
  z.object({
    kind: z.literal("queryState"),
    ...region,
    requestId: id,
    subtaskId,
    operatorUid: id,
    key: text,
  }),
  z.object({ kind: z.literal("stop"), ...region, reason: text }),
  z.object({
    kind: z.literal("trigger"),
    ...region,
    checkpointId,
    isSavepoint: z.boolean(),
    /** Hub's wall clock at the trigger; only for the start delay shown. */
    triggeredAtMs: z.number(),
    /** The job ends with it: the maximum watermark goes before the barrier, timers and windows fire (L3). */
    drain: z.optional(z.boolean()),
  }),
  z.object({ kind: z.literal("completed"), ...region, checkpointId, isSavepoint: z.boolean() }),
  z.object({ kind: z.literal("aborted"), ...region, checkpointId, reason: text }),
  z.object({
    kind: z.literal("uploadGrant"),
    requestId: id,
    /** In the order asked; `put` null: the hub holds the blob already, pinned. */
    blobs: z.array(z.object({ digest, put: z.nullable(signedUrl) })),
  }),
  z.object({ kind: z.literal("uploadRefused"), requestId: id, reason: text }),
  z.object({ kind: z.literal("alarmsStored"), seq: count }),
  z.object({ kind: z.literal("ownership"), ...region, requestId: id, isOwner: z.boolean() }),
  /** What the agent said belongs to an attempt that is over: stop that attempt. */
  z.object({ kind: z.literal("stale"), ...region, currentAttempt: attempt }),
]);
export type HubMessage = z.infer<typeof hubMessage>;
export type HubMessageOf<K extends HubMessage["kind"]> = Extract<HubMessage, { kind: K }>;

/**
 * A message of an agent. Its texts come from telemetry and from the author's code: characters that no
 * database text can hold (NUL, half a surrogate pair) arrive as U+FFFD, so that one odd key cannot stop
 * what is behind it.
 *
 * @throws {PenstockError} `bad-message` naming the first field that is wrong.
 */
export function decodeAgentMessage(text: string): AgentMessage {
  return decode(agentMessage, UNSTORABLE.test(text) ? storable(text) : text);
}

/** As JSON writes NUL and surrogates; it escapes both whenever they stand alone. */
const UNSTORABLE = /\\u(?:0000|d[89a-f])/i;

/** The message with every text in it storable; what is no JSON is left to the decoder. */
function storable(text: string): string {
  const clean = (value: unknown): unknown => {
    if (typeof value === "string") return value.toWellFormed().replaceAll("\0", "\ufffd");
    if (Array.isArray(value)) return value.map(clean);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [clean(k), clean(v)]));
  };
  try {
    return JSON.stringify(clean(JSON.parse(text)));
  } catch {
    return text;
  }
}

/** @throws {PenstockError} `bad-message` naming the first field that is wrong. */
export function decodeHubMessage(text: string): HubMessage {
  return decode(hubMessage, text);
}

function decode<T>(schema: z.ZodMiniType<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw badMessage(`Control message is not JSON: ${text.slice(0, 80)}`, cause);
  }
  const result = z.safeParse(schema, value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const kind = (value as { kind?: unknown } | null)?.kind;
  throw badMessage(
    `Control message "${String(kind)}" is not of version ${MESSAGE_VERSION}: ` +
      `field "${issue?.path.join(".") ?? ""}": ${issue?.message ?? "not understood"}`,
    result.error,
  );
}

function badMessage(message: string, cause: unknown): PenstockError {
  return new PenstockError(message, { code: "bad-message", domain: "internal", cause });
}
