import { deepEqual } from "node:assert/strict";
import { eq } from "drizzle-orm";
import { alarmEdge, insertAlarmJob } from "../tests/support/alarm_job.ts";
import { openTestHub, testGraph } from "../tests/support/hub_app.ts";
import type { JobId } from "@shared/ids.ts";
import { AlarmLoop } from "./alarm_loop.ts";
import { recordEdges } from "./db/alarm_store.ts";
import { listTransitions } from "./db/alarm_views.ts";
import { jobs, savepoints } from "./db/schema.ts";

Deno.test("alarm loop: an alarm is over with its job, once nothing can go on from its state", async () => {
  const test = await openTestHub();
  const { hub, clock } = test;
  const { db } = hub;
  const at = new Date(clock.nowMs());
  for (const id of ["runs", "ended", "kept", "renewed"]) {
    await insertAlarmJob(db, id, { heat: {} });
    const stopped = { desiredState: "stopped", stoppedAt: at };
    await db.update(jobs).set({ name: id, ...(id === "runs" ? {} : stopped) })
      .where(eq(jobs.id, id));
    const edge = alarmEdge(id, true, clock.nowMs() - 1_000, { jobId: id as JobId });
    await recordEdges(db, [edge], clock.nowMs());
  }
  await insertAlarmJob(db, "successor", { heat: {} });
  await db.update(jobs).set({ name: "renewed" }).where(eq(jobs.id, "successor"));
  await db.insert(savepoints).values({
    id: "s",
    jobId: "kept",
    checkpointId: 1,
    owner: "test",
    jobName: "kept",
    bundleDigest: "digest-kept",
    graph: testGraph("kept"),
    status: "completed",
    createdAt: at,
  });
  const cleared = async () =>
    (await listTransitions(db, { limit: 9, beforeId: null, kinds: ["cleared"] }))
      .map(({ alarmId, cause, at }) => [alarmId, cause, at]);
  const round = () => new AlarmLoop(hub).runRound();
  await round();
  deepEqual(await cleared(), [["ended", "clock", at.toISOString()]]);
  await db.delete(savepoints);
  await round();
  await round();
  deepEqual((await cleared()).map(([id]) => id), ["kept", "ended"]);
  await test.close();
});
