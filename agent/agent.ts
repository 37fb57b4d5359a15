/**
 * What this agent runs, and how it takes the hub's orders.
 *
 * Shell: owns the table of regions; everything it touches comes in through ports.
 *
 *  1. (F3) An order of a lower attempt than the table knows is dropped; one of a higher attempt ends
 *     what the agent runs of that region first.
 *  2. (H1) Each hello lists every region that is alive here, with its last completed checkpoint, and
 *     those that failed, which the hub may not have heard of.
 *  3. (F6) Without the hub the regions go on; nothing here stops or acknowledges on its own account.
 *
 * @module
 */
import type { SpawnChild } from "@shared/child_process.ts";
import type { Clock } from "@shared/clock.ts";
import type { Attempt, SubtaskId } from "@shared/ids.ts";
import type { LocalFiles } from "@shared/local_files.ts";
import type { Logger } from "@shared/logger.ts";
import {
  type AgentMessageOf,
  type AlarmEdge,
  type LogLine,
  MESSAGE_VERSION,
  type SubtaskMetrics,
} from "@shared/messages.ts";
import type { Random } from "@shared/random.ts";
import type { OpenSocket } from "@shared/socket.ts";
import { AlarmOutbox } from "./alarm_outbox.ts";
import { LocalStore, type Sha256 } from "./checkpoint/local_store.ts";
import { UploadBudget } from "./checkpoint/upload_budget.ts";
import { FailPoints } from "./fail_points.ts";
import { HubClient, type HubOrder } from "./hub_client.ts";
import { noState, notRunning, type RegionPorts, RegionRun } from "./region_run.ts";
import { type Deploy, type JobReport, RunnerHost } from "./runner_host.ts";

export const AGENT_VERSION = "0.1.0";
/** An answer that does not come within this is asked for again: the hub's database may have been away. */
const RESEND_INTERVAL_MS = 5_000;
/** Samples, or places, of one message: the hub takes no more than 20,000, and no message above its limit. */
const ITEMS_PER_MESSAGE_MAX = 2_000;
/** Attempts that are over and still remembered, so that late orders of theirs are recognised. */
const REMEMBERED_MAX = 1_000;

export interface AgentPorts {
  readonly hubUrl: string;
  readonly credential: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly dataDir: string;
  /** The bundled runner, one file. */
  readonly runnerBundle: string;
  /** Tests only: `name:nth`. */
  readonly failPoint: string | null;
  /** Bytes per second that all uploads together may take; null or left out: no limit. */
  readonly uploadLimit?: number | null;
  /** Tests only: kills this process as a power cut would; the runners of `pids` go first. */
  readonly stopDead: (name: string, pids: readonly number[]) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What was logged since the last call, for the hub; nothing unless given. */
  readonly logLines?: () => LogLine[];
  readonly files: LocalFiles;
  readonly sha256: Sha256;
  readonly fetch: typeof fetch;
  readonly spawn: SpawnChild;
  readonly openSocket: OpenSocket;
}

type RegionOrder = Extract<HubOrder, { attempt: Attempt }>;

export class Agent {
  readonly #ports: AgentPorts;
  readonly #client: HubClient;
  readonly #runners: RunnerHost;
  readonly #alarms: AlarmOutbox;
  readonly #regionPorts: RegionPorts;
  readonly #bootId: string;
  /** Latest attempt of each region, by `job/region`; those that are over are forgotten oldest first. */
  readonly #regions = new Map<string, Known>();
  #cancelResend: () => void = () => {};
  /** Of each region, by `job/region`: seconds left of each subtask whose window fills. */
  readonly #windowSecondsLeft = new Map<string, Map<SubtaskId, number>>();

