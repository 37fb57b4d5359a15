import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { ApiTokenView, AuditView, CreatedApiToken, Page } from "@shared/api.ts";
import type { JobSummary } from "@shared/job_api.ts";
import { openTestHub } from "../../tests/support/hub_app.ts";
import { apiTokens } from "../db/schema.ts";

Deno.test("tokens: an admin makes tokens with roles for people and programs (S19, S24)", async (t) => {
  const test = await openTestHub();
  const make = (body: unknown) => test.call("POST", "/api/v1/tokens", { body });
  const created = await (await make({ role: "operator", name: "night-shift" }))
    .json() as CreatedApiToken;
  const list = async () =>
    (await (await test.call("GET", "/api/v1/tokens?kind=api")).json() as Page<ApiTokenView>).items;

  await t.step("the secret is shown once and not stored", async () => {
    match(created.token, /^pst_/);
    deepEqual([created.name, created.role, created.expiresAt], ["night-shift", "operator", null]);
    const rows = JSON.stringify(await test.hub.db.select().from(apiTokens));
    ok(!rows.includes(created.token.slice(4)));
    const [newest] = await list();
    deepEqual([newest?.id, newest?.createdByName, "token" in newest!], [
      created.id,
      "admin",
      false,
    ]);
  });

  await t.step("it may do what its role may, and its name stands beside what it did", async () => {
    const { token } = created;
    equal((await test.call("GET", "/api/v1/tokens", { token })).status, 403);
    const body = { name: "pump-watch", bundle: "x" };
    equal((await test.call("POST", "/api/v1/jobs", { token, body })).status, 202);
    const jobs = await (await test.call("GET", "/api/v1/jobs")).json() as Page<JobSummary>;
    deepEqual([jobs.items[0]?.createdBy, jobs.items[0]?.createdByName], [
      `token:${created.id}`,
      "night-shift",
    ]);
    const audit = await (await test.call("GET", "/api/v1/audit")).json() as Page<AuditView>;
    deepEqual([audit.items[0]?.action, audit.items[0]?.principalName], [
      "job.deploy",
      "night-shift",
    ]);
  });

  await t.step("revoked it opens nothing, and its name stays", async () => {
    equal((await test.call("DELETE", `/api/v1/tokens/${created.id}`)).status, 204);
    equal((await test.call("GET", "/api/v1/jobs", { token: created.token })).status, 401);
    const jobs = await (await test.call("GET", "/api/v1/jobs")).json() as Page<JobSummary>;
    equal(jobs.items[0]?.createdByName, "night-shift");
    const used = (await list()).find(({ name }) => name === "night-shift");
    equal(used?.lastUsedAt, new Date(test.clock.nowMs()).toISOString());
  });

  await t.step("what does not fit together is refused with the field", async () => {
    const wrong = async (body: unknown) => {
      const response = await make(body);
      const problem = await response.json() as { errors: { path: string }[] };
      return [response.status, problem.errors[0]?.path];
    };
    deepEqual(await wrong({ role: "viewer" }), [400, "name"]);
    deepEqual(await wrong({ role: "viewer", name: "x", labels: { line: "1" } }), [400, "labels"]);
    deepEqual(await wrong({ name: "x" }), [400, "name"]);
    deepEqual(await wrong({ ttlSeconds: 7_200 }), [400, "ttlSeconds"]);
    deepEqual(await wrong({ role: "agent", name: "x" }), [400, "role"]);
  });

  await t.step("the last admin token without an end stays", async () => {
    const admin = (await list()).find(({ name }) => name === "admin")!;
    await make({ role: "admin", name: "visitor", ttlSeconds: 3_600 });
    equal((await test.call("DELETE", `/api/v1/tokens/${admin.id}`)).status, 409);
    await make({ role: "admin", name: "second" });
    equal((await test.call("DELETE", `/api/v1/tokens/${admin.id}`)).status, 204);
    equal((await test.call("DELETE", "/api/v1/tokens/none")).status, 401);
  });
  await test.close();
});
