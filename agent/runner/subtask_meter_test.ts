import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { SubtaskMeter } from "./subtask_meter.ts";
import { MAX_WATERMARK_MS } from "./watermarks.ts";

const T0 = Date.UTC(2026, 0, 1);

function rig() {
  let nowMs = 0;
  const counts = [
    { uid: "in", recordsIn: 10, recordsOut: 10, lateRecords: 0 },
    { uid: "window", recordsIn: 10, recordsOut: 2, lateRecords: 3 },
    { uid: "out", recordsIn: 2, recordsOut: 2, lateRecords: 0 },
  ];
  const meter = new SubtaskMeter(counts, () => nowMs);
  const report = (of: Partial<Parameters<SubtaskMeter["report"]>[0]> = {}) =>
    meter.report({
      source: null,
      deadLetters: 0,
      stateEntries: 0,
      sinkUids: ["out"],
      heldMs: 0,
      watermarkMs: T0,
      inputQueued: 0,
      sourceTime: null,
      shedRecords: 0,
      wallMs: T0 + 5_000,
      ...of,
    });
  const work = (ms: number) => {
    const startedMs = meter.begin();
    nowMs += ms;
    meter.end(startedMs);
  };
  return { meter, report, work, wait: (ms: number) => void (nowMs += ms) };
}

Deno.test("meter: the time of a record stands for 64; busy, held and idle make the whole", () => {
  const { report, work, wait } = rig();
  work(5);
  wait(995);
  const { recordsIn, recordsOut, busyRatio, backpressuredRatio, idleRatio } = report({
    heldMs: 500,
  });
  deepStrictEqual([recordsIn, recordsOut], [1, 2]);
  deepStrictEqual([busyRatio, backpressuredRatio, idleRatio.toFixed(2)], [0.32, 0.5, "0.18"]);
});

Deno.test("meter: ratios are of the time since the last report and never above 1", () => {
  const { report, work, wait } = rig();
  work(100);
  strictEqual(report({ heldMs: 500 }).busyRatio, 1);
  wait(1_000);
  const { busyRatio, backpressuredRatio, idleRatio } = report({ heldMs: 2_000 });
  deepStrictEqual([busyRatio, backpressuredRatio, idleRatio], [0, 1, 0]);
});

Deno.test("meter: says how far event time and source are behind, and what was late, shed or from the future", () => {
  const { report } = rig();
  const metrics = report({
    sourceTime: { latestMs: T0 + 4_000, futureRecords: 7 },
    shedRecords: 9,
  });
  deepStrictEqual(
    [metrics.watermarkMs, metrics.eventTimeLagMs, metrics.sourceLagMs],
    [T0, 5_000, 1_000],
  );
  deepStrictEqual([metrics.lateRecords, metrics.shedRecords, metrics.futureRecords], [3, 9, 7]);
});

Deno.test("meter: there is no lag before the first record, at the end of the input, and without a source", () => {
  const { report } = rig();
  for (const watermarkMs of [-Infinity, MAX_WATERMARK_MS]) {
    const { eventTimeLagMs, sourceLagMs } = report({ watermarkMs });
    deepStrictEqual([eventTimeLagMs, sourceLagMs], [null, null]);
  }
  strictEqual(report({ watermarkMs: -Infinity }).watermarkMs, null);
  const { sourceLagMs } = report({ sourceTime: { latestMs: -Infinity, futureRecords: 0 } });
  strictEqual(sourceLagMs, null);
});
