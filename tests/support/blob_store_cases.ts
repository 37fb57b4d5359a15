/** Cases of the blob store and its collection that hold on PGlite and on PostgreSQL alike. */
import { deepEqual, equal } from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Clock } from "@shared/clock.ts";
import type { Attempt, CheckpointId, Digest, HubTerm, JobId, RegionId } from "@shared/ids.ts";
import type { ObjectStore } from "@shared/object_store.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import {
  addRefs,
  type BlobOwner,
  dropRefs,
  markGarbage,
  markStored,
  requestUpload,
  unpin,
} from "../../hub/db/blob_store.ts";
import type { Db } from "../../hub/db/client.ts";
import { takeReign } from "../../hub/db/hub_state_store.ts";
import { blobs } from "../../hub/db/schema.ts";
import {
  collectGarbage,
  DELETE_QUARANTINE_MS,
  type GarbageContext,
  sweepUnknown,
} from "../../hub/garbage_loop.ts";
import { silentLogger } from "./logger.ts";

export const digestOf = (text: string): Digest =>
  createHash("sha256").update(text).digest("hex") as Digest;

export function ownerOf(checkpointId: number): BlobOwner {
  return {
    jobId: "job" as JobId,
    regionId: "source.0" as RegionId,
    attempt: 1 as Attempt,
    checkpointId: checkpointId as CheckpointId,
  };
}

/** Objects in memory, with deletions that can be made to fail. */
export class MemoryObjects {
  readonly stored = new Map<Digest, number>();
  deletesFail = false;

  delete(digest: Digest): Promise<void> {
    if (this.deletesFail) return Promise.reject(new Error("503"));
    this.stored.delete(digest);
    return Promise.resolve();
  }

  async *list() {
    await Promise.resolve();
    for (const [digest, bytes] of this.stored) yield { digest, bytes, modifiedAtMs: 0 };
  }
}

const GRACE_MS = 1000;

export async function garbageContext(
  db: Db,
  clock: Clock,
  objects: MemoryObjects,
  garbageGraceMs = GRACE_MS,
): Promise<GarbageContext> {
  const { hubTerm } = await takeReign(db, clock, new SeededRandom(1));
  return {
    db,
    objects: objects as unknown as ObjectStore,
    clock,
    logger: silentLogger,
    hubTerm: hubTerm as HubTerm,
    config: { garbageGraceMs },
  };
}

/** Uploads, verifies and references one blob as a checkpoint does. */
export async function complete(db: Db, clock: Clock, checkpointId: number, digest: Digest) {
  const owner = ownerOf(checkpointId);
  const nowMs = clock.nowMs();
  await db.transaction((tx) =>
    requestUpload(tx, owner, [{ digest, bytes: 1 }], { nowMs, pinUntilMs: nowMs + 60_000 })
  );
  return await db.transaction(async (tx) => {
    await markStored(tx, [digest], nowMs);
    const outcome = await addRefs(tx, owner, [digest]);
    await unpin(tx, owner);
    return outcome;
  });
}

export const stateOf = async (db: Db, digest: Digest): Promise<string | null> =>
  (await db.select().from(blobs)).find((row) => row.digest === digest)?.state ?? null;

export type Case = readonly [title: string, run: (db: Db) => Promise<void>];

export const BLOB_STORE_CASES: readonly Case[] = [
  ["answers have only for verified blobs, each once, in the order asked (G1)", answersInOrder],
  ["collects what has no reference and no pin, after the grace, and nothing else (G2)", collects],
  ["a blob being deleted is neither held, granted nor referenced (F15, G2)", refusesDeleting],
  ["a deletion nobody answered is finished after the quarantine, not before (F14)", quarantines],
  ["the sweep removes objects that no row knows (G2)", sweeps],
];

async function answersInOrder(db: Db): Promise<void> {
  const clock = new ManualClock();
  const [a, b] = [digestOf("a"), digestOf("b")];
  deepEqual(await complete(db, clock, 1, a), { kind: "added" });
  const wanted = [{ digest: b, bytes: 1 }, { digest: a, bytes: 1 }, { digest: b, bytes: 1 }];
  const answers = await requestUpload(db, ownerOf(2), wanted, { nowMs: 0, pinUntilMs: 1 });
  deepEqual(answers.map(({ digest, kind }) => [digest, kind]), [[b, "put"], [a, "have"]]);
  deepEqual(await addRefs(db, ownerOf(2), [a, b]), { kind: "missing", digests: [b] });
}

