/**
 * One fault scenario on real processes: broker, hub, agents, a counting job, load, and the oracle.
 *
 * Touches processes, files and the network. Leases are shorter than in production so that a lost agent
 * is noticed in seconds; everything else is as shipped.
 *
 * @module
 */
import { deepStrictEqual, ok } from "node:assert/strict";
import type { AgentView, OperationView, Page } from "@shared/api.ts";
import type { AttemptView, CheckpointView, JobDetail } from "@shared/job_api.ts";
import { bundleJob } from "../../tools/build/bundle_job.ts";
import type { HubApi } from "../../tools/cli/hub_api.ts";
import { LocalCluster } from "../../tools/cluster/cluster.ts";
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";
import { differences, Load, Totals } from "./load.ts";

const STEP_TIMEOUT_MS = 60_000;

export const SHORT_LEASES = [
  "--checkpoint-interval",
  "1s",
  "--heartbeat-interval",
  "500ms",
  "--lease-ttl",
  "2s",
  "--start-grace",
  "1s",
];

export interface ScenarioOptions {
  /** `mqtt://…` of a running broker; null for the embedded one. */
  readonly brokerUrl: string | null;
  /** What the agents reach instead of `brokerUrl`: a proxy. Null for the same. */
  readonly agentBrokerUrl?: string;
  readonly agents?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Environment of one agent's first start: fail points. */
  readonly agentEnv?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly hubFlags?: readonly string[];
  readonly hubEnv?: Readonly<Record<string, string>>;
  readonly recordsPerSecond?: number;
  readonly keyCount?: number;
}

export const TWO_AGENTS = { "agent-1": { line: "1" }, "agent-2": { line: "2" } } as const;

const COUNT_JOB = `${PROJECT_ROOT}/tests/e2e/jobs/count_job.ts`;

let scenarioCount = 0;

export class Scenario {
  readonly cluster: LocalCluster;
  readonly folder: string;
  readonly #options: ScenarioOptions;
  readonly #name = `s${++scenarioCount}-${crypto.randomUUID().slice(0, 8)}`;
  load!: Load;
  totals!: Totals;
  jobId = "";
  #params: Record<string, string> = {};

  private constructor(cluster: LocalCluster, folder: string, options: ScenarioOptions) {
    this.cluster = cluster;
    this.folder = folder;
    this.#options = options;
  }

  /** Starts broker, hub and agents; deploys nothing yet. */
  static async open(options: ScenarioOptions): Promise<Scenario> {
    const folder = await Deno.makeTempDir({ prefix: "penstock-e2e-" });
    const cluster = new LocalCluster({
      folder,
      brokerUrl: options.agentBrokerUrl ?? options.brokerUrl,
      hubPort: 0,
      hubFlags: [...SHORT_LEASES, ...options.hubFlags ?? []],
      hubEnv: options.hubEnv ?? {},
    });
    const scenario = new Scenario(cluster, folder, options);
    try {
      await cluster.startBroker();
      await cluster.startHub();
      for (const [name, labels] of Object.entries(options.agents ?? TWO_AGENTS)) {
        await cluster.startAgent(name, labels, options.agentEnv?.[name] ?? {});
      }
    } catch (thrown) {
      await scenario.close();
      throw thrown;
    }
    return scenario;
  }

  get api(): HubApi {
    return this.cluster.api;
  }

  get prefix(): string {
    return this.#name;
  }

  /** Deploys the counting job, waits until it runs, and starts the load. */
  async startCounting(splits = 2): Promise<void> {
    const params = { prefix: `in/${this.#name}`, out: `out/${this.#name}`, splits: String(splits) };
    this.#params = params;
    this.jobId = await this.deploy(COUNT_JOB, "count", params);
    const brokerUrl = this.#options.brokerUrl ?? this.cluster.brokerUrl;
    this.totals = await Totals.connect(brokerUrl, `${params.out}/+`);
    this.load = await Load.connect({
      brokerUrl,
      prefix: params.prefix,
      splitCount: splits,
      keyCount: this.#options.keyCount ?? 200,
      recordsPerSecond: this.#options.recordsPerSecond ?? 1000,
    });
    this.load.run();
  }

