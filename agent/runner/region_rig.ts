/**
 * A job whose stages exchange records, its region on one or several hosts, and a network in memory between
 * them, to run in one test without a process or a broker.
 *
 * Touches nothing.
 *
 * @module
 */
import { EquipmentPlaces } from "./equipment_places.ts";
import { assert } from "@shared/assert.ts";
import type { Attempt, CheckpointId, Digest, SubtaskId } from "@shared/ids.ts";
import { type GraphEdge, JOB_GRAPH_VERSION, type OperatorNode } from "@shared/job_graph.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import { planRegions, type SubtaskPlan } from "@shared/regions.ts";
import type { BuiltJob, StatefulSpec } from "@shared/sdk/operator.ts";
import type { RunnerReport } from "../runner_frames.ts";
import { CHANNEL_CREDIT_RECORDS, type ElementBatch } from "./exchange_batch.ts";
import type { ChannelAddress, ExchangeOptions, OpenExchange } from "./exchange_port.ts";
import { FailPoints } from "./fail_points.ts";
import { RegionHost } from "./region_host.ts";
import { chainJob, FakeSink, FakeSource, type Snapshot } from "./test_support.ts";
import { TurnQueue } from "./turn_queue.ts";

const BROKER = { name: "b", url: "mqtt://b", username: null, password: null, caPem: null };

/** A source of `splitCount` splits, keyed operators each behind an exchange, a sink. */
export function exchangeJob(
  keyed: StatefulSpec | readonly StatefulSpec[],
  splitCount: number,
): BuiltJob {
  const chain = chainJob([keyed].flat());
  const edges = chain.graph.edges.map((edge): GraphEdge =>
    edge.kind === "keyByLocal" ? { ...edge, kind: "keyBy" } : edge
  );
  const splits = Array.from({ length: splitCount }, () => ({ topics: [], near: {} }));
  const operators = chain.graph.operators.map((node): OperatorNode =>
    node.kind === "source" ? { ...node, source: { connector: "generator", splits } } : node
  );
  return { ...chain, graph: { version: JOB_GRAPH_VERSION, name: "test", operators, edges } };
}

interface RemoteChannel {
  readonly address: ChannelAddress;
  readonly queue: ElementBatch[];
  credit: number;
  onBatch: (batch: ElementBatch) => void;
  onCredit: () => void;
}

/** Channels between hosts; a batch arrives when the test says so. */
export class FakeNetwork {
  readonly #channels = new Map<string, RemoteChannel>();

  readonly open: OpenExchange = (options) => {
    const sends = options.sends.map((address) => this.#channel(address));
    const receives = options.receives.map((address) => this.#channel(address));
    this.#attach(options, { sends, receives });
    return Promise.resolve({
      send: (index, batch) => {
        const channel = sends[index]!;
        channel.credit -= batch.recordCount;
        channel.queue.push(batch);
      },
      credit: (index) => sends[index]!.credit,
      grant: (index, records) => {
        const channel = receives[index]!;
        const hadNone = channel.credit <= 0;
        channel.credit += records;
        if (hadNone && channel.credit > 0) channel.onCredit();
      },
      close: () => Promise.resolve(),
    });
  };

  /** Delivers the next batch of one channel, picked by `pick`. @returns False when nothing is on its way. */
  deliver(pick: number): boolean {
    const waiting = [...this.#channels.values()].filter(({ queue }) => queue.length > 0);
    const channel = waiting[pick % Math.max(1, waiting.length)];
    if (channel === undefined) return false;
    channel.onBatch(channel.queue.shift()!);
    return true;
  }

  #attach(options: ExchangeOptions, ends: { sends: RemoteChannel[]; receives: RemoteChannel[] }) {
    for (const [index, channel] of ends.sends.entries()) {
      channel.onCredit = () => options.onCredit(index);
    }
    for (const [index, channel] of ends.receives.entries()) {
      channel.onBatch = (batch) => options.onBatch(index, batch);
    }
  }

  #channel(address: ChannelAddress): RemoteChannel {
    const name = `${address.from}>${address.to}`;
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    const channel: RemoteChannel = {
      address,
      queue: [],
      credit: CHANNEL_CREDIT_RECORDS,
      onBatch: () => assert(false, `Nobody receives ${name}`),
      onCredit: () => assert(false, `Nobody sends ${name}`),
    };
    this.#channels.set(name, channel);
    return channel;
  }
}

export interface RegionRigOptions {
  readonly parallelism: number;
  /** Hosts that share the subtasks in turn; 1 unless given. */
  readonly hostCount?: number;
  readonly clock?: ManualClock;
  readonly pieces?: ReadonlyMap<Digest, Uint8Array>;
}

/** One region of a job. */
export class RegionRig {
  readonly clock: ManualClock;
  readonly network = new FakeNetwork();
  readonly hosts: readonly RegionHost[];
  readonly subtasks: readonly SubtaskPlan[];
  readonly reports: RunnerReport[] = [];
  readonly pieces: Map<Digest, Uint8Array>;
  /** Of source `in`, by split. */
  readonly sources: FakeSource[] = [];
  /** By subtask, of every source. */
  readonly allSources = new Map<string, FakeSource>();
  /** All subtasks write to it. */
  readonly sink = new FakeSink();

