/**
 * Records through `keyBy` between two agents over Mosquitto, and how long barriers align at half that load.
 *
 * Touches processes and the network. Two real runner processes, given their frames as an agent does; each
 * has one split and one keyed subtask, so that half of all records cross. Broker and runners share the
 * machine's cores. What is NOT measured: hub, upload of snapshots, and networks slower than loopback.
 *
 * @module
 */
import type { Attempt, CheckpointId, RegionId } from "@shared/ids.ts";
import type { BrokerConfig } from "@shared/messages.ts";
import { planRegions, type RegionPlan } from "@shared/regions.ts";
import { bundleJob } from "../../tools/build/bundle_job.ts";
import { gatewayBundles } from "../../tools/build/gateway.ts";
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";
import { EXCHANGE_KEY } from "../support/exchange_end.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { RunnerUnderTest } from "../support/runner_under_test.ts";
import exchangeJob from "./jobs/exchange_job.ts";
import { usageOf } from "./machine.ts";

const AGENTS = 2;
const WARM_UP_MS = 5_000;
const MEASURED_MS = 15_000;
const CHECKPOINT_EVERY_MS = 250;

export interface ExchangeFigures {
  /** Records a second behind `keyBy`, both agents together; half of them came from the other one. */
  readonly exchangePerSecond: number;
  readonly alignmentP99Ms: number;
}

/** About a minute. */
export async function benchExchange(say: (line: string) => void): Promise<ExchangeFigures> {
  const { runner } = await gatewayBundles();
  const { bundle } = await bundleJob(`${PROJECT_ROOT}/tests/bench/jobs/exchange_job.ts`);
  const broker = await startMosquitto();
  try {
    const config: BrokerConfig = {
      name: "plant",
      url: broker.url,
      username: null,
      password: null,
      caPem: null,
    };
    const of = { runner, bundle, broker: config };
    const full = await Pair.start(of, {});
    const { perSecond, cpuSecondsPerMillion } = await full.rate(broker.pid());
    await full.end();
    say(
      `exchange: ${
        perSecond.toFixed(0)
      } records/s through keyBy, half of them from the other agent; ` +
        `${cpuSecondsPerMillion.runners.toFixed(2)} CPU s per million in the runners, ` +
        `${cpuSecondsPerMillion.broker.toFixed(2)} in the broker`,
    );
    const half = await Pair.start(of, { ratePerSecond: String(Math.round(perSecond / 4)) });
    const alignments = await half.alignments();
    await half.end();
    const p99 = alignments[Math.ceil(0.99 * alignments.length) - 1] ?? NaN;
    say(
      `exchange: alignment at ${
        (perSecond / 2).toFixed(0)
      } records/s, ${alignments.length} of them: ` +
        `median ${(alignments[alignments.length >> 1] ?? NaN).toFixed(1)} ms, p99 ${
          p99.toFixed(1)
        } ms`,
    );
    return { exchangePerSecond: perSecond, alignmentP99Ms: p99 };
  } finally {
    await broker.stop();
  }
}

interface Counted {
  readonly records: number;
  readonly atMs: number;
}

interface PairOptions {
  /** Path of the bundled runner. */
  readonly runner: string;
  readonly bundle: string;
  readonly broker: BrokerConfig;
}

/** Two agents' runners that run one region together. */
class Pair {
  readonly #runners: readonly RunnerUnderTest[];
  readonly #of: { readonly regionId: RegionId; readonly attempt: Attempt };

  private constructor(runners: readonly RunnerUnderTest[], region: RegionPlan) {
    this.#runners = runners;
    this.#of = { regionId: region.regionId, attempt: 1 as Attempt };
  }

