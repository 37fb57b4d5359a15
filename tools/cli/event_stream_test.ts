import { deepEqual } from "node:assert/strict";
import { eventStream } from "./event_stream.ts";
import { HubApi } from "./hub_api.ts";

const frame = (id: number | null, type: string) =>
  `data: ${JSON.stringify({ id, at: "", type, jobId: null, agentId: null, body: {} })}\n\n`;

Deno.test("events: the end of the stored ones is told, however long they take and whatever happens meanwhile", async () => {
  const frames = [
    frame(1, "alarm.raised"),
    frame(null, "metrics"),
    ": heartbeat\n\n",
    frame(2, "alarm.cleared"),
    ": live\n\n",
    frame(3, "alarm.raised"),
  ];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode(frames.join(""))),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  const ended = new AbortController();
  const api = new HubApi({ hubUrl: `http://127.0.0.1:${server.addr.port}`, token: "t" });
  const seen: unknown[] = [];
  const options = {
    query: { since: 0 },
    signal: ended.signal,
    lost: () => {},
    live: () => seen.push("live"),
  };
  for await (const event of eventStream(api, options)) {
    seen.push(event.id);
    if (event.id === 3) ended.abort();
  }
  deepEqual(seen, [1, null, 2, "live", 3]);
  await server.shutdown();
});
