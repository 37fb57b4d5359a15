/**
 * `testJob`: what authors import as "penstock/testing" to try a job on records, with a clock of their own.
 *
 * Touches nothing: no broker, no hub, no file, no time. The operators, state and timers are those of the
 * runner.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { CheckpointId } from "@shared/ids.ts";
import type { AlarmEdge } from "@shared/messages.ts";
import type { BuiltJob, JobDefinition } from "@shared/sdk/operator.ts";
import { createAlarmSink } from "../connectors/alarm_sink.ts";
import type { SinkWriter } from "../connectors/connector.ts";
import { DataClock } from "./data_clock.ts";
import { createLocalSink } from "./line_sink.ts";
import { LocalJob, startTimeOf } from "./local_job.ts";
import { type LocalSnapshot, restoreLocal, takeLocalSnapshot } from "./local_snapshot.ts";

export interface TestJobOptions {
  /** Parameters, as `--param k=v` gives them. */
  readonly params?: Readonly<Record<string, string>>;
  /** Subtasks of each keyed stage; 1 unless given. */
  readonly parallelism?: number;
  /**
   * The wall clock at the beginning, ms since the epoch. Records move it on to their event time; unless given
   * it begins with the first of them, or with 2026 for a job without event time.
   */
  readonly startMs?: number;
}

/** The state of a job under test at one moment, in the form in which checkpoints are stored. */
export interface TestSnapshot {
  /** Pieces and manifests of every region. */
  readonly snapshot: LocalSnapshot;
  /** Wall clock of that moment, ms since the epoch. */
  readonly nowMs: number;
  /** Records that each source had read. */
  readonly positions: ReadonlyMap<string, number>;
}

export interface RestoreOptions extends TestJobOptions {
  /** What to go on from; the job may have another parallelism, or other operators, than the one it is of. */
  readonly from: TestSnapshot;
  /** Whether state that no operator takes is left behind instead of refused. */
  readonly allowNonRestoredState?: boolean;
}

/** A record that comes in at a time of its own. */
export interface TimedRecord {
  readonly value: unknown;
  /** Time of arrival, ms since the epoch. */
  readonly atMs: number;
}

/** A record that was set aside. */
export interface DeadLetter {
  /** The operator that threw. */
  readonly uid: string;
  readonly reason: string;
  /** Number of the record in its source, from 1. */
  readonly position: number;
}

/** A job under test. Everything runs to its end within the call. */
export interface TestJob {
  /**
   * Gives records to a source. The wall clock moves on to the event time of each; a `TimedRecord` says the
   * time of its arrival instead.
   *
   * @throws What an operator with the error policy `fail` threw.
   */
  push(sourceUid: string, records: readonly unknown[] | TimedRecord): void;
  /** Moves the wall clock on, and fires the processing-time timers due by then. */
  advanceTo(ms: number): void;
  /** No source has a record with an event time up to `ms` any more: fires event-time timers and windows. */
  advanceWatermark(ms: number): void;
  /** The input is over: every timer fires, every window closes. */
  drain(): void;
  /** Records that a sink got, in order. */
  outputs<Out = unknown>(sinkUid: string): Out[];
  /** Alarm edges that an alarm sink made, in order. */
  alarms(sinkUid: string): AlarmEdge[];
  /** Records set aside by operators. */
  readonly deadLetters: readonly DeadLetter[];
  /** Records that came too late for their windows. */
  readonly lateCount: number;
  /** The wall clock, ms since the epoch. */
  readonly nowMs: number;
  /**
   * State of one key: the value of mapWithState and flatMapWithState, one field for each state of `process`;
   * undefined when the key has none.
   */
  state(operatorUid: string, key: string | number | boolean): unknown;
  /** The state of this moment, for another job to go on from. */
  snapshot(): Promise<TestSnapshot>;
}

/**
 * Builds a job and runs it on records that a test pushes.
 *
 * @throws {UserError} If the job cannot be built.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, mqttSink, mqttSource } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * interface Reading { pump: string; ts: number; celsius: number }
 *
 * const job = defineJob("hottest", (job) => {
 *   job.source("telemetry", mqttSource<Reading>({
 *     broker: "plant",
 *     splits: [{ topics: ["plant/+/telemetry"] }],
 *     eventTime: (reading) => reading.ts,
 *   }))
 *     .keyBy((reading) => reading.pump)
 *     .flatMapWithState("hottest", { initial: () => -Infinity }, (max, { celsius }, pump) =>
 *       celsius > max ? [celsius, [{ pump, celsius }]] : [max, []])
 *     .sink("records", mqttSink({ broker: "plant", topic: "out/records" }));
 * });
 *
 * const t = testJob(job, { parallelism: 3 });
 * t.push("telemetry", [
 *   { pump: "a", ts: 1_000, celsius: 60 },
 *   { pump: "a", ts: 2_000, celsius: 50 },
 *   { pump: "b", ts: 2_000, celsius: 40 },
 * ]);
 * deepEqual(t.outputs("records"), [{ pump: "a", celsius: 60 }, { pump: "b", celsius: 40 }]);
 * deepEqual(t.state("hottest", "a"), 60);
 *
 * // What a failure, an upgrade or a rescale does: another job goes on from the state of this one.
 * const restored = await testJob(job, { from: await t.snapshot(), parallelism: 1 });
 * restored.push("telemetry", [{ pump: "a", ts: 3_000, celsius: 55 }]);
 * deepEqual(restored.outputs("records"), []);
 * ```
 */
