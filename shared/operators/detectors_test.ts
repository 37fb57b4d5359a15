/** What holds for every detector. */
import { deepStrictEqual, equal, ok, throws } from "node:assert/strict";
import type { Detector } from "@shared/sdk/operator.ts";
import {
  cusum,
  ewmaChart,
  halfSpaceTrees,
  healthyBaseline,
  holtWinters,
  jointZScore,
  limit,
  pageHinkley,
  pcaMonitor,
  rateOfChange,
  robustZ,
  seasonalLikelihood,
  stuckAt,
  zScore,
} from "@shared/sdk/mod.ts";
import { ByteReader, ByteWriter } from "../../agent/state/byte_stream.ts";
import { readValue, writeValue } from "../../agent/state/value_codec.ts";
import { calm, edgesOf, stateBehind } from "./detector_rig.ts";

interface Reading {
  readonly a: number | null;
  readonly b: number | null;
}

const value = ({ a }: Reading) => a;
const signals = (reading: Reading) => ({ ...reading });

// deno-lint-ignore no-explicit-any -- each detector has a state of its own
const DETECTORS: readonly Detector<Reading, any>[] = [
  zScore({ value, threshold: 4 }),
  jointZScore({ signals, warmUp: 100 }),
  robustZ({ value }),
  ewmaChart({ value }),
  cusum({ value }),
  pageHinkley({ value }),
  rateOfChange({ value, threshold: 20 }),
  stuckAt({ value, after: "1h" }),
  limit({ value, high: 60, low: 40 }),
  holtWinters({ value, season: "1m", phase: "1s", minConsecutive: 1 }),
  halfSpaceTrees({ signals: ({ a }) => ({ a }), window: 100 }),
  pcaMonitor({ signals, warmUp: 200 }),
  healthyBaseline({ signals, learnRecords: 200 }),
  seasonalLikelihood({ value }),
];

function readings(values: readonly number[]): Reading[] {
  const others = calm(values.length, 5, 0.1);
  return values.map((a, i) => ({ a, b: others[i]! }));
}

/** Calm, a step that lasts, calm. */
const STORY = readings([...calm(600), ...calm(100, 90), ...calm(300)]);
const NOTHING: readonly Reading[] = [
  { a: null, b: null },
  { a: NaN, b: NaN },
  { a: Infinity, b: -Infinity },
  { a: 1e200, b: 1e200 },
];

for (const detector of DETECTORS) {
  const { name } = detector;

  Deno.test(`${name}: a constant signal is no anomaly`, () => {
    equal(edgesOf(detector, Array.from({ length: 2_000 }, () => ({ a: 50, b: 0 }))), "");
  });

  if (name !== "stuckAt") {
    Deno.test(`${name}: tells a step once, as it begins`, () => {
      const onsets = edgesOf(detector, STORY).split(",").filter((edge) => edge.startsWith("+"))
        .map((edge) => Number(edge.slice(1)));
      ok(onsets.some((index) => index >= 600 && index < 625), onsets.join());
      equal(onsets.filter((index) => index < 600).length, 0, onsets.join());
      ok(onsets.length <= 6, onsets.join());
    });
  }

  for (const absurd of name === "stuckAt" ? [] : [3.4e38, -1e150]) {
    Deno.test(`${name}: one value of ${absurd} ends as an anomaly, and does not hide a step behind it`, () => {
      const values = calm(1_300).map((usual, i) => i < 1_200 ? usual : usual + 40);
      values[600] = absurd;
      const edges = edgesOf(detector, readings(values)).split(",");
      const onsets = edges.filter((edge) => edge.startsWith("+")).map((edge) =>
        Number(edge.slice(1))
      );
      ok(onsets.some((index) => index >= 1_200 && index < 1_230), edges.join());
    });
  }

  Deno.test(`${name}: what is not a finite number changes nothing`, () => {
    const with_ = STORY.slice(0, 800).flatMap((reading, i) =>
      i % 50 === 7 ? [reading, ...NOTHING] : [reading]
    );
    const times = new Map(STORY.map((reading, i) => [reading, i * 1_000]));
    let atMs = 0;
    let mixed = detector.initial();
    for (const reading of with_) {
      atMs = times.get(reading) ?? atMs;
      const watched = detector.value(reading);
      if (watched !== null) mixed = detector.step(mixed, watched, atMs, reading);
    }
    deepStrictEqual(mixed, stateBehind(detector, STORY.slice(0, 800)));
  });

  Deno.test(`${name}: goes on from a stored state as from its own`, () => {
    const goOn = (state: unknown) => {
      let now = state;
      return STORY.slice(620).map((reading, i) => {
        now = detector.step(now, detector.value(reading)!, (620 + i) * 1_000, reading);
        return detector.judge(now);
      });
    };
    const bytes = new ByteWriter();
    writeValue(bytes, stateBehind(detector, STORY.slice(0, 620)));
    const stored = readValue(new ByteReader(bytes.take(), "a state"));
    deepStrictEqual(goOn(stored), goOn(stateBehind(detector, STORY.slice(0, 620))));
  });

  Deno.test(`${name}: the state does not grow for ever`, () => {
    const sizeAfter = (count: number) => {
      const bytes = new ByteWriter();
      writeValue(bytes, stateBehind(detector, readings(calm(count))));
      return bytes.take().length;
    };
    ok(sizeAfter(4_000) <= sizeAfter(2_000) * 1.02 + 64);
  });

  Deno.test(`${name}: a new key begins anew`, () => {
    const before = structuredClone(detector.initial());
    stateBehind(detector, STORY);
    deepStrictEqual(detector.initial(), before);
    equal(detector.judge(detector.initial()).isAnomalous, false);
  });
}

const REFUSED: readonly (readonly [fault: RegExp, make: () => unknown])[] = [
  [/robustZ: memory/, () => robustZ({ value, memory: 1 })],
  [/robustZ: warmUp/, () => robustZ({ value, memory: 50, warmUp: 51 })],
  [/ewmaChart: smoothing/, () => ewmaChart({ value, smoothing: 0 })],
  [/cusum: slack/, () => cusum({ value, slack: -1 })],
  [/pageHinkley: tolerance/, () => pageHinkley({ value, tolerance: NaN })],
  [/rateOfChange: threshold/, () => rateOfChange({ value, threshold: 0 })],
  [/stuckAt: after/, () => stuckAt({ value, after: 0 })],
  [/limit: one of high and low/, () => limit({ value })],
  [/limit: high must be above low/, () => limit({ value, high: 10, low: 8, deadband: 1 })],
  [
    /holtWinters: the season divided/,
    () => holtWinters({ value, season: "1d", phase: "7h" }),
  ],
  [/halfSpaceTrees: depth/, () => halfSpaceTrees({ signals, depth: 20 })],
  [/pcaMonitor: explained/, () => pcaMonitor({ signals, explained: 2 })],
  [/healthyBaseline: learnRecords/, () => healthyBaseline({ signals, learnRecords: 3 })],
  [/seasonalLikelihood: threshold/, () => seasonalLikelihood({ value, threshold: 0 })],
  [/cusum: direction/, () => cusum({ value, direction: "left" as never })],
];

for (const [fault, make] of REFUSED) {
  Deno.test(`detector options: ${fault.source} is refused, with the author's line`, () => {
    throws(make, (thrown: { code?: string; message?: string; at?: string }) => {
      equal(thrown.code, "bad-detector-option");
      ok(fault.test(thrown.message!), thrown.message!);
      ok(/detectors_test\.ts:\d+$/.test(thrown.at!), String(thrown.at));
      return true;
    });
  });
}
