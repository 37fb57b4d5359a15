/**
 * Lays what the event stream brought over the equipment as last fetched.
 *
 * Pure.
 *
 * @module
 */
import type { EquipmentView } from "@shared/api.ts";
import { type LiveSample, signalKey } from "../state/live_state.ts";
import { isPriority, PRIORITY_RANK } from "./health.ts";

/** `equipment` with the newer of its own and the streamed sample. */
export function withLiveSample(
  equipment: EquipmentView,
  samples: ReadonlyMap<string, LiveSample>,
): EquipmentView {
  const key = signalKey(equipment.jobId, equipment.operatorUid, equipment.equipment);
  const sample = samples.get(key);
  if (sample === undefined) return equipment;
  if (equipment.lastAt !== null && Date.parse(equipment.lastAt) >= sample.atMs) return equipment;
  const lastAt = new Date(sample.atMs).toISOString();
  return { ...equipment, lastAt, value: sample.value, score: sample.score };
}

/** Worst first: alarms by priority, then unacknowledged, then by name. */
export function worstFirst(a: EquipmentView, b: EquipmentView): number {
  return rankOf(a) - rankOf(b) || b.unacknowledgedAlarms - a.unacknowledgedAlarms ||
    a.equipment.localeCompare(b.equipment) || a.operatorUid.localeCompare(b.operatorUid);
}

function rankOf(equipment: EquipmentView): number {
  if (equipment.activeAlarms === 0) return equipment.unacknowledgedAlarms > 0 ? 8 : 9;
  const priority = equipment.highestPriority;
  return isPriority(priority) ? PRIORITY_RANK[priority] : 7;
}
