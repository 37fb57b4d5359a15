import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { CheckpointId } from "@shared/ids.ts";
import type { BuiltJob, OperatorSpec, StatefulSpec } from "@shared/sdk/operator.ts";
import { CHANNEL_CREDIT_RECORDS } from "./exchange_batch.ts";
import { exchangeJob, RegionRig } from "./region_rig.ts";
import { DEFAULT_EVENT_TIME } from "./watermarks.ts";

const count: StatefulSpec = {
  kind: "mapWithState",
  uid: "count",
  onError: "fail",
  keyOf: (record: { key: string }) => record.key,
  initial: () => 0,
  fn: (n: number, record: { key: string; isBad?: boolean }) => {
    if (record.isBad) throw new Error("bad record");
    return [n + 1, { key: record.key, n: n + 1 }];
  },
  codecVersion: 1,
  ttlMs: null,
};

/** Two splits, an exchange, a count; a split that is silent for a second is idle. */
function job(): BuiltJob {
  const built = exchangeJob(count, 2);
  const source = built.operators.get("in") as OperatorSpec & { kind: "source" };
  const time = { ...DEFAULT_EVENT_TIME, idleAfterMs: 1_000 };
  const eventTime = (record: { atMs?: number }) => record.atMs ?? NaN;
  const spec: OperatorSpec = { ...source, source: { ...source.source, eventTime, time } };
  return { ...built, operators: new Map([...built.operators, ["in", spec]]) };
}

const key = (n: number) => ({ key: `k${n % 10}` });

/** Watermarks of the keyed subtasks. */
function watermarks(rig: RegionRig): (number | null)[] {
  return rig.hosts.flatMap((host) => host.tick().metrics)
    .filter(({ subtaskId }) => subtaskId.startsWith("count"))
    .map(({ watermarkMs }) => watermarkMs);
}

Deno.test("region host: event time is that of the slowest split, and goes on when that one is idle", async () => {
  const rig = await new RegionRig(job(), { parallelism: 2 }).start();
  rig.sources[0]!.emit({ key: "a", atMs: 10_000 }, 1);
  await rig.quiet();
  deepStrictEqual(watermarks(rig), [null, null]);
  rig.sources[1]!.emit({ key: "b", atMs: 5_000 }, 1);
  await rig.quiet();
  deepStrictEqual(watermarks(rig), [4_999, 4_999]);
  for (let second = 0; second < 3; second++) {
    rig.clock.advance(1_000);
    rig.sources[0]!.emit({ key: "a", atMs: 20_000 + second }, 1);
    watermarks(rig);
    await rig.quiet();
  }
  deepStrictEqual(watermarks(rig), [20_001, 20_001]);
});

Deno.test("region host: a finished split counts as aligned; when all are, time comes to its end and checkpoints go on (A6)", async () => {
  const rig = await new RegionRig(job(), { parallelism: 2, hostCount: 2 }).start();
  rig.sources[0]!.emit(key(0), 1);
  rig.sources[0]!.output.ended!();
  rig.sources[1]!.emit(key(1), 2);
  const first = await rig.checkpoint(1);
  strictEqual(first.request.snapshots.length, 4);
  rig.sources[1]!.output.ended!();
  rig.trigger(2);
  await rig.quiet();
  ok(rig.snapshot(2) !== null);
  deepStrictEqual(watermarks(rig), [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]);
  const third = await rig.checkpoint(3);
  const other = await new RegionRig(job(), { parallelism: 3, pieces: rig.pieces }).start(third);
  other.sources[0]!.emit(key(0), 3);
  await other.quiet();
  deepStrictEqual(other.sink.written.map(({ value }) => value), [{ key: "k0", n: 2 }]);
});

