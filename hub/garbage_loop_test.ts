import { deepEqual, equal } from "node:assert/strict";
import type { CheckpointId, JobId } from "@shared/ids.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import {
  complete,
  digestOf,
  garbageContext,
  MemoryObjects,
  stateOf,
} from "../tests/support/blob_store_cases.ts";
import { openMemoryDatabase } from "../tests/support/memory_database.ts";
import { dropRefs } from "./db/blob_store.ts";
import { takeReign } from "./db/hub_state_store.ts";
import { GarbageLoop } from "./garbage_loop.ts";

const SCHEDULE = { intervalMs: 60_000, sweepEvery: 1 };

/** A database with one blob that nothing refers to any more, and an object that no row knows. */
async function withGarbage() {
  const { db, close } = await openMemoryDatabase();
  const clock = new ManualClock();
  const objects = new MemoryObjects();
  const context = await garbageContext(db, clock, objects);
  objects.stored.set(digestOf("dropped"), 1).set(digestOf("unknown"), 1);
  await complete(db, clock, 1, digestOf("dropped"));
  await dropRefs(db, "job" as JobId, [1 as CheckpointId], clock.nowMs());
  return { db, close, clock, objects, loop: new GarbageLoop(context, SCHEDULE) };
}

Deno.test("garbage loop: collects and sweeps at its interval, and not after it was stopped (G2)", async () => {
  const { db, close, clock, objects, loop } = await withGarbage();
  loop.start();
  clock.advance(SCHEDULE.intervalMs - 1);
  equal(objects.stored.size, 2);
  clock.advance(1);
  await loop.stop();
  deepEqual([...objects.stored.keys()], []);
  equal(await stateOf(db, digestOf("dropped")), null);
  equal(clock.msToNextTimer(), null);
  await close();
});

Deno.test("garbage loop: a deposed hub deletes nothing and stops (F2)", async () => {
  const { db, close, clock, objects, loop } = await withGarbage();
  await takeReign(db, clock, new SeededRandom(2));
  loop.start();
  clock.advance(SCHEDULE.intervalMs);
  await loop.stop();
  equal(objects.stored.size, 2);
  equal(await stateOf(db, digestOf("dropped")), "stored");
  equal(clock.msToNextTimer(), null);
  await close();
});
