/**
 * How long 100,000 keys are not processed while their job goes from 1 to 3 subtasks on three agents.
 *
 * The keys are filled through Mosquitto; then a probe each few milliseconds asks for an answer, and the longest
 * silence between two answers around the rescale is the figure. No probe may stay without an answer.
 *
 * @module
 */
import { connectAsync } from "mqtt";
import type { OperationView } from "@shared/api.ts";
import type { JobDetail } from "@shared/job_api.ts";
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";
import type { LocalCluster } from "../../tools/cluster/cluster.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { benchCluster, deployBench, pauseMs } from "./bench_cluster.ts";
import { median } from "./machine.ts";

const FILL_RECORDS = 1_000_000;
const KEYS = 100_000;
const PROBE_MS = 5;
const ROUNDS = 3;
/** Probes before the rescale is asked for, and after it has ended. */
const CALM_MS = 3_000;

export async function benchRescale(
  say: (line: string) => void,
): Promise<{ rescalePauseMs: number }> {
  const folder = await Deno.makeTempDir({ prefix: "penstock-rescale-" });
  const broker = await startMosquitto();
  const cluster = benchCluster(folder, broker.url);
  try {
    await cluster.startHub();
    for (const name of ["agent-1", "agent-2", "agent-3"]) await cluster.startAgent(name, {});
    const jobId = await deployBench(cluster, "rescale_job.ts", {
      name: "rescale",
      params: {},
      parallelism: 1,
    });
    await fill(cluster, broker.url, jobId);
    const pauses: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await rescale(cluster, jobId, 1);
      pauses.push(await silenceOf(broker.url, () => rescale(cluster, jobId, 3)));
      say(`rescale ${round + 1}: ${pauses.at(-1)!.toFixed(0)} ms without an answer`);
    }
    return { rescalePauseMs: median(pauses) };
  } finally {
    await cluster.stop();
    await broker.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

/** Waits until every key has state. */
async function fill(cluster: LocalCluster, brokerUrl: string, jobId: string): Promise<void> {
  const load = `${PROJECT_ROOT}/tests/bench/w4_load.ts`;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", load, new URL(brokerUrl).host, "rescale/in", String(FILL_RECORDS), "1"],
  }).output();
  if (!success) throw new Error("The publisher failed");
  for (;;) {
    const job = await cluster.api.get<JobDetail>(`/jobs/${jobId}`);
    if ((job.regions[0]?.metrics?.stateEntries ?? 0) > KEYS * 0.99) return;
    await pauseMs(200);
  }
}

/** Goes to another parallelism; nothing to do when it is that already. */
async function rescale(cluster: LocalCluster, jobId: string, parallelism: number): Promise<void> {
  const job = await cluster.api.get<JobDetail>(`/jobs/${jobId}`);
  if (job.parallelism === parallelism) return;
  const operation = await cluster.api.post<OperationView>(`/jobs/${jobId}/rescale`, {
    parallelism,
  });
  for (;;) {
    const current = await cluster.api.operation(operation.id, 2);
    if (current.status === "failed") throw new Error(current.error?.detail);
    if (current.status === "succeeded") return;
  }
}

/** The longest time between two answers while `act` and some time after it. */
async function silenceOf(brokerUrl: string, act: () => Promise<void>): Promise<number> {
  const client = await connectAsync(brokerUrl, { protocolVersion: 5 });
  await client.subscribeAsync("rescale/out", { qos: 1 });
  let [asked, answered, lastMs, longestMs] = [0, 0, performance.now(), 0];
  client.on("message", () => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
    answered++;
  });
  const probe = setInterval(() => {
    asked++;
    void client.publishAsync("rescale/in", JSON.stringify({ k: asked % KEYS, n: -asked }), {
      qos: 1,
    });
  }, PROBE_MS);
  await pauseMs(CALM_MS);
  longestMs = 0;
  await act();
  await pauseMs(CALM_MS);
  clearInterval(probe);
  for (let waitedMs = 0; answered < asked && waitedMs < 10_000; waitedMs += 100) {
    await pauseMs(100);
  }
  await client.endAsync();
  if (answered < asked) throw new Error(`${asked - answered} of ${asked} probes had no answer`);
  return longestMs;
}
