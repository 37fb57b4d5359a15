import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { CheckpointId } from "@shared/ids.ts";
import type { StatefulSpec } from "@shared/sdk/operator.ts";
import { SINK_PENDING_MAX } from "./sink_pressure.ts";
import { chainJob, SubtaskRig } from "./test_support.ts";

interface Reading {
  readonly key: string;
  readonly value: number;
}

const count: StatefulSpec = {
  kind: "mapWithState",
  uid: "count",
  onError: "fail",
  keyOf: (reading: Reading) => reading.key,
  initial: () => ({ n: 0, sum: 0 }),
  fn: (state: { n: number; sum: number }, reading: Reading) => {
    const next = { n: state.n + 1, sum: state.sum + reading.value };
    return [next, { key: reading.key, ...next }];
  },
  codecVersion: 1,
  ttlMs: null,
};

const reading = fc.record({ key: fc.nat(5).map((n) => `k${n}`), value: fc.nat(100) });

Deno.test("subtask: counts are exact whatever the point of the snapshot and of the crash (A4, A5, C8)", async () => {
  const cases = fc.record({
    before: fc.array(reading, { maxLength: 30 }),
    after: fc.array(reading, { maxLength: 30 }),
    lost: fc.array(reading, { maxLength: 30 }),
    completes: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ before, after, lost, completes }) => {
      const job = chainJob([count]);
      const rig = await new SubtaskRig(job).start();
      rig.emit(...before);
      rig.subtask.trigger(1 as CheckpointId);
      rig.emit(...after);
      await rig.settle();
      if (completes) rig.completed(1);
      const second = await rig.checkpoint(2);
      rig.emit(...lost);
      const other = await new SubtaskRig(job, { pieces: rig.pieces }).start(second);
      other.emit(...lost);
      deepStrictEqual(other.sink.written, rig.sink.written.slice(before.length + after.length));
      const first = await new SubtaskRig(job, { pieces: rig.pieces }).start(rig.snapshot(1));
      first.emit(...after);
      deepStrictEqual(
        first.sink.written,
        rig.sink.written.slice(before.length).slice(0, after.length),
      );
    }),
    { numRuns: 60 },
  );
});

Deno.test("subtask: no record and no timer runs before run (C8)", async () => {
  const rig = new SubtaskRig(chainJob([count]));
  await rig.subtask.restore(null, new Map());
  rig.emit({ key: "a", value: 1 });
  deepStrictEqual(rig.source.calls, []);
  deepStrictEqual(rig.reports.map((report) => report.kind), ["restored"]);
  rig.subtask.trigger(1 as CheckpointId);
  strictEqual(rig.reportsOf("declined")[0]?.reason, "not-running");
  await rig.subtask.run();
  deepStrictEqual(rig.source.calls, ["start"]);
  deepStrictEqual(rig.sink.written, []);
});

Deno.test("subtask: output ids name region, sink, position and number, and repeat after a restore", async () => {
  const job = chainJob([{
    kind: "flatMap",
    uid: "twice",
    onError: "fail",
    fn: (reading: Reading) => [reading.value, reading.value],
  }]);
  const rig = await new SubtaskRig(job).start();
  rig.emit({ key: "a", value: 1 });
  const snapshot = await rig.checkpoint(1);
  rig.emit({ key: "a", value: 2 });
  const other = await new SubtaskRig(job, { pieces: rig.pieces }).start(snapshot);
  other.emit({ key: "a", value: 2 });
  deepStrictEqual(rig.sink.written.map((out) => out.outputId), [
    "in.0:out:1:0",
    "in.0:out:1:1",
    "in.0:out:2:0",
    "in.0:out:2:1",
  ]);
  deepStrictEqual(other.sink.written, rig.sink.written.slice(2));
});

Deno.test("subtask: after a rollback no output id of the old lineage names another record (P4)", async () => {
  const rig = await new SubtaskRig(chainJob([count])).start();
  rig.emit({ key: "a", value: 1 });
  const savepoint = await rig.checkpoint(1);
  rig.emit({ key: "a", value: 2 });
  const other = new SubtaskRig(chainJob([count]), { pieces: rig.pieces });
  const request = {
    ...savepoint.request,
    isSavepoint: true,
    positionFloors: [{ sourceUid: "in", splitIndex: 0, position: 2 }],
  };
  await other.subtask.restore(request, savepoint.pieces);
  await other.subtask.run();
  other.emit({ key: "a", value: 3 });
  deepStrictEqual(
    [...rig.sink.written, ...other.sink.written].map(({ outputId }) => outputId),
    ["in.0:out:1:0", "in.0:out:2:0", "in.0:out:3:0"],
  );
});

