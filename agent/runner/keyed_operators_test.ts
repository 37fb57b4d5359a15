import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { Detector, StatefulSpec } from "@shared/sdk/operator.ts";
import { chainJob, SubtaskRig } from "./test_support.ts";

interface Visit {
  readonly key: string;
  readonly at?: number;
  readonly cancel?: number;
  readonly fails?: boolean;
}

interface Context {
  readonly key: string;
  readonly state: Record<string, { get(): unknown; set(value: unknown): void; clear(): void }>;
  readonly timers: {
    processingTime(atMs: number): void;
    deleteProcessingTime(atMs: number): void;
  };
  emit(record: unknown): void;
}

/** Counts visits; sets and takes back timers as told; says when a timer fires, and forgets the count. */
function visits(onError: "fail" | "dead-letter" = "fail"): StatefulSpec {
  return {
    kind: "process",
    uid: "visits",
    onError,
    keyOf: (visit: Visit) => visit.key,
    states: [{ name: "n", kind: "value", codecVersion: 1 }],
    onRecord: (visit: Visit, ctx: Context) => {
      const n = Number(ctx.state.n!.get() ?? 0) + 1;
      ctx.state.n!.set(n);
      if (visit.at !== undefined) ctx.timers.processingTime(visit.at);
      if (visit.cancel !== undefined) ctx.timers.deleteProcessingTime(visit.cancel);
      ctx.emit(`${ctx.key} visit ${n}`);
      if (visit.fails) throw new Error("no");
    },
    onTimer: (timeMs: number, ctx: Context) => {
      ctx.emit(`${ctx.key} timer ${timeMs - T0} after ${ctx.state.n!.get()}`);
      ctx.state.n!.clear();
    },
  };
}

const T0 = Date.UTC(2026, 0, 1);
const out = (rig: SubtaskRig) => rig.sink.written.map(({ value }) => value);

Deno.test("process: timers fire once, in the order of their time, and not when taken back", async () => {
  const rig = await new SubtaskRig(chainJob([visits()])).start();
  rig.emit({ key: "b", at: T0 + 200 }, { key: "a", at: T0 + 100 }, { key: "a", at: T0 + 100 });
  rig.emit({ key: "c", at: T0 + 150 }, { key: "c", cancel: T0 + 150 });
  rig.clock.advance(99);
  strictEqual(rig.sink.written.length, 5);
  rig.clock.advance(1_000);
  deepStrictEqual(out(rig).slice(5), ["a timer 100 after 2", "b timer 200 after 1"]);
  strictEqual(rig.subtask.tick().metrics.stateEntries, 1);
});

Deno.test("process: timers are in the snapshot; those in the past fire once, in order, only after run (S4)", async () => {
  const job = chainJob([visits()]);
  const rig = await new SubtaskRig(job).start();
  rig.emit({ key: "b", at: T0 + 200 }, { key: "a", at: T0 + 100 }, { key: "z", at: T0 + 99_000 });
  const snapshot = await rig.checkpoint(1);
  const other = new SubtaskRig(job, { pieces: rig.pieces });
  other.clock.advance(10_000);
  await other.subtask.restore(snapshot.request, snapshot.pieces);
  other.clock.advance(1_000);
  deepStrictEqual(out(other), []);
  await other.subtask.run();
  other.clock.advance(1_000);
  deepStrictEqual(out(other), ["a timer 100 after 1", "b timer 200 after 1"]);
  rig.clock.advance(500);
  const ids = (one: SubtaskRig) => one.sink.written.map((written) => written.outputId);
  deepStrictEqual(ids(other), ids(rig).slice(3));
});

Deno.test("process: a throw takes back state, timers and output of its record, and of nothing else", async () => {
  const rig = await new SubtaskRig(chainJob([visits("dead-letter")])).start();
  rig.emit({ key: "a" }, { key: "a", at: T0 + 100, fails: true }, { key: "a" });
  rig.emit({ key: "new", at: T0 + 100, fails: true });
  rig.clock.advance(1_000);
  deepStrictEqual(out(rig), ["a visit 1", "a visit 2"]);
  strictEqual(rig.subtask.tick().metrics.stateEntries, 1);
});

