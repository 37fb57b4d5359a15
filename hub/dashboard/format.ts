/**
 * Turns figures into the short texts the dashboard shows: ages, durations, bytes, rates, times.
 *
 * Pure. A value that is not known is always written as `NONE`, never as zero.
 *
 * @module
 */

/** Stands for "not known" wherever a figure would stand. */
export const NONE = "–";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `840 ms`, `3.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`. */
export function durationText(durationMs: number | null): string {
  if (durationMs === null || !Number.isFinite(durationMs)) return NONE;
  const ms = Math.max(0, durationMs);
  if (ms < SECOND_MS) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND_MS) return `${(ms / SECOND_MS).toFixed(1)} s`;
  if (ms < MINUTE_MS) return `${Math.round(ms / SECOND_MS)} s`;
  if (ms < HOUR_MS) return pair(ms, MINUTE_MS, "min", SECOND_MS, "s");
  if (ms < DAY_MS) return pair(ms, HOUR_MS, "h", MINUTE_MS, "min");
  return pair(ms, DAY_MS, "d", HOUR_MS, "h");
}

function pair(ms: number, big: number, bigUnit: string, small: number, smallUnit: string): string {
  const bigCount = Math.floor(ms / big);
  const smallCount = Math.floor((ms % big) / small);
  return smallCount === 0
    ? `${bigCount} ${bigUnit}`
    : `${bigCount} ${bigUnit} ${smallCount} ${smallUnit}`;
}

/**
 * Age of an ISO time: `3 s ago`, from a minute on in whole minutes, so that a page at rest stands still;
 * `NONE` when there is no time.
 */
export function ageText(at: string | null, nowMs: number): string {
  const ageMs = ageOf(at, nowMs);
  if (ageMs === null) return NONE;
  if (ageMs < SECOND_MS) return "now";
  if (ageMs < MINUTE_MS) return `${Math.floor(ageMs / SECOND_MS)} s ago`;
  return `${durationText(ageMs - ageMs % MINUTE_MS)} ago`;
}

/** Milliseconds since an ISO time, never negative; null when there is no valid time. */
export function ageOf(at: string | null, nowMs: number): number | null {
  if (at === null) return null;
  const atMs = Date.parse(at);
  return Number.isNaN(atMs) ? null : Math.max(0, nowMs - atMs);
}

/** Binary units: `512 B`, `4.2 KiB`, `310 MiB`. */
export function bytesText(sizeBytes: number | null): string {
  if (sizeBytes === null) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = sizeBytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** Thousands separated by a narrow no-break space, so that figures stay readable in every locale. */
export function countText(count: number | null): string {
  if (count === null) return NONE;
  return Math.round(count).toString().replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

/** `0/s`, `4.2/s`, `1 250/s`. */
export function rateText(perSecond: number | null): string {
  if (perSecond === null) return NONE;
  return perSecond > 0 && perSecond < 10
    ? `${perSecond.toFixed(1)}/s`
    : `${countText(perSecond)}/s`;
}

/** At most four significant digits; for measured values whose scale is unknown. */
export function valueText(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return NONE;
  if (value !== 0 && (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-3)) {
    return value.toExponential(2);
  }
  return Number(value.toPrecision(4)).toString();
}

/** Whole per cent of a share 0..1. */
export function percentText(share: number | null): string {
  return share === null ? NONE : `${Math.round(share * 100)} %`;
}

/** Local date and time to the second, `2026-03-01 14:05:09`; the zone is that of the browser. */
export function timeText(at: string | null): string {
  if (at === null) return NONE;
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return NONE;
  const two = (value: number) => value.toString().padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** `1 gap`, `3 gaps`. */
export function plural(count: number, singular: string, many = `${singular}s`): string {
  return `${countText(count)} ${count === 1 ? singular : many}`;
}

/** First characters of a digest or a long id, enough to tell two apart. */
export function shortId(id: string): string {
  return id.length > 14 ? `${id.slice(0, 12)}…` : id;
}
