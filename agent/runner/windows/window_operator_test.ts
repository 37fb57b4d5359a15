import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  alarmSink,
  count,
  deadLetters,
  everyCount,
  everyEventTime,
  everyProcessingTime,
  generatorSource,
  global,
  type KeyedStream,
  session,
  sideOutput,
  sliding,
  stateWindow,
  type Stream,
  triggerOn,
  tumbling,
} from "@shared/sdk/mod.ts";
import { ChainRig } from "../../../tests/support/chain_rig.ts";

interface Reading {
  readonly key: string;
  readonly at: number;
  readonly value?: number;
}

const T0 = Date.UTC(2026, 0, 1);
const sink = alarmSink<unknown>({ priority: "low" });

/** A job of one windowed operator behind a source with event time. */
function rig<Out>(
  windowed: (readings: KeyedStream<Reading>) => Stream<Out>,
  options: { perKey?: boolean; idleAfter?: "30s" } = {},
): ChainRig {
  return new ChainRig((job) => {
    const source = generatorSource<Reading>({
      next: () => undefined,
      eventTime: (reading) => reading.at,
      maxOutOfOrderness: 5,
      ...options,
    });
    windowed(job.source("in", source).keyByLocal((reading) => reading.key)).sink("out", sink);
  });
}

/** Without event time: windows go by the wall clock. */
function wallClockRig<Out>(windowed: (readings: KeyedStream<Reading>) => Stream<Out>): ChainRig {
  return new ChainRig((job) => {
    const source = generatorSource<Reading>({ next: () => undefined });
    windowed(job.source("in", source).keyByLocal((reading) => reading.key)).sink("out", sink);
  }).start();
}

const at = (key: string, at: number, value = 1): Reading => ({ key, at, value });

/** Sums up, changing the accumulator in place, and says which window it was. */
const SUM = {
  initial: () => ({ sum: 0 }),
  add: (acc: { sum: number }, reading: Reading) => {
    acc.sum += reading.value ?? 1;
    return acc;
  },
  merge: (a: { sum: number }, b: { sum: number }) => ({ sum: a.sum + b.sum }),
  result: (acc: { sum: number }, w: { key: string; start: number; end: number; isLate: boolean }) =>
    `${w.key} ${w.start}-${w.end} ${acc.sum}${w.isLate ? " late" : ""}`,
};

Deno.test("window: fires by end, then key, with event time end - 1 and ids that a replay repeats", () => {
  const chain = rig((readings) => readings.window("sum", tumbling(10), SUM));
  chain.emit(at("b", 3), at("a", 14), at("a", 4, 2), at("b", 12));
  deepStrictEqual(chain.values(), []);
  const replay = chain.restored();
  for (const one of [chain, replay]) {
    one.emit(at("c", 40));
    deepStrictEqual(one.values(), ["a 0-10 2", "b 0-10 1", "a 10-20 1", "b 10-20 1"]);
    deepStrictEqual(one.written().map((written) => written.atMs), [9, 9, 19, 19]);
  }
  deepStrictEqual(replay.written(), chain.written());
  strictEqual(new Set(chain.written().map((written) => written.outputId)).size, 4);
});

Deno.test("window: a record is judged by the watermark before it, and a late one refires its window or goes aside", () => {
  const late = sideOutput<Reading>("late");
  const chain = new ChainRig((job) => {
    const source = generatorSource<Reading>({
      next: () => undefined,
      eventTime: (reading) => reading.at,
    });
    const sums = job.source("in", source).keyByLocal((reading) => reading.key)
      .window("sum", tumbling(10), { ...SUM, allowedLateness: 10, lateOutput: late });
    sums.sink("out", sink);
    sums.getSideOutput(late).sink("aside", sink);
  });
  chain.emit(at("a", 5), at("a", 10), at("a", 6, 2));
  deepStrictEqual(chain.values(), ["a 0-10 1", "a 0-10 3 late"]);
  deepStrictEqual(chain.written().map((written) => written.atMs), [9, 9]);
  chain.emit(at("a", 20), at("a", 7, 4));
  deepStrictEqual(chain.values("aside"), [at("a", 7, 4)]);
  strictEqual(chain.lateRecords("sum"), 1);
  chain.end();
  deepStrictEqual(chain.values().slice(2), ["a 10-20 1", "a 20-30 1"]);
  strictEqual(chain.stateEntries, 0);
});

Deno.test("window: a snapshot keeps accumulators as they were, though they are changed in place behind it (A5)", () => {
  const chain = rig((readings) => readings.window("sum", sliding(10, 5), SUM));
  chain.emit(at("a", 3), at("b", 4));
  const restored = chain.restored(() => chain.emit(at("a", 4, 100), at("b", 9, 100)));
  restored.end();
  deepStrictEqual(restored.values(), ["a -5-5 1", "b -5-5 1", "a 0-10 1", "b 0-10 1"]);
});

