import { deepEqual, equal } from "node:assert/strict";
import type { Attempt, JobId, RegionId, SubtaskId } from "@shared/ids.ts";
import { createLiveState } from "./live_state.ts";
import type { LiveMetrics } from "./ports.ts";
import { metricsOfRegion } from "./region_metrics.ts";

function metrics(subtaskId: string, over: Partial<LiveMetrics> = {}): LiveMetrics {
  return {
    jobId: "job" as JobId,
    regionId: "in.0" as RegionId,
    attempt: 1 as Attempt,
    subtaskId: subtaskId as SubtaskId,
    recordsIn: 0,
    recordsOut: 0,
    duplicatesDropped: 0,
    deadLetters: 0,
    stateEntries: 0,
    windowUsed: 0,
    windowSize: 0,
    windowSecondsLeft: null,
    busyRatio: 0,
    backpressuredRatio: 0,
    idleRatio: 1,
    watermarkMs: null,
    eventTimeLagMs: null,
    sourceLagMs: null,
    lateRecords: 0,
    shedRecords: 0,
    futureRecords: 0,
    inputQueued: 0,
    position: 0,
    isConnected: true,
    operators: [],
    receivedAtMs: 1_000,
    recordsInPerSecond: null,
    ...over,
  };
}

const PARTS = [
  metrics("in.0", {
    recordsIn: 60,
    position: 60,
    windowUsed: 10,
    windowSize: 100,
    windowSecondsLeft: 9,
    recordsInPerSecond: 6,
    busyRatio: 0.2,
    watermarkMs: 5_000,
    eventTimeLagMs: 10,
    operators: [{ uid: "in", recordsIn: 60, recordsOut: 60 }],
  }),
  metrics("in.1", {
    recordsIn: 40,
    position: 40,
    windowUsed: 80,
    windowSize: 100,
    windowSecondsLeft: 2,
    recordsInPerSecond: 4,
    isConnected: false,
    operators: [{ uid: "in", recordsIn: 40, recordsOut: 40 }],
  }),
  metrics("count.0", {
    recordsIn: 100,
    recordsOut: 7,
    stateEntries: 3,
    busyRatio: 0.9,
    watermarkMs: 4_000,
    eventTimeLagMs: 1_010,
    lateRecords: 2,
    inputQueued: 9,
  }),
];

Deno.test("region metrics: records that subtasks exchange are taken in once", () => {
  const { recordsIn, recordsOut, position, recordsInPerSecond, stateEntries } = metricsOfRegion(
    PARTS,
  );
  deepEqual({ recordsIn, recordsOut, position, recordsInPerSecond, stateEntries }, {
    recordsIn: 100,
    recordsOut: 7,
    position: 100,
    recordsInPerSecond: 10,
    stateEntries: 3,
  });
});

Deno.test("region metrics: the fullest window, the busiest subtask and the broken connection show", () => {
  const all = metricsOfRegion(PARTS);
  deepEqual([all.windowUsed, all.windowSize, all.windowSecondsLeft], [80, 100, 2]);
  deepEqual([all.busyRatio, all.isConnected], [0.9, false]);
  deepEqual(all.operators.map(({ uid, recordsIn }) => [uid, recordsIn]), [["in", 100]]);
});

Deno.test("region metrics: event time is as far as the subtask furthest behind", () => {
  const { watermarkMs, eventTimeLagMs, sourceLagMs, lateRecords, inputQueued } = metricsOfRegion(
    PARTS,
  );
  deepEqual({ watermarkMs, eventTimeLagMs, sourceLagMs, lateRecords, inputQueued }, {
    watermarkMs: 4_000,
    eventTimeLagMs: 1_010,
    sourceLagMs: null,
    lateRecords: 2,
    inputQueued: 9,
  });
});

Deno.test("region metrics: those of one subtask are its own", () => {
  deepEqual(metricsOfRegion(PARTS.slice(2)), PARTS[2]);
});

Deno.test("live state: what subtasks of an earlier attempt said is forgotten with the next", () => {
  const live = createLiveState();
  for (const part of PARTS) live.recordMetrics(part, 1_000);
  live.recordMetrics({ ...PARTS[0]!, recordsIn: 90 }, 2_000);
  equal(live.metrics.get("job/in.0")?.recordsIn, 130);
  equal(live.subtasks.get("job/in.0")?.get("in.0" as SubtaskId)?.recordsInPerSecond, 30);
  live.recordMetrics({ ...PARTS[2]!, attempt: 2 as Attempt }, 3_000);
  deepEqual([...live.subtasks.get("job/in.0")!.keys()], ["count.0"]);
});
