/**
 * What the four reference workloads must give, worked out in the plainest way, and how results are held
 * against it.
 *
 * Pure. Nothing here is shared with the engine or the job files.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { CLUSTERS, type Workload, workloadInput } from "./workload_input.ts";

const WINDOW_MS = 60_000;
const OUT_OF_ORDER_MS = 5_000;
const WINDOW_SIZE = 10;
const TRANSITIONS = 5;
const ITERATIONS_MAX = 50;
const MOVED_MIN = 1e-5;
/** The margin keeps p = 0.005 exactly out, whatever the rounding. */
const THRESHOLD = 0.005 - 1e-12;
const EMIT_EVERY = 10;

type Fields = Readonly<Record<string, unknown>>;

/** Expected results in canonical order. */
export function expectedResults(workload: Workload, count: number, seed: number): Fields[] {
  const records = workloadInput(workload, count, seed).map((line) => JSON.parse(line));
  switch (workload) {
    case "W1":
      return records.filter((record) => record.temperature > 50);
    case "W2":
      return expectedWindows(records);
    case "W3":
      return expectedTransitions(records);
    case "W4":
      return expectedCounts(records);
  }
}

interface Reading {
  readonly identifier: string;
  readonly timestamp: number;
  readonly valueInW: number;
}

interface Sums {
  readonly identifier: string;
  readonly start: number;
  count: number;
  sum: number;
  squares: number;
  min: number;
  max: number;
}

function expectedWindows(readings: readonly Reading[]): Fields[] {
  const windows = new Map<string, Sums>();
  let watermarkMs = -1;
  let late = 0;
  for (const { identifier, timestamp, valueInW } of readings) {
    const start = timestamp - timestamp % WINDOW_MS;
    if (start + WINDOW_MS <= watermarkMs) late++;
    else {
      const cents = Math.round(valueInW * 100);
      const id = `${start} ${identifier}`;
      const sums = windows.get(id) ??
        { identifier, start, count: 0, sum: 0, squares: 0, min: cents, max: cents };
      sums.count++;
      sums.sum += cents;
      sums.squares += cents * cents;
      sums.min = Math.min(sums.min, cents);
      sums.max = Math.max(sums.max, cents);
      windows.set(id, sums);
    }
    watermarkMs = Math.max(watermarkMs, timestamp - OUT_OF_ORDER_MS);
  }
  const sensor = (sums: Sums) => Number(sums.identifier.slice(2));
  const results: Fields[] = [...windows.values()]
    .sort((a, b) => a.start - b.start || sensor(a) - sensor(b))
    .map(({ identifier, start, count, sum, squares, min, max }) => ({
      identifier,
      start,
      end: start + WINDOW_MS,
      count,
      sum: sum / 100,
      mean: sum / count / 100,
      min: min / 100,
      max: max / 100,
      populationVariance: (squares * count - sum * sum) / (count * count) / 10_000,
    }));
  return [...results, { late }];
}

function expectedTransitions(
  records: readonly { m: number; i: number; v: readonly number[] }[],
): Fields[] {
  const windows = new Map<string, number[]>();
  const results: Fields[] = [];
  for (const { m, i, v } of records) {
    for (const [d, value] of v.entries()) {
      const window = windows.get(`${m} ${d}`) ?? [];
      windows.set(`${m} ${d}`, window);
      window.push(value);
      if (window.length > WINDOW_SIZE) window.shift();
      if (window.length < WINDOW_SIZE || CLUSTERS[d]! <= 1) continue;
      const p = transitionProbability(window, CLUSTERS[d]!);
      if (p < THRESHOLD) results.push({ m, d, i, first: i - TRANSITIONS, p });
    }
  }
  return results;
}

/** Probability of the last transitions between clusters of the window. */
function transitionProbability(window: readonly number[], clusterCount: number): number {
  const labels = clusterLabels(window, [...new Set(window)].slice(0, clusterCount));
  const pairs = labels.slice(1).map((to, index) => `${labels[index]} ${to}`);
  const countOf = (all: readonly unknown[], one: unknown) => all.filter((x) => x === one).length;
  let p = 1;
  for (let at = pairs.length - TRANSITIONS; at < pairs.length; at++) {
    p *= countOf(pairs, pairs[at]) / countOf(labels.slice(0, -1), labels[at]);
  }
  return p;
}

