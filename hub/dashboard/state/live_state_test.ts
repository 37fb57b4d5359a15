import { deepEqual, equal } from "node:assert/strict";
import { signal } from "@preact/signals";
import { ManualClock } from "@shared/manual_clock.ts";
import { createEventStream, type EventConnection } from "./event_stream.ts";
import { createLiveState, liveSubtask, subtaskKey, type SubtaskReport } from "./live_state.ts";

const REPORT: SubtaskReport = {
  regionId: "r",
  subtaskId: "map.0",
  attempt: 3,
  recordsIn: 1_000,
  recordsOut: 900,
  duplicatesDropped: 0,
  deadLetters: 0,
  stateEntries: 10,
  windowUsed: 0,
  windowSize: 100,
  windowSecondsLeft: null,
  busyRatio: 0.5,
  backpressuredRatio: 0,
  idleRatio: 0.5,
  watermarkMs: null,
  eventTimeLagMs: null,
  sourceLagMs: null,
  lateRecords: 0,
  shedRecords: 0,
  futureRecords: 0,
  inputQueued: 0,
  position: 1_000,
  isConnected: true,
  operators: [{ uid: "map", recordsIn: 1_000, recordsOut: 900 }],
};

Deno.test("live state: a rate is the difference of two reports of one attempt", () => {
  const first = liveSubtask(null, REPORT, 10_000);
  equal(first.inPerSecond, null);
  const later = {
    ...REPORT,
    recordsIn: 1_500,
    operators: [{ uid: "map", recordsIn: 1_500, recordsOut: 1_000 }],
  };
  const second = liveSubtask(first, later, 12_000);
  equal(second.inPerSecond, 250);
  deepEqual(second.operators, [{ uid: "map", inPerSecond: 250, outPerSecond: 50 }]);
});

Deno.test("live state: a new attempt begins without rates, not with negative ones", () => {
  const first = liveSubtask(null, REPORT, 10_000);
  const restarted = liveSubtask(first, { ...REPORT, attempt: 4, recordsIn: 5 }, 12_000);
  equal(restarted.inPerSecond, null);
  equal(liveSubtask(first, { ...REPORT, recordsIn: 5 }, 12_000).inPerSecond, null);
});

class FakeConnection implements EventConnection {
  onopen: ((event: Event) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  isClosed = false;
  readonly listeners = new Map<string, (event: MessageEvent<string>) => void>();
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.listeners.set(type, listener);
  }
  close(): void {
    this.isClosed = true;
  }
  send(type: string, body: Record<string, unknown>): void {
    const data = JSON.stringify({ id: 1, at: "", type, jobId: "j", agentId: null, body });
    this.listeners.get(type)!(new MessageEvent(type, { data }));
  }
}

function openedStream() {
  const clock = new ManualClock();
  const connections: FakeConnection[] = [];
  const stream = createEventStream({
    clock,
    isVisible: signal(true),
    open: () => {
      const made = new FakeConnection();
      connections.push(made);
      return made;
    },
  });
  return { clock, connections, stream };
}

Deno.test("event stream: a broken connection is closed, said and tried again", () => {
  const { clock, connections, stream } = openedStream();
  stream.start();
  connections[0]!.onopen!(new Event("open"));
  equal(stream.state.value, "live");
  connections[0]!.onerror!(new Event("error"));
  equal(stream.state.value, "reconnecting");
  equal(connections[0]!.isClosed, true);
  clock.advance(1_000);
  equal(connections.length, 2);
  connections[1]!.onerror!(new Event("error"));
  clock.advance(1_999);
  equal(connections.length, 2);
  clock.advance(1);
  equal(connections.length, 3);
  connections[2]!.onopen!(new Event("open"));
  equal(stream.state.value, "live");
  equal(stream.connections.value, 2);
});

Deno.test("event stream: after stop nothing is tried any more", () => {
  const { clock, connections, stream } = openedStream();
  stream.start();
  connections[0]!.onerror!(new Event("error"));
  stream.stop();
  clock.advance(60_000);
  equal(connections.length, 1);
  equal(stream.state.value, "closed");
});

Deno.test("event stream: a listener hears its family and nothing else", () => {
  const { clock, connections, stream } = openedStream();
  const heard: string[] = [];
  const live = createLiveState(stream, clock);
  stream.on(["alarm"], (event) => heard.push(event.type));
  stream.start();
  connections[0]!.send("alarm.raised", {});
  connections[0]!.send("metrics", { subtasks: [REPORT] });
  connections[0]!.listeners.get("message")!(new MessageEvent("message", { data: "no json" }));
  deepEqual(heard, ["alarm.raised"]);
  equal(live.subtasks.value.get(subtaskKey("j", "r", "map.0"))?.report.position, 1_000);
});

Deno.test("live state: subtasks of one region are kept apart, whoever reports last", () => {
  const { clock, connections, stream } = openedStream();
  const live = createLiveState(stream, clock);
  stream.start();
  const slow = { ...REPORT, subtaskId: "count.0", busyRatio: 0.97 };
  const idle = { ...REPORT, subtaskId: "count.1", busyRatio: 0.01 };
  connections[0]!.send("metrics", { subtasks: [slow] });
  connections[0]!.send("metrics", { subtasks: [idle] });
  clock.advance(2_000);
  connections[0]!.send("metrics", { subtasks: [{ ...idle, recordsIn: 1_400 }] });
  const of = (subtaskId: string) => live.subtasks.value.get(subtaskKey("j", "r", subtaskId));
  equal(of("count.0")?.report.busyRatio, 0.97);
  equal(of("count.1")?.report.busyRatio, 0.01);
  equal(of("count.1")?.inPerSecond, 200);
  equal(of("count.0")?.inPerSecond, null);
});

Deno.test("live state: reports from before a break do not stand for now once it is over", () => {
  const { clock, connections, stream } = openedStream();
  const live = createLiveState(stream, clock);
  stream.start();
  connections[0]!.send("metrics", { subtasks: [REPORT] });
  equal(live.subtasks.value.size, 1);
  connections[0]!.onerror!(new Event("error"));
  equal(live.subtasks.value.size, 1, "nothing newer is known yet");
  clock.advance(1_000);
  connections[1]!.onopen!(new Event("open"));
  equal(live.subtasks.value.size, 0);
});
