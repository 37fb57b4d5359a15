import { deepStrictEqual, notStrictEqual, strictEqual } from "node:assert/strict";
import type { RegionId } from "@shared/ids.ts";
import { hash53, LaneCounter, mix53, Origin } from "./origin.ts";

const origin = () => new Origin("in.0" as RegionId);
const firing = { uid: "p", key: "k", timeMs: 70, nowMs: 99 } as const;

Deno.test("origin: ids name region, sink, position and number; a lane is in them behind an exchange alone", () => {
  const of = origin();
  of.setRecord(7, 50);
  strictEqual(of.outputId("out", 0), "in.0:out:7:0");
  of.setExchanged(7, 35, 40, 50);
  deepStrictEqual([of.atMs, of.nowMs, of.outputId("out", 1)], [40, 50, "in.0:out:7~35:1"]);
  of.setRecord(8, 60);
  strictEqual(of.outputId("out", 0), "in.0:out:8:0");
});

Deno.test("origin: what fires is named by its clock, time, operator and key, and has that time", () => {
  const of = origin();
  const ids = (["timer", "event", "window"] as const).map((kind) => {
    of.setFiring({ kind, ...firing });
    return of.outputId("out", 0);
  });
  deepStrictEqual(ids, ["in.0:out:t70:p:k:0", "in.0:out:e70:p:k:0", "in.0:out:w70:p:k:0"]);
  deepStrictEqual([of.atMs, of.nowMs, of.position, of.lane], [70, 99, 70, hash53("w70:p:k")]);
});

Deno.test("origin: lanes repeat with a replay and differ by record, edge, subtask and number", () => {
  const lanes = (position: number, way: { edge: number; subtaskOrdinal: number }) => {
    const of = origin();
    const counter = new LaneCounter(of, way);
    of.setRecord(position, 0);
    return [counter.next(), counter.next()];
  };
  const way = { edge: 1, subtaskOrdinal: 2 };
  deepStrictEqual(lanes(1, way), lanes(1, way));
  const all = [way, { edge: 2, subtaskOrdinal: 1 }, { edge: 1, subtaskOrdinal: 3 }]
    .flatMap((of) => lanes(1, of));
  strictEqual(new Set(all).size, all.length);
});

Deno.test("origin: a counter begins anew with each record and each firing", () => {
  const of = origin();
  const counter = new LaneCounter(of, { edge: 0, subtaskOrdinal: 0 });
  of.setRecord(1, 0);
  const first = counter.next();
  of.setRecord(2, 0);
  strictEqual(counter.next(), first);
  of.setFiring({ kind: "event", ...firing });
  const fired = counter.next();
  notStrictEqual(fired, first);
  of.setFiring({ kind: "event", ...firing });
  strictEqual(counter.next(), fired);
});

Deno.test("origin: the hashes are frozen, whole and below 2^53", () => {
  deepStrictEqual(
    [mix53(0, 0, 0), mix53(1, 0, 0), mix53(2 ** 52, 1, 2), hash53(""), hash53("w70:p:k")],
    [
      592_030_708_519_260,
      8_122_372_399_760_268,
      5_718_755_843_004_102,
      5_933_343_276_192_726,
      6_105_612_768_431_966,
    ],
  );
  const seen = new Set<number>();
  for (let a = 0; a < 30; a++) {
    for (let b = 0; b < 30; b++) {
      for (let c = 0; c < 30; c++) seen.add(mix53(a * 2 ** 40, b, c));
    }
  }
  strictEqual(seen.size, 27_000);
  strictEqual([...seen].every((lane) => Number.isSafeInteger(lane) && lane > 0), true);
});
