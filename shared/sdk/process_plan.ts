/**
 * Checks what an author says of a `process` operator and makes its spec.
 *
 * Pure. `stream.ts` calls it for `process`.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { StateDescriptor } from "@shared/job_graph.ts";
import type { KeyClockSpec, StatefulSpec } from "./operator.ts";
import { checkFunction, checkOptionNames, errorPolicyOf } from "./options.ts";
import type { ProcessOptions } from "./process.ts";
import { descriptorOf, specifyStates, type StateDeclarations, TIMERS_STATE } from "./state.ts";

const PROCESS_OPTIONS = [
  "state",
  "emits",
  "broadcast",
  "onRecord",
  "onTimer",
  "onBroadcast",
  "onError",
];

/** State of a key's event time, behind the author's own; an author's state cannot have this name. */
export const KEY_CLOCK_STATE: StateDescriptor = {
  name: "event-clock",
  kind: "value",
  codecVersion: 1,
};

/** What `onBroadcast` writes; not of any key. */
export const BROADCAST_STATE: StateDescriptor = {
  name: "broadcast-state",
  kind: "broadcast",
  codecVersion: 1,
};

type ProcessSpec = StatefulSpec & { kind: "process" };

/**
 * @returns The spec, the text shown of it, and what is stored of it.
 * @throws {UserError} If an option is missing, misspelt or of the wrong kind.
 */
export function planProcess<In, States extends StateDeclarations, Next, Rule, Value>(
  site: {
    uid: string;
    keyOf: (record: In) => string;
    keyClock: KeyClockSpec | null;
    at: string | null;
  },
  options: ProcessOptions<In, States, Next, Rule, Value>,
): { spec: ProcessSpec; label: string; states: readonly StateDescriptor[] } {
  const { uid, keyOf, keyClock, at } = site;
  checkOptionNames(`process "${uid}"`, options, { known: PROCESS_OPTIONS, at });
  checkFunction("onRecord", options.onRecord, at);
  if (options.onTimer !== undefined) checkFunction("onTimer", options.onTimer, at);
  checkBroadcast(uid, options, at);
  const own = specifyStates(uid, options.state ?? {}, at);
  const described = own.map(descriptorOf);
  const slots = keyClock === null ? described : [...described, KEY_CLOCK_STATE];
  const spec: ProcessSpec = {
    kind: "process",
    uid,
    onError: errorPolicyOf(options, at),
    keyOf,
    states: own,
    onRecord: (record, ctx) => options.onRecord(record, ctx),
    onTimer: options.onTimer === undefined ? null : (timeMs, ctx) => options.onTimer!(timeMs, ctx),
    ...(keyClock === null ? {} : { keyClock }),
    ...(options.broadcast === undefined
      ? {}
      : { onBroadcast: (rule: Rule, ctx) => options.onBroadcast!(rule, ctx) }),
  };
  const states = [
    ...slots,
    ...(options.onTimer === undefined ? [] : [TIMERS_STATE]),
    ...(options.broadcast === undefined ? [] : [BROADCAST_STATE]),
  ];
  const label = own.length === 0 ? "process" : `process ${own.map(({ name }) => name).join(", ")}`;
  return { spec, label, states };
}

function checkBroadcast<In, States extends StateDeclarations, Next, Rule, Value>(
  uid: string,
  { broadcast, onBroadcast }: ProcessOptions<In, States, Next, Rule, Value>,
  at: string | null,
): void {
  if (broadcast === undefined && onBroadcast === undefined) return;
  if (broadcast === undefined) {
    throw new UserError(
      "broadcast-missing",
      `process "${uid}" has onBroadcast but no broadcast: name the stream, broadcast: rules.broadcast()`,
      { at },
    );
  }
  if (broadcast?.kind !== "broadcast") {
    throw new UserError(
      "bad-broadcast",
      `broadcast of process "${uid}" is not made by .broadcast(): give rules.broadcast()`,
      { at },
    );
  }
  if (onBroadcast === undefined) {
    throw new UserError(
      "broadcast-unread",
      `process "${uid}" has a broadcast but no onBroadcast(rule, ctx) that takes its records`,
      { at },
    );
  }
  checkFunction("onBroadcast", onBroadcast, at);
}
