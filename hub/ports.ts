/**
 * What the parts of the hub need of each other.
 *
 * Types alone. `hub/main.ts` wires them: the database and stores (`hub/db`), the job loops that decide
 * (`hub/job_loop.ts` over `hub/coordinator`), the agents' control channel (`hub/agent_sessions.ts`) and
 * the HTTP face (`hub/app.ts`, `hub/routes`). Routes change the database and wake a loop; they never
 * call the coordinator's decisions, so a crash between the two loses nothing (H1, H2).
 *
 * @module
 */
import type { EventType, SettingsView } from "@shared/api.ts";
import type { Clock } from "@shared/clock.ts";
import type { AgentId, Attempt, HubTerm, JobId, RegionId, SubtaskId } from "@shared/ids.ts";
import type { Logger } from "@shared/logger.ts";
import type {
  AgentMessage,
  BrokerConfig,
  HubMessage,
  RegionEvent,
  RunningRegion,
  SubtaskMetrics,
  Uplink,
} from "@shared/messages.ts";
import type { ObjectStore } from "@shared/object_store.ts";
import type { Random } from "@shared/random.ts";
import type { LeaseVerdict } from "./coordinator/failure_detector.ts";
import type { Db } from "./db/client.ts";
import type { Signals } from "./series/signals.ts";
import type { LogBook } from "./log_book.ts";
import type { RunningSettings } from "./settings.ts";

/** Fields of {@linkcode SettingsView} are defaults: what is in force is `HubContext.settings`. */
export interface HubConfig extends SettingsView {
  /** `host:port` to listen on. */
  readonly listen: string;
  /** How agents and browsers reach this hub, without a trailing slash; made of `listen` unless given. */
  readonly publicUrl: string;
  readonly brokers: readonly BrokerConfig[];
  readonly checkpointIntervalMs: number;
  readonly minPauseMs: number;
  readonly checkpointTimeoutMs: number;
  readonly tolerableFailures: number;
  readonly retainedCheckpoints: number;
  readonly heartbeatIntervalMs: number;
  readonly leaseTtlMs: number;
  /** Added to the lease after a hub start, before anything may expire (F5). */
  readonly startGraceMs: number;
  readonly reassignWithinMs: number;
  readonly autonomousAfterMs: number;
  readonly restartBackoffMs: { readonly first: number; readonly max: number };
  /** Heap limit of a runner process, MB. */
  readonly runnerHeapMb: number;
  /** Unreferenced objects older than this are swept (G2). */
  readonly garbageGraceMs: number;
}

/** Everything a part of the hub may use of the world. */
export interface HubContext {
  readonly config: HubConfig;
  readonly db: Db;
  readonly objects: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Allocated at start; every write of job, region, lease or checkpoint state checks it (F2). */
  readonly hubTerm: HubTerm;
  readonly events: EventFeed;
  readonly live: LiveState;
  /** What people may change while the hub runs. */
  readonly settings: RunningSettings;
  readonly signals: Signals;
  /** The newest lines of all logs; left out: none are kept. */
  readonly logs?: LogBook;
  /** Called at named points of the coordination; tests end the process there. Absent in normal runs. */
  readonly failPoint?: (name: FailPoint) => void;
}

/** Where a test may end the hub's process (fault F7). */
export type FailPoint =
  | "before-trigger-row"
  | "after-trigger"
  | "first-ack"
  | "before-commit"
  | "after-commit-before-notify"
  | "garbage-marked";

