import { deepEqual, equal, match } from "node:assert/strict";
import type { RegionEvent } from "@shared/messages.ts";
import { testGraph } from "../tests/support/hub_app.ts";
import { guaranteeOf, type SplitMeasure } from "./guarantee.ts";

const TIMES = {
  checkpointIntervalMs: 5_000,
  leaseTtlMs: 6_000,
  restartBackoffMs: { first: 1_000 },
  checkpointP99Ms: 300,
};
const GRAPH = testGraph("pump-watch");
const [SOURCE, COUNT, SINK] = [GRAPH.operators[0]!, GRAPH.operators[1]!, GRAPH.operators[2]!];

Deno.test("guarantee: is the minimum of what was asked and what each broker gives (M7)", () => {
  const lost = 'Broker "plant" lost a session';
  const rows: [RegionEvent["fields"][], string, string[]][] = [
    [[{ guarantee: "exactly-once", reason: "" }], "exactly-once", []],
    [
      [{ guarantee: "exactly-once", reason: "" }, { guarantee: "at-most-once", reason: lost }],
      "at-most-once",
      [lost],
    ],
    [
      [{ guarantee: "at-least-once", reason: "a" }, { guarantee: "at-most-once", reason: lost }],
      "at-most-once",
      ["a", lost],
    ],
    [
      [{ guarantee: "exactly-once", reason: "p" }, { guarantee: "exactly-once", reason: "p" }],
      "exactly-once",
      ["p"],
    ],
  ];
  for (const [fields, given, reasons] of rows) {
    const regions = fields.map((profile, split) => measure(split, profile));
    deepEqual(guaranteeOf(GRAPH, regions, TIMES), { asked: "exactly-once", given, reasons });
  }
});

Deno.test("guarantee: a direct sink asks for at-least-once and keeps a weaker broker's word (K1, M7)", () => {
  const direct = { ...SINK.sink!, delivery: "direct" } as NonNullable<typeof SINK.sink>;
  const graph = { ...GRAPH, operators: [SOURCE, COUNT, { ...SINK, sink: direct }] };
  const of = (guarantee: string) =>
    guaranteeOf(graph, [measure(0, { guarantee, reason: "" })], TIMES);
  deepEqual([of("exactly-once").asked, of("exactly-once").given], [
    "at-least-once",
    "at-least-once",
  ]);
  equal(of("at-most-once").given, "at-most-once");
  match(of("exactly-once").reasons[0]!, /"counts" writes directly: .*same ids/);
});

Deno.test("guarantee: a source that sheds records asks for at-most-once, and says so (A7)", () => {
  const source = { ...SOURCE.source!, overload: "sample" } as NonNullable<typeof SOURCE.source>;
  const graph = { ...GRAPH, operators: [{ ...SOURCE, source }, COUNT, SINK] };
  const profile = { guarantee: "exactly-once", reason: "" };
  const { asked, given, reasons } = guaranteeOf(graph, [measure(0, profile)], TIMES);
  deepEqual([asked, given], ["at-most-once", "at-most-once"]);
  match(reasons[0]!, /sheds records when they come faster than they are processed \(sample\)/);
});

Deno.test("guarantee: a broker not measured yet is said so, once (M7)", () => {
  const regions = [0, 1].map((split) => ({ ...measure(split, {}), profile: null }));
  const { given, reasons } = guaranteeOf(GRAPH, regions, TIMES);
  equal(given, "exactly-once");
  deepEqual(reasons.length, 1);
  match(reasons[0]!, /"plant" is not measured yet/);
});

Deno.test("guarantee: a window too small for the measured rate is told with its numbers (M8)", () => {
  const of = (windowGiven: number, rates: readonly number[]) => {
    const fields = { guarantee: "exactly-once", reason: "", broker: "plant", windowGiven };
    const regions = rates.map((rate, split) => measure(split, fields, rate));
    return guaranteeOf(GRAPH, regions, TIMES).reasons;
  };
  const [reason, ...rest] = of(20, [10, 100]);
  deepEqual(rest, []);
  match(
    reason!,
    /"plant" gives source "telemetry" a window of 20 messages: at 100 messages\/s and a checkpoint every 5 s it fills in 0\.2 s/,
  );
  match(reason!, /\(12 s, .*has to be 1845/);
  deepEqual(of(1845, [100]), []);
  equal(of(1844, [100]).length, 1);
  deepEqual(of(20, [0]), []);
});

function measure(
  split: number,
  fields: RegionEvent["fields"],
  ratePerSecond: number | null = null,
): SplitMeasure {
  const profile = { type: "broker-profile", detail: "", fields } as const;
  return { split: `telemetry.${split}`, profile, ratePerSecond };
}