  constructor(job: BuiltJob, options: RegionRigOptions) {
    this.clock = options.clock ?? new ManualClock();
    this.pieces = new Map(options.pieces);
    const [region, ...others] = planRegions(job.graph, options.parallelism);
    assert(region !== undefined && others.length === 0, "The job has no one region");
    this.subtasks = region.subtasks;
    const hostCount = options.hostCount ?? 1;
    this.hosts = Array.from({ length: hostCount }, (_, host) => {
      const subtasks = region.subtasks.filter((_, index) => index % hostCount === host);
      const { regionId } = region;
      const identity = { jobId: "job", regionId, attempt: 1 as Attempt, subtasks };
      return new RegionHost(identity, job, this.#ports());
    });
  }

  #ports(): ConstructorParameters<typeof RegionHost>[2] {
    const yieldTurn = () => Promise.resolve();
    return {
      clock: this.clock,
      yieldTurn,
      turns: new TurnQueue({ yieldTurn, monotonicMs: () => this.clock.monotonicMs() }),
      report: (report, body) => {
        this.reports.push(report);
        if (report.kind === "piece") this.pieces.set(report.digest, body!);
      },
      places: new EquipmentPlaces(null),
      connectors: {
        createSource: (_spec, output, { uid: sourceUid, splitIndex }) => {
          const source = new FakeSource(output, { sourceUid, splitIndex });
          this.allSources.set(`${sourceUid}.${splitIndex}`, source);
          if (sourceUid === "in") this.sources[splitIndex] = source;
          return source;
        },
        createSink: () => this.sink,
      },
      failPoints: new FailPoints(null, () => {}),
      askOwnership: () => Promise.resolve(true),
      exchange: { open: this.network.open, broker: BROKER, key: "" },
    };
  }

  /** Restores and runs. */
  async start(snapshot: Snapshot | null = null): Promise<this> {
    const pieces = snapshot?.pieces ?? new Map();
    await Promise.all(this.hosts.map((host) => host.restore(snapshot?.request ?? null, pieces)));
    for (const host of this.hosts) host.run();
    await this.settle();
    return this;
  }

  /** Barrier `checkpointId` at every host. */
  trigger(checkpointId: number, isDrain = false): void {
    for (const host of this.hosts) host.trigger(checkpointId as CheckpointId, { isDrain });
  }

  /** Lets everything that is not waiting for time or for the network happen. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 300; turn++) await Promise.resolve();
  }

  /** Lets time pass and the network deliver until nothing happens any more. */
  async quiet(): Promise<void> {
    for (let still = 0; still < 3;) {
      this.clock.advance(5);
      await this.settle();
      still = this.network.deliver(0) ? 0 : still + 1;
    }
  }

  /** Snapshots of `checkpointId`, if every subtask has reported its own. */
  snapshot(checkpointId: number): Snapshot | null {
    const id = checkpointId as CheckpointId;
    const snapshots = this.reportsOf("snapshot")
      .filter((report) => report.checkpointId === id)
      .map(({ snapshot }): SubtaskSnapshot => snapshot);
    const ids = new Set<SubtaskId>(snapshots.map(({ subtaskId }) => subtaskId));
    assert(ids.size === snapshots.length, `Two snapshots ${id} of one subtask`);
    if (ids.size < this.subtasks.length) return null;
    return { request: { checkpointId: id, isSavepoint: false, snapshots }, pieces: this.pieces };
  }

  /** Barrier, snapshots, and what to restore them with. */
  async checkpoint(checkpointId: number): Promise<Snapshot> {
    this.trigger(checkpointId);
    await this.quiet();
    const snapshot = this.snapshot(checkpointId);
    assert(snapshot !== null, `No snapshot ${checkpointId}: ${JSON.stringify(this.reports)}`);
    return snapshot;
  }

  reportsOf<K extends RunnerReport["kind"]>(kind: K): Extract<RunnerReport, { kind: K }>[] {
    return this.reports.filter((report) => report.kind === kind) as Extract<
      RunnerReport,
      { kind: K }
    >[];
  }
}
