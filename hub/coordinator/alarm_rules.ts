/**
 * What the author of a job said about its alarms: delays, re-alarm, silence, suppression, texts.
 *
 * Pure. Read out of the job's graph, once for each job.
 *
 * @module
 */
import type { AlarmPriority, JobGraph, SinkDescriptor } from "@shared/job_graph.ts";

/** Rules of one alarm sink; spans in ms. */
export interface AlarmRules {
  readonly cause: string;
  readonly consequence: string;
  readonly onDelayMs: number;
  readonly offDelayMs: number;
  /** Null: an acknowledged alarm never rings again by itself. */
  readonly reAlarmMs: number | null;
  readonly noData: { readonly afterMs: number; readonly priority: AlarmPriority } | null;
  readonly suppressedBy: readonly string[];
}

type AlarmSink = Extract<SinkDescriptor, { connector: "alarm" }>;

/** Of a sink whose author said nothing, and of a job that is not known any more. */
export const PLAIN_RULES: AlarmRules = {
  cause: "",
  consequence: "",
  onDelayMs: 0,
  offDelayMs: 0,
  reAlarmMs: null,
  noData: null,
  suppressedBy: [],
};

export function rulesOfSink(sink: AlarmSink): AlarmRules {
  return {
    cause: sink.cause ?? "",
    consequence: sink.consequence ?? "",
    onDelayMs: sink.onDelayMs ?? 0,
    offDelayMs: sink.offDelayMs ?? 0,
    reAlarmMs: sink.reAlarmMs ?? null,
    noData: sink.noData ?? null,
    suppressedBy: sink.suppressedBy ?? [],
  };
}

/** Rules of a no-data alarm: its delay is the silence itself, and nothing but silence ends it. */
export function noDataRules(rules: AlarmRules): AlarmRules {
  return { ...rules, onDelayMs: 0, offDelayMs: 0 };
}

/** A sink that also rings when a signal falls silent. */
export interface SilenceRule {
  readonly sinkUid: string;
  readonly afterMs: number;
  readonly priority: AlarmPriority;
  readonly response: string;
  /** Operators whose samples show that a signal lives. */
  readonly operatorUids: readonly string[];
}

/** Sinks of a job that ask for no-data alarms, with the operators they listen to. */
export function silenceRulesOf(graph: JobGraph): SilenceRule[] {
  return graph.operators.flatMap(({ uid, sink }) => {
    if (sink?.connector !== "alarm" || sink.noData === undefined) return [];
    return [{
      sinkUid: uid,
      ...sink.noData,
      response: sink.response,
      operatorUids: detectorsAbove(graph, uid),
    }];
  });
}

/** Detectors on the way to `uid`; every operator on the way where there is none. */
function detectorsAbove(graph: JobGraph, uid: string): string[] {
  const above = new Set<string>();
  const queue = [uid];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    for (const { from, to } of graph.edges) {
      if (to !== at || above.has(from)) continue;
      above.add(from);
      queue.push(from);
    }
  }
  const found = graph.operators.filter((node) => above.has(node.uid));
  const detectors = found.filter(({ kind }) => kind === "detect");
  return (detectors.length > 0 ? detectors : found).map((node) => node.uid);
}
