import { deepEqual, equal, rejects } from "node:assert/strict";
import { sql } from "drizzle-orm";
import { lockDirectory } from "@shared/platform/directory_lock.ts";
import { systemClock } from "@shared/platform/clock.ts";
import { openDatabase, rowsOf } from "./client.ts";
import { apiTokens, bundles } from "./schema.ts";

const bundle = (digest: string) => ({
  digest,
  bundle: "text",
  createdAt: new Date(1_700_000_000_123),
});

Deno.test("database: a PGlite directory keeps its rows, locks others out, isolates transactions", async (t) => {
  const parent = await Deno.makeTempDir();
  const options = { clock: systemClock, lockDirectory };
  const location = { dataDir: `${parent}/database` };
  const { db, close, kind } = await openDatabase(location, options);
  equal(kind, "pglite");

  await t.step("times, text and JSON come back as they were written", async () => {
    await db.insert(bundles).values(bundle("one"));
    deepEqual(await db.select().from(bundles), [bundle("one")]);
    deepEqual(rowsOf(await db.execute(sql`select 1 as "n", 'x' as "s"`)), [{ n: 1, s: "x" }]);
  });

  await t.step("no statement slips into an open transaction", async () => {
    const inside = Promise.withResolvers<void>();
    const write = db.transaction(async (tx) => {
      await tx.insert(bundles).values(bundle("two"));
      await inside.promise;
      throw new Error("roll back");
    });
    const other = db.insert(bundles).values(bundle("three")).execute();
    inside.resolve();
    await rejects(write, /roll back/);
    await other;
    const kept = await db.select({ digest: bundles.digest }).from(bundles).orderBy(bundles.digest);
    deepEqual(kept.map(({ digest }) => digest), ["one", "three"]);
  });

  await t.step("a broken constraint names its code, and the next statement works", async () => {
    await rejects(
      db.insert(bundles).values(bundle("one")).execute(),
      (thrown: Error) => (thrown.cause as { code: string }).code === "23505",
    );
    equal((await db.select().from(apiTokens)).length, 0);
  });

  await t.step("a second opener is told who holds the directory", async () => {
    await rejects(openDatabase(location, options), /process \d+ has it open/);
  });

  await close();
  await t.step("reopening finds the rows", async () => {
    const again = await openDatabase(location, options);
    equal((await again.db.select().from(bundles)).length, 2);
    await again.close();
  });
  await Deno.remove(parent, { recursive: true });
});

Deno.test("database: an unreachable PostgreSQL is a retryable error that hides the password", async () => {
  await rejects(
    openDatabase({ databaseUrl: "postgres://app:secret@127.0.0.1:1/none" }, {
      clock: systemClock,
      lockDirectory,
    }),
    (thrown: Error & { code?: string; isRetryable?: boolean }) =>
      thrown.code === "database-unreachable" && thrown.isRetryable === true &&
      !thrown.message.includes("secret"),
  );
});
