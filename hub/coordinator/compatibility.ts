/**
 * Whether the state of a savepoint fits a job graph, operator by operator.
 *
 * Pure. State is matched by operator uid (S2); each state by name, kind and codec version (S3). The
 * judgement is made for the whole graph before anything is stopped.
 *
 * @module
 */
import type { JobGraph, OperatorNode, StateDescriptor } from "@shared/job_graph.ts";
import { KEY_GROUP_COUNT } from "@shared/job_graph.ts";
import { KEY_HASH_ID, type SubtaskSnapshot } from "@shared/manifest.ts";

export interface OperatorCompatibility {
  readonly uid: string;
  readonly compatibility: "as-is" | "migrates" | "incompatible" | "dropped" | "new";
  readonly reason: string;
}

interface SavedState {
  readonly name: string;
  readonly kind: string;
  readonly codecVersion: number;
}

/** Judges every operator that holds state in `snapshots` or in `graph`; sorted by uid. */
export function judgeCompatibility(
  snapshots: readonly SubtaskSnapshot[],
  graph: JobGraph,
): OperatorCompatibility[] {
  const saved = savedStates(snapshots);
  const foreign = snapshots.find((s) =>
    s.keyGroupCount !== KEY_GROUP_COUNT || s.keyHash !== KEY_HASH_ID
  );
  const uids = new Set([...saved.keys(), ...graph.operators.filter(holdsState).map((o) => o.uid)]);
  return [...uids].sort().map((uid) => {
    const node = graph.operators.find((operator) => operator.uid === uid);
    const states = saved.get(uid);
    if (states === undefined) {
      return { uid, compatibility: "new", reason: "Not in the savepoint: starts empty" };
    }
    if (node === undefined) {
      return {
        uid,
        compatibility: "dropped",
        reason: "Not in the job: its state would be dropped",
      };
    }
    if (foreign !== undefined && node.isKeyed) {
      return {
        uid,
        compatibility: "incompatible",
        reason: `Saved with ${foreign.keyGroupCount} key groups by ${foreign.keyHash}: ` +
          `want ${KEY_GROUP_COUNT} by ${KEY_HASH_ID}`,
      };
    }
    return judgeStates(uid, states, node.states);
  });
}

/** True when at least one operator makes the restore impossible as things stand. */
export function isRestorable(
  operators: readonly OperatorCompatibility[],
  allowNonRestoredState: boolean,
): boolean {
  return operators.every(({ compatibility }) =>
    compatibility !== "incompatible" && (compatibility !== "dropped" || allowNonRestoredState)
  );
}

function judgeStates(
  uid: string,
  saved: readonly SavedState[],
  wanted: readonly StateDescriptor[],
): OperatorCompatibility {
  for (const state of saved) {
    const want = wanted.find(({ name }) => name === state.name);
    if (want === undefined) {
      const reason = `State "${state.name}" is not declared any more`;
      return { uid, compatibility: "incompatible", reason };
    }
    if (want.kind !== state.kind || want.codecVersion !== state.codecVersion) {
      return {
        uid,
        compatibility: "incompatible",
        reason: `State "${state.name}" is ${state.kind} v${state.codecVersion}: ` +
          `want ${want.kind} v${want.codecVersion}`,
      };
    }
  }
  return { uid, compatibility: "as-is", reason: "Same states, same codecs" };
}

function savedStates(snapshots: readonly SubtaskSnapshot[]): Map<string, SavedState[]> {
  const saved = new Map<string, SavedState[]>();
  for (const snapshot of snapshots) {
    for (const operator of snapshot.operators) {
      if (operator.states.length === 0) continue;
      const known = saved.get(operator.uid) ?? [];
      const added = operator.states.filter(({ name }) => !known.some((s) => s.name === name));
      saved.set(operator.uid, [...known, ...added]);
    }
  }
  return saved;
}

function holdsState(node: OperatorNode): boolean {
  return node.states.length > 0;
}
