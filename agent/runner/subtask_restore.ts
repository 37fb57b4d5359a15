/**
 * Loads a subtask's share of a checkpoint: keyed state, time, its source, its sinks.
 *
 * Touches the parts it is given. A restore that fails fails the attempt: nothing has run (C8).
 *
 * @module
 */
import type { Digest } from "@shared/ids.ts";
import type { OperatorNode } from "@shared/job_graph.ts";
import type { SubtaskPlan } from "@shared/regions.ts";
import type { SinkWriter, SourceReader } from "../connectors/connector.ts";
import { type RestoreShare, restoreShares } from "../restore_share.ts";
import type { KeyedState } from "../state/keyed_state.ts";
import type { LivePiece } from "../state/piece_selection.ts";
import type { LatestTime } from "./origin.ts";
import { planRestore, type RestoreRequest } from "./restore_plan.ts";
import { loadPieces } from "./restorer.ts";
import { decodeSourceSection, decodeTimeSection, type TimeState } from "./time_section.ts";
import { MAX_WATERMARK_MS, MIN_WATERMARK_MS } from "./watermarks.ts";

export interface RestoreInto {
  readonly plan: SubtaskPlan;
  /** All of the job. */
  readonly operators: readonly OperatorNode[];
  readonly state: KeyedState;
  readonly latest: LatestTime;
  readonly source: SourceReader | null;
  readonly sinks: ReadonlyMap<string, SinkWriter>;
  readonly monotonicMs: () => number;
  readonly yieldTurn: () => Promise<void>;
  readonly onHalf: () => void;
  /** The subtask was stopped or has failed: what is loaded is not used. */
  readonly isOver: () => boolean;
}

interface Section {
  readonly kind: string;
  readonly uid: string;
  readonly bytes: Uint8Array;
}

/**
 * @param pieces Bytes of every piece that the subtask's share names.
 * @returns How far event time had come: the least of those it succeeds, -Infinity when that is its end. Null
 *   when it is over.
 */
export async function restoreSubtask(
  request: RestoreRequest,
  pieces: ReadonlyMap<Digest, Uint8Array>,
  into: RestoreInto,
): Promise<TimeState | null> {
  const shares = restoreShares(into.plan, request.snapshots);
  const plans = shares.map(({ snapshot }) => planRestore(request, snapshot, into.operators));
  const sections: Section[] = [];
  const live: LivePiece[] = [];
  for (const [index, share] of shares.entries()) {
    const loaded = await loadPieces(ownPieces(share, into), pieces, plans[index]!, {
      ...into,
      onSection: (kind, uid, bytes) => sections.push({ kind, uid, bytes }),
    });
    live.push(...loaded);
  }
  if (into.isOver()) return null;
  // Only what is exactly its own can be referred to by later snapshots: other pieces hold other groups too.
  if (shares.length === 1 && shares[0]!.isOwn) into.state.adopt(request.checkpointId, live);
  const time = takeSections(request, sections, into);
  for (const table of into.state.tables) table.stampUntimed(into.latest.latestMs);
  return time;
}

/** Without what another stage takes now: the plan has judged that somebody does. */
function ownPieces({ pieces }: RestoreShare, { plan }: RestoreInto): RestoreShare["pieces"] {
  return pieces.map((piece) => ({
    ...piece,
    sections: piece.sections.filter(({ kind, uid }) =>
      kind === "time" || plan.operatorUids.includes(uid)
    ),
  }));
}

function takeSections(
  { checkpointId, isSavepoint, positionFloors = [] }: RestoreRequest,
  sections: readonly Section[],
  { plan, latest, source, sinks }: RestoreInto,
): TimeState {
  let watermarkMs = MAX_WATERMARK_MS;
  let latestEventMs = MIN_WATERMARK_MS;
  for (const { kind, uid, bytes } of sections) {
    switch (kind) {
      case "time": {
        const time = decodeTimeSection(bytes);
        latest.observe(time.latestMs);
        watermarkMs = Math.min(watermarkMs, time.watermarkMs);
        latestEventMs = Math.max(latestEventMs, time.latestEventMs);
        break;
      }
      case "source": {
        const { latestMs, ofSource } = decodeSourceSection(bytes);
        latest.observe(latestMs);
        const { sourceUid, splitIndex } = plan;
        const floor = positionFloors.find((one) =>
          one.sourceUid === sourceUid && one.splitIndex === splitIndex
        );
        source?.restore(ofSource, { isSavepoint, positionFloor: floor?.position ?? 0 });
        break;
      }
      case "sink":
        sinks.get(uid)?.restore(bytes, checkpointId);
    }
  }
  // Behind a drain, or an end, time begins anew: by its maximum whatever comes now would be late.
  const isTimed = watermarkMs < MAX_WATERMARK_MS;
  return { watermarkMs: isTimed ? watermarkMs : MIN_WATERMARK_MS, latestEventMs };
}
