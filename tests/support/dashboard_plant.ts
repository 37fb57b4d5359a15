/** A made-up plant in the shapes of the REST API, for the dashboard's browser test. */
import type {
  AgentView,
  AlarmView,
  AttemptView,
  AuditView,
  CheckpointView,
  EquipmentView,
  GapView,
  JobDetail,
  RegionView,
  SavepointView,
} from "@shared/api.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import { checkpointsUntil, JOB_ID, OPERATOR_UID } from "./dashboard_plant_history.ts";

const MINUTE_MS = 60_000;

export interface Plant {
  readonly jobs: JobDetail[];
  readonly agents: AgentView[];
  readonly equipment: EquipmentView[];
  readonly checkpoints: CheckpointView[];
  readonly attempts: AttemptView[];
  readonly gaps: GapView[];
  alarms: AlarmView[];
  savepoints: SavepointView[];
  audit: AuditView[];
}

const GRAPH: JobGraph = {
  version: 1,
  name: "vibration-watch",
  operators: [
    {
      uid: "plant-mqtt",
      kind: "source",
      label: "mqtt plant, 2 splits",
      isKeyed: false,
      states: [],
    },
    { uid: "decode", kind: "flatMap", label: "JSON to readings", isKeyed: false, states: [] },
    {
      uid: "per-minute",
      kind: "mapWithState",
      label: "count and mean per equipment",
      isKeyed: true,
      states: [{ name: "window", kind: "value", codecVersion: 1 }],
    },
    {
      uid: OPERATOR_UID,
      kind: "detect",
      label: "zScore threshold 4",
      isKeyed: true,
      states: [{ name: "welford", kind: "detector", codecVersion: 1 }],
    },
    {
      uid: "means-out",
      kind: "sink",
      label: "mqtt plant/means, staged",
      isKeyed: false,
      states: [],
    },
    { uid: "alarms", kind: "sink", label: "alarm, high", isKeyed: false, states: [] },
  ],
  edges: [
    { from: "plant-mqtt", to: "decode", kind: "forward" },
    { from: "decode", to: "per-minute", kind: "keyByLocal" },
    { from: "decode", to: OPERATOR_UID, kind: "keyByLocal" },
    { from: "per-minute", to: "means-out", kind: "forward" },
    { from: OPERATOR_UID, to: "alarms", kind: "forward" },
  ],
};

/** The plant as it stands at `nowMs`. */
export function createPlant(nowMs: number): Plant {
  const ago = (ms: number) => new Date(nowMs - ms).toISOString();
  const checkpoints = checkpointsUntil(nowMs);
  return {
    jobs: jobsAt(ago, checkpoints[1]!.id),
    agents: agentsAt(ago),
    equipment: equipmentAt(ago),
    checkpoints,
    attempts: attemptsAt(ago),
    gaps: gapsAt(ago),
    alarms: alarmsAt(ago),
    savepoints: savepointsAt(ago),
    audit: auditAt(ago),
  };
}

type Ago = (ms: number) => string;

function jobsAt(ago: Ago, lastCheckpointId: number): JobDetail[] {
  const base = {
    desiredState: "running" as const,
    createdAt: ago(3 * 24 * 60 * MINUTE_MS),
    createdBy: "admin",
    createdByName: "admin",
    bundleDigest: "9f2c41d7e0b35a6688d1f0a4c2b7e91350f6d8a2b4c6e8f00123456789abcdef",
    params: { threshold: "4", site: "north" },
    graph: GRAPH,
    checkpointIntervalMs: 1_000,
    parallelism: 1,
    lineage: 1,
  };
  const guarantee = {
    asked: "exactly-once" as const,
    given: "at-least-once" as const,
    reasons: [
      'Sink "means-out" writes direct: a restart repeats what was sent since the last checkpoint.',
      'Broker "plant" keeps a session for 3,600 s, asked were 86,400 s.',
    ],
  };
  const regions = [
    regionOf(ago, "vibration-watch/0", "agent-a", "gateway-north-1"),
    regionOf(ago, "vibration-watch/1", "agent-b", "gateway-south-1"),
  ];
  return [
    {
      ...base,
      id: JOB_ID,
      name: "vibration-watch",
      status: "running",
      regionsRunning: 2,
      regionsTotal: 2,
      lastCheckpoint: { id: lastCheckpointId, endedAt: ago(800), status: "completed" },
      activeAlarms: 2,
      lineage: 2,
      regions,
      guarantee,
    },
    {
      ...base,
      id: "job-energy",
      name: "energy-balance-of-the-whole-north-site",
      status: "degraded",
      regionsRunning: 0,
      regionsTotal: 1,
      lastCheckpoint: { id: 77, endedAt: ago(4 * MINUTE_MS), status: "degraded" },
      activeAlarms: 0,
      regions: [{ ...regionOf(ago, "energy/0", null, null), status: "restoring", metrics: null }],
      guarantee: { asked: "exactly-once", given: "exactly-once", reasons: [] },
    },
  ];
}

