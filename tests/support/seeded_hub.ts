/**
 * A real hub process with a plant's day behind it, for tests in the browser and of the command line.
 *
 * Touches processes, files below a temporary folder, and the network. The hub keeps PGlite and objects in
 * that folder; agents speak to it over their real channel (`wire_agent.ts`); everything it knows came in by
 * its own doors.
 */
import type { CreatedApiToken, OperationView } from "@shared/api.ts";
import type { JobDetail } from "@shared/job_api.ts";
import type { JobId } from "@shared/ids.ts";
import type { AgentMessageOf, SignalSample, SubtaskMetrics } from "@shared/messages.ts";
import { bundleJob } from "../../tools/build/bundle_job.ts";
import { PROJECT_ROOT } from "../../tools/build/run_deno.ts";
import type { HubApi } from "../../tools/cli/hub_api.ts";
import { LocalCluster } from "../../tools/cluster/cluster.ts";
import { edgesOf, pastOf, placesOf, presentOf } from "./seeded_plant.ts";
import { WireAgent } from "./wire_agent.ts";

const TICK_MS = 1_000;
const SAMPLES_PER_MESSAGE = 15_000;
const READY_TIMEOUT_MS = 180_000;
const EQUIPMENT_COUNT = 24;
/** Every so many checkpoints one subtask has trouble. */
const TROUBLE_EVERY = 9;

export interface SeededHubOptions {
  /** Default 24, which keep a day of history. */
  readonly equipmentCount?: number;
  readonly hubFlags?: readonly string[];
  /** Without the second job and the savepoint, for tests that need the plant alone. */
  readonly isPlantOnly?: boolean;
  /** False: nothing is said any more once the past is in; screens stand still. Default true. */
  readonly isLive?: boolean;
}

export interface SeededHub {
  readonly url: string;
  readonly adminToken: string;
  readonly api: HubApi;
  /** Address that signs in by itself. */
  readonly signedIn: (path: string) => string;
  readonly agents: readonly WireAgent[];
  readonly jobId: string;
  /** Of the job that exchanges by key; null with a plant alone. */
  readonly energyJobId: string | null;
  readonly equipment: readonly string[];
  /** A token of that role. */
  token(role: "viewer" | "operator" | "admin"): Promise<string>;
  /** More alarms of the same plant, as edges that have just happened. */
  ring(count: number): void;
  killHub(): Promise<void>;
  restartHub(): Promise<void>;
  close(): Promise<void>;
}

