/**
 * Hub and agents of a bench: a cluster with a checkpoint each second, and a job deployed on it.
 *
 * Touches processes, through the cluster.
 *
 * @module
 */
import type { OperationView } from "@shared/api.ts";
import type { JobDetail } from "@shared/job_api.ts";
import { bundleJob } from "../../tools/build/bundle_job.ts";
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";
import { LocalCluster } from "../../tools/cluster/cluster.ts";

/** A cluster over `brokerUrl` that keeps its files in `folder`; nothing is started. */
export function benchCluster(folder: string, brokerUrl: string): LocalCluster {
  return new LocalCluster({
    folder,
    brokerUrl,
    hubPort: 0,
    hubFlags: ["--checkpoint-interval", "1s", "--min-pause", "100ms"],
  });
}

/** Deploys `tests/bench/jobs/FILE` and waits until it runs. @returns The job's id. */
export async function deployBench(
  cluster: LocalCluster,
  file: string,
  body: {
    readonly name: string;
    readonly params: Readonly<Record<string, string>>;
    readonly parallelism?: number;
  },
): Promise<string> {
  const { bundle } = await bundleJob(`${PROJECT_ROOT}/tests/bench/jobs/${file}`);
  const operation = await cluster.api.post<OperationView>("/jobs", { ...body, bundle });
  for (;;) {
    const current = await cluster.api.operation(operation.id, 2);
    if (current.status === "failed") throw new Error(current.error?.detail);
    const job = await cluster.api.get<JobDetail>(`/jobs/${operation.jobId ?? current.jobId}`);
    if (job.status === "running") return job.id;
    await pauseMs(100);
  }
}

export function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