function regionOf(
  ago: Ago,
  regionId: string,
  agentId: string | null,
  agentName: string | null,
): RegionView {
  return {
    regionId,
    status: "running",
    attempt: 4,
    agentId,
    agentName,
    lastCompletedId: 240,
    restoredFromId: 198,
    consecutiveFailures: 0,
    isPossiblyAutonomous: false,
    metrics: {
      receivedAt: ago(500),
      recordsIn: 120_000,
      recordsOut: 119_950,
      recordsInPerSecond: 940,
      duplicatesDropped: 12,
      deadLetters: 0,
      stateEntries: 5_000,
      windowUsed: 910,
      windowSize: 65_535,
      windowSecondsLeft: 68,
      busyRatio: 0.31,
      backpressuredRatio: 0,
      idleRatio: 0.69,
      watermarkMs: null,
      eventTimeLagMs: null,
      sourceLagMs: 120,
      lateRecords: 0,
      shedRecords: 0,
      futureRecords: 0,
      inputQueued: 0,
      position: 120_000,
      isConnected: true,
      operators: [],
    },
    subtasks: [],
  };
}

function agentsAt(ago: Ago): AgentView[] {
  const region = (regionId: string) => ({
    jobId: JOB_ID,
    jobName: "vibration-watch",
    regionId,
    status: "running",
    attempt: 4,
  });
  const base = { version: "0.1.0", enrolledAt: ago(9 * 24 * 60 * MINUTE_MS), regions: [] };
  return [
    {
      ...base,
      id: "agent-a",
      name: "gateway-north-1",
      labels: { site: "north", line: "1" },
      status: "online",
      lastSeenAt: ago(900),
      remoteAddress: "10.20.0.11",
      regions: [region("vibration-watch/0")],
    },
    {
      ...base,
      id: "agent-b",
      name: "gateway-south-1",
      labels: { site: "south" },
      status: "stale",
      lastSeenAt: ago(7_000),
      remoteAddress: "10.20.0.12",
      regions: [region("vibration-watch/1")],
    },
    {
      ...base,
      id: "agent-c",
      name: "gateway-east-1",
      labels: {},
      status: "offline",
      lastSeenAt: ago(26 * MINUTE_MS),
      remoteAddress: null,
    },
  ];
}

function equipmentAt(ago: Ago): EquipmentView[] {
  const base = {
    jobId: JOB_ID,
    operatorUid: OPERATOR_UID,
    value: 71.4,
    score: 0.6,
    activeAlarms: 0,
    unacknowledgedAlarms: 0,
    highestPriority: null,
  };
  return [
    {
      ...base,
      equipment: "site-north/line-1/pump-17",
      lastAt: ago(700),
      score: 5.8,
      activeAlarms: 2,
      unacknowledgedAlarms: 2,
      highestPriority: "critical",
    },
    { ...base, equipment: "site-north/line-1/pump-18", lastAt: ago(600) },
    {
      ...base,
      equipment: "site-north/line-2/fan-3",
      lastAt: ago(400),
      unacknowledgedAlarms: 1,
      highestPriority: "medium",
    },
    { ...base, equipment: "site-south/press-1", lastAt: ago(9 * MINUTE_MS) },
    { ...base, equipment: "site-south/press-2", lastAt: null, value: null, score: null },
  ];
}

