import { deepEqual, equal } from "node:assert/strict";
import type { Attempt, CheckpointId, Digest, JobId, RegionId, SubtaskId } from "@shared/ids.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import { graphOf, HubWorld, JOB_ID } from "../../tests/support/hub_world.ts";
import { markStored, requestUpload } from "./blob_store.ts";
import { completePart, startCheckpoint } from "./checkpoint_store.ts";
import { takeReign } from "./hub_state_store.ts";
import { ensureRegions, listRegions, startAttempt } from "./region_store.ts";
import { blobRefs } from "./schema.ts";

const REGION = "telemetry.0" as RegionId;
const DIGEST = "d".repeat(64) as Digest;

Deno.test("checkpoint store: with the same blobs stored, the database alone decides whose part completes (P3, F2)", async () => {
  const world = await HubWorld.open();
  const { db, clock } = world;
  const nowMs = clock.nowMs();
  await world.deploy(graphOf(1));
  const { hubTerm } = await takeReign(db, clock, { bytes: () => new Uint8Array(32) } as never);
  await ensureRegions(db, JOB_ID, [{ regionId: REGION, restoredFromId: null }]);
  const about = { jobId: JOB_ID, regionId: REGION, nowMs };
  const next = async (attempt: number, agentId: string) =>
    (await startAttempt(db, hubTerm, {
      ...about,
      attempt: attempt as Attempt,
      agentId: agentId as never,
      cause: "test",
      restoredFromId: null,
    }))!;
  const trigger = async (attempt: Attempt) =>
    (await startCheckpoint(db, hubTerm, {
      jobId: JOB_ID,
      lineage: 1,
      trigger: "periodic",
      parts: [{ regionId: REGION, attempt, agentId: "a" as never }],
      nowMs,
      savepoint: null,
    }))!;
  const complete = (checkpointId: CheckpointId, attempt: Attempt) =>
    completePart(db, hubTerm, {
      ...about,
      checkpointId,
      attempt,
      isSavepoint: false,
      subtasks: [{ subtaskId: "s" as SubtaskId, snapshot: snapshotOf(DIGEST), stats: STATS }],
    });

  const zombie = await next(0, "a");
  const first = await trigger(zombie);
  const owner = await next(zombie, "b");
  const second = await trigger(owner);
  // Both wrote the object: it is named by its content, so that is one blob and harms nobody.
  for (const [attempt, checkpointId] of [[zombie, first], [owner, second]] as const) {
    const by = { jobId: JOB_ID as JobId, regionId: REGION, attempt, checkpointId };
    await requestUpload(db, by, [{ digest: DIGEST, bytes: 1 }], { nowMs, pinUntilMs: nowMs + 1 });
    await markStored(db, [DIGEST], nowMs);
  }
  equal(await complete(first, zombie), "refused");
  equal((await listRegions(db, JOB_ID))[0]!.lastCompletedId, null);
  equal(await complete(second, owner), "completed");
  equal(await complete(second, owner), "completed");
  equal(await complete(first, owner), "refused");
  equal((await listRegions(db, JOB_ID))[0]!.lastCompletedId, second);
  const refs = await db.select().from(blobRefs);
  deepEqual(refs.map(({ checkpointId }) => checkpointId), [second]);
  await world.close();
});

const STATS = {
  startDelayMs: 0,
  alignmentMs: 0,
  syncMs: 0,
  asyncMs: 0,
  fullBytes: 1,
  uploadedBytes: 1,
};

function snapshotOf(digest: Digest): SubtaskSnapshot {
  return {
    version: 1,
    subtaskId: "s" as SubtaskId,
    keyGroupCount: 128,
    keyHash: "",
    operators: [],
    splits: [],
    pieces: [{ digest, bytes: 1, sections: [] }],
  } as unknown as SubtaskSnapshot;
}
