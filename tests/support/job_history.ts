/**
 * What a job has behind it, written straight into the database: a savepoint and a later checkpoint, as its
 * loop would have left them.
 */
import type { JobId } from "@shared/ids.ts";
import { KEY_GROUP_COUNT } from "@shared/job_graph.ts";
import { KEY_HASH_ID } from "@shared/manifest.ts";
import { blobs, checkpointRegions, checkpoints, regions, savepoints } from "../../hub/db/schema.ts";
import { testGraph, type TestHub } from "./hub_app.ts";

const AT = new Date("2026-01-01T00:00:00Z");

/** A subtask's part of a checkpoint. */
export function snapshot(subtaskId: string, position: number, operatorUid = "count") {
  return {
    version: 1,
    subtaskId,
    keyGroupCount: KEY_GROUP_COUNT,
    keyHash: KEY_HASH_ID,
    operators: [{
      uid: operatorUid,
      states: [{ name: "state", kind: "value", codecVersion: 1 }],
      entryCount: 3,
    }],
    splits: [{ sourceUid: "telemetry", splitIndex: 0, position, lastRecordAtMs: AT.getTime() }],
    pieces: [{ digest: "a".repeat(64), bytes: 10, sections: [] }],
  };
}

/** Savepoint at checkpoint 3, last completed checkpoint 5, of both regions. */
export async function addHistory(test: TestHub, jobId: JobId): Promise<void> {
  const { db } = test.hub;
  await db.insert(blobs).values({
    digest: "a".repeat(64),
    bytes: 10,
    state: "stored",
    changedAt: AT,
  });
  for (const [checkpointId, isSavepoint, position] of [[3, true, 100], [5, false, 140]] as const) {
    await db.insert(checkpoints).values({
      jobId,
      checkpointId,
      lineage: 1,
      isSavepoint,
      status: "completed",
      trigger: isSavepoint ? "person" : "periodic",
      triggeredAt: AT,
      endedAt: new Date(AT.getTime() + 250),
    });
    for (const regionId of ["telemetry.0", "telemetry.1"]) {
      await db.insert(checkpointRegions).values({
        jobId,
        checkpointId,
        regionId,
        attempt: 1,
        agentId: "agent",
        status: "completed",
        completedAt: AT,
        snapshots: [snapshot(regionId, position) as never],
        stats: [{ subtaskId: regionId, syncMs: 2, asyncMs: 40 }],
        fullBytes: 10,
      });
    }
  }
  await db.insert(savepoints).values({
    id: "savepoint",
    jobId,
    checkpointId: 3,
    label: "before the upgrade",
    owner: "token:x",
    jobName: "pump-watch",
    bundleDigest: "b".repeat(64),
    graph: testGraph("pump-watch"),
    status: "completed",
    createdAt: AT,
    completedAt: AT,
  });
  await db.update(regions).set({ status: "running", attempt: 1, lastCompletedId: 5 });
}
