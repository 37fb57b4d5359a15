/**
 * Decides which span of time a view shows: what the URL says, as instants, and as text.
 *
 * Pure. In the URL: `range=1h`, or `from=` and `to=` as ISO-8601 UTC, and `tz=utc`.
 *
 * 1. `timeRangeOf(choicesOf(range))` gives the range back.
 * 2. Text that is no range is the view's usual range, never an error: links outlive versions.
 * 3. A span is never empty and never longer than `SPAN_MAX_MS`.
 *
 * @module
 */

export type RelativeName = "15m" | "1h" | "6h" | "24h" | "7d" | "30d";

export type TimeRange =
  /** Up to now, and moving on with it. */
  | { readonly kind: "relative"; readonly name: RelativeName; readonly spanMs: number }
  | { readonly kind: "absolute"; readonly fromMs: number; readonly toMs: number };

/** In which zone times are written; instants do not change with it. */
export type Zone = "local" | "utc";

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export const RELATIVE_RANGES: readonly {
  readonly name: RelativeName;
  readonly text: string;
  readonly spanMs: number;
}[] = [
  { name: "15m", text: "15 min", spanMs: 15 * MINUTE_MS },
  { name: "1h", text: "1 h", spanMs: HOUR_MS },
  { name: "6h", text: "6 h", spanMs: 6 * HOUR_MS },
  { name: "24h", text: "24 h", spanMs: DAY_MS },
  { name: "7d", text: "7 d", spanMs: 7 * DAY_MS },
  { name: "30d", text: "30 d", spanMs: 30 * DAY_MS },
];

/** Shorter spans show nothing that is not in the samples themselves. */
export const SPAN_MIN_MS = 1_000;
/** Longer than any span for which samples are kept by default. */
export const SPAN_MAX_MS = 1_000 * DAY_MS;

export function relativeRange(name: RelativeName): TimeRange {
  const known = RELATIVE_RANGES.find((range) => range.name === name)!;
  return { kind: "relative", name, spanMs: known.spanMs };
}

/** The range that the choices of a URL name; `usual` when they name none. */
export function timeRangeOf(
  choices: Readonly<Record<string, string | null | undefined>>,
  usual: RelativeName,
): TimeRange {
  const fromMs = Date.parse(choices["from"] ?? "");
  const toMs = Date.parse(choices["to"] ?? "");
  if (!Number.isNaN(fromMs) && !Number.isNaN(toMs) && isSpan(fromMs, toMs)) {
    return { kind: "absolute", fromMs, toMs };
  }
  const named = RELATIVE_RANGES.find((range) => range.name === choices["range"]);
  return relativeRange(named?.name ?? usual);
}

function isSpan(fromMs: number, toMs: number): boolean {
  const spanMs = toMs - fromMs;
  return spanMs >= SPAN_MIN_MS && spanMs <= SPAN_MAX_MS;
}

/** How `range` is written in a URL; null takes a choice away. */
export function choicesOf(
  range: TimeRange,
): { readonly range: string | null; readonly from: string | null; readonly to: string | null } {
  switch (range.kind) {
    case "relative":
      return { range: range.name, from: null, to: null };
    case "absolute":
      return {
        range: null,
        from: new Date(range.fromMs).toISOString(),
        to: new Date(range.toMs).toISOString(),
      };
  }
}

/** The instants `range` stands for when it is now `nowMs`. */
export function spanOf(range: TimeRange, nowMs: number): Span {
  switch (range.kind) {
    case "relative":
      return { fromMs: nowMs - range.spanMs, toMs: nowMs };
    case "absolute":
      return { fromMs: range.fromMs, toMs: range.toMs };
  }
}