/** Starts the hub, lets its agents enrol, deploys, and gives it its past. Takes some seconds. */
export async function startSeededHub(options: SeededHubOptions = {}): Promise<SeededHub> {
  const folder = await Deno.makeTempDir({ prefix: "penstock-seeded-" });
  const cluster = new LocalCluster({
    folder,
    brokerUrl: null,
    hubPort: 0,
    hubFlags: ["--checkpoint-interval", "3s", "--start-grace", "1s", ...options.hubFlags ?? []],
  });
  await cluster.startBroker();
  await cluster.startHub();
  const { api } = cluster;
  const agents = await enrolAgents(api);
  const jobId = await deploy(api, "line_watch");
  const energyJobId = options.isPlantOnly === true ? null : await deploy(api, "order_energy", 3);
  const places = placesOf(options.equipmentCount ?? EQUIPMENT_COUNT);
  const equipment = places.map(({ key }) => key);
  // First: what an agent says behind its past waits until that is stored.
  if (energyJobId !== null) await takeSavepoint(api, jobId);
  giveThePast(agents[0]!, { jobId: jobId as JobId, places });
  const speech = options.isLive === false
    ? undefined
    : setInterval(() => speak(agents, jobId as JobId, equipment), TICK_MS);
  let rings = 0;
  return {
    url: cluster.hubUrl,
    adminToken: cluster.adminToken,
    api,
    signedIn: (path) => `${cluster.hubUrl}${path}#token=${cluster.adminToken}`,
    agents,
    jobId,
    energyJobId,
    equipment,
    async token(role) {
      const name = `${role}-of-the-test`;
      return (await api.post<CreatedApiToken>("/tokens", { name, role })).token;
    },
    ring(count) {
      const [first] = edgesOf(equipment, { jobId, regionId: "telemetry.0", nowMs: Date.now() });
      const edges = Array.from({ length: count }, () => {
        const number = ++rings;
        const key = equipment[number % equipment.length]!;
        const ids = { edgeId: `more-${number}-raise`, alarmId: `more-${number}` };
        return { ...first!, ...ids, key, atMs: Date.now() };
      });
      for (let i = 0; i < edges.length; i += 1_000) {
        agents[0]!.say({ kind: "alarms", seq: 100 + i, edges: edges.slice(i, i + 1_000) });
      }
    },
    killHub: () => cluster.killHub(),
    async restartHub() {
      await cluster.startHub();
      await Promise.all(agents.map((agent) => agent.connect()));
    },
    async close() {
      clearInterval(speech);
      for (const agent of agents) agent.close();
      await cluster.stop();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function enrolAgents(api: HubApi): Promise<WireAgent[]> {
  const enrol = async (name: string, site: string, extra = {}) => {
    const agent = await WireAgent.enrol({
      api,
      name,
      labels: { site },
      statsOf,
      entriesOf,
      ...extra,
    });
    await agent.connect();
    return agent;
  };
  const agents = [
    await enrol("gateway-north-1", "north"),
    await enrol("gateway-south-1", "south"),
    await enrol("gateway-south-2", "south", { uplink: { roundTripMs: 840, unsentBytes: 61_000 } }),
  ];
  // One that was switched off.
  await WireAgent.enrol({ api, name: "gateway-west-1", labels: { site: "west" } });
  return agents;
}

function entriesOf(subtaskId: string): number {
  return subtaskId.startsWith("energy") ? 310 : 12;
}

function statsOf(subtaskId: string, checkpointId: number) {
  const isSlow = subtaskId === "energy.1";
  if (isSlow && checkpointId % TROUBLE_EVERY === 0) {
    return new Error("The object store answered 503 (upload took 10 s)");
  }
  return {
    startDelayMs: 2 + checkpointId % 5,
    alignmentMs: subtaskId.startsWith("energy") ? 30 + checkpointId % 40 : 0,
    asyncMs: isSlow ? 640 + checkpointId % 90 : 20 + checkpointId % 17,
  };
}

async function deploy(api: HubApi, name: string, parallelism?: number): Promise<string> {
  const { bundle } = await bundleJob(`${PROJECT_ROOT}/tests/support/jobs/${name}.ts`);
  const operation = await api.post<OperationView>("/jobs", {
    name: name.replaceAll("_", "-"),
    bundle,
    ...(parallelism === undefined ? {} : { parallelism }),
  });
  const jobId = operation.jobId!;
  await until(`job ${name} runs`, async () => {
    const { status, regions } = await api.get<JobDetail>(`/jobs/${jobId}`);
    return status === "running" && regions.every(({ lastCompletedId }) => lastCompletedId !== null);
  });
  return jobId;
}

function giveThePast(
  agent: WireAgent,
  of: {
    readonly jobId: JobId;
    readonly places: AgentMessageOf<"equipment">["places"];
  },
): void {
  const { jobId, places } = of;
  const nowMs = Date.now();
  agent.say({ kind: "equipment", jobId, places });
  const keys = places.map(({ key }) => key);
  const samples: SignalSample[] = keys.slice(0, EQUIPMENT_COUNT)
    .flatMap((key) => pastOf(key, nowMs));
  samples.push(...presentOf(keys.slice(EQUIPMENT_COUNT), nowMs));
  for (let i = 0; i < samples.length; i += SAMPLES_PER_MESSAGE) {
    agent.say({ kind: "samples", jobId, samples: samples.slice(i, i + SAMPLES_PER_MESSAGE) });
  }
  const edges = edgesOf(keys.slice(0, EQUIPMENT_COUNT), { jobId, regionId: "telemetry.0", nowMs });
  agent.say({ kind: "alarms", seq: 1, edges });
}

async function takeSavepoint(api: HubApi, jobId: string): Promise<void> {
  const { id } = await api.post<OperationView>(`/jobs/${jobId}/savepoints`, {
    label: "before the new threshold",
  });
  await until("the savepoint is taken", async () => {
    const { status } = await api.get<OperationView>(`/operations/${id}`);
    if (status === "failed") throw new Error("The savepoint failed");
    return status === "succeeded";
  });
}

/** One second: what the machines measure, and how the subtasks do. */
function speak(agents: readonly WireAgent[], jobId: JobId, equipment: readonly string[]): void {
  agents[0]!.say({ kind: "samples", jobId, samples: presentOf(equipment, Date.now()) });
  for (const agent of agents) {
    const subtasks = [...agent.regions.values()].flatMap((region) =>
      region.subtasks.map((plan) => metricsOf(region, plan.subtaskId, plan.operatorUids))
    );
    if (subtasks.length > 0) agent.say({ kind: "metrics", subtasks });
  }
}

function metricsOf(
  region: { jobId: JobId; regionId: string; attempt: number; position: number },
  subtaskId: string,
  operatorUids: readonly string[],
): SubtaskMetrics {
  const isSlow = subtaskId === "energy.1";
  const isHeldBack = subtaskId.startsWith("meters");
  const count = Math.floor(Date.now() / 10);
  return {
    jobId: region.jobId,
    regionId: region.regionId as SubtaskMetrics["regionId"],
    attempt: region.attempt as SubtaskMetrics["attempt"],
    subtaskId: subtaskId as SubtaskMetrics["subtaskId"],
    recordsIn: count,
    recordsOut: count,
    duplicatesDropped: 3,
    deadLetters: 1,
    stateEntries: entriesOf(subtaskId),
    windowUsed: 820,
    windowSize: 65_535,
    windowSecondsLeft: 655,
    busyRatio: isSlow ? 0.97 : 0.21,
    backpressuredRatio: isHeldBack ? 0.46 : 0,
    idleRatio: isSlow ? 0.03 : 0.33,
    watermarkMs: Date.now() - (isSlow ? 41_000 : 5_200),
    eventTimeLagMs: isSlow ? 41_000 : 5_200,
    sourceLagMs: isHeldBack ? 12_000 : 140,
    lateRecords: 0,
    shedRecords: 0,
    futureRecords: 0,
    inputQueued: isSlow ? 3_800 : 0,
    position: region.position,
    isConnected: true,
    operators: operatorUids.map((uid) => ({ uid, recordsIn: count, recordsOut: count })),
  };
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + READY_TIMEOUT_MS;
  while (!await isSo()) {
    if (Date.now() > endMs) throw new Error(`Waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** `deno run -A tests/support/seeded_hub.ts`: for looking around in a browser; ends with Ctrl-C. */
if (import.meta.main) {
  const hub = await startSeededHub();
  await Deno.stdout.write(new TextEncoder().encode(`${hub.signedIn("/")}\n`));
  Deno.addSignalListener("SIGINT", () => void hub.close().then(() => Deno.exit(0)));
}
