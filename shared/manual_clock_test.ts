import { deepEqual, equal } from "node:assert/strict";
import { ManualClock } from "./manual_clock.ts";

Deno.test("manual clock: fires what is due, in order, at its own time", () => {
  const clock = new ManualClock(1000);
  const seen: [string, number][] = [];
  clock.after(20, () => seen.push(["late", clock.nowMs()]));
  clock.after(10, () => {
    seen.push(["early", clock.nowMs()]);
    clock.after(5, () => seen.push(["armed by early", clock.nowMs()]));
  });
  clock.after(10, () => seen.push(["second at 10", clock.nowMs()]));
  clock.after(12, () => seen.push(["cancelled", 0]))();
  clock.after(21, () => seen.push(["not yet due", 0]));
  clock.advance(20);
  deepEqual(seen, [["early", 1010], ["second at 10", 1010], ["armed by early", 1015], [
    "late",
    1020,
  ]]);
  equal(clock.msToNextTimer(), 1);
});

Deno.test("manual clock: a jump of the wall clock moves neither timers nor monotonic time", () => {
  const clock = new ManualClock(1000);
  clock.after(10, () => {});
  clock.jumpWallClock(-500);
  deepEqual([clock.nowMs(), clock.monotonicMs(), clock.msToNextTimer()], [500, 0, 10]);
});
