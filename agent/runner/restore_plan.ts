/**
 * Decides whether a snapshot fits the operators it is to be restored into, and where its states go.
 *
 * Pure. Nothing is loaded before the whole snapshot was judged, so a refusal leaves nothing behind.
 *
 * Invariants:
 *
 *   S1  Key-group count and key hash are those of this build.
 *   S2  State is matched by operator uid; what no operator takes is refused unless told otherwise.
 *   S3  A state keeps its kind; an older codec version is brought up by migrations. A new state starts empty.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { CheckpointId } from "@shared/ids.ts";
import { KEY_GROUP_COUNT, type OperatorNode } from "@shared/job_graph.ts";
import { KEY_HASH_ID, MANIFEST_VERSION, type SubtaskSnapshot } from "@shared/manifest.ts";
import { judgeOperator } from "@shared/state_compatibility.ts";
import { layoutOf, type StoredLayout } from "../state/table_slots.ts";

export { slotStates } from "../state/table_slots.ts";

export interface RestoreRequest {
  readonly checkpointId: CheckpointId;
  readonly isSavepoint: boolean;
  /** All of the region; a subtask takes its share (`restore_share.ts`). */
  readonly snapshots: readonly SubtaskSnapshot[];
  /** Whether state that no operator takes is left behind instead of refused (S2). */
  readonly allowNonRestoredState?: boolean;
  /** The next record of each of these splits gets an ordinal above `position` (P4). */
  readonly positionFloors?: readonly PositionFloor[];
}

export interface PositionFloor {
  readonly sourceUid: string;
  readonly splitIndex: number;
  readonly position: number;
}

export interface RestorePlan {
  /** For each operator with state: how what is stored lies in its table. */
  readonly layouts: ReadonlyMap<string, StoredLayout>;
  /** Operators whose state is left behind. */
  readonly droppedUids: readonly string[];
}

/**
 * Judges one of the snapshots.
 *
 * @param operators All of the job: what another subtask takes is not left behind.
 * @throws {UserError} `snapshot-incompatible` or `state-not-restored`, naming operator and state.
 */
export function planRestore(
  request: Pick<RestoreRequest, "checkpointId" | "allowNonRestoredState">,
  snapshot: SubtaskSnapshot,
  operators: readonly OperatorNode[],
): RestorePlan {
  const { checkpointId } = request;
  checkFormat(checkpointId, snapshot);
  const nodes = new Map(operators.map((node) => [node.uid, node]));
  const layouts = new Map<string, StoredLayout>();
  const droppedUids: string[] = [];
  const droppedStates: string[] = [];
  for (const stored of snapshot.operators) {
    const { uid } = stored;
    const node = nodes.get(uid);
    const judged = judgeOperator(uid, stored.states, node);
    if (judged.compatibility === "incompatible") {
      throw incompatible(checkpointId, `operator "${uid}": ${judged.reason}`);
    }
    if (node === undefined || node.states.length === 0) {
      droppedUids.push(uid);
      continue;
    }
    for (const { name, compatibility } of judged.states) {
      if (compatibility === "dropped") droppedStates.push(`${uid}.${name}`);
    }
    layouts.set(uid, layoutOf(stored, node));
  }
  for (const { sections } of snapshot.pieces) {
    for (const { kind, uid } of sections) {
      if (kind === "time") continue;
      if (!nodes.has(uid) && !droppedUids.includes(uid)) droppedUids.push(uid);
      else if (
        (kind === "keyed" || kind === "delta") && !layouts.has(uid) && !droppedUids.includes(uid)
      ) {
        throw incompatible(checkpointId, `the manifest does not list operator "${uid}"`);
      }
    }
  }
  droppedUids.sort();
  const dropped = [...droppedUids, ...droppedStates];
  if (dropped.length > 0 && request.allowNonRestoredState !== true) {
    throw new UserError(
      "state-not-restored",
      `Cannot restore checkpoint ${checkpointId}: the job has no operator for the state of ` +
        `${
          dropped.map((name) => `"${name}"`).join(", ")
        }; bring it back or allow non-restored state`,
    );
  }
  return { layouts, droppedUids };
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

function incompatible(checkpointId: CheckpointId, reason: string): UserError {
  return new UserError(
    "snapshot-incompatible",
    `Cannot restore checkpoint ${checkpointId}: ${reason}`,
  );
}
