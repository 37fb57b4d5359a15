/**
 * The demo as a story: a plant, two agents, a job, a savepoint, a killed agent, a rollback, the proof.
 *
 * Touches processes, the network and the terminal. Each step prints one line and throws when what it
 * promises did not happen.
 *
 * @module
 */
import type { AgentView, OperationView, Page } from "@shared/api.ts";
import type { CheckpointView, GapView, JobDetail, RollbackPlan } from "@shared/job_api.ts";
import type { AlarmView } from "@shared/plant_api.ts";
import { PenstockError } from "@shared/errors.ts";
import { bundleJob } from "../build/bundle_job.ts";
import { validateJob } from "../build/validate_job.ts";
import type { HubApi } from "../cli/hub_api.ts";
import type { LocalCluster } from "../cluster/cluster.ts";
import { CountObserver, type Verdict } from "./observer.ts";
import type { Plant } from "./plant.ts";

const STEP_TIMEOUT_MS = 90_000;
const POLL_MS = 100;
const AGENT_NAMES = ["gateway-1", "gateway-2"] as const;

export interface Report {
  readonly published: number;
  readonly counted: number;
  readonly missing: number;
  readonly duplicates: number;
  /** Records that the rollback gave up, all inside recorded gaps. */
  readonly gap: number;
  readonly checkpointsCompleted: number;
  readonly agentKilledAt: string;
  readonly reassignedMs: number;
  readonly firstOutputAfterKillMs: number;
  readonly savepointId: string;
  readonly rollbackMs: number;
  readonly anomalies: number;
  readonly dashboardUrl: string;
}

export interface StoryOptions {
  readonly cluster: LocalCluster;
  readonly plant: Plant;
  readonly jobFile: string;
  /** Machine to break, or null when the recordings bring their own anomalies. */
  readonly breakMachine: string | null;
  readonly say: (step: string) => void;
}

interface Killed {
  readonly at: string;
  readonly reassignedMs: number;
  readonly firstOutputMs: number;
}

/** Tells the whole story; the last step has verified every count. */
export async function tellStory(options: StoryOptions): Promise<Report> {
  const { cluster, plant, say } = options;
  say(`plant: ${plant.machineNames.length} machines on two lines, QoS 1, numbered records`);
  for (const [index, name] of AGENT_NAMES.entries()) {
    await cluster.startAgent(name, { line: String(index + 1) });
    say(`agent ${name} enrolled and is online`);
  }
  const api = cluster.api;
  const observer = await CountObserver.connect(cluster.brokerUrl);
  const jobId = await deploy(options);
  plant.run();
  const checkpoints = await untilCheckpoints(api, jobId, 3);
  say(`checkpoints complete: ${checkpoints.map((c) => c.id).join(", ")}`);
  const anomalies = await untilAnomaly(options, api);
  const savepointId = await takeSavepoint(api, jobId);
  say(`savepoint ${savepointId} taken`);

  const killed = await killAgent(options, observer, jobId);
  await cluster.startAgent(AGENT_NAMES[1], { line: "2" });
  say(`agent ${AGENT_NAMES[1]} is back, empty, and can be used again`);
  await plant.pause();
  const before = await settle(plant, observer, (verdict) => verdict.missing === 0);
  say(`across the kill: ${summary(plant, before)}`);
  if (before.missing + before.duplicates + before.holes > 0) throw wrong("the kill", before);

  plant.run();
  await untilCheckpoints(api, jobId, 1, lastId(await checkpointsOf(api, jobId)));
  await plant.pause();
  await settle(plant, observer, (verdict) => verdict.missing === 0);
  const rolledBack = await rollBack(api, jobId, savepointId, say);
  plant.run();
  await pauseMs(3000);
  await plant.pause();
  const gap = await recordedGap(api, jobId);
  const after = await settle(plant, observer, (v) => v.missing === 0 && v.holes === gap);
  say(`after the rollback: ${summary(plant, after)}, ${after.holes} in the gap of ${gap}`);
  if (after.missing + after.duplicates > 0 || after.holes !== gap) {
    throw wrong("the rollback", after);
  }
  await observer.stop();
  return {
    published: plant.publishedTotal,
    counted: after.counted,
    missing: after.missing,
    duplicates: after.duplicates,
    gap,
    checkpointsCompleted: (await checkpointsOf(api, jobId)).filter(isDone).length,
    agentKilledAt: killed.at,
    reassignedMs: killed.reassignedMs,
    firstOutputAfterKillMs: killed.firstOutputMs,
    savepointId,
    rollbackMs: rolledBack,
    anomalies: Math.max(anomalies, (await alarmsOf(api)).length),
    dashboardUrl: cluster.hubUrl,
  };
}

