/**
 * Makes the columns a chart draws: what the hub answered, with what the stream brought since behind it.
 *
 * Pure.
 *
 * 1. A line never joins two samples over a span in which samples are missing: an empty point is between.
 * 2. Times ascend; what is already there is not added twice.
 *
 * @module
 */

export interface Series {
  /** Epoch ms, ascending. */
  readonly at: readonly number[];
  /** Null: a gap. */
  readonly value: readonly (number | null)[];
  readonly score: readonly (number | null)[];
  /** Range expected then. */
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
}

export interface SeriesPoint {
  readonly atMs: number;
  readonly value: number | null;
  readonly score: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** Missing samples are assumed from this many usual distances on. */
const GAP_DISTANCES = 3.5;
/** Samples come about once a second; less than this is jitter, never a gap. */
const GAP_MIN_MS = 4_000;
/** Newest distances that tell the usual one. */
const DISTANCES_MAX = 60;

/** `series` with `points` at its end, without what is older than `keepFromMs`. */
export function append(
  series: Series,
  points: readonly SeriesPoint[],
  keepFromMs: number,
): Series {
  const start = firstAtOrAfter(series.at, keepFromMs);
  const grown = {
    at: series.at.slice(start),
    value: series.value.slice(start),
    score: series.score.slice(start),
    low: series.low.slice(start),
    high: series.high.slice(start),
  };
  const limitMs = gapLimitMs(series.at);
  const push = (point: SeriesPoint) => {
    grown.at.push(point.atMs);
    grown.value.push(point.value);
    grown.score.push(point.score);
    grown.low.push(point.low);
    grown.high.push(point.high);
  };
  for (const point of points) {
    const lastMs = grown.at.at(-1);
    if (point.atMs < keepFromMs || (lastMs !== undefined && point.atMs <= lastMs)) continue;
    if (lastMs !== undefined && point.atMs - lastMs > limitMs) {
      push({ atMs: (lastMs + point.atMs) / 2, value: null, score: null, low: null, high: null });
    }
    push(point);
  }
  return grown;
}

/** Distance above which two neighbours are not joined, ms. */
export function gapLimitMs(at: readonly number[]): number {
  const distances: number[] = [];
  for (let index = Math.max(1, at.length - DISTANCES_MAX); index < at.length; index++) {
    distances.push(at[index]! - at[index - 1]!);
  }
  distances.sort((a, b) => a - b);
  const usual = distances[Math.floor(distances.length / 2)] ?? 0;
  return Math.max(GAP_MIN_MS, usual * GAP_DISTANCES);
}

/** The newest point that has a value; null when there is none. */
export function newestOf(series: Series): SeriesPoint | null {
  for (let index = series.at.length - 1; index >= 0; index--) {
    const point = pointAt(series, index);
    if (point.value !== null) return point;
  }
  return null;
}

/** The points as rows, newest first, gaps left out; at most `max`. */
export function newestRows(series: Series, max: number): SeriesPoint[] {
  const rows: SeriesPoint[] = [];
  for (let index = series.at.length - 1; index >= 0 && rows.length < max; index--) {
    const point = pointAt(series, index);
    if (point.value !== null || point.score !== null) rows.push(point);
  }
  return rows;
}

function pointAt(series: Series, index: number): SeriesPoint {
  return {
    atMs: series.at[index]!,
    value: series.value[index] ?? null,
    score: series.score[index] ?? null,
    low: series.low[index] ?? null,
    high: series.high[index] ?? null,
  };
}

function firstAtOrAfter(at: readonly number[], fromMs: number): number {
  const found = at.findIndex((atMs) => atMs >= fromMs);
  return found === -1 ? at.length : found;
}
