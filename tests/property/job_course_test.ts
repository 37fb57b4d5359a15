/** Properties of the rollback plan, the job's checkpoint and the restart back-off over generated inputs. */
import fc from "fast-check";
import { deepEqual, equal } from "node:assert/strict";
import { assert } from "@shared/assert.ts";
import type { CheckpointId, RegionId } from "@shared/ids.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import { KEY_HASH_ID, type SubtaskSnapshot } from "@shared/manifest.ts";
import {
  endPart,
  standInsOf,
  startJobCheckpoint,
  statusOf,
} from "../../hub/coordinator/job_checkpoint.ts";
import { afterFailure, RESET_AFTER_MS } from "../../hub/coordinator/restart_backoff.ts";
import { planRollback, refuseGap, type RollbackQuestion } from "../../hub/coordinator/rollback.ts";

const POSITION_MAX = 30;
const regionIds = ["r0", "r1", "r2", "r3"] as RegionId[];

const GRAPH = {
  version: 1,
  name: "job",
  operators: [
    {
      uid: "src",
      kind: "source",
      label: "",
      isKeyed: false,
      states: [],
      source: { connector: "mqtt" },
    },
  ],
  edges: [],
} as unknown as JobGraph;

function snapshotAt(position: number): SubtaskSnapshot {
  return {
    version: 1,
    subtaskId: "r0",
    keyGroupCount: 128,
    keyHash: KEY_HASH_ID,
    operators: [],
    splits: [{ sourceUid: "src", splitIndex: 0, position, lastRecordAtMs: position }],
    pieces: [],
  } as unknown as SubtaskSnapshot;
}

/** Gaps that do not overlap, in order of position, as rollbacks leave them behind. */
const knownSpans = fc.uniqueArray(fc.nat(POSITION_MAX), { maxLength: 8 }).map((cuts) => {
  const sorted = cuts.sort((a, b) => a - b);
  return Array.from({ length: Math.floor(sorted.length / 2) }, (_, i) => ({
    regionId: "r0" as RegionId,
    sourceUid: "src",
    splitIndex: 0,
    fromPosition: sorted[2 * i]!,
    toPosition: sorted[2 * i + 1]!,
    fromAtMs: null,
    toAtMs: null,
  }));
});

Deno.test("a rollback loses each record once: what is acknowledged, not saved and not lost before (P4)", () => {
  fc.assert(
    fc.property(fc.nat(POSITION_MAX), fc.nat(POSITION_MAX), knownSpans, (saved, now, known) => {
      const question = {
        jobId: "job",
        graph: GRAPH,
        allowNonRestoredState: false,
        savepoint: { id: "sp", jobId: "job", checkpointId: 3, status: "completed" },
        regions: [{
          regionId: "r0",
          agentId: null,
          agentName: null,
          attempt: 1,
          base: { checkpointId: 9, snapshots: [snapshotAt(now)] },
          lastCompletedId: 9,
          saved: [snapshotAt(saved)],
        }],
        knownGaps: known,
        newerCompletedIds: [9],
        alarms: [],
      } as unknown as RollbackQuestion;
      const answer = planRollback(question);
      if (answer.kind !== "plan") throw new Error(answer.refusal.detail);
      const { plan } = answer;
      const covers = (gap: { fromPosition: number; toPosition: number }, n: number) =>
        n > gap.fromPosition && n <= gap.toPosition;
      for (let n = 1; n <= POSITION_MAX; n++) {
        const isLost = n > saved && n <= now && !known.some((gap) => covers(gap, n));
        const found = plan.gaps.filter((gap) => covers(gap, n));
        equal(found.length, isLost ? 1 : 0, `record ${n}`);
      }
      for (const gap of plan.gaps) {
        assert(gap.records > 0 && gap.records === gap.toPosition - gap.fromPosition, "records");
      }
      const hasGap = plan.gaps.length > 0;
      equal(refuseGap(plan, false)?.code ?? null, hasGap ? "gap-needs-consent" : null);
      equal(refuseGap(plan, true), null);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("a job's checkpoint ends once all parts ended, as their sum, whatever their order (C2)", () => {
  const outcome = fc.constantFrom("completed" as const, "aborted" as const);
  const ends = fc.array(fc.tuple(fc.constantFrom(...regionIds), outcome), { maxLength: 12 });
  const present = fc.subarray(regionIds, { minLength: 1 });
  fc.assert(
    fc.property(present, fc.boolean(), ends, (triggered, isSavepoint, steps) => {
      let state = startJobCheckpoint(7 as CheckpointId, regionIds, {
        present: triggered,
        isSavepoint,
      });
      const first = new Map<RegionId, "completed" | "aborted">();
      let ended: string | null = null;
      for (const [regionId, how] of steps) {
        if (triggered.includes(regionId) && !first.has(regionId)) first.set(regionId, how);
        state = endPart(state, regionId, how);
        const status = statusOf(state);
        assert(ended === null || status === ended, `${ended} became ${status}`);
        if (status !== "pending") ended = status;
      }
      const completed = [...first.values()].filter((how) => how === "completed").length;
      const isWhole = completed === regionIds.length;
      const isAllEnded = first.size === triggered.length;
      const status = statusOf(state);
      if (isSavepoint) {
        const isLost = triggered.length < regionIds.length || first.size > completed;
        equal(status, isLost ? "aborted" : isWhole ? "completed" : "pending");
      } else if (!isAllEnded) equal(status, "pending");
      else equal(status, isWhole ? "completed" : completed > 0 ? "degraded" : "aborted");
      const standIns = standInsOf(state, new Map()).map(({ regionId }) => regionId);
      const without = regionIds.filter((id) =>
        !triggered.includes(id) || first.get(id) === "aborted"
      );
      deepEqual(standIns, without);
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("restart back-off stays within its limits, grows, and forgets after a long run", () => {
  const limits = fc.record({ first: fc.integer({ min: 1, max: 5_000 }), times: fc.nat(100) })
    .map(({ first, times }) => ({ first, max: first * (1 + times) }));
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(
      limits,
      chance,
      fc.nat(1_000),
      fc.nat(2 * RESET_AFTER_MS),
      (l, c, before, ranMs) => {
        const options = { limits: l, chance: c, isRetryable: true };
        const { failures, delayMs } = afterFailure(before, ranMs, options);
        equal(failures, ranMs >= RESET_AFTER_MS ? 1 : before + 1);
        assert(delayMs >= Math.floor(l.first * 0.8) && delayMs <= l.max, `${delayMs} ms`);
        const next = afterFailure(failures, 0, options);
        assert(next.delayMs >= delayMs, "A later failure waits less");
        const hopeless = afterFailure(before, ranMs, { ...options, isRetryable: false });
        assert(hopeless.delayMs >= delayMs, "What cannot be retried waits less");
      },
    ),
    { numRuns: 3_000 },
  );
});
