/**
 * Looks at the plant for a request: memory, and what the database says of alarms and jobs.
 *
 * Touches the database. Callers that come within a second share one look, so that many screens cost as much
 * as one.
 *
 * @module
 */
import { openAlarms, runningJobs } from "../db/plant_store.ts";
import type { HubContext } from "../ports.ts";
import { type EquipmentState, equipmentStates } from "./plant.ts";

/** A look this fresh is good enough for the next caller. */
const SHARED_MS = 500;

export interface PlantLook {
  readonly atMs: number;
  readonly states: readonly EquipmentState[];
  /** Names of levels by job that is to run. */
  readonly jobs: ReadonlyMap<string, readonly string[]>;
}

/** Looks at the plant of `hub`. */
export function plantLooks(hub: HubContext): () => Promise<PlantLook> {
  let shared: { readonly atMs: number; readonly look: Promise<PlantLook> } | null = null;
  return () => {
    const nowMs = hub.clock.monotonicMs();
    if (shared !== null && nowMs - shared.atMs < SHARED_MS) return shared.look;
    const look = lookAt(hub);
    shared = { atMs: nowMs, look };
    look.catch(() => shared = null);
    return look;
  };
}

async function lookAt(hub: HubContext): Promise<PlantLook> {
  const nowMs = hub.clock.nowMs();
  const { staleAfterMs, sampleRetentionMs } = hub.settings.current();
  const [alarms, jobs] = await Promise.all([openAlarms(hub.db, nowMs), runningJobs(hub.db)]);
  const states = equipmentStates({
    nowMs,
    staleAfterMs,
    retentionMs: sampleRetentionMs,
    signals: hub.live.samples.values(),
    places: hub.signals.places,
    alarms,
    jobs,
  });
  return { atMs: nowMs, states, jobs };
}
