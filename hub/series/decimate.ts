/**
 * Cuts what is stored of a signal down to what a chart can draw, and says where nothing was heard.
 *
 * Pure.
 *
 * Invariants:
 *  1. The lowest and the highest value, and the score furthest from 0, of what came in come out.
 *  2. At most `pointsMax` points come out, in ascending time, gaps included.
 *  3. A gap is a null between two points that are clearly further apart than the signal's own rhythm.
 *
 * @module
 */
import { isWorse } from "../db/signal_points.ts";

/** A sample (`spanMs` 0), or a roll-up of the span that begins at `atMs`. */
export interface Stretch {
  readonly atMs: number;
  readonly spanMs: number;
  readonly lowest: number | null;
  readonly highest: number | null;
  readonly score: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** Columns of a chart. */
export interface Curve {
  readonly at: number[];
  readonly value: (number | null)[];
  readonly score: (number | null)[];
  readonly low: (number | null)[];
  readonly high: (number | null)[];
}

/** Distances between points, in medians of them, that are still the signal's rhythm. */
const RHYTHMS_MAX = 4;
/** A sample later than this after another is not missed sooner. */
const GAP_MIN_MS = 5_000;
/** Lowest, highest, oddest. A bucket before a gap has two more, and an empty one behind it. */
export const POINTS_PER_BUCKET = 3;
/** Buckets that a gap is wider than, so that one of them is empty. */
const GAP_BUCKETS = 2;
/** Scores and bounds are kept in 24 bits: more digits would be noise. */
const DIGITS = 7;

/** @param stretches Ascending in time. */
export function decimate(
  stretches: readonly Stretch[],
  span: { readonly fromMs: number; readonly toMs: number },
  pointsMax: number,
): Curve {
  const gapMs = gapOf(stretches);
  const points = stretches.reduce((sum, one) => sum + (isFlat(one) ? 1 : 2), 0);
  const gaps = countGaps(stretches, gapMs);
  if (points + gaps <= pointsMax) return draw(stretches, gapMs);
  // One is spared for a roll-up that begins before the span.
  const buckets = Math.max(1, Math.floor(pointsMax / POINTS_PER_BUCKET) - 1);
  const bucketMs = Math.max(1, (span.toMs - span.fromMs) / buckets);
  const wideMs = Math.max(gapMs, bucketMs * GAP_BUCKETS);
  return draw(bucketed(stretches, { fromMs: span.fromMs, bucketMs, gapMs: wideMs }), wideMs);
}

/** From what distance on two points are not of one line. */
export function gapOf(stretches: readonly Stretch[]): number {
  const distances: number[] = [];
  for (let i = 1; i < stretches.length; i++) {
    distances.push(stretches[i]!.atMs - stretches[i - 1]!.atMs);
  }
  distances.sort((a, b) => a - b);
  const median = distances[Math.floor((distances.length - 1) / 2)] ?? 0;
  const spanMs = stretches.reduce((most, one) => Math.max(most, one.spanMs), 0);
  return Math.max(RHYTHMS_MAX * median, spanMs * 2.5, GAP_MIN_MS);
}

function countGaps(stretches: readonly Stretch[], gapMs: number): number {
  let count = 0;
  for (let i = 1; i < stretches.length; i++) {
    if (stretches[i]!.atMs - stretches[i - 1]!.atMs > gapMs) count++;
  }
  return count;
}

interface Buckets {
  readonly fromMs: number;
  readonly bucketMs: number;
  readonly gapMs: number;
}

/** Of each bucket its lowest, its highest and its oddest, and the last before a gap. */
function bucketed(stretches: readonly Stretch[], buckets: Buckets): Stretch[] {
  const kept: Stretch[] = [];
  let first = 0;
  while (first < stretches.length) {
    const end = endOfBucket(stretches, first, buckets);
    const next = stretches[end];
    const isBeforeGap = next !== undefined &&
      next.atMs - stretches[end - 1]!.atMs > buckets.gapMs;
    kept.push(...extremesOf(stretches.slice(first, end), isBeforeGap));
    first = end;
  }
  return kept;
}

function endOfBucket(
  stretches: readonly Stretch[],
  first: number,
  { fromMs, bucketMs, gapMs }: Buckets,
): number {
  const bucketOf = (i: number) => Math.floor((stretches[i]!.atMs - fromMs) / bucketMs);
  const bucket = bucketOf(first);
  let end = first + 1;
  while (
    end < stretches.length && bucketOf(end) === bucket &&
    stretches[end]!.atMs - stretches[end - 1]!.atMs <= gapMs
  ) end++;
  return end;
}

/** Samples stay samples; as soon as there is a roll-up among them, all become one. */
function extremesOf(bucket: readonly Stretch[], isLastKept: boolean): Stretch[] {
  let lowest = 0;
  let highest = 0;
  let oddest = 0;
  bucket.forEach((one, i) => {
    if ((one.lowest ?? Infinity) < (bucket[lowest]!.lowest ?? Infinity)) lowest = i;
    if ((one.highest ?? -Infinity) > (bucket[highest]!.highest ?? -Infinity)) highest = i;
    if (isWorse(one.score ?? NaN, bucket[oddest]!.score ?? NaN)) oddest = i;
  });
  const last = bucket.at(-1)!;
  if (bucket.every(isSample)) {
    const chosen = [lowest, highest, oddest, ...isLastKept ? [bucket.length - 1] : []];
    return [...new Set(chosen)].sort((a, b) => a - b).map((i) => bucket[i]!);
  }
  const { atMs } = bucket[0]!;
  return [{
    atMs,
    spanMs: last.atMs + last.spanMs - atMs,
    lowest: bucket[lowest]!.lowest,
    highest: bucket[highest]!.highest,
    score: bucket[oddest]!.score,
    low: last.low,
    high: last.high,
  }];
}

function draw(stretches: readonly Stretch[], gapMs: number): Curve {
  const curve: Curve = { at: [], value: [], score: [], low: [], high: [] };
  const put = (atMs: number, value: number | null, one: Stretch | null) => {
    curve.at.push(Math.round(atMs));
    curve.value.push(value);
    curve.score.push(rounded(one?.score ?? null));
    curve.low.push(rounded(one?.low ?? null));
    curve.high.push(rounded(one?.high ?? null));
  };
  let before: Stretch | null = null;
  for (const one of stretches) {
    const endMs = before === null ? one.atMs : before.atMs + before.spanMs;
    if (before !== null && one.atMs - before.atMs > gapMs) {
      put(Math.max(endMs, before.atMs + 1), null, null);
    }
    if (isFlat(one)) put(one.atMs, one.highest, one);
    else drawSpan(one, before, put);
    before = one;
  }
  return curve;
}

/** A roll-up is drawn as the two ends of its range, the nearer one to what was before first. */
function drawSpan(
  one: Stretch,
  before: Stretch | null,
  put: (atMs: number, value: number | null, one: Stretch) => void,
): void {
  const { atMs, spanMs, lowest, highest } = one;
  const last = before?.highest ?? highest!;
  const isRising = Math.abs(last - lowest!) <= Math.abs(last - highest!);
  put(atMs, isRising ? lowest : highest, one);
  put(atMs + spanMs / 2, isRising ? highest : lowest, one);
}

function isSample({ spanMs }: Stretch): boolean {
  return spanMs === 0;
}

/** One point shows all of it. */
function isFlat({ lowest, highest, spanMs }: Stretch): boolean {
  return spanMs === 0 || lowest === highest;
}

function rounded(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(DIGITS));
}
