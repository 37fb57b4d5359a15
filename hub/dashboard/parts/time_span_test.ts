import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import {
  absoluteRange,
  choicesOf,
  inputText,
  instantOf,
  instantText,
  rangeText,
  RELATIVE_RANGES,
  relativeRange,
  shifted,
  SPAN_MIN_MS,
  spanOf,
  timeRangeOf,
  widened,
  type Zone,
} from "./time_span.ts";

const FROM_MS = Date.parse("2026-03-01T12:00:00Z");
const TO_MS = Date.parse("2026-03-01T13:30:00Z");

Deno.test("time range: what it writes into a URL it reads back", () => {
  const ranges = [
    ...RELATIVE_RANGES.map(({ name }) => relativeRange(name)),
    absoluteRange({ fromMs: FROM_MS, toMs: TO_MS }),
  ];
  for (const range of ranges) deepEqual(timeRangeOf(choicesOf(range), "6h"), range);
});

Deno.test("time range: a URL that names none gives the usual one", () => {
  const cases = [
    {},
    { range: "2y" },
    { from: "2026-03-01T12:00:00Z" },
    { from: "yesterday", to: "2026-03-01T12:00:00Z" },
    { from: "2026-03-01T13:00:00Z", to: "2026-03-01T12:00:00Z" },
    { from: "1800-01-01T00:00:00Z", to: "2026-03-01T12:00:00Z" },
  ];
  for (const choices of cases) deepEqual(timeRangeOf(choices, "6h"), relativeRange("6h"));
});

Deno.test("time range: instants in the URL win over a named range", () => {
  const choices = { range: "1h", from: "2026-03-01T12:00:00Z", to: "2026-03-01T13:30:00Z" };
  deepEqual(timeRangeOf(choices, "1h"), { kind: "absolute", fromMs: FROM_MS, toMs: TO_MS });
});

Deno.test("time range: a relative one ends now, an absolute one stays", () => {
  deepEqual(spanOf(relativeRange("1h"), TO_MS), { fromMs: TO_MS - 3_600_000, toMs: TO_MS });
  const absolute = absoluteRange({ fromMs: FROM_MS, toMs: TO_MS });
  deepEqual(spanOf(absolute, TO_MS + 1), { fromMs: FROM_MS, toMs: TO_MS });
});

Deno.test("time range: moved and widened spans keep their length and their middle", () => {
  const span = { fromMs: 10_000, toMs: 20_000 };
  deepEqual(shifted(span, -0.5), { kind: "absolute", fromMs: 5_000, toMs: 15_000 });
  deepEqual(widened(span, 2), { kind: "absolute", fromMs: 5_000, toMs: 25_000 });
  const point = absoluteRange({ fromMs: 10_000, toMs: 10_000 });
  deepEqual(spanOf(point, 0), { fromMs: 10_000 - SPAN_MIN_MS / 2, toMs: 10_500 });
});

Deno.test("time range: times are written in the chosen zone", () => {
  equal(instantText(FROM_MS, "utc"), "2026-03-01 12:00:00 UTC");
  equal(instantText(Number.NaN, "utc"), "–");
  const range = absoluteRange({ fromMs: FROM_MS, toMs: TO_MS });
  equal(rangeText(range, "utc"), "2026-03-01 12:00:00 – 13:30:00 UTC");
  const overnight = absoluteRange({ fromMs: FROM_MS, toMs: FROM_MS + 86_400_000 });
  equal(rangeText(overnight, "utc"), "2026-03-01 12:00:00 – 2026-03-02 12:00:00 UTC");
  equal(rangeText(relativeRange("24h"), "utc"), "Last 24 h");
});

Deno.test("time range: an input gives back what it was filled with, in both zones", () => {
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 4_000_000_000 }),
    fc.constantFrom<Zone>("local", "utc"),
    (seconds, zone) => {
      const text = inputText(seconds * 1_000, zone);
      const atMs = instantOf(text, zone)!;
      // An hour that a clock goes through twice is one text for two instants.
      return inputText(atMs, zone) === text && (zone === "local" || atMs === seconds * 1_000);
    },
  ));
});

Deno.test("time range: a day that does not exist is no instant", () => {
  equal(instantOf("2026-02-30T10:00:00", "utc"), null);
  equal(instantOf("2026-02-30T10:00:00", "local"), null);
  equal(instantOf("today", "utc"), null);
  equal(instantOf("2026-03-01T12:00", "utc"), FROM_MS);
});
