import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type {
  AggregateSpec,
  SessionWindowsSpec,
  TimeWindowsSpec,
} from "@shared/sdk/window_spec.ts";
import { type Event, type Fired, WindowOracle } from "../support/window_oracle.ts";
import { WindowRig } from "../support/window_rig.ts";

/** Collects ids, changing the accumulator in place. */
const COLLECT: AggregateSpec = {
  initial: () => ({ ids: [] }),
  add: (acc: { ids: number[] }, record: Event) => {
    acc.ids.push(record.id);
    return acc;
  },
  merge: (a: { ids: number[] }, b: { ids: number[] }) => ({ ids: [...a.ids, ...b.ids] }),
  result: null,
};

const timeWindows: fc.Arbitrary<TimeWindowsSpec> = fc.record({
  kind: fc.constant("time" as const),
  sizeMs: fc.integer({ min: 1, max: 24 }),
  slideMs: fc.integer({ min: 1, max: 24 }),
  offsetMs: fc.integer({ min: -5, max: 30 }),
});
const tumbling = timeWindows.map((windows) => ({ ...windows, slideMs: windows.sizeMs }));
const session: fc.Arbitrary<SessionWindowsSpec> = fc.record({
  kind: fc.constant("session" as const),
  gapMs: fc.integer({ min: 1, max: 12 }),
});

/** Times wander ahead, with steps back and jumps. */
const events = fc.array(
  fc.record({
    key: fc.constantFrom("a", "b", "10", "9"),
    stepMs: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: -6, max: 8 }) },
      { weight: 1, arbitrary: fc.integer({ min: -60, max: 60 }) },
    ),
  }),
  { maxLength: 80 },
).map((steps) => {
  let atMs = 1_000;
  return steps.map(({ key, stepMs }, id): Event => ({ key, id, atMs: atMs += stepMs }));
});

const scenario = {
  events,
  outOfOrderMs: fc.integer({ min: 0, max: 10 }),
  latenessMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30 })),
  /** Before which record the windows are restored from a snapshot of that moment. */
  cutAt: fc.nat(80),
};

interface Scenario {
  readonly windows: TimeWindowsSpec | SessionWindowsSpec;
  readonly events: readonly Event[];
  readonly outOfOrderMs: number;
  readonly latenessMs: number;
  readonly cutAt: number;
}

function oracleOf({ windows, events, outOfOrderMs, latenessMs }: Scenario): WindowOracle {
  const oracle = new WindowOracle(windows, latenessMs);
  let watermarkMs = -Infinity;
  const advance = (toMs: number) => {
    if (toMs <= watermarkMs) return;
    watermarkMs = toMs;
    oracle.advance(toMs);
  };
  for (const event of events) {
    oracle.add(event, watermarkMs);
    advance(event.atMs - outOfOrderMs - 1);
  }
  advance(Number.MAX_SAFE_INTEGER);
  return oracle;
}

function firedOf(rig: WindowRig): Fired[] {
  return rig.fired.map(({ key, start, end, isLate, acc }) => {
    const { ids } = acc as { ids: number[] };
    return { key, start, end, isLate, ids: [...ids].sort((a, b) => a - b) };
  });
}

function check(of: Scenario, keepsSums = true): void {
  const oracle = oracleOf(of);
  const options = {
    windows: of.windows,
    aggregate: COLLECT,
    allowedLatenessMs: of.latenessMs,
    keepsSums,
  };
  const first = new WindowRig(options, of.outOfOrderMs);
  const cutAt = Math.min(of.cutAt, of.events.length);
  const feed = (rig: WindowRig, part: readonly Event[]) => {
    for (const event of part) rig.add(event, event.key, event.atMs);
  };
  feed(first, of.events.slice(0, cutAt));
  const firedBefore = firedOf(first);
  const lateBefore = [...first.late];
  const second = first.restored(() => feed(first, of.events.slice(cutAt)));
  feed(second, of.events.slice(cutAt));
  for (const rig of [first, second]) rig.advance(Number.MAX_SAFE_INTEGER);
  for (const rig of [first, second]) strictEqual(rig.keyCount, 0);
  const idsOf = (records: unknown[]) => records.map((record) => (record as Event).id);
  deepStrictEqual(firedOf(first), oracle.fired);
  deepStrictEqual([...firedBefore, ...firedOf(second)], oracle.fired);
  deepStrictEqual(idsOf(first.late), oracle.late);
  deepStrictEqual(idsOf([...lateBefore, ...second.late]), oracle.late);
  ok(oracle.isEmpty);
}

Deno.test("windows: tumbling windows fire as their definition says, over a snapshot and restore too (A5)", () => {
  fc.assert(fc.property(fc.record({ ...scenario, windows: tumbling }), (of) => check(of)));
});

Deno.test("windows: sliding windows combined of panes give what one list for each window gives (A5)", () => {
  const property = fc.property(
    fc.record({ ...scenario, windows: timeWindows }),
    fc.boolean(),
    (of, keepsSums) => check(of, keepsSums),
  );
  fc.assert(property, { numRuns: 300 });
});

Deno.test("windows: sessions merge, fire and end as their definition says, over a snapshot and restore too (A5)", () => {
  const property = fc.property(fc.record({ ...scenario, windows: session }), (of) => check(of));
  fc.assert(property, { numRuns: 1_000 });
});

Deno.test("windows: counted windows give the last records of their key every so many, over a restore too", () => {
  const property = fc.property(
    events,
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 9 }),
    fc.nat(80),
    (records, size, slide, cutAt) => {
      const options = {
        windows: { kind: "count", size, slide } as const,
        aggregate: COLLECT,
        allowedLatenessMs: 0,
        keepsSums: true,
      };
      const first = new WindowRig(options);
      for (const event of records.slice(0, cutAt)) first.add(event, event.key, event.atMs);
      const second = first.restored();
      for (const event of records.slice(cutAt)) second.add(event, event.key, event.atMs);
      const expected: unknown[] = [];
      const seen = new Map<string, Event[]>();
      for (const event of records) {
        const ofKey = seen.get(event.key) ?? [];
        seen.set(event.key, [...ofKey, event]);
        const all = [...ofKey, event];
        if (all.length % slide !== 0) continue;
        const last = all.slice(-size);
        const times = last.map(({ atMs }) => atMs);
        expected.push([
          event.key,
          last.map(({ id }) => id),
          Math.min(...times),
          Math.max(...times) + 1,
        ]);
      }
      const found = [...first.fired, ...second.fired].map(({ key, acc, start, end }) => [
        key,
        (acc as { ids: number[] }).ids,
        start,
        end,
      ]);
      deepStrictEqual(found, expected);
    },
  );
  fc.assert(property);
});
