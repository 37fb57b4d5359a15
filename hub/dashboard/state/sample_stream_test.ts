import { deepEqual, equal } from "node:assert/strict";
import { signal } from "@preact/signals";
import { ManualClock } from "@shared/manual_clock.ts";
import type { EventConnection } from "./event_connection.ts";
import { STREAM_QUERY, type StreamState } from "./event_stream.ts";
import { createSampleStream, type LiveSample, samplesOf } from "./sample_stream.ts";

class FakeConnection implements EventConnection {
  onopen: ((event: Event) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  isClosed = false;
  hear: (text: string) => void = () => {};
  addEventListener(_type: string, listener: (event: MessageEvent<string>) => void): void {
    this.hear = (data) => listener(new MessageEvent("samples", { data }));
  }
  close(): void {
    this.isClosed = true;
  }
}

const textOf = (samples: readonly object[]) =>
  JSON.stringify({
    id: null,
    at: "",
    type: "samples",
    jobId: "j1",
    agentId: null,
    body: { samples },
  });

function watched() {
  const opened: { query: string; connection: FakeConnection }[] = [];
  const isVisible = signal(true);
  const state = signal<StreamState>("live");
  const heard: LiveSample[] = [];
  const watch = createSampleStream({
    clock: new ManualClock(),
    open(query) {
      const connection = new FakeConnection();
      opened.push({ query, connection });
      return connection;
    },
    isVisible,
    stream: { state },
  }).watch("pump 17/a", (samples) => heard.push(...samples));
  return { opened, isVisible, state, heard, watch };
}

Deno.test("sample stream: asks for the samples of the equipment shown and gives no others", () => {
  const { opened, heard } = watched();
  equal(opened[0]!.query, "types=samples&equipment=pump+17%2Fa");
  opened[0]!.connection.hear(textOf([
    { operatorUid: "z", key: "pump 17/a", atMs: 5, value: 1, score: 2, low: 0, high: 3 },
    { operatorUid: "z", key: "pump 18", atMs: 5, value: 1, score: 2 },
  ]));
  deepEqual(heard, [{
    jobId: "j1",
    operatorUid: "z",
    equipment: "pump 17/a",
    atMs: 5,
    value: 1,
    score: 2,
    low: 0,
    high: 3,
  }]);
});

Deno.test("sample stream: a paused, hidden or signed-out page is sent nothing", () => {
  const { opened, isVisible, state, watch } = watched();
  isVisible.value = false;
  equal(opened[0]!.connection.isClosed, true);
  state.value = "paused";
  isVisible.value = true;
  equal(opened.length, 1);
  state.value = "connecting";
  equal(opened.length, 2);
  state.value = "reconnecting";
  equal(opened.length, 2);
  opened[1]!.connection.onopen!(new Event("open"));
  equal(watch.connections.value, 1);
  watch.close();
  equal(opened[1]!.connection.isClosed, true);
  state.value = "live";
  equal(opened.length, 2);
});

Deno.test("sample stream: what is no sample is left out", () => {
  deepEqual(samplesOf("no json"), []);
  deepEqual(samplesOf(JSON.stringify({ type: "samples", body: { samples: 7 } })), []);
  deepEqual(samplesOf(textOf([{ operatorUid: "z", atMs: 1 }, { key: 3 }])), []);
  const [sample] = samplesOf(textOf([{ operatorUid: "z", key: "p", atMs: 1, jobId: "j2" }]));
  deepEqual([sample!.jobId, sample!.value, sample!.low], ["j2", null, null]);
});

Deno.test("event stream: does not ask for samples, and fits into the bound of the query", () => {
  const types = new URLSearchParams(STREAM_QUERY).get("types")!;
  equal(types.split(",").includes("samples"), false);
  equal(types.split(",").includes("alarm.*"), true);
  equal(types.split(",").includes("heartbeat"), true);
  equal(types.length <= 1_000, true);
});
