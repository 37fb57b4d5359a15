import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  alarmSink,
  generatorSource,
  type Interval,
  type KeyedStream,
  session,
  sliding,
  type Stream,
  tumbling,
  type WindowAssigner,
} from "@shared/sdk/mod.ts";
import { ChainRig } from "../support/chain_rig.ts";

interface Event {
  readonly id: number;
  readonly key: string;
  readonly side: "left" | "right";
  readonly at: number;
}

const events = fc.array(
  fc.record({
    key: fc.constantFrom("a", "b", "10"),
    side: fc.constantFrom("left" as const, "right" as const),
    step: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: -6, max: 6 }) },
      { weight: 1, arbitrary: fc.integer({ min: -40, max: 40 }) },
    ),
  }),
  { maxLength: 60 },
).map((steps) => {
  let at = 1_000;
  return steps.map(({ key, side, step }, id): Event => ({ id, key, side, at: at += step }));
});

function rig<Out>(
  outOfOrder: number,
  joined: (left: KeyedStream<Event>, right: KeyedStream<Event>) => Stream<Out>,
): ChainRig {
  return new ChainRig((job) => {
    const source = job.source(
      "in",
      generatorSource<Event>({
        next: () => undefined,
        eventTime: (event) => event.at,
        maxOutOfOrderness: outOfOrder,
      }),
    );
    const side = (name: Event["side"]) =>
      source.filter(name, (event) => event.side === name).keyByLocal((event) => event.key);
    joined(side("left"), side("right")).sink("out", alarmSink({ priority: "low" }));
  });
}

/** Runs the records, with a restore before record `cutAt`; both courses give the same. */
function run(chain: ChainRig, records: readonly Event[], cutAt: number): {
  written: readonly { value: unknown; atMs: number }[];
  late: number;
} {
  chain.emit(...records.slice(0, cutAt));
  const before = [...chain.written()];
  const lateBefore = chain.lateRecords("join");
  const restored = chain.restored(() => chain.emit(...records.slice(cutAt)));
  restored.emit(...records.slice(cutAt));
  for (const one of [chain, restored]) {
    one.end();
    strictEqual(one.stateEntries, 0);
  }
  deepStrictEqual([...before, ...restored.written()], chain.written());
  strictEqual(lateBefore + restored.lateRecords("join"), chain.lateRecords("join"));
  return { written: chain.written(), late: chain.lateRecords("join") };
}

Deno.test("intervalJoin: gives each pair of close records once, whichever comes first, over a restore too (A5)", () => {
  const property = fc.property(
    events,
    fc.integer({ min: -12, max: 12 }),
    fc.nat(12),
    fc.nat(10),
    fc.nat(60),
    (records, lower, width, outOfOrder, cutAt) => {
      const upper = lower + width;
      const expected: unknown[] = [];
      const taken: Event[] = [];
      let latest = -Infinity;
      let late = 0;
      for (const event of records) {
        const watermark = latest - outOfOrder - 1;
        latest = Math.max(latest, event.at);
        if (event.at < watermark) {
          late++;
          continue;
        }
        const partners = taken.filter((other) => {
          if (other.key !== event.key || other.side === event.side) return false;
          const [left, right] = event.side === "left" ? [event, other] : [other, event];
          const reach = Math.max(0, other.side === "left" ? upper : -lower);
          const gap = right.at - left.at;
          return gap >= lower && gap <= upper && other.at + reach > watermark;
        });
        for (const other of partners.sort((a, b) => a.at - b.at || a.id - b.id)) {
          const [left, right] = event.side === "left" ? [event, other] : [other, event];
          expected.push({
            value: `${event.key} ${left.id} ${right.id}`,
            atMs: Math.max(left.at, right.at),
          });
        }
        taken.push(event);
      }
      const chain = rig(outOfOrder, (left, right) =>
        left.intervalJoin("join", right, {
          lower: lower as Interval,
          upper,
          join: (one, other, key) => `${key} ${one.id} ${other.id}`,
        }));
      const found = run(chain, records, cutAt);
      deepStrictEqual(found.written.map(({ value, atMs }) => ({ value, atMs })), expected);
      strictEqual(found.late, late);
    },
  );
  fc.assert(property, { numRuns: 300 });
});

