/**
 * What snapshots cost the processing at 100,000 keys: the longest stand-still, and the share of throughput.
 *
 * Touches clocks and this process alone. Records go through a real subtask: keyed count, capture, encoding,
 * compression, digest. Not measured: the source's network, and the agent's disk and upload, which run in
 * another process.
 *
 * @module
 */
import { EquipmentPlaces } from "../../agent/runner/equipment_places.ts";
import type { Attempt, CheckpointId, RegionId, SubtaskId } from "@shared/ids.ts";
import { systemClock } from "@shared/platform/clock.ts";
import type { StatefulSpec } from "@shared/sdk/operator.ts";
import { chainJob, FakeSink, FakeSource } from "../../agent/runner/test_support.ts";
import { FailPoints } from "../../agent/runner/fail_points.ts";
import { Subtask } from "../../agent/runner/subtask.ts";
import { TurnQueue } from "../../agent/runner/turn_queue.ts";
import { Turns } from "../../agent/runner/turns.ts";
import type { RunnerReport } from "../../agent/runner_frames.ts";

const KEY_COUNT = 100_000;
const RATE_PER_SECOND = 50_000;
const CHUNK_RECORDS = 100;
const PAUSE_SECONDS = 20;
const ROUND_SECONDS = 3;
const ROUND_PAIRS = 4;
const SNAPSHOT_EVERY_MS = 1_000;

interface Reading {
  readonly key: string;
}

const count: StatefulSpec = {
  kind: "mapWithState",
  uid: "count",
  onError: "fail",
  keyOf: (reading: Reading) => reading.key,
  initial: () => ({ n: 0 }),
  fn: (state: { n: number }, reading: Reading) => {
    const next = { n: state.n + 1 };
    return [next, { key: reading.key, n: next.n }];
  },
  codecVersion: 1,
  ttlMs: null,
};

/** Takes outputs and forgets them. */
class NullSink extends FakeSink {
  override write(): void {}
}

/** A running subtask fed by hand. */
class Load {
  readonly subtask: Subtask;
  readonly #readings = Array.from({ length: KEY_COUNT }, (_, i) => ({ key: `device-${i}` }));
  readonly #turns = new Turns();
  #source!: FakeSource;
  #next = 0;
  #checkpointId = 0;
  #snapshotDone: () => void = () => {};

  constructor() {
    const job = chainJob([count]);
    const plan = {
      subtaskId: "in.0" as SubtaskId,
      sourceUid: "in",
      splitIndex: 0,
      operatorUids: job.graph.operators.map((node) => node.uid),
      keyGroups: null,
      inputs: [],
      outputs: [],
    };
    const [regionId, attempt] = ["in.0" as RegionId, 1 as Attempt];
    this.subtask = new Subtask({ jobId: "bench", regionId, attempt, plan }, job, {
      clock: systemClock,
      yieldTurn: () => this.#turns.next(),
      turns: new TurnQueue({
        yieldTurn: () => this.#turns.next(),
        monotonicMs: () => performance.now(),
      }),
      onState: () => {},
      senderTo: (target) => {
        throw new Error(`The chain sends to ${target}`);
      },
      workedOff: () => {},
      report: (report) => this.#onReport(report),
      places: new EquipmentPlaces(null),
      connectors: {
        createSource: (_spec, output) => this.#source = new FakeSource(output),
        createSink: () => new NullSink(),
      },
      failPoints: new FailPoints(null, () => {}),
      askOwnership: () => Promise.resolve(true),
    });
  }

  async start(): Promise<this> {
    await this.subtask.restore(null, new Map());
    await this.subtask.run();
    for (let i = 0; i < KEY_COUNT * 5 / CHUNK_RECORDS; i++) this.#chunk(CHUNK_RECORDS);
    for (let i = 0; i < 3; i++) await this.#snapshot();
    return this;
  }

  /** Longest time between two turns of the loop within each snapshot, ms, at `RATE_PER_SECOND`. */
  async pauses(): Promise<number[]> {
    const pauses: number[] = [];
    const startMs = performance.now();
    let done = 0;
    let lastMs = startMs;
    let longestMs = 0;
    let isOpen = false;
    while (performance.now() - startMs < PAUSE_SECONDS * 1000) {
      const nowMs = performance.now();
      if (isOpen) longestMs = Math.max(longestMs, nowMs - lastMs);
      lastMs = nowMs;
      if (!isOpen && nowMs - startMs > (pauses.length + 1) * SNAPSHOT_EVERY_MS) {
        isOpen = true;
        longestMs = 0;
        void this.#snapshot().then(() => {
          isOpen = false;
          pauses.push(Math.max(longestMs, performance.now() - lastMs));
        });
      }
      const due = Math.floor((nowMs - startMs) / 1000 * RATE_PER_SECOND) - done;
      const records = Math.min(due, CHUNK_RECORDS);
      this.#chunk(records);
      done += records;
      await this.#turns.next();
    }
    return pauses;
  }

  /** Records per second as fast as it goes. */
  async throughput(hasSnapshots: boolean): Promise<number> {
    const startMs = performance.now();
    let records = 0;
    let snapshots = 0;
    let isOpen = false;
    for (;;) {
      const elapsedMs = performance.now() - startMs;
      if (elapsedMs >= ROUND_SECONDS * 1000) return records / elapsedMs * 1000;
      if (hasSnapshots && !isOpen && elapsedMs >= snapshots * SNAPSHOT_EVERY_MS) {
        snapshots++;
        isOpen = true;
        void this.#snapshot().then(() => isOpen = false);
      }
      this.#chunk(CHUNK_RECORDS);
      records += CHUNK_RECORDS;
      await this.#turns.next();
    }
  }

  /** Ends the subtask and lets the process end. */
  async stop(): Promise<void> {
    await this.subtask.stop();
    this.#turns.close();
  }

  #chunk(records: number): void {
    const nowMs = Date.now();
    for (let i = 0; i < records; i++) {
      this.#source.emit(this.#readings[this.#next], nowMs);
      // A step coprime to the key count visits every key, far from its neighbours in memory.
      this.#next = (this.#next + 7_919) % KEY_COUNT;
    }
  }

  #snapshot(): Promise<void> {
    const checkpointId = ++this.#checkpointId as CheckpointId;
    this.subtask.trigger(checkpointId);
    return new Promise((resolve) => this.#snapshotDone = resolve);
  }

  #onReport(report: RunnerReport): void {
    if (report.kind === "declined") throw new Error(`Snapshot declined: ${report.detail}`);
    if (report.kind !== "snapshot") return;
    this.subtask.completed(report.checkpointId, { isSavepoint: false });
    this.#snapshotDone();
  }
}

/** Runs the benchmark, about a minute. */
export async function benchSnapshot(): Promise<
  { snapshotPauseP99Ms: number; checkpointOverhead: number }
> {
  const load = await new Load().start();
  const pauses = (await load.pauses()).sort((a, b) => a - b);
  const snapshotPauseP99Ms = pauses[Math.min(pauses.length - 1, Math.floor(pauses.length * 0.99))]!;
  const overheads: number[] = [];
  for (let round = 0; round < ROUND_PAIRS; round++) {
    const without = await load.throughput(false);
    const withSnapshots = await load.throughput(true);
    overheads.push(1 - withSnapshots / without);
  }
  await load.stop();
  overheads.sort((a, b) => a - b);
  const middle = overheads.length >> 1;
  const checkpointOverhead = (overheads[middle - 1]! + overheads[middle]!) / 2;
  return { snapshotPauseP99Ms, checkpointOverhead };
}
