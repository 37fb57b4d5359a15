import { equal } from "node:assert/strict";
import {
  ageText,
  bytesText,
  countText,
  durationText,
  NONE,
  plural,
  rateText,
  valueText,
} from "./format.ts";

const NOW_MS = Date.parse("2026-03-01T12:00:00Z");

Deno.test("format: a duration is written in its two largest units", () => {
  const cases: [number | null, string][] = [
    [null, NONE],
    [0, "0 ms"],
    [839.6, "840 ms"],
    [3_210, "3.2 s"],
    [59_000, "59 s"],
    [250_000, "4 min 10 s"],
    [3_600_000, "1 h"],
    [7_500_000, "2 h 5 min"],
    [273_600_000, "3 d 4 h"],
  ];
  for (const [ms, text] of cases) equal(durationText(ms), text);
});

Deno.test("format: an age from a clock that runs ahead is shown as now, not as negative", () => {
  equal(ageText("2026-03-01T12:00:05Z", NOW_MS), "now");
  equal(ageText("2026-03-01T11:59:58Z", NOW_MS), "2 s ago");
  equal(ageText("2026-03-01T11:19:38Z", NOW_MS), "40 min ago");
  equal(ageText("2026-03-01T09:58:58Z", NOW_MS), "2 h 1 min ago");
  equal(ageText(null, NOW_MS), NONE);
  equal(ageText("yesterday", NOW_MS), NONE);
});

Deno.test("format: an unknown figure is never written as zero", () => {
  equal(bytesText(null), NONE);
  equal(countText(null), NONE);
  equal(rateText(null), NONE);
  equal(valueText(null), NONE);
  equal(valueText(Number.NaN), NONE);
});

Deno.test("format: figures keep the digits that matter", () => {
  equal(bytesText(4_300), "4.2 KiB");
  equal(bytesText(325_058_560), "310 MiB");
  equal(countText(1_234_567), "1\u202f234\u202f567");
  equal(rateText(4.24), "4.2/s");
  equal(valueText(71.23456), "71.23");
  equal(valueText(0.0000123), "1.23e-5");
  equal(plural(1, "gap"), "1 gap");
  equal(plural(0, "entry", "entries"), "0 entries");
});