/** One entry of /events. `transient` ones (metrics, samples) are pushed and not stored. */
export interface HubEvent {
  /** Grows with every stored event; null on transient ones. */
  readonly id: number | null;
  readonly at: string;
  /** `job.status`, `checkpoint.completed`, `agent.online`, `alarm.raised`, `metrics`, `samples`, … */
  readonly type: string;
  readonly jobId: string | null;
  readonly agentId: string | null;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface EventFeed {
  /** Stores and pushes. Never throws: a failing store is logged. */
  publish(
    type: EventType,
    subject: { jobId?: string; agentId?: string },
    body: Record<string, unknown>,
  ): void;
  /** Pushes to who listens now; not stored. */
  push(
    type: EventType,
    subject: { jobId?: string; agentId?: string },
    body: Record<string, unknown>,
  ): void;
  subscribe(listener: (event: HubEvent) => void): () => void;
  /** Stored events with an id above `afterId`, oldest first, at most `limit`. */
  since(afterId: number, limit: number): Promise<HubEvent[]>;
}

/** What only memory knows, filled by the agents' sessions and read by the routes. */
export interface LiveState {
  readonly onlineAgents: ReadonlyMap<AgentId, OnlineAgent>;
  /** Latest metrics by `job/region`, its subtasks taken together. */
  readonly metrics: ReadonlyMap<string, LiveMetrics>;
  /** Latest metrics of each subtask, by `job/region`. */
  readonly subtasks: ReadonlyMap<string, ReadonlyMap<SubtaskId, LiveMetrics>>;
  /** What is known of each signal, by `job/operator/key`. */
  readonly samples: ReadonlyMap<string, LiveSignal>;
  /** Last `broker-profile` event by `job/subtask` of the split's source, as it was measured (M7). */
  readonly brokerProfiles: ReadonlyMap<string, RegionEvent>;
}

/** The newest of a signal. */
export interface LiveSignal {
  readonly jobId: JobId;
  readonly operatorUid: string;
  /** Key of the stream, normally the equipment. */
  readonly key: string;
  /** Null when nothing was heard within the retention of samples. */
  readonly atMs: number | null;
  readonly value: number | null;
  readonly score: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface LiveMetrics extends Omit<SubtaskMetrics, "operators"> {
  readonly receivedAtMs: number;
  /** Between the last two reports of the same attempt; null before there are two. */
  readonly recordsInPerSecond: number | null;
  /** Of one subtask; left out where several are taken together. */
  readonly recordsOutPerSecond?: number | null;
  readonly operators: readonly LiveOperator[];
}

/** Counts of one operator since the attempt began; rates as soon as there are two reports of it. */
export interface LiveOperator {
  readonly uid: string;
  readonly recordsIn: number;
  readonly recordsOut: number;
  readonly recordsInPerSecond?: number | null;
  readonly recordsOutPerSecond?: number | null;
}

export interface OnlineAgent {
  readonly agentId: AgentId;
  readonly connectedAtMs: number;
  readonly remoteAddress: string;
  /** As its last heartbeat told; null before it did. */
  readonly uplink?: Uplink | null;
}

/** How job loops talk to agents; sending to an agent that is away is a no-op, reported as false. */
export interface AgentLinks {
  send(agentId: AgentId, message: HubMessage): boolean;
  isOnline(agentId: AgentId): boolean;
  /** Whether regions of this agent may be given to another one now (P6). */
  verdict(agentId: AgentId): LeaseVerdict;
}

/** One loop per job; each is the only writer of its job's state. */
export interface JobLoops {
  /** Something about this job changed in the database (a new operation, a new job): look again. */
  wake(jobId: JobId): void;
  /** The fleet changed: agent enrolled, came, went, drains, was removed. */
  fleetChanged(): void;
  /** A message of an agent about a region, in the order it was received. */
  deliver(agentId: AgentId, message: RegionMessage): Promise<void>;
  /** Whether `attempt` is the region's current one and runs on `agentId` (F3). */
  ownership(
    agentId: AgentId,
    jobId: JobId,
    regionId: RegionId,
  ): Promise<{ currentAttempt: Attempt; isOwner: boolean } | null>;
  /** An agent connected and runs these regions; its regions that are not listed are lost (H1). */
  agentArrived(agentId: AgentId, regions: readonly RunningRegion[]): Promise<void>;
  /** The lease of an agent expired, it said goodbye, or the window to reassign closed. */
  agentLost(agentId: AgentId): void;
  /** The agent is unreachable past `reassignWithin`: reassigning needs `allowGap` (P6). */
  isPossiblyAutonomous(jobId: JobId, regionId: RegionId): boolean;
}

type WithRegion =
  | "status"
  | "acknowledge"
  | "decline"
  | "requestCheckpoint"
  | "uploadRequest"
  | "askOwnership";
export type RegionMessage = Extract<AgentMessage, { kind: WithRegion }>;
