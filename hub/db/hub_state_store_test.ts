import { deepEqual, equal, notEqual, rejects } from "node:assert/strict";
import { ManualClock } from "@shared/manual_clock.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import { openMemoryDatabase } from "../../tests/support/memory_database.ts";
import { bundles } from "./schema.ts";
import { DeposedError, takeReign, withReign } from "./hub_state_store.ts";

const clock = new ManualClock();
const random = new SeededRandom(1);
const bundle = { digest: "a".repeat(64), bundle: "x", createdAt: new Date(0) };

Deno.test("hub state store: each reign has a higher term and the same secret (F1)", async () => {
  const { db, close } = await openMemoryDatabase();
  const first = await takeReign(db, clock, random);
  const second = await takeReign(db, clock, random);
  deepEqual([first.hubTerm, second.hubTerm], [1, 2]);
  equal(second.signingSecret, first.signingSecret);
  notEqual(first.signingSecret, "");
  await close();
});

Deno.test("hub state store: a deposed hub's write neither runs nor leaves a row (F2)", async () => {
  const { db, close } = await openMemoryDatabase();
  const old = await takeReign(db, clock, random);
  await takeReign(db, clock, random);
  await rejects(
    withReign(db, old.hubTerm, (tx) => tx.insert(bundles).values(bundle)),
    DeposedError,
  );
  equal((await db.select().from(bundles)).length, 0);
  await close();
});

Deno.test("hub state store: a write that fails under the reign leaves nothing behind", async () => {
  const { db, close } = await openMemoryDatabase();
  const { hubTerm } = await takeReign(db, clock, random);
  await rejects(withReign(db, hubTerm, async (tx) => {
    await tx.insert(bundles).values(bundle);
    throw new Error("stop here");
  }));
  equal((await db.select().from(bundles)).length, 0);
  await withReign(db, hubTerm, (tx) => tx.insert(bundles).values(bundle));
  equal((await db.select().from(bundles)).length, 1);
  await close();
});
