/**
 * A hub without its HTTP face: job loops and agent sessions over a database in memory and a clock that
 * the test moves.
 */
import { type AgentSessions, createAgentSessions } from "../../hub/agent_sessions.ts";
import { createAgent } from "../../hub/db/agent_store.ts";
import type { Db } from "../../hub/db/client.ts";
import { takeReign } from "../../hub/db/hub_state_store.ts";
import { createJob } from "../../hub/db/job_store.ts";
import {
  createOperation,
  getOperation,
  isEnded,
  type OperationKind,
  type OperationRecord,
} from "../../hub/db/operation_store.ts";
import { listRegions, type RegionRecord } from "../../hub/db/region_store.ts";
import { bundles } from "../../hub/db/schema.ts";
import { createJobLoops, type RunningJobLoops } from "../../hub/job_loops.ts";
import { createLiveState } from "../../hub/live_state.ts";
import type { FailPoint, HubConfig, HubEvent } from "../../hub/ports.ts";
import { openSignals, type Signals } from "../../hub/series/signals.ts";
import { openSettings } from "../../hub/settings.ts";
import type { AgentId, JobId, RegionId } from "@shared/ids.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import type { Logger } from "@shared/logger.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import { FakeAgent, MemoryObjectStore } from "./fake_agent.ts";
import { openMemoryDatabase } from "./memory_database.ts";

const STEP_MS = 200;
const STEPS_MAX = 1_500;

export const JOB_ID = "0190-job" as JobId;
const BUNDLE_DIGEST = "b".repeat(64);

const CONFIG: HubConfig = {
  listen: "127.0.0.1:0",
  publicUrl: "http://127.0.0.1:0",
  brokers: [],
  checkpointIntervalMs: 5_000,
  minPauseMs: 1_000,
  checkpointTimeoutMs: 60_000,
  tolerableFailures: 5,
  retainedCheckpoints: 3,
  heartbeatIntervalMs: 2_000,
  leaseTtlMs: 6_000,
  startGraceMs: 2_000,
  reassignWithinMs: 30_000,
  autonomousAfterMs: 45_000,
  restartBackoffMs: { first: 1_000, max: 60_000 },
  runnerHeapMb: 256,
  garbageGraceMs: 600_000,
  sampleRetentionMs: 600_000,
  minuteRetentionMs: 86_400_000,
  hourRetentionMs: 7 * 86_400_000,
  eventRetentionMs: 86_400_000,
  staleAfterMs: 30_000,
  shelveMaxMs: 86_400_000,
};

const SILENT: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  with: () => SILENT,
};

/** A job of one source with two splits and one keyed operator. */
export function graphOf(splits = 2): JobGraph {
  return {
    version: 1,
    name: "pump-watch",
    operators: [
      {
        uid: "telemetry",
        kind: "source",
        label: "mqtt",
        isKeyed: false,
        states: [],
        source: {
          connector: "mqtt",
          broker: "plant",
          splits: Array.from({ length: splits }, (_, i) => ({ topics: [`line/${i}`], near: {} })),
          receiveMaximum: 65_535,
          sessionExpirySeconds: 86_400,
          whenHubAway: "continue",
          onGap: "continue",
          maxPayloadBytes: 1_000_000,
          peakRate: null,
        },
      },
      {
        uid: "count",
        kind: "mapWithState",
        label: "count",
        isKeyed: true,
        states: [{ name: "state", kind: "value", codecVersion: 1 }],
      },
    ],
    edges: [{ from: "telemetry", to: "count", kind: "keyByLocal" }],
  };
}

/** Like {@linkcode graphOf}, with records exchanged by key between the subtasks of the two stages. */
export function exchangeGraph(splits = 2): JobGraph {
  const graph = graphOf(splits);
  return { ...graph, edges: [{ from: "telemetry", to: "count", kind: "keyBy" }] };
}

export class HubWorld {
  readonly clock: ManualClock = new ManualClock();
  readonly objects: MemoryObjectStore = new MemoryObjectStore();
  readonly events: { type: string; body: Readonly<Record<string, unknown>> }[] = [];
  readonly agents = new Map<string, FakeAgent>();
  failPoint: (name: FailPoint) => void = () => {};
  isDeposed = false;
  sessions!: AgentSessions;
  loops!: RunningJobLoops;
  /** Wraps the database of the next hub that starts. */
  wrapDb: (db: Db) => Db = (db) => db;
  readonly #random = new SeededRandom(7, () => this.clock.nowMs());
  #signals: Signals | null = null;
  #closeDatabase: () => Promise<void> = () => Promise.resolve();
  #operations = 0;

  private constructor(readonly db: Db, readonly config: HubConfig) {}

  static async open(config: Partial<HubConfig> = {}): Promise<HubWorld> {
    const { db, close } = await openMemoryDatabase();
    const world = new HubWorld(db, { ...CONFIG, ...config });
    world.#closeDatabase = close;
    await world.startHub();
    return world;
  }