Deno.test("window: each window of a chain of windows gets what the one before gives, in time", () => {
  const chain = rig((readings) =>
    readings
      .window("minute", tumbling(10), { ...SUM, result: (acc, w) => at(w.key, w.start, acc.sum) })
      .keyByLocal((sum) => sum.key)
      .window("hour", tumbling(30), SUM)
  );
  chain.emit(at("a", 1), at("a", 11), at("a", 21), at("a", 31), at("a", 100));
  deepStrictEqual(chain.values(), ["a 0-30 3", "a 30-60 1"]);
  strictEqual(chain.lateRecords("hour"), 0);
});

Deno.test("window: with an event time for each key, a device that lags is not late and one that is ahead closes no other's window", () => {
  const windowed = (readings: KeyedStream<Reading>) => readings.window("sum", tumbling(10), SUM);
  const chain = rig(windowed, { perKey: true });
  chain.emit(at("fast", 5), at("slow", 1), at("fast", 500));
  deepStrictEqual(chain.values(), ["fast 0-10 1"]);
  chain.emit(at("slow", 2));
  const restored = chain.restored();
  for (const one of [chain, restored]) {
    one.emit(at("slow", 15), at("slow", 3), at("slow", 21));
    deepStrictEqual(one.values().slice(-1), ["slow 0-10 2"]);
    strictEqual(one.lateRecords("sum"), 1);
    one.end();
    deepStrictEqual(one.values().slice(-3), ["slow 10-20 1", "slow 20-30 1", "fast 500-510 1"]);
  }
});

Deno.test("window: with an event time for each key, a key that falls silent ends its windows by the wall clock", () => {
  const windowed = (readings: KeyedStream<Reading>) => readings.window("sum", session(10), SUM);
  const chain = rig(windowed, { perKey: true, idleAfter: "30s" });
  chain.emit(at("a", 5));
  const restored = chain.restored();
  for (const one of [chain, restored]) {
    one.pass(29_000);
    deepStrictEqual(one.values(), []);
    one.pass(3_000);
    deepStrictEqual(one.values(), ["a 5-15 1"]);
  }
});

Deno.test("window: without event time windows go by the wall clock, over a restore too (S4)", () => {
  const chain = wallClockRig((readings) => readings.window("sum", tumbling("1m"), SUM));
  chain.pass(1_000);
  chain.emit(at("a", 0));
  chain.pass(58_000);
  chain.emit(at("a", 0), at("b", 0));
  deepStrictEqual(chain.values(), []);
  const restored = chain.restored();
  restored.start();
  for (const one of [chain, restored]) {
    one.pass(1_000);
    const span = `${T0}-${T0 + 60_000}`;
    deepStrictEqual(one.values(), [`a ${span} 2`, `b ${span} 1`]);
    strictEqual(one.stateEntries, 0);
  }
});

Deno.test("window: sessions by the wall clock end when their key was silent for the gap", () => {
  const chain = wallClockRig((readings) => readings.window("sum", session("10s"), SUM));
  chain.emit(at("a", 0));
  chain.pass(8_000);
  chain.emit(at("a", 0));
  chain.pass(9_000);
  deepStrictEqual(chain.values(), []);
  chain.pass(1_000);
  deepStrictEqual(chain.values(), [`a ${T0}-${T0 + 18_000} 2`]);
});

Deno.test("window: the end of the input fires windows of the wall clock too, each once (L3)", () => {
  const chain = wallClockRig((readings) => readings.window("sum", sliding("20s", "10s"), SUM));
  chain.emit(at("b", 0), at("a", 0));
  chain.end();
  const spans = [`${T0 - 10_000}-${T0 + 10_000} 1`, `${T0}-${T0 + 20_000} 1`];
  const all = spans.flatMap((span) => [`a ${span}`, `b ${span}`]);
  deepStrictEqual(chain.values(), all);
  chain.pass(60_000);
  deepStrictEqual(chain.values(), all);
  strictEqual(chain.stateEntries, 0);
});

Deno.test("window: reduce combines records two by two; without a result function it gives the record", () => {
  const chain = rig((readings) =>
    readings.window("peak", sliding(20, 10), {
      reduce: (a, b) => (a.value ?? 0) >= (b.value ?? 0) ? a : b,
    })
  );
  chain.emit(at("a", 1, 5), at("a", 2, 7), at("a", 12, 6));
  chain.end();
  deepStrictEqual(chain.values(), [at("a", 2, 7), at("a", 2, 7), at("a", 12, 6)]);
});

Deno.test("window: an accumulator that is the result does not change after it was given", () => {
  const { initial, add, merge } = SUM;
  const chain = rig((readings) =>
    readings.window("sum", tumbling(10), { initial, add, merge, allowedLateness: 50 })
      .map("keep", (acc) => acc)
  );
  chain.emit(at("a", 1), at("a", 15), at("a", 2), at("a", 3));
  deepStrictEqual(chain.values(), [{ sum: 1 }, { sum: 2 }, { sum: 3 }]);
});