function alarmsAt(ago: Ago): AlarmView[] {
  const base = {
    jobId: JOB_ID,
    operatorUid: OPERATOR_UID,
    response: "Check bearing temperature, then slow down.",
    acknowledgedBy: null,
    acknowledgedAt: null,
    clearedAt: null,
    value: 88.1,
    score: 5.8,
    threshold: 4,
    isActive: true,
    isAcknowledged: false,
  };
  const pump = "site-north/line-1/pump-17";
  return [
    {
      ...base,
      id: "alarm-1",
      equipment: pump,
      priority: "critical",
      text: "Vibration far above normal",
      raisedAt: ago(95_000),
    },
    {
      ...base,
      id: "alarm-2",
      equipment: pump,
      priority: "high",
      text: "Bearing temperature rising",
      raisedAt: ago(140_000),
      response: "",
    },
    {
      ...base,
      id: "alarm-3",
      equipment: "site-north/line-2/fan-3",
      priority: "medium",
      text: "Speed outside its usual range",
      raisedAt: ago(41 * MINUTE_MS),
      clearedAt: ago(32 * MINUTE_MS),
      isActive: false,
    },
    {
      ...base,
      id: "alarm-4",
      equipment: pump,
      priority: "low",
      text: "Vibration above normal",
      raisedAt: ago(4 * MINUTE_MS),
      clearedAt: ago(3.4 * MINUTE_MS),
      isActive: false,
      isAcknowledged: true,
      acknowledgedBy: "shift-2",
      acknowledgedAt: ago(3 * MINUTE_MS),
    },
  ];
}

function attemptsAt(ago: Ago): AttemptView[] {
  const base = { agentId: "agent-a", agentName: "gateway-north-1", endedAt: null, endReason: null };
  return [
    {
      ...base,
      regionId: "vibration-watch/0",
      attempt: 4,
      cause: "rollback",
      restoredFromId: 198,
      startedAt: ago(50 * MINUTE_MS),
      runningAt: ago(50 * MINUTE_MS - 820),
    },
    {
      ...base,
      regionId: "vibration-watch/0",
      attempt: 3,
      cause: "lease expired",
      restoredFromId: 151,
      startedAt: ago(190 * MINUTE_MS),
      runningAt: ago(190 * MINUTE_MS - 1_400),
      endedAt: ago(50 * MINUTE_MS),
      endReason: "rolled back to savepoint 198",
    },
    {
      ...base,
      agentId: "agent-c",
      agentName: "gateway-east-1",
      regionId: "vibration-watch/0",
      attempt: 2,
      cause: "deployed",
      restoredFromId: null,
      startedAt: ago(400 * MINUTE_MS),
      runningAt: ago(400 * MINUTE_MS - 300),
      endedAt: ago(190 * MINUTE_MS),
      endReason: "agent gateway-east-1 was not heard of for 10 s",
    },
  ];
}

function gapsAt(ago: Ago): GapView[] {
  return [{
    id: "gap-1",
    jobId: JOB_ID,
    regionId: "vibration-watch/0",
    sourceUid: "plant-mqtt",
    splitIndex: 0,
    cause: "rollback",
    fromPosition: 81_000,
    toPosition: 84_125,
    records: 3_125,
    fromAt: ago(54 * MINUTE_MS),
    toAt: ago(50 * MINUTE_MS),
    savepointId: "sp-1",
    createdAt: ago(50 * MINUTE_MS),
  }];
}

function savepointsAt(ago: Ago): SavepointView[] {
  const base = {
    jobId: JOB_ID,
    jobName: "vibration-watch",
    owner: "admin",
    ownerName: null,
    claimedByJobId: null,
    reason: null,
  };
  return [
    {
      ...base,
      id: "sp-2",
      checkpointId: 232,
      label: "before the new threshold",
      status: "completed",
      createdAt: ago(10_000),
      completedAt: ago(9_800),
      fullBytes: 1_498_000,
    },
    {
      ...base,
      id: "sp-1",
      checkpointId: 198,
      label: null,
      status: "completed",
      createdAt: ago(54 * MINUTE_MS),
      completedAt: ago(54 * MINUTE_MS - 200),
      fullBytes: 1_320_000,
    },
    {
      ...base,
      id: "sp-0",
      checkpointId: 163,
      label: "night shift",
      status: "failed",
      reason: "Region vibration-watch/1 declined: upload-failed",
      createdAt: ago(180 * MINUTE_MS),
      completedAt: null,
      fullBytes: 0,
    },
  ];
}

function auditAt(ago: Ago): AuditView[] {
  const base = {
    principal: "token:admin",
    principalName: "admin",
    role: "admin",
    outcome: "accepted",
  };
  return [
    {
      ...base,
      id: 12,
      at: ago(50 * MINUTE_MS),
      action: "job.rollback",
      subject: `job:${JOB_ID}`,
      reason: "Threshold 3 rang all night",
    },
    {
      ...base,
      id: 11,
      at: ago(54 * MINUTE_MS),
      action: "savepoint.create",
      subject: `job:${JOB_ID}`,
      reason: null,
    },
  ];
}
