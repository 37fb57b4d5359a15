// deno-lint-ignore-file no-explicit-any -- records are of the author's types: the builder checks them, the runner passes them on
/**
 * What a built job consists of at run time: one spec per operator, with the author's functions in it.
 *
 * Pure types. The stream builder (`stream.ts`) makes specs, the runner (`agent/runner`) carries them out.
 * The SDK is bundled into the job, so a spec names its version: `JobDefinition.sdkVersion`.
 *
 * @module
 */
import type { EquipmentSpec } from "./equipment.ts";
import type { JobGraph } from "@shared/job_graph.ts";
import type { AlarmPriority, EventTimeDescriptor, OverloadPolicy } from "@shared/job_graph.ts";
import type { StateMigrations, StateSpec, TtlRefresh } from "./state.ts";
import type {
  IntervalJoinOperator,
  LookupJoinOperator,
  WindowJoinOperator,
  WindowOperator,
} from "./window_spec.ts";

/** Raised on every incompatible change of the specs; a runner refuses a bundle of another version. */
export const SDK_VERSION = 1;

/** What a job file exports by default; the bundle leaves it in `module.exports.default`. */
export interface JobDefinition {
  readonly sdkVersion: typeof SDK_VERSION;
  readonly name: string;
  /** Runs the author's function and checks what it built. Same params, same result. */
  build(params: Readonly<Record<string, string>>): BuiltJob;
}

export interface BuiltJob {
  readonly graph: JobGraph;
  readonly operators: ReadonlyMap<string, OperatorSpec>;
  /** Key function of each edge of `graph.edges`, by index: of keyed edges; null for the others. */
  readonly selectors: readonly (((record: any) => string) | null)[];
  /** Where equipment stands in the plant; left out when the job does not say. */
  readonly equipment?: EquipmentSpec;
}

/** Says what to do with a record on which the author's function threw. */
export type ErrorPolicy = "fail" | "dead-letter";

export type OperatorSpec =
  | { readonly kind: "source"; readonly uid: string; readonly source: SourceSpec }
  | {
    readonly kind: "map";
    readonly uid: string;
    readonly onError: ErrorPolicy;
    readonly fn: (record: any) => unknown;
  }
  | {
    readonly kind: "filter";
    readonly uid: string;
    readonly onError: ErrorPolicy;
    readonly fn: (record: any) => boolean;
  }
  | {
    readonly kind: "flatMap";
    readonly uid: string;
    readonly onError: ErrorPolicy;
    readonly fn: (record: any) => Iterable<unknown>;
  }
  | StatefulSpec
  | { readonly kind: "sink"; readonly uid: string; readonly sink: SinkSpec };

/** Operators with keyed state; each gets its key from `keyOf`, which the preceding keyBy gave. */
export type StatefulSpec =
  | (Keyed & {
    readonly kind: "mapWithState" | "flatMapWithState";
    readonly initial: () => unknown;
    /** The key as the author's function answers it: a whole number is looked up without making text of it. */
    readonly rawKeyOf?: (record: any) => string | number | boolean;
    /** Returns new state and output (mapWithState: one; flatMapWithState: an array). Never mutates. */
    readonly fn: (state: any, record: any, key: string) => readonly [state: unknown, output: any];
    /** Outputs of each key at the end of the input; none unless given. */
    readonly onEnd?: (state: any, key: string) => readonly unknown[];
    /** Codec version of the value; a change without a migration is incompatible (S3). */
    readonly codecVersion: number;
    /** State not written for this long is dropped, ms; null keeps it for ever. */
    readonly ttlMs: number | null;
    /** What begins the time to live anew: another state, or every record; `write` unless given. */
    readonly ttlRefresh?: TtlRefresh;
    /** Bring states of older codec versions up, one version each. */
    readonly migrations?: StateMigrations;
  })
  | (Keyed & {
    readonly kind: "process";
    /** In slot order; `ctx.state[name]` is slot `index`. */
    readonly states: readonly StateSpec[];
    readonly onRecord: (record: any, ctx: any) => void;
    readonly onTimer: ((timeMs: number, ctx: any) => void) | null;
    /** Takes the records of input 1, which every subtask gets; none unless given. */
    readonly onBroadcast?: ((record: any, ctx: any) => void) | null;
  })
  | (Keyed & { readonly kind: "detect"; readonly detector: Detector<any, any> })
  | (Keyed & WindowOperator)
  | (Keyed & WindowJoinOperator)
  | (Keyed & IntervalJoinOperator)
  | (Keyed & LookupJoinOperator);

