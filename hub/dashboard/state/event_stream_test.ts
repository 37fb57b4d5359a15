import { deepEqual, equal } from "node:assert/strict";
import { signal } from "@preact/signals";
import { ManualClock } from "@shared/manual_clock.ts";
import { createEventStream, type EventConnection } from "./event_stream.ts";

class FakeConnection implements EventConnection {
  onopen: ((event: Event) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  isClosed = false;
  addEventListener(): void {}
  close(): void {
    this.isClosed = true;
  }
}

function openedStream() {
  const clock = new ManualClock();
  const opened: FakeConnection[] = [];
  const isVisible = signal(true);
  const stream = createEventStream({
    clock,
    isVisible,
    open: () => {
      const connection = new FakeConnection();
      opened.push(connection);
      return connection;
    },
  });
  stream.start();
  opened[0]!.onopen!(new Event("open"));
  return { clock, opened, isVisible, stream };
}

Deno.test("event stream: a page that nobody sees has no connection, and fetches afresh when seen", () => {
  const { clock, opened, isVisible, stream } = openedStream();
  isVisible.value = false;
  deepEqual([opened[0]!.isClosed, stream.state.value], [true, "connecting"]);
  clock.advance(60_000);
  equal(opened.length, 1);
  isVisible.value = true;
  opened[1]!.onopen!(new Event("open"));
  deepEqual([stream.state.value, stream.connections.value], ["live", 2]);
});

Deno.test("event stream: hiding a page ends neither its pause nor the end of its session", () => {
  const { opened, isVisible, stream } = openedStream();
  stream.pause();
  isVisible.value = false;
  isVisible.value = true;
  deepEqual([stream.state.value, opened.length], ["paused", 1]);
  isVisible.value = false;
  stream.resume();
  deepEqual([stream.state.value, opened.length], ["connecting", 1]);
  stream.stop();
  isVisible.value = true;
  deepEqual([stream.state.value, opened.length], ["closed", 1]);
});

Deno.test("event stream: a paused page has no connection until it goes on, then fetches afresh", () => {
  const { clock, opened, stream } = openedStream();
  stream.pause();
  equal(stream.state.value, "paused");
  equal(opened[0]!.isClosed, true);
  clock.advance(60_000);
  stream.start();
  equal(opened.length, 1);
  stream.resume();
  equal(stream.state.value, "connecting");
  opened[1]!.onopen!(new Event("open"));
  deepEqual([stream.state.value, stream.connections.value], ["live", 2]);
});

Deno.test("event stream: a pause ends with the session and stops tries to reconnect", () => {
  const { clock, opened, stream } = openedStream();
  opened[0]!.onerror!(new Event("error"));
  stream.pause();
  clock.advance(60_000);
  equal(opened.length, 1);
  stream.stop();
  stream.resume();
  deepEqual([stream.state.value, opened.length], ["closed", 1]);
  stream.pause();
  equal(stream.state.value, "closed");
  stream.start();
  equal(opened.length, 2);
});