Deno.test("region host: without credit a source is paused; barriers pass, nothing is lost (A4, A7)", async () => {
  const rig = await new RegionRig(job(), { parallelism: 1, hostCount: 2 }).start();
  // in.0 and count.0 are on the first host, in.1 on the second: its records need the network.
  const source = rig.sources[1]!;
  let sent = 0;
  while (!source.isPaused) source.emit(key(sent++), 1);
  ok(sent >= CHANNEL_CREDIT_RECORDS && sent < CHANNEL_CREDIT_RECORDS + 300, `${sent} were taken`);
  rig.trigger(1);
  await rig.settle();
  const metrics = rig.hosts[1]!.tick().metrics[0]!;
  strictEqual(metrics.subtaskId, "in.1");
  rig.clock.advance(100);
  strictEqual(rig.hosts[1]!.tick().metrics[0]!.backpressuredRatio, 1);
  await rig.quiet();
  ok(rig.snapshot(1) !== null);
  strictEqual(source.isPaused, false);
  strictEqual(rig.sink.written.length, sent);
});

Deno.test("region host: in one process a source that is faster than its consumer is paused, and goes on", async () => {
  const rig = await new RegionRig(job(), { parallelism: 1 }).start();
  rig.sink.pendingCount = 1_000_000;
  const source = rig.sources[0]!;
  let sent = 0;
  source.emit(key(sent++), 1);
  await rig.quiet();
  while (!source.isPaused && sent < 100_000) source.emit(key(sent++), 1);
  await rig.settle();
  ok(sent < CHANNEL_CREDIT_RECORDS + 600, `${sent} were taken`);
  strictEqual(rig.sink.written.length, 1);
  rig.sink.pendingCount = 0;
  await rig.quiet();
  await rig.quiet();
  strictEqual(source.isPaused, false);
  strictEqual(rig.sink.written.length, sent);
});

Deno.test("region host: says how long a subtask waited for the slowest barrier", async () => {
  const rig = await new RegionRig(job(), { parallelism: 1, hostCount: 2 }).start();
  rig.hosts[0]!.trigger(1 as CheckpointId, { isDrain: false });
  await rig.quiet();
  rig.clock.advance(70);
  rig.hosts[1]!.trigger(1 as CheckpointId, { isDrain: false });
  await rig.quiet();
  const waited = new Map(
    rig.reportsOf("snapshot").map((
      { subtaskId, alignmentMs },
    ) => [subtaskId as string, alignmentMs]),
  );
  strictEqual(waited.get("in.0"), 0);
  ok(waited.get("count.0")! >= 70);
});

Deno.test("region host: a later barrier gives up the checkpoint that is being aligned (A6)", async () => {
  const rig = await new RegionRig(job(), { parallelism: 1, hostCount: 2 }).start();
  rig.hosts[0]!.trigger(1 as CheckpointId, { isDrain: false });
  await rig.quiet();
  rig.trigger(2);
  await rig.quiet();
  ok(rig.snapshot(2) !== null);
  deepStrictEqual(
    rig.reportsOf("declined").map((one) => [one.subtaskId, one.checkpointId, one.reason]),
    [["count.0", 1, "superseded"]],
  );
});

Deno.test("region host: one subtask that fails fails the attempt, once, and stops every source (F3)", async () => {
  const rig = await new RegionRig(job(), { parallelism: 2 }).start();
  rig.sources[0]!.emit({ key: "a", isBad: true }, 1);
  rig.sources[1]!.emit({ key: "b", isBad: true }, 1);
  await rig.quiet();
  deepStrictEqual(rig.reportsOf("failed").length, 1);
  match(rig.reportsOf("failed")[0]!.message, /bad record/);
  for (const source of rig.sources) ok(source.calls.includes("close"));
});

Deno.test("region host: restored is reported once, for all its subtasks, and nothing runs before run (C8)", async () => {
  const rig = new RegionRig(job(), { parallelism: 2 });
  await rig.hosts[0]!.restore(null, new Map());
  strictEqual(rig.reportsOf("restored").length, 1);
  rig.sources[0]!.emit(key(0), 1);
  await rig.quiet();
  deepStrictEqual(rig.sink.written, []);
  rig.hosts[0]!.run();
  await rig.quiet();
  strictEqual(rig.reportsOf("running").length, 1);
});