async function deploy({ cluster, jobFile, say }: StoryOptions): Promise<string> {
  const { bundle } = await bundleJob(jobFile);
  const { name } = (await validateJob(jobFile)).graph;
  const operation = await cluster.api.post<OperationView>("/jobs", { name, bundle, params: {} });
  const jobId = (await ended(cluster.api, operation)).jobId!;
  const job = await until("the job to run", async () => {
    const detail = await cluster.api.get<JobDetail>(`/jobs/${jobId}`);
    return detail.status === "running" ? detail : null;
  });
  say(`job "${job.name}" runs: ${job.regionsTotal} regions, ${job.guarantee.given}`);
  return jobId;
}

async function untilAnomaly(options: StoryOptions, api: HubApi): Promise<number> {
  if (options.breakMachine !== null) {
    options.say(`waiting for the detectors to have learned, then ${options.breakMachine} breaks`);
    await pauseMs(12_000);
    options.plant.injectFault(options.breakMachine, "bearing-wear");
  }
  const alarms = await until("an anomaly", async () => {
    const found = await alarmsOf(api);
    return found.length > 0 ? found : null;
  });
  const first = alarms.at(-1)!;
  options.say(`anomaly on ${first.equipment}: ${first.text}`);
  return alarms.length;
}

async function takeSavepoint(api: HubApi, jobId: string): Promise<string> {
  const operation = await api.post<OperationView>(`/jobs/${jobId}/savepoints`, { label: "demo" });
  return String((await ended(api, operation)).result!["savepointId"]);
}

/** Kills the agent of line 2 and waits until its region works elsewhere. */
async function killAgent(
  { cluster, plant, say }: StoryOptions,
  observer: CountObserver,
  jobId: string,
): Promise<Killed> {
  const api = cluster.api;
  const agents = await api.list<AgentView>("/agents");
  const victim = agents.find((agent) => agent.name === AGENT_NAMES[1])!;
  const moved = victim.regions.filter((region) => region.jobId === jobId).map((r) => r.regionId);
  const ofLine = plant.machineNames.filter((name) => plant.lineOf(name) === 2);
  const at = new Date().toISOString();
  const publishedThen = new Map(plant.published);
  const startMs = performance.now();
  await cluster.killAgent(victim.name);
  say(`agent ${victim.name} is killed (SIGKILL); it ran ${moved.join(", ")}`);
  const firstOutput = Promise.withResolvers<number>();
  const stopListening = observer.onCount((count) => {
    // Only a count that holds a record published after the kill was made by the new owner.
    if (!ofLine.includes(count.equipment)) return;
    if (count.n > publishedThen.get(count.equipment)!) {
      firstOutput.resolve(performance.now() - startMs);
    }
  });
  const reassignedMs = await until("its region to move", async () => {
    const job = await api.get<JobDetail>(`/jobs/${jobId}`);
    const regions = job.regions.filter((region) => moved.includes(region.regionId));
    const isMoved = regions.every((r) => r.agentId !== victim.id && r.status === "running");
    return isMoved ? performance.now() - startMs : null;
  });
  const firstOutputMs = await deadline(firstOutput.promise, "the first output of the new owner");
  stopListening();
  say(
    `its region moved in ${Math.round(reassignedMs)} ms; ` +
      `first output of the new owner after ${Math.round(firstOutputMs)} ms`,
  );
  return { at, reassignedMs: Math.round(reassignedMs), firstOutputMs: Math.round(firstOutputMs) };
}