Deno.test("process: a throw in a timer under the policy fail stops the region", async () => {
  const spec = visits();
  const broken = {
    ...spec,
    onTimer: () => {
      throw new Error("no");
    },
  } as StatefulSpec;
  const rig = await new SubtaskRig(chainJob([broken])).start();
  rig.emit({ key: "a", at: T0 + 100 });
  rig.clock.advance(1_000);
  strictEqual(rig.reportsOf("failed").length, 1);
});

Deno.test("mapWithState: state not written for its time to live is gone, and a clock set back does not revive it (S4)", async () => {
  const job = chainJob([{
    kind: "mapWithState",
    uid: "count",
    onError: "fail",
    keyOf: (visit: Visit) => visit.key,
    initial: () => 0,
    fn: (n: number) => [n + 1, n + 1],
    codecVersion: 1,
    ttlMs: 10_000,
  }]);
  const rig = await new SubtaskRig(job).start();
  rig.emit({ key: "a" }, { key: "b" });
  rig.clock.advance(6_000);
  rig.emit({ key: "a" });
  rig.clock.advance(6_000);
  rig.emit({ key: "a" });
  const snapshot = await rig.checkpoint(1);
  const other = new SubtaskRig(job, { pieces: rig.pieces });
  await other.start(snapshot);
  for (const one of [rig, other]) {
    one.clock.jumpWallClock(-3_600_000);
    one.emit({ key: "b" }, { key: "a" });
    deepStrictEqual(out(one).slice(-2), [1, 4]);
  }
  rig.clock.advance(3_600_000 + 30_000);
  strictEqual(rig.subtask.tick().metrics.stateEntries, 0);
});

for (const ttlRefresh of ["write", "readAndWrite"] as const) {
  Deno.test(`mapWithState: time to live is renewed on ${ttlRefresh} (S4)`, async () => {
    const job = chainJob([{
      kind: "mapWithState",
      uid: "first",
      onError: "fail",
      keyOf: (visit: Visit) => visit.key,
      initial: () => ({ at: -1 }),
      // Answers the state it was given, but for the first record: that is no write.
      fn: (state: { at: number }) => state.at === -1 ? [{ at: 0 }, "new"] : [state, "known"],
      codecVersion: 1,
      ttlMs: 10_000,
      ttlRefresh,
    }]);
    const rig = await new SubtaskRig(job).start();
    for (let i = 0; i < 3; i++) {
      rig.emit({ key: "a" });
      rig.clock.advance(6_000);
    }
    const third = ttlRefresh === "write" ? "new" : "known";
    deepStrictEqual(out(rig), ["new", "known", third]);
  });
}

Deno.test("detect: a detector that changes its state in place cannot change a snapshot that was begun (A5)", async () => {
  const detector: Detector<{ value: number }, { n: number }> = {
    name: "count",
    label: "count",
    codecVersion: 1,
    initial: () => ({ n: 0 }),
    value: (record) => record.value,
    step: (state) => {
      state.n++;
      return state;
    },
    judge: (state) => ({ score: state.n, threshold: 3, isAnomalous: state.n > 3 }),
  };
  const keyOf = () => "pump";
  const job = chainJob([{ kind: "detect", uid: "drift", onError: "fail", keyOf, detector }]);
  const rig = await new SubtaskRig(job).start();
  rig.emit({ value: 1 }, { value: 1 });
  rig.subtask.trigger(1 as Parameters<typeof rig.subtask.trigger>[0]);
  rig.emit({ value: 1 }, { value: 1 });
  await rig.settle();
  const other = await new SubtaskRig(job, { pieces: rig.pieces }).start(rig.snapshot(1));
  other.emit({ value: 1 });
  deepStrictEqual(out(other), []);
  other.emit({ value: 1 });
  deepStrictEqual(other.sink.written, rig.sink.written);
  const { samples } = other.subtask.tick();
  deepStrictEqual(samples, [{
    operatorUid: "drift",
    key: "pump",
    atMs: T0,
    value: 1,
    score: 3,
    low: null,
    high: null,
  }]);
});
