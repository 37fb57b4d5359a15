/**
 * Decides whether a snapshot fits the operators it is to be restored into, and where its states go.
 *
 * Pure. Nothing is loaded before the whole snapshot was judged, so a refusal leaves nothing behind.
 *
 * Invariants:
 *
 *   S1  Key-group count and key hash are those of this build.
 *   S2  State is matched by operator uid; what no operator takes is refused unless told otherwise.
 *   S3  A state keeps its kind and codec version. A state that is new starts empty.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { CheckpointId } from "@shared/ids.ts";
import { KEY_GROUP_COUNT, type OperatorNode, type StateDescriptor } from "@shared/job_graph.ts";
import {
  KEY_HASH_ID,
  MANIFEST_VERSION,
  type OperatorSnapshot,
  type SubtaskSnapshot,
} from "@shared/manifest.ts";

export interface RestoreRequest {
  readonly checkpointId: CheckpointId;
  readonly isSavepoint: boolean;
  readonly snapshot: SubtaskSnapshot;
  /** Whether state that no operator takes is left behind instead of refused (S2). */
  readonly allowNonRestoredState?: boolean;
  /** The split's next record gets an ordinal above this (P4); default 0. */
  readonly positionFloor?: number;
}

export interface RestorePlan {
  /** For each operator with keyed state: the slot of the table for each stored slot. */
  readonly slotsByUid: ReadonlyMap<string, readonly number[]>;
  /** Operators whose state is left behind. */
  readonly droppedUids: readonly string[];
}

/** States of an operator that are slots of its table: all but its timers. */
export function slotStates(states: OperatorSnapshot["states"]): OperatorSnapshot["states"] {
  return states.filter((state) => state.kind !== "timers");
}

/** @throws {UserError} `snapshot-incompatible` or `state-not-restored`, naming operator and state. */
export function planRestore(
  request: RestoreRequest,
  operators: readonly OperatorNode[],
): RestorePlan {
  const { snapshot, checkpointId } = request;
  checkFormat(checkpointId, snapshot);
  const nodes = new Map(operators.map((node) => [node.uid, node]));
  const slotsByUid = new Map<string, readonly number[]>();
  const droppedUids: string[] = [];
  for (const stored of snapshot.operators) {
    const node = nodes.get(stored.uid);
    if (node === undefined || node.states.length === 0) droppedUids.push(stored.uid);
    else slotsByUid.set(stored.uid, slotsOf(checkpointId, stored, node));
  }
  for (const { sections } of snapshot.pieces) {
    for (const { kind, uid } of sections) {
      if (!nodes.has(uid) && !droppedUids.includes(uid)) droppedUids.push(uid);
      else if (kind === "keyed" && !slotsByUid.has(uid) && !droppedUids.includes(uid)) {
        throw incompatible(checkpointId, `the manifest does not list operator "${uid}"`);
      }
    }
  }
  droppedUids.sort();
  if (droppedUids.length > 0 && request.allowNonRestoredState !== true) {
    throw new UserError(
      "state-not-restored",
      `Cannot restore checkpoint ${checkpointId}: the job has no operator for the state of ` +
        `${
          droppedUids.map((uid) => `"${uid}"`).join(", ")
        }; bring it back or allow non-restored state`,
    );
  }
  return { slotsByUid, droppedUids };
}

function checkFormat(checkpointId: CheckpointId, snapshot: SubtaskSnapshot): void {
  const wanted: readonly [name: string, want: unknown, found: unknown][] = [
    ["manifest version", MANIFEST_VERSION, snapshot.version],
    ["key-group count", KEY_GROUP_COUNT, snapshot.keyGroupCount],
    ["key hash", KEY_HASH_ID, snapshot.keyHash],
  ];
  for (const [name, want, found] of wanted) {
    if (want === found) continue;
    throw incompatible(checkpointId, `${name} is ${String(found)}, want ${String(want)}`);
  }
}

function slotsOf(
  checkpointId: CheckpointId,
  stored: OperatorSnapshot,
  node: OperatorNode,
): number[] {
  for (const state of stored.states) {
    const own = node.states.find((candidate) => candidate.name === state.name);
    if (own === undefined || !isSameState(own, state)) {
      throw incompatible(
        checkpointId,
        `operator "${node.uid}" has ${own === undefined ? "no state" : describe(own)} for the ` +
          `stored ${describe(state)}`,
      );
    }
  }
  const own = slotStates(node.states);
  return slotStates(stored.states).map((state) =>
    own.findIndex((candidate) => candidate.name === state.name)
  );
}

function isSameState(own: StateDescriptor, stored: OperatorSnapshot["states"][number]): boolean {
  return own.kind === stored.kind && own.codecVersion === stored.codecVersion;
}

function describe(state: OperatorSnapshot["states"][number]): string {
  return `${state.kind} "${state.name}" of version ${state.codecVersion}`;
}

function incompatible(checkpointId: CheckpointId, reason: string): UserError {
  return new UserError(
    "snapshot-incompatible",
    `Cannot restore checkpoint ${checkpointId}: ${reason}`,
  );
}