Deno.test("window: state windows hold the records from the first for which the condition holds to the first for which it does not", () => {
  const chain = rig((readings) => readings.window("run", stateWindow((r) => r.value === 1), SUM));
  chain.emit(at("a", 1, 0), at("a", 2), at("b", 3), at("a", 5), at("a", 9, 0), at("a", 11, 0));
  deepStrictEqual(chain.values(), ["a 2-9 2"]);
  deepStrictEqual(chain.written()[0]!.atMs, 8);
  const restored = chain.restored();
  restored.emit(at("b", 20, 0));
  deepStrictEqual(restored.values(), ["b 3-20 1"]);
  strictEqual(restored.stateEntries, 0);
});

Deno.test("window: a global window fires as its trigger says, and keeps its records unless it purges", () => {
  const kept = rig((r) => r.window("sum", global({ trigger: everyCount(2) }), SUM));
  const purged = rig((r) =>
    r.window("sum", global({ trigger: everyCount(2, { purge: true }) }), SUM)
  );
  for (const one of [kept, purged]) for (let i = 0; i < 5; i++) one.emit(at("a", i));
  deepStrictEqual(kept.values(), ["a 0-2 2", "a 0-4 4"]);
  deepStrictEqual(purged.values(), ["a 0-2 2", "a 2-4 2"]);
});

Deno.test("window: a global window fires at whole multiples of event time when records came since", () => {
  const chain = rig((r) => r.window("sum", global({ trigger: everyEventTime(10) }), SUM));
  chain.emit(at("a", 1), at("a", 2));
  const restored = chain.restored();
  for (const one of [chain, restored]) {
    one.emit(at("a", 15), at("b", 100), at("b", 200));
    deepStrictEqual(one.values(), ["a 1-16 3", "b 100-201 2"]);
  }
});

Deno.test("window: a global window fires by the wall clock, and by a function", () => {
  const trigger = everyProcessingTime("10s", { purge: true });
  const timed = rig((r) => r.window("sum", global({ trigger }), SUM)).start();
  timed.emit(at("a", 1), at("a", 2));
  timed.pass(9_000);
  deepStrictEqual(timed.values(), []);
  timed.pass(31_000);
  deepStrictEqual(timed.values(), [`a ${T0}-${T0 + 1} 2`]);
  const byFunction = rig((r) =>
    r.window(
      "sum",
      global({
        trigger: triggerOn((reading: Reading, acc: { sum: number }) =>
          reading.value === 0 ? "purge" : acc.sum >= 3 ? "fireAndPurge" : "continue"
        ),
      }),
      SUM,
    )
  );
  byFunction.emit(at("a", 1, 2), at("a", 2, 0), at("a", 3, 2), at("a", 4, 2), at("a", 5));
  deepStrictEqual(byFunction.values(), ["a 3-5 4"]);
});

Deno.test("window: counted windows fire on the record that fills them", () => {
  const chain = rig((readings) => readings.window("sum", count(3, 2), SUM));
  chain.emit(at("a", 1), at("a", 2, 10), at("b", 2), at("a", 3, 100), at("a", 4, 1_000));
  deepStrictEqual(chain.values(), ["a 1-3 11", "a 2-5 1110"]);
});

Deno.test("window: what add throws sets its record aside, what result throws its window; a throw behind is none of its own", () => {
  const failing = { ...SUM, onError: "dead-letter" as const };
  const chain = rig((readings) =>
    readings.window("sum", tumbling(10), {
      ...failing,
      add: (acc, reading) => {
        if (reading.value === 0) throw new Error("no add");
        return SUM.add(acc, reading);
      },
      result: (acc, w) => {
        if (acc.sum === 7) throw new Error("no result");
        return SUM.result(acc, w);
      },
    })
  );
  chain.emit(at("a", 1, 0), at("a", 2), at("b", 3, 7), at("a", 14));
  strictEqual(chain.deadLetters.length, 1);
  chain.end();
  deepStrictEqual(chain.values(), ["a 0-10 1", "a 10-20 1"]);
  strictEqual(chain.deadLetters.length, 2);
  const behind = rig((readings) =>
    readings.window("sum", tumbling(10), failing).map("fails", () => {
      throw new Error("behind");
    })
  );
  behind.emit(at("a", 1));
  let message = "";
  try {
    behind.emit(at("a", 50));
  } catch (thrown) {
    message = (thrown as Error).message;
  }
  ok(message.includes('"fails"'), message);
});

Deno.test("window: records set aside can be read as a side output", () => {
  const chain = new ChainRig((job) => {
    const source = generatorSource<Reading>({
      next: () => undefined,
      eventTime: (reading) => reading.at,
    });
    const sums = job.source("in", source).keyByLocal((reading) => reading.key)
      .window("sum", tumbling(10), {
        ...SUM,
        onError: "dead-letter",
        add: () => {
          throw new Error("no");
        },
      });
    sums.sink("out", sink);
    sums.getSideOutput(deadLetters).sink("aside", sink);
  });
  chain.emit(at("a", 1));
  deepStrictEqual(chain.values("aside"), [{ uid: "sum", reason: "no", record: at("a", 1) }]);
  strictEqual(chain.stateEntries, 0);
});
