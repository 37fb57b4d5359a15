/**
 * The runner processes of this agent: one per job, shared by the job's regions.
 *
 * Touches processes through a port. A runner is started for the first region that needs it and ended
 * behind the last one. Another bundle, parameters, brokers or heap of the same job is another runner.
 *
 *  1. (P8) User code runs only here, never in the agent's own process.
 *  2. A report reaches the region and attempt it names, if that one still uses the runner; others are
 *     dropped.
 *  3. When a runner exits every region in it hears of it, once.
 *
 * @module
 */
import type { SpawnChild } from "@shared/child_process.ts";
import type { Clock } from "@shared/clock.ts";
import type { Attempt, JobId, RegionId } from "@shared/ids.ts";
import type { Logger } from "@shared/logger.ts";
import type { HubMessageOf } from "@shared/messages.ts";
import { runnerArguments } from "./runner_command.ts";
import type { RunnerCommand, RunnerReport } from "./runner_frames.ts";
import { type RunnerExit, RunnerProcess } from "./runner_process.ts";

export type Deploy = HubMessageOf<"deploy">;

type WithRegion = Extract<RunnerReport, { regionId: RegionId }>;

/** A region as its runner sees it. */
export interface RunnerTenant {
  readonly jobId: JobId;
  readonly regionId: RegionId;
  readonly attempt: Attempt;
  readonly isRunning: boolean;
  onReport(report: WithRegion, body: Uint8Array): void;
  onRunnerExit(exit: RunnerExit): void;
}

/** A region's hold on its runner. */
export interface RunnerLease {
  send(command: RunnerCommand, body?: Uint8Array): Promise<void>;
  /** Kills the process, and so every region in it: the only way to end a region that does not stop. */
  kill(reason: string): void;
  /** The region is done with it; the last one out ends the process. Resolves when that has happened. */
  release(): Promise<void>;
}

export interface RunnerHostOptions {
  readonly spawn: SpawnChild;
  readonly runnerBundle: string;
  /** Tests only: `name:nth`. */
  readonly failPoint: string | null;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Alarms, samples, metrics: what a runner says of no single region. */
  readonly onJobReport: (jobId: JobId, report: JobReport) => void;
  /** The runner waits at its fail point. */
  readonly onFailPoint: (name: string) => void;
}

export type JobReport = Extract<
  RunnerReport,
  { kind: "alarms" | "samples" | "equipment" | "metrics" }
>;

interface Slot {
  readonly key: string;
  readonly jobId: JobId;
  readonly process: RunnerProcess;
  readonly tenants: Set<RunnerTenant>;
}

export class RunnerHost {
  readonly #options: RunnerHostOptions;
  readonly #slots = new Map<string, Slot>();
  /** Every process that has not ended, those on their way out included. */
  readonly #alive = new Set<RunnerProcess>();

  constructor(options: RunnerHostOptions) {
    this.#options = options;
  }

  /**
   * Puts `tenant` into the runner of its job, started if need be, and waits until that is ready.
   *
   * @param bundle Gives the job's bundle; asked only when a process has to be started.
   * @throws {PenstockError} `runner-exited`, with what the runner said; `bad-broker-url`.
   */
  async enter(
    deploy: Deploy,
    tenant: RunnerTenant,
    bundle: () => Promise<Uint8Array>,
  ): Promise<RunnerLease> {
    const key = keyOf(deploy);
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      const bytes = await bundle();
      slot = this.#slots.get(key) ?? this.#start(key, deploy, bytes);
    }
    const held = slot;
    held.tenants.add(tenant);
    try {
      await held.process.ready;
    } catch (error) {
      held.tenants.delete(tenant);
      throw error;
    }
    return {
      send: (command, body) => held.process.send(command, body),
      kill: (reason) => held.process.kill(reason),
      release: () => this.#leave(held, tenant),
    };
  }

  /** Sends `command` to the runner of every job. */
  tellAll(command: RunnerCommand): void {
    for (const { process } of this.#slots.values()) void process.send(command);
  }

  /** Kills every runner at once. */
  killAll(reason: string): void {
    for (const process of this.#alive) process.kill(reason);
  }

  /** Process ids of the runners that live. */
  get pids(): number[] {
    return [...this.#alive].map((process) => process.pid);
  }

  #start(key: string, deploy: Deploy, bundle: Uint8Array): Slot {
    const { spawn, runnerBundle, failPoint, clock, logger } = this.#options;
    const { jobId, sessionJobId = jobId, jobName, params, brokers, heapMb } = deploy;
    const tenants = new Set<RunnerTenant>();
    const process = new RunnerProcess({
      child: spawn(runnerArguments({ runnerBundle, brokers, heapMb })),
      heapMb,
      clock,
      logger: logger.with({ jobId, job: jobName }),
      owesMetrics: () => [...tenants].some((tenant) => tenant.isRunning),
      onReport: (report, body) => this.#report(slot, report, body),
      onExit: (exit) => this.#exited(slot, exit),
    });
    const slot: Slot = { key, jobId, process, tenants };
    this.#slots.set(key, slot);
    this.#alive.add(process);
    logger.info("Started a runner", { jobId, job: jobName, pid: process.pid });
    const init = {
      kind: "init",
      jobId,
      sessionJobId,
      jobName,
      params,
      brokers,
      failPoint,
    } as const;
    void process.send(init, bundle);
    return slot;
  }

  #report(slot: Slot, report: RunnerReport, body: Uint8Array): void {
    switch (report.kind) {
      case "ready":
      case "broken":
        return;
      case "log":
        this.#options.logger[report.level](report.message, { ...report.fields, jobId: slot.jobId });
        return;
      case "failPoint":
        this.#options.onFailPoint(report.name);
        return;
      case "alarms":
      case "samples":
      case "equipment":
      case "metrics":
        this.#options.onJobReport(slot.jobId, report);
        return;
      default:
        tenantOf(slot, report)?.onReport(report, body);
    }
  }

  #exited(slot: Slot, exit: RunnerExit): void {
    this.#alive.delete(slot.process);
    this.#forget(slot);
    this.#options.logger.info("Runner ended", {
      jobId: slot.jobId,
      pid: slot.process.pid,
      reason: exit.reason,
    });
    const tenants = [...slot.tenants];
    slot.tenants.clear();
    for (const tenant of tenants) tenant.onRunnerExit(exit);
  }

  async #leave(slot: Slot, tenant: RunnerTenant): Promise<void> {
    if (!slot.tenants.delete(tenant) || slot.tenants.size > 0) return;
    this.#forget(slot);
    await slot.process.end();
  }

  /** New regions get a new process from here on. */
  #forget(slot: Slot): void {
    if (this.#slots.get(slot.key) === slot) this.#slots.delete(slot.key);
  }
}

function tenantOf(slot: Slot, { regionId, attempt }: WithRegion): RunnerTenant | null {
  for (const tenant of slot.tenants) {
    if (tenant.regionId === regionId && tenant.attempt === attempt) return tenant;
  }
  return null;
}

function keyOf({ jobId, sessionJobId, bundleDigest, params, brokers, heapMb }: Deploy): string {
  const sorted = Object.entries(params).sort();
  return JSON.stringify([jobId, sessionJobId, bundleDigest, sorted, brokers, heapMb]);
}
