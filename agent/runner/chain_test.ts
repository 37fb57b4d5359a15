import { deepStrictEqual, match, notStrictEqual, strictEqual, throws } from "node:assert/strict";
import { UserError } from "@shared/errors.ts";
import { keyGroupOf } from "@shared/key_groups.ts";
import {
  deadLetters,
  defineJob,
  generatorSource,
  mqttSink,
  recordType,
  sideOutput,
  valueState,
} from "penstock";
import { ChainRig, exchangeEdgesTo } from "./chain_rig.ts";

interface Reading {
  readonly pump: string;
  readonly celsius: number;
}

interface Limit {
  readonly pump: string;
  readonly celsius: number | null;
}

const out = () => mqttSink<unknown>({ broker: "plant", topic: "out" });
const numbers = () => generatorSource<number>({ next: () => undefined });
const readings = () => generatorSource<Reading>({ next: () => undefined });

Deno.test("chain: a side output reaches those who read it, and nobody else", () => {
  const odd = sideOutput<number>("odd");
  const unread = sideOutput<number>("unread");
  const job = defineJob("sorted", (job) => {
    const sorted = job.source("in", numbers()).keyByLocal(() => "all").process("sort", {
      emits: recordType<number>(),
      onRecord(record, ctx) {
        if (record % 2 === 1) ctx.emitTo(odd, record);
        else ctx.emit(record);
        ctx.emitTo(unread, record);
      },
    });
    sorted.sink("even", out());
    sorted.getSideOutput(odd).map("shown", (n) => `odd ${n}`).sink("odd", out());
  });
  const rig = new ChainRig(job);
  rig.push(1, 2, 3);
  deepStrictEqual(rig.out("even"), [2]);
  deepStrictEqual(rig.out("odd"), ["odd 1", "odd 3"]);
  const sort = rig.chain.counts.find(({ uid }) => uid === "sort")!;
  deepStrictEqual([sort.recordsIn, sort.recordsOut], [3, 3]);
});

Deno.test("chain: what a function emitted to a side output before it threw is taken back", () => {
  const seen = sideOutput<number>("seen");
  const job = defineJob("throws", (job) => {
    const checked = job.source("in", numbers()).keyByLocal(() => "all").process("check", {
      state: { n: valueState<number>() },
      onError: "dead-letter",
      onTimer() {},
      onRecord(record, ctx) {
        ctx.state.n.set(record);
        ctx.timers.eventTime(Number.MAX_SAFE_INTEGER);
        ctx.emitTo(seen, record);
        if (record < 0) throw new Error("below 0");
      },
    });
    checked.getSideOutput(seen).sink("seen", out());
    checked.getSideOutput(deadLetters).sink("letters", out());
  });
  const rig = new ChainRig(job);
  rig.push(-1);
  deepStrictEqual(rig.out("seen"), []);
  deepStrictEqual(rig.out("letters"), [{ uid: "check", reason: "below 0", record: -1 }]);
  strictEqual(rig.tables.get("check")!.size, 0);
  rig.push(1);
  deepStrictEqual(rig.out("seen"), [1]);
});

Deno.test("chain: a timer without a function that takes it is refused", () => {
  const job = defineJob("timerless", (job) => {
    job.source("in", numbers()).keyByLocal(() => "all").process("p", {
      onRecord(record, ctx) {
        ctx.timers.eventTime(record);
      },
    }).sink("out", out());
  });
  throws(() => new ChainRig(job).push(1), /"p" sets a timer but has no onTimer/);
});

Deno.test("chain: a payload that cannot be decoded is read as a dead letter of the source", () => {
  const job = defineJob("letters", (job) => {
    const source = job.source("in", numbers());
    source.sink("out", out());
    source.getSideOutput(deadLetters).sink("letters", out());
  });
  const rig = new ChainRig(job);
  rig.chain.undecodable("not JSON", new TextEncoder().encode("{oh"), 7);
  strictEqual(rig.deadLetters.count, 1);
  deepStrictEqual(rig.out("letters"), [{ uid: "in", reason: "not JSON", record: "{oh" }]);
});

Deno.test("chain: a union passes on the records of all its streams", () => {
  const job = defineJob("merged", (job) => {
    const source = job.source("in", numbers());
    const big = source.filter("big", (n) => n > 10).map("tens", (n) => n / 10);
    const small = source.filter("small", (n) => n < 10);
    big.union(small, source).map("shown", (n) => `n ${n}`).sink("out", out());
  });
  const rig = new ChainRig(job);
  rig.push(20, 3);
  deepStrictEqual(rig.out().toSorted(), ["n 2", "n 20", "n 3", "n 3"]);
});

/** Readings that are above the limit of their pump; limits come as a broadcast. */
const limits = defineJob("limits", (job) => {
  const rules = job.source("limits", generatorSource<Limit>({ next: () => undefined }));
  job.source("in", readings())
    .keyBy((reading) => reading.pump)
    .process("watch", {
      state: { above: valueState<number>() },
      emits: recordType<string>(),
      broadcast: rules.broadcast(),
      onBroadcast(limit, ctx) {
        if (limit.celsius === null) ctx.broadcast.delete(limit.pump);
        else ctx.broadcast.set(limit.pump, limit);
        if (limit.celsius !== null && limit.celsius < 0) throw new Error("below 0");
        ctx.emit(`${limit.pump} limit, ${ctx.broadcast.size} in all`);
      },
      onRecord(reading, ctx) {
        const limit = ctx.broadcast.get(reading.pump);
        if (limit === undefined || reading.celsius <= limit.celsius!) return;
        ctx.state.above.set((ctx.state.above.get() ?? 0) + 1);
        ctx.emit(`${ctx.key} above ${limit.celsius} the ${ctx.state.above.get()}. time`);
      },
      onError: "dead-letter",
    })
    .sink("out", out());
});

