import { deepEqual, equal, rejects } from "node:assert/strict";
import type { OperationView } from "@shared/api.ts";
import { ApiError, createApiClient } from "./api_client.ts";

function client(answers: ((url: string) => Response)[]) {
  const calls: { url: string; headers: Headers }[] = [];
  let keys = 0;
  const api = createApiClient({
    fetch(input, init) {
      calls.push({ url: String(input), headers: new Headers(init?.headers) });
      return Promise.resolve(answers[Math.min(calls.length, answers.length) - 1]!(String(input)));
    },
    newKey: () => `key-${++keys}`,
    hubTimeSeen: () => {},
    signedOut: () => {},
  });
  return { api, calls };
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
    () => api.api.jobs[":id"].stop.$post({ param: { id: "j" }, json: {} }),
    (thrown) => thrown instanceof ApiError && thrown.message === "Job is stopped already",
  );
  equal(calls[0]!.headers.get("idempotency-key"), "key-1");
});
