/**
 * Runs a region with random records, barriers, aborts and deliveries, on several hosts, and restores what it
 * stored at another parallelism.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { StatefulSpec } from "@shared/sdk/operator.ts";
import type { CheckpointId } from "@shared/ids.ts";
import { exchangeJob, RegionRig } from "../../agent/runner/region_rig.ts";
import type { Snapshot } from "../../agent/runner/test_support.ts";

const SPLITS = 3;
const KEYS = 8;
const HOSTS_MAX = 3;

interface Reading {
  readonly key: string;
  readonly split: number;
  readonly n: number;
}

/** Keeps, for each key, the records it has seen. */
const seen: StatefulSpec = {
  kind: "mapWithState",
  uid: "seen",
  onError: "fail",
  keyOf: (reading: Reading) => reading.key,
  initial: () => [],
  fn: (state: string[], reading: Reading) => {
    const next = reading.n < 0 ? state : [...state, `${reading.split}/${reading.n}`];
    return [next, { key: reading.key, seen: next }];
  },
  codecVersion: 1,
  ttlMs: null,
};

type Step =
  | { kind: "emit"; split: number; key: number }
  | { kind: "deliver"; pick: number }
  | { kind: "pass" }
  | { kind: "settle" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("emit" as const),
      split: fc.nat(SPLITS - 1),
      key: fc.nat(KEYS - 1),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("deliver" as const), pick: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.constant({ kind: "pass" as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: "settle" as const }) },
);

/** One checkpoint: the hosts hear of it one by one, the last ones perhaps never. */
const round = fc.record({
  gaps: fc.array(fc.array(step, { maxLength: 16 }), { minLength: HOSTS_MAX, maxLength: HOSTS_MAX }),
  firstHost: fc.nat(HOSTS_MAX - 1),
  end: fc.constantFrom("all", "all", "all", "aborted", "forgotten"),
});

const course = fc.record({
  hostCount: fc.integer({ min: 1, max: HOSTS_MAX }),
  before: fc.integer({ min: 1, max: 4 }),
  after: fc.integer({ min: 1, max: 5 }),
  rounds: fc.array(round, { minLength: 1, maxLength: 5 }),
});

type Round = typeof round extends fc.Arbitrary<infer T> ? T : never;

/** Every record that was emitted, by split. */
type Emitted = readonly Reading[][];

async function play(rig: RegionRig, rounds: readonly Round[]): Promise<Emitted> {
  const emitted: Reading[][] = Array.from({ length: SPLITS }, () => []);
  const hostCount = rig.hosts.length;
  for (const [index, { gaps, firstHost, end }] of rounds.entries()) {
    const id = index + 1 as CheckpointId;
    const heard = end === "all" ? hostCount : hostCount - 1;
    for (let nth = 0; nth < hostCount; nth++) {
      for (const one of gaps[nth]!) await take(rig, one, emitted);
      const host = rig.hosts[(firstHost + nth) % hostCount]!;
      if (nth < heard) host.trigger(id, { isDrain: false });
    }
    if (end === "aborted") { for (const host of rig.hosts) host.aborted(id); }
  }
  rig.trigger(rounds.length + 1);
  await rig.quiet();
  return emitted;
}

async function take(rig: RegionRig, one: Step, emitted: Reading[][]): Promise<void> {
  switch (one.kind) {
    case "emit": {
      const { split } = one;
      const reading = { key: `k${one.key}`, split, n: emitted[split]!.length };
      emitted[split]!.push(reading);
      return rig.sources[split]!.emit(reading, rig.clock.nowMs());
    }
    case "deliver":
      return void rig.network.deliver(one.pick);
    case "pass":
      return rig.clock.advance(5);
    case "settle":
      return await rig.settle();
  }
}

/** What each key has seen, asked by a record that changes nothing. */
async function stateOf(rig: RegionRig): Promise<Map<string, string[]>> {
  rig.sink.written.length = 0;
  for (let key = 0; key < KEYS; key++) {
    rig.sources[0]!.emit({ key: `k${key}`, split: 0, n: -1 }, rig.clock.nowMs());
  }
  await rig.quiet();
  const outputs = rig.sink.written.map(({ value }) => value as { key: string; seen: string[] });
  strictEqual(outputs.length, KEYS);
  return new Map(outputs.map(({ key, seen }) => [key, [...seen].sort()]));
}

function expectedOf(emitted: Emitted, { request }: Snapshot): Map<string, string[]> {
  const positions = new Map(
    request.snapshots.flatMap(({ splits }) => splits.map((s) => [s.splitIndex, s.position])),
  );
  const expected = new Map(Array.from({ length: KEYS }, (_, key) => [`k${key}`, [] as string[]]));
  for (const [split, readings] of emitted.entries()) {
    for (const { key, n } of readings.slice(0, positions.get(split))) {
      expected.get(key)!.push(`${split}/${n}`);
    }
  }
  for (const list of expected.values()) list.sort();
  return expected;
}

Deno.test("exchange: a checkpoint holds what came before its barriers, whatever the order, and is restored at any parallelism (A4, A6, C8, S1)", async () => {
  await fc.assert(
    fc.asyncProperty(course, async ({ hostCount, before, after, rounds }) => {
      const job = exchangeJob(seen, SPLITS);
      const rig = await new RegionRig(job, { parallelism: before, hostCount }).start();
      const emitted = await play(rig, rounds);
      const total = emitted.reduce((sum, list) => sum + list.length, 0);
      strictEqual(rig.sink.written.length, total, "every record arrives once");
      const ids = new Set(rig.reportsOf("snapshot").map(({ checkpointId }) => checkpointId));
      const complete = [...ids].flatMap((id) => rig.snapshot(id) ?? []);
      ok(complete.length > 0, "the last checkpoint completes");
      for (const snapshot of complete) {
        const other = new RegionRig(job, { parallelism: after, pieces: rig.pieces });
        await other.start(snapshot);
        deepStrictEqual(other.reportsOf("failed"), []);
        const expected = expectedOf(emitted, snapshot);
        deepStrictEqual(await stateOf(other), expected);
        const again = await other.checkpoint(100);
        const third = new RegionRig(job, { parallelism: before, pieces: other.pieces });
        deepStrictEqual(await stateOf(await third.start(again)), expected);
      }
    }),
    { numRuns: 100 },
  );
});
