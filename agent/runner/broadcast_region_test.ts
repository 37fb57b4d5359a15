import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { alarmSink, defineJob, generatorSource, recordType } from "penstock";
import type { CheckpointId } from "@shared/ids.ts";
import { RegionRig } from "./region_rig.ts";

interface Limit {
  readonly pump: string;
  readonly celsius: number;
}

interface Reading {
  readonly pump: string;
  readonly celsius: number;
}

/** Limits are pushed into the subtasks of another source, which keep their keys to themselves. */
const limits = defineJob("limits", (job) => {
  const rules = job.source("rules", generatorSource<Limit>({ next: () => undefined }));
  job.source("in", generatorSource<Reading>({ splits: 2, next: () => undefined }))
    .keyByLocal((reading) => reading.pump)
    .process("watch", {
      emits: recordType<string>(),
      broadcast: rules.broadcast(),
      onBroadcast: (limit, ctx) => ctx.broadcast.set(limit.pump, limit),
      onRecord: (reading, ctx) =>
        ctx.emit(`${reading.pump} ${ctx.broadcast.get(reading.pump)?.celsius}`),
    })
    .sink("out", alarmSink({ priority: "low" }));
}).build({});

const reading = (pump: string): Reading => ({ pump, celsius: 1 });

function outputs(rig: RegionRig): unknown[] {
  return rig.sink.written.map(({ value }) => value);
}

Deno.test("broadcast: a rule reaches every subtask, is in each snapshot, and is there after a restore (C8)", async () => {
  const rig = await new RegionRig(limits, { parallelism: 1 }).start();
  rig.allSources.get("rules.0")!.emit({ pump: "a", celsius: 80 }, 1);
  await rig.quiet();
  for (const source of rig.sources) source.emit(reading("a"), 2);
  deepStrictEqual(outputs(rig), ["a 80", "a 80"]);
  const snapshot = await rig.checkpoint(1);
  const other = await new RegionRig(limits, { parallelism: 1, pieces: rig.pieces }).start(snapshot);
  for (const source of other.sources) source.emit(reading("a"), 3);
  deepStrictEqual(outputs(other), ["a 80", "a 80"]);
});

Deno.test("broadcast: a source waits at its barrier for that of the rules; what it reads meanwhile comes behind the snapshot (A4)", async () => {
  const rig = await new RegionRig(limits, { parallelism: 1, hostCount: 3 }).start();
  const [source] = rig.sources;
  source!.emit(reading("a"), 1);
  // rules.0 is on the first host, the two splits are on the others.
  rig.hosts[1]!.trigger(1 as CheckpointId, { isDrain: false });
  rig.hosts[2]!.trigger(1 as CheckpointId, { isDrain: false });
  strictEqual(source!.isPaused, true);
  source!.emit(reading("b"), 2);
  deepStrictEqual(outputs(rig), ["a undefined"]);
  rig.allSources.get("rules.0")!.emit({ pump: "b", celsius: 70 }, 3);
  rig.hosts[0]!.trigger(1 as CheckpointId, { isDrain: false });
  await rig.quiet();
  strictEqual(source!.isPaused, false);
  deepStrictEqual(outputs(rig), ["a undefined", "b 70"]);
  const snapshot = rig.snapshot(1);
  ok(snapshot !== null);
  const positions = snapshot.request.snapshots.flatMap(({ splits }) => splits);
  deepStrictEqual(
    positions.map(({ sourceUid, splitIndex, position }) => [sourceUid, splitIndex, position])
      .sort(),
    [["in", 0, 1], ["in", 1, 0], ["rules", 0, 1]],
  );
});

Deno.test("broadcast: an abort lets what waited behind the barrier go on (A6)", async () => {
  const rig = await new RegionRig(limits, { parallelism: 1, hostCount: 3 }).start();
  const [source] = rig.sources;
  rig.hosts[1]!.trigger(1 as CheckpointId, { isDrain: false });
  source!.emit(reading("a"), 1);
  deepStrictEqual(outputs(rig), []);
  for (const host of rig.hosts) host.aborted(1 as CheckpointId);
  deepStrictEqual(outputs(rig), ["a undefined"]);
  strictEqual(source!.isPaused, false);
});

Deno.test("broadcast: silent rules do not hold event time up", async () => {
  const rig = await new RegionRig(limits, { parallelism: 1 }).start();
  rig.sources[0]!.emit(reading("a"), 5_000);
  const metrics = rig.hosts[0]!.tick().metrics.find(({ subtaskId }) => subtaskId === "in.0");
  ok(metrics!.watermarkMs !== null);
});

Deno.test("broadcast: what waited behind the barrier of a checkpoint that nobody ended runs before a drain (A4, L3)", async () => {
  const rig = await new RegionRig(limits, { parallelism: 1, hostCount: 3 }).start();
  rig.hosts[1]!.trigger(1 as CheckpointId, { isDrain: false });
  rig.sources[0]!.emit(reading("a"), 1);
  deepStrictEqual(outputs(rig), []);
  rig.trigger(2, true);
  await rig.quiet();
  deepStrictEqual(outputs(rig), ["a undefined"]);
  const positions = rig.snapshot(2)!.request.snapshots.flatMap(({ splits }) => splits);
  strictEqual(positions.find(({ sourceUid }) => sourceUid === "in")?.position, 1);
});