Deno.test("region host: a drain brings time to its end before the barrier and takes nothing in behind it; its abort ends the attempt (L3)", async () => {
  const rig = await new RegionRig(job(), { parallelism: 1 }).start();
  rig.sources[0]!.emit(key(0), 1);
  rig.trigger(1, true);
  rig.sources[0]!.emit(key(0), 2);
  await rig.quiet();
  ok(rig.snapshot(1) !== null);
  deepStrictEqual(watermarks(rig), [Number.MAX_SAFE_INTEGER]);
  strictEqual(rig.sink.written.length, 1);
  rig.trigger(2);
  await rig.quiet();
  ok(rig.reportsOf("declined").some(({ reason }) => reason === "not-running"));
  for (const host of rig.hosts) host.aborted(1 as CheckpointId);
  match(rig.reportsOf("failed")[0]!.message, /drained/);
});

Deno.test("region host: an output id is the same after a restore at another parallelism, and no two are alike", async () => {
  const rig = await new RegionRig(job(), { parallelism: 2 }).start();
  const snapshot = await rig.checkpoint(1);
  const emit = async (on: RegionRig) => {
    for (let n = 0; n < 20; n++) on.sources[n % 2]!.emit(key(n), 1);
    await on.quiet();
    return on.sink.written.map(({ value, outputId }) => `${JSON.stringify(value)} ${outputId}`)
      .sort();
  };
  const other = await new RegionRig(job(), { parallelism: 3, pieces: rig.pieces }).start(snapshot);
  const [once, again] = [await emit(rig), await emit(other)];
  deepStrictEqual(again, once);
  strictEqual(new Set(rig.sink.written.map(({ outputId }) => outputId)).size, 20);
});

/** Lets every split fall idle. */
async function silence(rig: RegionRig): Promise<void> {
  for (let second = 0; second < 3; second++) {
    rig.clock.advance(1_000);
    watermarks(rig);
    await rig.quiet();
  }
}

Deno.test("region host: a drain brings time to its end behind splits that are idle, too (L3)", async () => {
  const rig = await new RegionRig(job(), { parallelism: 2, hostCount: 2 }).start();
  for (const source of rig.sources) source.emit({ key: "a", atMs: 10_000 }, 1);
  await silence(rig);
  rig.trigger(1, true);
  await rig.quiet();
  ok(rig.snapshot(1) !== null);
  deepStrictEqual(watermarks(rig), [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]);
});

Deno.test("region host: a job that goes on behind a drain takes records that are no earlier than those before it", async () => {
  const rig = await new RegionRig(job(), { parallelism: 1 }).start();
  for (const source of rig.sources) source.emit({ key: "a", atMs: 10_000 }, 1);
  rig.trigger(1, true);
  await rig.quiet();
  const drained = rig.snapshot(1);
  const other = await new RegionRig(job(), { parallelism: 2, pieces: rig.pieces }).start(drained);
  await other.quiet();
  deepStrictEqual(watermarks(other), [9_999, 9_999]);
  for (const source of other.sources) source.emit({ key: "a", atMs: 20_000 }, 1);
  await other.quiet();
  deepStrictEqual(watermarks(other), [19_999, 19_999]);
});

Deno.test("region host: a split that wakes holds event time from its first record on", async () => {
  const rig = await new RegionRig(job(), { parallelism: 1 }).start();
  for (const source of rig.sources) source.emit({ key: "a", atMs: 10_000 }, 1);
  await silence(rig);
  rig.sources[1]!.emit({ key: "a", atMs: 11_000 }, 2);
  await rig.quiet();
  rig.sources[0]!.emit({ key: "a", atMs: 50_000 }, 3);
  await rig.quiet();
  deepStrictEqual(watermarks(rig), [10_999]);
});

Deno.test("region host: the end of one split is not the end of time while another is idle", async () => {
  const rig = await new RegionRig(job(), { parallelism: 1 }).start();
  for (const source of rig.sources) source.emit({ key: "a", atMs: 10_000 }, 1);
  await silence(rig);
  rig.sources[0]!.output.ended!();
  await rig.quiet();
  deepStrictEqual(watermarks(rig), [9_999]);
  rig.sources[1]!.emit({ key: "a", atMs: 11_000 }, 2);
  await rig.quiet();
  deepStrictEqual(watermarks(rig), [10_999]);
  rig.sources[1]!.output.ended!();
  await rig.quiet();
  deepStrictEqual(watermarks(rig), [Number.MAX_SAFE_INTEGER]);
});
