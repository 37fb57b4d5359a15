import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  deadLetters,
  defineJob,
  generatorSource,
  type JobBuilder,
  mqttSink,
  type ProcessContext,
  recordType,
  type SourceTimeOptions,
  valueState,
} from "penstock";
import { ChainRig } from "./chain_rig.ts";
import { MAX_WATERMARK_MS } from "./watermarks.ts";

interface Reading {
  readonly pump: string;
  readonly ts: number;
  /** Event-time timers to set and to take back. */
  readonly set?: readonly number[];
  readonly drop?: number;
}

const T0 = Date.UTC(2026, 0, 1);
const out = () => mqttSink<unknown>({ broker: "plant", topic: "out" });
const readings = (job: JobBuilder, time: Partial<SourceTimeOptions<Reading>>) =>
  job.source(
    "in",
    generatorSource<Reading>({ next: () => undefined, eventTime: (r) => r.ts, ...time }),
  );

/** Sets and takes back event-time timers as told, and says when one fires. */
function timersJob(time: Partial<SourceTimeOptions<Reading>> = {}, again: number | null = null) {
  return defineJob("timers", (job) => {
    readings(job, time)
      .keyByLocal((reading) => reading.pump)
      .process("timers", {
        state: { last: valueState<number>() },
        emits: recordType<string>(),
        onRecord(reading, ctx) {
          for (const atMs of reading.set ?? []) ctx.timers.eventTime(T0 + atMs);
          if (reading.drop !== undefined) ctx.timers.deleteEventTime(T0 + reading.drop);
        },
        onTimer(timeMs, ctx) {
          ctx.emit(`${ctx.key} ${timeMs - T0} ${ctx.timerDomain} by ${shown(ctx)}`);
          if (again !== null) ctx.timers.eventTime(timeMs + again);
        },
      })
      .sink("out", out());
  });
}

function shown(ctx: ProcessContext<Record<never, never>, string>): number | string {
  return ctx.watermarkMs >= MAX_WATERMARK_MS ? "end" : ctx.watermarkMs - T0;
}

const reading = (pump: string, ts: number, more: Partial<Reading> = {}): Reading => ({
  pump,
  ts: T0 + ts,
  ...more,
});

Deno.test("event time: timers fire when the watermark reaches them, in order, once, and not when taken back", () => {
  const rig = new ChainRig(timersJob({ maxOutOfOrderness: 10 }));
  rig.push(reading("b", 0, { set: [50, 30, 30] }), reading("a", 1, { set: [30, 70] }));
  rig.push(reading("a", 2, { drop: 70 }), reading("a", 40));
  deepStrictEqual(rig.out(), []);
  rig.push(reading("a", 41));
  deepStrictEqual(rig.out(), ["a 30 event by 30", "b 30 event by 30"]);
  rig.push(reading("a", 200), reading("a", 300));
  deepStrictEqual(rig.out().slice(2), ["b 50 event by 189"]);
});

Deno.test("event time: a timer set in the past fires with the next advance, not within its record", () => {
  const rig = new ChainRig(timersJob());
  rig.push(reading("a", 100));
  rig.push(reading("a", 90, { set: [10] }));
  deepStrictEqual(rig.out(), []);
  rig.push(reading("a", 101));
  deepStrictEqual(rig.out(), ["a 10 event by 100"]);
});

Deno.test("event time: restored timers fire once, in order, with the first advance (S4)", () => {
  const job = timersJob();
  const rig = new ChainRig(job);
  rig.push(reading("b", 0, { set: [50, 30] }), reading("a", 1, { set: [50] }));
  const other = new ChainRig(job);
  other.takeOver(rig);
  deepStrictEqual(other.out(), []);
  other.push(reading("a", 60), reading("a", 70));
  deepStrictEqual(other.out(), ["b 30 event by 59", "a 50 event by 59", "b 50 event by 59"]);
  const ids = (one: ChainRig) => one.sinks.get("out")!.written.map(({ outputId }) => outputId);
  rig.push(reading("a", 60));
  deepStrictEqual(ids(rig), ids(other));
});

Deno.test("event time: the end of the input fires every timer, and a timer that sets itself anew ends (L3)", () => {
  const rig = new ChainRig(timersJob({}, 10));
  rig.push(reading("b", 0, { set: [500] }), reading("a", 1, { set: [400] }));
  rig.chain.advanceWatermark(MAX_WATERMARK_MS);
  deepStrictEqual(rig.out(), ["a 400 event by end", "b 500 event by end"]);
});

Deno.test("event time: a timer that sets itself anew below the watermark fires in the same advance", () => {
  const rig = new ChainRig(timersJob({}, 10));
  rig.push(reading("a", 0, { set: [5] }), reading("a", 26));
  deepStrictEqual(rig.out(), ["a 5 event by 25", "a 15 event by 25", "a 25 event by 25"]);
});

Deno.test("event time: the watermark of the snapshot goes on behind a restore (A5)", () => {
  const job = timersJob({ maxOutOfOrderness: 5 });
  const rig = new ChainRig(job);
  rig.push(reading("a", 100));
  const other = new ChainRig(job);
  other.takeOver(rig);
  strictEqual(other.chain.watermarkMs, T0 + 94);
  other.push(reading("a", 20));
  strictEqual(other.chain.watermarkMs, T0 + 94);
});

