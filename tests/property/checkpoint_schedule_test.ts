/** Lets time, failures, early wishes and savepoints meet in every order; checks C6 from outside. */
import fc from "fast-check";
import { assert } from "@shared/assert.ts";
import type { CheckpointId, RegionId } from "@shared/ids.ts";
import {
  createSchedule,
  type ScheduleInput,
  stepSchedule,
} from "../../hub/coordinator/checkpoint_schedule.ts";

const LIMITS = { intervalMs: 5_000, minPauseMs: 1_000, timeoutMs: 9_000, tolerableFailures: 2 };
const REGION = "r" as RegionId;

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(4_000) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "early" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "savepoint" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      outcome: fc.constantFrom("completed", "failed", "neither"),
    }),
  },
);

Deno.test("checkpoint schedule keeps C6 for every course of events", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let state = createSchedule(LIMITS, 0);
      let nowMs = 0;
      let id = 0;
      let inFlightSinceMs: number | null = null;
      let hasTimedOut = false;
      let endedMs = -Infinity;
      let failures = 0;
      let savepoints = 0;
      const feed = (input: ScheduleInput) => {
        const result = stepSchedule(state, input);
        state = result.state;
        for (const effect of result.effects) {
          switch (effect.kind) {
            case "start":
            case "startSavepoint":
              assert(inFlightSinceMs === null, "C6: two in flight");
              if (effect.kind === "start") {
                assert(nowMs >= endedMs + LIMITS.minPauseMs, "C6: started within the pause");
              } else savepoints--;
              inFlightSinceMs = nowMs;
              hasTimedOut = false;
              feed({ kind: "started", checkpointId: ++id as CheckpointId, nowMs });
              break;
            case "timeOut":
              assert(!hasTimedOut, "C6: timed out twice");
              assert(nowMs - inFlightSinceMs! >= LIMITS.timeoutMs, "C6: timed out early");
              hasTimedOut = true;
              break;
            case "restartRegions":
              assert(failures > LIMITS.tolerableFailures, `C6: restart after ${failures}`);
              failures = 0;
              break;
          }
        }
      };
      const tick = () => feed({ kind: "tick", nowMs, canCheckpoint: true, canSavepoint: true });
      for (const event of steps) {
        switch (event.kind) {
          case "pass":
            nowMs += event.ms;
            break;
          case "early":
            feed({ kind: "windowPressure" });
            break;
          case "savepoint":
            feed({ kind: "savepoint", operationId: `op-${nowMs}-${id}-${savepoints++}` });
            break;
          case "end": {
            if (inFlightSinceMs === null) break;
            inFlightSinceMs = null;
            endedMs = nowMs;
            if (event.outcome === "completed") failures = 0;
            if (event.outcome === "failed") failures++;
            feed({
              kind: "ended",
              nowMs,
              completed: event.outcome === "completed" ? [REGION] : [],
              failed: event.outcome === "failed" ? [REGION] : [],
            });
            assert(failures <= LIMITS.tolerableFailures, "C6: too many failures, no restart");
            break;
          }
        }
        tick();
        const isDue = inFlightSinceMs !== null && nowMs - inFlightSinceMs >= LIMITS.timeoutMs;
        assert(!isDue || hasTimedOut, "C6: not timed out in time");
        assert(savepoints === 0 || inFlightSinceMs !== null, "A savepoint waits while idle");
      }
    }),
    { numRuns: 3_000 },
  );
});
