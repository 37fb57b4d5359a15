import { deepStrictEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { defineJob, generatorSource, mqttSink, recordType, valueState } from "penstock";
import { ChainRig } from "../../agent/runner/chain_rig.ts";
import { MAX_WATERMARK_MS } from "../../agent/runner/watermarks.ts";

interface Reading {
  readonly pump: string;
  readonly ts: number;
  readonly timer: number;
}

const T0 = Date.UTC(2026, 0, 1);
const MAX_OUT_OF_ORDERNESS_MS = 20;

const job = defineJob("fleet", (job) => {
  job.source(
    "in",
    generatorSource<Reading>({
      next: () => undefined,
      eventTime: (reading) => T0 + reading.ts,
      maxOutOfOrderness: MAX_OUT_OF_ORDERNESS_MS,
      perKey: true,
    }),
  )
    .keyByLocal((reading) => reading.pump)
    .process("timers", {
      state: { n: valueState<number>() },
      emits: recordType<string>(),
      onRecord(reading, ctx) {
        ctx.state.n.set((ctx.state.n.get() ?? 0) + 1);
        ctx.timers.eventTime(T0 + reading.timer);
        const watermark = ctx.watermarkMs === -Infinity ? "none" : ctx.watermarkMs - T0;
        ctx.emit(`${ctx.key} at ${reading.ts} by ${watermark}`);
      },
      onTimer(timeMs, ctx) {
        ctx.emit(`${ctx.key} timer ${timeMs - T0} after ${ctx.state.n.get()}`);
      },
    })
    .sink("out", mqttSink({ broker: "plant", topic: "out" }));
});

/** What the chain emits for `readings`, restored behind every record whose number is in `crashes`. */
function outputOf(readings: readonly Reading[], crashes: readonly number[] = []): string[] {
  let rig = new ChainRig(job);
  const out: unknown[] = [];
  for (const [number, reading] of readings.entries()) {
    rig.push(reading);
    if (!crashes.includes(number)) continue;
    out.push(...rig.out());
    const next = new ChainRig(job);
    next.takeOver(rig);
    rig = next;
  }
  rig.chain.advanceWatermark(MAX_WATERMARK_MS);
  return [...out, ...rig.out()] as string[];
}

const reading = fc.record({
  pump: fc.constantFrom("a", "b", "c"),
  ts: fc.nat(300),
  timer: fc.nat(400),
});
const readings = fc.array(reading, { maxLength: 50 });

Deno.test("key clocks: a key sees the same times and fires the same, whatever other keys say", () => {
  fc.assert(fc.property(readings, (all) => {
    const together = outputOf(all);
    for (const pump of ["a", "b", "c"]) {
      const alone = outputOf(all.filter((one) => one.pump === pump));
      deepStrictEqual(together.filter((text) => text.startsWith(pump)), alone);
    }
  }));
});

Deno.test("key clocks: go on over restores as if nothing had been (A5)", () => {
  fc.assert(fc.property(readings, fc.array(fc.nat(49), { maxLength: 4 }), (all, crashes) => {
    deepStrictEqual(outputOf(all, crashes), outputOf(all));
  }));
});

Deno.test("key clocks: a timer fires before the first record more than the declared disorder behind it", () => {
  fc.assert(fc.property(readings, (all) => {
    const alone = all.map((one) => ({ ...one, pump: "a" }));
    let latest = -1;
    const pending = new Set<number>();
    const expected: string[] = [];
    for (const [index, { ts, timer }] of alone.entries()) {
      const watermark = latest === -1 ? "none" : String(latest - MAX_OUT_OF_ORDERNESS_MS - 1);
      expected.push(`a at ${ts} by ${watermark}`);
      pending.add(timer);
      latest = Math.max(latest, ts);
      const due = [...pending].sort((x, y) => x - y)
        .filter((one) => one <= latest - MAX_OUT_OF_ORDERNESS_MS - 1);
      for (const one of due) {
        pending.delete(one);
        expected.push(`a timer ${one} after ${index + 1}`);
      }
    }
    for (const one of [...pending].sort((x, y) => x - y)) {
      expected.push(`a timer ${one} after ${alone.length}`);
    }
    deepStrictEqual(outputOf(alone), expected);
    ok(expected.length >= alone.length);
  }));
});

type Step = Reading | { readonly hours: number };

const HOUR_MS = 3_600_000;

/** What a fleet with steps of waiting in between gives, by the rules of `docs/event_time.md` alone. */
function expectedOf(steps: readonly Step[]): string[] {
  const keys = new Map<
    string,
    { latest: number; count: number; seenAt: number; pending: Set<number> }
  >();
  const expected: string[] = [];
  let now = 0;
  for (const step of steps) {
    if ("hours" in step) {
      now += step.hours;
      for (const key of keys.values()) {
        if (now - key.seenAt > 24 && key.pending.size === 0) key.latest = -Infinity;
      }
      continue;
    }
    const { pump, ts, timer } = step;
    const key = keys.get(pump) ?? { latest: -Infinity, count: 0, seenAt: now, pending: new Set() };
    keys.set(pump, key);
    const before = key.latest - MAX_OUT_OF_ORDERNESS_MS - 1;
    expected.push(`${pump} at ${ts} by ${before === -Infinity ? "none" : before}`);
    key.count++;
    key.seenAt = now;
    key.latest = Math.max(key.latest, ts);
    key.pending.add(timer);
    const due = [...key.pending].filter((at) => at <= key.latest - MAX_OUT_OF_ORDERNESS_MS - 1);
    for (const at of due.sort((x, y) => x - y)) {
      key.pending.delete(at);
      expected.push(`${pump} timer ${at} after ${key.count}`);
    }
  }
  return expected;
}

Deno.test("key clocks: forget a key after a day of silence without a timer, its clock alone, and no other key", () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ pump: fc.constantFrom("a", "b", "c"), ts: fc.nat(300), timer: fc.nat(150) }),
    fc.record({ hours: fc.integer({ min: 1, max: 30 }) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const rig = new ChainRig(job);
    for (const one of steps) {
      if ("hours" in one) rig.wait(one.hours * HOUR_MS);
      else rig.push(one);
    }
    deepStrictEqual(rig.out(), expectedOf(steps));
  }));
});
