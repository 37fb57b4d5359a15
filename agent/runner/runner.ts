/**
 * The runner of one job on one agent: takes the agent's frames and keeps the subtasks of its regions.
 *
 * Touches the ports it is given. A frame is carried out to its end before the next one.
 *
 * Invariants:
 *
 *   F3  A frame of a lower attempt than the one known is dropped; a higher attempt ends the lower one.
 *   P8  The job's code is evaluated here and nowhere else.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import { messageOf, UserError } from "@shared/errors.ts";
import type { Attempt, Digest, RegionId } from "@shared/ids.ts";
import type { BrokerConfig, ExchangeConfig, KeyAnswer } from "@shared/messages.ts";
import type { BuiltJob } from "@shared/sdk/operator.ts";
import type { RunnerCommand, RunnerReport } from "../runner_frames.ts";
import type { ConnectorFactory } from "./connectors.ts";
import type { OpenExchange } from "./exchange_port.ts";
import { EquipmentPlaces } from "./equipment_places.ts";
import { FailPoints } from "./fail_points.ts";
import { RegionHost, type RemoteExchange } from "./region_host.ts";
import { TurnQueue } from "./turn_queue.ts";

const TICK_MS = 1_000;

type CommandOf<K extends RunnerCommand["kind"]> = Extract<RunnerCommand, { kind: K }>;

export interface RunnerPorts {
  readonly clock: Clock;
  readonly yieldTurn: () => Promise<void>;
  readonly report: (report: RunnerReport, body?: Uint8Array) => void;
  /** Evaluates the bundle and builds the job; throws what the author has to correct. */
  readonly evaluate: (bundle: string, params: Readonly<Record<string, string>>) => BuiltJob;
  readonly createConnectors: (of: {
    jobId: string;
    /** Job under whose name the sources keep their sessions. */
    sessionJobId: string;
    brokers: readonly BrokerConfig[];
    failPoints: FailPoints;
  }) => ConnectorFactory;
  /** Reaches the subtasks of a region that other agents run. */
  readonly openExchange: OpenExchange;
  /** Tests only: says that fail point `name` is reached, and stops everything. */
  readonly stopDead: (name: string) => void;
  /** Ends the process. */
  readonly exit: (code: number) => void;
}

/** A job whose bundle was evaluated. */
interface LoadedJob {
  readonly jobId: string;
  readonly job: BuiltJob;
  readonly brokers: readonly BrokerConfig[];
  readonly connectors: ConnectorFactory;
  readonly failPoints: FailPoints;
  readonly places: EquipmentPlaces;
}

/** Pieces that came before `start`, of one attempt of a region. */
interface Delivery {
  readonly attempt: Attempt;
  readonly pieces: Map<Digest, Uint8Array>;
}

