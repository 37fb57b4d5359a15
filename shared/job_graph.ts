/**
 * The logical graph of a job as plain JSON: what the hub stores, plans and shows.
 *
 * Pure. The functions of the operators are not in it: they live in the bundle that the runner evaluates.
 * `shared/sdk/job.ts` makes it; the hub gets it from `hub/graph_extractor`.
 *
 * @module
 */

/** Raised when the shape below changes; a hub refuses a graph of another version. */
export const JOB_GRAPH_VERSION = 1;

/** Key groups of every job: the unit of keyed state and its movement (S1). */
export const KEY_GROUP_COUNT = 128;

export interface JobGraph {
  readonly version: typeof JOB_GRAPH_VERSION;
  readonly name: string;
  /** In topological order, sources first; ties in the order of declaration. */
  readonly operators: readonly OperatorNode[];
  readonly edges: readonly GraphEdge[];
  /** Names of the levels above equipment, outermost first, such as site, area, line; none unless given. */
  readonly levels?: readonly string[];
}

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  /**
   * `forward`: same subtask. `keyByLocal`: keyed, same subtask. `keyBy`: hash exchange between the
   * subtasks of two stages. `broadcast`: every record goes to every subtask that runs `to`.
   */
  readonly kind: "forward" | "keyByLocal" | "keyBy" | "broadcast";
  /** Input of `to` that it feeds, for operators with two; 0 unless given. */
  readonly input?: 0 | 1;
  /** Side output of `from` that it carries; the main output unless given. */
  readonly output?: string;
}

/** Edges between subtasks; all others stay within one. */
export function isExchange(edge: GraphEdge): boolean {
  return edge.kind === "keyBy" || edge.kind === "broadcast";
}

export type OperatorKind =
  | "source"
  | "map"
  | "filter"
  | "flatMap"
  | "mapWithState"
  | "flatMapWithState"
  | "process"
  | "detect"
  | "union"
  | "window"
  | "windowJoin"
  | "intervalJoin"
  | "lookupJoin"
  | "sink";

export interface OperatorNode {
  readonly uid: string;
  readonly kind: OperatorKind;
  /** Short text for the dashboard, such as `zScore threshold 4`. */
  readonly label: string;
  readonly isKeyed: boolean;
  readonly states: readonly StateDescriptor[];
  /** Only on `source`. */
  readonly source?: SourceDescriptor;
  /** Only on `sink`. */
  readonly sink?: SinkDescriptor;
}

/** One named state of an operator; compatibility is judged by name, kind and codec version (S3). */
export interface StateDescriptor {
  readonly name: string;
  readonly kind:
    | "value"
    | "list"
    | "map"
    | "reducing"
    | "aggregating"
    | "detector"
    | "window"
    | "join"
    | "timers"
    | "broadcast";
  readonly codecVersion: number;
  /** Older versions that the job brings up to `codecVersion` by its migrations, ascending; none unless given. */
  readonly migratesFrom?: readonly number[];
}

export type SourceDescriptor =
  | MqttSourceDescriptor
  | GeneratorSourceDescriptor
  | FileSourceDescriptor;

export interface SplitDescriptor {
  /** MQTT topic filters, read through one persistent session. */
  readonly topics: readonly string[];
  /** Labels an agent should carry to run this split; a preference, not a demand. */
  readonly near: Readonly<Record<string, string>>;
}

/** How event time advances on a source, and what is done with records that cannot be true. */
export interface EventTimeDescriptor {
  /** Records carry an event time; otherwise it is the time of their arrival. */
  readonly isOfRecord: boolean;
  /** A record may be this much behind the latest of its split, or of its key if `perKey`, ms. */
  readonly maxOutOfOrdernessMs: number;
  /** Without a record for so long, a split or key no longer holds event time back, ms; null: it always does. */
  readonly idleAfterMs: number | null;
  /** Each key of the operators behind has an event time of its own. */
  readonly perKey: boolean;
  /** A record may be this much ahead of the wall clock, ms; null where event time is driven by the records. */
  readonly maxFutureSkewMs: number | null;
  /** What becomes of one further ahead: it gets its arrival time, or is set aside. */
  readonly onFuture: "clamp" | "deadLetter";
}

/** What a source does with records that come faster than they are processed. */
export type OverloadPolicy = "block" | "sample" | "dropOldest";

/** What every source may say of time and load. */
export interface SourceTiming {
  /** Left out where records have the time of their arrival. */
  readonly eventTime?: EventTimeDescriptor;
  /** `block` unless given. */
  readonly overload?: OverloadPolicy;
}

export interface MqttSourceDescriptor extends SourceTiming {
  readonly connector: "mqtt";
  /** Name of a broker the hub knows. */
  readonly broker: string;
  readonly splits: readonly SplitDescriptor[];
  /** Asked of the broker in CONNECT; 1..65535. */
  readonly receiveMaximum: number;
  readonly sessionExpirySeconds: number;
  readonly whenHubAway: "continue" | "hold";
  readonly onGap: "continue" | "fail";
  readonly maxPayloadBytes: number;
  /** The author's expected peak, messages per second over all splits; null when not said (M8). */
  readonly peakRate: number | null;
}

export interface GeneratorSourceDescriptor extends SourceTiming {
  readonly connector: "generator";
  readonly splits: readonly SplitDescriptor[];
}

/** Read in local runs alone; has one split. */
export interface FileSourceDescriptor extends SourceTiming {
  readonly connector: "file";
  readonly path: string;
  readonly format: "jsonl" | "csv";
  readonly splits: readonly SplitDescriptor[];
}

export type DeliveryClass = "transactional" | "staged" | "idempotent" | "direct";

export type SinkDescriptor =
  | { readonly connector: "mqtt"; readonly broker: string; readonly delivery: "direct" | "staged" }
  | {
    readonly connector: "alarm";
    readonly priority: AlarmPriority;
    readonly delivery: "idempotent";
    /** What the operator is expected to do; empty when the author said nothing. */
    readonly response: string;
    /** What brings it about, and what comes of it when nobody acts; empty when the author said nothing. */
    readonly cause?: string;
    readonly consequence?: string;
    /** How long a condition must hold, and be gone, before the alarm is active, and over; 0 unless given. */
    readonly onDelayMs?: number;
    readonly offDelayMs?: number;
    /** An acknowledged alarm that is still active rings again after this; never unless given. */
    readonly reAlarmMs?: number;
    /** Silence of a signal that is an alarm of its own, and its priority; none unless given. */
    readonly noData?: { readonly afterMs: number; readonly priority: AlarmPriority };
    /** Sinks whose active alarm of the same equipment suppresses this one by design. */
    readonly suppressedBy?: readonly string[];
  }
  /** Written in local runs alone. */
  | { readonly connector: "file"; readonly path: string; readonly delivery: "direct" };

export type AlarmPriority = "low" | "medium" | "high" | "critical";

export type Guarantee = "exactly-once" | "at-least-once" | "at-most-once";

/** Uids of the sources and sinks that only a local run can carry out, in graph order. */
export function localOnlyUidsOf(graph: JobGraph): string[] {
  return graph.operators
    .filter((node) => node.source?.connector === "file" || node.sink?.connector === "file")
    .map((node) => node.uid);
}

/** Brokers named by the sources and sinks of a job, sorted. */
export function brokersOf(graph: JobGraph): string[] {
  const names = new Set<string>();
  for (const node of graph.operators) {
    if (node.source?.connector === "mqtt") names.add(node.source.broker);
    if (node.sink?.connector === "mqtt") names.add(node.sink.broker);
  }
  return [...names].sort();
}
