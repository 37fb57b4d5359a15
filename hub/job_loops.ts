/**
 * The loops of all jobs, the clock that drives them, and the fleet they share.
 *
 * Touches the database, to learn of jobs and agents. Each job has one loop; a loop is dropped when its
 * job has ended.
 *
 * @module
 */
import { messageOf } from "@shared/errors.ts";
import type { AgentId, JobId, RegionId } from "@shared/ids.ts";
import type { RunningRegion } from "@shared/messages.ts";
import { listAgents } from "./db/agent_store.ts";
import { type DeposedError, withReign } from "./db/hub_state_store.ts";
import { getJob, jobsToLoop } from "./db/job_store.ts";
import { openAgentOperations, updateOperation } from "./db/operation_store.ts";
import { regionsOnAgent } from "./db/region_store.ts";
import { JobLoop } from "./job_loop.ts";
import type { CancelVerdict } from "./job_loop_cancel.ts";
import type { FleetAgent, LoopWorld } from "./job_run.ts";
import type { AgentLinks, HubContext, JobLoops, RegionMessage } from "./ports.ts";

/** How finely deadlines, schedules and pauses are kept. */
const TICK_MS = 200;
/** How often drains are looked at. */
const DRAIN_CHECK_TICKS = 5;

export interface RunningJobLoops extends JobLoops {
  /**
   * Loads every job and goes on with what was under way.
   *
   * @param links The agents' sessions; they may accept connections from now on.
   */
  start(links: AgentLinks): Promise<void>;
  /** Gives an operation up while it has changed nothing. */
  cancelOperation(jobId: JobId, operationId: string): Promise<CancelVerdict>;
  /** Nothing is decided afterwards. */
  stop(): Promise<void>;
}

export interface JobLoopsOptions {
  /** Another hub took over the database: this process has to end (F2). */
  readonly onDeposed: (error: DeposedError) => void;
  /** A job has ended and nothing of it is open. */
  readonly onJobOver?: (jobId: JobId) => void;
}

export function createJobLoops(ctx: HubContext, options: JobLoopsOptions): RunningJobLoops {
  return new Loops(ctx, options);
}

class Loops implements RunningJobLoops {
  readonly #ctx: HubContext;
  readonly #options: JobLoopsOptions;
  readonly #loops = new Map<JobId, JobLoop>();
  readonly #arrived = new Set<AgentId>();
  #fleet: ReadonlyMap<AgentId, FleetAgent> = new Map();
  #world: LoopWorld | null = null;
  #cancelTick: () => void = () => {};
  #ticks = 0;
  #isStopped = false;
  /** Monotonic; until then agents that are away may only not have found the hub yet. */
  #gatherUntilMs = 0;
  /** Every enrolled agent has been here since the start; it stays true. */
  #hasGathered = false;

  constructor(ctx: HubContext, options: JobLoopsOptions) {
    this.#ctx = ctx;
    this.#options = options;
  }

