/**
 * Checks what an author says about joins and makes the operators of it.
 *
 * Pure. `stream.ts` calls it for `windowJoin`, `intervalJoin` and `lookupJoin`.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { StateDescriptor } from "@shared/job_graph.ts";
import { durationMs } from "./duration.ts";
import type {
  Interval,
  IntervalJoinOptions,
  LookupJoinOptions,
  TableJoinOptions,
  WindowJoinOptions,
} from "./join.ts";
import type { Input, JobPlan } from "./job_plan.ts";
import type { StatefulSpec } from "./operator.ts";
import { checkFunction, checkOptionNames, checkWhole, errorPolicyOf } from "./options.ts";
import { checkedCodecVersion } from "./state.ts";
import type { WindowAssigner } from "./window.ts";
import {
  checkAssigner,
  lateTagOf,
  type PlannedOperator,
  planTime,
  type WindowSite,
  withKeyClock,
} from "./window_plan.ts";

const WINDOW_JOIN_OPTIONS = ["join", "allowedLateness", "lateOutput", "codecVersion", "onError"];
const INTERVAL_OPTIONS = ["lower", "upper", "join", "lateOutput", "codecVersion", "onError"];
const LOOKUP_OPTIONS = ["lookup", "cache", "join", "orElse", "onError"];
const TABLE_OPTIONS = ["join", "orElse", "isRemoval", "codecVersion", "onError"];
const DEFAULT_CACHE_MAX = 10_000;
const CACHE_MAX = 10_000_000;

/** Where a join stands. */
export interface JoinSite<Left, Right> extends WindowSite<Left> {
  readonly keyOfRight: (record: Right) => string;
}

/** @throws {UserError} If an option is missing, misspelt, or of no use for a join. */
export function planWindowJoin<Left, Right, Out>(
  site: JoinSite<Left, Right>,
  assigner: WindowAssigner,
  options: WindowJoinOptions<Left, Right, Out>,
): PlannedOperator<StatefulSpec & { kind: "windowJoin" }> {
  const { uid, keyOf, keyOfRight, at } = site;
  checkAssigner(uid, assigner, at);
  const { windows } = assigner;
  if (windows.kind !== "time" && windows.kind !== "session") {
    throw new UserError(
      "bad-window",
      `windowJoin "${uid}" joins by time: give tumbling, sliding or session, not ${assigner.label}`,
      { at },
    );
  }
  checkOptionNames(`windowJoin "${uid}"`, options, { known: WINDOW_JOIN_OPTIONS, at });
  const join = checkFunction("join", options.join, at);
  const time = planTime(site, { stateKind: "join", assigner }, options);
  return {
    spec: {
      kind: "windowJoin",
      uid,
      onError: errorPolicyOf(options, at),
      keyOf,
      keyOfRight,
      windows,
      join,
      ...time.spec,
    },
    label: `join, ${assigner.label}`,
    states: time.states,
  };
}

/** @throws {UserError} If an option is missing or misspelt, or `lower` is above `upper`. */
export function planIntervalJoin<Left, Right, Out>(
  site: JoinSite<Left, Right>,
  options: IntervalJoinOptions<Left, Right, Out>,
): PlannedOperator<StatefulSpec & { kind: "intervalJoin" }> {
  const { uid, keyOf, keyOfRight, at } = site;
  checkOptionNames(`intervalJoin "${uid}"`, options, { known: INTERVAL_OPTIONS, at });
  const join = checkFunction("join", options.join, at);
  const lowerMs = intervalMs(options.lower, "lower", at);
  const upperMs = intervalMs(options.upper, "upper", at);
  if (lowerMs > upperMs) {
    throw new UserError(
      "bad-interval",
      `intervalJoin "${uid}" takes right records from ${options.lower} to ${options.upper}: ` +
        `lower must not be above upper`,
      { at },
    );
  }
  const codecVersion = checkedCodecVersion(options.codecVersion, at);
  const sides: StateDescriptor[] = ["left", "right"].map((name) => ({
    name,
    kind: "join",
    codecVersion,
  }));
  const { spec: clock, states } = withKeyClock(site.time.keyClock, sides);
  return {
    spec: {
      kind: "intervalJoin",
      uid,
      onError: errorPolicyOf(options, at),
      keyOf,
      keyOfRight,
      lowerMs,
      upperMs,
      join,
      lateOutput: lateTagOf(options.lateOutput, at),
      ...clock,
    },
    label: `join, ${options.lower} to ${options.upper}`,
    states,
  };
}

