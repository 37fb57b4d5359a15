/** The archive of checkpoints gives back what it took, and pages as one history with the live rows. */
import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import type { CheckpointDetail } from "@shared/job_api.ts";
import {
  archiveCheckpointsBefore,
  packRow,
  unpackRow,
} from "../../hub/db/checkpoint_archive_store.ts";
import { findCheckpoint, pageCheckpoints } from "../../hub/db/checkpoint_history.ts";
import type { CheckpointFilter } from "../../hub/db/checkpoint_views.ts";
import { takeReign } from "../../hub/db/hub_state_store.ts";
import { checkpointRegions, checkpoints } from "../../hub/db/schema.ts";
import { ManualClock } from "@shared/manual_clock.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import { addPastJob, type PastCheckpoint, storeCheckpoints } from "../support/past_checkpoints.ts";
import { openMemoryDatabase } from "../support/memory_database.ts";

const DAY_MS = 86_400_000;
const EVERYTHING: CheckpointFilter = {
  statuses: null,
  isSavepoint: null,
  fromMs: null,
  toMs: null,
};

const finite = fc.double({ noNaN: true, noDefaultInfinity: true, noInvalidDate: true } as object);
const anyText = fc.string({ unit: "grapheme", maxLength: 30 });
const onAgent = { subtaskId: anyText, agentId: anyText, agentName: fc.option(anyText) };
const anyTime = fc.integer({ min: 0, max: 4e12 }).map((ms) => new Date(ms).toISOString());
const number = finite.map((value) => Object.is(value, -0) ? 0 : value);
const detail: fc.Arbitrary<CheckpointDetail> = fc.record({
  id: fc.nat(),
  lineage: fc.nat(),
  isSavepoint: fc.boolean(),
  status: anyText,
  trigger: anyText,
  triggeredAt: anyTime,
  endedAt: fc.option(anyTime),
  durationMs: fc.option(number),
  reason: fc.option(anyText),
  regionsCompleted: fc.nat(),
  regionsTotal: fc.nat(),
  fullBytes: fc.nat(),
  uploadedBytes: fc.nat(),
  regions: fc.array(
    fc.record({
      regionId: anyText,
      agentId: anyText,
      agentName: fc.option(anyText),
      attempt: fc.nat(),
      status: anyText,
      completedAt: fc.option(anyTime),
      reason: fc.option(anyText),
      subtasks: fc.array(
        fc.record({
          ...onAgent,
          startDelayMs: number,
          alignmentMs: number,
          syncMs: number,
          asyncMs: number,
          fullBytes: fc.nat(),
          uploadedBytes: fc.nat(),
        }),
        { maxLength: 3 },
      ),
      missing: fc.array(
        fc.record({ ...onAgent, reason: fc.option(anyText), detail: fc.option(anyText) }),
        { maxLength: 2 },
      ),
    }),
    { maxLength: 3 },
  ),
}, { noNullPrototype: true });

Deno.test("checkpoint archive: what was packed comes back as it was", async () => {
  const many = fc.array(detail, { minLength: 1, maxLength: 20 });
  await fc.assert(fc.asyncProperty(many, async (details) => {
    const { packed } = await packRow("j", details);
    deepEqual(await unpackRow({ packed }), JSON.parse(JSON.stringify(details)));
  }));
});

const status = fc.constantFrom("subsumed", "aborted", "completed", "abandoned");
const past: fc.Arbitrary<PastCheckpoint> = fc.record({
  status,
  isSavepoint: fc.boolean(),
  isRetained: fc.boolean(),
  /** Since the checkpoint before. */
  afterMs: fc.integer({ min: 1_000, max: DAY_MS / 3 }),
});

Deno.test("checkpoint archive: moving days into it changes no page, no detail and no filter", async () => {
  const { db, close } = await openMemoryDatabase();
  const { hubTerm } = await takeReign(db, new ManualClock(), new SeededRandom(1));
  let run = 0;
  const history = fc.array(past, { minLength: 5, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(history, fc.integer({ min: 1, max: 7 }), async (rows, limit) => {
      const jobId = `job-${++run}`;
      await addPastJob(db, jobId);
      const endMs = await storeCheckpoints(db, jobId, rows);
      const filters: CheckpointFilter[] = [
        EVERYTHING,
        { ...EVERYTHING, statuses: ["aborted"] },
        { ...EVERYTHING, isSavepoint: false, fromMs: endMs - 3 * DAY_MS, toMs: endMs - DAY_MS },
      ];
      const seen = () => Promise.all(filters.map((filter) => wholeHistory(jobId, limit, filter)));
      const before = await seen();
      const details = await Promise.all(
        rows.map((_row, index) => findCheckpoint(db, jobId, index + 1)),
      );
      const liveBefore = (await liveIds()).length;

      const moved = await archiveCheckpointsBefore(db, hubTerm, endMs - DAY_MS);
      deepEqual(await seen(), before);
      for (const [index, one] of details.entries()) {
        deepEqual(await findCheckpoint(db, jobId, index + 1), one);
      }
      equal((await liveIds()).length, liveBefore - moved);
      equal(await archiveCheckpointsBefore(db, hubTerm, endMs - DAY_MS), 0);
      await db.delete(checkpoints);
      await db.delete(checkpointRegions);
    }),
    { numRuns: 8 },
  );
  await close();

  async function wholeHistory(jobId: string, limit: number, filter: CheckpointFilter) {
    const ids: number[] = [];
    for (let beforeId: number | null = null;;) {
      const page = await pageCheckpoints(db, jobId, { limit, beforeId }, filter);
      ids.push(...page.items.map(({ id }) => id));
      if (page.nextBeforeId === null) return ids;
      beforeId = page.nextBeforeId;
    }
  }
  function liveIds() {
    return db.select({ id: checkpoints.checkpointId }).from(checkpoints);
  }
});
