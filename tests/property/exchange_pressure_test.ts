/**
 * Floods a region of three stages on several hosts, with a network that delivers when it likes.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { CheckpointId } from "@shared/ids.ts";
import type { StatefulSpec } from "@shared/sdk/operator.ts";
import { BATCH_ELEMENTS_MAX, CHANNEL_CREDIT_RECORDS } from "../../agent/runner/exchange_batch.ts";
import { exchangeJob, RegionRig } from "../../agent/runner/region_rig.ts";

const SPLITS = 2;
/** More than a channel has credit for. */
const BURST_MAX = CHANNEL_CREDIT_RECORDS * 2;

/** Its credit, and what the producer was working on when it ran out. */
const CHANNEL_RECORDS_MAX = CHANNEL_CREDIT_RECORDS + 2 * BATCH_ELEMENTS_MAX;

interface Item {
  readonly key: number;
}

function counting(uid: string, keyOf: (item: Item) => string): StatefulSpec {
  return {
    kind: "mapWithState",
    uid,
    onError: "fail",
    keyOf,
    initial: () => 0,
    fn: (n: number, item: Item) => [n + 1, item],
    codecVersion: 1,
    ttlMs: null,
  };
}

const job = exchangeJob(
  [counting("first", ({ key }) => `a${key}`), counting("second", ({ key }) => `b${key % 7}`)],
  SPLITS,
);

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("burst" as const),
      split: fc.nat(SPLITS - 1),
      count: fc.integer({ min: 1, max: BURST_MAX }),
      keys: fc.constantFrom(1, 3, 100),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("deliver" as const), pick: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.constant({ kind: "pass" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "settle" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "trigger" as const }) },
);

Deno.test("exchange: under pressure sources pause, nothing is lost, nothing stands still, barriers pass (A4, A7)", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(step, { minLength: 1, maxLength: 14 }),
      async (hostCount, parallelism, steps) => {
        const rig = await new RegionRig(job, { parallelism, hostCount }).start();
        let sent = 0;
        let id = 0;
        for (const one of steps) {
          switch (one.kind) {
            case "burst": {
              const source = rig.sources[one.split]!;
              for (let n = 0; n < one.count && !source.isPaused; n++) {
                source.emit({ key: sent++ % one.keys }, 1);
              }
              break;
            }
            case "deliver":
              rig.network.deliver(one.pick);
              break;
            case "pass":
              rig.clock.advance(5);
              break;
            case "settle":
              await rig.settle();
              break;
            case "trigger":
              rig.trigger(++id);
          }
          for (const { inputQueued } of rig.hosts.flatMap((host) => host.tick().metrics)) {
            const channels = Math.max(SPLITS, parallelism);
            ok(inputQueued <= channels * CHANNEL_RECORDS_MAX, `${inputQueued}`);
          }
        }
        rig.trigger(++id);
        await rig.quiet();
        ok(rig.snapshot(id as CheckpointId) !== null, "the last checkpoint completes");
        strictEqual(rig.sink.written.length, sent);
        deepStrictEqual(rig.sources.map((source) => source.isPaused), [false, false]);
        deepStrictEqual(rig.reportsOf("failed"), []);
      },
    ),
    { numRuns: 25 },
  );
});
