/**
 * A job, connectors and a clock in memory, to run a subtask in one test without a process or a broker.
 *
 * Touches nothing.
 *
 * @module
 */
import { EquipmentPlaces } from "./equipment_places.ts";
import { assert } from "@shared/assert.ts";
import type { Attempt, CheckpointId, Digest, RegionId, SubtaskId } from "@shared/ids.ts";
import { type GraphEdge, JOB_GRAPH_VERSION, type OperatorNode } from "@shared/job_graph.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import type { BuiltJob, OperatorSpec, StatefulSpec } from "@shared/sdk/operator.ts";
import type {
  RestoreOptions,
  SinkWriter,
  SourceOutput,
  SourceReader,
} from "../connectors/connector.ts";
import type { RunnerReport } from "../runner_frames.ts";
import type { ConnectorFactory } from "./connectors.ts";
import { FailPoints } from "./fail_points.ts";
import type { RestoreRequest } from "./restore_plan.ts";
import { Subtask } from "./subtask.ts";
import { TurnQueue } from "./turn_queue.ts";

const REGION = "in.0" as RegionId;

/** Emits what the test says; its section is the position. */
export class FakeSource implements SourceReader {
  readonly output: SourceOutput;
  readonly calls: string[] = [];
  position = 0;

  readonly #place: { readonly sourceUid: string; readonly splitIndex: number };

  constructor(output: SourceOutput, place = { sourceUid: "in", splitIndex: 0 }) {
    this.output = output;
    this.#place = place;
  }

  /** Whether the subtask has asked it to pause. */
  get isPaused(): boolean {
    return this.calls.lastIndexOf("pause") > this.calls.lastIndexOf("resume");
  }

  /** Gives the chain the next record. */
  emit(value: unknown, arrivedAtMs: number): void {
    this.output.record(value, ++this.position, arrivedAtMs);
  }

  restore(section: Uint8Array, options: RestoreOptions): void {
    const saved = new DataView(section.buffer, section.byteOffset).getUint32(0);
    this.position = Math.max(saved, options.positionFloor);
    this.calls.push(`restore ${this.position}${options.isSavepoint ? " savepoint" : ""}`);
  }
  start(): Promise<void> {
    this.calls.push("start");
    return Promise.resolve();
  }
  pause(): void {
    this.calls.push("pause");
  }
  resume(): void {
    this.calls.push("resume");
  }
  capture(checkpointId: CheckpointId): ReturnType<SourceReader["capture"]> {
    this.calls.push(`capture ${checkpointId}`);
    const section = new Uint8Array(4);
    new DataView(section.buffer).setUint32(0, this.position);
    const position = { ...this.#place, position: this.position };
    return { section, position: { ...position, lastRecordAtMs: null } };
  }
  notifyCompleted(checkpointId: CheckpointId): void {
    this.calls.push(`completed ${checkpointId}`);
  }
  notifyAborted(checkpointId: CheckpointId): void {
    this.calls.push(`aborted ${checkpointId}`);
  }
  metrics(): ReturnType<SourceReader["metrics"]> {
    const { position } = this;
    return { position, duplicatesDropped: 0, windowUsed: 0, windowSize: 1, isConnected: true };
  }
  close(): Promise<void> {
    this.calls.push("close");
    return Promise.resolve();
  }
}

/** Keeps what is written; its flush can be made to wait or to fail. */
export class FakeSink implements SinkWriter {
  readonly written: { value: unknown; outputId: string }[] = [];
  readonly calls: string[] = [];
  pendingCount = 0;
  flushed: Promise<void> = Promise.resolve();