  /** The counting job runs again, under a new id, as `how` says. */
  async redeploy(how: Readonly<Record<string, unknown>>): Promise<void> {
    this.jobId = await this.deploy(COUNT_JOB, "count", this.#params, how);
  }

  /** @returns The job's id, when it runs. */
  async deploy(
    file: string,
    name: string,
    params: Record<string, string>,
    how: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const { bundle } = await bundleJob(file);
    const operation = await this.api.post<OperationView>("/jobs", { name, bundle, params, ...how });
    const jobId = (await this.ended(operation)).jobId!;
    await this.until("the job to run", async () => {
      const job = await this.api.get<JobDetail>(`/jobs/${jobId}`);
      return job.status === "running" ? job : null;
    });
    return jobId;
  }

  job(): Promise<JobDetail> {
    return this.api.get<JobDetail>(`/jobs/${this.jobId}`);
  }

  attempts(): Promise<AttemptView[]> {
    return this.api.list<AttemptView>(`/jobs/${this.jobId}/attempts`);
  }

  async agentView(name: string): Promise<AgentView> {
    const agents = await this.api.list<AgentView>("/agents");
    return agents.find((agent) => agent.name === name)!;
  }

  async checkpoints(): Promise<readonly CheckpointView[]> {
    const page = await this.api.get<Page<CheckpointView>>(
      `/jobs/${this.jobId}/checkpoints?limit=100`,
    );
    return page.items;
  }

  /** Waits for `count` checkpoints completed after the ones there are now. */
  async untilCheckpoints(count: number): Promise<void> {
    const now = await this.until("the checkpoints so far", () => this.checkpoints());
    const last = Math.max(0, ...now.map((checkpoint) => checkpoint.id));
    await this.until(`${count} more completed checkpoints`, async () => {
      const done = (await this.checkpoints()).filter((c) =>
        c.status === "completed" && c.id > last
      );
      return done.length >= count ? done : null;
    });
  }

  /** Waits until no region of the job runs on that agent and all run. */
  async untilMovedFrom(agentId: string): Promise<JobDetail> {
    return await this.until("the regions to move", async () => {
      const job = await this.job();
      const isMoved = job.regions.every((r) => r.status === "running" && r.agentId !== agentId);
      return isMoved ? job : null;
    });
  }

  async ended(operation: OperationView): Promise<OperationView> {
    const done = await this.until(`operation ${operation.kind}`, async () => {
      const current = await this.api.operation(operation.id, 1);
      return current.status === "succeeded" || current.status === "failed" ? current : null;
    });
    ok(done.status === "succeeded", `${done.kind} failed: ${JSON.stringify(done.error)}`);
    return done;
  }

  /**
   * Ends the load and holds every key's total against the oracle: nothing lost, nothing counted twice,
   * and no output id that ever carried two different outputs.
   */
  async verifyExact(): Promise<void> {
    await this.load.pause();
    const deadlineMs = performance.now() + STEP_TIMEOUT_MS;
    let wrong = differences(this.load.oracle, this.totals.latest);
    while (wrong.length > 0 && performance.now() < deadlineMs) {
      await pauseMs(100);
      wrong = differences(this.load.oracle, this.totals.latest);
    }
    deepStrictEqual(wrong.slice(0, 5), [], `${wrong.length} keys differ\n${this.cluster.logs()}`);
    deepStrictEqual(this.totals.contradictions, 0, "an output id carried two different outputs");
    ok(this.load.acknowledged > 0, "nothing was published");
  }

  async until<T>(what: string, probe: () => Promise<T | null>): Promise<T> {
    const deadlineMs = performance.now() + STEP_TIMEOUT_MS;
    let lastError: unknown = null;
    while (performance.now() < deadlineMs) {
      try {
        const found = await probe();
        if (found !== null) return found;
      } catch (thrown) {
        // A hub that is down between two looks; the deadline judges.
        lastError = thrown;
      }
      await pauseMs(100);
    }
    throw new Error(
      `Waited ${STEP_TIMEOUT_MS} ms for ${what}: ${lastError}\n${this.cluster.logs()}`,
    );
  }

  async close(): Promise<void> {
    await this.load?.stop().catch(() => {});
    await this.totals?.stop().catch(() => {});
    await this.cluster.stop();
    if (Deno.env.get("PENSTOCK_KEEP_LOGS") !== undefined) return;
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Runs `body` on a scenario and takes it down whatever happens. */
export async function withScenario(
  options: ScenarioOptions,
  body: (scenario: Scenario) => Promise<void>,
): Promise<void> {
  const scenario = await Scenario.open(options);
  try {
    await body(scenario);
  } finally {
    await scenario.close();
  }
}

export function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
