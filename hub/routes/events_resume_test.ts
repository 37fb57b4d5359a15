/**
 * A reader of /events over a real socket that is torn away again and again, and a hub that restarts.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { openTestHub, type TestHub } from "../../tests/support/hub_app.ts";
import { events } from "../db/schema.ts";
import { openMemoryDatabase } from "../../tests/support/memory_database.ts";

const EVENTS = 400;
const PER_CONNECTION = 23;

interface Served {
  readonly url: string;
  stop(): Promise<void>;
}

function serve(test: TestHub): Served {
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    (request) => test.app.fetch(request, { remoteAddress: "127.0.0.1" }),
  );
  return { url: `http://127.0.0.1:${server.addr.port}`, stop: () => server.shutdown() };
}

/**
 * Reads stored events behind `lastId` until `count` came or the stream ends, then tears the connection.
 *
 * @returns Ids in the order they came.
 */
async function readSome(
  from: { readonly url: string; readonly token: string },
  lastId: number,
  count: number,
): Promise<number[]> {
  const tearing = new AbortController();
  const seen: number[] = [];
  const response = await fetch(`${from.url}/api/v1/events?types=job.status`, {
    headers: { authorization: `Bearer ${from.token}`, "last-event-id": String(lastId) },
    signal: tearing.signal,
  });
  equal(response.headers.get("content-type"), "text/event-stream");
  const lines = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    while (seen.length < count) {
      const { value, done } = await lines.read();
      if (done) break;
      buffer += value;
      for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
        const id = /^id: (\d+)$/m.exec(buffer.slice(0, end))?.[1];
        buffer = buffer.slice(end + 2);
        // What came behind the tear was never seen: the next connection has to bring it again.
        if (id !== undefined && seen.length < count) seen.push(Number(id));
      }
    }
  } catch {
    // The server went away in the middle of a frame.
  }
  tearing.abort();
  return seen;
}

Deno.test("events: torn away again and again and over a restart of the hub, none is lost or comes twice", async () => {
  const database = await openMemoryDatabase();
  const kept = { db: database.db, close: () => Promise.resolve() };
  let test = await openTestHub(kept);
  let served = serve(test);
  let published = 0;
  const publish = (count: number) => {
    for (let i = 0; i < count; i++) {
      test.events.publish("job.status", { jobId: "job" }, { n: ++published });
      // A family that the reader did not ask for: its ids are gaps in what it sees.
      if (i % 3 === 0) test.events.publish("region.status", { jobId: "job" }, {});
    }
  };
  const seen: number[] = [];
  let connections = 0;
  try {
    publish(40);
    while (seen.length < EVENTS) {
      connections++;
      if (connections === 8) {
        await served.stop();
        await test.close();
        test = await openTestHub(kept, undefined, 8);
        served = serve(test);
      }
      const reading = readSome(
        { url: served.url, token: test.tokens.viewer },
        seen.at(-1) ?? 0,
        Math.min(PER_CONNECTION, EVENTS - seen.length),
      );
      // While it reads: some of it is stored before the stream reads what is stored, some is pushed.
      if (published < EVENTS) publish(Math.min(29, EVENTS - published));
      seen.push(...await reading);
    }
    await test.events.flush();
  } finally {
    await served.stop();
    await test.close();
  }
  ok(connections > 15, `${connections} connections`);
  const stored = (await database.db.select().from(events)).filter(({ type }) =>
    type === "job.status"
  );
  const ids = stored.map(({ id }) => id).sort((a, b) => a - b);
  equal(ids.length, EVENTS);
  deepEqual(seen, ids);
  await database.close();
});