/** Lloyd's algorithm in one dimension; a tie goes to the higher centre. */
function clusterLabels(window: readonly number[], centres: number[]): number[] {
  let labels: number[] = [];
  for (let turn = 0; turn < ITERATIONS_MAX; turn++) {
    labels = window.map((value) => {
      let best = 0;
      for (let j = 1; j < centres.length; j++) {
        const gain = Math.abs(value - centres[best]!) - Math.abs(value - centres[j]!);
        if (gain > 0 || (gain === 0 && centres[j]! > centres[best]!)) best = j;
      }
      return best;
    });
    let moved = 0;
    for (let j = 0; j < centres.length; j++) {
      const points = window.filter((_, index) => labels[index] === j);
      if (points.length === 0) continue;
      const centre = points.reduce((sum, value) => sum + value, 0) / points.length;
      moved += Math.abs(centre - centres[j]!);
      centres[j] = centre;
    }
    if (moved < MOVED_MIN) break;
  }
  return labels;
}

function expectedCounts(records: readonly { k: number }[]): Fields[] {
  const counts = new Map<number, number>();
  const results: Fields[] = [];
  for (const { k } of records) {
    const count = (counts.get(k) ?? 0) + 1;
    counts.set(k, count);
    if (count % EMIT_EVERY === 0) results.push({ k, count });
  }
  const sorted = [...counts].sort(([a], [b]) => a - b);
  const hash = createHash("sha256");
  for (const [k, count] of sorted) hash.update(`${k}=${count}\n`);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  return [...results, { keys: counts.size, total, state_sha256: hash.digest("hex") }];
}

/** Fields that tell one result from another; W1 has none, there the whole line counts. */
const IDENTITY: Readonly<Record<Workload, readonly string[] | null>> = {
  W1: null,
  W2: ["identifier", "start"],
  W3: ["m", "d", "i"],
  W4: ["k", "count"],
};

/** How results differ from the expected ones: nothing when the list is empty. */
export function differences(
  workload: Workload,
  expected: readonly Fields[],
  results: readonly Fields[],
  options: { mayRepeat?: boolean } = {},
): string[] {
  const identity = IDENTITY[workload];
  if (identity === null) return multisetDifferences(expected, results);
  const idOf = (fields: Fields) => JSON.stringify(identity.map((name) => fields[name]));
  const found = new Map<string, Fields>();
  const faults: string[] = [];
  for (const result of results) {
    const id = idOf(result);
    if (found.has(id) && options.mayRepeat !== true) faults.push(`twice: ${id}`);
    found.set(id, result);
  }
  for (const want of expected) {
    const id = idOf(want);
    const got = found.get(id);
    found.delete(id);
    if (got === undefined) faults.push(`missing: ${JSON.stringify(want)}`);
    else if (!Object.keys(want).every((name) => isClose(want[name], got[name]))) {
      faults.push(`wrong: ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
    }
  }
  for (const extra of found.values()) faults.push(`unexpected: ${JSON.stringify(extra)}`);
  return faults;
}

function multisetDifferences(expected: readonly Fields[], results: readonly Fields[]): string[] {
  const left = new Map<string, number>();
  for (const fields of expected) {
    const text = JSON.stringify(fields);
    left.set(text, (left.get(text) ?? 0) + 1);
  }
  for (const fields of results) {
    const text = JSON.stringify(fields);
    left.set(text, (left.get(text) ?? 0) - 1);
  }
  return [...left].filter(([, count]) => count !== 0).map(([text, count]) =>
    `${count > 0 ? "missing" : "unexpected"} ${Math.abs(count)} times: ${text}`
  );
}

function isClose(a: unknown, b: unknown): boolean {
  if (typeof a !== "number" || typeof b !== "number") return a === b;
  const apart = Math.abs(a - b);
  return apart <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b)) || apart <= 1e-6;
}
