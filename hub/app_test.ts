import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import type { Problem } from "@shared/api.ts";
import type { AgentId } from "@shared/ids.ts";
import { hashSecret, newAgentCredential } from "./auth.ts";
import { createAgent } from "./db/agent_store.ts";
import { openTestHub } from "../tests/support/hub_app.ts";

interface Document {
  openapi: string;
  paths: Record<string, Record<string, { "x-penstock-role"?: string; requestBody?: unknown }>>;
}
/** Served by the hub and no part of the API: pages, their files and the document itself. */
const NO_API =
  /^\/(|assets\/:name|docs|docs\/:name|asyncapi\.yaml|openapi\.json|api\/v1\/openapi\.json)$/;

Deno.test("app: rules that hold for every route", async (t) => {
  const test = await openTestHub();
  const problemOf = async (response: Response): Promise<Problem> => {
    equal(response.headers.get("content-type"), "application/problem+json");
    const problem = await response.json() as Problem;
    equal(problem.status, response.status);
    equal(problem.type, `urn:penstock:problem:${problem.code}`);
    return problem;
  };
  const document = await (await test.call("GET", "/openapi.json", { token: null }))
    .json() as Document;

  await t.step("every route of the API is in the OpenAPI 3.1 document (S24)", () => {
    equal(document.openapi, "3.1.0");
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
    );
    const served = test.app.routes
      .filter(({ method, path }) => method !== "ALL" && !NO_API.test(path))
      .map(({ method, path }) => `${method} ${path.replace(/:([^/]+)/g, "{$1}")}`);
    deepEqual([...new Set(served)].sort(), documented.sort());
    ok(served.length > 30);
  });

  await t.step(
    "role x route: too low a role is 403, no token 401, an agent's 403 (S22)",
    async () => {
      const rank = { viewer: 1, operator: 2, admin: 3 };
      let judged = 0;
      const credential = newAgentCredential(test.hub.random);
      await createAgent(test.hub.db, {
        id: "agent" as AgentId,
        name: "gateway",
        labels: {},
        credentialHash: hashSecret(credential),
        nowMs: test.clock.nowMs(),
      });
      for (const [path, methods] of Object.entries(document.paths)) {
        for (const [method, operation] of Object.entries(methods)) {
          const needed = operation["x-penstock-role"] as keyof typeof rank | "public";
          ok(needed in rank || needed === "public", `${method} ${path} names its role`);
          if (needed === "public") continue;
          const url = path.replace(/\{n\}/, "1").replace(/\{[^}]+\}/g, "no-such-id");
          const call = (token: string | null) => test.call(method.toUpperCase(), url, { token });
          equal((await call(null)).status, 401, `${method} ${path} without a token`);
          equal((await call("pst_wrong")).status, 401, `${method} ${path} with an unknown token`);
          equal((await call(credential)).status, 403, `${method} ${path} as an agent`);
          for (const role of ["viewer", "operator"] as const) {
            if (rank[role] >= rank[needed]) continue;
            equal((await call(test.tokens[role])).status, 403, `${method} ${path} as ${role}`);
            judged++;
          }
        }
      }
      ok(judged > 10, `${judged} pairs of role and route were judged`);
    },
  );

  await t.step("rollback, savepoint delete and join tokens need an admin (S22)", () => {
    const roleOf = (path: string, method: string) =>
      document.paths[path]?.[method]?.["x-penstock-role"];
    equal(roleOf("/api/v1/jobs/{id}/rollbacks", "post"), "admin");
    equal(roleOf("/api/v1/savepoints/{id}", "delete"), "admin");
    equal(roleOf("/api/v1/tokens", "post"), "admin");
    equal(roleOf("/api/v1/jobs", "post"), "operator");
  });

  await t.step(
    "refusals are problem+json: path, method, media type, JSON, size (S23)",
    async () => {
      equal((await problemOf(await test.call("GET", "/api/v1/nothing"))).code, "path-not-found");
      const wrongMethod = await test.call("PATCH", "/api/v1/jobs");
      equal(wrongMethod.headers.get("allow"), "GET, POST");
      equal((await problemOf(wrongMethod)).status, 405);
      const text = { headers: { "content-type": "text/plain" }, body: "x" };
      equal((await problemOf(await test.call("POST", "/api/v1/tokens", text))).status, 415);
      equal(
        (await problemOf(await test.call("POST", "/api/v1/tokens", { body: "{x" }))).status,
        400,
      );
      const big = JSON.stringify({ labels: { a: "x".repeat(1_100_000) } });
      const announced = { body: big, headers: { "content-length": String(big.length) } };
      equal((await problemOf(await test.call("POST", "/api/v1/tokens", announced))).status, 413);
      equal(
        (await problemOf(await test.call("POST", "/api/v1/tokens", { body: big }))).status,
        413,
      );
    },
  );

  await t.step("a mistake of ours shows a request id and nothing of its inside (S23)", async () => {
    const broken = test.hub.db.select;
    Object.assign(test.hub.db, {
      select() {
        throw new Error("secret inside");
      },
    });
    const response = await test.call("GET", "/api/v1/savepoints");
    Object.assign(test.hub.db, { select: broken });
    const problem = await problemOf(response);
    equal(problem.status, 500);
    ok(!JSON.stringify(problem).includes("secret"));
    match(problem.detail, new RegExp(response.headers.get("x-request-id")!));
    ok(test.lines.some(({ level, message }) => level === "error" && message === "Request failed"));
  });

  await t.step("answers carry security headers and allow no other origin (S23)", async () => {
    const headers = { origin: "https://evil.test" };
    const response = await test.call("GET", "/api/v1/jobs", { headers });
    equal(response.headers.get("access-control-allow-origin"), null);
    equal(response.headers.get("x-content-type-options"), "nosniff");
    match(response.headers.get("content-security-policy") ?? "", /frame-ancestors 'none'/);
    equal(response.headers.get("cache-control"), "no-store");
  });

  await t.step("readiness names what answers and what does not", async () => {
    const ready = await test.call("GET", "/readyz", { token: null });
    equal(ready.status, 200);
    const { checks } = await ready.json() as { checks: Record<string, string> };
    deepEqual(checks, { database: "ok", objectStore: "ok", "broker plant": "no broker here" });
    notEqual((await test.call("GET", "/metrics", { token: null })).status, 200);
    match(await (await test.call("GET", "/metrics")).text(), /^penstock_hub_term 1$/m);
  });
  await test.close();
});

Deno.test("app: a text that no database can hold is the caller's mistake, not the hub's", async () => {
  const test = await openTestHub();
  const odd = await test.call("GET", "/api/v1/alarms?equipment=%00");
  equal(odd.status, 400);
  const token = await test.call("POST", "/api/v1/tokens", { body: { labels: { line: "\ud800" } } });
  equal(token.status, 400);
  await test.close();
});

Deno.test("app: pages go on behind names of any script", async () => {
  const test = await openTestHub();
  for (const key of ["помпа", "泵", "🚰"]) {
    const sample = { operatorUid: "drift", key, atMs: test.clock.nowMs(), value: 1, score: null };
    test.live.recordSample("job" as never, sample);
  }
  const names: string[] = [];
  let path: string | null = "/api/v1/equipment?limit=1";
  while (path !== null) {
    const page = await (await test.call("GET", path)).json() as {
      items: { equipment: string }[];
      next: string | null;
    };
    names.push(...page.items.map(({ equipment }) => equipment));
    path = page.next === null ? null : `/api/v1/equipment?limit=1&cursor=${page.next}`;
  }
  equal(names.length, 3);
  await test.close();
});