async function rollBack(
  api: HubApi,
  jobId: string,
  savepointId: string,
  say: (step: string) => void,
): Promise<number> {
  const path = `/jobs/${jobId}/rollbacks`;
  const body = { savepointId, reason: "demo: back to the savepoint" };
  const plan = await api.post<RollbackPlan>(path, { ...body, allowGap: false, dryRun: true });
  const lost = plan.gaps.reduce((sum, gap) => sum + gap.records, 0);
  say(`rollback, dry run: ${plan.regions.length} regions, gap of ${lost} records`);
  const startMs = performance.now();
  const operation = await api.post<OperationView>(path, { ...body, allowGap: true, dryRun: false });
  await ended(api, operation);
  const tookMs = Math.round(performance.now() - startMs);
  say(`rolled back to the savepoint over REST in ${tookMs} ms`);
  return tookMs;
}

async function recordedGap(api: HubApi, jobId: string): Promise<number> {
  const gaps = await api.list<GapView>(`/jobs/${jobId}/gaps`);
  return gaps.reduce((sum, gap) => sum + (gap.records ?? 0), 0);
}

/** Waits until the counts are as wanted, or for a bounded time: then they are what they are. */
async function settle(
  plant: Plant,
  observer: CountObserver,
  isSettled: (verdict: Verdict) => boolean,
): Promise<Verdict> {
  const deadlineMs = performance.now() + 30_000;
  let verdict = observer.verify(plant.published);
  while (!isSettled(verdict) && performance.now() < deadlineMs) {
    await pauseMs(POLL_MS);
    verdict = observer.verify(plant.published);
  }
  return verdict;
}

function summary(plant: Plant, verdict: Verdict): string {
  return `published ${plant.publishedTotal}, counted ${verdict.counted}, ` +
    `missing: ${verdict.missing}, duplicates: ${verdict.duplicates}`;
}

function wrong(what: string, verdict: Verdict): PenstockError {
  return new PenstockError(
    `Counts are wrong after ${what}: missing ${verdict.missing}, ` +
      `duplicates ${verdict.duplicates}, holes ${verdict.holes}`,
    { code: "counts-wrong", domain: "internal" },
  );
}

async function checkpointsOf(api: HubApi, jobId: string): Promise<readonly CheckpointView[]> {
  return (await api.get<Page<CheckpointView>>(`/jobs/${jobId}/checkpoints?limit=200`)).items;
}

function isDone(checkpoint: CheckpointView): boolean {
  return !["pending", "aborted"].includes(checkpoint.status);
}

function lastId(checkpoints: readonly CheckpointView[]): number {
  return Math.max(0, ...checkpoints.map((checkpoint) => checkpoint.id));
}

function untilCheckpoints(
  api: HubApi,
  jobId: string,
  count: number,
  afterId = 0,
): Promise<CheckpointView[]> {
  return until(`${count} completed checkpoints`, async () => {
    const done = (await checkpointsOf(api, jobId)).filter((checkpoint) =>
      checkpoint.status === "completed" && checkpoint.id > afterId
    );
    return done.length >= count ? done : null;
  });
}

async function alarmsOf(api: HubApi): Promise<AlarmView[]> {
  return await api.list<AlarmView>("/alarms?state=all");
}

async function ended(api: HubApi, operation: OperationView): Promise<OperationView> {
  const done = await until(`operation ${operation.kind}`, async () => {
    const current = await api.operation(operation.id, 2);
    return current.status === "succeeded" || current.status === "failed" ? current : null;
  });
  if (done.status === "succeeded") return done;
  throw new PenstockError(
    `Operation ${done.kind} failed: ${done.error?.detail ?? "no reason given"}`,
    {
      code: "operation-failed",
      domain: "internal",
    },
  );
}

async function until<T>(what: string, probe: () => Promise<T | null>): Promise<T> {
  const deadlineMs = performance.now() + STEP_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    const found = await probe();
    if (found !== null) return found;
    await pauseMs(POLL_MS);
  }
  throw notInTime(what);
}

async function deadline<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(notInTime(what)), STEP_TIMEOUT_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function notInTime(what: string): PenstockError {
  return new PenstockError(`Waited ${STEP_TIMEOUT_MS / 1000} s for ${what}`, {
    code: "demo-step-timeout",
    domain: "internal",
  });
}

function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
