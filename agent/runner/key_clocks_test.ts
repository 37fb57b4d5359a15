import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { StateTable } from "../state/state_table.ts";
import { EventClock } from "./event_clock.ts";
import { FORGET_AFTER_MS, KeyClocks } from "./key_clocks.ts";
import { MIN_WATERMARK_MS } from "./watermarks.ts";

const HOUR_MS = 3_600_000;

function setUp(idleAfterMs: number | null = null) {
  const table = new StateTable({ uid: "op", slotCount: 2, ttlMs: null, isMutable: false });
  const spec = { maxOutOfOrdernessMs: 9, idleAfterMs };
  return { table, clocks: clocksOf(table, spec) };
}

function clocksOf(table: StateTable, spec: ConstructorParameters<typeof KeyClocks>[1]): KeyClocks {
  return new KeyClocks(table, spec, new EventClock().operator(0));
}

Deno.test("key clocks: a key that nothing waits for is forgotten after a day of silence, and begins anew", () => {
  const { table, clocks } = setUp();
  table.put("a", 0, "kept", 0);
  clocks.observe("a", 1_000, 0);
  clocks.observe("b", 1_000, 0);
  clocks.observe("b", 1_000, 1);
  clocks.tick(FORGET_AFTER_MS);
  strictEqual(clocks.watermarkOf("a", FORGET_AFTER_MS), 990);
  clocks.tick(FORGET_AFTER_MS + 1);
  strictEqual(clocks.watermarkOf("a", FORGET_AFTER_MS + 1), MIN_WATERMARK_MS);
  strictEqual(table.find("a", 0)?.first, "kept");
  strictEqual(clocks.watermarkOf("b", FORGET_AFTER_MS + 1), 990);
  strictEqual(clocks.observe("a", 100, FORGET_AFTER_MS + 2), 90);
});

Deno.test("key clocks: a key with something that waits is not forgotten", () => {
  const { table, clocks } = setUp();
  clocks.onAdvance((key) => key === "window");
  for (const key of ["window", "event", "processing", "none"]) clocks.observe(key, 1_000, 0);
  table.addTimer("event", "event", 5_000, 0);
  table.addTimer("processing", "processing", 5_000, 0);
  clocks.tick(2 * FORGET_AFTER_MS);
  deepStrictEqual([...table.entries()].map(({ key }) => key).sort(), [
    "event",
    "processing",
    "window",
  ]);
});

Deno.test("key clocks: a key that may be idle for longer than a day is known for as long", () => {
  const idleAfterMs = 3 * FORGET_AFTER_MS;
  const { table, clocks } = setUp(idleAfterMs);
  clocks.observe("a", 1_000, 0);
  clocks.tick(idleAfterMs);
  strictEqual(table.size, 1);
  clocks.tick(idleAfterMs + HOUR_MS);
  strictEqual(table.size, 0);
});

Deno.test("key clocks: a tick looks at a thousand keys, the next ones at the others", () => {
  const { table, clocks } = setUp();
  for (let key = 0; key < 2_500; key++) clocks.observe(`k${key}`, 1_000, 0);
  const sizes = [1, 2, 3, 4].map((tick) => {
    clocks.tick(FORGET_AFTER_MS + tick);
    return table.size;
  });
  deepStrictEqual(sizes, [1_500, 500, 0, 0]);
});

Deno.test("key clocks: after a restore silence begins anew", () => {
  const { table, clocks } = setUp();
  clocks.observe("a", 1_000, 0);
  const restored = clocksOf(table, { maxOutOfOrdernessMs: 9, idleAfterMs: null });
  restored.loaded(20 * HOUR_MS);
  restored.tick(FORGET_AFTER_MS + HOUR_MS);
  strictEqual(restored.watermarkOf("a", FORGET_AFTER_MS + HOUR_MS), 990);
  restored.tick(FORGET_AFTER_MS + 21 * HOUR_MS);
  strictEqual(table.size, 0);
});
