import { deepStrictEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { EventClock } from "../../agent/runner/event_clock.ts";
import { EventTimers } from "../../agent/runner/event_timers.ts";
import { ReminderQueue } from "../../agent/runner/reminder_queue.ts";
import { StateTable } from "../../agent/state/state_table.ts";

interface Fired {
  readonly timeMs: number;
  readonly key: string;
  readonly watermarkMs: number;
}

/** Event-time timers of one operator, with what they fired. */
class Rig {
  readonly clock = new EventClock();
  readonly table = new StateTable({ uid: "p", slotCount: 1, ttlMs: null, isMutable: false });
  readonly fired: Fired[] = [];
  readonly timers: EventTimers;

  constructor() {
    const clock = this.clock.operator(0);
    this.timers = new EventTimers(this.table, { clock, keyClocks: null }, (timeMs, key) => {
      this.fired.push({ timeMs, key, watermarkMs: clock.watermarkMs });
    });
  }

  /** As after a crash: the same timers and time, in new objects. */
  restored(): Rig {
    const rig = new Rig();
    for (const entry of this.table.entries()) rig.table.rollBack(entry.key, entry);
    rig.clock.restore(this.clock.capture());
    rig.fired.push(...this.fired);
    rig.timers.load(0);
    return rig;
  }
}

type Step =
  | { kind: "add" | "remove"; key: string; timeMs: number }
  | { kind: "advance"; byMs: number }
  | { kind: "restore" };
const key = fc.constantFrom("a", "b", "c", "d");
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: timerStep("add") },
  { weight: 2, arbitrary: timerStep("remove") },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("advance" as const), byMs: fc.nat(15) }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "restore" }) },
);

function timerStep(kind: "add" | "remove") {
  return fc.record({ kind: fc.constant(kind), key, timeMs: fc.nat(60) });
}

function byTimeThenKey(a: { timeMs: number; key: string }, b: { timeMs: number; key: string }) {
  return a.timeMs - b.timeMs || (a.key < b.key ? -1 : 1);
}

Deno.test("event timers: each fires once, when the watermark has reached it, by time and key, over restores too (S4)", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    let rig = new Rig();
    let nowMs = 0;
    let isMoved = false;
    const set = new Map<string, { timeMs: number; key: string }>();
    for (const one of steps) {
      const before = rig.fired.length;
      if (one.kind === "add") {
        rig.timers.add(one.key, one.timeMs, 0);
        set.set(`${one.timeMs} ${one.key}`, one);
      }
      if (one.kind === "remove") {
        rig.timers.remove(one.key, one.timeMs);
        set.delete(`${one.timeMs} ${one.key}`);
      }
      if (one.kind === "restore") rig = rig.restored();
      if (one.kind === "advance") rig.clock.advance(nowMs += one.byMs);
      // The first advance moves on from the beginning of time, however little it is.
      const moves: boolean = one.kind === "advance" && (one.byMs > 0 || !isMoved);
      isMoved ||= moves;
      const due: { timeMs: number; key: string }[] = moves
        ? [...set.values()].filter(({ timeMs }) => timeMs <= nowMs).sort(byTimeThenKey)
        : [];
      for (const { timeMs, key } of due) set.delete(`${timeMs} ${key}`);
      const fired = rig.fired.slice(before);
      ok(fired.every(({ watermarkMs }) => watermarkMs === nowMs));
      deepStrictEqual(
        fired.map(({ timeMs, key }) => [timeMs, key]),
        due.map(({ timeMs, key }) => [timeMs, key]),
      );
    }
  }));
});

Deno.test("event timers: one that each record moves on costs the same with many keys, and leaves nothing behind", () => {
  const KEYS = 20_000;
  const rig = new Rig();
  for (let n = 0; n < KEYS; n++) rig.timers.add(`key-${n}`, n + KEYS, 0);
  for (let n = 0; n < 10 * KEYS; n++) {
    rig.timers.remove(`key-${n % KEYS}`, n + KEYS);
    rig.timers.add(`key-${n % KEYS}`, n + 2 * KEYS, 0);
    rig.clock.advance(n);
  }
  deepStrictEqual(rig.fired, []);
  rig.clock.advance(100 * KEYS);
  deepStrictEqual(rig.fired.length, KEYS);
  deepStrictEqual(rig.table.size, 0);
});

Deno.test("event clock: operators are called in chain order, and see the time of before until their turn", () => {
  const calls = fc.array(fc.nat(20), { minLength: 1, maxLength: 4 });
  fc.assert(fc.property(calls, fc.nat(20), (wakeTimes, toMs) => {
    const clock = new EventClock();
    const seen: number[][] = [];
    const operators = wakeTimes.map((_, index) => clock.operator(index));
    for (const [index, operator] of operators.entries()) {
      operator.onAdvance(() => seen.push([index, ...operators.map((one) => one.watermarkMs)]));
      operator.wakeAt(wakeTimes[index]!);
    }
    clock.advance(-1);
    clock.advance(toMs);
    const due = wakeTimes.flatMap((atMs, index) => atMs <= toMs ? [index] : []);
    deepStrictEqual(
      seen,
      due.map((turn) => [turn, ...operators.map((_, index) => index <= turn ? toMs : -1)]),
    );
    ok(operators.every((operator) => operator.watermarkMs === toMs));
  }));
});

Deno.test("reminders: come out by time, then operator, then key", () => {
  const reminder = fc.record({ timeMs: fc.nat(5), operator: fc.nat(2), key });
  fc.assert(fc.property(fc.array(reminder, { maxLength: 100 }), (reminders) => {
    const queue = new ReminderQueue();
    for (const one of reminders) queue.push(one);
    const out: string[] = [];
    for (let first = queue.first; first !== undefined; first = queue.first) {
      out.push(`${first.timeMs} ${first.operator} ${first.key}`);
      queue.pop();
    }
    deepStrictEqual(
      out,
      reminders.map((one) => `${one.timeMs} ${one.operator} ${one.key}`).sort(),
    );
  }));
});
