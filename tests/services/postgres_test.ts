/**
 * The hub's database on a real PostgreSQL: what PGlite with its single connection cannot show.
 *
 * @module
 */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { systemClock } from "@shared/platform/clock.ts";
import { lockDirectory } from "@shared/platform/directory_lock.ts";
import { systemRandom } from "@shared/platform/random.ts";
import type { CheckpointId, JobId } from "@shared/ids.ts";
import { dropRefs, requestUpload } from "../../hub/db/blob_store.ts";
import { openDatabase, type OpenedDatabase } from "../../hub/db/client.ts";
import { DeposedError, takeReign, withReign } from "../../hub/db/hub_state_store.ts";
import { migrationsFolder } from "../../hub/db/migrate.ts";
import { blobs, bundles } from "../../hub/db/schema.ts";
import { collectGarbage } from "../../hub/garbage_loop.ts";
import {
  BLOB_STORE_CASES,
  complete,
  digestOf,
  garbageContext,
  MemoryObjects,
  ownerOf,
  stateOf,
} from "../support/blob_store_cases.ts";
import { run } from "../support/commands.ts";
import { hasPostgres, startPostgres } from "../support/postgres.ts";

const server = await hasPostgres() ? await startPostgres() : null;
Deno.test.afterAll(() => server?.stop());

const bundle = { digest: "a".repeat(64), bundle: "x", createdAt: new Date(0) };

function openAt(databaseUrl: string): Promise<OpenedDatabase> {
  return openDatabase({ databaseUrl }, { clock: systemClock, lockDirectory });
}

/** A test over a new, migrated database of the server. */
function test(title: string, run: (opened: OpenedDatabase, url: string) => Promise<void>): void {
  Deno.test({
    name: `PostgreSQL: ${title}`,
    ignore: server === null,
    fn: async () => {
      const url = await server!.createDatabase();
      const opened = await openAt(url);
      try {
        await run(opened, url);
      } finally {
        await opened.close();
      }
    },
  });
}

for (const [title, run] of BLOB_STORE_CASES) test(`blob store: ${title}`, ({ db }) => run(db));

Deno.test({
  name: "PostgreSQL: four processes migrate an empty database at once",
  ignore: server === null,
  fn: async () => {
    const url = await server!.createDatabase();
    const migrate = fileURLToPath(new URL("../../hub/db/migrate.ts", import.meta.url));
    const code =
      `const { migratePostgres } = await import(${JSON.stringify(`file://${migrate}`)});` +
      `await migratePostgres(${JSON.stringify(url)});`;
    const cwd = fileURLToPath(new URL("../../", import.meta.url));
    const ran = await Promise.all(
      [1, 2, 3, 4].map(() => run(Deno.execPath(), ["eval", code], { cwd })),
    );
    deepEqual(
      ran.map(({ code, stderr }) => [code, code === 0 ? "" : stderr]),
      Array(4).fill([0, ""]),
    );
    const client = postgres(url, { max: 1, onnotice: () => {} });
    const [row] = await client`select count(*)::int as n from drizzle.__drizzle_migrations`;
    const names = await Array.fromAsync(Deno.readDir(migrationsFolder), ({ name }) => name);
    const migrations = names.filter((name) => name.endsWith(".sql"));
    equal(row!.n, migrations.length, "each migration ran once");
    await client.end();
  },
});

test("hubs that start at once get different terms and one secret (F1)", async ({ db }) => {
  const reigns = await Promise.all(
    Array.from({ length: 8 }, () => takeReign(db, systemClock, systemRandom)),
  );
  deepEqual(reigns.map(({ hubTerm }) => hubTerm).sort(), [1, 2, 3, 4, 5, 6, 7, 8]);
  equal(new Set(reigns.map(({ signingSecret }) => signingSecret)).size, 1);
});

test("a new reign waits for writes under way and deposes those that begin later (F2)", async ({ db }) => {
  const { hubTerm } = await takeReign(db, systemClock, systemRandom);
  const holding = Promise.withResolvers<void>();
  const isInside = Promise.withResolvers<void>();
  const write = withReign(db, hubTerm, async (tx) => {
    isInside.resolve();
    await holding.promise;
    await tx.insert(bundles).values(bundle);
  });
  await isInside.promise;
  const order: string[] = [];
  const reign = takeReign(db, systemClock, systemRandom).then(() => order.push("reign"));
  void write.then(() => order.push("write"));
  await db.execute("select pg_sleep(0.1)");
  deepEqual(order, []);
  holding.resolve();
  await Promise.all([write, reign]);
  await rejects(withReign(db, hubTerm, () => Promise.resolve()), DeposedError);
  equal((await db.select().from(bundles)).length, 1);
});

test("a killed session leaves no half write, and the pool recovers (F10)", async ({ db }, url) => {
  const { hubTerm } = await takeReign(db, systemClock, systemRandom);
  const killer = postgres(url, { max: 1, onnotice: () => {} });
  await rejects(withReign(db, hubTerm, async (tx) => {
    await tx.insert(bundles).values(bundle);
    await killer`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'penstock-hub' and datname = current_database()`;
    await tx.insert(bundles).values({ ...bundle, digest: "b".repeat(64) });
  }));
  await killer.end();
  equal((await db.select().from(bundles)).length, 0);
  await withReign(db, hubTerm, (tx) => tx.insert(bundles).values(bundle));
  equal((await db.select().from(bundles)).length, 1);
});

