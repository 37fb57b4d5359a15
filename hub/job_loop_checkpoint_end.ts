/**
 * What follows when a checkpoint has ended: what becomes durable with it, who hears of it.
 *
 * Touches the agents' links and the event feed.
 *
 * @module
 */
import type { RegionId } from "@shared/ids.ts";
import { standInsOf } from "./coordinator/job_checkpoint.ts";
import type { Acknowledgement } from "./coordinator/region_checkpoint.ts";
import type { CheckpointEnd, SubtaskStats } from "./db/checkpoint_store.ts";
import { type InFlight, type JobRun, tell } from "./job_run.ts";

/** What becomes durable together with the end of a savepoint (H2, L3). */
export function savepointEnd(inFlight: InFlight, status: string): Partial<CheckpointEnd> {
  const { savepoint } = inFlight;
  if (savepoint === null || status !== "completed") return {};
  const { operationId, id } = savepoint;
  return savepoint.isStop
    ? { stopsJob: { operationId, savepointId: id } }
    : { succeeds: { operationId, result: { savepointId: id } } };
}

/** Tells the operation that waited for it, and ends attempts that drained in vain (L3). */
export function noteEnd(
  run: JobRun,
  inFlight: InFlight,
  end: {
    readonly status: string;
    readonly reason: string | null;
    readonly completed: readonly RegionId[];
  },
): void {
  const { savepoint, forOperation, checkpointId } = inFlight;
  const { reason, completed } = end;
  if (forOperation !== null) {
    run.notes.push({
      kind: "checkpointEnded",
      operationId: forOperation,
      checkpointId,
      completed,
      reason,
    });
  }
  if (savepoint === null) return;
  const failure = end.status === "completed" ? null : reason ?? "aborted";
  run.notes.push({ kind: "savepointEnded", savepoint, failure });
  if (failure === null || !inFlight.isDrain) return;
  // Their watermark is at its end and their windows have fired: only what was saved before is of use.
  for (const regionId of inFlight.parts.keys()) {
    run.notes.push({ kind: "restart", regionId, cause: "drain-failed" });
  }
}

/** Tells the agents what became of a savepoint; the one of a stop is told as a checkpoint (K2). */
export function tellSavepointEnd(run: JobRun, inFlight: InFlight, isCompleted: boolean): void {
  const { savepoint, checkpointId } = inFlight;
  if (savepoint === null) return;
  for (const [regionId, part] of inFlight.parts) {
    const region = run.regions.get(regionId)!;
    if (isCompleted) {
      if (savepoint.isStop) region.lastCompletedId = checkpointId;
      tell(run, region, { kind: "completed", checkpointId, isSavepoint: !savepoint.isStop });
    } else if (part.status === "completed") {
      tell(run, region, { kind: "aborted", checkpointId, reason: "savepoint-incomplete" });
    }
  }
}

/** What each subtask of a region's part had come to when it ended without completing. */
export function subtasksOf(inFlight: InFlight, regionId: RegionId): SubtaskStats[] {
  const part = inFlight.parts.get(regionId);
  return (part?.plan ?? []).map((subtaskId) => {
    const acknowledged = part?.acknowledged.get(subtaskId);
    if (acknowledged !== undefined) return { subtaskId, ...acknowledged.stats };
    const said = inFlight.declined.get(`${regionId}/${subtaskId}`);
    // Without a decline all that are missing kept the others waiting alike.
    const reason = inFlight.declined.size === 0 ? part?.reason ?? null : null;
    return { subtaskId, isMissing: true, reason, detail: null, ...said };
  });
}

/** Why regions are missing in it; null when none is. */
export function reasonOf(inFlight: InFlight): string | null {
  const reasons = [...inFlight.parts]
    .filter(([, part]) => part.reason !== null)
    .map(([regionId, part]) => `${regionId}: ${part.reason}`);
  const absent = [...inFlight.composite.parts]
    .filter(([, part]) => part === "absent").map(([regionId]) => `${regionId}: absent`);
  const all = [...reasons, ...absent].sort();
  return all.length === 0 ? null : all.join("; ").slice(0, 1000);
}

/** Tells people how it ended. */
export function publishEnd(
  run: JobRun,
  inFlight: InFlight,
  end: { readonly status: string; readonly reason: string | null },
): void {
  const { checkpointId, savepoint } = inFlight;
  const acks: Acknowledgement[] = [...inFlight.parts.values()]
    .filter((part) => part.status === "completed")
    .flatMap((part) => [...part.acknowledged.values()]);
  const lastCompleted = new Map(
    [...run.regions.values()].map((region) => [region.regionId, region.lastCompletedId]),
  );
  const body = {
    jobName: run.job.name,
    checkpointId,
    status: end.status,
    trigger: inFlight.trigger,
    reason: end.reason,
    isSavepoint: savepoint !== null,
    savepointId: savepoint?.id ?? null,
    durationMs: Math.round(run.world.clock.monotonicMs() - inFlight.triggeredMs),
    phasesMs: phasesOf(acks),
    regionsCompleted: [...inFlight.parts.values()].filter((p) => p.status === "completed").length,
    regionsTotal: run.regions.size,
    fullBytes: acks.reduce((sum, { stats }) => sum + stats.fullBytes, 0),
    uploadedBytes: acks.reduce((sum, { stats }) => sum + stats.uploadedBytes, 0),
    standIns: standInsOf(inFlight.composite, lastCompleted),
  };
  const noun = savepoint === null ? "checkpoint" : "savepoint";
  const verb = end.status === "aborted" ? "aborted" : "completed";
  run.world.events.publish(`${noun}.${verb}`, { jobId: run.job.id }, body);
}

/** Each phase of the subtask that took longest in it, ms; empty when none acknowledged. */
function phasesOf(acks: readonly Acknowledgement[]): Record<string, number> {
  if (acks.length === 0) return {};
  const longest = (pick: (stats: Acknowledgement["stats"]) => number) =>
    acks.reduce((most, { stats }) => Math.max(most, pick(stats)), 0);
  return {
    "start_delay": longest((stats) => stats.startDelayMs),
    alignment: longest((stats) => stats.alignmentMs),
    sync: longest((stats) => stats.syncMs),
    async: longest((stats) => stats.asyncMs),
  };
}
