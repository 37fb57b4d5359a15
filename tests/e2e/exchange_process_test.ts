import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { Attempt, CheckpointId, RegionId } from "@shared/ids.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import { planRegions, type SubtaskPlan } from "@shared/regions.ts";
import type { RunnerCommand } from "../../agent/runner_frames.ts";
import { hasMosquitto, startMosquitto } from "../support/mosquitto.ts";
import { RunnerUnderTest, withRunnerBundle } from "../support/runner_under_test.ts";

const SPLITS = 3;
const RECORDS_PER_SPLIT = 60_000;
const KEYS = 200;
/** Each key shows its count so often. */
const SHOWN_EVERY = 50;
const REGION = "in.0" as RegionId;
const KEY = btoa("k".repeat(32));

const GRAPH: JobGraph = {
  version: 1,
  name: "test",
  operators: [
    {
      uid: "in",
      kind: "source",
      label: "",
      isKeyed: false,
      states: [],
      source: {
        connector: "generator",
        splits: Array.from({ length: SPLITS }, () => ({ topics: [], near: {} })),
      },
    },
    {
      uid: "count",
      kind: "mapWithState",
      label: "",
      isKeyed: true,
      states: [{ name: "value", kind: "value", codecVersion: 1 }],
    },
    { uid: "some", kind: "filter", label: "", isKeyed: false, states: [] },
    { uid: "out", kind: "sink", label: "", isKeyed: false, states: [] },
  ],
  edges: [
    { from: "in", to: "count", kind: "keyBy" },
    { from: "count", to: "some", kind: "forward" },
    { from: "some", to: "out", kind: "forward" },
  ],
};

/** The job as a bundle leaves it. */
const JOB = `
  const specs = [
    { kind: "source", uid: "in", source: { connector: "generator", splitCount: ${SPLITS},
      ratePerSecond: 20000, eventTime: null,
      next: (position, split) => position < ${RECORDS_PER_SPLIT}
        ? { key: "k" + (position * 7 + split) % ${KEYS} } : undefined } },
    { kind: "mapWithState", uid: "count", onError: "fail", codecVersion: 1, ttlMs: null,
      keyOf: (r) => r.key, initial: () => 0, fn: (n, r) => [n + 1, { key: r.key, n: n + 1 }] },
    { kind: "filter", uid: "some", onError: "fail", fn: (r) => r.n % ${SHOWN_EVERY} === 0 },
    { kind: "sink", uid: "out", sink: { connector: "alarm", priority: "low", response: "",
      text: (r) => r.key + "=" + r.n } },
  ];
  module.exports.default = { sdkVersion: 1, name: "test", build: () => ({
    graph: ${JSON.stringify(GRAPH)}, selectors: [(r) => r.key, null, null],
    operators: new Map(specs.map((spec) => [spec.uid, spec])) }) };`;

/** Two runner processes that share the subtasks of one attempt. */
class Pair {
  readonly runners: readonly RunnerUnderTest[];
  readonly #of: { regionId: RegionId; attempt: Attempt };
  readonly #shares: readonly (readonly SubtaskPlan[])[];

  constructor(bundle: string, url: string, of: { attempt: number; parallelism: number }) {
    const broker = { name: "plant", url, username: null, password: null, caPem: null };
    this.runners = [0, 1].map(() => new RunnerUnderTest(bundle, [broker]));
    this.#of = { regionId: REGION, attempt: of.attempt as Attempt };
    const [region] = planRegions(GRAPH, of.parallelism);
    this.#shares = [0, 1].map((at) => region!.subtasks.filter((_, index) => index % 2 === at));
  }

  get subtaskCount(): number {
    return this.#shares.flat().length;
  }

