/**
 * A job whose alarm sinks have rules, and edges of its alarms, for tests over a real database.
 */
import type { Db } from "../../hub/db/client.ts";
import { bundles, jobs } from "../../hub/db/schema.ts";
import type { JobId, RegionId } from "@shared/ids.ts";
import type { JobGraph, SinkDescriptor } from "@shared/job_graph.ts";
import type { AlarmEdge } from "@shared/messages.ts";

type AlarmSink = Extract<SinkDescriptor, { connector: "alarm" }>;

/** Rules of a sink beside what every alarm sink has. */
export type SinkRules = Partial<Omit<AlarmSink, "connector" | "delivery">>;

/** Inserts a running job with these alarm sinks, all behind one detector `drift`. */
export async function insertAlarmJob(
  db: Db,
  id: string,
  sinks: Readonly<Record<string, SinkRules>>,
): Promise<void> {
  const graph: JobGraph = {
    version: 1,
    name: "pump-watch",
    operators: [
      { uid: "drift", kind: "detect", label: "drift", isKeyed: true, states: [] },
      ...Object.entries(sinks).map(([uid, rules]) => ({
        uid,
        kind: "sink" as const,
        label: uid,
        isKeyed: false,
        states: [],
        sink: {
          connector: "alarm" as const,
          priority: "medium" as const,
          delivery: "idempotent" as const,
          response: "",
          ...rules,
        },
      })),
    ],
    edges: Object.keys(sinks).map((to) => ({ from: "drift", to, kind: "forward" as const })),
  };
  const at = new Date(0);
  await db.insert(bundles).values({ digest: `digest-${id}`, bundle: "", createdAt: at });
  await db.insert(jobs).values({
    id,
    name: "pump-watch",
    bundleDigest: `digest-${id}`,
    params: {},
    graph,
    desiredState: "running",
    checkpointIntervalMs: 5_000,
    createdAt: at,
    createdBy: "test",
  });
}

/** An edge of `alarmId` at `atMs`. */
export function alarmEdge(
  alarmId: string,
  isActive: boolean,
  atMs: number,
  more: Partial<AlarmEdge> = {},
): AlarmEdge {
  return {
    edgeId: `${alarmId}-${isActive ? "raise" : "clear"}`,
    alarmId,
    jobId: "job" as JobId,
    regionId: "s.0" as RegionId,
    operatorUid: "drift",
    sinkUid: "heat",
    key: "north/hall/pump-1",
    isActive,
    priority: "high",
    text: "bearing too hot",
    response: "",
    atMs,
    value: 91.5,
    score: 5,
    threshold: 4,
    low: 40,
    high: 70,
    ...more,
  };
}
