/**
 * What a source says of time and load: event time, disorder, silence, clocks that are wrong, overload.
 *
 * Pure.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { EventTimeDescriptor, OverloadPolicy, SourceTiming } from "@shared/job_graph.ts";
import { type Duration, durationMs } from "./duration.ts";
import { badOption, checkChoice, checkFunction } from "./options.ts";

/**
 * Options of every source.
 *
 * @example
 * ```ts
 * import { deepEqual } from "node:assert/strict";
 * import { defineJob, generatorSource, mqttSink, tumbling } from "penstock";
 * import { testJob } from "penstock/testing";
 *
 * interface Reading { truck: string; ts: number }
 *
 * const minutes = (perKey: boolean) =>
 *   defineJob("minutes", (job) => {
 *     job.source("in", generatorSource<Reading>({
 *       next: () => undefined,
 *       eventTime: (reading) => reading.ts,
 *       maxOutOfOrderness: "1s",
 *       perKey, // a truck without a signal sends its readings hours later
 *     }))
 *       .keyBy((reading) => reading.truck)
 *       .window("minute", tumbling("1m"), {
 *         initial: () => 0,
 *         add: (n) => n + 1,
 *         result: (n, { key }) => `${key} ${n}`,
 *       })
 *       .sink("out", mqttSink({ broker: "plant", topic: "out" }));
 *   });
 *
 * const outputs = [true, false].map((perKey) => {
 *   const t = testJob(minutes(perKey));
 *   t.push("in", [
 *     { truck: "a", ts: 10_000 },
 *     { truck: "a", ts: 7_200_000 }, // two hours on
 *     { truck: "b", ts: 10_000 },    // late for one event time of all, not for its own
 *     { truck: "b", ts: 20_000 },
 *   ]);
 *   t.drain();
 *   return t.outputs("out");
 * });
 * deepEqual(outputs, [["a 1", "b 2", "a 1"], ["a 1", "a 1"]]);
 * ```
 */
export interface SourceTimeOptions<Out> {
  /** Event time of a record, ms since the epoch; the time of arrival unless given. */
  readonly eventTime?: (record: Out) => number;
  /** How late a record may be behind the latest one; default 0. Needs `eventTime`. */
  readonly maxOutOfOrderness?: Duration;
  /**
   * A split without records for this long no longer holds event time back; it always does unless given.
   * With `perKey` it is a key: its time then goes on at the pace of the wall clock. Needs `eventTime`.
   */
  readonly idleAfter?: Duration;
  /**
   * Each key of the operators behind has an event time of its own, so that a device that lags is not late, and
   * one that is ahead makes no other late; default false. Needs `eventTime`.
   */
  readonly perKey?: boolean;
  /**
   * How far ahead of the wall clock an event time may be; null for no limit. Default 1 m for `mqttSource` and none for
   * sources whose records bring their own time. Needs `eventTime`.
   */
  readonly maxFutureSkew?: Duration | null;
  /** A record further ahead gets its arrival time (`clamp`, the default) or is set aside. Needs `eventTime`. */
  readonly onFuture?: "clamp" | "deadLetter";
  /**
   * What to do with records that come faster than they are processed: make the sender wait (`block`, the default),
   * keep one in some (`sample`), or keep the newest (`dropOldest`). What is shed is counted and shown, and is
   * acknowledged like what is processed.
   */
  readonly overload?: OverloadPolicy;
}

/** Names of these options, for the check of misspelt ones. */
export const SOURCE_TIME_OPTIONS = [
  "eventTime",
  "maxOutOfOrderness",
  "idleAfter",
  "perKey",
  "maxFutureSkew",
  "onFuture",
  "overload",
];

const NEED_EVENT_TIME = [
  "maxOutOfOrderness",
  "idleAfter",
  "perKey",
  "maxFutureSkew",
  "onFuture",
] as const;

/**
 * @param maxFutureSkew How far ahead a record may be unless the author says; null for no limit.
 * @throws {UserError} If an option is out of its range, or says how event time advances where there is none.
 */
export function planSourceTime<Out>(
  options: SourceTimeOptions<Out>,
  { maxFutureSkew, at }: { maxFutureSkew: Duration | null; at: string | null },
): SourceTiming {
  const overload = checkChoice("overload", options.overload ?? "block", {
    allowed: ["block", "sample", "dropOldest"],
    at,
  });
  const ofLoad = overload === "block" ? {} : { overload };
  if (options.eventTime === undefined) {
    checkNoEventTime(options, at);
    return ofLoad;
  }
  checkFunction("eventTime", options.eventTime, at);
  const { perKey = false } = options;
  if (typeof perKey !== "boolean") throw badOption("perKey", perKey, "true or false", at);
  const skew = options.maxFutureSkew === undefined ? maxFutureSkew : options.maxFutureSkew;
  const eventTime: EventTimeDescriptor = {
    isOfRecord: true,
    maxOutOfOrdernessMs: durationMs(options.maxOutOfOrderness ?? 0, "maxOutOfOrderness", at),
    idleAfterMs: options.idleAfter === undefined ? null : idleAfterMs(options.idleAfter, at),
    perKey,
    maxFutureSkewMs: skew === null ? null : durationMs(skew, "maxFutureSkew", at),
    onFuture: checkChoice("onFuture", options.onFuture ?? "clamp", {
      allowed: ["clamp", "deadLetter"],
      at,
    }),
  };
  return { eventTime, ...ofLoad };
}

function idleAfterMs(duration: Duration, at: string | null): number {
  const ms = durationMs(duration, "idleAfter", at);
  if (ms > 0) return ms;
  throw new UserError("bad-duration", "idleAfter is 0: every split would always be idle", { at });
}

function checkNoEventTime<Out>(options: SourceTimeOptions<Out>, at: string | null): void {
  const name = NEED_EVENT_TIME.find((option) => options[option] !== undefined);
  if (name === undefined) return;
  if (name === "maxOutOfOrderness" || name === "idleAfter") durationMs(options[name]!, name, at);
  throw new UserError(
    "event-time-missing",
    `${name} says how event time advances, but there is no eventTime: add eventTime or drop ${name}`,
    { at },
  );
}
