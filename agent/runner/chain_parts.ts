/**
 * What a chain is compiled from, and what each of its operators gets.
 *
 * Pure types.
 *
 * @module
 */
import type { GraphEdge } from "@shared/job_graph.ts";
import type { GroupRange } from "@shared/manifest.ts";
import type { SinkWriter } from "../connectors/connector.ts";
import type { KeyedState } from "../state/keyed_state.ts";
import type { OperatorClock } from "./event_clock.ts";
import type { DeadLetters } from "./failures.ts";
import type { Origin } from "./origin.ts";
import type { SignalSamples } from "./signal_samples.ts";
import type { TimerService } from "./timer_service.ts";

/** Takes one record. */
export type Emit = (record: unknown) => void;

/** What takes the records of one operator: one function for each of its inputs. */
export type OperatorInputs = readonly [first: Emit, second?: Emit];

/** Records through one operator since the attempt began. */
export interface OperatorCount {
  readonly uid: string;
  recordsIn: number;
  recordsOut: number;
  /** Records that came behind the watermark and could not count any more. */
  lateRecords: number;
}

/** What compiled operators work with. */
export interface ChainParts {
  readonly origin: Origin;
  readonly state: KeyedState;
  readonly timers: TimerService;
  readonly deadLetters: DeadLetters;
  readonly samples: SignalSamples;
  readonly sinks: ReadonlyMap<string, SinkWriter>;
  /** Called after each write to a sink, so that a full one pushes back. */
  readonly afterWrite: (sink: SinkWriter) => void;
  /** What a record into an exchange edge that leaves this subtask is given to. */
  readonly exchange?: (edgeIndex: number) => Emit;
  /** Tells this subtask from the others that get the same broadcast records; "" unless given. */
  readonly subtaskId?: string;
  /** Key groups that this subtask owns; null, or left out: its state is local to its split. */
  readonly keyGroups?: GroupRange | null;
  /**
   * Gets the watermark of the subtask's own source, for subtasks that have channels beside it: they advance the
   * chain by the least of all. Left out: the source alone advances the chain.
   */
  readonly onSourceWatermark?: (ms: number) => void;
  /** State of one operator that is the same in every subtask; needed where the job broadcasts. */
  readonly broadcast?: (uid: string) => BroadcastTable;
  /** Event time is driven by the records, as from a file: nothing is too far in the future. */
  readonly isTimeDrivenByRecords?: boolean;
}

/** State that is the same in every subtask, by name. */
export interface BroadcastTable {
  readonly size: number;
  get(name: string): unknown;
  /** @param value Not undefined. */
  set(name: string, value: unknown): void;
  delete(name: string): void;
  /** In the order of their names. */
  entries(): Iterable<readonly [name: string, value: unknown]>;
}

/** What one operator has of its own. */
export interface OperatorPlace {
  readonly count: OperatorCount;
  /** Where its main output goes. */
  readonly emit: Emit;
  /** Its event time: what is late, and when to fire. */
  readonly clock: OperatorClock;
  /** Kinds of the edges that feed it. */
  readonly inputKinds: readonly GraphEdge["kind"][];
  /** Where its side output `tag` goes; null when nobody reads it. */
  side(tag: string): Emit | null;
  /**
   * Carries out the operator's error policy: fails the subtask, or counts the record, shows it, and gives it to
   * those who read the dead letters.
   *
   * @throws {OperatorFailedError} If the policy is `fail`.
   */
  readonly setAside: (record: unknown, thrown: unknown) => void;
}
