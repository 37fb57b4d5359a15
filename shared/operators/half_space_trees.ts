/**
 * Detector that learns where the signals of a machine usually are together, in random trees, and says when they are
 * where they seldom were.
 *
 * Changes its state in place. Streaming half-space trees: S. C. Tan, K. M. Ting and T. F. Liu, "Fast anomaly detection
 * for streaming data", IJCAI 2011. Each tree halves the space `depth` times, along signals drawn by chance, and
 * counts how many records of the last window fell on each side. A record in a region of little mass is anomalous.
 * The structure is drawn once, without data but for the range of the first window, so it costs the same for ever
 * and forgets by window. The trees are averaged by the logarithms of their densities, not by their masses: one tree that
 * divides the space badly cannot hide what the others see.
 *
 * Chance comes from `seed` and the first records of the key alone, and what was drawn is part of the state: a replay
 * draws the same.
 *
 *   learning the range ── window records ──▶ learning the mass ── window records ──▶ normal
 *   normal ── minConsecutive scores beyond threshold ──▶ anomalous
 *   anomalous ── minConsecutive scores within clearBelow ──▶ normal
 *
 * Invariants:
 *   1. A record is judged by the mass of the window before its own.
 *   2. A record without one of the signals is passed over.
 *
 * @module
 */
import { SeededRandom } from "@shared/seeded_random.ts";
import { callSiteOf } from "@shared/sdk/call_site.ts";
import type { Detector } from "@shared/sdk/operator.ts";
import { nextVerdict, type VerdictRule, verdictRuleFault } from "./baseline.ts";
import {
  checkDetector,
  countFault,
  functionFault,
  type VerdictOptions,
  verdictRuleOf,
} from "./detector_options.ts";
import { countSignals, isComplete, namesOf, type Signals, vectorOf } from "./signals.ts";

/** Mass of a region, as a part of the window, below which it is not divided any further. */
const SPARSE_PART = 0.1;
/** Added to the mass of a region, so that an empty one has a logarithm. */
const EMPTY_MASS = 0.5;
/** Score below which an anomaly ends unless said otherwise: as dense as if spread evenly. */
const CLEAR_BELOW = 0.5;
/** Smallest range of a signal, as a part of its size. */
const RELATIVE_RANGE_MIN = 1e-6;

export interface HalfSpaceTreesOptions<In> extends VerdictOptions {
  /** The signals by name; what is not a finite number is passed over. */
  readonly signals: (record: In) => Signals;
  /** Score that is not normal: 0.5 where records are as dense as if spread evenly, 1 where none was; default 0.9. */
  readonly threshold?: number;
  /** Score below which an anomaly ends; default 0.5. */
  readonly clearBelow?: number;
  /** Trees; default 25. */
  readonly trees?: number;
  /** Divisions from the root of a tree to a leaf; default 6. */
  readonly depth?: number;
  /** Records of a window; default 250. */
  readonly window?: number;
  /** Seed of the trees; default 1. */
  readonly seed?: number;
  /** Records in a row that it takes to begin or to end an anomaly; default 3. */
  readonly minConsecutive?: number;
}

/** What is kept per key. Nodes of a tree are numbered as in a heap, from 0. */
export interface HalfSpaceTreesState {
  /** Of the first record, sorted; empty before it. */
  names: readonly string[];
  /** Least and largest value of each signal in the first window. */
  lows: Float64Array;
  highs: Float64Array;
  /** Signal and place at which each inner node of each tree is divided; empty while the range is learned. */
  splitSignals: Float64Array;
  splitAt: Float64Array;
  /** Records of the last window and of this one in each node of each tree. */
  reference: Float64Array;
  latest: Float64Array;
  /** Records of this window. */
  inWindow: number;
  /** Whether a reference is complete. */
  isLearned: boolean;
  score: number;
  isAnomalous: boolean;
  evidence: number;
}

interface Settings extends VerdictRule {
  readonly trees: number;
  readonly depth: number;
  readonly window: number;
  readonly seed: number;
}

/**
 * Watches many signals per key for places where they seldom are together.
 *
 * @throws {UserError} `bad-detector-option` if an option is out of its range.
 *
 * @example
 * ```ts
 * import { equal, ok } from "node:assert/strict";
 * import { halfSpaceTrees } from "penstock";
 *
 * const motor = halfSpaceTrees<{ signals: Record<string, number> }>({
 *   signals: (reading) => reading.signals,
 *   window: 100,
 * });
 * let state = motor.initial();
 * const see = (current: number, speed: number) => {
 *   const reading = { signals: { current, speed } };
 *   state = motor.step(state, motor.value(reading)!, 0, reading);
 * };
 * for (let i = 0; i < 300; i++) see(i % 2 === 0 ? 10 : 40, i % 2 === 0 ? 500 : 2_000 + i % 7);
 * equal(motor.judge(state).isAnomalous, false);
 * for (let i = 0; i < 3; i++) see(40, 500);
 * ok(motor.judge(state).isAnomalous);
 * ```
 */
export function halfSpaceTrees<In>(
  options: HalfSpaceTreesOptions<In>,
): Detector<In, HalfSpaceTreesState> {
  const settings: Settings = {
    ...verdictRuleOf({ clearBelow: CLEAR_BELOW, ...options }, {
      threshold: 0.9,
      minConsecutive: 3,
    }),
    trees: options.trees ?? 25,
    depth: options.depth ?? 6,
    window: options.window ?? 250,
    seed: options.seed ?? 1,
  };
  checkDetector("halfSpaceTrees", [
    functionFault("signals", options.signals),
    countFault("trees", settings.trees, 1, 100),
    countFault("depth", settings.depth, 1, 10),
    countFault("window", settings.window, 20, 100_000),
    Number.isSafeInteger(settings.seed) ? null : "seed must be a whole number",
    verdictRuleFault(settings),
  ], callSiteOf(halfSpaceTrees));
  return {
    name: "halfSpaceTrees",
    label: `halfSpaceTrees threshold ${settings.threshold}`,
    codecVersion: 1,
    initial: initialState,
    value: (record) => countSignals(options.signals(record)),
    step: (state, _count, _atMs, record) => {
      takeIn(state, options.signals(record), settings);
      return state;
    },
    judge: ({ score, isAnomalous }) => ({
      score,
      value: score,
      threshold: settings.threshold,
      isAnomalous,
    }),
  };
}