interface Keyed {
  readonly uid: string;
  readonly onError: ErrorPolicy;
  /** The key as text: numbers and booleans by `String`, anything else is refused. */
  readonly keyOf: (record: any) => string;
  /** Set where the sources have an event time for each key: its state is the last of the operator's. */
  readonly keyClock?: KeyClockSpec | null;
}

/** How the event time of one key advances; see `EventTimeDescriptor`. */
export interface KeyClockSpec {
  readonly maxOutOfOrdernessMs: number;
  readonly idleAfterMs: number | null;
}

export type SourceSpec = SourceRecords & {
  /** How event time advances; by arrival, without disorder, unless given. */
  readonly time?: EventTimeDescriptor;
  /** What to do with records that come faster than they are processed; `block` unless given. */
  readonly overload?: OverloadPolicy;
};

type SourceRecords =
  | {
    readonly connector: "mqtt";
    readonly broker: string;
    readonly topics: readonly (readonly string[])[];
    readonly receiveMaximum: number;
    readonly sessionExpirySeconds: number;
    readonly onGap: "continue" | "fail";
    readonly maxPayloadBytes: number;
    /** Null: JSON. Otherwise the author's; a throw makes a dead letter. */
    readonly decode: ((payload: Uint8Array, topic: string) => unknown) | null;
    /** Event time of a record, ms since the epoch; null uses the arrival time. */
    readonly eventTime: ((record: any) => number) | null;
  }
  | {
    readonly connector: "generator";
    readonly splitCount: number;
    /** Record number `position` (from 0) of split `splitIndex`; undefined ends the split. */
    readonly next: (position: number, splitIndex: number) => unknown;
    /** Records per second and split; null as fast as it goes. */
    readonly ratePerSecond: number | null;
    readonly eventTime: ((record: any) => number) | null;
  }
  | {
    /** In local runs alone. */
    readonly connector: "file";
    readonly path: string;
    /** `*` in the last part of the path stands for any part of a name. */
    readonly isPattern: boolean;
    readonly format: "jsonl" | "csv";
    readonly eventTime: ((record: any) => number) | null;
  };

export type SinkSpec =
  | {
    readonly connector: "mqtt";
    readonly broker: string;
    readonly topic: (record: any) => string;
    /** Null: JSON. */
    readonly encode: ((record: any) => string | Uint8Array) | null;
    readonly delivery: "direct" | "staged";
    readonly qos: 0 | 1;
    readonly isRetained: boolean;
  }
  | {
    readonly connector: "alarm";
    readonly priority: AlarmPriority;
    readonly response: string;
    /** Null: a text made of the record. */
    readonly text: ((record: any) => string) | null;
  }
  | {
    /** In local runs alone. */
    readonly connector: "file";
    readonly path: string;
    /** Null: JSON. */
    readonly encode: ((record: any) => string | Uint8Array) | null;
  };

/**
 * A detector that learns from one key's records. Its state is in the snapshot and is replaced, never mutated
 * in part: a detector may update `state` in place only because the engine copies it through its codec.
 */
export interface Detector<Record, State> {
  /** `zScore`; shown on the dashboard. */
  readonly name: string;
  readonly label: string;
  readonly codecVersion: number;
  initial(): State;
  /** The number watched, or null when the record does not carry it. */
  value(record: Record): number | null;
  /**
   * Takes one value in and judges it.
   *
   * @param record The record `value` is of, for detectors that watch more than one number.
   * @returns The new state, with `score` and `isAnomalous` of this value in it.
   */
  step(state: State, value: number, atMs: number, record: Record): State;
  /** `value`, if given, is shown instead of the number watched. */
  judge(state: State): { score: number; threshold: number; isAnomalous: boolean; value?: number };
  /**
   * The range that it takes for normal at `atMs`, in units of the signal, as dashboards and alarms show it.
   * Null while it knows none; left out by detectors whose normal is no range of one signal.
   */
  expected?(state: State, atMs: number): ExpectedRange | null;
}

/** Null: no bound on this side. */
export interface ExpectedRange {
  readonly low: number | null;
  readonly high: number | null;
}

/** What `detect` emits: the edges of an anomaly, not its every record. */
export interface Anomaly<Record = unknown> {
  readonly detector: string;
  readonly key: string;
  /** True at the onset, false when the signal is normal again. */
  readonly isActive: boolean;
  readonly value: number;
  readonly score: number;
  readonly threshold: number;
  readonly atMs: number;
  /** Event or arrival time of the onset; the same on both edges. */
  readonly sinceMs: number;
  /** Names the occurrence: the same on both edges, after every replay and rescale; null when it is not known. */
  readonly occurrenceId: string | null;
  /** Range that the detector takes for normal; null where it knows none. */
  readonly low: number | null;
  readonly high: number | null;
  readonly record: Record;
}