  private constructor(ports: AgentPorts, pieces: LocalStore, bundles: LocalStore) {
    this.#ports = ports;
    this.#bootId = ports.random.uuid();
    const { clock, random, logger, uploadLimit = null } = ports;
    const stopDead = (name: string) => ports.stopDead(name, this.#runners.pids);
    this.#client = new HubClient({
      ...ports,
      hello: () => this.#hello(),
      onWelcome: () => this.#reconnected(),
      onMessage: (order) => this.#take(order),
      windowSecondsLeft: () => this.#leastWindow(),
      logLines: () => ports.logLines?.() ?? [],
    });
    this.#runners = new RunnerHost({
      ...ports,
      onJobReport: (jobId, report) => this.#jobReport(jobId, report),
      onFailPoint: stopDead,
    });
    this.#alarms = new AlarmOutbox((message) => this.#client.send(message), clock);
    this.#regionPorts = {
      send: (message) => this.#client.send(message),
      runners: this.#runners,
      pieces,
      bundles,
      alarms: this.#alarms,
      failPoints: new FailPoints(ports.failPoint, stopDead),
      transfer: {
        fetch: ports.fetch,
        sha256: ports.sha256,
        clock,
        random,
        ...(uploadLimit === null ? {} : { uploads: new UploadBudget(uploadLimit, clock) }),
      },
      clock,
      logger,
    };
  }

  /** An agent with its local stores open, not yet connected. */
  static async open(ports: AgentPorts): Promise<Agent> {
    const directory = ports.dataDir.replace(/\/+$/, "");
    const pieces = await LocalStore.open({ ...ports, directory: `${directory}/pieces` });
    const bundles = await LocalStore.open({ ...ports, directory: `${directory}/bundles` });
    return new Agent(ports, pieces, bundles);
  }

  /** Connects to the hub and takes its orders, for ever. */
  start(): void {
    this.#client.start();
    this.#resendLater();
  }

  get isConnected(): boolean {
    return this.#client.isConnected;
  }

  /** Process ids of the runners that live. */
  get runnerPids(): number[] {
    return this.#runners.pids;
  }

  /** Stops every region, says goodbye; the hub may place the regions elsewhere at once. */
  async stop(reason: string): Promise<void> {
    await Promise.all([...this.#regions.values()].map((known) => known.run?.stop()));
    this.#cancelResend();
    await this.#client.close(reason);
    this.#runners.killAll(reason);
  }

  #hello(): AgentMessageOf<"hello"> {
    return {
      kind: "hello",
      version: MESSAGE_VERSION,
      agentVersion: AGENT_VERSION,
      bootId: this.#bootId,
      labels: { ...this.#ports.labels },
      regions: [...this.#regions.values()].flatMap(({ run }) =>
        run !== null && (!run.isOver || run.status === "failed") ? [run.asRunning] : []
      ),
      canGoAutonomous: false,
    };
  }

  #resendLater(): void {
    this.#cancelResend = this.#ports.clock.after(RESEND_INTERVAL_MS, () => {
      if (this.#client.isConnected) {
        this.#alarms.resend(RESEND_INTERVAL_MS);
        for (const run of this.#alive()) run.askAgain();
      }
      this.#resendLater();
    });
  }

  #reconnected(): void {
    this.#alarms.resend(0);
    for (const run of this.#alive()) run.reconnected();
    this.#runners.tellAll({ kind: "tellPlaces" });
  }

  #take(order: HubOrder): void {
    switch (order.kind) {
      case "uploadGrant":
      case "uploadRefused":
        this.#alive().some((run) => run.granted(order));
        return;
      case "alarmsStored":
        this.#alarms.stored(order.seq);
        return;
      case "deploy":
        this.#deploy(order);
        return;
      default:
        this.#takeForRegion(order);
    }
  }

  #deploy(deploy: Deploy): void {
    const name = nameOf(deploy);
    const known = this.#regions.get(name);
    if (known !== undefined && deploy.attempt < known.attempt) {
      this.#ignored(deploy, known.attempt);
      return;
    }
    if (deploy.attempt === known?.attempt && known.run !== null) {
      known.run.repeatStatus();
      return;
    }
    const before = endOf(known);
    const { jobId, regionId, attempt } = deploy;
    const run = new RegionRun(deploy, this.#regionPorts);
    this.#remember(name, { attempt, run, before });
    this.#ports.logger.info("Took on a region", { jobId, regionId, attempt });
    void run.start(deploy, before);
  }

  #takeForRegion(order: Exclude<RegionOrder, { kind: "deploy" }>): void {
    const name = nameOf(order);
    const known = this.#regions.get(name);
    if (order.kind === "stale") {
      this.#stale(name, order);
      return;
    }
    if (known !== undefined && order.attempt < known.attempt) {
      this.#ignored(order, known.attempt);
      if (order.kind === "stop") this.#tellStopped(order);
      return;
    }
    if (known === undefined || order.attempt > known.attempt) {
      const before = endOf(known);
      this.#remember(name, { attempt: order.attempt, run: null, before });
      void before.then(() => this.#notHere(order));
      return;
    }
    if (known.run === null) this.#notHere(order);
    else this.#obey(known.run, order);
  }

  #obey(run: RegionRun, order: Exclude<RegionOrder, { kind: "deploy" | "stale" }>): void {
    switch (order.kind) {
      case "run":
        run.run();
        break;
      case "stop":
        void run.stop().then(() => run.tellStopped(order.reason));
        break;
      case "trigger":
        run.trigger(order);
        break;
      case "completed":
        run.completed(order);
        break;
      case "aborted":
        run.aborted(order);
        break;
      case "ownership":
        run.owned(order);
        break;
      case "queryState":
        run.query(order);
        break;
    }
  }

  /** An order for an attempt that this agent does not run: the hub is told, where it waits for an answer. */
  #notHere(order: Exclude<RegionOrder, { kind: "deploy" | "stale" }>): void {
    const { jobId, regionId, attempt } = order;
    if (order.kind === "stop") this.#tellStopped(order);
    else if (order.kind === "run") {
      this.#client.send({
        kind: "status",
        jobId,
        regionId,
        attempt,
        status: "failed",
        reason: "The agent does not run this attempt: it was restarted or never got the deployment",
        isRetryable: true,
      });
    } else if (order.kind === "trigger") {
      const subtaskId = order.regionId as string as SubtaskId;
      this.#client.send(notRunning(order, { subtaskId }, "The agent does not run this attempt"));
    } else if (order.kind === "queryState") {
      this.#client.send(noState(order));
    }
  }

  #stale(name: string, { attempt, currentAttempt }: Extract<RegionOrder, { kind: "stale" }>): void {
    const known = this.#regions.get(name);
    if (known === undefined || known.attempt > attempt || known.attempt >= currentAttempt) return;
    this.#ports.logger.warn("Stopped an attempt that is over", {
      region: name,
      attempt,
      currentAttempt,
    });
    void known.run?.stop();
  }

  #tellStopped({ jobId, regionId, attempt, reason }: Extract<RegionOrder, { kind: "stop" }>): void {
    this.#client.send({
      kind: "status",
      jobId,
      regionId,
      attempt,
      status: "stopped",
      reason,
      isRetryable: true,
    });
  }

  #ignored(order: RegionOrder, knownAttempt: Attempt): void {
    this.#ports.logger.warn("Ignored an order of an old attempt", {
      kind: order.kind,
      region: nameOf(order),
      attempt: order.attempt,
      knownAttempt,
    });
  }

  #jobReport(jobId: string, report: JobReport): void {
    switch (report.kind) {
      case "alarms":
        this.#raise(report.edges);
        break;
      case "samples":
        for (const samples of partsOf(report.samples)) {
          this.#client.send({ kind: "samples", jobId: jobId as Deploy["jobId"], samples });
        }
        break;
      case "equipment":
        for (const places of partsOf(report.places)) {
          this.#client.send({ kind: "equipment", jobId: jobId as Deploy["jobId"], places });
        }
        break;
      case "metrics":
        for (const subtask of report.subtasks) {
          this.#keepWindow(subtask);
        }
        this.#client.send({ kind: "metrics", subtasks: [...report.subtasks] });
        break;
    }
  }

  /** Edges of an attempt that is over are dropped: its successor raises them again under the same ids. */
  #raise(edges: readonly AlarmEdge[]): void {
    const byRegion = Map.groupBy(edges, nameOf);
    for (const [name, ofRegion] of byRegion) {
      const run = this.#regions.get(name)?.run ?? null;
      if (run !== null && run.status !== "failed") this.#alarms.add(run, ofRegion);
    }
  }

  #alive(): RegionRun[] {
    return [...this.#regions.values()].flatMap(({ run }) =>
      run === null || run.isOver ? [] : [run]
    );
  }

  #keepWindow({ jobId, regionId, subtaskId, windowSecondsLeft }: SubtaskMetrics): void {
    const name = nameOf({ jobId, regionId });
    const ofRegion = this.#windowSecondsLeft.get(name) ?? new Map<SubtaskId, number>();
    if (windowSecondsLeft === null) ofRegion.delete(subtaskId);
    else ofRegion.set(subtaskId, windowSecondsLeft);
    this.#windowSecondsLeft.set(name, ofRegion);
  }

  #leastWindow(): number | null {
    const seconds = this.#alive()
      .flatMap((run) => [...this.#windowSecondsLeft.get(nameOf(run))?.values() ?? []]);
    return seconds.length === 0 ? null : Math.min(...seconds);
  }

  #remember(name: string, known: Known): void {
    this.#regions.delete(name);
    this.#regions.set(name, known);
    for (const [other, { run }] of this.#regions) {
      if (this.#regions.size <= REMEMBERED_MAX) return;
      if (run !== null && !run.isOver) continue;
      this.#regions.delete(other);
      this.#windowSecondsLeft.delete(other);
    }
  }
}

interface Known {
  readonly attempt: Attempt;
  /** Null when the agent knows of the attempt and does not run it. */
  readonly run: RegionRun | null;
  /** Resolves when every lower attempt has ended here. */
  readonly before: Promise<void>;
}

/** Ends the attempt; resolves when it and all before it have ended here (F3). */
async function endOf(known: Known | undefined): Promise<void> {
  await Promise.all([known?.run?.stop(), known?.before]);
}

function nameOf({ jobId, regionId }: { jobId: string; regionId: string }): string {
  return `${jobId}/${regionId}`;
}

function partsOf<Item>(items: readonly Item[]): Item[][] {
  const parts: Item[][] = [];
  for (let from = 0; from < items.length; from += ITEMS_PER_MESSAGE_MAX) {
    parts.push(items.slice(from, from + ITEMS_PER_MESSAGE_MAX));
  }
  return parts;
}
