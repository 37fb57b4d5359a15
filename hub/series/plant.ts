/**
 * The plant as it is now: each piece of equipment with what is known of it, and the tree above it.
 *
 * Pure.
 *
 * Invariants:
 *  1. Every piece of equipment is counted once in each node on its path, the whole plant included.
 *  2. A signal is `unknown` when its job does not run or nothing was heard within the retention of samples,
 *     else `stale` when its newest sample is too old. Equipment is as fresh as its freshest signal.
 *  3. A signal of a job that ended is left out where a running job has the same one.
 *
 * @module
 */
import type {
  AlarmPriority,
  AlarmTally,
  EquipmentSummary,
  EquipmentView,
  Freshness,
  PlantNode,
} from "@shared/plant_api.ts";
import { levelsOf } from "../db/equipment_paths.ts";
import type { OpenAlarms } from "../db/plant_store.ts";
import type { LiveSignal } from "../ports.ts";
import type { KnownPlace } from "./signals.ts";

/** Most urgent first. */
export const PRIORITIES: readonly AlarmPriority[] = ["critical", "high", "medium", "low"];

export interface PlantInput {
  readonly nowMs: number;
  readonly staleAfterMs: number;
  readonly retentionMs: number;
  readonly signals: Iterable<LiveSignal>;
  readonly places: ReadonlyMap<string, KnownPlace>;
  readonly alarms: readonly OpenAlarms[];
  /** Names of levels by job that is to run. */
  readonly jobs: ReadonlyMap<string, readonly string[]>;
}

/** One piece of equipment with its signals. */
export interface EquipmentState extends EquipmentSummary {
  readonly views: readonly EquipmentView[];
}

type Changing<T> = { -readonly [Name in keyof T]: T[Name] };
type Tally = Changing<AlarmTally>;

const RANK: Readonly<Record<Freshness, number>> = { good: 0, stale: 1, unknown: 2 };

/** Every piece of equipment that was heard of, was placed by a running job, or has open alarms; by name. */
export function equipmentStates(input: PlantInput): EquipmentState[] {
  const signals = new Map<string, LiveSignal[]>();
  for (const signal of input.signals) append(signals, signal.key, signal);
  const alarms = new Map<string, OpenAlarms[]>();
  for (const one of input.alarms) append(alarms, one.equipment, one);
  const names = new Set([...signals.keys(), ...alarms.keys()]);
  for (const [equipment, { jobId }] of input.places) {
    if (input.jobs.has(jobId)) names.add(equipment);
  }
  return [...names].sort(byText).map((equipment) =>
    stateOf(input, equipment, signals.get(equipment) ?? [], alarms.get(equipment) ?? [])
  );
}

function stateOf(
  input: PlantInput,
  equipment: string,
  signals: readonly LiveSignal[],
  alarms: readonly OpenAlarms[],
): EquipmentState {
  const views = viewsOf(input, equipment, signals, alarms);
  const freshest = views.reduce<Freshness>(
    (best, { freshness }) => RANK[freshness] < RANK[best] ? freshness : best,
    "unknown",
  );
  const lastAt = views.reduce<string | null>(
    (last, view) =>
      view.lastAt !== null && (last === null || view.lastAt > last) ? view.lastAt : last,
    null,
  );
  const worst = views.filter(({ freshness }) => freshness !== "unknown")
    .reduce<EquipmentView | null>(
      (found, view) => oddnessOf(view) > (found === null ? 0 : oddnessOf(found)) ? view : found,
      null,
    );
  const tally = tallyOf(alarms);
  return {
    equipment,
    path: pathOf(equipment, input.places),
    signals: views.length,
    freshness: freshest,
    lastAt,
    alarms: tally,
    highestPriority: PRIORITIES.find((priority) => tally[priority] > 0) ?? null,
    worst: worst === null
      ? null
      : { jobId: worst.jobId, operatorUid: worst.operatorUid, score: worst.score! },
    views,
  };
}

/** How far a signal is off what is usual for it; 0 for a value within its expected range, whatever its score. */
function oddnessOf({ value, score, low, high }: EquipmentView): number {
  if (score === null) return 0;
  const hasRange = low !== null || high !== null;
  const isInside = value !== null && (low === null || value >= low) &&
    (high === null || value <= high);
  return hasRange && isInside ? 0 : Math.abs(score);
}