Deno.test("subtask: a completed checkpoint reaches source and sinks, a savepoint does not (P1, K2)", async () => {
  const rig = await new SubtaskRig(chainJob([count])).start();
  rig.emit({ key: "a", value: 1 });
  await rig.checkpoint(1);
  rig.completed(1, true);
  await rig.checkpoint(2);
  rig.completed(2);
  deepStrictEqual(rig.source.calls, ["start", "capture 1", "capture 2", "completed 2"]);
  deepStrictEqual(rig.sink.calls, ["completed 2"]);
});

Deno.test("subtask: an interval without data still leaves a snapshot, which refers to the old piece (C7, P9)", async () => {
  const rig = await new SubtaskRig(chainJob([count])).start();
  rig.emit({ key: "a", value: 1 });
  const first = await rig.checkpoint(1);
  rig.completed(1);
  const second = await rig.checkpoint(2);
  const keyed = (snapshot: typeof first) =>
    snapshot.request.snapshots[0]!.pieces.filter((piece) =>
      piece.sections.some((section) => section.kind === "keyed")
    ).map((piece) => piece.digest);
  strictEqual(keyed(first).length, 1);
  deepStrictEqual(keyed(second), keyed(first));
  strictEqual(second.request.snapshots[0]!.pieces.length, 2);
});

Deno.test("subtask: a barrier while a snapshot is unfinished gives the older one up (A6)", async () => {
  const rig = await new SubtaskRig(chainJob([count])).start();
  rig.emit({ key: "a", value: 1 });
  rig.subtask.trigger(1 as CheckpointId);
  rig.subtask.trigger(2 as CheckpointId);
  rig.subtask.trigger(2 as CheckpointId);
  rig.subtask.trigger(1 as CheckpointId);
  await rig.settle();
  deepStrictEqual(rig.reportsOf("snapshot").map((one) => one.checkpointId), [2]);
  deepStrictEqual(
    rig.reportsOf("declined").map((one) => [one.checkpointId, one.reason]),
    [[1, "superseded"]],
  );
});

Deno.test("subtask: an aborted checkpoint sends nothing, and its changes are in the next one", async () => {
  const job = chainJob([count]);
  const rig = await new SubtaskRig(job).start();
  rig.emit({ key: "a", value: 1 });
  rig.subtask.trigger(1 as CheckpointId);
  rig.subtask.aborted(1 as CheckpointId);
  await rig.settle();
  deepStrictEqual(rig.reportsOf("piece"), []);
  const second = await rig.checkpoint(2);
  const other = await new SubtaskRig(job, { pieces: rig.pieces }).start(second);
  other.emit({ key: "a", value: 1 });
  deepStrictEqual(other.sink.written[0]?.value, { key: "a", n: 2, sum: 2 });
});

Deno.test("subtask: the snapshot waits for the sinks' flush, and a failed flush declines it (C1)", async () => {
  const rig = await new SubtaskRig(chainJob([count])).start();
  const flush = Promise.withResolvers<void>();
  rig.sink.flushed = flush.promise;
  rig.subtask.trigger(1 as CheckpointId);
  await rig.settle();
  deepStrictEqual(rig.reportsOf("snapshot"), []);
  flush.resolve();
  await rig.settle();
  strictEqual(rig.reportsOf("snapshot").length, 1);
  rig.sink.flushed = Promise.reject(new Error("broker gone"));
  rig.subtask.trigger(2 as CheckpointId);
  await rig.settle();
  const [declined] = rig.reportsOf("declined");
  strictEqual(declined?.reason, "sink-failed");
  match(declined.detail, /sink "out": broker gone/);
});

