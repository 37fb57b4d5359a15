import { deepEqual, equal } from "node:assert/strict";
import { DataClock } from "./data_clock.ts";

Deno.test("data clock: fires timers in order, each at its own time", () => {
  const clock = new DataClock(1_000);
  const fired: string[] = [];
  const note = (name: string) => () => void fired.push(`${name} ${clock.nowMs()}`);
  clock.after(30, note("c"));
  clock.after(10, () => {
    note("a")();
    clock.after(5, note("b"));
  });
  clock.after(30, note("d"));
  const cancel = clock.after(20, note("never"));
  cancel();
  clock.advanceTo(1_029);
  deepEqual(fired, ["a 1010", "b 1015"]);
  clock.advanceTo(1_030);
  deepEqual(fired.slice(2), ["c 1030", "d 1030"]);
  equal(clock.nowMs(), 1_030);
});

Deno.test("data clock: does not go back", () => {
  const clock = new DataClock(1_000);
  clock.advanceTo(900);
  equal(clock.nowMs(), 1_000);
});