/** `span` as the hub takes it. */
export function instantsOf({ fromMs, toMs }: Span): { readonly from: string; readonly to: string } {
  return { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
}

/** `span` in whole ms, at least `SPAN_MIN_MS` and at most `SPAN_MAX_MS` around its middle. */
export function absoluteRange(span: Span): TimeRange {
  const middleMs = (span.fromMs + span.toMs) / 2;
  const lengthMs = Math.min(SPAN_MAX_MS, Math.max(SPAN_MIN_MS, span.toMs - span.fromMs));
  const fromMs = Math.round(middleMs - lengthMs / 2);
  return { kind: "absolute", fromMs, toMs: fromMs + Math.round(lengthMs) };
}

/** `span` moved by a part of its length: -0.5 goes half of it back. */
export function shifted(span: Span, share: number): TimeRange {
  const byMs = (span.toMs - span.fromMs) * share;
  return absoluteRange({ fromMs: span.fromMs + byMs, toMs: span.toMs + byMs });
}

/** `span` around its middle, `factor` times as long. */
export function widened(span: Span, factor: number): TimeRange {
  const byMs = (span.toMs - span.fromMs) * (factor - 1) / 2;
  return absoluteRange({ fromMs: span.fromMs - byMs, toMs: span.toMs + byMs });
}

export function zoneOf(text: string | null | undefined): Zone {
  return text === "utc" ? "utc" : "local";
}

interface Fields {
  readonly day: string;
  readonly minute: string;
  readonly second: string;
}

/** `2026-03-01 14:05:09`, with ` UTC` behind it when it is no local time. */
export function instantText(atMs: number, zone: Zone): string {
  if (!Number.isFinite(atMs)) return "–";
  const { day, minute, second } = fieldsOf(atMs, zone);
  return `${day} ${minute}:${second}${zone === "utc" ? " UTC" : ""}`;
}

/** `14:05:09`. */
export function clockText(atMs: number, zone: Zone): string {
  const { minute, second } = fieldsOf(atMs, zone);
  return `${minute}:${second}`;
}

/** `Last 1 h`, or both instants; the second without its day when it is that of the first. */
export function rangeText(range: TimeRange, zone: Zone): string {
  if (range.kind === "relative") {
    return `Last ${RELATIVE_RANGES.find(({ name }) => name === range.name)!.text}`;
  }
  const from = fieldsOf(range.fromMs, zone);
  const to = fieldsOf(range.toMs, zone);
  const end = from.day === to.day ? "" : `${to.day} `;
  const suffix = zone === "utc" ? " UTC" : "";
  return `${from.day} ${from.minute}:${from.second} – ${end}${to.minute}:${to.second}${suffix}`;
}

/** What `<input type="datetime-local" step="1">` shows: `2026-03-01T14:05:09`. */
export function inputText(atMs: number, zone: Zone): string {
  const { day, minute, second } = fieldsOf(atMs, zone);
  return `${day}T${minute}:${second}`;
}

/** The instant that such an input names in `zone`; null when it names none. */
export function instantOf(text: string, zone: Zone): number | null {
  const parts = /^(\d{4,6})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?$/.exec(
    text.trim(),
  );
  if (parts === null) return null;
  const [year, month, day, hour, minute, second] = parts.slice(1).map((part) => Number(part ?? 0));
  const written = [year!, month! - 1, day!, hour!, minute!, second ?? 0] as const;
  const atMs = zone === "utc" ? Date.UTC(...written) : new Date(...written).getTime();
  if (Number.isNaN(atMs)) return null;
  // The 31st of a month of 30 days would be taken for the 1st of the next one.
  return new Date(atMs)[zone === "utc" ? "getUTCDate" : "getDate"]() === day ? atMs : null;
}

function fieldsOf(atMs: number, zone: Zone): Fields {
  const at = new Date(atMs);
  const two = (value: number) => value.toString().padStart(2, "0");
  const [year, month, day, hour, minute, second] = zone === "utc"
    ? [
      at.getUTCFullYear(),
      at.getUTCMonth(),
      at.getUTCDate(),
      at.getUTCHours(),
      at.getUTCMinutes(),
      at.getUTCSeconds(),
    ]
    : [
      at.getFullYear(),
      at.getMonth(),
      at.getDate(),
      at.getHours(),
      at.getMinutes(),
      at.getSeconds(),
    ];
  return {
    day: `${year.toString().padStart(4, "0")}-${two(month + 1)}-${two(day)}`,
    minute: `${two(hour)}:${two(minute)}`,
    second: two(second),
  };
}