  write(value: unknown, outputId: string): void {
    this.written.push({ value, outputId });
  }
  flush(): Promise<void> {
    return this.flushed;
  }
  capture(): Uint8Array | null {
    return null;
  }
  restore(): void {}
  notifyCompleted(checkpointId: CheckpointId): void {
    this.calls.push(`completed ${checkpointId}`);
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A job that is one chain: a source `in`, the given operators, a sink `out`. */
export function chainJob(
  operators: readonly Exclude<OperatorSpec, { kind: "source" | "sink" }>[],
): BuiltJob {
  const specs: OperatorSpec[] = [
    {
      kind: "source",
      uid: "in",
      source: {
        connector: "generator",
        splitCount: 1,
        next: () => undefined,
        ratePerSecond: null,
        eventTime: null,
      },
    },
    ...operators,
    {
      kind: "sink",
      uid: "out",
      sink: { connector: "alarm", priority: "low", response: "", text: null },
    },
  ];
  const edges: GraphEdge[] = specs.slice(1).map((spec, i) => ({
    from: specs[i]!.uid,
    to: spec.uid,
    kind: "keyOf" in spec ? "keyByLocal" : "forward",
  }));
  return {
    graph: { version: JOB_GRAPH_VERSION, name: "test", operators: specs.map(nodeOf), edges },
    operators: new Map(specs.map((spec) => [spec.uid, spec])),
    selectors: specs.slice(1).map((spec) => "keyOf" in spec ? spec.keyOf : null),
  };
}

function nodeOf(spec: OperatorSpec): OperatorNode {
  const isKeyed = "keyOf" in spec;
  const states = isKeyed ? statesOf(spec as StatefulSpec) : [];
  return { uid: spec.uid, kind: spec.kind, label: spec.kind, isKeyed, states };
}

function statesOf(spec: StatefulSpec): OperatorNode["states"] {
  switch (spec.kind) {
    case "process":
      return [...spec.states, { name: "timers", kind: "timers", codecVersion: 1 }];
    case "detect":
      return [{ name: "detector", kind: "detector", codecVersion: spec.detector.codecVersion }];
    case "window":
      return [
        { name: "windows", kind: "window", codecVersion: 1 },
        { name: "timers", kind: "timers", codecVersion: 1 },
      ];
    case "windowJoin":
      return [
        { name: "windows", kind: "join", codecVersion: 1 },
        { name: "timers", kind: "timers", codecVersion: 1 },
      ];
    case "intervalJoin":
      return [
        { name: "left", kind: "join", codecVersion: 1 },
        { name: "right", kind: "join", codecVersion: 1 },
      ];
    case "lookupJoin":
      return [{ name: "row", kind: "value", codecVersion: 1 }];
    default:
      return [{ name: "value", kind: "value", codecVersion: spec.codecVersion }];
  }
}

export interface Snapshot {
  readonly request: RestoreRequest;
  readonly pieces: ReadonlyMap<Digest, Uint8Array>;
}

/** One subtask of a chain job with what it reported. */
export class SubtaskRig {
  readonly clock: ManualClock;
  readonly subtask: Subtask;
  readonly reports: RunnerReport[] = [];
  readonly pieces: Map<Digest, Uint8Array>;
  readonly sink = new FakeSink();
  #source: FakeSource | null = null;

  /** @param pieces Blobs uploaded by earlier attempts. */
  constructor(job: BuiltJob, options: {
    clock?: ManualClock;
    pieces?: ReadonlyMap<Digest, Uint8Array>;
    failPoint?: { setting: string; stop: (name: string) => void };
  } = {}) {
    this.clock = options.clock ?? new ManualClock();
    this.pieces = new Map(options.pieces);
    const connectors: ConnectorFactory = {
      createSource: (_spec, output) => this.#source = new FakeSource(output),
      createSink: () => this.sink,
    };
    const { failPoint } = options;
    const yieldTurn = () => Promise.resolve();
    const places = new EquipmentPlaces(null);
    this.subtask = new Subtask(
      {
        jobId: "job",
        regionId: REGION,
        attempt: 1 as Attempt,
        plan: {
          subtaskId: "in.0" as SubtaskId,
          sourceUid: "in",
          splitIndex: 0,
          operatorUids: job.graph.operators.map((node) => node.uid),
          keyGroups: null,
          inputs: [],
          outputs: [],
        },
      },
      job,
      {
        clock: this.clock,
        yieldTurn,
        turns: new TurnQueue({ yieldTurn, monotonicMs: () => this.clock.monotonicMs() }),
        senderTo: (target) => {
          throw new Error(`The chain sends to ${target}`);
        },
        workedOff: () => {},
        onState: () => {},
        report: (report, body) => {
          this.reports.push(report);
          if (report.kind === "piece") this.pieces.set(report.digest, body!);
        },
        connectors,
        places,
        failPoints: new FailPoints(failPoint?.setting ?? null, failPoint?.stop ?? (() => {})),
        askOwnership: () => Promise.resolve(true),
      },
    );
  }

  get source(): FakeSource {
    assert(this.#source !== null, "The subtask made no source");
    return this.#source;
  }

  /** Restores and runs. */
  async start(snapshot: Snapshot | null = null): Promise<this> {
    await this.subtask.restore(snapshot?.request ?? null, snapshot?.pieces ?? new Map());
    await this.subtask.run();
    return this;
  }

  emit(...values: unknown[]): void {
    for (const value of values) this.source.emit(value, this.clock.nowMs());
  }

  /** Barrier, snapshot, and what to restore it with. */
  async checkpoint(checkpointId: number): Promise<Snapshot> {
    this.subtask.trigger(checkpointId as CheckpointId);
    await this.settle();
    return this.snapshot(checkpointId);
  }

  /** Lets a running snapshot come to its end. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 1_000; turn++) await Promise.resolve();
  }

  snapshot(checkpointId: number): Snapshot {
    const report = this.reportsOf("snapshot").find((one) => one.checkpointId === checkpointId);
    assert(report !== undefined, `No snapshot ${checkpointId}: ${JSON.stringify(this.reports)}`);
    const snapshot: SubtaskSnapshot = report.snapshot;
    const id = checkpointId as CheckpointId;
    const request = { checkpointId: id, isSavepoint: false, snapshots: [snapshot] };
    return { request, pieces: this.pieces };
  }

  completed(checkpointId: number, isSavepoint = false): void {
    this.subtask.completed(checkpointId as CheckpointId, { isSavepoint });
  }

  reportsOf<K extends RunnerReport["kind"]>(kind: K): Extract<RunnerReport, { kind: K }>[] {
    return this.reports.filter((report) => report.kind === kind) as Extract<
      RunnerReport,
      { kind: K }
    >[];
  }
}
