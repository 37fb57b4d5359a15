import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import type { AgentView, CreatedJoinToken, Enrolment, JoinTokenView, Page } from "@shared/api.ts";
import { openTestHub } from "../../tests/support/hub_app.ts";
import { verifyAudit } from "../db/audit_store.ts";
import { idempotencyKeys, joinTokens } from "../db/schema.ts";

Deno.test("enrolment: a join token makes one agent, once", async (t) => {
  const test = await openTestHub();
  const makeToken = async (body: unknown = {}) =>
    await (await test.call("POST", "/api/v1/tokens", { body })).json() as CreatedJoinToken;
  const enrol = (token: string, body: unknown = {}, headers: Record<string, string> = {}) =>
    test.call("POST", "/api/v1/enrol", { token, body, headers });
  const token = await makeToken({ labels: { line: "1" }, ttlSeconds: 600 });
  let agent: Enrolment;

  await t.step("the token names its hub, and the database holds no secret (S1, S19)", async () => {
    match(token.token, /^pj_0123456789abcdef_[A-Za-z0-9_-]{43}$/);
    equal(Date.parse(token.expiresAt) - test.clock.nowMs(), 600_000);
    match(token.installCommand, /--join-token-file/);
    const rows = JSON.stringify(await test.hub.db.select().from(joinTokens));
    ok(!rows.includes(token.token) && !rows.includes(token.token.split("_")[2]!));
  });

  await t.step("it enrols an agent with the labels it was made for", async () => {
    const response = await enrol(token.token, {
      name: "gateway",
      labels: { line: "9", site: "n" },
    });
    equal(response.status, 201);
    agent = await response.json() as Enrolment;
    equal(agent.name, "gateway");
    const page = await (await test.call("GET", "/api/v1/agents")).json() as Page<AgentView>;
    deepEqual(page.items[0]?.labels, { line: "1", site: "n" });
    equal(page.items[0]?.status, "offline");
  });

  await t.step("a second use is refused (S1)", async () => {
    equal((await enrol(token.token)).status, 401);
    const page = await (await test.call("GET", "/api/v1/tokens")).json() as Page<JoinTokenView>;
    equal(page.items[0]?.usedByAgentId, agent.agentId);
    ok(!JSON.stringify(page).includes("pj_"));
  });

  await t.step("a revoked or expired token is refused", async () => {
    const revoked = await makeToken();
    equal((await test.call("DELETE", `/api/v1/tokens/${revoked.id}`)).status, 204);
    equal((await enrol(revoked.token)).status, 401);
    test.clock.advance(60_000);
    const late = await makeToken();
    test.clock.advance(3_600_001);
    equal((await enrol(late.token)).status, 401);
    equal((await test.call("POST", "/api/v1/tokens", { body: { ttlSeconds: 7200 } })).status, 400);
    const plain = await (await test.call("POST", "/api/v1/tokens")).json() as CreatedJoinToken;
    equal(Date.parse(plain.expiresAt) - test.clock.nowMs(), 3_600_000);
  });

  await t.step("guessing locks the address out (S44)", async () => {
    test.clock.advance(60_000);
    for (let guess = 0; guess < 3; guess++) equal((await enrol("pj_x_y")).status, 401);
    equal((await enrol((await makeToken()).token)).status, 429);
    test.clock.advance(60_000);
  });

  await t.step("a lost answer is given again for the same key, from a sealed copy", async () => {
    const { token: again } = await makeToken();
    const first = await enrol(again, {}, { "idempotency-key": "boot-1" });
    const second = await enrol(again, {}, { "idempotency-key": "boot-1" });
    const { credential } = await first.json() as Enrolment;
    equal((await second.json() as Enrolment).credential, credential);
    ok(!JSON.stringify(await test.hub.db.select().from(idempotencyKeys)).includes(credential));
  });

  await t.step("the name of an agent in use is not taken away", async () => {
    const response = await enrol((await makeToken()).token, { name: "gateway" });
    equal((await response.json() as Enrolment).name, "gateway-2");
    const posing = await enrol((await makeToken()).token, { name: "hub" });
    equal((await posing.json() as Enrolment).name, "hub-2", "its log lines pass for the hub's");
  });

  await t.step("a credential opens the control channel and no route of people", async () => {
    const as = { token: agent.credential };
    equal((await test.call("GET", "/api/v1/jobs", as)).status, 403);
    equal((await test.call("GET", "/api/v1/agents/connect", as)).status, 426);
    equal(
      (await test.call("GET", "/api/v1/agents/connect", { token: test.tokens.admin })).status,
      401,
    );
  });

  await t.step("removing an agent cuts it off and kills its credential (S4)", async () => {
    equal((await test.call("DELETE", `/api/v1/agents/${agent.agentId}`)).status, 204);
    deepEqual(test.cut, [agent.agentId]);
    const as = { token: agent.credential };
    equal((await test.call("GET", "/api/v1/agents/connect", as)).status, 401);
    notEqual((await test.call("DELETE", `/api/v1/agents/${agent.agentId}`)).status, 204);
  });

  await t.step("all of it is in the audit log, whose chain holds (S26)", async () => {
    const { items } = await (await test.call("GET", "/api/v1/audit?limit=200"))
      .json() as Page<{ id: number; action: string }>;
    const actions = new Set(items.map(({ action }) => action));
    deepEqual([...actions].sort(), [
      "agent.enrol",
      "agent.remove",
      "request.refused",
      "token.create",
      "token.revoke",
    ]);
    equal((await verifyAudit(test.hub.db)).isIntact, true);
  });
  await test.close();
});
