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
import { runnerArguments } from "../../agent/runner_command.ts";
import {
  encodeFrame,
  FrameDecoder,
  type RunnerCommand,
  type RunnerReport,
} from "../../agent/runner_frames.ts";
import { bundleJob } from "../../tools/build/bundle_job.ts";
import { gatewayBundles } from "../../tools/build/gateway.ts";
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";
import { EXCHANGE_KEY } from "../support/exchange_end.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import exchangeJob from "./jobs/exchange_job.ts";
import { usageOf } from "./machine.ts";

const AGENTS = 2;
const WARM_UP_MS = 5_000;
const MEASURED_MS = 15_000;
const CHECKPOINT_EVERY_MS = 250;
const HEAP_MB = 256;
const REPORT_TIMEOUT_MS = 30_000;

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

interface PairOptions {
  /** Path of the bundled runner. */
  readonly runner: string;
  readonly bundle: string;
  readonly broker: BrokerConfig;
}

/** Two agents' runners that run one region together. */
class Pair {
  readonly #runners: readonly RunnerClient[];
  readonly #of: { readonly regionId: RegionId; readonly attempt: Attempt };

  private constructor(runners: readonly RunnerClient[], region: RegionPlan) {
    this.#runners = runners;
    this.#of = { regionId: region.regionId, attempt: 1 as Attempt };
  }

  static async start(
    { runner, bundle, broker }: PairOptions,
    params: Readonly<Record<string, string>>,
  ): Promise<Pair> {
    const [region] = planRegions(exchangeJob.build(params).graph, AGENTS);
    const runners = Array.from({ length: AGENTS }, () => new RunnerClient(runner, broker));
    const pair = new Pair(runners, region!);
    const init = { kind: "init", jobId: "bench", jobName: "exchange", failPoint: null } as const;
    await pair.#each(async (client, index) => {
      const code = new TextEncoder().encode(bundle);
      client.send({ ...init, params, brokers: [broker] }, code);
      await client.report("ready");
      client.send({
        kind: "start",
        ...pair.#of,
        subtasks: region!.subtasks.filter(({ subtaskId }) => subtaskId.endsWith(`.${index}`)),
        exchange: { broker: broker.name, key: EXCHANGE_KEY },
        restore: null,
      });
      await client.report("restored");
    });
    await pair.#each(async (client) => {
      client.send({ kind: "run", ...pair.#of });
      await client.report("running");
    });
    await pauseMs(WARM_UP_MS);
    return pair;
  }

  async rate(brokerPid: number): Promise<{
    perSecond: number;
    cpuSecondsPerMillion: { runners: number; broker: number };
  }> {
    const cpu = () => ({
      runners: this.#runners.reduce((sum, { pid }) => sum + usageOf(pid).cpuSeconds, 0),
      broker: usageOf(brokerPid).cpuSeconds,
    });
    const before = { cpu: cpu(), counts: this.#runners.map((client) => client.keyed()) };
    await pauseMs(MEASURED_MS);
    const after = { cpu: cpu(), counts: this.#runners.map((client) => client.keyed()) };
    let perSecond = 0;
    for (const [index, { records, atMs }] of after.counts.entries()) {
      const start = before.counts[index]!;
      perSecond += (records - start.records) / ((atMs - start.atMs) / 1_000);
    }
    const millions = perSecond * MEASURED_MS / 1e9;
    return {
      perSecond,
      cpuSecondsPerMillion: {
        runners: (after.cpu.runners - before.cpu.runners) / millions,
        broker: (after.cpu.broker - before.cpu.broker) / millions,
      },
    };
  }

  /** Alignments of the keyed subtasks, ms, shortest first. */
  async alignments(): Promise<number[]> {
    const count = MEASURED_MS / CHECKPOINT_EVERY_MS;
    for (let id = 1; id <= count; id++) {
      const checkpointId = id as CheckpointId;
      const of = { ...this.#of, checkpointId, isSavepoint: false };
      for (const client of this.#runners) client.send({ kind: "trigger", ...of });
      await pauseMs(CHECKPOINT_EVERY_MS);
      await this.#each((client) => client.report("snapshot", (of) => of.checkpointId === id));
      for (const client of this.#runners) client.send({ kind: "completed", ...of });
    }
    return this.#runners.flatMap((client) => client.alignmentsMs).sort((a, b) => a - b);
  }

  async end(): Promise<void> {
    for (const client of this.#runners) client.kill();
    await this.#each((client) => client.ended);
  }

  async #each(step: (client: RunnerClient, index: number) => Promise<unknown>): Promise<void> {
    await Promise.all(this.#runners.map(step));
  }
}

/** One runner process, spoken to as its agent does. */
class RunnerClient {
  readonly ended: Promise<unknown>;
  readonly alignmentsMs: number[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reports: RunnerReport[] = [];
  #keyed = { records: 0, atMs: 0 };
  #changed = Promise.withResolvers<void>();

  constructor(bundle: string, broker: BrokerConfig) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: runnerArguments({ runnerBundle: bundle, brokers: [broker], heapMb: HEAP_MB }),
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
      clearEnv: true,
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.ended = Promise.all([this.#read(), this.#child.status]);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Records its keyed subtasks have counted, by their latest metrics. */
  keyed(): { records: number; atMs: number } {
    return this.#keyed;
  }

  send(command: RunnerCommand, body?: Uint8Array): void {
    void this.#input.write(encodeFrame(command, body));
  }

  /** The first report of this kind for which `isIt` holds. @throws {Error} When the attempt fails instead. */
  async report<K extends RunnerReport["kind"]>(
    kind: K,
    isIt: (report: Extract<RunnerReport, { kind: K }>) => boolean = () => true,
  ): Promise<void> {
    const deadline = AbortSignal.timeout(REPORT_TIMEOUT_MS);
    const late = Promise.withResolvers<void>();
    deadline.onabort = () => late.resolve();
    for (;;) {
      const failed = this.#reports.find(({ kind }) => kind === "failed" || kind === "broken");
      if (failed !== undefined) throw new Error(JSON.stringify(failed));
      const isThere = this.#reports.some((report) =>
        report.kind === kind && isIt(report as Extract<RunnerReport, { kind: K }>)
      );
      if (isThere) return;
      if (deadline.aborted) throw new Error(`No "${kind}" within ${REPORT_TIMEOUT_MS} ms`);
      await Promise.race([this.#changed.promise, late.promise]);
    }
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async #read(): Promise<void> {
    const decoder = new FrameDecoder<RunnerReport>();
    for await (const chunk of this.#child.stdout) {
      decoder.push(chunk, (report) => this.#take(report));
    }
  }

  #take(report: RunnerReport): void {
    if (report.kind === "metrics") {
      const keyed = report.subtasks.filter(({ subtaskId }) => subtaskId.startsWith("count."));
      const records = keyed.reduce((sum, { recordsIn }) => sum + recordsIn, 0);
      this.#keyed = { records, atMs: performance.now() };
      return;
    }
    if (report.kind === "piece") return;
    this.#reports.push(report);
    if (report.kind === "snapshot" && report.subtaskId.startsWith("count.")) {
      this.alignmentsMs.push(report.alignmentMs);
    }
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
