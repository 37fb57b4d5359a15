/** Checkpoints that a job took in the past, as rows: for tests of the history. */
import type { Db } from "../../hub/db/client.ts";
import { bundles, checkpointRegions, checkpoints, jobs } from "../../hub/db/schema.ts";

const START_MS = Date.parse("2026-01-05T00:00:00Z");
const ROWS_PER_INSERT = 500;

export interface PastCheckpoint {
  readonly status: string;
  readonly isSavepoint: boolean;
  readonly isRetained: boolean;
  /** Since the checkpoint before. */
  readonly afterMs: number;
}

/** A job without regions, to hang checkpoints on. */
export async function addPastJob(db: Db, jobId: string): Promise<void> {
  const createdAt = new Date(START_MS);
  const digest = "b".repeat(64);
  await db.insert(bundles).values({ digest, bundle: "", createdAt }).onConflictDoNothing();
  await db.insert(jobs).values({
    id: jobId,
    name: jobId,
    bundleDigest: digest,
    params: {},
    graph: { version: 1, name: jobId, operators: [], edges: [] },
    desiredState: "running",
    checkpointIntervalMs: 5_000,
    createdAt,
    createdBy: "test",
  });
}

/** Stores them with ids from 1, each with two regions of two subtasks. @returns When the last one ended. */
export async function storeCheckpoints(
  db: Db,
  jobId: string,
  rows: readonly PastCheckpoint[],
): Promise<number> {
  let atMs = START_MS;
  const heads = rows.map(({ afterMs, ...row }, index) => {
    atMs += afterMs;
    return {
      ...row,
      jobId,
      checkpointId: index + 1,
      lineage: 1,
      trigger: "periodic",
      triggeredAt: new Date(atMs),
      endedAt: new Date(atMs + 100 + index % 50),
      reason: row.status === "aborted" ? "telemetry.0: upload-failed" : null,
    };
  });
  const parts = heads.flatMap((head) =>
    ["telemetry.0", "telemetry.1"].map((regionId) => partOf(head, regionId))
  );
  for (let i = 0; i < heads.length; i += ROWS_PER_INSERT) {
    await db.insert(checkpoints).values(heads.slice(i, i + ROWS_PER_INSERT));
  }
  for (let i = 0; i < parts.length; i += ROWS_PER_INSERT) {
    await db.insert(checkpointRegions).values(parts.slice(i, i + ROWS_PER_INSERT));
  }
  return atMs + 200;
}

function partOf(
  head: { jobId: string; checkpointId: number; status: string; endedAt: Date },
  regionId: string,
) {
  const isAborted = head.status === "aborted";
  const noise = (salt: number) => (head.checkpointId * 7919 + salt * 104_729) % 1000 / 10;
  const done = {
    startDelayMs: 1 + noise(1),
    alignmentMs: noise(2),
    syncMs: noise(3) / 100,
    asyncMs: 20 + noise(4),
    fullBytes: 200_000 + head.checkpointId % 997,
    uploadedBytes: 4_000 + head.checkpointId % 499,
  };
  return {
    jobId: head.jobId,
    checkpointId: head.checkpointId,
    regionId,
    attempt: 1,
    agentId: "0190b6e2-7c1e-7b7e-9e3a-5f0c3f1a2b3c",
    status: isAborted ? "aborted" : "completed",
    completedAt: isAborted ? null : head.endedAt,
    reason: isAborted ? "upload-failed" : null,
    stats: [
      { subtaskId: regionId, ...done },
      isAborted
        ? { subtaskId: `${regionId}.b`, isMissing: true, reason: "upload-failed", detail: "503" }
        : { subtaskId: `${regionId}.b`, ...done, asyncMs: 10 + noise(5) },
    ],
    fullBytes: done.fullBytes * 2,
    uploadedBytes: done.uploadedBytes * 2,
  };
}
