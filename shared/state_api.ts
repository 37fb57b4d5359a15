/**
 * Answers of the REST API about kept state: what a job would start from, the state of a key, what differs
 * between savepoints.
 *
 * Pure types, like those of `shared/api.ts`.
 *
 * @module
 */

/** What deploying a job would start from; the answer to `dryRun: true`. */
export interface DeployPlan {
  readonly name: string;
  readonly parallelism: number;
  readonly regions: readonly { readonly regionId: string; readonly subtasks: readonly string[] }[];
  /** Savepoint, or checkpoint of the job to be replaced; null: empty. */
  readonly from: {
    readonly savepointId: string | null;
    readonly jobId: string;
    readonly checkpointId: number;
  } | null;
  /** `continued`: the sources go on where the job they start from stopped. `own`: they begin anew. */
  readonly sessions: "continued" | "own";
  readonly operators: readonly {
    readonly uid: string;
    readonly compatibility: "as-is" | "migrates" | "incompatible" | "dropped" | "new";
    readonly reason: string;
    readonly states: readonly {
      readonly name: string;
      readonly compatibility: "as-is" | "migrates" | "incompatible" | "dropped" | "new";
      readonly reason: string;
    }[];
  }[];
  /** Saved subtasks that the job has no place for: dropped with `allowNonRestoredState`. */
  readonly straySubtasks: readonly string[];
  /** The brokers were told since that later records are done: starting needs `allowGap`. */
  readonly needsAllowGap: boolean;
}

/** GET /jobs/{id}/state/{operator}: one key's state. */
export interface KeyStateView {
  readonly operator: string;
  readonly key: string;
  readonly keyGroup: number;
  readonly subtaskId: string;
  /** Agent that answered; null in a savepoint. */
  readonly agentId: string | null;
  readonly agentName: string | null;
  readonly savepointId: string | null;
  /** By name; what JSON has no word for as `{"$type": …}` (shared/json_value.ts). */
  readonly states: Readonly<Record<string, unknown>>;
  /** Processing-time and event-time timers, ms since the epoch. */
  readonly timers: readonly number[];
  readonly eventTimers: readonly number[];
  /** When the state was this: the moment of the answer, or that of the savepoint. */
  readonly asOf: string;
  /** Further subtasks with state of this key, as state that is local to splits may have. */
  readonly alsoIn: readonly string[];
}

/** GET /savepoints/{id}/compatibility: whether a job can restore what a savepoint holds. */
export interface SavepointCompatibility {
  readonly savepointId: string;
  readonly jobId: string;
  /** The job runs the version that the savepoint was taken of. */
  readonly isSameVersion: boolean;
  /** The worst that is said of any operator. */
  readonly verdict: "as-is" | "migrates" | "incompatible" | "dropped" | "new";
  readonly operators: DeployPlan["operators"];
}

export type StateDifferenceKind = "added" | "removed" | "changed";

/** GET /savepoints/{id}/diff?against=: what differs, key by key. */
export interface SavepointDiff {
  readonly savepointId: string;
  readonly against: string;
  /** Of everything, on the first page; empty on the following ones. */
  readonly operators: readonly {
    readonly operator: string;
    readonly added: number;
    readonly removed: number;
    readonly changed: number;
    readonly unchanged: number;
  }[];
  readonly items: readonly {
    readonly operator: string;
    readonly key: string;
    readonly keyGroup: number;
    readonly kind: StateDifferenceKind;
    /** `{states, timers, eventTimers}`, or a list of them where several subtasks have the key. */
    readonly before: unknown;
    readonly after: unknown;
  }[];
  readonly next: string | null;
}
