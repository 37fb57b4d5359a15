import { deepEqual, equal, notEqual, throws } from "node:assert/strict";
import type { CheckpointId } from "@shared/ids.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import type { AlarmEdge } from "@shared/messages.ts";
import { createAlarmSink } from "./alarm_sink.ts";

const anomaly = (key: string, isActive: boolean, sinceMs = 5) => ({
  ...{ detector: "zScore", key, isActive, sinceMs },
  ...{ value: 7, score: 4, threshold: 3, atMs: 9, record: {} },
});

function open(section: Uint8Array | null = null, text: ((value: unknown) => string) | null = null) {
  const edges: AlarmEdge[] = [];
  const sink = createAlarmSink({
    spec: { connector: "alarm", priority: "high", response: "Stop the pump", text },
    sinkUid: "alarms",
    operatorUid: "detect",
    jobId: "job-1",
    regionId: "telemetry.0",
    clock: new ManualClock(1000),
    emit: (edge) => edges.push(edge),
  });
  if (section !== null) sink.restore(section, 1 as CheckpointId);
  return { sink, edges };
}

Deno.test("alarm sink: the clear of an occurrence has the alarm id of its raise, the next occurrence another", () => {
  const { sink, edges } = open();
  sink.write(anomaly("p1", true), "r1");
  sink.write(anomaly("p2", true), "r2");
  sink.write(anomaly("p1", false), "r3");
  sink.write(anomaly("p1", true), "r4");
  const [raise, other, clear, again] = edges;
  equal(clear!.alarmId, raise!.alarmId);
  notEqual(other!.alarmId, raise!.alarmId);
  notEqual(again!.alarmId, raise!.alarmId);
  equal(new Set(edges.map(({ edgeId }) => edgeId)).size, 4);
});

Deno.test("alarm sink: a replay gives the same edge ids, also when it arrives at another time", () => {
  const before = open();
  before.sink.write(anomaly("p1", true), "r1");
  const section = before.sink.capture(1 as CheckpointId);
  before.sink.write(anomaly("p1", false), "r2");
  before.sink.write(anomaly("p1", true, 50), "r3");
  const after = open(section);
  after.sink.write(anomaly("p1", false), "r2");
  after.sink.write(anomaly("p1", true, 77), "r3");
  const ids = (edges: AlarmEdge[]) => edges.map(({ edgeId, alarmId }) => [edgeId, alarmId]);
  deepEqual(ids(after.edges), ids(before.edges).slice(1));
});

Deno.test("alarm sink: takes any record, and what it shows comes from it", () => {
  const { sink, edges } = open();
  sink.write({ equipment: "p9", value: 3, isActive: true }, "r1");
  sink.write("plain", "r2");
  deepEqual(
    [edges[0]!.key, edges[0]!.text, edges[0]!.value, edges[0]!.atMs],
    ["p9", "Condition of p9: 3", 3, 1000],
  );
  deepEqual([edges[1]!.key, edges[1]!.isActive, edges[1]!.value], ["", true, null]);
  deepEqual([edges[1]!.priority, edges[1]!.response], ["high", "Stop the pump"]);
});

Deno.test("alarm sink: refuses a section of another version", () => {
  throws(() => open(new TextEncoder().encode(`{"version":2}`)), /version 2, want 1/);
});

Deno.test("alarm sink: rings with a text of its own when the author's text fails", () => {
  const texts = [
    () => {
      throw new TypeError("value.toFixed is not a function");
    },
    () => undefined,
    () => 7,
  ];
  const said = texts.map((text) => {
    const { sink, edges } = open(null, text as never);
    sink.write(anomaly("p1", true), "r1");
    return edges.map((edge) => edge.text).join();
  });
  deepEqual(said, ["Anomaly (zScore) of p1: 7", "Anomaly (zScore) of p1: 7", "7"]);
});

Deno.test("alarm sink: takes over what was active in several", () => {
  const [one, two] = [open(), open()];
  one.sink.write(anomaly("p1", true), "r1");
  two.sink.write(anomaly("p2", true), "r2");
  const { sink, edges } = open(one.sink.capture(1 as CheckpointId));
  sink.restore(two.sink.capture(1 as CheckpointId)!, 1 as CheckpointId);
  sink.write(anomaly("p1", false), "r3");
  sink.write(anomaly("p2", false), "r4");
  deepEqual(edges.map(({ alarmId }) => alarmId), [one.edges[0]!.alarmId, two.edges[0]!.alarmId]);
});
