import { deepEqual, equal, ok } from "node:assert/strict";
import { eq, sql } from "drizzle-orm";
import type { AuditVerdict, AuditView, Page } from "@shared/api.ts";
import { openTestHub, type TestHub } from "../../tests/support/hub_app.ts";
import { audit } from "../db/schema.ts";

async function rowsOf(test: TestHub, query = ""): Promise<AuditView[]> {
  const answer = await test.call("GET", `/api/v1/audit?limit=200${query}`);
  equal(answer.status, 200);
  return [...(await answer.json() as Page<AuditView>).items];
}

async function verdictOf(test: TestHub): Promise<AuditVerdict> {
  return await (await test.call("GET", "/api/v1/audit/verify")).json() as AuditVerdict;
}

async function makeTokens(test: TestHub, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const body = { role: "viewer", name: `token-${i}` };
    equal((await test.call("POST", "/api/v1/tokens", { body })).status, 201);
  }
}

Deno.test("audit: a row that somebody changed in the database is found out (S26)", async (t) => {
  const test = await openTestHub();
  const { db } = test.hub;
  await makeTokens(test, 6);
  const ids = (await rowsOf(test)).map(({ id }) => id).sort((a, b) => a - b);
  const target = ids[2]!;
  const after = ids[3]!;

  await t.step("untouched, it is intact", async () => {
    deepEqual(await verdictOf(test), { rows: ids.length, isIntact: true, firstBrokenId: null });
  });

  const original = (await db.select().from(audit).where(eq(audit.id, target)))[0]!;
  const tampered: Record<string, Partial<typeof original>> = {
    "another name": { principal: "token:somebody-else" },
    "another reason": { reason: "all was well" },
    "another time": { at: new Date(original.at.getTime() + 1) },
    "another detail": { fields: { name: "innocent" } },
    "another outcome": { outcome: "refused" },
  };
  for (const [what, change] of Object.entries(tampered)) {
    await t.step(`${what} shows at the row`, async () => {
      await db.update(audit).set(change).where(eq(audit.id, target));
      const { isIntact, firstBrokenId } = await verdictOf(test);
      deepEqual([isIntact, firstBrokenId], [false, target]);
      await db.update(audit).set(original).where(eq(audit.id, target));
      equal((await verdictOf(test)).isIntact, true);
    });
  }

  await t.step("a row taken out shows at the row behind it", async () => {
    await db.delete(audit).where(eq(audit.id, target));
    const { isIntact, firstBrokenId } = await verdictOf(test);
    deepEqual([isIntact, firstBrokenId], [false, after]);
  });
  await test.close();
});

Deno.test("audit: a chain longer than a page of rows is followed to its end", async () => {
  const test = await openTestHub();
  await makeTokens(test, 3);
  const { id } = (await rowsOf(test))[0]!;
  // Copies of the last row: the first of them follows from nothing.
  await test.hub.db.execute(sql`
    insert into audit (at, principal, role, action, subject, reason, outcome, remote_address, fields, hash)
    select at, principal, role, action, subject, reason, outcome, remote_address, fields, hash
    from audit, generate_series(1, 1200) where id = ${id}`);
  const verdict = await verdictOf(test);
  equal(verdict.isIntact, false);
  equal(verdict.firstBrokenId, id + 1);
  await test.close();
});

Deno.test("audit: logins, refused logins and refused attempts are in it, not more than once a minute", async (t) => {
  const test = await openTestHub();
  const login = (token: string) =>
    test.call("POST", "/api/v1/session", { token: null, body: { token } });

  await t.step("a login says who and from where", async () => {
    equal((await login(test.tokens.operator)).status, 200);
    const [row] = await rowsOf(test, "&action=session.open");
    deepEqual([row!.principalName, row!.role, row!.outcome, row!.remoteAddress], [
      "operator",
      "operator",
      "done",
      "192.0.2.1",
    ]);
  });

  await t.step("a wrong token is written down without the token", async () => {
    equal((await login("pst_guess")).status, 401);
    equal((await login("pst_guess2")).status, 401);
    const refused = await rowsOf(test, "&action=session.open&outcome=refused");
    deepEqual(refused.map(({ principal, subject }) => [principal, subject]), [
      ["unknown", "address:192.0.2.1"],
    ]);
    ok(!JSON.stringify(refused).includes("pst_guess"));
  });

  await t.step("an attempt beyond one's role is, once a minute", async () => {
    const attempt = () =>
      test.call("POST", "/api/v1/tokens", { token: test.tokens.viewer, body: {} });
    for (let i = 0; i < 5; i++) equal((await attempt()).status, 403);
    const refused = () => rowsOf(test, "&action=request.refused");
    equal((await refused()).length, 1);
    const [row] = await refused();
    deepEqual([row!.principalName, row!.subject, row!.outcome], [
      "viewer",
      "POST /api/v1/tokens",
      "refused",
    ]);
    equal(row!.reason, "This needs the role admin; the token has the role viewer");
    test.clock.advance(60_000);
    equal((await attempt()).status, 403);
    equal((await refused()).length, 2);
  });

  await t.step("the chain holds over all of it", async () => {
    equal((await verdictOf(test)).isIntact, true);
  });
  await test.close();
});

Deno.test("audit: a cursor with a number that no row can have is refused", async () => {
  const test = await openTestHub();
  for (const made of ["1e300", "1.5", "null"]) {
    const answer = await test.call("GET", `/api/v1/audit?cursor=${btoa(made)}`);
    deepEqual([answer.status, (await answer.json()).code], [400, "cursor-invalid"], made);
  }
  await test.close();
});

Deno.test("audit: filters narrow it down, pages go on within them", async () => {
  const test = await openTestHub();
  await makeTokens(test, 5);
  test.clock.advance(3_600_000);
  const split = new Date(test.clock.nowMs()).toISOString();
  await makeTokens(test, 2);
  const joined = await test.call("POST", "/api/v1/tokens", { body: {} });
  const { id } = await joined.json() as { id: string };
  const count = async (query: string) => (await rowsOf(test, query)).length;
  equal(await count("&action=token.create"), 8);
  equal(await count("&action=token.*"), 8);
  equal(await count("&action=job.*"), 0);
  equal(await count(`&subject=join:${id}`), 1);
  equal(await count(`&from=${split}`), 3);
  equal(await count(`&to=${split}`), 5);
  equal(await count("&outcome=done"), 8);
  const [row] = await rowsOf(test);
  equal(await count(`&principal=${row!.principal}`), 8);
  const seen: number[] = [];
  let next: string | null = "";
  while (next !== null) {
    const cursor: string = next === "" ? "" : `&cursor=${next}`;
    const answer = await test.call("GET", `/api/v1/audit?limit=3&action=token.*${cursor}`);
    const page = await answer.json() as Page<AuditView>;
    seen.push(...page.items.map((item) => item.id));
    next = page.next;
    // Comes in while somebody pages: it is before the first page and moves none.
    if (seen.length === 3) await makeTokens(test, 1);
  }
  equal(seen.length, 8);
  equal(new Set(seen).size, 8);
  equal((await test.call("GET", "/api/v1/audit?from=yesterday")).status, 400);
  await test.close();
});
