import { deepEqual, equal, match } from "node:assert/strict";
import type { SubtaskMetrics } from "@shared/messages.ts";
import { MetricBook } from "./metric_book.ts";
import type { HubEvent } from "./ports.ts";

interface Rig {
  readonly book: MetricBook;
  say(type: string, body: Record<string, unknown>, jobId?: string): void;
  report(subtask: number, attempt: number, recordsIn: number): void;
}

function rig(): Rig {
  let listener: (event: HubEvent) => void = () => {};
  const book = new MetricBook({ subscribe: (to) => (listener = to, () => {}) });
  const say: Rig["say"] = (type, body, jobId = "j") =>
    listener({ id: null, at: "", type, jobId, agentId: null, body });
  const report: Rig["report"] = (subtask, attempt, recordsIn) => {
    const metrics = {
      jobId: "j",
      regionId: `r.${subtask}`,
      subtaskId: `s.${subtask}`,
      attempt,
      lateRecords: recordsIn / 10,
      shedRecords: 0,
      futureRecords: 0,
      duplicatesDropped: 0,
      deadLetters: 0,
      operators: [{ uid: "count", recordsIn, recordsOut: 2 * recordsIn }],
    } as unknown as SubtaskMetrics;
    say("metrics", { subtasks: [metrics] });
  };
  return { book, say, report };
}

Deno.test("metric book: counts of an operator never go back when one subtask begins again", () => {
  const { book, report } = rig();
  const seen: number[] = [];
  const note = () => seen.push(book.ofJob("j")!.operators.get("count")!.recordsIn);
  for (
    const [subtask, attempt, recordsIn] of [
      [0, 1, 100],
      [1, 1, 50],
      [0, 1, 130],
      // The subtask begins again: what it counts from now on is added.
      [0, 2, 10],
      [1, 1, 60],
      // Late word of the attempt that is over.
      [0, 1, 140],
      [0, 2, 30],
    ] as const
  ) {
    report(subtask, attempt, recordsIn);
    note();
  }
  deepEqual(seen, [100, 150, 180, 190, 200, 200, 220]);
  equal(book.ofJob("j")!.dropped.get("late"), 22);
});

Deno.test("metric book: checkpoints are counted by result and timed by phase, gaps and alarms counted", async () => {
  const { book, say } = rig();
  book.nameJob("j", "pump-watch");
  const phasesMs = { "start_delay": 3, alignment: 0, sync: 0.4, async: 80 };
  say("checkpoint.completed", {
    jobName: "pump-watch",
    status: "completed",
    durationMs: 90,
    phasesMs,
  });
  say("checkpoint.aborted", { jobName: "pump-watch", status: "aborted", durationMs: 60_000 });
  say("gap.recorded", {});
  say("alarm.raised", { priority: "high" });
  say("alarm.acknowledged", { alarmIds: ["a"], count: 40 });
  const text = await book.registry.metrics();
  match(text, /checkpoints_total\{job="pump-watch",result="completed"\} 1\n/);
  match(text, /checkpoints_total\{job="pump-watch",result="degraded"\} 0\n/);
  match(text, /checkpoints_total\{job="pump-watch",result="aborted"\} 1\n/);
  match(text, /_bucket\{le="0.1",job="pump-watch",phase="total"\} 1\n/);
  match(text, /_sum\{job="pump-watch",phase="async"\} 0.08\n/);
  match(text, /mqtt_sequence_gaps_total\{job="pump-watch"\} 1\n/);
  match(text, /alarm_transitions_total\{kind="acknowledged"\} 40\n/);
});
