import { deepEqual, equal } from "node:assert/strict";
import type { JobId } from "@shared/ids.ts";
import { insertAlarmJob } from "../tests/support/alarm_job.ts";
import { openTestHub } from "../tests/support/hub_app.ts";
import { acknowledgeAlarms } from "./db/alarm_acts.ts";
import { jobs } from "./db/schema.ts";
import { SilenceWatch } from "./silence_watch.ts";

const AFTER_MS = 60_000;

Deno.test("silence: rings once for each, ends with the next sample, and not while the job is stopped", async () => {
  const test = await openTestHub();
  const { hub, clock, live } = test;
  await insertAlarmJob(hub.db, "job", {
    heat: { noData: { afterMs: AFTER_MS, priority: "low" } },
    other: {},
  });
  let watch = new SilenceWatch(hub);
  const sample = () =>
    live.recordSample("job" as JobId, {
      operatorUid: "drift",
      key: "pump-1",
      atMs: clock.nowMs(),
      value: 1,
      score: null,
    });
  const look = async () =>
    (await watch.look()).steps.map(({ kind, alarm }) => `${kind} ${alarm.kind} ${alarm.priority}`);
  sample();
  deepEqual(await look(), []);
  clock.advance(AFTER_MS - 1);
  deepEqual(await look(), []);
  clock.advance(1);
  deepEqual(await look(), ["raised no-data low"]);
  clock.advance(AFTER_MS);
  deepEqual(await look(), []);

  // A hub that was started anew knows the same silence by the same id.
  watch = new SilenceWatch(hub);
  deepEqual(await look(), []);
  clock.advance(AFTER_MS);
  deepEqual(await look(), []);

  sample();
  deepEqual(await look(), ["cleared no-data low"]);
  await acknowledgeAlarms(hub.db, { filter: {} }, {
    by: "ann",
    nowMs: clock.nowMs(),
    comment: null,
  });
  clock.advance(AFTER_MS);
  deepEqual(await look(), ["raised no-data low"]);
  await hub.db.update(jobs).set({ desiredState: "stopped" });
  deepEqual(await look(), ["cleared no-data low"]);
  clock.advance(AFTER_MS);
  deepEqual(await look(), []);
  const rows = await hub.db.query.alarms.findMany();
  equal(rows.length, 2);
  await test.close();
});
