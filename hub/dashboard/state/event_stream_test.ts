import { deepEqual, equal } from "node:assert/strict";
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
  const stream = createEventStream({
    clock,
    open: () => {
      const connection = new FakeConnection();
      opened.push(connection);
      return connection;
    },
  });
  stream.start();
  opened[0]!.onopen!(new Event("open"));
  return { clock, opened, stream };
}

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
