/**
 * Clusters a short window of numbers and says how probable its last transitions between clusters are.
 *
 * Pure.
 *
 * @module
 */

const ITERATIONS_MAX = 50;
const MOVED_MIN = 1e-5;

/**
 * Lloyd's algorithm in one dimension. Centres begin at the first distinct values; a value as near to two
 * centres belongs to the higher one.
 *
 * @param clusterCount Centres at most; fewer when the window has fewer distinct values.
 * @returns The cluster of each value of `window`, of the last turn of the algorithm.
 */
export function clustersOf(window: readonly number[], clusterCount: number): number[] {
  const centres = firstDistinct(window, clusterCount);
  const labels = new Array<number>(window.length).fill(0);
  for (let turn = 0; turn < ITERATIONS_MAX; turn++) {
    for (let i = 0; i < window.length; i++) labels[i] = nearestOf(window[i]!, centres);
    if (moveCentres(window, labels, centres) < MOVED_MIN) break;
  }
  return labels;
}

/** Probability of the last `count` transitions by the frequencies of all transitions in `labels`. */
export function transitionProbability(labels: readonly number[], count: number): number {
  const last = labels.length - 1;
  let p = 1;
  for (let at = last - count; at < last; at++) {
    const from = labels[at];
    const to = labels[at + 1];
    let fromCount = 0;
    let bothCount = 0;
    for (let i = 0; i < last; i++) {
      if (labels[i] !== from) continue;
      fromCount++;
      if (labels[i + 1] === to) bothCount++;
    }
    p *= bothCount / fromCount;
  }
  return p;
}

function firstDistinct(window: readonly number[], count: number): number[] {
  const distinct: number[] = [];
  for (const value of window) {
    if (distinct.length === count) break;
    if (!distinct.includes(value)) distinct.push(value);
  }
  return distinct;
}

function nearestOf(value: number, centres: readonly number[]): number {
  let best = 0;
  let bestDistance = Math.abs(value - centres[0]!);
  for (let j = 1; j < centres.length; j++) {
    const distance = Math.abs(value - centres[j]!);
    const isNearer = distance < bestDistance ||
      (distance === bestDistance && centres[j]! > centres[best]!);
    if (!isNearer) continue;
    best = j;
    bestDistance = distance;
  }
  return best;
}

/** Moves each centre to the mean of its values. @returns How far all of them moved. */
function moveCentres(
  window: readonly number[],
  labels: readonly number[],
  centres: number[],
): number {
  let moved = 0;
  for (let j = 0; j < centres.length; j++) {
    let sum = 0;
    let count = 0;
    for (let i = 0; i < window.length; i++) {
      if (labels[i] !== j) continue;
      sum += window[i]!;
      count++;
    }
    if (count === 0) continue;
    const centre = sum / count;
    moved += Math.abs(centre - centres[j]!);
    centres[j] = centre;
  }
  return moved;
}
