import { deepEqual, equal, match } from "node:assert/strict";
import type { EventType } from "@shared/api.ts";
import { openTestHub, type TestHub } from "../../tests/support/hub_app.ts";

/** Reads frames of a stream until `count` that begin with `event:` or `id:` came. */
function reader(response: Response) {
  const stream = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  return {
    async frame(): Promise<string> {
      while (!buffer.includes("\n\n")) {
        const { value, done } = await stream.read();
        if (done) return "(end)";
        buffer += value;
      }
      const end = buffer.indexOf("\n\n");
      const frame = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      return frame;
    },
    cancel: () => stream.cancel(),
  };
}

const typeOf = (frame: string) => /^event: (.*)$/m.exec(frame)?.[1];

async function publish(test: TestHub, ...types: EventType[]): Promise<void> {
  for (const type of types) test.events.publish(type, { jobId: "job" }, { n: 1 });
  await test.events.flush();
}

Deno.test("events: a stream that resumes where it broke off", async (t) => {
  const test = await openTestHub();
  let listeners = 0;
  const { subscribe } = test.events;
  Object.assign(test.events, {
    subscribe(listener: Parameters<typeof subscribe>[0]) {
      listeners++;
      const stop = subscribe(listener);
      return () => {
        listeners--;
        stop();
      };
    },
  });
  const open = async (query = "", headers: Record<string, string> = {}) => {
    const response = await test.call("GET", `/api/v1/events${query}`, { headers });
    equal(response.status, 200);
    const events = reader(response);
    match(await events.frame(), /^retry: \d+$/);
    return events;
  };

  await t.step("stored events carry ids in order, transient ones carry none", async () => {
    const events = await open();
    await publish(test, "job.status", "checkpoint.completed");
    test.events.push("metrics", { jobId: "job" }, {});
    match(await events.frame(), /^id: 1\nevent: job\.status\ndata: \{.*"n":1/);
    match(await events.frame(), /^id: 2\n/);
    match(await events.frame(), /^event: metrics\n/);
    await events.cancel();
  });

  await t.step("Last-Event-ID gives what was missed, then what comes, each once", async () => {
    const events = await open("", { "last-event-id": "1" });
    match(await events.frame(), /^id: 2\n/);
    equal(await events.frame(), ": live", "the end of what was missed is told");
    await publish(test, "alarm.raised");
    match(await events.frame(), /^id: 3\n/);
    await events.cancel();
    equal((await test.call("GET", "/api/v1/events?since=x")).status, 400);
  });

  await t.step("filters by type, family of types and job", async () => {
    const events = await open("?types=alarm.*,job.status&jobId=job");
    test.events.publish("alarm.raised", { jobId: "other" }, {});
    await publish(test, "checkpoint.completed", "alarm.cleared", "job.status");
    deepEqual([typeOf(await events.frame()), typeOf(await events.frame())], [
      "alarm.cleared",
      "job.status",
    ]);
    await events.cancel();
  });

  await t.step("samples come for the equipment that was asked for alone", async () => {
    const all = await open();
    const named = await open("?types=samples");
    const two = await open("?types=samples&equipment=a/b&equipment=c");
    const other = await open("?equipment=a/b&jobId=other");
    const sample = (key: string, value: number) => ({ operatorUid: "o", key, atMs: 1, value });
    const samples = [sample("a/b", 1), sample("nobody", 2)];
    test.events.push("samples", { jobId: "job" }, { samples });
    test.events.push("samples", { jobId: "job" }, { samples: [sample("c", 3)] });
    test.events.push("samples", { jobId: "other" }, { samples: [sample("a/b", 4)] });
    await publish(test, "job.status");
    equal(typeOf(await all.frame()), "job.status");
    equal((await named.frame()).includes("nobody"), true);
    test.clock.advance(1_000);
    const valuesIn = (frame: string) => [...frame.matchAll(/"value":(\d)/g)].map(([, n]) => n);
    deepEqual(valuesIn(await two.frame()), ["1", "4", "3"]);
    equal(typeOf(await other.frame()), "samples");
    for (const one of [all, named, two, other]) await one.cancel();
  });

  await t.step("a heartbeat every 15 s, as a comment and as an event", async () => {
    const events = await open();
    test.clock.advance(15_000);
    equal(await events.frame(), ": heartbeat");
    equal(typeOf(await events.frame()), "heartbeat");
    await events.cancel();
  });

  await t.step("an ended request leaves no listener behind", () => equal(listeners, 0));
  await test.close();
});
