import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Problem } from "@shared/api.ts";
import type { OpenApiDocument, OpenApiOperation } from "./openapi_document.ts";
import { problemSchema } from "./routes/schemas.ts";
import { openTestHub, type TestHub } from "../tests/support/hub_app.ts";

const MIB = 1024 * 1024;
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/** Names that nothing has to exist for: an answer about them is an empty one. */
const OPEN_NAMES = /\{equipment\}/;

interface Visited {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** The path with an id in it that nothing has. */
  readonly url: string;
  readonly operation: OpenApiOperation;
  readonly body: unknown;
}

async function operationsOf(test: TestHub): Promise<Visited[]> {
  const document = await (await test.call("GET", "/openapi.json")).json() as OpenApiDocument;
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method} ${path}`,
      method: method.toUpperCase(),
      path,
      url: path.replace(/\{n\}/g, "1").replace(/\{[^}]+\}/g, "no-such-id"),
      operation,
      body: operation.requestBody?.content["application/json"]?.example,
    }))
  );
}

/** The problem in an answer that is as every problem has to be. */
async function problemOf(name: string, answer: Response): Promise<Problem> {
  equal(answer.headers.get("content-type"), "application/problem+json", name);
  const problem = await answer.json() as Problem;
  const parsed = problemSchema.strict().safeParse(problem);
  ok(parsed.success, `${name}: ${JSON.stringify(problem)} ${parsed.error?.message}`);
  equal(problem.status, answer.status, name);
  equal(problem.type, `urn:penstock:problem:${problem.code}`, name);
  match(problem.code, /^[a-z]+(-[a-z]+)*$/, name);
  equal(problem.traceId, answer.headers.get("x-request-id"), name);
  ok((problem.instance ?? "").startsWith("/"), name);
  ok(problem.detail.length > 0 && problem.title.length > 0, name);
  return problem;
}

Deno.test("api: every route refuses in one way what it does not take", async (t) => {
  const test = await openTestHub();
  const operations = await operationsOf(test);
  ok(operations.length > 40);

  await t.step("another method is 405 and Allow says which ones", async () => {
    for (const { name, method, path, url } of operations) {
      const answer = await test.call(path.startsWith("/objects/") ? "PATCH" : "PUT", url);
      const problem = await problemOf(name, answer);
      deepEqual([problem.status, problem.code], [405, "method-not-allowed"], name);
      ok(answer.headers.get("allow")!.split(", ").includes(method), name);
    }
  });

  await t.step("no token is 401 with a challenge", async () => {
    for (const { name, method, url, operation } of operations) {
      if (operation["x-penstock-role"] === "public") continue;
      const answer = await test.call(method, url, { token: null });
      equal((await problemOf(name, answer)).status, 401, name);
      match(answer.headers.get("www-authenticate") ?? "", /^Bearer/, name);
    }
  });

  await t.step("an id that nothing has is 404", async () => {
    let judged = 0;
    for (const { name, method, path, url, operation, body } of operations) {
      if (!path.includes("{") || operation["x-penstock-role"] === "public") continue;
      if (OPEN_NAMES.test(path)) continue;
      const query = (operation.parameters ?? [])
        .filter((parameter) => parameter.in === "query" && parameter.required === true)
        .map((parameter) => `${parameter.name}=${encodeURIComponent(String(parameter.example))}`);
      const answer = await test.call(method, `${url}?${query.join("&")}`, {
        ...(body === undefined ? {} : { body }),
      });
      const problem = await problemOf(name, answer);
      equal(problem.status, 404, `${name}: ${problem.detail}`);
      match(problem.code, /-not-found$/, name);
      judged++;
    }
    ok(judged > 15, `${judged}`);
  });

  await t.step("a field that no body has is 400 and named", async () => {
    for (const { name, method, url, operation, body } of operations) {
      if (operation.requestBody?.content["application/json"] === undefined) continue;
      const answer = await test.call(method, url, {
        body: { ...body as Record<string, unknown>, unheardOf: 1 },
      });
      const problem = await problemOf(name, answer);
      equal(problem.status, 400, name);
      deepEqual(problem.errors?.map(({ path }) => path), ["unheardOf"], name);
    }
  });

  await t.step("a parameter that no query has is 400 and named", async () => {
    for (const { name, method, url, operation } of operations) {
      const hasQuery = operation.parameters?.some((parameter) => parameter.in === "query");
      if (method !== "GET" || hasQuery !== true) continue;
      const problem = await problemOf(name, await test.call(method, `${url}?unheardOf=1`));
      equal(problem.status, 400, name);
      ok(problem.errors?.some(({ path }) => path === "unheardOf"), name);
    }
  });

  await t.step("a body of another type is 415, one that is no JSON 400", async () => {
    for (const { name, method, url, operation } of operations) {
      if (operation.requestBody?.content["application/json"] === undefined) continue;
      const headers = { "content-type": "text/xml" };
      const xml = await test.call(method, url, { headers, body: "<a/>" });
      equal((await problemOf(name, xml)).status, 415, name);
      const broken = await test.call(method, url, { body: "{broken" });
      const problem = await problemOf(name, broken);
      deepEqual([problem.status, problem.code], [400, "request-malformed"], name);
    }
  });

  await t.step("a body beyond the bound is 413, announced or not", async () => {
    for (const { name, method, url, operation } of operations) {
      if (operation.requestBody?.content["application/json"] === undefined) continue;
      const size = name === "post /api/v1/jobs" ? 8 * MIB : MIB;
      const headers = { "content-length": String(size + 1) };
      const announced = await test.call(method, url, { headers, body: "{}" });
      equal((await problemOf(name, announced)).code, "body-too-large", name);
      if (size > MIB) continue;
      const grown = await test.call(method, url, { body: `"${"x".repeat(size)}"` });
      equal((await problemOf(name, grown)).status, 413, name);
    }
  });

  await t.step("a path below /api that nothing has is 404, for every method", async () => {
    for (const method of METHODS) {
      for (const path of ["/api", "/api/v1", "/api/v2/jobs", "/api/v1/jobs/a/b/c/d"]) {
        const problem = await problemOf(path, await test.call(method, path));
        deepEqual([problem.status, problem.code], [404, "path-not-found"], `${method} ${path}`);
      }
    }
  });
  await test.close();
});

Deno.test("api: a caller that asks too fast is told when to come back", async () => {
  const test = await openTestHub(undefined, { burst: 3, perSecond: 1 });
  const ask = (token = test.tokens.viewer) => test.call("GET", "/api/v1/me", { token });
  for (const remaining of ["2", "1", "0"]) {
    const answer = await ask();
    equal(answer.status, 200);
    equal(answer.headers.get("ratelimit-limit"), "3");
    equal(answer.headers.get("ratelimit-remaining"), remaining);
    match(answer.headers.get("ratelimit-reset") ?? "", /^\d+$/);
  }
  const refused = await ask();
  equal((await problemOf("rate", refused)).code, "too-many-requests");
  deepEqual([refused.status, refused.headers.get("retry-after")], [429, "1"]);
  equal(refused.headers.get("ratelimit-remaining"), "0");
  equal((await ask(test.tokens.operator)).status, 200, "others are not held back");
  test.clock.advance(1_000);
  equal((await ask()).status, 200);
  await test.close();
});

Deno.test("api: guessing tokens is slowed down by address", async () => {
  const test = await openTestHub(undefined, { burst: 3, perSecond: 1 });
  const guess = (address: string) =>
    test.call("GET", "/api/v1/me", { token: "pst_guess", address });
  for (let i = 0; i < 3; i++) equal((await guess("192.0.2.9")).status, 401);
  equal((await guess("192.0.2.9")).status, 429);
  equal((await guess("192.0.2.10")).status, 401);
  await test.close();
});
