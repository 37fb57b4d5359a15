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
import type { InputTime } from "./job_plan.ts";
import type { KeyClockSpec, StatefulSpec } from "./operator.ts";
import { checkFunction, checkOptionNames, errorPolicyOf } from "./options.ts";
import { KEY_CLOCK_STATE } from "./process_plan.ts";
import type { SideOutput } from "./side_output.ts";
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
  /** Event time of the sources in front. */
  readonly time: InputTime;
  readonly at: string | null;
}

/** An operator and what is shown and stored of it. */
export interface PlannedOperator<Spec> {
  readonly spec: Spec;
  readonly label: string;
  readonly states: readonly StateDescriptor[];
}

/** @throws {UserError} If an option is missing, misspelt, or of no use for these windows. */
export function planWindow<In, Acc, Out>(
  site: WindowSite<In>,
  assigner: WindowAssigner<In>,
  options: AggregateOptions<In, Acc, Out> | ReduceOptions<In, Out>,
): PlannedOperator<StatefulSpec & { kind: "window" }> {
  const { uid, keyOf, at } = site;
  checkAssigner(uid, assigner, at);
  const aggregate = options !== null && typeof options === "object" && "reduce" in options
    ? aggregateOfReduce(uid, options, at)
    : checkedAggregate(uid, options, at);
  if (aggregate.merge === null && sharesRecords(assigner.windows)) {
    throw new UserError(
      "merge-missing",
      `window "${uid}" (${assigner.label}) shares or joins what it has gathered: give ` +
        `merge: (a, b) => …, both accumulators as one`,
      { at },
    );
  }
  const { spec, states } = planTime(site, { stateKind: "window", assigner }, options);
  const onError = errorPolicyOf(options, at);
  const { windows, label } = assigner;
  return {
    spec: { kind: "window", uid, onError, keyOf, windows, aggregate, ...spec },
    label,
    states,
  };
}

/** The part of windows and window joins that is about time, with their states. */
export function planTime<In>(
  { uid, time: inputTime, at }: Pick<WindowSite<In>, "uid" | "time" | "at">,
  of: { stateKind: "window" | "join"; assigner: Pick<WindowAssigner, "windows" | "label"> },
  options: WindowOptions<In>,
): {
  spec: {
    time: WindowTime;
    allowedLatenessMs: number;
    lateOutput: string | null;
    keyClock?: KeyClockSpec;
  };
  states: StateDescriptor[];
} {
  const time = timeOf(uid, of.assigner, { hasEventTime: inputTime.isOfRecord, at });
  const allowedLatenessMs = durationMs(options.allowedLateness ?? 0, "allowedLateness", at);
  const lateOutput = lateTagOf(options.lateOutput, at);
  const { windows, label } = of.assigner;
  const isBounded = windows.kind === "time" || windows.kind === "session";
  if ((allowedLatenessMs > 0 || lateOutput !== null) && (time === "processing" || !isBounded)) {
    throw new UserError(
      "bad-option",
      `${
        allowedLatenessMs > 0 ? "allowedLateness" : "lateOutput"
      } of "${uid}": nothing is late for ` +
        `${label}${time === "processing" ? " by processing time" : ""}; leave it out`,
      { at },
    );
  }
  const codecVersion = checkedCodecVersion(options.codecVersion, at);
  const own: StateDescriptor = { name: stateName(windows), kind: of.stateKind, codecVersion };
  if (time === "processing") {
    return { spec: { time, allowedLatenessMs, lateOutput }, states: [own, TIMERS_STATE] };
  }
  const keyClock = goesByTime(windows) ? inputTime.keyClock : null;
  const { spec, states } = withKeyClock(keyClock, [own]);
  return { spec: { time, allowedLatenessMs, lateOutput, ...spec }, states };
}

/**
 * The name of the state says how it is cut, so that state of other windows is refused before anything is
 * stopped (S3): panes of a minute say nothing about windows of five.
 */
function stateName(windows: WindowsSpec): string {
  switch (windows.kind) {
    case "time": {
      const { sizeMs, slideMs, offsetMs } = windows;
      const every = slideMs === sizeMs ? "" : `-every-${slideMs}`;
      return `windows-${sizeMs}${every}${offsetMs === 0 ? "" : `-from-${offsetMs}`}`;
    }
    case "session":
      return "sessions";
    case "count":
      return windows.slide === windows.size
        ? `count-${windows.size}`
        : `count-${windows.size}-every-${windows.slide}`;
    case "global":
      return "global-window";
    case "state":
      return "state-window";
  }
}

function goesByTime(windows: WindowsSpec): boolean {
  return windows.kind === "time" || windows.kind === "session" ||
    (windows.kind === "global" && windows.trigger.on === "eventTime");
}

/** Adds the state of the key's own event time, where there is one, as the last. */
export function withKeyClock(
  keyClock: KeyClockSpec | null,
  states: readonly StateDescriptor[],
): { spec: { keyClock?: KeyClockSpec }; states: StateDescriptor[] } {
  if (keyClock === null) return { spec: {}, states: [...states] };
  return { spec: { keyClock }, states: [...states, KEY_CLOCK_STATE] };
}

/** @throws {UserError} `bad-tag` for anything but a side output. */
export function lateTagOf<In>(
  output: SideOutput<In> | undefined,
  at: string | null,
): string | null {
  if (output === undefined) return null;
  if (output?.kind === "sideOutput") return output.tag;
  throw new UserError("bad-tag", 'lateOutput needs a tag: sideOutput<Reading>("late")', { at });
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
  { windows, label }: Pick<WindowAssigner, "windows" | "label">,
  { hasEventTime, at }: { hasEventTime: boolean; at: string | null },
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
