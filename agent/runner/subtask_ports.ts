/**
 * What a subtask is told and given.
 *
 * Pure types.
 *
 * @module
 */
import type { EquipmentPlaces } from "./equipment_places.ts";
import type { Clock } from "@shared/clock.ts";
import type { Attempt, RegionId, SubtaskId } from "@shared/ids.ts";
import type { SubtaskPlan } from "@shared/regions.ts";
import type { RunnerReport } from "../runner_frames.ts";
import type { KeyedState } from "../state/keyed_state.ts";
import type { BatchSender } from "./channel_outputs.ts";
import type { ConnectorFactory } from "./connectors.ts";
import type { FailPoints } from "./fail_points.ts";
import type { TurnQueue } from "./turn_queue.ts";

export interface SubtaskPorts {
  readonly clock: Clock;
  /** Resolves after other work, the network's too, had its turn. */
  readonly yieldTurn: () => Promise<void>;
  readonly turns: TurnQueue;
  readonly report: (report: RunnerReport, body?: Uint8Array) => void;
  readonly connectors: ConnectorFactory;
  readonly places: EquipmentPlaces;
  readonly failPoints: FailPoints;
  readonly askOwnership: (regionId: RegionId, attempt: Attempt) => Promise<boolean>;
  /** Its keyed state, for who looks into it between two records. */
  readonly onState: (state: KeyedState) => void;
  /** The end of the channel to `target` that this subtask writes to. */
  readonly senderTo: (target: SubtaskId) => BatchSender;
  /** Records of input channel `channel` were worked off: as many more may come. */
  readonly workedOff: (channel: number, records: number) => void;
}

export interface SubtaskIdentity {
  readonly jobId: string;
  readonly regionId: RegionId;
  readonly attempt: Attempt;
  readonly plan: SubtaskPlan;
}
