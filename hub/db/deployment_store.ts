/**
 * The one transaction of a deployment: bundle, job, its blob reference, its regions.
 *
 * Touches the database. A name belongs to at most one running job: deployments take turns under an
 * advisory lock, so two of the same name cannot both find it free.
 *
 * @module
 */
import { and, eq, isNull, or, sql } from "drizzle-orm";
import type { CheckpointId, Digest, RegionId } from "@shared/ids.ts";
import { addRefs, markStored } from "./blob_store.ts";
import type { Db } from "./client.ts";
import { insertGaps, type NewGap } from "./gap_store.ts";
import { createJob, type NewJob } from "./job_store.ts";
import { ensureRegions } from "./region_store.ts";
import { adoptSavepoint, type SavepointPart } from "./savepoint_store.ts";
import { bundles, jobs, regions, savepoints } from "./schema.ts";

/** Number of the advisory lock that puts deployments in line. */
const DEPLOY_LOCK = 7003;
/** Owner of a bundle's blob: no checkpoint has the number 0, no region this name. */
export const BUNDLE_CHECKPOINT = 0 as CheckpointId;
export const BUNDLE_REGION = "bundle" as RegionId;

export interface Deployment {
  readonly job: NewJob;
  readonly bundle: string;
  readonly regionIds: readonly RegionId[];
  /** What to start from; null starts empty. */
  readonly savepointParts: readonly SavepointPart[] | null;
  /** Savepoint that the job takes over: it goes when the job needs it no more. */
  readonly claim: string | null;
  /** Gaps that starting from the savepoint leaves. */
  readonly gaps: readonly NewGap[];
}

export type DeploymentOutcome =
  | { readonly kind: "stored" }
  | { readonly kind: "name-taken"; readonly jobId: string }
  /** A blob of the savepoint or the bundle is not there any more. */
  | { readonly kind: "blob-missing" }
  /** Another job took the savepoint over. */
  | { readonly kind: "claimed"; readonly jobId: string }
  /** Another job reads through the sessions that this one was to go on with. */
  | { readonly kind: "sessions-taken"; readonly jobId: string };

/** Stores everything a job's loop needs. The bundle is pinned and in the object store already. */
export async function storeDeployment(tx: Db, deployment: Deployment): Promise<DeploymentOutcome> {
  const { job, regionIds, savepointParts } = deployment;
  await tx.execute(sql`select pg_advisory_xact_lock(${DEPLOY_LOCK}::bigint)`);
  const taken = await runningJobNamed(tx, job.name);
  if (taken !== null) return { kind: "name-taken", jobId: taken };
  const reader = job.sessionJobId === undefined ? null : await jobReading(tx, job.sessionJobId);
  if (reader !== null) return { kind: "sessions-taken", jobId: reader };
  await tx.insert(bundles).values({
    digest: job.bundleDigest,
    bundle: deployment.bundle,
    createdAt: new Date(job.nowMs),
  }).onConflictDoUpdate({ target: bundles.digest, set: { bundle: deployment.bundle } });
  await createJob(tx, job);
  const digest = job.bundleDigest as Digest;
  await markStored(tx, [digest], job.nowMs);
  const owner = { jobId: job.id, checkpointId: BUNDLE_CHECKPOINT, regionId: BUNDLE_REGION };
  const referenced = await addRefs(tx, owner, [digest]);
  if (referenced.kind === "missing") return { kind: "blob-missing" };
  let restoredFromId: CheckpointId | null = null;
  if (savepointParts !== null) {
    const adopted = { jobId: job.id, lineage: 1, parts: savepointParts, nowMs: job.nowMs };
    restoredFromId = await adoptSavepoint(tx, adopted);
    if (restoredFromId === null) return { kind: "blob-missing" };
  }
  const claimedBy = await claimSavepoint(tx, deployment.claim, job.id);
  if (claimedBy !== null) return { kind: "claimed", jobId: claimedBy };
  await insertGaps(tx, deployment.gaps);
  const saved = new Set(savepointParts?.map((part) => part.regionId));
  await ensureRegions(
    tx,
    job.id,
    regionIds.map((regionId) => ({
      regionId,
      restoredFromId: saved.has(regionId) ? restoredFromId : null,
    })),
  );
  return { kind: "stored" };
}

/** Id of a job that reads through the sessions of `sessionJobId`, or is about to end doing so; or null. */
export async function jobReading(db: Db, sessionJobId: string): Promise<string | null> {
  const rows = await db.select({ id: jobs.id }).from(jobs).where(and(
    or(eq(jobs.sessionJobId, sessionJobId), eq(jobs.id, sessionJobId)),
    sql`coalesce(${jobs.sessionJobId}, ${jobs.id}) = ${sessionJobId}`,
    or(
      eq(jobs.desiredState, "running"),
      sql`exists (select 1 from ${regions} r where r.job_id = ${jobs.id} and r.status <> 'stopped')`,
    ),
  )).limit(1);
  return rows[0]?.id ?? null;
}

/** @returns The job that has it already, or null when it is this one's now, or none was asked for. */
async function claimSavepoint(tx: Db, id: string | null, jobId: string): Promise<string | null> {
  if (id === null) return null;
  const claimed = await tx.update(savepoints).set({ claimedByJobId: jobId })
    .where(and(eq(savepoints.id, id), isNull(savepoints.claimedByJobId)))
    .returning({ id: savepoints.id });
  if (claimed.length > 0) return null;
  const rows = await tx.select({ jobId: savepoints.claimedByJobId }).from(savepoints)
    .where(eq(savepoints.id, id));
  return rows[0]?.jobId ?? "";
}

/** Id of the job of this name that is to run, or null. */
export async function runningJobNamed(db: Db, name: string): Promise<string | null> {
  const rows = await db.select({ id: jobs.id }).from(jobs)
    .where(and(eq(jobs.name, name), eq(jobs.desiredState, "running"))).limit(1);
  return rows[0]?.id ?? null;
}
