/** What the made-up plant of the dashboard's browser test has behind it: checkpoints, samples, a plan. */
import type {
  CheckpointDetail,
  CheckpointView,
  RollbackPlan,
  SampleSeries,
  SavepointView,
} from "@shared/api.ts";

export const JOB_ID = "job-vibration";
export const OPERATOR_UID = "bearing-zscore";

const CHECKPOINT_COUNT = 40;
const NEWEST_CHECKPOINT = 241;

/** The newest checkpoints of a job that takes one a second. */
export function checkpointsUntil(nowMs: number): CheckpointView[] {
  return Array.from({ length: CHECKPOINT_COUNT }, (_, index) => {
    const id = NEWEST_CHECKPOINT - index;
    const triggeredMs = nowMs - 400 - index * 1_000;
    const isPending = index === 0;
    const status = isPending
      ? "pending"
      : index === 6
      ? "aborted"
      : index === 13
      ? "degraded"
      : index > 20
      ? "subsumed"
      : "completed";
    const durationMs = isPending ? null : status === "aborted" ? 10_000 : 90 + (id * 37) % 160;
    const isFull = status !== "aborted" && status !== "degraded" && !isPending;
    return {
      id,
      lineage: 2,
      isSavepoint: index === 9,
      status,
      trigger: index === 9 ? "savepoint" : "interval",
      triggeredAt: new Date(triggeredMs).toISOString(),
      endedAt: durationMs === null ? null : new Date(triggeredMs + durationMs).toISOString(),
      durationMs,
      reason: status === "aborted"
        ? "Region vibration-watch/1 declined: upload-failed, object store answered 503"
        : status === "degraded"
        ? "Region vibration-watch/1 did not acknowledge within 10 s"
        : null,
      regionsCompleted: isFull ? 2 : 1,
      regionsTotal: 2,
      fullBytes: 1_480_000 + id * 90,
      uploadedBytes: 61_000 + (id * 7919) % 40_000,
    };
  });
}

/** The phases of one of `checkpoints`; null when there is none with that id. */
export function checkpointDetail(
  checkpoints: readonly CheckpointView[],
  id: number,
): CheckpointDetail | null {
  const found = checkpoints.find((one) => one.id === id);
  if (found === undefined) return null;
  const regions = ["vibration-watch/0", "vibration-watch/1"].map((regionId, index) => {
    const isDone = index < found.regionsCompleted;
    return {
      regionId,
      agentId: index === 0 ? "agent-a" : "agent-b",
      agentName: index === 0 ? "gateway-north-1" : "gateway-south-1",
      attempt: 4,
      status: isDone ? "completed" : found.status === "pending" ? "pending" : "declined",
      completedAt: isDone ? found.endedAt ?? found.triggeredAt : null,
      reason: isDone ? null : found.reason,
      subtasks: isDone
        ? [{
          subtaskId: `${regionId}#0`,
          startDelayMs: 4 + index,
          alignmentMs: 0,
          syncMs: 9 + index * 3,
          asyncMs: 70 + index * 55,
          fullBytes: 740_000,
          uploadedBytes: 31_000,
        }]
        : [],
    };
  });
  return { ...found, regions };
}

/** What a rollback to `savepoint` would do at `nowMs`: the newest has a gap, as every one has. */
export function rollbackPlan(savepoint: SavepointView, nowMs: number): RollbackPlan {
  const region = (index: number) => ({
    regionId: `vibration-watch/${index}`,
    agentId: index === 0 ? "agent-a" : "agent-b",
    agentName: index === 0 ? "gateway-north-1" : "gateway-south-1",
    currentAttempt: 4,
    lastCompletedId: 240,
    entriesNow: 5_000,
    entriesThen: 4_870,
    bytesToRestore: 740_000,
  });
  const gap = (index: number) => ({
    regionId: `vibration-watch/${index}`,
    sourceUid: "plant-mqtt",
    splitIndex: index,
    fromPosition: 110_000,
    toPosition: 110_000 + 4_700 + index * 13,
    records: 4_700 + index * 13,
    fromAt: savepoint.createdAt,
    toAt: new Date(nowMs).toISOString(),
  });
  return {
    jobId: savepoint.jobId,
    savepointId: savepoint.id,
    checkpointId: savepoint.checkpointId,
    regions: [region(0), region(1)],
    gaps: [gap(0), gap(1)],
    needsAllowGap: true,
    abandonedCheckpointIds: [233, 234, 236, 237, 238, 239, 240],
    operators: [
      { uid: "per-minute", compatibility: "as-is", reason: "" },
      { uid: OPERATOR_UID, compatibility: "migrates", reason: "codec 1 to 2" },
    ],
    alarmsConcerned: [{
      id: "alarm-1",
      equipment: "site-north/line-1/pump-17",
      text: "Vibration far above normal",
      raisedAt: new Date(nowMs - 95_000).toISOString(),
    }],
  };
}

/** Samples of one equipment between two times, about one a second, with a minute missing. */
export function samplesBetween(equipment: string, fromMs: number, toMs: number): SampleSeries {
  const stepMs = Math.max(1_000, Math.round((toMs - fromMs) / 600));
  const at: number[] = [];
  for (let atMs = Math.ceil(fromMs / stepMs) * stepMs; atMs < toMs; atMs += stepMs) {
    const beforeEndMs = toMs - atMs;
    if (beforeEndMs < 200_000 || beforeEndMs > 230_000) at.push(atMs);
  }
  return {
    jobId: JOB_ID,
    operatorUid: OPERATOR_UID,
    equipment,
    at,
    value: at.map((atMs) => sampleAt(atMs, toMs).value),
    score: at.map((atMs) => sampleAt(atMs, toMs).score),
  };
}

/** A hum around 71 that jumps in the last 95 s before `endMs`. */
export function sampleAt(atMs: number, endMs: number): { value: number; score: number } {
  const hum = Math.sin(atMs / 9_000) * 2 + Math.sin(atMs / 1_700) * 0.7;
  const isOdd = endMs - atMs < 95_000;
  return {
    value: 71 + hum + (isOdd ? 15 : 0),
    score: Math.abs(hum) * 0.6 + (isOdd ? 4.4 : 0),
  };
}
