/**
 * Drives one region's part of a checkpoint with messages of right and wrong attempts, ids and subtasks,
 * late and repeated, against a model that only remembers what was said before the end.
 */
import fc from "fast-check";
import { assert } from "@shared/assert.ts";
import type { Attempt, CheckpointId, Digest, SubtaskId } from "@shared/ids.ts";
import type { SubtaskSnapshot } from "@shared/manifest.ts";
import {
  type RegionCheckpointInput,
  stepRegionCheckpoint,
  triggerRegionCheckpoint,
} from "../../hub/coordinator/region_checkpoint.ts";

const PLAN = ["a", "b", "c"] as SubtaskId[];
const ID = 5 as CheckpointId;
const ATTEMPT = 2 as Attempt;

const about = {
  checkpointId: fc.constantFrom(4, 5, 5, 5, 6),
  attempt: fc.constantFrom(1, 2, 2, 2, 3),
  subtaskId: fc.constantFrom("a", "b", "c", "foreign"),
};
const ack = fc.record({ kind: fc.constant("acknowledge" as const), ...about });
const decline = fc.record({ kind: fc.constant("decline" as const), ...about });
const other = fc.constantFrom("timeout", "attemptRaised", "agentAway", "cancel")
  .map((kind) => ({ kind: kind as "timeout" }));
const answer = fc.constantFrom("committed", "commitRefused")
  .map((kind) => ({ kind: kind as "committed" }));
const script = fc.array(
  fc.oneof({ weight: 12, arbitrary: ack }, { weight: 1, arbitrary: decline }, {
    weight: 1,
    arbitrary: other,
  }, { weight: 3, arbitrary: answer }),
  { maxLength: 40 },
);

function inputOf(step: typeof script extends fc.Arbitrary<(infer S)[]> ? S : never) {
  if (step.kind !== "acknowledge" && step.kind !== "decline") return step as RegionCheckpointInput;
  const digest = `digest-${step.subtaskId}` as Digest;
  return {
    ...step,
    reason: "sink-failed",
    acknowledgement: {
      snapshot: { pieces: [{ digest, bytes: 1, sections: [] }] } as unknown as SubtaskSnapshot,
      stats: {},
    },
  } as unknown as RegionCheckpointInput;
}

Deno.test("region checkpoint keeps C2, C3, C4 and F3 for every order of messages", () => {
  fc.assert(
    fc.property(script, (steps) => {
      let state = triggerRegionCheckpoint(ID, ATTEMPT, PLAN);
      const counted = new Set<string>();
      let commits = 0;
      let notifies = 0;
      let aborts = 0;
      for (const step of steps) {
        const isAnswer = step.kind === ("committed" as string) ||
          step.kind === ("commitRefused" as string);
        if (isAnswer && state.status !== "committing") continue;
        const before = state.status;
        const { state: next, effects } = stepRegionCheckpoint(state, inputOf(step));
        const isRight = "subtaskId" in step && step.checkpointId === ID &&
          step.attempt === ATTEMPT && step.subtaskId !== "foreign";
        if (step.kind === "acknowledge" && isRight && before === "pending") {
          counted.add(step.subtaskId);
        }
        if ("attempt" in step && step.attempt < ATTEMPT) {
          assert(effects.some(({ kind }) => kind === "replyStale"), "F3: stale not told");
        }
        for (const effect of effects) {
          if (effect.kind === "commit") {
            commits++;
            assert(counted.size === PLAN.length, `C2: commit after ${[...counted]}`);
          }
          if (effect.kind === "notifyCompleted") {
            notifies++;
            assert(step.kind === ("committed" as string), "C3: notified without a COMMIT");
          }
          if (effect.kind === "abort") aborts++;
        }
        if (before === "aborted") assert(next.status === "aborted", "C4: revived");
        if (before === "completed") assert(next.status === "completed", "C4: undone");
        state = next;
      }
      assert(commits <= 1 && notifies <= 1 && aborts <= 1, "Decided more than once");
      assert(notifies + aborts <= 1, "Completed and aborted");
      if (counted.size === PLAN.length) assert(commits === 1, "C2: all acknowledged, no commit");
    }),
    { numRuns: 3_000 },
  );
});
