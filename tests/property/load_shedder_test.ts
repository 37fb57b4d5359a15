import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { RegionEvent } from "@shared/messages.ts";
import { LoadShedder, WAITING_MAX } from "../../agent/runner/load_shedder.ts";

type Step =
  | { kind: "records"; count: number }
  | { kind: "full" | "room" | "barrier" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("records" as const), count: fc.integer({ min: 1, max: 900 }) }),
  fc.constantFrom<Step>({ kind: "full" }, { kind: "room" }, { kind: "barrier" }),
);

for (const policy of ["sample", "dropOldest"] as const) {
  Deno.test(`overload ${policy}: every record runs once, in order, or is counted as shed; none waits behind a barrier (A4, A7)`, () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let isFull = false;
      const ran: number[] = [];
      const shedder = new LoadShedder(policy, {
        uid: "in",
        isFull: () => isFull,
        run: (_value, position) => ran.push(position),
        event: () => {},
      });
      let position = 0;
      for (const one of steps) {
        if (one.kind === "records") {
          for (let i = 0; i < one.count; i++) {
            position++;
            if (shedder.isShedding) shedder.take("record", position, 0);
            else ran.push(position);
          }
        }
        if (one.kind === "full") isFull = true;
        if (one.kind === "room") {
          isFull = false;
          shedder.release();
        }
        if (one.kind === "barrier") {
          shedder.flush();
          strictEqual(ran.length + shedder.shedRecords, position);
        }
        ok(position - ran.length - shedder.shedRecords <= WAITING_MAX);
      }
      shedder.flush();
      strictEqual(ran.length + shedder.shedRecords, position);
      deepStrictEqual(ran, [...new Set(ran)].sort((a, b) => a - b));
    }));
  });
}

function full(policy: "sample" | "dropOldest") {
  const ran: number[] = [];
  const events: RegionEvent[] = [];
  const shedder = new LoadShedder(policy, {
    uid: "in",
    isFull: () => true,
    run: (_value, position) => ran.push(position),
    event: (event) => events.push(event),
  });
  return { shedder, ran, events };
}

Deno.test("overload dropOldest: the newest records are kept", () => {
  const { shedder, ran } = full("dropOldest");
  for (let position = 1; position <= WAITING_MAX + 500; position++) shedder.take("r", position, 0);
  deepStrictEqual([ran.length, shedder.shedRecords], [0, 500]);
  shedder.flush();
  deepStrictEqual([ran[0], ran.at(-1)], [501, WAITING_MAX + 500]);
});

Deno.test("overload sample: one in ten runs at first, and ever fewer while there is no room", () => {
  const { shedder, ran } = full("sample");
  for (let position = 1; position <= 1_000; position++) shedder.take("r", position, 0);
  ok(ran.length >= 99 && ran.length <= 100);
  for (let position = 1_001; position <= 1_000_000; position++) shedder.take("r", position, 0);
  ok(ran.length < 250, String(ran.length));
  strictEqual(ran.length + shedder.shedRecords, 1_000_000);
});

Deno.test("overload: what was shed is told with its numbers, at most once a minute", () => {
  const { shedder, events } = full("sample");
  shedder.tick(0);
  for (let position = 1; position <= 20; position++) shedder.take("r", position, 0);
  for (let second = 1; second <= 60; second++) shedder.tick(second * 1_000);
  deepStrictEqual(events.map(({ type, fields }) => [type, fields]), [
    ["records-shed", { uid: "in", policy: "sample", shed: 18, total: 18 }],
  ]);
  shedder.take("r", 21, 0);
  shedder.tick(61_000);
  strictEqual(events.length, 2);
});
