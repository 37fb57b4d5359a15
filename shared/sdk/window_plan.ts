/**
 * Checks what an author says about windows and makes the operator of it.
 *
 * Pure. `stream.ts` calls it for `window`.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { StateDescriptor } from "@shared/job_graph.ts";
import { durationMs } from "./duration.ts";
import { checkFunction, checkOptionNames, errorPolicyOf } from "./options.ts";
import type { StatefulSpec } from "./operator.ts";
import { checkedCodecVersion, TIMERS_STATE } from "./state.ts";
import type { AggregateOptions, ReduceOptions, WindowAssigner, WindowOptions } from "./window.ts";
import type { AggregateSpec, WindowsSpec, WindowTime } from "./window_spec.ts";

const COMMON_OPTIONS = ["allowedLateness", "lateOutput", "codecVersion", "onError", "result"];
const AGGREGATE_OPTIONS = ["initial", "add", "merge", ...COMMON_OPTIONS];
const REDUCE_OPTIONS = ["reduce", ...COMMON_OPTIONS];

/** Where a windowed operator stands. */
export interface WindowSite<In> {
  readonly uid: string;
  readonly keyOf: (record: In) => string;
  /** Whether a source in front gives its records an event time. */
  readonly hasEventTime: boolean;
  readonly at: string | null;
}

/** An operator and what is shown and stored of it. */
export interface PlannedWindows<Spec> {
  readonly spec: Spec;
  readonly label: string;
  readonly states: readonly StateDescriptor[];
}

/** @throws {UserError} If an option is missing, misspelt, or of no use for these windows. */
export function planWindow<In, Acc, Out>(
  site: WindowSite<In>,
  assigner: WindowAssigner<In>,
  options: AggregateOptions<In, Acc, Out> | ReduceOptions<In, Out>,
): PlannedWindows<StatefulSpec & { kind: "window" }> {
  const { uid, at } = site;
  checkAssigner(uid, assigner, at);
  const aggregate = "reduce" in options
    ? aggregateOfReduce(uid, options, at)
    : checkedAggregate(uid, options, at);
  if (aggregate.merge === null && sharesRecords(assigner.windows)) {
    throw new UserError(
      "merge-missing",
      `window "${uid}" (${assigner.label}) shares or joins what it has gathered: give merge: (a, b) => …, ` +
        `both accumulators as one`,
      { at },
    );
  }
  const common = planCommon(site, { kind: "window", assigner }, options);
  return {
    spec: {
      kind: "window",
      uid,
      onError: errorPolicyOf(options, at),
      keyOf: site.keyOf,
      windows: assigner.windows,
      aggregate,
      time: common.time,
      allowedLatenessMs: common.allowedLatenessMs,
      lateOutput: options.lateOutput ?? null,
    },
    label: assigner.label,
    states: common.states,
  };
}

/** What windows and window joins check alike. */
export function planCommon<In>(
  { uid, hasEventTime, at }: Pick<WindowSite<In>, "uid" | "hasEventTime" | "at">,
  of: { kind: "window" | "join"; assigner: WindowAssigner<never> },
  options: WindowOptions,
): { time: WindowTime; allowedLatenessMs: number; states: StateDescriptor[] } {
  const time = timeOf(uid, of.assigner, hasEventTime, at);
  const allowedLatenessMs = durationMs(options.allowedLateness ?? 0, "allowedLateness", at);
  const { kind } = of.assigner.windows;
  if (allowedLatenessMs > 0 && (time === "processing" || (kind !== "time" && kind !== "session"))) {
    throw new UserError(
      "bad-option",
      `allowedLateness of window "${uid}": nothing is late for ${of.assigner.label}` +
        `${time === "processing" ? " by processing time" : ""}; leave it out`,
      { at },
    );
  }
  const codecVersion = checkedCodecVersion(options.codecVersion, at);
  const state: StateDescriptor = of.kind === "window"
    ? { name: "windows", kind: "window", codecVersion }
    : { name: "windows", kind: "join", codecVersion };
  const states = time === "processing" ? [state, TIMERS_STATE] : [state];
  return { time, allowedLatenessMs, states };
}

/** @throws {UserError} `bad-window` unless `assigner` was made by one of the functions for it. */
export function checkAssigner<In>(
  uid: string,
  assigner: WindowAssigner<In>,
  at: string | null,
): void {
  if (assigner?.windows !== undefined) return;
  throw new UserError(
    "bad-window",
    `"${uid}" needs windows such as tumbling("1m"), sliding("1h", "1m") or session("5m")`,
    { at },
  );
}

function timeOf(
  uid: string,
  { windows, label }: WindowAssigner<never>,
  hasEventTime: boolean,
  at: string | null,
): WindowTime {
  if (windows.kind !== "global") return hasEventTime ? "event" : "processing";
  const { on } = windows.trigger;
  if (on === "processingTime") return "processing";
  if (on !== "eventTime" || hasEventTime) return hasEventTime ? "event" : "processing";
  throw new UserError(
    "event-time-missing",
    `window "${uid}" (${label}) goes by event time, but its source has no eventTime: add it there, ` +
      `or use everyProcessingTime`,
    { at },
  );
}

/** Whether accumulators of such windows have to be combined. */
function sharesRecords(windows: WindowsSpec): boolean {
  switch (windows.kind) {
    case "time":
      return windows.slideMs % windows.sizeMs !== 0;
    case "count":
      return windows.slide % windows.size !== 0;
    case "session":
      return true;
    case "global":
    case "state":
      return false;
  }
}

function checkedAggregate<In, Acc, Out>(
  uid: string,
  options: AggregateOptions<In, Acc, Out>,
  at: string | null,
): AggregateSpec {
  checkOptionNames(`window "${uid}"`, options, { known: AGGREGATE_OPTIONS, at });
  checkFunction("initial", options?.initial, at);
  checkFunction("add", options.add, at);
  if (options.merge !== undefined) checkFunction("merge", options.merge, at);
  if (options.result !== undefined) checkFunction("result", options.result, at);
  const { initial, add, merge = null, result = null } = options;
  return { initial, add, merge, result };
}

function aggregateOfReduce<In, Out>(
  uid: string,
  options: ReduceOptions<In, Out>,
  at: string | null,
): AggregateSpec {
  checkOptionNames(`window "${uid}"`, options, { known: REDUCE_OPTIONS, at });
  const { reduce, result = null } = options;
  checkFunction("reduce", reduce, at);
  if (result !== null) checkFunction("result", result, at);
  return {
    initial: () => NOTHING,
    add: (acc: In | undefined, record: In) => acc === NOTHING ? record : reduce(acc as In, record),
    merge: reduce,
    result: result ?? ((value: In) => value),
  };
}

/** Before the first record of a reduced window. */
const NOTHING = undefined;