Deno.test("broadcast: what a rule writes, the records of every key read", () => {
  const [records, rules] = exchangeEdgesTo(limits.build({}), "watch");
  const rig = new ChainRig(limits, { stage: ["watch", "out"], keyGroups: [0, 127] });
  rig.receive(records!, { pump: "a", celsius: 90 }, 1);
  rig.receive(rules!, { pump: "a", celsius: 80 }, 2);
  rig.receive(rules!, { pump: "b", celsius: 70 }, 3);
  rig.receive(records!, { pump: "a", celsius: 90 }, 4);
  rig.receive(records!, { pump: "a", celsius: 95 }, 5);
  rig.receive(records!, { pump: "b", celsius: 60 }, 6);
  rig.receive(rules!, { pump: "a", celsius: null }, 7);
  rig.receive(records!, { pump: "a", celsius: 99 }, 8);
  deepStrictEqual(rig.out(), [
    "a limit, 1 in all",
    "b limit, 2 in all",
    "a above 80 the 1. time",
    "a above 80 the 2. time",
    "a limit, 1 in all",
  ]);
});

Deno.test("broadcast: a rule on which the function threw is taken back and set aside", () => {
  const [, rules] = exchangeEdgesTo(limits.build({}), "watch");
  const rig = new ChainRig(limits, { stage: ["watch", "out"] });
  rig.receive(rules!, { pump: "a", celsius: 80 }, 1);
  rig.receive(rules!, { pump: "a", celsius: -1 }, 2);
  rig.receive(rules!, { pump: "b", celsius: -1 }, 3);
  deepStrictEqual([...rig.broadcast.values], [["a", { pump: "a", celsius: 80 }]]);
  strictEqual(rig.deadLetters.count, 2);
});

Deno.test("broadcast: what two subtasks make of one rule has two ids, each the same after a replay", () => {
  const [, rules] = exchangeEdgesTo(limits.build({}), "watch");
  const idOf = (subtaskId: string) => {
    const rig = new ChainRig(limits, { stage: ["watch", "out"], subtaskId });
    rig.receive(rules!, { pump: "a", celsius: 80 }, 1);
    return rig.sinks.get("out")!.written[0]!.outputId;
  };
  notStrictEqual(idOf("watch.0"), idOf("watch.1"));
  strictEqual(idOf("watch.0"), idOf("watch.0"));
});

Deno.test("broadcast: a function over records cannot write it", () => {
  const job = defineJob("writes", (job) => {
    const rules = job.source("rules", numbers());
    job.source("in", numbers()).keyBy((n) => n).process("watch", {
      broadcast: rules.broadcast(),
      onBroadcast() {},
      onRecord(record, ctx) {
        (ctx.broadcast as unknown as { set(name: string, value: number): void }).set("n", record);
      },
    }).sink("out", out());
  });
  const rig = new ChainRig(job, { stage: ["watch", "out"] });
  throws(() => rig.receive(exchangeEdgesTo(job.build({}), "watch")[0]!, 1, 1), /set is not a/);
  strictEqual(rig.broadcast.size, 0);
});

Deno.test("chain: records leave over exchange edges with their event time, and enter where the edge ends", () => {
  const job = defineJob("exchanged", (job) => {
    job.source("in", generatorSource<number>({ next: () => undefined, eventTime: (n) => n * 10 }))
      .map("next", (n) => n + 1)
      .keyBy((n) => n % 2)
      .mapWithState("sum", { initial: () => 0 }, (sum, n) => [sum + n, sum + n])
      .sink("out", out());
  });
  const [edge] = exchangeEdgesTo(job.build({}), "sum");
  const first = new ChainRig(job, { stage: ["in", "next"] });
  first.push(1, 2, 3);
  deepStrictEqual(first.sent.map(({ record, atMs }) => [record, atMs]), [[2, 10], [3, 20], [
    4,
    30,
  ]]);
  strictEqual(first.chain.inputs.size, 0);
  const second = new ChainRig(job, { stage: ["sum", "out"], keyGroups: [0, 127] });
  for (const { record, atMs } of first.sent) second.receive(edge!, record, atMs);
  deepStrictEqual(second.out(), [2, 3, 6]);
  throws(() => second.push(1), /without one/);
});

Deno.test("chain: keyByLocal behind keyBy is refused at the first key of another subtask", () => {
  const job = defineJob("strayed", (job) => {
    job.source("in", readings())
      .keyBy((reading) => reading.pump)
      .mapWithState("count", { initial: () => 0 }, (n, reading) => [n + 1, reading])
      .keyByLocal((reading) => reading.celsius)
      .mapWithState("by-celsius", { initial: () => 0 }, (n, reading) => [n + 1, reading])
      .sink("out", out());
  });
  const group = keyGroupOf("20");
  const [edge] = exchangeEdgesTo(job.build({}), "count");
  const stage = ["count", "by-celsius", "out"];
  const rig = new ChainRig(job, { stage, keyGroups: [group, group] });
  rig.receive(edge!, { pump: "a", celsius: 20 }, 1);
  strictEqual(rig.out().length, 1);
  throws(() => rig.receive(edge!, { pump: "a", celsius: 21 }, 1), (error) => {
    strictEqual((error as UserError).code, "key-not-local");
    match((error as UserError).message, /"by-celsius" got key "21".*use keyBy/);
    return true;
  });
});