  static async start(
    { runner, bundle, broker }: PairOptions,
    params: Readonly<Record<string, string>>,
  ): Promise<Pair> {
    const [region] = planRegions(exchangeJob.build(params).graph, AGENTS);
    const runners = Array.from({ length: AGENTS }, () => new RunnerUnderTest(runner, [broker]));
    const pair = new Pair(runners, region!);
    const init = { kind: "init", jobId: "bench", jobName: "exchange", failPoint: null } as const;
    await pair.#each(async (client, index) => {
      const code = new TextEncoder().encode(bundle);
      await client.send({ ...init, params, brokers: [broker] }, code);
      await client.report("ready");
      await client.send({
        kind: "start",
        ...pair.#of,
        subtasks: region!.subtasks.filter(({ subtaskId }) => subtaskId.endsWith(`.${index}`)),
        exchange: { broker: broker.name, key: EXCHANGE_KEY },
        restore: null,
      });
      await client.report("restored");
    });
    await pair.#each(async (client) => {
      await client.send({ kind: "run", ...pair.#of });
      await client.report("running");
    });
    await pauseMs(WARM_UP_MS);
    return pair;
  }

  async rate(brokerPid: number): Promise<{
    perSecond: number;
    cpuSecondsPerMillion: { runners: number; broker: number };
  }> {
    const before = await this.#usage(brokerPid);
    await pauseMs(MEASURED_MS);
    const after = await this.#usage(brokerPid);
    let records = 0;
    let perSecond = 0;
    for (const [index, end] of after.counted.entries()) {
      const start = before.counted[index]!;
      records += end.records - start.records;
      perSecond += (end.records - start.records) / ((end.atMs - start.atMs) / 1_000);
    }
    return {
      perSecond,
      cpuSecondsPerMillion: {
        runners: (after.runnersCpu - before.runnersCpu) / (records / 1e6),
        broker: (after.brokerCpu - before.brokerCpu) / (records / 1e6),
      },
    };
  }

  /** Alignments of the keyed subtasks, ms, shortest first. */
  async alignments(): Promise<number[]> {
    const count = MEASURED_MS / CHECKPOINT_EVERY_MS;
    for (let id = 1; id <= count; id++) {
      const checkpointId = id as CheckpointId;
      const of = { ...this.#of, checkpointId, isSavepoint: false };
      await this.#each((client) => client.send({ kind: "trigger", ...of }));
      await pauseMs(CHECKPOINT_EVERY_MS);
      await this.#each(async (client) => {
        await client.report("snapshot", (of) => of.checkpointId === id && isKeyed(of.subtaskId));
        await client.send({ kind: "completed", ...of });
      });
    }
    return this.#runners
      .flatMap(({ reports }) => reports)
      .flatMap((of) => of.kind === "snapshot" && isKeyed(of.subtaskId) ? [of.alignmentMs] : [])
      .sort((a, b) => a - b);
  }

  async #usage(brokerPid: number): Promise<{
    counted: Counted[];
    runnersCpu: number;
    brokerCpu: number;
  }> {
    const counted = await Promise.all(this.#runners.map(countedBy));
    return {
      counted,
      runnersCpu: this.#runners.reduce((sum, { child }) => sum + usageOf(child.pid).cpuSeconds, 0),
      brokerCpu: usageOf(brokerPid).cpuSeconds,
    };
  }

  async end(): Promise<void> {
    await this.#each((client) => client.kill());
  }

  async #each(step: (client: RunnerUnderTest, index: number) => Promise<unknown>): Promise<void> {
    await Promise.all(this.#runners.map(step));
  }
}

/** Records that its keyed subtasks have counted, by the next metrics it sends. */
async function countedBy(runner: RunnerUnderTest): Promise<Counted> {
  const old = new Set(runner.reports);
  const { subtasks } = await runner.report("metrics", (report) => !old.has(report));
  const keyed = subtasks.filter(({ subtaskId }) => isKeyed(subtaskId));
  return {
    records: keyed.reduce((sum, { recordsIn }) => sum + recordsIn, 0),
    atMs: performance.now(),
  };
}

function isKeyed(subtaskId: string): boolean {
  return subtaskId.startsWith("count.");
}

function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
