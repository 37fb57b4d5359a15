/**
 * Whether stored state fits the operators of a job, operator by operator and state by state.
 *
 * Pure. Hub and runner judge by the same rules: the hub before anything is stopped, the runner before anything
 * is loaded. State is matched by operator uid (S2); each state by name, kind and codec version (S3).
 *
 *   stored and wanted alike ─▶ as-is        stored, reached by migrations ─▶ migrates
 *   stored, wanted otherwise ─▶ incompatible
 *   stored, not wanted ─▶ dropped            wanted, not stored ─▶ new
 *
 * @module
 */
import {
  type JobGraph,
  KEY_GROUP_COUNT,
  type OperatorNode,
  type StateDescriptor,
} from "@shared/job_graph.ts";
import { KEY_HASH_ID, type OperatorSnapshot, type SubtaskSnapshot } from "@shared/manifest.ts";

export type Compatibility = "as-is" | "migrates" | "incompatible" | "dropped" | "new";

export interface StateCompatibility {
  readonly name: string;
  readonly compatibility: Compatibility;
  readonly reason: string;
}

export interface OperatorCompatibility {
  readonly uid: string;
  /** The worst of its states: incompatible, then dropped, then migrates. */
  readonly compatibility: Compatibility;
  readonly reason: string;
  readonly states: readonly StateCompatibility[];
}

/** A state as a manifest names it. */
export type StoredState = OperatorSnapshot["states"][number];

const WORST_FIRST: readonly Compatibility[] = ["incompatible", "dropped", "migrates"];

/** Judges every operator that holds state in `snapshots` or in `graph`; sorted by uid. */
export function judgeCompatibility(
  snapshots: readonly SubtaskSnapshot[],
  graph: Pick<JobGraph, "operators">,
): OperatorCompatibility[] {
  const stored = storedStates(snapshots);
  const foreign = snapshots.find((snapshot) =>
    snapshot.keyGroupCount !== KEY_GROUP_COUNT || snapshot.keyHash !== KEY_HASH_ID
  );
  const nodes = new Map(
    graph.operators.filter((node) => node.states.length > 0).map((node) => [node.uid, node]),
  );
  return [...new Set([...stored.keys(), ...nodes.keys()])].sort().map((uid) => {
    const judged = judgeOperator(uid, stored.get(uid), nodes.get(uid));
    if (foreign === undefined || nodes.get(uid)?.isKeyed !== true) return judged;
    if (!stored.has(uid)) return judged;
    const reason = `Saved with ${foreign.keyGroupCount} key groups by ${foreign.keyHash}: ` +
      `want ${KEY_GROUP_COUNT} by ${KEY_HASH_ID}`;
    return { ...judged, compatibility: "incompatible" as const, reason };
  });
}

/** Judges one operator; one of `stored` and `node` is there. */
export function judgeOperator(
  uid: string,
  stored: readonly StoredState[] | undefined,
  node: Pick<OperatorNode, "states"> | undefined,
): OperatorCompatibility {
  const wanted = node?.states ?? [];
  if (stored === undefined) {
    const states = wanted.map(({ name }) => newState(name));
    return { uid, compatibility: "new", reason: "Not in the savepoint: starts empty", states };
  }
  const states = [
    ...stored.map((state) => judgeState(state, wanted)),
    ...wanted.filter(({ name }) => !stored.some((state) => state.name === name))
      .map(({ name }) => newState(name)),
  ];
  if (wanted.length === 0) {
    const reason = "Not in the job: its state would be dropped";
    return { uid, compatibility: "dropped", reason, states };
  }
  for (const compatibility of WORST_FIRST) {
    const worst = states.find((state) => state.compatibility === compatibility);
    if (worst !== undefined) return { uid, compatibility, reason: worst.reason, states };
  }
  return { uid, compatibility: "as-is", reason: "Same states, same codecs", states };
}

/** Judges one stored state against the states its operator declares now. */
export function judgeState(
  stored: StoredState,
  wanted: readonly StateDescriptor[],
): StateCompatibility {
  const { name, kind, codecVersion } = stored;
  const own = wanted.find((candidate) => candidate.name === name);
  if (own === undefined) {
    const reason = `State "${name}" is not declared any more: it would be dropped`;
    return { name, compatibility: "dropped", reason };
  }
  if (own.kind === kind && own.codecVersion === codecVersion) {
    return { name, compatibility: "as-is", reason: "Same kind, same codec" };
  }
  const change =
    `State "${name}" is ${kind} v${codecVersion}: want ${own.kind} v${own.codecVersion}`;
  if (own.kind === kind && own.migratesFrom?.includes(codecVersion) === true) {
    return { name, compatibility: "migrates", reason: `${change}, reached by its migrations` };
  }
  const isOlder = own.kind === kind && codecVersion < own.codecVersion;
  const reason = isOlder ? `${change}, and a migration on the way is missing` : change;
  return { name, compatibility: "incompatible", reason };
}

/** True when no operator makes the restore impossible as things stand (S2, S3). */
export function isRestorable(
  operators: readonly Pick<OperatorCompatibility, "compatibility">[],
  allowNonRestoredState: boolean,
): boolean {
  return operators.every(({ compatibility }) =>
    compatibility !== "incompatible" && (compatibility !== "dropped" || allowNonRestoredState)
  );
}

function newState(name: string): StateCompatibility {
  return { name, compatibility: "new", reason: "Not in the savepoint: starts empty" };
}

/** States by operator; two subtasks that differ are both judged, so that the worse one counts. */
function storedStates(snapshots: readonly SubtaskSnapshot[]): Map<string, StoredState[]> {
  const stored = new Map<string, StoredState[]>();
  for (const { operators } of snapshots) {
    for (const { uid, states } of operators) {
      if (states.length === 0) continue;
      const known = stored.get(uid) ?? [];
      const added = states.filter((state) => !known.some((other) => isSame(other, state)));
      stored.set(uid, [...known, ...added]);
    }
  }
  return stored;
}

function isSame(a: StoredState, b: StoredState): boolean {
  return a.name === b.name && a.kind === b.kind && a.codecVersion === b.codecVersion;
}
