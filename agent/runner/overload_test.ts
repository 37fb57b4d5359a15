import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { BuiltJob, OperatorSpec } from "@shared/sdk/operator.ts";
import { WAITING_MAX } from "./load_shedder.ts";
import { SINK_PENDING_MAX } from "./sink_pressure.ts";
import { chainJob, SubtaskRig } from "./test_support.ts";

/** A chain without operators behind a source with `overload`. */
function overloadJob(overload: "sample" | "dropOldest"): BuiltJob {
  const job = chainJob([]);
  const source = job.operators.get("in") as OperatorSpec & { kind: "source" };
  const shedding: OperatorSpec = { ...source, source: { ...source.source, overload } };
  return { ...job, operators: new Map([...job.operators, ["in", shedding]]) };
}

const full = (rig: SubtaskRig, isFull: boolean) => {
  rig.sink.pendingCount = isFull ? SINK_PENDING_MAX + 1 : 0;
};
const emit = (rig: SubtaskRig, from: number, count: number) =>
  rig.emit(...Array.from({ length: count }, (_, i) => from + i));
const out = (rig: SubtaskRig) => rig.sink.written.map(({ value }) => value as number);

Deno.test("overload sample: the source is not held, one record in ten runs, and the others are counted and told", async () => {
  const rig = await new SubtaskRig(overloadJob("sample")).start();
  full(rig, true);
  emit(rig, 0, 101);
  deepStrictEqual(rig.source.calls, ["start"]);
  deepStrictEqual(out(rig), [0, ...Array.from({ length: 10 }, (_, i) => (i + 1) * 10)]);
  const { metrics } = rig.subtask.tick();
  deepStrictEqual([metrics.recordsIn, metrics.shedRecords], [11, 90]);
  const told = rig.reportsOf("event").map(({ event }) => [event.type, event.fields.shed]);
  deepStrictEqual(told, [["records-shed", 90]]);
  full(rig, false);
  rig.clock.advance(1_000);
  emit(rig, 200, 3);
  deepStrictEqual(out(rig).slice(11), [200, 201, 202]);
});

Deno.test("overload dropOldest: the newest run when there is room again, in order", async () => {
  const rig = await new SubtaskRig(overloadJob("dropOldest")).start();
  full(rig, true);
  emit(rig, 0, WAITING_MAX + 11);
  deepStrictEqual(out(rig), [0]);
  full(rig, false);
  rig.clock.advance(1_000);
  strictEqual(out(rig).length, WAITING_MAX + 1);
  deepStrictEqual([out(rig)[1], out(rig).at(-1)], [11, WAITING_MAX + 10]);
  strictEqual(rig.subtask.tick().metrics.shedRecords, 10);
});

Deno.test("overload: a barrier is never dropped, and what waits is in front of it (A4, A7)", async () => {
  const rig = await new SubtaskRig(overloadJob("dropOldest")).start();
  full(rig, true);
  emit(rig, 0, 20);
  deepStrictEqual(out(rig), [0]);
  await rig.checkpoint(1);
  strictEqual(out(rig).length, 20);
  const [snapshot] = rig.reportsOf("snapshot");
  ok(snapshot !== undefined);
  deepStrictEqual(snapshot.snapshot.splits.map(({ position }) => position), [20]);
});