  async start(links: AgentLinks): Promise<void> {
    const fleet = () => this.#fleet;
    this.#world = {
      ...this.#ctx,
      links,
      get fleet() {
        return fleet();
      },
      isLive: (agentId) =>
        this.#arrived.has(agentId) && links.isOnline(agentId) && links.verdict(agentId) === "held",
      isFleetBack: () => this.#isFleetBack(),
    };
    const { leaseTtlMs, startGraceMs } = this.#ctx.config;
    this.#gatherUntilMs = this.#ctx.clock.monotonicMs() + leaseTtlMs + startGraceMs;
    await this.#readFleet();
    for (const jobId of await jobsToLoop(this.#ctx.db)) this.#loopOf(jobId);
    this.#armTick();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTick();
    await Promise.all([...this.#loops.values()].map((loop) => loop.stop()));
  }

  cancelOperation(jobId: JobId, operationId: string): Promise<CancelVerdict> {
    return this.#loopOf(jobId).cancelOperation(operationId);
  }

  wake(jobId: JobId): void {
    this.#loopOf(jobId).wake();
  }

  fleetChanged(): void {
    void this.#readFleet().then(() => {
      for (const loop of this.#loops.values()) loop.fleetChanged();
    }).catch((thrown) => this.#logFailure("Fleet was not read", thrown));
  }

  async deliver(agentId: AgentId, message: RegionMessage): Promise<void> {
    await this.#loops.get(message.jobId)?.deliver(agentId, message);
  }

  async ownership(agentId: AgentId, jobId: JobId, regionId: RegionId) {
    return await this.#loops.get(jobId)?.ownership(agentId, regionId) ?? null;
  }

  async agentArrived(agentId: AgentId, regions: readonly RunningRegion[]): Promise<void> {
    // Nothing is placed on it before every loop has judged what it says it runs.
    this.#arrived.delete(agentId);
    await this.#readFleet();
    for (const { jobId, regionId, attempt } of regions) {
      if (this.#loops.has(jobId)) continue;
      // A job that ended while the agent was away tells it what it may still release, and to stop.
      if (await getJob(this.#ctx.db, jobId) !== null) this.#loopOf(jobId);
      else {
        const reason = "There is no such job";
        this.#world?.links.send(agentId, { kind: "stop", jobId, regionId, attempt, reason });
      }
    }
    await Promise.all(
      [...this.#loops.values()].map((loop) => loop.agentArrived(agentId, regions)),
    );
    this.#arrived.add(agentId);
    for (const loop of this.#loops.values()) loop.fleetChanged();
  }

  agentLost(agentId: AgentId): void {
    this.#arrived.delete(agentId);
    for (const loop of this.#loops.values()) loop.agentLost(agentId);
  }

  isPossiblyAutonomous(jobId: JobId, regionId: RegionId): boolean {
    return this.#loops.get(jobId)?.isPossiblyAutonomous(regionId) ?? false;
  }

  #loopOf(jobId: JobId): JobLoop {
    const known = this.#loops.get(jobId);
    if (known !== undefined) return known;
    if (this.#world === null) throw new Error("Job loops are used before they were started");
    const { onDeposed } = this.#options;
    const loop = new JobLoop({ jobId, world: this.#world, onDeposed });
    this.#loops.set(jobId, loop);
    return loop;
  }

  #isFleetBack(): boolean {
    this.#hasGathered ||= this.#ctx.clock.monotonicMs() >= this.#gatherUntilMs ||
      [...this.#fleet.keys()].every((agentId) => this.#arrived.has(agentId));
    return this.#hasGathered;
  }

  #armTick(): void {
    if (this.#isStopped) return;
    this.#cancelTick = this.#ctx.clock.after(TICK_MS, () => {
      this.#ticks++;
      for (const [jobId, loop] of this.#loops) {
        if (!loop.isOver) loop.tick();
        else {
          this.#loops.delete(jobId);
          this.#options.onJobOver?.(jobId);
        }
      }
      if (this.#ticks % DRAIN_CHECK_TICKS === 0) void this.#endDrains();
      this.#armTick();
    });
  }

  async #readFleet(): Promise<void> {
    const agents = await listAgents(this.#ctx.db);
    this.#fleet = new Map(
      agents.map(({ id, name, labels, isDraining }) => [id, {
        agentId: id,
        name,
        labels,
        isDraining,
      }]),
    );
  }

  /** A drain has ended when its agent runs nothing any more. */
  async #endDrains(): Promise<void> {
    const draining = [...this.#fleet.values()].filter(({ isDraining }) => isDraining);
    try {
      for (const { agentId } of draining) {
        const open = (await openAgentOperations(this.#ctx.db, agentId))
          .filter(({ kind }) => kind === "drain");
        if (open.length === 0) continue;
        const left = (await regionsOnAgent(this.#ctx.db, agentId)).length;
        for (const { id, progress } of open) {
          const total = Math.max(progress.total, left);
          const done = total - left;
          const nowMs = this.#ctx.clock.nowMs();
          const patch = {
            status: left === 0 ? "succeeded" : "running",
            progress: { done, total, phase: left === 0 ? "done" : "moving" },
            ...(left === 0 ? { result: { agentId } } : {}),
            nowMs,
          } as const;
          const { db, hubTerm } = this.#ctx;
          await withReign(db, hubTerm, (tx) => updateOperation(tx, id, patch));
        }
      }
    } catch (thrown) {
      this.#logFailure("Drains were not looked at", thrown);
    }
  }

  #logFailure(message: string, thrown: unknown): void {
    this.#ctx.logger.warn(message, { error: messageOf(thrown) });
  }
}
