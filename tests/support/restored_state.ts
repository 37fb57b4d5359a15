/**
 * Restores stored snapshots into the tables of one subtask, without the subtask; for golden tests.
 *
 * @module
 */
import type { Digest, SubtaskId } from "@shared/ids.ts";
import type { OperatorNode } from "@shared/job_graph.ts";
import type { GroupRange } from "@shared/manifest.ts";
import { LatestTime } from "../../agent/runner/origin.ts";
import { restoreSubtask } from "../../agent/runner/subtask_restore.ts";
import type { KeyedState } from "../../agent/state/keyed_state.ts";

/** What `restoreSubtask` is asked for. */
type Request = Parameters<typeof restoreSubtask>[0];

/** Fills `state`, which is that of subtask number `index` of `stage` and has `keyGroups`. */
export async function restoreState(state: KeyedState, of: {
  readonly stage: string;
  readonly index: number;
  readonly keyGroups: GroupRange;
  readonly operators: readonly OperatorNode[];
  readonly request: Request;
  readonly pieces: ReadonlyMap<Digest, Uint8Array>;
}): Promise<void> {
  const { stage, index, keyGroups, operators } = of;
  await restoreSubtask(of.request, of.pieces, {
    plan: {
      subtaskId: `${stage}.${index}` as SubtaskId,
      sourceUid: null,
      splitIndex: index,
      operatorUids: operators.map(({ uid }) => uid),
      keyGroups,
      inputs: [],
      outputs: [],
    },
    operators,
    state,
    latest: new LatestTime(),
    source: null,
    sinks: new Map(),
    monotonicMs: () => 0,
    yieldTurn: () => Promise.resolve(),
    onHalf: () => {},
    isOver: () => false,
  });
}
