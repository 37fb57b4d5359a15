/**
 * Removes blobs that nobody needs: marks, deletes the object, then the row (G2).
 *
 * Touches the database and the object store. Each object is deleted by exactly one of:
 *
 *   mark ──▶ delete object at once ──▶ forget row      the usual way
 *   row left `deleting` by a crash, a failed or an unanswered DELETE
 *        ──quarantine──▶ delete object ──▶ forget row
 *
 * Invariants: marks and claims are made under this hub's reign (F2). A DELETE is sent only while its
 * mark is fresh, so that a process that was suspended does not delete what was granted anew since.
 * A row whose DELETE was not answered stays `deleting` for the quarantine, longer than a request
 * can be on its way: a late DELETE finds no newer object of that name.
 *
 * @module
 */
import type { Clock } from "@shared/clock.ts";
import type { Digest, HubTerm } from "@shared/ids.ts";
import type { Logger } from "@shared/logger.ts";
import type { ObjectStore } from "@shared/object_store.ts";
import {
  adoptUnknown,
  type BlobSize,
  dropLapsedPins,
  forgetDeleted,
  markGarbage,
  reclaimDeleting,
} from "./db/blob_store.ts";
import type { Db } from "./db/client.ts";
import { DeposedError, withReign } from "./db/hub_state_store.ts";
import type { HubContext } from "./ports.ts";

export interface GarbageContext {
  readonly db: Db;
  readonly objects: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly hubTerm: HubTerm;
  readonly config: { readonly garbageGraceMs: number };
  readonly failPoint?: HubContext["failPoint"] | undefined;
}

/** What one round did. */
export interface GarbageRound {
  readonly deleted: number;
  /** Deletions that failed; tried again after the quarantine. */
  readonly failed: number;
}

const BATCH = 500;
const BATCHES_MAX = 20;
const DELETES_AT_ONCE = 8;
/** Longer than any request is on its way; the object stores end theirs after 30 s. */
export const DELETE_QUARANTINE_MS: number = 5 * 60 * 1000;
/** A mark older than this is left to the quarantine. */
const MARK_FRESH_MS = 60 * 1000;

/** Marks and deletes what is garbage now, in bounded batches. */
export async function collectGarbage(context: GarbageContext): Promise<GarbageRound> {
  const { db, clock, hubTerm, config } = context;
  let round: GarbageRound = { deleted: 0, failed: 0 };
  await withReign(db, hubTerm, (tx) => dropLapsedPins(tx, clock.nowMs()));
  for (let batch = 0; batch < BATCHES_MAX; batch++) {
    const markedAtMs = clock.monotonicMs();
    const nowMs = clock.nowMs();
    const digests = await withReign(db, hubTerm, async (tx) => [
      ...await reclaimDeleting(tx, { nowMs, olderThanMs: nowMs - DELETE_QUARANTINE_MS }, BATCH),
      ...await markGarbage(tx, { nowMs, olderThanMs: nowMs - config.garbageGraceMs }, BATCH),
    ]);
    if (digests.length === 0) break;
    context.failPoint?.("garbage-marked");
    round = sum(round, await deleteObjects(context, digests, markedAtMs));
  }
  return round;
}

/** Deletes stored objects older than the grace that no row knows: left by a lost database. */
export async function sweepUnknown(context: GarbageContext): Promise<GarbageRound> {
  const { objects, clock, config } = context;
  let round: GarbageRound = { deleted: 0, failed: 0 };
  let old: BlobSize[] = [];
  for await (const { digest, bytes, modifiedAtMs } of objects.list()) {
    if (modifiedAtMs >= clock.nowMs() - config.garbageGraceMs) continue;
    old.push({ digest, bytes });
    if (old.length < BATCH) continue;
    round = sum(round, await deleteUnknown(context, old));
    old = [];
  }
  return sum(round, await deleteUnknown(context, old));
}

async function deleteUnknown(
  context: GarbageContext,
  found: readonly BlobSize[],
): Promise<GarbageRound> {
  const { db, clock, hubTerm } = context;
  const markedAtMs = clock.monotonicMs();
  const adopted = await withReign(db, hubTerm, (tx) => adoptUnknown(tx, found, clock.nowMs()));
  return await deleteObjects(context, adopted, markedAtMs);
}

async function deleteObjects(
  context: GarbageContext,
  digests: readonly Digest[],
  markedAtMs: number,
): Promise<GarbageRound> {
  const { db, objects, clock, logger, hubTerm } = context;
  const deleted: Digest[] = [];
  const queue = [...digests];
  const work = async () => {
    for (let digest = queue.shift(); digest !== undefined; digest = queue.shift()) {
      if (clock.monotonicMs() - markedAtMs > MARK_FRESH_MS) return;
      try {
        await objects.delete(digest);
        deleted.push(digest);
      } catch (error) {
        logger.warn("Object was not deleted", { digest, error });
      }
    }
  };
  await Promise.all(Array.from({ length: DELETES_AT_ONCE }, work));
  await withReign(db, hubTerm, (tx) => forgetDeleted(tx, deleted));
  return { deleted: deleted.length, failed: digests.length - deleted.length };
}

function sum(a: GarbageRound, b: GarbageRound): GarbageRound {
  return { deleted: a.deleted + b.deleted, failed: a.failed + b.failed };
}

/** How often the loop collects, and every how many rounds it sweeps the whole store. */
export interface GarbageSchedule {
  readonly intervalMs: number;
  readonly sweepEvery: number;
}

const DEFAULT_SCHEDULE: GarbageSchedule = { intervalMs: 60_000, sweepEvery: 60 };

/** Collects at an interval, sweeps now and then, one round at a time, until stopped or deposed. */
export class GarbageLoop {
  readonly #context: GarbageContext;
  readonly #schedule: GarbageSchedule;
  #cancel: () => void = () => {};
  #round: Promise<void> = Promise.resolve();
  #roundCount = 0;
  #isStopped = false;

  constructor(context: GarbageContext, schedule: GarbageSchedule = DEFAULT_SCHEDULE) {
    this.#context = context;
    this.#schedule = schedule;
  }

  start(): void {
    this.#arm();
  }

  /** No round runs afterwards. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#round;
  }

  #arm(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#context.clock.after(this.#schedule.intervalMs, () => {
      this.#round = this.#runRound().finally(() => this.#arm());
    });
  }

  async #runRound(): Promise<void> {
    const { logger } = this.#context;
    this.#roundCount++;
    try {
      let { deleted, failed } = await collectGarbage(this.#context);
      if (this.#roundCount % this.#schedule.sweepEvery === 0) {
        ({ deleted, failed } = sum({ deleted, failed }, await sweepUnknown(this.#context)));
      }
      if (deleted + failed > 0) logger.info("Garbage was collected", { deleted, failed });
    } catch (error) {
      if (error instanceof DeposedError) this.#isStopped = true;
      logger.warn("Garbage round failed", { error });
    }
  }
}
