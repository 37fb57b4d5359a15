/**
 * Deploys a region: signs what its agent has to fetch, raises the attempt, sends it.
 *
 * Touches the database, the object store and the agents' links. What can fail without consequence
 * (reading the base, signing) comes before the attempt is raised.
 *
 * @module
 */
import type { AgentId, Digest, JobId } from "@shared/ids.ts";
import { brokersOf } from "@shared/job_graph.ts";
import { digestsOf } from "@shared/manifest.ts";
import { messageOf } from "@shared/errors.ts";
import type { RestorePlan } from "@shared/messages.ts";
import type { SignedUrl } from "@shared/object_store.ts";
import { readPart } from "./db/checkpoint_store.ts";
import { positionFloors } from "./db/gap_store.ts";
import { DeposedError } from "./db/hub_state_store.ts";
import type { JobRecord } from "./db/job_store.ts";
import { startAttempt } from "./db/region_store.ts";
import { announceRegion, type JobRun, type RegionRun, tell } from "./job_run.ts";
import type { HubContext } from "./ports.ts";

/** A deployment that could not be prepared is tried again after this. */
const PREPARE_RETRY_MS = 5_000;

/** The region is deploying on `agentId` under the next attempt, or waits and says why. */
export async function deployRegion(
  run: JobRun,
  region: RegionRun,
  agentId: AgentId,
): Promise<void> {
  const { world, job } = run;
  const prepared = await prepare(run, region);
  if (prepared === null) {
    region.retryAtMs = world.clock.monotonicMs() + PREPARE_RETRY_MS;
    region.status = "backing-off";
    return;
  }
  const attempt = await startAttempt(world.db, world.hubTerm, {
    jobId: job.id,
    regionId: region.regionId,
    attempt: region.attempt,
    agentId,
    cause: region.nextCause,
    restoredFromId: prepared.restore?.checkpointId ?? null,
    nowMs: world.clock.nowMs(),
  });
  if (attempt === null) {
    throw new Error(`Region ${region.regionId} has another attempt in the database`);
  }
  const cause = region.nextCause;
  Object.assign(region, {
    attempt,
    agentId,
    status: "deploying",
    restoredFromId: prepared.restore?.checkpointId ?? null,
    retryAtMs: null,
    sinceMs: world.clock.monotonicMs(),
    nextCause: "restart",
  });
  tell(run, region, {
    kind: "deploy",
    jobName: job.name,
    bundleDigest: job.bundleDigest as Digest,
    bundleUrl: prepared.bundleUrl,
    params: job.params,
    subtasks: [...region.plan.subtasks],
    exchange: null,
    brokers: brokersFor(world, job),
    restore: prepared.restore,
    heapMb: world.config.runnerHeapMb,
  });
  announceRegion(run, region, cause);
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