test("an immediate restart fails what was under way, and what comes next works (F10)", async ({ db }) => {
  if (!server!.isOwn) return;
  const { hubTerm } = await takeReign(db, systemClock, systemRandom);
  await withReign(db, hubTerm, (tx) => tx.insert(bundles).values(bundle));
  const isInside = Promise.withResolvers<void>();
  const isDown = Promise.withResolvers<void>();
  const write = withReign(db, hubTerm, async (tx) => {
    isInside.resolve();
    await isDown.promise;
    await tx.insert(bundles).values({ ...bundle, digest: "b".repeat(64) });
  });
  await isInside.promise;
  await server!.halt("immediate");
  isDown.resolve();
  await rejects(write);
  await rejects(db.select().from(bundles).execute());
  await server!.start();
  deepEqual(await db.select().from(bundles), [bundle]);
  equal((await takeReign(db, systemClock, systemRandom)).hubTerm, 2);
});

test(
  "a COMMIT cut off is told by reading again: all of it is there or nothing (C3)",
  async ({ db }, url) => {
    const { hubTerm } = await takeReign(db, systemClock, systemRandom);
    const killer = postgres(url, { max: 1, onnotice: () => {} });
    const told = { committed: 0, lost: 0 };
    for (let round = 0; round < 30; round++) {
      const digests = [`${round}-a`, `${round}-b`];
      const write = withReign(db, hubTerm, async (tx) => {
        for (const digest of digests) await tx.insert(bundles).values({ ...bundle, digest });
      }).then(() => true, () => false);
      const kill = round % 3 === 0 ? Promise.resolve() : killer`
      select pg_sleep(${Math.random() * 0.006}), pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'penstock-hub' and datname = current_database()`;
      const [isAcknowledged] = await Promise.all([write, kill]);
      const kept = (await retry(() => db.select().from(bundles)))
        .filter(({ digest }) => digests.includes(digest)).length;
      ok(kept === 0 || kept === 2, `round ${round}: ${kept} of 2 rows are there`);
      if (isAcknowledged) equal(kept, 2, `round ${round}: acknowledged, yet not there`);
      told[kept === 2 ? "committed" : "lost"]++;
    }
    await killer.end();
    ok(told.committed >= 10, `only ${told.committed} of 30 rounds committed`);
  },
);

/** A statement over connections that were killed fails once each; the pool holds ten. */
async function retry<T>(read: () => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await read();
    } catch (thrown) {
      if (attempt > 10) throw thrown;
    }
  }
}

test("collection with no grace never takes a blob that was granted at the same time (F15, G1)", async ({ db }) => {
  const objects = new MemoryObjects();
  const context = await garbageContext(db, systemClock, objects, 0);
  const digests = Array.from({ length: 8 }, (_, index) => digestOf(`blob ${index}`));
  const isOver = { value: false };
  const collector = (async () => {
    let deleted = 0;
    while (!isOver.value) deleted += (await collectGarbage(context)).deleted;
    return deleted;
  })();

  const checkpoint = async (worker: number, checkpointId: number): Promise<string> => {
    const digest = digests[(worker + checkpointId) % digests.length]!;
    const nowMs = systemClock.nowMs();
    const owner = ownerOf(checkpointId);
    const [answer] = await db.transaction((tx) =>
      requestUpload(tx, owner, [{ digest, bytes: 1 }], { nowMs, pinUntilMs: nowMs + 60_000 })
    );
    if (answer!.kind === "deleting") return "deleting";
    if (answer!.kind === "put") objects.stored.set(digest, 1);
    ok(objects.stored.has(digest), `answered ${answer!.kind}, but ${digest} is not stored`);
    deepEqual(await complete(db, systemClock, checkpointId, digest), { kind: "added" });
    ok(objects.stored.has(digest), `${digest} is referenced, but not stored`);
    await dropRefs(db, "job" as JobId, [checkpointId as CheckpointId], systemClock.nowMs());
    return answer!.kind;
  };
  const seen = { have: 0, put: 0, deleting: 0 };
  await Promise.all([0, 1, 2].map(async (worker) => {
    for (let round = 0; round < 60; round++) {
      seen[await checkpoint(worker, worker * 1000 + round + 1) as keyof typeof seen]++;
    }
  }));
  isOver.value = true;
  ok(await collector > 0, "nothing was collected: the race was not run");
  ok(seen.put > 0 && seen.have + seen.deleting > 0, JSON.stringify(seen));
});

test("a grant that waits for a blob being marked finds it deleting (F15)", async ({ db }) => {
  const digest = digestOf("raced");
  await complete(db, systemClock, 1, digest);
  const isMarked = Promise.withResolvers<void>();
  const holding = Promise.withResolvers<void>();
  const mark = db.transaction(async (tx) => {
    await tx.update(blobs).set({ state: "deleting" });
    isMarked.resolve();
    await holding.promise;
  });
  await isMarked.promise;
  const nowMs = systemClock.nowMs();
  const asked = db.transaction((tx) =>
    requestUpload(tx, ownerOf(2), [{ digest, bytes: 1 }], { nowMs, pinUntilMs: nowMs + 1000 })
  );
  await db.execute("select pg_sleep(0.1)");
  holding.resolve();
  await mark;
  deepEqual((await asked).map(({ kind }) => kind), ["deleting"]);
  equal(await stateOf(db, digest), "deleting");
});