  /** Restores on both, then runs on both. */
  async start(from: { snapshots: SubtaskSnapshot[]; pair: Pair } | null): Promise<void> {
    const restore = from === null
      ? null
      : { checkpointId: 1 as CheckpointId, isSavepoint: false, snapshots: from.snapshots };
    const exchange = { broker: "plant", key: KEY };
    for (const [index, runner] of this.runners.entries()) {
      await runner.init(JOB);
      await runner.report("ready");
      for (const [digest, bytes] of from?.pair.runners.flatMap(({ pieces }) => [...pieces]) ?? []) {
        await runner.send({ kind: "restorePiece", ...this.#of, digest }, bytes);
      }
      const subtasks = this.#shares[index]!;
      await runner.send({ kind: "start", ...this.#of, subtasks, exchange, restore });
    }
    for (const runner of this.runners) await runner.report("restored");
    await this.send({ kind: "run", ...this.#of });
    for (const runner of this.runners) await runner.report("running");
  }

  async send(command: RunnerCommand): Promise<void> {
    for (const runner of this.runners) await runner.send(command);
  }

  /** Barrier 1, and the snapshots of all subtasks. */
  async checkpoint(): Promise<SubtaskSnapshot[]> {
    const checkpointId = 1 as CheckpointId;
    await this.send({ kind: "trigger", ...this.#of, checkpointId, isSavepoint: false });
    const snapshots: SubtaskSnapshot[] = [];
    for (const [index, runner] of this.runners.entries()) {
      for (const { subtaskId } of this.#shares[index]!) {
        const report = await runner.report("snapshot", (one) => one.subtaskId === subtaskId);
        snapshots.push(report.snapshot);
      }
    }
    return snapshots;
  }

  /** The counts that were shown of each key, in order. */
  counts(): Map<string, number[]> {
    const counts = new Map<string, number[]>();
    for (const report of this.runners.flatMap(({ reports }) => reports)) {
      if (report.kind !== "alarms") continue;
      for (const { text } of report.edges) {
        const [key, n] = text.split("=") as [string, string];
        counts.set(key, [...counts.get(key) ?? [], Number(n)]);
      }
    }
    return counts;
  }

  /** Waits until every record of every split has been counted. */
  async finished(): Promise<void> {
    const perKey = SPLITS * RECORDS_PER_SPLIT / KEYS;
    for (let waited = 0; waited < 60; waited++) {
      const latest = [...this.counts().values()].map((list) => list.at(-1));
      if (latest.length === KEYS && latest.every((n) => n === perKey)) return;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    throw new Error(`Not finished: ${JSON.stringify([...this.counts()].slice(0, 5))}`);
  }

  async kill(): Promise<void> {
    for (const runner of this.runners) await runner.kill();
  }
}

Deno.test({
  name:
    "exchange processes: two runners count over the broker; after kill -9 two others go on exactly there at another parallelism (A4, C8)",
  ignore: !await hasMosquitto(),
  fn: async () => {
    const broker = await startMosquitto();
    try {
      await withRunnerBundle(async (bundle) => {
        const first = new Pair(bundle, broker.url, { attempt: 1, parallelism: 2 });
        await first.start(null);
        await first.runners[0]!.report(
          "metrics",
          ({ subtasks }) => subtasks[0]!.recordsIn > 15_000,
        );
        const snapshots = await first.checkpoint();
        strictEqual(snapshots.length, first.subtaskCount);
        await first.kill();

        const second = new Pair(bundle, broker.url, { attempt: 2, parallelism: 3 });
        await second.start({ snapshots, pair: first });
        await second.finished();
        const taken = snapshots.flatMap(({ splits }) => splits).reduce((n, s) => n + s.position, 0);
        ok(taken > 15_000 && taken < SPLITS * RECORDS_PER_SPLIT, `${taken} before the barrier`);
        for (const [key, shown] of second.counts()) {
          const from = shown[0]!;
          const wanted = shown.map((_, index) => from + index * SHOWN_EVERY);
          deepStrictEqual(shown, wanted, `${key} skipped or repeated`);
        }
        await second.kill();
      });
    } finally {
      await broker.stop();
    }
  },
});