/** @throws {UserError} If an option is missing, misspelt or out of its range. */
export function planLookupJoin<Left, Row, Out>(
  { uid, keyOf, at }: Pick<WindowSite<Left>, "uid" | "keyOf" | "at">,
  options: LookupJoinOptions<Left, Row, Out>,
): PlannedOperator<StatefulSpec & { kind: "lookupJoin" }> {
  checkOptionNames(`lookupJoin "${uid}"`, options, { known: LOOKUP_OPTIONS, at });
  const { cache = {} } = options;
  checkOptionNames(`cache of lookupJoin "${uid}"`, cache, { known: ["ttl", "max"], at });
  const { ttl = "1m", max = DEFAULT_CACHE_MAX } = cache;
  return {
    spec: {
      kind: "lookupJoin",
      uid,
      onError: errorPolicyOf(options, at),
      keyOf,
      table: {
        from: "function",
        lookup: checkFunction("lookup", options.lookup, at),
        cacheTtlMs: durationMs(ttl, "cache.ttl", at),
        cacheMax: checkWhole("cache.max", max, { min: 1, max: CACHE_MAX, at }),
      },
      ...functionsOf(options, at),
    },
    label: `lookup, cache ${ttl}`,
    states: [],
  };
}

/** @throws {UserError} If an option is missing or misspelt. */
export function planTableJoin<Left, Row, Out>(
  { uid, keyOf, keyOfRight, at }: Pick<
    JoinSite<Left, Row>,
    "uid" | "keyOf" | "keyOfRight" | "at"
  >,
  options: TableJoinOptions<Left, Row, Out>,
): PlannedOperator<StatefulSpec & { kind: "lookupJoin" }> {
  checkOptionNames(`lookupJoin "${uid}"`, options, { known: TABLE_OPTIONS, at });
  const { isRemoval = null } = options;
  if (isRemoval !== null) checkFunction("isRemoval", isRemoval, at);
  const codecVersion = checkedCodecVersion(options.codecVersion, at);
  return {
    spec: {
      kind: "lookupJoin",
      uid,
      onError: errorPolicyOf(options, at),
      keyOf,
      table: { from: "stream", keyOfRow: keyOfRight, isRemoval },
      ...functionsOf(options, at),
    },
    label: "lookup in a stream",
    states: [{ name: "row", kind: "value", codecVersion }],
  };
}

/**
 * The inputs of the right side of a join, marked as such.
 *
 * @throws {UserError} `join-keys` unless records of one key meet: both sides by `keyBy`, or both by
 *   `keyByLocal` in one stage.
 */
export function rightInputs(
  uid: string,
  sides: { left: readonly Input[]; right: readonly Input[] },
  { plan, at }: { plan: JobPlan; at: string | null },
): Input[] {
  const { left, right } = sides;
  const kinds = new Set([...left, ...right].map(({ edge }) => edge));
  if (kinds.size > 1) {
    throw new UserError(
      "join-keys",
      `Join "${uid}" has one side keyed by keyBy and one by keyByLocal, so records of one key do not ` +
        `meet: use keyBy on both sides`,
      { at },
    );
  }
  const [leftStage, rightStage] = [plan.stageOf(left), plan.stageOf(right)];
  if (kinds.has("keyByLocal") && leftStage !== rightStage) {
    throw new UserError(
      "join-keys",
      `Join "${uid}" has sides keyed by keyByLocal that begin at different places (${leftStage}; ` +
        `${rightStage}), so records of one key do not meet: use keyBy on both sides`,
      { at },
    );
  }
  return right.map((input) => ({ ...input, input: 1 }));
}

function functionsOf<Left, Row, Out>(
  { join, orElse }: Pick<LookupJoinOptions<Left, Row, Out>, "join" | "orElse">,
  at: string | null,
) {
  if (orElse !== undefined) checkFunction("orElse", orElse, at);
  return { join: checkFunction("join", join, at), orElse: orElse ?? null };
}

/** A duration that may be negative, ms. */
function intervalMs(interval: Interval, name: string, at: string | null): number {
  if (typeof interval === "number") {
    return interval < 0 ? -durationMs(-interval, name, at) : durationMs(interval, name, at);
  }
  const isNegative = String(interval).startsWith("-");
  const length = (isNegative ? interval.slice(1) : interval) as `${number}ms`;
  const ms = durationMs(length, name, at);
  return isNegative && ms > 0 ? -ms : ms;
}