Deno.test("event time: a record from the future gets its arrival time, and makes nobody late", () => {
  const rig = new ChainRig(timersJob({ maxFutureSkew: "1s" }));
  const ahead = rig.clock.nowMs() - T0;
  rig.push(reading("a", ahead), reading("b", ahead + 3_600_000));
  strictEqual(rig.chain.watermarkMs, T0 + ahead - 1);
  strictEqual(rig.chain.sourceTime!.futureRecords, 1);
  rig.push(reading("c", ahead + 900));
  strictEqual(rig.chain.watermarkMs, T0 + ahead - 1);
  strictEqual(rig.chain.sourceTime!.futureRecords, 1);
  rig.wait(900);
  rig.push(reading("c", ahead + 900));
  strictEqual(rig.chain.watermarkMs, T0 + ahead + 899);
});

Deno.test("event time: a record from the future is set aside if the source says so, and read as a dead letter", () => {
  const job = defineJob("strict", (job) => {
    const source = readings(job, { maxFutureSkew: "1s", onFuture: "deadLetter" });
    source.sink("out", out());
    source.getSideOutput(deadLetters).map("reason", ({ uid, reason }) => `${uid}: ${reason}`)
      .sink("letters", out());
  });
  const rig = new ChainRig(job);
  rig.push({ pump: "a", ts: rig.clock.nowMs() + 5_000 });
  deepStrictEqual(rig.out(), []);
  strictEqual(rig.deadLetters.count, 1);
  deepStrictEqual(rig.out("letters"), [
    "in: The event time is 5 s in the future, want at most 1 s: set the clock of the device, or raise maxFutureSkew",
  ]);
});

Deno.test("event time: nothing is too far ahead where the records drive the time", () => {
  const rig = new ChainRig(timersJob({ maxFutureSkew: "1s" }), { isTimeDrivenByRecords: true });
  rig.push(reading("a", 1e12));
  strictEqual(rig.chain.watermarkMs, T0 + 1e12 - 1);
});

Deno.test("event time: a split is idle after its time of silence, until its next record", () => {
  const rig = new ChainRig(timersJob({ idleAfter: "30s" }));
  const time = rig.chain.sourceTime!;
  rig.wait(1_000);
  rig.push(reading("a", 1));
  rig.wait(1_000);
  rig.wait(29_000);
  strictEqual(time.isIdle, false);
  rig.wait(1_000);
  strictEqual(time.isIdle, true);
  rig.push(reading("a", 2));
  rig.wait(1_000);
  strictEqual(time.isIdle, false);
});

Deno.test("event time: by arrival it goes on without records", () => {
  const job = defineJob("arrivals", (job) => {
    job.source("in", generatorSource<Reading>({ next: () => undefined })).sink("out", out());
  });
  const rig = new ChainRig(job);
  const startMs = rig.clock.nowMs();
  rig.push(reading("a", 1));
  strictEqual(rig.chain.watermarkMs, startMs - 1);
  rig.wait(5_000);
  strictEqual(rig.chain.watermarkMs, startMs + 4_999);
});

Deno.test("per key: a device that lags fires by its own time, and one that is ahead makes no other fire", () => {
  const rig = new ChainRig(timersJob({ perKey: true, maxOutOfOrderness: 10 }));
  rig.push(reading("slow", 0, { set: [30] }), reading("fast", 0, { set: [30] }));
  rig.push(reading("fast", 1_000));
  deepStrictEqual(rig.out(), ["fast 30 event by 989"]);
  rig.push(reading("slow", 40));
  strictEqual(rig.out().length, 1);
  rig.push(reading("slow", 41));
  deepStrictEqual(rig.out().slice(1), ["slow 30 event by 30"]);
});

Deno.test("per key: a silent device goes on at the pace of the wall clock behind its time of silence", () => {
  const rig = new ChainRig(timersJob({ perKey: true, idleAfter: "10s" }));
  rig.push(reading("a", 0, { set: [5_000] }));
  for (let second = 0; second < 15; second++) rig.wait(1_000);
  deepStrictEqual(rig.out(), []);
  rig.wait(1_000);
  deepStrictEqual(rig.out(), ["a 5000 event by 5999"]);
});

Deno.test("per key: the clock of each key is state of that key, and restored with its timers (A5)", () => {
  const job = timersJob({ perKey: true, idleAfter: "10s" });
  const rig = new ChainRig(job);
  rig.push(reading("a", 100, { set: [150] }), reading("b", 0, { set: [150] }));
  const other = new ChainRig(job);
  other.takeOver(rig);
  other.push(reading("b", 50), reading("a", 90));
  deepStrictEqual(other.out(), []);
  other.push(reading("a", 151));
  deepStrictEqual(other.out(), ["a 150 event by 150"]);
  other.chain.advanceWatermark(MAX_WATERMARK_MS);
  deepStrictEqual(other.out().slice(1), ["b 150 event by end"]);
});