export function testJob(job: JobDefinition, options: RestoreOptions): Promise<TestJob>;
export function testJob(job: JobDefinition, options?: TestJobOptions): TestJob;
export function testJob(
  job: JobDefinition,
  options: TestJobOptions | RestoreOptions = {},
): TestJob | Promise<TestJob> {
  const underTest = new JobUnderTest(job.build(options.params ?? {}), options);
  if ("from" in options) return underTest.restore(options);
  underTest.start();
  return underTest;
}

class JobUnderTest implements TestJob {
  readonly deadLetters: DeadLetter[] = [];
  readonly #built: BuiltJob;
  readonly #clock: DataClock;
  readonly #job: LocalJob;
  readonly #outputs = new Map<string, unknown[]>();
  readonly #alarms = new Map<string, AlarmEdge[]>();
  readonly #positions = new Map<string, number>();
  #checkpoints = 0;

  constructor(built: BuiltJob, { parallelism = 1, startMs }: TestJobOptions) {
    this.#built = built;
    this.#clock = new DataClock(startMs ?? startTimeOf(built, Date.UTC(2026, 0, 1)));
    this.#job = new LocalJob(built, {
      clock: this.#clock,
      parallelism,
      createSink: (uid, regionId) => this.#createSink(uid, regionId),
      deadLetter: ({ detail, fields }) =>
        this.deadLetters.push({
          uid: String(fields.uid),
          reason: detail.slice(String(fields.uid).length + 2),
          position: Number(fields.position),
        }),
    });
  }

  start(): void {
    this.#job.start();
  }

  async restore({ from, allowNonRestoredState = false }: RestoreOptions): Promise<TestJob> {
    const { operators } = this.#built.graph;
    await restoreLocal(this.#job.subtasks, from.snapshot, { operators, allowNonRestoredState });
    for (const [uid, position] of from.positions) this.#positions.set(uid, position);
    this.#clock.advanceTo(from.nowMs);
    this.start();
    return this;
  }

  async snapshot(): Promise<TestSnapshot> {
    const nowMs = this.nowMs;
    const positions = new Map(this.#positions);
    const checkpointId = ++this.#checkpoints as CheckpointId;
    const snapshot = await takeLocalSnapshot(this.#job.subtasks, checkpointId);
    return { snapshot, nowMs, positions };
  }

  push(sourceUid: string, records: readonly unknown[] | TimedRecord): void {
    if (!this.#job.sourceUids.includes(sourceUid)) {
      throw notThere("source", sourceUid, this.#job.sourceUids);
    }
    const source = this.#job.source(sourceUid);
    let position = this.#positions.get(sourceUid) ?? 0;
    if ("atMs" in records) {
      this.#positions.set(sourceUid, ++position);
      this.#clock.advanceTo(records.atMs);
      return source.recordAt(records.value, position, this.#clock.nowMs());
    }
    for (const record of records) {
      this.#positions.set(sourceUid, ++position);
      source.record(record, position);
    }
  }

  advanceTo(ms: number): void {
    this.#job.advanceTo(ms);
  }

  advanceWatermark(ms: number): void {
    for (const uid of this.#job.sourceUids) this.#job.source(uid).advance(ms);
  }

  drain(): void {
    this.#job.drain();
  }

  outputs<Out = unknown>(sinkUid: string): Out[] {
    return [...this.#listOf(this.#outputs, sinkUid)] as Out[];
  }

  alarms(sinkUid: string): AlarmEdge[] {
    return [...this.#listOf(this.#alarms, sinkUid)];
  }

  get lateCount(): number {
    return this.#job.lateCount;
  }

  get nowMs(): number {
    return this.#clock.nowMs();
  }

  state(operatorUid: string, key: string | number | boolean): unknown {
    const keyed = this.#built.graph.operators.filter((node) => node.isKeyed);
    const node = keyed.find(({ uid }) => uid === operatorUid);
    if (node === undefined) {
      throw notThere("operator with state", operatorUid, keyed.map(({ uid }) => uid));
    }
    return this.#job.stateOf(node, String(key));
  }

  #listOf<Item>(lists: ReadonlyMap<string, Item[]>, sinkUid: string): Item[] {
    const list = lists.get(sinkUid);
    if (list !== undefined) return list;
    throw notThere("such sink", sinkUid, [...lists.keys()]);
  }

  #createSink(uid: string, regionId: string): SinkWriter {
    const operator = this.#built.operators.get(uid);
    if (operator?.kind !== "sink") throw notThere("sink", uid, []);
    const outputs = this.#outputs.get(uid) ?? [];
    this.#outputs.set(uid, outputs);
    if (operator.sink.connector !== "alarm") {
      return createLocalSink((record) => void outputs.push(record));
    }
    const edges = this.#alarms.get(uid) ?? [];
    this.#alarms.set(uid, edges);
    const alarms = createAlarmSink({
      spec: operator.sink,
      sinkUid: uid,
      operatorUid: this.#built.graph.edges.find(({ to }) => to === uid)?.from ?? uid,
      jobId: this.#built.graph.name,
      regionId,
      clock: this.#clock,
      emit: (edge) => void edges.push(edge),
    });
    return {
      ...createLocalSink((record, outputId) => {
        outputs.push(record);
        alarms.write(record, outputId);
      }),
      ignoresIds: false,
      capture: (checkpointId) => alarms.capture(checkpointId),
      restore: (section, restoredId) => alarms.restore(section, restoredId),
    };
  }
}

function notThere(what: string, uid: string, uids: readonly string[]): UserError {
  return new UserError(
    "operator-missing",
    `The job has no ${what} "${uid}": it has ${uids.map((one) => `"${one}"`).join(", ")}`,
  );
}