  /** A new reign over the same database; the hub before, if any, is not told. */
  async startHub(): Promise<void> {
    const { hubTerm } = await takeReign(this.db, this.clock, this.#random);
    const publish = (type: string, _subject: unknown, body: Record<string, unknown>) =>
      void this.events.push({ type, body });
    const live = createLiveState();
    const settings = await openSettings(this.db, this.config);
    const part = { db: this.db, clock: this.clock, logger: SILENT, hubTerm, live, settings };
    const ctx = {
      config: this.config,
      db: this.wrapDb(this.db),
      objects: this.objects,
      clock: this.clock,
      random: this.#random,
      logger: SILENT,
      hubTerm,
      events: {
        publish,
        push: () => {},
        subscribe: (_listener: (event: HubEvent) => void) => () => {},
        since: () => Promise.resolve([]),
      },
      live,
      settings,
      signals: this.#signals = await openSignals(part),
      failPoint: (name: FailPoint) => this.failPoint(name),
    };
    this.loops = createJobLoops(ctx, { onDeposed: () => void (this.isDeposed = true) });
    this.sessions = createAgentSessions(ctx, this.loops);
    await this.sessions.start();
    await this.loops.start(this.sessions);
  }

  /** The hub's process ends; agents lose their connection and go on. */
  async stopHub(): Promise<void> {
    for (const agent of this.agents.values()) agent.disconnect();
    this.sessions.stop();
    await this.loops.stop();
    await this.#signals?.stop();
  }

  async close(): Promise<void> {
    await this.stopHub();
    await this.idle();
    await this.#closeDatabase();
  }

  /** An enrolled agent, connected. */
  async addAgent(id: string, labels: Record<string, string> = {}): Promise<FakeAgent> {
    const agentId = id as AgentId;
    const nowMs = this.clock.nowMs();
    await createAgent(this.db, { id: agentId, name: id, labels, credentialHash: id, nowMs });
    const agent = new FakeAgent(id, this);
    this.agents.set(id, agent);
    agent.connect(this.sessions);
    await this.idle();
    return agent;
  }

  /** Stores a job as a deployment does and wakes its loop. */
  async deploy(graph: JobGraph = graphOf(), parallelism?: number): Promise<string> {
    const nowMs = this.clock.nowMs();
    await this.db.insert(bundles).values({
      digest: BUNDLE_DIGEST,
      bundle: "",
      createdAt: new Date(nowMs),
    });
    await createJob(this.db, {
      id: JOB_ID,
      name: graph.name,
      bundleDigest: BUNDLE_DIGEST,
      params: {},
      graph,
      checkpointIntervalMs: CONFIG.checkpointIntervalMs,
      allowNonRestoredState: false,
      ...(parallelism === undefined ? {} : { parallelism }),
      createdBy: "test",
      nowMs,
    });
    return await this.order("deploy", {});
  }

  /** Stores an operation as a route does and wakes the job's loop. @returns Its id. */
  async order(kind: OperationKind, request: Record<string, unknown>): Promise<string> {
    const id = `operation-${++this.#operations}`;
    const nowMs = this.clock.nowMs();
    const row = { id, kind, jobId: JOB_ID, agentId: null, request, createdBy: "test", nowMs };
    await createOperation(this.db, row);
    this.loops.wake(JOB_ID);
    await this.idle();
    return id;
  }

  /** Waits, moving the clock, until the operation has ended. */
  async ended(operationId: string): Promise<OperationRecord> {
    let found: OperationRecord | null = null;
    await this.until(async () => {
      found = await getOperation(this.db, operationId);
      return found !== null && isEnded(found.status);
    }, `operation ${operationId} ends`);
    return found!;
  }

  regions(): Promise<RegionRecord[]> {
    return listRegions(this.db, JOB_ID);
  }

  /** Every region runs. */
  async allRunning(): Promise<void> {
    await this.until(async () => {
      const regions = await this.regions();
      return regions.length > 0 && regions.every(({ status }) => status === "running");
    }, "all regions run");
  }

  /** Every region has completed a checkpoint with an id of at least `checkpointId`. */
  async completed(checkpointId: number): Promise<void> {
    await this.until(
      async () =>
        (await this.regions()).every((region) => (region.lastCompletedId ?? 0) >= checkpointId),
      `checkpoint ${checkpointId} completes`,
    );
  }

  /** Moves the clock in small steps until `isSo`. */
  async until(isSo: () => Promise<boolean> | boolean, what: string): Promise<void> {
    for (let step = 0; step < STEPS_MAX; step++) {
      await this.idle();
      if (await isSo()) return;
      this.clock.advance(STEP_MS);
    }
    throw new Error(`Waited ${STEP_MS * STEPS_MAX} virtual ms in vain until ${what}`);
  }

  /** Like `until`, while the hub itself waits on the clock and cannot become idle. */
  async pump(isSo: () => Promise<boolean> | boolean, what: string): Promise<void> {
    for (let step = 0; step < STEPS_MAX; step++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (await isSo()) return;
      this.clock.advance(STEP_MS / 2);
    }
    throw new Error(`Waited in vain until ${what}`);
  }

  /** Lets `ms` pass. */
  async pass(ms: number): Promise<void> {
    for (let past = 0; past < ms; past += STEP_MS) {
      await this.idle();
      this.clock.advance(STEP_MS);
    }
    await this.idle();
  }

  /** Resolves when what was said so far has been handled. */
  async idle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) {
      await this.loops.ownership("nobody" as AgentId, JOB_ID, "none" as RegionId);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
}
