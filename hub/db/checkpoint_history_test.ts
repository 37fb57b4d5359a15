import { deepEqual, equal, ok } from "node:assert/strict";
import { ManualClock } from "@shared/manual_clock.ts";
import { SeededRandom } from "@shared/seeded_random.ts";
import { openMemoryDatabase } from "../../tests/support/memory_database.ts";
import { addPastJob, storeCheckpoints } from "../../tests/support/past_checkpoints.ts";
import { archiveCheckpointsBefore } from "./checkpoint_archive_store.ts";
import { findCheckpoint, percentilesOf, summarizeCheckpoints } from "./checkpoint_history.ts";
import { takeReign } from "./hub_state_store.ts";

Deno.test("percentiles: nearest rank, null without values", () => {
  equal(percentilesOf([]), null);
  deepEqual(percentilesOf([7]), { min: 7, average: 7, p50: 7, p95: 7, p99: 7, max: 7 });
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
  deepEqual(percentilesOf(hundred), { min: 1, average: 50.5, p50: 50, p95: 95, p99: 99, max: 100 });
});

Deno.test("checkpoint summary: the same before and after the days went into the archive", async () => {
  const { db, close } = await openMemoryDatabase();
  const { hubTerm } = await takeReign(db, new ManualClock(), new SeededRandom(1));
  await addPastJob(db, "j");
  const endMs = await storeCheckpoints(
    db,
    "j",
    Array.from({ length: 60 }, (_, i) => ({
      status: i % 10 === 4 ? "aborted" : i === 59 ? "completed" : "subsumed",
      isSavepoint: i === 30,
      isRetained: i >= 57,
      afterMs: 2 * 3_600_000,
    })),
  );
  const span = { fromMs: endMs - 4 * 86_400_000, toMs: endMs };
  const before = await summarizeCheckpoints(db, "j", span);
  deepEqual(before.counts, { aborted: 5, completed: 1, subsumed: 42 });
  equal(before.durationMs!.min, 100);
  // The slowest subtask of each checkpoint: both regions of the test's rows are alike.
  const subtasks = (await findCheckpoint(db, "j", 60))!.regions.flatMap((one) => one.subtasks);
  ok(before.asyncMs!.max >= Math.max(...subtasks.map((one) => one.asyncMs)));
  equal(before.latest.completed!.id, 60);
  equal(before.latest.failed!.id, 55);
  equal(before.latest.savepoint!.id, 31);
  equal(before.latest.restored, null);

  ok(await archiveCheckpointsBefore(db, hubTerm, endMs - 86_400_000) > 20);
  deepEqual(await summarizeCheckpoints(db, "j", span), before);

  // Of a span that is too long it counts the newest part, whole, and says since when.
  const part = await summarizeCheckpoints(db, "j", span, 1);
  ok(part.from > before.from && part.from < before.to, part.from);
  const asked = { fromMs: Date.parse(part.from), toMs: endMs };
  deepEqual(await summarizeCheckpoints(db, "j", asked), part);
  await close();
});

Deno.test("checkpoint detail: a failed one names the subtask, its agent, the reason and what the agent said", async () => {
  const { db, close } = await openMemoryDatabase();
  await addPastJob(db, "j");
  await storeCheckpoints(db, "j", [
    { status: "aborted", isSavepoint: false, isRetained: false, afterMs: 1 },
  ]);
  const [region] = (await findCheckpoint(db, "j", 1))!.regions;
  const agentId = "0190b6e2-7c1e-7b7e-9e3a-5f0c3f1a2b3c";
  deepEqual(region!.missing, [
    {
      subtaskId: "telemetry.0.b",
      agentId,
      agentName: null,
      reason: "upload-failed",
      detail: "503",
    },
  ]);
  deepEqual(region!.subtasks.map(({ subtaskId }) => subtaskId), ["telemetry.0"]);
  await close();
});
