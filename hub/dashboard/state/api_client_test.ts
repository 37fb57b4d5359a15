import { deepEqual, equal, rejects } from "node:assert/strict";
import type { OperationView } from "@shared/api.ts";
import { ApiError, changeFailure, createApiClient } from "./api_client.ts";

function client(answers: ((url: string) => Response)[]) {
  const calls: { url: string; headers: Headers }[] = [];
  let keys = 0;
  const pauses: number[] = [];
  const api = createApiClient({
    clock: {
      nowMs: () => 0,
      monotonicMs: () => 0,
      after(delayMs, fire) {
        pauses.push(delayMs);
        const timer = setTimeout(fire, 0);
        return () => clearTimeout(timer);
      },
    },
    fetch(input, init) {
      calls.push({ url: String(input), headers: new Headers(init?.headers) });
      return Promise.resolve(answers[Math.min(calls.length, answers.length) - 1]!(String(input)));
    },
    newKey: () => `key-${++keys}`,
    hubTimeSeen: () => {},
    signedOut: () => {},
  });
  return { api, calls, pauses };
}

const operation = (status: OperationView["status"], done: number) => () =>
  Response.json({ id: "o1", status, progress: { done, total: 2, phase: "snapshot" } });

Deno.test("api client: follows an operation by long polls until it ends", async () => {
  const { api, calls } = client([
    operation("pending", 0),
    operation("running", 1),
    operation("cancelled", 1),
  ]);
  const seen: string[] = [];
  const ended = await api.follow(
    "o/1",
    ({ status }) => seen.push(status),
    AbortSignal.timeout(5_000),
  );
  equal(ended.status, "cancelled");
  deepEqual(seen, ["pending", "running", "cancelled"]);
  deepEqual(calls.map(({ url }) => url), [
    "/api/v1/operations/o%2F1",
    "/api/v1/operations/o%2F1?wait=2s",
    "/api/v1/operations/o%2F1?wait=2s",
  ]);
});

Deno.test("api client: a typed change carries a key of its own; a refusal has the hub's words", async () => {
  const problem = { title: "Conflict", status: 409, detail: "Job is stopped already", code: "x" };
  const { api, calls } = client([() => Response.json(problem, { status: 409 })]);
  await rejects(
    () => api.hub.jobs[":id"].stop.$post({ param: { id: "j" }, json: {} }),
    (thrown) => thrown instanceof ApiError && thrown.message === "Job is stopped already",
  );
  equal(calls[0]!.headers.get("idempotency-key"), "key-1");
});

Deno.test("api client: an operation is followed over the restart of the hub", async () => {
  const { api, pauses } = client([
    operation("running", 0),
    () => {
      throw new TypeError("connection refused");
    },
    () => new Response("starting", { status: 503 }),
    operation("succeeded", 2),
  ]);
  const ended = await api.follow("o1", () => {}, AbortSignal.timeout(5_000));
  equal(ended.status, "succeeded");
  equal(pauses.length, 2);
});

Deno.test("api client: an operation that the hub does not know is not looked for again", async () => {
  const problem = {
    title: "Not found",
    status: 404,
    detail: "There is no operation o1",
    code: "x",
  };
  const { api, calls } = client([() => Response.json(problem, { status: 404 })]);
  await rejects(() => api.follow("o1", () => {}, AbortSignal.timeout(5_000)), /no operation o1/);
  equal(calls.length, 1);
});

Deno.test("api client: a change without an answer is not said to be undone", async () => {
  const refused = { title: "Conflict", status: 409, detail: "The job is stopped", code: "x" };
  const { api } = client([() => Response.json(refused, { status: 409 }), () => {
    throw new TypeError("connection reset");
  }]);
  const said: string[] = [];
  for (let change = 0; change < 2; change++) {
    await api.hub.jobs[":id"].cancel.$post({ param: { id: "j" } })
      .catch((thrown) => said.push(changeFailure("Nothing was changed.", thrown)));
  }
  deepEqual(said, [
    "Nothing was changed. The job is stopped",
    "It is not known whether it was done. The hub cannot be reached. " +
    "Check the network and that it runs.",
  ]);
});