export class Runner {
  readonly #ports: RunnerPorts;
  readonly #hosts = new Map<RegionId, RegionHost>();
  readonly #turns: TurnQueue;
  readonly #deliveries = new Map<RegionId, Delivery>();
  readonly #questions = new Map<string, (isOwner: boolean) => void>();
  #loaded: LoadedJob | null = null;
  #questionCount = 0;

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
    this.#turns = new TurnQueue({
      yieldTurn: ports.yieldTurn,
      monotonicMs: () => ports.clock.monotonicMs(),
    });
  }

  /** Carries out one frame. */
  handle(command: RunnerCommand, body: Uint8Array): void {
    switch (command.kind) {
      case "init":
        return this.#init(command, body);
      case "restorePiece":
        return this.#deliver(command, body);
      case "start":
        return this.#start(command);
      case "stop":
        return this.#stop(command);
      case "ownership":
        this.#questions.get(command.requestId)?.(command.isOwner);
        this.#questions.delete(command.requestId);
        return;
      case "run":
        return this.#host(command)?.run();
      case "trigger":
        return this.#trigger(command);
      case "completed":
        return this.#host(command)?.completed(command.checkpointId, command);
      case "aborted":
        return this.#host(command)?.aborted(command.checkpointId);
      case "queryState":
        return this.#query(command);
      case "tellPlaces":
        return this.#loaded?.places.tellAgain();
    }
  }

  #init(command: CommandOf<"init">, body: Uint8Array): void {
    const { report, evaluate, createConnectors, stopDead, exit } = this.#ports;
    const { jobId, sessionJobId = jobId, params, brokers, failPoint } = command;
    const failPoints = new FailPoints(failPoint, stopDead);
    try {
      const job = evaluate(new TextDecoder().decode(body), params);
      const connectors = createConnectors({ jobId, sessionJobId, brokers, failPoints });
      const places = new EquipmentPlaces(job.equipment ?? null);
      this.#loaded = { jobId, job, brokers, connectors, failPoints, places };
    } catch (thrown) {
      report({ kind: "broken", message: messageOf(thrown) });
      return exit(1);
    }
    report({ kind: "ready" });
    this.#ports.clock.after(TICK_MS, () => this.#tick());
  }

  #deliver(command: CommandOf<"restorePiece">, body: Uint8Array): void {
    const { regionId, attempt, digest } = command;
    let delivery = this.#deliveries.get(regionId);
    if (delivery === undefined || delivery.attempt < attempt) {
      delivery = { attempt, pieces: new Map() };
      this.#deliveries.set(regionId, delivery);
    }
    if (delivery.attempt === attempt) delivery.pieces.set(digest, body);
  }

  #start(command: CommandOf<"start">): void {
    const { regionId, attempt, restore } = command;
    const known = this.#hosts.get(regionId);
    if (known !== undefined && known.attempt >= attempt) return;
    void known?.stop();
    const delivery = this.#deliveries.get(regionId);
    this.#deliveries.delete(regionId);
    const pieces = delivery?.attempt === attempt ? delivery.pieces : new Map<Digest, Uint8Array>();
    try {
      const host = this.#createHost(command);
      this.#hosts.set(regionId, host);
      void host.restore(restore, pieces);
    } catch (thrown) {
      const message = messageOf(thrown);
      this.#ports.report({ kind: "failed", regionId, attempt, message, isRetryable: false });
    }
  }

  #createHost({ regionId, attempt, subtasks, exchange }: CommandOf<"start">): RegionHost {
    const loaded = this.#loaded;
    if (loaded === null) throw new Error("The runner got `start` before `init`");
    const { jobId, job, connectors, failPoints, places } = loaded;
    const { report, clock, yieldTurn } = this.#ports;
    return new RegionHost({ jobId, regionId, attempt, subtasks }, job, {
      clock,
      yieldTurn,
      turns: this.#turns,
      report,
      connectors,
      failPoints,
      places,
      askOwnership: (regionId, attempt) => this.#askOwnership(regionId, attempt),
      exchange: exchange === null ? null : this.#remoteExchange(exchange, loaded),
    });
  }

  #remoteExchange({ broker: name, key }: ExchangeConfig, { brokers }: LoadedJob): RemoteExchange {
    const broker = brokers.find((candidate) => candidate.name === name);
    if (broker !== undefined) return { open: this.#ports.openExchange, broker, key };
    throw new UserError(
      "broker-unknown",
      `The exchange names broker "${name}", which was not given`,
    );
  }

  #stop(command: CommandOf<"stop">): void {
    const { regionId, attempt } = command;
    const host = this.#host(command);
    this.#deliveries.delete(regionId);
    const stopped = host?.stop() ?? Promise.resolve();
    void stopped.then(() => {
      if (this.#hosts.get(regionId) === host) this.#hosts.delete(regionId);
      this.#ports.report({ kind: "stopped", regionId, attempt });
    });
  }

  #trigger(command: CommandOf<"trigger">): void {
    const { regionId, attempt, checkpointId, drain } = command;
    const host = this.#host(command);
    if (host !== undefined) return host.trigger(checkpointId, { isDrain: drain === true });
    this.#ports.report({
      kind: "declined",
      regionId,
      attempt,
      subtaskId: null,
      checkpointId,
      reason: "not-running",
      detail: "The runner has no such attempt of the region",
    });
  }

  #query(command: CommandOf<"queryState">): void {
    const { regionId, attempt, requestId, subtaskId, operatorUid, key } = command;
    let answer: KeyAnswer = { kind: "refused", reason: "not-running" };
    try {
      answer = this.#host(command)?.query(subtaskId, { operatorUid, key }) ?? answer;
    } catch (thrown) {
      // A value that has no stored form fails the next snapshot, which says so; a look does not.
      if (!(thrown instanceof UserError)) throw thrown;
    }
    this.#ports.report({ kind: "stateAnswer", regionId, attempt, requestId, answer });
  }

  /** The region under exactly this attempt (F3). */
  #host(of: { regionId: RegionId; attempt: Attempt }): RegionHost | undefined {
    const host = this.#hosts.get(of.regionId);
    return host?.attempt === of.attempt ? host : undefined;
  }

  #askOwnership(regionId: RegionId, attempt: Attempt): Promise<boolean> {
    const requestId = `q${++this.#questionCount}`;
    return new Promise((resolve) => {
      this.#questions.set(requestId, resolve);
      this.#ports.report({ kind: "askOwnership", regionId, attempt, requestId });
    });
  }

  #tick(): void {
    const { report, clock } = this.#ports;
    const ticks = [...this.#hosts.values()].map((host) => host.tick());
    const subtasks = ticks.flatMap((tick) => tick.metrics);
    if (subtasks.length > 0) report({ kind: "metrics", subtasks });
    const samples = ticks.flatMap((tick) => tick.samples);
    if (samples.length > 0) report({ kind: "samples", samples });
    this.#loaded?.places.signalsSeen(samples);
    const places = this.#loaded?.places.take() ?? [];
    if (places.length > 0) report({ kind: "equipment", places });
    clock.after(TICK_MS, () => this.#tick());
  }
}