Deno.test("subtask: state without a stored form declines the checkpoint and names operator and key", async () => {
  const bad: StatefulSpec = { ...count, fn: () => [{ f: () => 0 }, null] };
  const rig = await new SubtaskRig(chainJob([bad])).start();
  rig.emit({ key: "pump-7", value: 1 });
  rig.subtask.trigger(1 as CheckpointId);
  await rig.settle();
  const [declined] = rig.reportsOf("declined");
  strictEqual(declined?.reason, "snapshot-failed");
  match(declined.detail, /operator "count", key "pump-7".*a function at \.f/);
});

Deno.test("subtask: policy fail stops the region on the record, dead-letter goes on and counts", async () => {
  const fragile = (onError: "fail" | "dead-letter"): StatefulSpec => ({
    ...count,
    onError,
    fn: (state: { n: number }, reading: Reading) => {
      if (reading.value < 0) throw new Error("negative");
      return [{ n: state.n + 1 }, state.n + 1];
    },
  });
  const input = [{ key: "a", value: 1 }, { key: "a", value: -1 }, { key: "a", value: 1 }];
  const failing = await new SubtaskRig(chainJob([fragile("fail")])).start();
  failing.emit(...input);
  deepStrictEqual(failing.sink.written.map((out) => out.value), [1]);
  match(failing.reportsOf("failed")[0]!.message, /Operator "count" threw on record 2: negative/);
  deepStrictEqual(failing.source.calls, ["start", "close"]);
  failing.subtask.trigger(1 as CheckpointId);
  strictEqual(failing.reportsOf("declined")[0]?.reason, "not-running");

  const tolerant = await new SubtaskRig(chainJob([fragile("dead-letter")])).start();
  tolerant.emit(...input);
  deepStrictEqual(tolerant.sink.written.map((out) => out.value), [1, 2]);
  strictEqual(tolerant.subtask.tick().metrics.deadLetters, 1);
  const { event } = tolerant.reportsOf("event")[0]!;
  strictEqual(event.type, "dead-letter");
  strictEqual(event.fields.sample, '{"key":"a","value":-1}');
});

Deno.test("subtask: dead letters are shown at most 20 a minute, and all are counted", async () => {
  const rig = await new SubtaskRig(chainJob([{
    kind: "map",
    uid: "poison",
    onError: "dead-letter",
    fn: () => {
      throw new Error("no");
    },
  }])).start();
  for (let i = 0; i < 100; i++) rig.emit(i);
  strictEqual(rig.reportsOf("event").length, 20);
  strictEqual(rig.subtask.tick().metrics.deadLetters, 100);
  rig.clock.advance(60_000);
  rig.emit(0);
  strictEqual(rig.reportsOf("event").at(-1)?.event.fields.hidden, 80);
});

Deno.test("subtask: a key that is no text, number or boolean is the record's fault, not a key", async () => {
  const keyed: StatefulSpec = {
    ...count,
    onError: "dead-letter",
    keyOf: (reading: { key: unknown }) => reading.key as string,
  };
  const rig = await new SubtaskRig(chainJob([keyed])).start();
  rig.emit({ key: {}, value: 1 }, { key: null, value: 1 }, { key: 7, value: 1 }, {
    key: "7",
    value: 1,
  });
  deepStrictEqual(rig.sink.written.map((out) => (out.value as { n: number }).n), [1, 2]);
  strictEqual(rig.subtask.tick().metrics.deadLetters, 2);
});

Deno.test("subtask: a full sink pauses the source until it has drained to the half", async () => {
  const rig = await new SubtaskRig(chainJob([count])).start();
  rig.sink.pendingCount = SINK_PENDING_MAX + 1;
  rig.emit({ key: "a", value: 1 }, { key: "a", value: 1 });
  rig.clock.advance(1_000);
  deepStrictEqual(rig.source.calls, ["start", "pause"]);
  rig.sink.pendingCount = SINK_PENDING_MAX / 2;
  rig.clock.advance(1_000);
  deepStrictEqual(rig.source.calls, ["start", "pause", "resume"]);
});

Deno.test("subtask: a fail point stops at its nth hit and not before", async () => {
  const stopped: string[] = [];
  const failPoint = { setting: "snapshot-sent:2", stop: (name: string) => stopped.push(name) };
  const rig = await new SubtaskRig(chainJob([count]), { failPoint }).start();
  await rig.checkpoint(1);
  deepStrictEqual(stopped, []);
  await rig.checkpoint(2);
  deepStrictEqual(stopped, ["snapshot-sent"]);
});
