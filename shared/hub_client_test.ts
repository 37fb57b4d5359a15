import { deepEqual, equal, rejects } from "node:assert/strict";
import type { Api } from "../hub/api_type.ts";
import type { OperationView, Page } from "@shared/api.ts";
import type { JobDetail } from "@shared/job_api.ts";
import { hubClient, read } from "./hub_client.ts";

const JOB = { id: "j1", name: "pump-watch" };

function recording(answer: () => Response) {
  const calls: { method: string; url: string; body: unknown }[] = [];
  const api = hubClient<Api>({
    hubUrl: "http://hub.test",
    fetch(url, init) {
      calls.push({ method: init.method ?? "GET", url, body: init.body ?? null });
      return Promise.resolve(answer());
    },
  });
  return { api, calls };
}

Deno.test("hub client: an answer has the type that its route declares", async () => {
  const { api, calls } = recording(() => Response.json({ items: [JOB], next: null }));
  const page = await read(api.jobs.$get({ query: { state: "running", limit: "10" } }));
  // The build breaks here when the routes and the types of the views part ways.
  const jobs: Page<{ id: string; name: string }> = page;
  equal(jobs.items[0]!.name, "pump-watch");
  equal(calls[0]!.url, "http://hub.test/api/v1/jobs?state=running&limit=10");
  const typed = async () => {
    const detail: JobDetail = await read(api.jobs[":id"].$get({ param: { id: "j1" } }));
    const operation: OperationView = await read(
      api.jobs[":id"].stop.$post({ param: { id: "j1" }, json: { savepoint: true } }),
    );
    return [detail.id, operation.id];
  };
  equal(typeof typed, "function");
  const wrong = async () => {
    // @ts-expect-error: no such state
    await api.jobs.$get({ query: { state: "asleep" } });
    // @ts-expect-error: a job has no such field
    (await read(api.jobs[":id"].$get({ param: { id: "j1" } }))).colour;
    // @ts-expect-error: no such route
    await api.jobs[":id"].sing.$post({ param: { id: "j1" } });
    // @ts-expect-error: the body is not optional
    await api.jobs.$post({});
  };
  equal(typeof wrong, "function");
});

Deno.test("hub client: names in paths are encoded, bodies are JSON", async () => {
  const { api, calls } = recording(() => Response.json({ id: "o1" }));
  await read(api.jobs[":id"].stop.$post({ param: { id: "a/b ü" }, json: { drain: true } }));
  deepEqual(calls, [{
    method: "POST",
    url: "http://hub.test/api/v1/jobs/a%2Fb%20%C3%BC/stop",
    body: '{"drain":true}',
  }]);
});

Deno.test("hub client: what the given fetch throws reaches the caller", async () => {
  const api = hubClient<Api>({
    hubUrl: "",
    fetch: () => Promise.reject(new Error("refused in the hub's words")),
  });
  await rejects(() => read(api.me.$get()), /refused in the hub's words/);
});