/** Windows of the tests, with how a record finds the others of its window. */
const assigners: fc.Arbitrary<{ windows: WindowAssigner; starts: (at: number) => number[] }> = fc
  .record({ size: fc.integer({ min: 1, max: 20 }), slide: fc.integer({ min: 1, max: 20 }) })
  .map(({ size, slide }) => ({
    windows: size === slide ? tumbling(size) : sliding(size, slide),
    starts: (at) => {
      const starts: number[] = [];
      for (let start = Math.floor(at / slide) * slide; start > at - size; start -= slide) {
        starts.push(start);
      }
      return starts.map((start) => start + size);
    },
  }));

Deno.test("windowJoin: gives every pair of a window and key when the window ends, over a restore too (A5)", () => {
  const property = fc.property(
    events,
    assigners,
    fc.nat(10),
    fc.nat(60),
    (records, { windows, starts }, outOfOrder, cutAt) => {
      const pairs: { end: number; key: string; text: string }[] = [];
      const held = new Map<string, { end: number; key: string; left: number[]; right: number[] }>();
      let latest = -Infinity;
      let late = 0;
      for (const { id, key, side, at } of records) {
        const watermark = latest - outOfOrder - 1;
        latest = Math.max(latest, at);
        const open = starts(at).filter((end) => end - 1 > watermark);
        if (open.length === 0 && (starts(at).length > 0 || at <= watermark)) late++;
        for (const end of open) {
          const window = held.get(`${key} ${end}`) ?? { end, key, left: [], right: [] };
          held.set(`${key} ${end}`, window);
          window[side].push(id);
        }
      }
      const inOrder = [...held.values()].sort((a, b) => a.end - b.end || (a.key < b.key ? -1 : 1));
      for (const { end, key, left, right } of inOrder) {
        for (const one of left) {
          for (const other of right) pairs.push({ end, key, text: `${one} ${other}` });
        }
      }
      const chain = rig(outOfOrder, (left, right) =>
        left.windowJoin("join", right, windows, {
          join: (one, other, key, w) => `${w.end} ${key} ${one.id} ${other.id}`,
        }));
      const found = run(chain, records, cutAt);
      deepStrictEqual(
        sortedWithinWindows(found.written.map(({ value }) => String(value))),
        sortedWithinWindows(pairs.map(({ end, key, text }) => `${end} ${key} ${text}`)),
      );
      strictEqual(found.late, late);
    },
  );
  fc.assert(property, { numRuns: 200 });
});

/** Pairs of one window come pane by pane: their order within it is not what is tested. */
function sortedWithinWindows(texts: readonly string[]): string[] {
  const windowOf = (text: string) => text.split(" ").slice(0, 2).join(" ");
  const windows = [...new Set(texts.map(windowOf))];
  return windows.flatMap((window) => texts.filter((text) => windowOf(text) === window).sort());
}

Deno.test("windowJoin: sessions of both sides together are one window", () => {
  const chain = rig(0, (left, right) =>
    left.windowJoin("join", right, session(10), {
      join: (one, other, key, w) => `${key} ${w.start}-${w.end} ${one.id} ${other.id}`,
    }));
  const event = (id: number, side: Event["side"], at: number): Event => ({
    id,
    key: "a",
    side,
    at,
  });
  chain.emit(event(1, "left", 0), event(2, "right", 8), event(3, "left", 15), event(4, "left", 90));
  deepStrictEqual(chain.values(), ["a 0-25 1 2", "a 0-25 3 2"]);
});

Deno.test("intervalJoin: a record that no partner can come for meets none, though it is still kept", () => {
  const chain = rig(0, (left, right) =>
    left.intervalJoin("join", right, {
      lower: 0,
      upper: 33,
      join: (one, other) => `${one.id} ${other.id}`,
    }));
  chain.emit({ id: 1, key: "a", side: "left", at: 1 }, { id: 2, key: "a", side: "left", at: 35 });
  chain.emit({ id: 3, key: "a", side: "right", at: 34 }, {
    id: 4,
    key: "a",
    side: "right",
    at: 36,
  });
  deepStrictEqual(chain.values(), ["2 4"]);
});
