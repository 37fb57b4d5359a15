/**
 * The load of `snapshot_bench.ts`: a real subtask at 100,000 keys, in a process with a runner's heap.
 *
 * Touches clocks, one connection to the port it is given, and stdout. Records go through keyed count, capture,
 * encoding, compression, digest. A byte comes over the connection each millisecond, so that the time between
 * two reads is the time for which a source would have stood still, whatever the reason.
 *
 * @module
 */
import { EquipmentPlaces } from "../../agent/runner/equipment_places.ts";
import type { Attempt, CheckpointId, RegionId, SubtaskId } from "@shared/ids.ts";
import { print } from "../../tools/cli/terminal.ts";
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
const PAUSE_SECONDS = 40;
/** Short rounds, many of them, so that a machine whose speed changes under way gives the same answer. */
const ROUND_SECONDS = 2;
const ROUND_PAIRS = 16;
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
  readonly #turns = new Turns(systemClock);
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

  /** Longest time between two reads of `ticks` within each snapshot, ms, at `RATE_PER_SECOND`. */
  async pauses(ticks: Deno.Conn): Promise<number[]> {
    const pauses: number[] = [];
    const bytes = new Uint8Array(64);
    const startMs = performance.now();
    let done = 0;
    let lastMs = startMs;
    let longestMs = 0;
    let isOpen = false;
    while (isOpen || performance.now() - startMs < PAUSE_SECONDS * 1000) {
      if (await ticks.read(bytes) === null) throw new Error("The ticks ended");
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
    }
    return pauses;
  }

  /** Records per second as fast as it goes, until its last snapshot is complete. */
  async throughput(hasSnapshots: boolean): Promise<number> {
    const startMs = performance.now();
    let records = 0;
    let snapshots = 0;
    let isOpen = false;
    for (;;) {
      const elapsedMs = performance.now() - startMs;
      const isOver = elapsedMs >= ROUND_SECONDS * 1000;
      if (isOver && !isOpen) return records / elapsedMs * 1000;
      if (hasSnapshots && !isOpen && !isOver && elapsedMs >= snapshots * SNAPSHOT_EVERY_MS) {
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
  }

  #chunk(records: number): void {
    const nowMs = Date.now();
    for (let i = 0; i < records; i++) {
      this.#source.emit({ key: `device-${this.#next}` }, nowMs);
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

/** @returns Longest pauses and, for each pair of rounds, the share of throughput that snapshots cost. */
async function measure(port: number): Promise<{ pauses: number[]; overheads: number[] }> {
  const load = await new Load().start();
  const pauses = await load.pauses(await Deno.connect({ port }));
  const overheads: number[] = [];
  for (let round = 0; round < ROUND_PAIRS; round++) {
    const isFirst = round % 2 === 0;
    const first = await load.throughput(isFirst);
    const second = await load.throughput(!isFirst);
    overheads.push(1 - (isFirst ? first / second : second / first));
  }
  await load.stop();
  return { pauses, overheads };
}

print(JSON.stringify(await measure(Number(Deno.args[0]))));
Deno.exit(0);