function viewsOf(
  input: PlantInput,
  equipment: string,
  signals: readonly LiveSignal[],
  alarms: readonly OpenAlarms[],
): EquipmentView[] {
  const running = new Set(
    signals.filter(({ jobId }) => input.jobs.has(jobId)).map(({ operatorUid }) => operatorUid),
  );
  const shown = signals.filter(({ jobId, operatorUid }) =>
    input.jobs.has(jobId) || !running.has(operatorUid)
  );
  const views = shown.map((signal): EquipmentView => {
    const { jobId, operatorUid, atMs, value, score, low, high } = signal;
    const own = alarms.filter((one) => one.jobId === jobId && one.operatorUid === operatorUid);
    const tally = tallyOf(own);
    return {
      equipment,
      jobId,
      operatorUid,
      lastAt: atMs === null ? null : new Date(atMs).toISOString(),
      freshness: freshnessOf(input, signal),
      value,
      score,
      low,
      high,
      activeAlarms: tally.critical + tally.high + tally.medium + tally.low,
      unacknowledgedAlarms: tally.unacknowledged,
      highestPriority: PRIORITIES.find((priority) => tally[priority] > 0) ?? null,
    };
  });
  return views.sort((a, b) => byText(a.operatorUid, b.operatorUid) || byText(a.jobId, b.jobId));
}

export function freshnessOf(
  { nowMs, staleAfterMs, retentionMs, jobs }: Omit<PlantInput, "signals" | "places" | "alarms">,
  { jobId, atMs }: Pick<LiveSignal, "jobId" | "atMs">,
): Freshness {
  if (atMs === null || nowMs - atMs > retentionMs || !jobs.has(jobId)) return "unknown";
  return nowMs - atMs > staleAfterMs ? "stale" : "good";
}

/** As the job says; else what its name says, which may itself be a path. */
export function pathOf(
  equipment: string,
  places: ReadonlyMap<string, KnownPlace>,
): readonly string[] {
  return places.get(equipment)?.path ?? levelsOf(equipment);
}

export function tallyOf(alarms: readonly OpenAlarms[]): AlarmTally {
  const tally = emptyTally();
  for (const { priority, isHidden, active, unacknowledged, open } of alarms) {
    if (isHidden) {
      tally.shelved += open;
      continue;
    }
    tally[priority] += active;
    tally.unacknowledged += unacknowledged;
  }
  return tally;
}

function emptyTally(): Tally {
  return { critical: 0, high: 0, medium: 0, low: 0, unacknowledged: 0, shelved: 0 };
}

/** The whole plant first, parents before children, siblings by name. */
export function plantNodes(states: readonly EquipmentSummary[]): PlantNode[] {
  const root = newNode([]);
  for (const state of states) {
    let node = root;
    countIn(node, state);
    for (const level of state.path) {
      let child = node.children.get(level);
      if (child === undefined) {
        child = newNode([...node.path, level]);
        node.children.set(level, child);
      }
      node = child;
      countIn(node, state);
    }
  }
  return flat(root);
}

interface Node extends Omit<Changing<PlantNode>, "alarms"> {
  readonly alarms: Tally;
  readonly children: Map<string, Node>;
}

function newNode(path: readonly string[]): Node {
  const counts = { equipment: 0, good: 0, stale: 0, unknown: 0 };
  return { path, ...counts, alarms: emptyTally(), children: new Map() };
}

function countIn(node: Node, { freshness, alarms }: EquipmentSummary): void {
  node.equipment++;
  node[freshness]++;
  for (const name of Object.keys(alarms) as (keyof AlarmTally)[]) node.alarms[name] += alarms[name];
}

function flat({ children, ...node }: Node): PlantNode[] {
  const sorted = [...children].sort(([a], [b]) => byText(a, b));
  return [node, ...sorted.flatMap(([, child]) => flat(child))];
}

/** Names of as many levels as the deepest path has; of jobs that name them differently the first counts. */
export function levelNames(
  states: readonly EquipmentSummary[],
  jobs: ReadonlyMap<string, readonly string[]>,
): string[] {
  const depth = states.reduce((deepest, { path }) => Math.max(deepest, path.length), 0);
  const named = [...jobs.values()];
  return Array.from(
    { length: depth },
    (_, i) => named.find((levels) => levels[i] !== undefined)?.[i] ?? `level ${i + 1}`,
  );
}

/** What a page's cursor holds: where its last row stands in the order. */
export type Position = readonly [number, number, number, number, string];

/** Highest active priority, then unacknowledged, then not fresh, then furthest from usual, then name. */
export function worstPosition(state: EquipmentSummary): Position {
  const priority = state.highestPriority === null
    ? PRIORITIES.length
    : PRIORITIES.indexOf(state.highestPriority);
  const staleness = state.freshness === "good" ? 1 : 0;
  const score = state.worst === null ? 0 : -Math.abs(state.worst.score);
  return [priority, -state.alarms.unacknowledged, staleness, score, state.equipment];
}

export function namePosition({ equipment }: EquipmentSummary): Position {
  return [0, 0, 0, 0, equipment];
}

export function comparePositions(a: Position, b: Position): number {
  for (let i = 0; i < a.length - 1; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return byText(a[4], b[4]);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function append<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
