/**
 * The end-to-end guarantee of a job: the minimum of what was asked and what brokers and sinks give.
 *
 * Pure (M7, M8, K1). Profiles are the `broker-profile` events of the sources, measured at connect.
 *
 * @module
 */
import type { GuaranteeView } from "@shared/job_api.ts";
import type { Guarantee, JobGraph, OperatorNode } from "@shared/job_graph.ts";
import type { RegionEvent } from "@shared/messages.ts";
import { holdMsOf, neededWindowOf, type WindowTimes } from "./window_check.ts";

const FROM_WEAKEST: readonly Guarantee[] = ["at-most-once", "at-least-once", "exactly-once"];

/** What is known of one split of a region that runs. */
export interface SplitMeasure {
  /** Uid of the source, a dot, number of the split. */
  readonly split: string;
  /** Null until its source and its broker were measured. */
  readonly profile: RegionEvent | null;
  /** Messages per second, as last reported; null when not known. */
  readonly ratePerSecond: number | null;
}

/** Guarantee asked by the graph and given as far as measured, with every reason for doubt. */
export function guaranteeOf(
  graph: JobGraph,
  splits: readonly SplitMeasure[],
  times: WindowTimes,
): GuaranteeView {
  const reasons = new Set<string>();
  let asked: Guarantee = "exactly-once";
  for (const node of graph.operators) {
    const declared = declaredBy(node);
    if (declared === null) continue;
    asked = weaker(asked, declared.guarantee);
    if (declared.guarantee !== "exactly-once") reasons.add(declared.reason);
  }
  let given = asked;
  for (const { split, profile } of splits) {
    const unmeasured = profile === null ? unmeasuredText(graph, split) : null;
    if (unmeasured !== null) reasons.add(unmeasured);
    const measured = profile?.fields["guarantee"];
    if (!isGuarantee(measured)) continue;
    const reason = profile?.fields["reason"];
    if (typeof reason === "string" && reason !== "") reasons.add(reason);
    given = weaker(given, measured);
  }
  for (const text of windowTexts(splits, times)) reasons.add(text);
  return { asked, given, reasons: [...reasons] };
}

/** What an end of the graph promises by its declaration; null inside the graph. */
function declaredBy(node: OperatorNode): { guarantee: Guarantee; reason: string } | null {
  if (node.sink?.delivery === "direct") {
    return {
      guarantee: "at-least-once",
      reason: `Sink "${node.uid}" writes directly: a replay repeats outputs, with the same ids`,
    };
  }
  if (node.source?.overload !== undefined && node.source.overload !== "block") {
    return {
      guarantee: "at-most-once",
      reason: `Source "${node.uid}" sheds records when they come faster than they are processed ` +
        `(${node.source.overload})`,
    };
  }
  if (node.source?.connector === "generator") {
    return {
      guarantee: "at-least-once",
      reason: `Source "${node.uid}" generates its records and cannot replay them`,
    };
  }
  return node.source === undefined && node.sink === undefined
    ? null
    : { guarantee: "exactly-once", reason: "" };
}

function unmeasuredText(graph: JobGraph, split: string): string | null {
  const source = graph.operators.find(({ uid }) => uid === sourceOf(split))?.source;
  if (source?.connector !== "mqtt") return null;
  return `Broker "${source.broker}" is not measured yet: what it grants is taken at its word`;
}

/** One text per source and broker whose window is too small for the fastest of its splits (M8). */
function windowTexts(splits: readonly SplitMeasure[], times: WindowTimes): string[] {
  const fastest = new Map<string, { broker: string; window: number; rate: number }>();
  for (const { split, profile, ratePerSecond: rate } of splits) {
    const { broker, windowGiven: window } = profile?.fields ?? {};
    if (typeof broker !== "string" || typeof window !== "number" || rate === null) continue;
    const sourceUid = sourceOf(split);
    const known = fastest.get(sourceUid);
    if (known === undefined || rate / window > known.rate / known.window) {
      fastest.set(sourceUid, { broker, window, rate });
    }
  }
  return [...fastest].flatMap(([sourceUid, { broker, window, rate }]) => {
    const holdMs = holdMsOf(times);
    const needed = neededWindowOf(rate, holdMs);
    if (needed <= window) return [];
    return [
      `Broker "${broker}" gives source "${sourceUid}" a window of ${window} messages: at ` +
      `${short(rate)} messages/s and a checkpoint every ${
        short(times.checkpointIntervalMs / 1000)
      } s ` +
      `it fills in ${short(window / rate)} s. To go on over a checkpoint and a restart ` +
      `(${short(holdMs / 1000)} s, with half as much in reserve) it has to be ${needed}; ` +
      `until then messages wait at the broker, whose queue has a limit of its own`,
    ];
  });
}

function sourceOf(split: string): string {
  return split.slice(0, split.lastIndexOf("."));
}

/** Two digits that matter: 0.2, 14, 1320. */
function short(value: number): string {
  return value >= 10 ? String(Math.round(value)) : String(Number(value.toPrecision(2)));
}

function weaker(a: Guarantee, b: Guarantee): Guarantee {
  return FROM_WEAKEST.indexOf(a) < FROM_WEAKEST.indexOf(b) ? a : b;
}

function isGuarantee(value: unknown): value is Guarantee {
  return typeof value === "string" && FROM_WEAKEST.includes(value as Guarantee);
}
