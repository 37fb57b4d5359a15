import { equal, match, ok } from "node:assert/strict";
import { openTestHub } from "../../tests/support/hub_app.ts";

Deno.test("session: a token once, a cookie from then on", async (t) => {
  const test = await openTestHub();
  const signIn = (token: string, address = "192.0.2.9") =>
    test.call("POST", "/api/v1/session", { token: null, body: { token }, address });
  const opened = await signIn(test.tokens.operator);
  const cookie = opened.headers.get("set-cookie")!.split(";")[0]!;
  const as = (extra: Record<string, string> = {}) => ({
    token: null,
    headers: { cookie, ...extra },
  });

  await t.step("the cookie is out of reach of scripts and other sites", () => {
    equal(opened.status, 200);
    match(opened.headers.get("set-cookie")!, /HttpOnly/);
    match(opened.headers.get("set-cookie")!, /SameSite=Strict/);
    ok(!opened.headers.get("set-cookie")!.includes(test.tokens.operator));
  });

  await t.step("it reads with the role of its token", async () => {
    const me = await (await test.call("GET", "/api/v1/me", as())).json() as Record<string, unknown>;
    equal(me["role"], "operator");
    equal((await test.call("GET", "/api/v1/tokens", as())).status, 403);
  });

  await t.step("it changes things from the hub's own pages only", async () => {
    const drain = (origin: Record<string, string>) =>
      test.call("POST", "/api/v1/agents/none/drain", as({ host: "hub.test", ...origin }));
    equal((await drain({})).status, 403);
    equal((await drain({ origin: "http://evil.test" })).status, 403);
    equal((await drain({ origin: "http://hub.test" })).status, 404);
  });

  await t.step("a forged cookie is nobody, and one past its time too", async () => {
    const forged = cookie.replace(/\d+\.[^.]+$/, `9999999999999.${"A".repeat(43)}`);
    const asForged = { token: null, headers: { cookie: forged } };
    equal((await test.call("GET", "/api/v1/me", asForged)).status, 401);
    test.clock.advance(13 * 3_600_000);
    equal((await test.call("GET", "/api/v1/me", as())).status, 401);
  });

  await t.step("guessing locks the address out, and no other (S44)", async () => {
    for (let guess = 0; guess < 3; guess++) equal((await signIn("pst_guess")).status, 401);
    const refused = await signIn(test.tokens.viewer);
    equal(refused.status, 429);
    ok(Number(refused.headers.get("retry-after")) > 0);
    equal((await signIn(test.tokens.viewer, "192.0.2.10")).status, 200);
    test.clock.advance(60_000);
    equal((await signIn(test.tokens.viewer)).status, 200);
  });
  await test.close();
});
