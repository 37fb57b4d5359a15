import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import type { ChartMarker } from "@shared/plant_api.ts";
import { heardSpans, kindsIn, merged, placedMarkers, stateSpans } from "./chart_marks.ts";

const at = (ms: number) => new Date(ms).toISOString();
const marker = (ms: number, kind: ChartMarker["kind"]): ChartMarker => ({
  at: at(ms),
  kind,
  text: kind,
  jobId: null,
  alarmId: null,
  priority: null,
  until: null,
});
const SPAN = { fromMs: 0, toMs: 10_000 };

function seriesOf(times: number[], value: (number | null)[]) {
  const nulls = times.map(() => null);
  return { series: { at: times, value, score: nulls, low: nulls, high: nulls }, resolutionMs: 0 };
}

Deno.test("chart marks: markers close together become one, its most important kind first", () => {
  const markers = [
    marker(5_000, "acknowledged"),
    marker(5_100, "alarm"),
    marker(9_000, "deploy"),
    marker(11_000, "rollback"),
  ];
  const placed = placedMarkers(markers, SPAN, 0.02);
  deepEqual(placed.map(({ share, markers }) => [share, markers.map(({ kind }) => kind)]), [
    [0.5, ["alarm", "acknowledged"]],
    [0.9, ["deploy"]],
  ]);
  deepEqual(kindsIn(markers), ["alarm", "rollback", "deploy", "acknowledged"]);
});

Deno.test("chart marks: a gap is unknown, and an alarm stands above it", () => {
  const heard = heardSpans([seriesOf([0, 1_000, 2_000, 2_500, 8_000, 9_000, 10_000], [
    1,
    1,
    1,
    null,
    1,
    1,
    1,
  ])], 0);
  deepEqual(stateSpans(SPAN, [{ fromMs: 1_500, toMs: 4_000 }], heard), [
    { fromMs: 0, toMs: 1_500, state: "normal" },
    { fromMs: 1_500, toMs: 4_000, state: "alarm" },
    { fromMs: 4_000, toMs: 8_000, state: "unknown" },
    { fromMs: 8_000, toMs: 10_000, state: "normal" },
  ]);
});

Deno.test("chart marks: equipment of which nothing was heard is unknown all the time", () => {
  deepEqual(stateSpans(SPAN, [], heardSpans([], 0)), [{ ...SPAN, state: "unknown" }]);
});

Deno.test("chart marks: a span begins as its first sample says, when that is not late", () => {
  const times = [2_000, 3_000, 4_000];
  const known = times.map(() => 1);
  equal(heardSpans([seriesOf(times, known)], 0)[0]!.fromMs, 0);
  equal(heardSpans([seriesOf(times, known)], -60_000)[0]!.fromMs, 2_000);
});

Deno.test("chart marks: one signal that speaks is enough to know the equipment", () => {
  const silent = seriesOf([0, 1_000, 2_000], [1, null, null]);
  const speaking = seriesOf([0, 1_000, 2_000], [1, 1, 1]);
  equal(heardSpans([silent, speaking], 0)[0]!.toMs >= 2_000, true);
});

Deno.test("chart marks: states cover the span without a hole, no two alike beside each other", () => {
  const spans = fc.array(
    fc.tuple(fc.integer({ min: -50, max: 150 }), fc.integer({ min: 0, max: 60 }))
      .map(([fromMs, length]) => ({ fromMs, toMs: fromMs + length })),
    { maxLength: 6 },
  );
  fc.assert(fc.property(spans, spans, (alarms, heard) => {
    const states = stateSpans({ fromMs: 0, toMs: 100 }, merged(alarms), merged(heard));
    equal(states[0]!.fromMs, 0);
    equal(states.at(-1)!.toMs, 100);
    for (let index = 1; index < states.length; index++) {
      equal(states[index]!.fromMs, states[index - 1]!.toMs);
      equal(states[index]!.state === states[index - 1]!.state, false);
    }
  }));
});
