/**
 * Keyed count of W4 through Mosquitto at QoS 1 with a checkpoint each second, against a subscriber that
 * only counts, on the same broker in the same run.
 *
 * Publisher, broker and reader share the machine's cores, so the ratio is what counts. Not measured here:
 * several gateways at once, and payloads larger than W4's own.
 *
 * @module
 */
import type { JobDetail } from "@shared/job_api.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import type { LocalCluster } from "../../tools/cluster/cluster.ts";
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";
import { benchCluster, deployBench, pauseMs } from "./bench_cluster.ts";
import { median, runnersOf, usageOf } from "./machine.ts";

const RECORDS = 1_000_000;
const ROUNDS = 3;
/** Of the records of a round: start-up and the last second are left out of the rate. */
const RATE_FROM = 0.15;
const RATE_TO = 0.85;

export interface W4Figures {
  readonly w4BrokerShare: number;
  readonly w4CpuSecondsPerMillion: number;
  /** The plain sum of the resident sizes of agent and runner. */
  readonly w4RssMb: number;
  /** The same with the pages of files counted once: those of the executable, which both map alike. */
  readonly w4RssSharedOnceMb: number;
  readonly w4PerSecond: number;
  readonly countOnlyPerSecond: number;
}

/** Rate between two shares of a round, from samples of (time, records so far). */
class RateProbe {
  readonly #points: { atMs: number; records: number }[] = [];

  add(records: number): void {
    this.#points.push({ atMs: performance.now(), records });
  }

  perSecond(): number {
    const inside = this.#points.filter(({ records }) =>
      records >= RECORDS * RATE_FROM && records <= RECORDS * RATE_TO
    );
    const first = inside[0]!;
    const last = inside.at(-1)!;
    return (last.records - first.records) / ((last.atMs - first.atMs) / 1000);
  }
}

/** Runs the whole comparison; about two minutes. */
export async function benchW4(say: (line: string) => void): Promise<W4Figures> {
  const folder = await Deno.makeTempDir({ prefix: "penstock-bench-" });
  const broker = await startMosquitto();
  const cluster = benchCluster(folder, broker.url);
  try {
    await cluster.startHub();
    await cluster.startAgent("agent-1", {});
    const jobId = await deployBench(cluster, "w4_job.ts", {
      name: "w4",
      params: { topic: "w4/in" },
    });
    const pids = [cluster.agent("agent-1").pid, ...runnersOf(cluster.agent("agent-1").pid)];
    const counted: number[] = [];
    const shares: number[] = [];
    const cpu: number[] = [];
    let [rssMb, sharedOnceMb] = [0, 0];
    for (let round = 0; round < ROUNDS; round++) {
      const plain = await countOnlyRound(broker.url, round);
      counted.push(plain);
      const before = totalCpu(pids);
      const watch = setInterval(() => {
        rssMb = Math.max(rssMb, totalRss(pids));
        sharedOnceMb = Math.max(sharedOnceMb, residentMb(pids));
      }, 100);
      const rate = await penstockRound(cluster, broker.url, jobId, round);
      clearInterval(watch);
      cpu.push((totalCpu(pids) - before) / (RECORDS / 1_000_000));
      shares.push(rate / plain);
      say(
        `w4 round ${round + 1}: count-only ${plain.toFixed(0)}/s, keyed count ${
          rate.toFixed(0)
        }/s, ` +
          `${cpu.at(-1)!.toFixed(2)} CPU s per million, ${
            rssMb.toFixed(0)
          } MB (shared pages once: ${sharedOnceMb.toFixed(0)} MB)`,
      );
    }
    return {
      w4BrokerShare: median(shares),
      w4CpuSecondsPerMillion: median(cpu),
      w4RssMb: rssMb,
      w4RssSharedOnceMb: sharedOnceMb,
      w4PerSecond: median(shares) * median(counted),
      countOnlyPerSecond: median(counted),
    };
  } finally {
    await cluster.stop();
    await broker.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

async function penstockRound(
  cluster: LocalCluster,
  brokerUrl: string,
  jobId: string,
  round: number,
): Promise<number> {
  const start = await positionOf(cluster, jobId);
  const probe = new RateProbe();
  const publisher = publish(brokerUrl, "w4/in", round);
  for (let seen = 0; seen < RECORDS;) {
    await pauseMs(200);
    const now = await positionOf(cluster, jobId) - start;
    if (now > seen) probe.add(now);
    seen = now;
  }
  await publisher;
  return probe.perSecond();
}

async function positionOf(cluster: LocalCluster, jobId: string): Promise<number> {
  const job = await cluster.api.get<JobDetail>(`/jobs/${jobId}`);
  return job.regions[0]!.metrics?.position ?? 0;
}

async function countOnlyRound(brokerUrl: string, round: number): Promise<number> {
  const probe = new RateProbe();
  const counter = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      `${PROJECT_ROOT}/tests/bench/count_only.ts`,
      brokerUrl,
      "w4/plain",
      String(RECORDS),
    ],
    stdout: "piped",
  }).spawn();
  const lines = counter.stdout.getReader();
  const decoder = new TextDecoder();
  await lines.read();
  const publisher = publish(brokerUrl, "w4/plain", round);
  for (;;) {
    const { value, done } = await lines.read();
    if (done) break;
    probe.add(Number(decoder.decode(value).trim().split("\n").at(-1)));
  }
  await publisher;
  await counter.status;
  return probe.perSecond();
}

async function publish(brokerUrl: string, topic: string, seed: number): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      `${PROJECT_ROOT}/tests/bench/w4_load.ts`,
      new URL(brokerUrl).host,
      topic,
      String(RECORDS),
      String(seed + 1),
    ],
  }).output();
  if (!success) throw new Error("The publisher failed");
}

function totalCpu(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + usageOf(pid).cpuSeconds, 0);
}

/** Own pages of each, and once the pages of files, which all of them map alike. */
function residentMb(pids: readonly number[]): number {
  const usages = pids.map(usageOf);
  const own = usages.reduce((sum, { rssMb, fileMb }) => sum + rssMb - fileMb, 0);
  return own + Math.max(...usages.map(({ fileMb }) => fileMb));
}

function totalRss(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + usageOf(pid).rssMb, 0);
}
