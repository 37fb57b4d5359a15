/**
 * Makes the columns a chart draws out of samples: in order, cut to the range, gaps as gaps.
 *
 * Pure.
 *
 * 1. A line never joins two samples over a span in which samples are missing.
 *
 * @module
 */

export interface Series {
  /** Epoch ms, ascending. */
  readonly at: readonly number[];
  readonly value: readonly (number | null)[];
  readonly score: readonly (number | null)[];
}

/** Missing samples are assumed from this many usual distances on. */
const GAP_DISTANCES = 3.5;
/** Samples come about once a second; less than this is jitter, never a gap. */
const GAP_MIN_MS = 4_000;

/** `series` with one more sample at the end; older or equal times are known already and left out. */
export function append(
  series: Series,
  sample: { readonly atMs: number; readonly value: number | null; readonly score: number | null },
  keepFromMs: number,
): Series {
  const last = series.at.at(-1);
  if (last !== undefined && sample.atMs <= last) return series;
  const start = firstAtOrAfter(series.at, keepFromMs);
  return {
    at: [...series.at.slice(start), sample.atMs],
    value: [...series.value.slice(start), sample.value],
    score: [...series.score.slice(start), sample.score],
  };
}

/** `series` with an empty point in the middle of each gap. */
export function withGaps(series: Series): Series {
  const limitMs = gapLimitMs(series.at);
  const at: number[] = [];
  const value: (number | null)[] = [];
  const score: (number | null)[] = [];
  for (let index = 0; index < series.at.length; index++) {
    const now = series.at[index]!;
    const before = series.at[index - 1];
    if (before !== undefined && now - before > limitMs) {
      at.push((before + now) / 2);
      value.push(null);
      score.push(null);
    }
    at.push(now);
    value.push(series.value[index] ?? null);
    score.push(series.score[index] ?? null);
  }
  return { at, value, score };
}

/** Distance above which two neighbours are not joined, ms. */
export function gapLimitMs(at: readonly number[]): number {
  const distances: number[] = [];
  for (let index = 1; index < at.length; index++) distances.push(at[index]! - at[index - 1]!);
  distances.sort((a, b) => a - b);
  const usual = distances[Math.floor(distances.length / 2)] ?? 0;
  return Math.max(GAP_MIN_MS, usual * GAP_DISTANCES);
}

function firstAtOrAfter(at: readonly number[], fromMs: number): number {
  const found = at.findIndex((atMs) => atMs >= fromMs);
  return found === -1 ? at.length : found;
}