async function collects(db: Db): Promise<void> {
  const clock = new ManualClock();
  const objects = new MemoryObjects();
  const context = await garbageContext(db, clock, objects);
  const [kept, dropped, pinned] = [digestOf("kept"), digestOf("dropped"), digestOf("pinned")];
  for (const digest of [kept, dropped, pinned]) objects.stored.set(digest, 1);
  await complete(db, clock, 1, kept);
  await complete(db, clock, 2, dropped);
  const pinUntilMs = clock.nowMs() + 10 * GRACE_MS;
  const pin = { nowMs: clock.nowMs(), pinUntilMs };
  await requestUpload(db, ownerOf(3), [{ digest: pinned, bytes: 1 }], pin);
  clock.advance(5 * GRACE_MS);
  await dropRefs(db, "job" as JobId, [2 as CheckpointId], clock.nowMs());

  clock.advance(GRACE_MS);
  deepEqual(await collectGarbage(context), { deleted: 0, failed: 0 });
  clock.advance(1);
  deepEqual(await collectGarbage(context), { deleted: 1, failed: 0 });
  deepEqual([...objects.stored.keys()], [kept, pinned]);
  equal(await stateOf(db, dropped), null);

  clock.advance(10 * GRACE_MS);
  deepEqual(await collectGarbage(context), { deleted: 1, failed: 0 });
  deepEqual([...objects.stored.keys()], [kept]);
}

async function refusesDeleting(db: Db): Promise<void> {
  const digest = digestOf("going");
  const clock = new ManualClock();
  await complete(db, clock, 1, digest);
  await dropRefs(db, "job" as JobId, [1 as CheckpointId], clock.nowMs());
  clock.advance(1);
  const nowMs = clock.nowMs();
  deepEqual(await markGarbage(db, { nowMs, olderThanMs: nowMs }, 10), [digest]);
  const [answer] = await requestUpload(db, ownerOf(2), [{ digest, bytes: 1 }], {
    nowMs,
    pinUntilMs: nowMs + 1000,
  });
  equal(answer!.kind, "deleting");
  await markStored(db, [digest], nowMs);
  deepEqual(await addRefs(db, ownerOf(2), [digest]), { kind: "missing", digests: [digest] });
  equal(await stateOf(db, digest), "deleting");
}

async function quarantines(db: Db): Promise<void> {
  const clock = new ManualClock();
  const objects = new MemoryObjects();
  const context = await garbageContext(db, clock, objects);
  const digest = digestOf("unanswered");
  objects.stored.set(digest, 1);
  await complete(db, clock, 1, digest);
  await dropRefs(db, "job" as JobId, [1 as CheckpointId], clock.nowMs());
  clock.advance(GRACE_MS + 1);
  objects.deletesFail = true;
  deepEqual(await collectGarbage(context), { deleted: 0, failed: 1 });
  objects.deletesFail = false;
  clock.advance(DELETE_QUARANTINE_MS);
  deepEqual(await collectGarbage(context), { deleted: 0, failed: 0 });
  equal(await stateOf(db, digest), "deleting");
  clock.advance(1);
  deepEqual(await collectGarbage(context), { deleted: 1, failed: 0 });
  equal(await stateOf(db, digest), null);
  equal(objects.stored.size, 0);
}

async function sweeps(db: Db): Promise<void> {
  const clock = new ManualClock();
  const objects = new MemoryObjects();
  const context = await garbageContext(db, clock, objects);
  const [known, unknown] = [digestOf("known"), digestOf("unknown")];
  objects.stored.set(known, 1).set(unknown, 1);
  await complete(db, clock, 1, known);
  deepEqual(await sweepUnknown(context), { deleted: 1, failed: 0 });
  deepEqual([...objects.stored.keys()], [known]);
  equal(await stateOf(db, unknown), null);
}
