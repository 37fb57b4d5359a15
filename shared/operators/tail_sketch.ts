/**
 * How rare a size is against all sizes seen before, in bounded memory.
 *
 * Changes the sketch it is given in place. Sizes are counted in logarithmic bins, each `BIN_RATIO` times as
 * wide as the one below, as in C. Masson, J. E. Rim and H. K. Lee, "DDSketch: a fast and fully-mergeable
 * quantile sketch with relative-error guarantees", PVLDB 12(12), 2019. The bins reach from the largest size
 * seen downwards; what is smaller than the last one counts as nothing.
 *
 * Up to the `TAIL_QUANTILE` quantile the probability of a size is its rank. Beyond it the excess is taken to be
 * exponential with the mean excess seen, which also tells apart what was never seen: the peaks-over-threshold
 * method after A. Siffer, P.-A. Fouque, A. Termier and C. Largouët, "Anomaly detection in streams with extreme
 * value theory", KDD 2017, with shape 0.
 *
 * @module
 */

const BIN_COUNT = 512;
const BIN_RATIO = 1.05;
const LOG_RATIO = Math.log(BIN_RATIO);
/** Smaller sizes are zero: noise of the arithmetic. */
const SIZE_MIN = 1e-12;
/** Part of the sizes whose probability is their rank; fewer than `TAIL_COUNT_MIN` beyond it are none. */
const TAIL_QUANTILE = 0.98;
const TAIL_COUNT_MIN = 3;
/** Sizes after which all counts are halved, so that old ones fade. */
const MEMORY_COUNT = 6_000;
/** Smallest mean excess, as a part of the largest size of late: a signal that hardly varies has none. */
const RELATIVE_EXCESS_MIN = 0.01;
/** What `largest` keeps with each size. */
const LARGEST_DECAY = 0.9999;
/** Largest surprise of the excess, decades. */
const EXCESS_MAX = 50;

export interface TailSketch {
  /** Counts; bin 0 holds the largest sizes. */
  readonly bins: Float64Array;
  /** Bin 0 holds sizes from `BIN_RATIO ** top`; null before the first size above zero. */
  top: number | null;
  /** All sizes, with those below the bins. */
  count: number;
  /** Largest size, fading. */
  largest: number;
}

export function createTailSketch(): TailSketch {
  return { bins: new Float64Array(BIN_COUNT), top: null, count: 0, largest: 0 };
}

/** Counts a size. @param size At least 0. */
export function addSize(sketch: TailSketch, size: number): void {
  if (size > SIZE_MIN) {
    const index = indexOf(size);
    if (sketch.top === null) sketch.top = index;
    if (index > sketch.top) raise(sketch, index);
    const bin = sketch.top - index;
    if (bin < BIN_COUNT) sketch.bins[bin]!++;
  }
  sketch.largest = Math.max(sketch.largest * LARGEST_DECAY, size);
  if (++sketch.count <= MEMORY_COUNT) return;
  sketch.count /= 2;
  for (let bin = 0; bin < BIN_COUNT; bin++) sketch.bins[bin]! /= 2;
}

/**
 * Decades of the probability that a size is at least this large: 2 for one in a hundred.
 *
 * @returns 0 while nothing was counted.
 */
export function surpriseOf(sketch: TailSketch, size: number): number {
  if (sketch.count === 0) return 0;
  const tail = tailOf(sketch);
  return Math.max(
    0,
    size > tail.from ? excessSurprise(sketch, size, tail) : rankSurprise(sketch, size),
  );
}

interface Tail {
  /** Size where it begins. */
  readonly from: number;
  /** Bins in it. */
  readonly bins: number;
  /** Sizes in it. */
  readonly count: number;
}

function tailOf(sketch: TailSketch): Tail {
  const { bins, top } = sketch;
  if (top === null) return { from: 0, bins: 0, count: 0 };
  const wanted = Math.max(TAIL_COUNT_MIN, (1 - TAIL_QUANTILE) * sketch.count);
  let count = 0;
  let bin = 0;
  while (bin < BIN_COUNT && count + bins[bin]! < wanted) count += bins[bin++]!;
  return { from: bin < BIN_COUNT ? floorOf(top - bin + 1) : 0, bins: bin, count };
}

function excessSurprise(sketch: TailSketch, size: number, tail: Tail): number {
  let excess = 0;
  for (let bin = 0; bin < tail.bins; bin++) {
    const count = sketch.bins[bin]!;
    if (count > 0) excess += count * (floorOf(sketch.top! - bin + 0.5) - tail.from);
  }
  const mean = Math.max(
    tail.count > 0 ? excess / tail.count : 0,
    RELATIVE_EXCESS_MIN * sketch.largest,
    1e-9,
  );
  const decades = (size - tail.from) / mean * Math.LOG10E;
  return Math.min(EXCESS_MAX, decades) - Math.log10(Math.max(tail.count, 0.5) / sketch.count);
}

function rankSurprise({ bins, top, count }: TailSketch, size: number): number {
  let above = 0;
  const own = top === null || size <= SIZE_MIN ? BIN_COUNT : top - indexOf(size);
  for (let bin = 0; bin < Math.min(own, BIN_COUNT); bin++) above += bins[bin]!;
  const equal = own < BIN_COUNT ? bins[own]! : count - above;
  return -Math.log10((above + equal / 2 + 0.5) / (count + 1));
}

function indexOf(size: number): number {
  return Math.floor(Math.log(size) / LOG_RATIO);
}

/** Smallest size with this index. */
function floorOf(index: number): number {
  return Math.exp(index * LOG_RATIO);
}

/** Lets the bins begin at a larger size. */
function raise(sketch: TailSketch, index: number): void {
  const shift = Math.min(index - sketch.top!, BIN_COUNT);
  sketch.bins.copyWithin(shift, 0);
  sketch.bins.fill(0, 0, shift);
  sketch.top = index;
}
