/**
 * Deploys a region: signs what its agents have to fetch, raises the attempt, sends each its subtasks.
 *
 * Touches the database, the object store and the agents' links. What can fail without consequence
 * (reading the base, signing) comes before the attempt is raised. Agents that share a region get a key
 * for the frames between them; it is new for every attempt, and only these messages hold it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Digest, JobId } from "@shared/ids.ts";
import { brokersOf } from "@shared/job_graph.ts";
import { digestsOf } from "@shared/manifest.ts";
import { messageOf } from "@shared/errors.ts";
import type { ExchangeConfig, RestorePlan } from "@shared/messages.ts";
import type { SignedUrl } from "@shared/object_store.ts";
import type { SubtaskPlan } from "@shared/regions.ts";
import { readPart } from "./db/checkpoint_store.ts";
import { positionFloors } from "./db/gap_store.ts";
import { DeposedError } from "./db/hub_state_store.ts";
import type { JobRecord } from "./db/job_store.ts";
import { type Placement, startAttempt } from "./db/region_store.ts";
import {
  agentsOf,
  announceRegion,
  isSpanning,
  type JobRun,
  type RegionRun,
  tellAgent,
} from "./job_run.ts";
import type { HubContext } from "./ports.ts";

/** A deployment that could not be prepared is tried again after this. */
const PREPARE_RETRY_MS = 5_000;
/** Of the key that authenticates the frames of an attempt. */
const EXCHANGE_KEY_BYTES = 32;

/** The region is deploying where `placement` says under the next attempt, or waits and says why. */
export async function deployRegion(
  run: JobRun,
  region: RegionRun,
  placement: Placement,
): Promise<void> {
  const { world, job } = run;
  const prepared = await prepare(run, region);
  if (prepared === null) {
    region.retryAtMs = world.clock.monotonicMs() + PREPARE_RETRY_MS;
    region.status = "backing-off";
    return;
  }
  const agentId = placement[region.plan.subtasks[0]!.subtaskId]!;
  const cause = region.nextCause;
  const restoredFromId = prepared.restore?.checkpointId ?? null;
  const attempt = await startAttempt(world.db, world.hubTerm, {
    jobId: job.id,
    regionId: region.regionId,
    attempt: region.attempt,
    agentId,
    placement,
    cause,
    restoredFromId,
    nowMs: world.clock.nowMs(),
  });
  if (attempt === null) {
    throw new Error(`Region ${region.regionId} has another attempt in the database`);
  }
  Object.assign(region, {
    attempt,
    agentId,
    placement,
    status: "deploying",
    restoredFromId,
    retryAtMs: null,
    sinceMs: world.clock.monotonicMs(),
    nextCause: "restart",
  });
  sendDeployments(run, region, prepared);
  announceRegion(run, region, cause);
}

function sendDeployments(run: JobRun, region: RegionRun, prepared: Prepared): void {
  const { world, job } = run;
  const exchange = exchangeOf(run, region);
  for (const agentId of agentsOf(region)) {
    const subtasks = region.plan.subtasks
      .filter(({ subtaskId }) => region.placement[subtaskId] === agentId);
    const message = {
      kind: "deploy",
      jobName: job.name,
      bundleDigest: job.bundleDigest as Digest,
      bundleUrl: prepared.bundleUrl,
      params: job.params,
      sessionJobId: job.sessionJobId,
      subtasks,
      exchange,
      brokers: brokersFor(world, job),
      restore: restoreFor(prepared.restore, subtasks),
      heapMb: world.config.runnerHeapMb,
    } as const;
    tellAgent(run, region, { agentId, message });
  }
}

/** How the agents of the region exchange records (P7); null when one agent runs all of it. */
function exchangeOf(run: JobRun, region: RegionRun): ExchangeConfig | null {
  if (!isSpanning(region)) return null;
  const broker = brokersOf(run.job.graph)[0];
  if (broker === undefined) {
    throw new Error(`Region ${region.regionId} spans agents, and its job names no broker`);
  }
  return {
    broker,
    key: Buffer.from(run.world.random.bytes(EXCHANGE_KEY_BYTES)).toString("base64"),
  };
}

/**
 * What an agent needs of the region's snapshots: of a subtask that is local to its split its own; a range
 * of key groups may have been in any.
 */
function restoreFor(
  restore: RestorePlan | null,
  subtasks: readonly SubtaskPlan[],
): RestorePlan | null {
  if (restore === null) return null;
  const ids = new Set(subtasks.map(({ subtaskId }) => subtaskId));
  const isRanged = subtasks.some(({ keyGroups }) => keyGroups !== null);
  const snapshots = restore.snapshots
    .filter(({ subtaskId }) => isRanged || ids.has(subtaskId));
  const urls = Object.fromEntries(
    digestsOf(snapshots).map((digest) => [digest, restore.urls[digest]!]),
  );
  return { ...restore, snapshots, urls };
}

interface Prepared {
  readonly bundleUrl: SignedUrl;
  readonly restore: RestorePlan | null;
}

/** Null when it cannot be prepared now; the reason is logged, and nothing has changed. */
async function prepare(run: JobRun, region: RegionRun): Promise<Prepared | null> {
  const { world, job } = run;
  const baseId = region.lastCompletedId ?? region.restoredFromId;
  try {
    const digest = job.bundleDigest as Digest;
    const bundleUrl = await world.objects.signGet(digest);
    if (baseId === null) return { bundleUrl, restore: null };
    const part = await readPart(world.db, {
      jobId: job.id,
      checkpointId: baseId,
      regionId: region.regionId,
    });
    if (part === null) {
      throw new Error(`Checkpoint ${baseId} holds no manifest of region ${region.regionId}`);
    }
    const snapshots = [...part.snapshots];
    const digests = digestsOf(snapshots);
    const urls = await Promise.all(digests.map((piece) => world.objects.signGet(piece)));
    return {
      bundleUrl,
      restore: {
        checkpointId: baseId,
        isSavepoint: part.isSavepoint,
        snapshots,
        urls: Object.fromEntries(digests.map((piece, i) => [piece, urls[i]!])),
        positionFloors: await positionFloors(world.db, {
          jobId: job.id,
          regionId: region.regionId,
        }),
        allowNonRestoredState: job.allowNonRestoredState,
      },
    };
  } catch (thrown) {
    if (thrown instanceof DeposedError) throw thrown;
    world.logger.error("Deployment could not be prepared", {
      jobId: job.id as JobId,
      regionId: region.regionId,
      checkpointId: baseId,
      error: messageOf(thrown),
    });
    world.events.publish("deploy.failed", { jobId: job.id }, {
      jobName: job.name,
      regionId: region.regionId,
      checkpointId: baseId,
      reason: messageOf(thrown),
    });
    return null;
  }
}

/** Only the brokers that the job names, with the credentials the hub holds for them. */
function brokersFor(world: HubContext, job: JobRecord) {
  const names = new Set(brokersOf(job.graph));
  return world.config.brokers.filter(({ name }) => names.has(name));
}
