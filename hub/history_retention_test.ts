import { deepEqual, equal } from "node:assert/strict";
import { HubWorld, JOB_ID } from "../tests/support/hub_world.ts";
import { beginRequest } from "./db/idempotency_store.ts";
import { forgetHistory, type HistoryContext } from "./history_retention.ts";
import { hubState } from "./db/schema.ts";
import { getCheckpoint, listCheckpoints } from "./db/checkpoint_views.ts";
import { listSavepoints } from "./db/savepoint_store.ts";

const DAY_MS = 86_400_000;

Deno.test("history: rows of old checkpoints go; what holds parts and every savepoint stays (L2)", async () => {
  const world = await HubWorld.open();
  await world.addAgent("a");
  await world.deploy();
  await world.allRunning();
  equal((await world.ended(await world.order("savepoint", {}))).status, "succeeded");
  await world.completed(6);
  const page = { limit: 100, beforeId: null };
  const before = await listCheckpoints(world.db, JOB_ID, page);
  const [reign] = await world.db.select().from(hubState);
  const context = (afterMs: number) => ({
    db: world.db,
    clock: { ...world.clock, nowMs: () => world.clock.nowMs() + afterMs },
    hubTerm: reign!.hubTerm,
    config: { sampleRetentionMs: DAY_MS },
  } as unknown as HistoryContext);

  await forgetHistory(context(DAY_MS));
  equal((await listCheckpoints(world.db, JOB_ID, page)).length, before.length);
  await forgetHistory(context(8 * DAY_MS));
  const kept = (await listCheckpoints(world.db, JOB_ID, page)).map(({ id }) => Number(id));
  const [savepoint] = await listSavepoints(world.db, { ...page, jobId: JOB_ID });
  const newest = before.map(({ id }) => Number(id)).filter((id) => id !== savepoint!.checkpointId)
    .sort((a, b) => b - a).slice(0, 3);
  deepEqual(kept.sort((a, b) => b - a), [...newest, savepoint!.checkpointId].sort((a, b) => b - a));
  equal((await getCheckpoint(world.db, JOB_ID, savepoint!.checkpointId))!.status, "completed");
  const [next] = await world.regions();
  await world.completed(Number(next!.lastCompletedId) + 1);
  await world.close();
});

Deno.test("idempotency: a request that never said how it ended frees its key after ten minutes (H2)", async () => {
  const world = await HubWorld.open();
  const request = { principal: "p", key: "k", requestHash: "h" };
  const begin = async (nowMs: number) => (await beginRequest(world.db, { ...request, nowMs })).kind;
  deepEqual([await begin(0), await begin(600_000), await begin(600_001)], [
    "new",
    "under-way",
    "new",
  ]);
  await world.close();
});