function initialState(): HalfSpaceTreesState {
  const none = new Float64Array(0);
  return {
    names: [],
    lows: none,
    highs: none,
    splitSignals: none,
    splitAt: none,
    reference: none,
    latest: none,
    inWindow: 0,
    isLearned: false,
    score: 0,
    isAnomalous: false,
    evidence: 0,
  };
}

function takeIn(state: HalfSpaceTreesState, signals: Signals, settings: Settings): void {
  if (state.names.length === 0) {
    state.names = namesOf(signals, "halfSpaceTrees");
    state.lows = new Float64Array(state.names.length).fill(Infinity);
    state.highs = new Float64Array(state.names.length).fill(-Infinity);
  }
  const vector = vectorOf(signals, state.names);
  if (!isComplete(vector)) return;
  if (state.splitAt.length === 0) learnRange(state, vector);
  else {
    const density = countAndWeigh(state, vector, settings);
    if (state.isLearned) {
      state.score = 1 / (1 + density);
      Object.assign(state, nextVerdict(state, state.score, settings));
    }
  }
  if (++state.inWindow >= settings.window) turnWindow(state, settings);
}

function learnRange({ lows, highs }: HalfSpaceTreesState, vector: Float64Array): void {
  for (const [i, value] of vector.entries()) {
    lows[i] = Math.min(lows[i]!, value);
    highs[i] = Math.max(highs[i]!, value);
  }
}

/** A window is over: the range becomes trees, or this window becomes the reference. */
function turnWindow(state: HalfSpaceTreesState, settings: Settings): void {
  state.inWindow = 0;
  if (state.splitAt.length === 0) return drawTrees(state, settings);
  state.isLearned = true;
  [state.reference, state.latest] = [state.latest, state.reference];
  state.latest.fill(0);
}

function drawTrees(state: HalfSpaceTreesState, { trees, depth, seed }: Settings): void {
  const random = new SeededRandom(seed ^ hashOf(state.lows) ^ hashOf(state.highs));
  const inner = 2 ** depth - 1;
  const size = state.names.length;
  state.splitSignals = new Float64Array(trees * inner);
  state.splitAt = new Float64Array(trees * inner);
  state.reference = new Float64Array(trees * (2 * inner + 1));
  state.latest = new Float64Array(trees * (2 * inner + 1));
  for (let tree = 0; tree < trees; tree++) {
    const [lows, highs] = workRange(state, random);
    const divide = (node: number, level: number): void => {
      if (level === depth) return;
      const signal = Math.floor(random.next() * size);
      const [low, high] = [lows[signal]!, highs[signal]!];
      const middle = (low + high) / 2;
      state.splitSignals[tree * inner + node] = signal;
      state.splitAt[tree * inner + node] = middle;
      highs[signal] = middle;
      divide(2 * node + 1, level + 1);
      highs[signal] = high;
      lows[signal] = middle;
      divide(2 * node + 2, level + 1);
      lows[signal] = low;
    };
    divide(0, 0);
  }
}

/** The space of one tree: around a point drawn for each signal, and wide enough for all that was seen. */
function workRange(
  state: HalfSpaceTreesState,
  random: SeededRandom,
): readonly [lows: Float64Array, highs: Float64Array] {
  const lows = state.lows.slice();
  const highs = state.highs.slice();
  for (const [i, low] of state.lows.entries()) {
    const high = state.highs[i]!;
    const least = Math.max(Math.abs(low), Math.abs(high), 1) * RELATIVE_RANGE_MIN;
    const range = Math.max(high - low, least);
    const part = random.next();
    const reach = 2 * Math.max(part, 1 - part) * range;
    lows[i] = low + part * range - reach;
    highs[i] = low + part * range + reach;
  }
  return [lows, highs];
}

/** Counts a record in every tree, and answers how dense its regions were: 1 is as dense as if spread evenly. */
function countAndWeigh(
  { splitSignals, splitAt, reference, latest }: HalfSpaceTreesState,
  vector: Float64Array,
  { trees, depth, window }: Settings,
): number {
  const inner = 2 ** depth - 1;
  let decades = 0;
  for (let tree = 0; tree < trees; tree++) {
    const masses = tree * (2 * inner + 1);
    let density = -1;
    let node = 0;
    for (let level = 0; level <= depth; level++) {
      latest[masses + node]!++;
      const mass = reference[masses + node]!;
      const isLast = level === depth || mass <= SPARSE_PART * window;
      if (density < 0 && isLast) density = (mass + EMPTY_MASS) / window * 2 ** level;
      if (level === depth) break;
      const at = tree * inner + node;
      node = 2 * node + (vector[splitSignals[at]!]! < splitAt[at]! ? 1 : 2);
    }
    decades += Math.log10(density) / trees;
  }
  return 10 ** decades;
}

/** 32 bits of the numbers of a vector (FNV-1a). */
function hashOf(vector: Float64Array): number {
  let hash = 0x811c9dc5;
  for (const byte of new Uint8Array(vector.slice().buffer)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash;
}
