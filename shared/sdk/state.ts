/**
 * Declarations of keyed state and what an author sees of it at run time.
 *
 * Pure. The runner (`agent/runner`) makes the handles; state is read and replaced, never changed in place.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { StateDescriptor } from "@shared/job_graph.ts";
import { callSiteOf } from "./call_site.ts";

/** A declared state of one value per key; made by `valueState`. */
export interface ValueState<Value> {
  readonly kind: "value";
  readonly codecVersion: number;
  /** Carries the type alone; never set. */
  readonly valueType?: Value;
}

/** One key's value while a record or a timer of that key is processed. */
export interface ValueStateHandle<Value> {
  /** The value last set, or undefined when there is none. Treat it as immutable. */
  get(): Value | undefined;
  /** Replaces the value. */
  set(value: Value): void;
  /** Forgets the value: `get` answers undefined again. */
  clear(): void;
}

/** The states of a `process` operator by name. */
export type StateDeclarations = Readonly<Record<string, ValueState<unknown>>>;

/** What `ctx.state` offers for these declarations. */
export type StateHandles<States extends StateDeclarations> = {
  readonly [Name in keyof States]: States[Name] extends ValueState<infer Value>
    ? ValueStateHandle<Value>
    : never;
};

/**
 * Declares a state of one value per key for `process`.
 *
 * The value may be anything plain: numbers, texts, booleans, null, arrays and objects of these.
 *
 * @param options `codecVersion`: raise it when the shape of the value changes, so that a restore of old
 *   state is refused before anything is stopped (S3). Whole number from 1; default 1.
 * @throws {UserError} `bad-codec-version`.
 *
 * @example
 * ```ts
 * import { ok } from "node:assert/strict";
 * import { valueState } from "penstock";
 *
 * const last = valueState<number>();
 * const window = valueState<{ sum: number; n: number }>({ codecVersion: 2 });
 * ok(last.codecVersion === 1 && window.codecVersion === 2);
 * ```
 */
export function valueState<Value>(options: { codecVersion?: number } = {}): ValueState<Value> {
  const codecVersion = checkedCodecVersion(options.codecVersion, callSiteOf(valueState));
  return { kind: "value", codecVersion };
}

/** Version given by the author, or 1. */
export function checkedCodecVersion(version: number | undefined, at: string | null): number {
  if (version === undefined) return 1;
  if (Number.isSafeInteger(version) && version >= 1) return version;
  throw new UserError(
    "bad-codec-version",
    `codecVersion is ${JSON.stringify(version)}: give a whole number from 1`,
    { at },
  );
}

const STATE_NAME_PATTERN = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
/** Name under which an operator's timers are in the graph and in snapshots. */
export const TIMERS_STATE: StateDescriptor = { name: "timers", kind: "timers", codecVersion: 1 };

/** Descriptors of the declared states, in the order of declaration. */
export function describeStates(
  uid: string,
  states: StateDeclarations,
  at: string | null,
): StateDescriptor[] {
  return Object.entries(states).map(([name, state]) => {
    if (!STATE_NAME_PATTERN.test(name) || name === TIMERS_STATE.name) {
      throw new UserError(
        "bad-state-name",
        `State "${name}" of operator "${uid}" cannot have this name: use letters, digits and "_", ` +
          `beginning with a letter, and not "${TIMERS_STATE.name}"`,
        { at },
      );
    }
    if (state?.kind !== "value") {
      throw new UserError(
        "bad-state",
        `State "${name}" of operator "${uid}" is not declared with valueState()`,
        { at },
      );
    }
    return { name, kind: "value", codecVersion: state.codecVersion };
  });
}
