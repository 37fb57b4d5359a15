/**
 * Sources a job can read from.
 *
 * Pure: a source is declared here and read by `agent/connectors`.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type {
  GeneratorSourceDescriptor,
  MqttSourceDescriptor,
  SourceDescriptor,
  SourceTiming,
  SplitDescriptor,
} from "@shared/job_graph.ts";
import { callSiteOf } from "./call_site.ts";
import { type Duration, durationMs } from "./duration.ts";
import type { SourceSpec } from "./operator.ts";
import {
  checkBroker,
  checkChoice,
  checkFunction,
  checkOptionNames,
  checkPositive,
  checkWhole,
} from "./options.ts";
import { planSourceTime, SOURCE_TIME_OPTIONS, type SourceTimeOptions } from "./source_time.ts";

/** A declared source of records; made by `mqttSource` or `generatorSource`, used by `job.source`. */
export interface Source<Out> {
  readonly spec: SourceSpec;
  readonly descriptor: SourceDescriptor;
  readonly label: string;
  /** Carries the type alone; never set. */
  readonly recordType?: Out;
}

/** Part of a source that is read as one: it moves between agents whole. */
export interface SplitOptions {
  /** MQTT topic filters, read through one persistent session. */
  readonly topics: readonly string[];
  /** Labels of the agent that should run it if it can. */
  readonly near?: Readonly<Record<string, string>>;
}

export interface MqttSourceOptions<Out> extends SourceTimeOptions<Out> {
  /** Name of a broker that the hub knows. */
  readonly broker: string;
  /** At least one. Filters of two splits should not overlap: a message matching both is read twice. */
  readonly splits: readonly SplitOptions[];
  /** Makes a record of a payload; JSON unless given. A throw makes a dead letter. */
  readonly decode?: (payload: Uint8Array, topic: string) => Out;
  /** Messages the broker may send ahead of acknowledgement, 1..65535; default 65535. */
  readonly receiveMaximum?: number;
  /** How long the broker keeps the session of a source that is away; default 24 h. */
  readonly sessionExpiry?: Duration;
  /** Whether to go on with local checkpoints while the hub cannot be reached; default `continue`. */
  readonly whenHubAway?: "continue" | "hold";
  /** What a lost session does: tell and go on, or fail the region; default `continue`. */
  readonly onGap?: "continue" | "fail";
  /** Longer payloads are dead letters, bytes; default 1 MiB. */
  readonly maxPayloadBytes?: number;
  /** Expected peak over all splits, messages per second; checked against the broker's window. */
  readonly peakRate?: number;
}

const MQTT_OPTIONS = [
  "broker",
  "splits",
  ...SOURCE_TIME_OPTIONS,
  "decode",
  "receiveMaximum",
  "sessionExpiry",
  "whenHubAway",
  "onGap",
  "maxPayloadBytes",
  "peakRate",
];

/** Event times further ahead of the gateway's clock are a device whose clock is wrong. */
const MAX_FUTURE_SKEW: Duration = "1m";
/** Most splits of one source. */
const SPLITS_MAX = 1_000;
/** Most topic filters of one split. */
const TOPICS_MAX = 1_000;
const RECEIVE_MAXIMUM = 65_535;
/** Longest Session Expiry Interval of MQTT 5, seconds. */
const SESSION_EXPIRY_MAX_SECONDS = 0xffff_ffff;
const DEFAULT_PAYLOAD_BYTES = 1024 * 1024;
/** Longest payload MQTT can carry, bytes. */
const PAYLOAD_BYTES_MAX = 268_435_455;

/**
 * Reads MQTT topics at QoS 1, one persistent session per split; the session is what is replayed after
 * a failure.
 *
 * @throws {UserError} If an option is missing or out of its range; the error names it.
 *
 * @example
 * ```ts
 * import { ok } from "node:assert/strict";
 * import { mqttSource } from "penstock";
 *
 * interface Reading { equipment: string; ts: number; temperature: number }
 *
 * const telemetry = mqttSource<Reading>({
 *   broker: "plant",
 *   splits: [{ topics: ["plant/line-1/+/telemetry"], near: { line: "1" } }],
 *   eventTime: (reading) => reading.ts,
 *   maxOutOfOrderness: "5s", // a reading may overtake others by so much
 *   idleAfter: "30s",        // a line that is switched off does not hold the others up
 *   maxFutureSkew: "10s",    // a device that reports the future has a wrong clock …
 *   onFuture: "deadLetter",  // … and its readings are set aside
 *   overload: "sample",      // when they come faster than they are processed, keep one in some
 * });
 * ok(telemetry.descriptor.eventTime?.maxOutOfOrdernessMs === 5_000);
 * ```
 */
export function mqttSource<Out>(options: MqttSourceOptions<Out>): Source<Out> {
  const at = callSiteOf(mqttSource);
  checkOptionNames("mqttSource", options, { known: MQTT_OPTIONS, at });
  const timing = planSourceTime(options, { maxFutureSkew: MAX_FUTURE_SKEW, at });
  if (options.decode !== undefined) checkFunction("decode", options.decode, at);
  const descriptor = { ...describeMqtt(options, at), ...timing };
  return {
    descriptor,
    label: `mqtt ${descriptor.broker}, ${splitText(descriptor.splits)}`,
    spec: {
      connector: "mqtt",
      broker: descriptor.broker,
      topics: descriptor.splits.map((split) => split.topics),
      receiveMaximum: descriptor.receiveMaximum,
      sessionExpirySeconds: descriptor.sessionExpirySeconds,
      onGap: descriptor.onGap,
      maxPayloadBytes: descriptor.maxPayloadBytes,
      decode: options.decode ?? null,
      eventTime: options.eventTime ?? null,
      ...specOf(timing),
    },
  };
}

function describeMqtt<Out>(
  options: MqttSourceOptions<Out>,
  at: string | null,
): MqttSourceDescriptor {
  const expiryMs = durationMs(options.sessionExpiry ?? "24h", "sessionExpiry", at);
  const { receiveMaximum = RECEIVE_MAXIMUM, maxPayloadBytes = DEFAULT_PAYLOAD_BYTES } = options;
  return {
    connector: "mqtt",
    broker: checkBroker(options.broker, at),
    splits: checkSplits(options.splits, at),
    receiveMaximum: checkWhole("receiveMaximum", receiveMaximum, {
      min: 1,
      max: RECEIVE_MAXIMUM,
      at,
    }),
    sessionExpirySeconds: checkWhole("sessionExpiry in seconds", Math.round(expiryMs / 1_000), {
      min: 1,
      max: SESSION_EXPIRY_MAX_SECONDS,
      at,
    }),
    whenHubAway: checkChoice("whenHubAway", options.whenHubAway ?? "continue", {
      allowed: ["continue", "hold"],
      at,
    }),
    onGap: checkChoice("onGap", options.onGap ?? "continue", { allowed: ["continue", "fail"], at }),
    maxPayloadBytes: checkWhole("maxPayloadBytes", maxPayloadBytes, {
      min: 1,
      max: PAYLOAD_BYTES_MAX,
      at,
    }),
    peakRate: options.peakRate === undefined
      ? null
      : checkPositive("peakRate", options.peakRate, at),
  };
}

function checkSplits(splits: readonly SplitOptions[], at: string | null): SplitDescriptor[] {
  if (!Array.isArray(splits) || splits.length === 0) {
    throw new UserError(
      "no-splits",
      `mqttSource has no splits: give at least one, such as splits: [{ topics: ["plant/+/telemetry"] }]`,
      { at },
    );
  }
  checkWhole("The number of splits", splits.length, { min: 1, max: SPLITS_MAX, at });
  return splits.map((split: SplitOptions, index) => {
    if (!Array.isArray(split?.topics) || split.topics.length === 0) {
      throw new UserError("no-topics", `Split ${index} has no topics: give at least one filter`, {
        at,
      });
    }
    checkWhole(`The number of topics of split ${index}`, split.topics.length, {
      min: 1,
      max: TOPICS_MAX,
      at,
    });
    for (const topic of split.topics) checkTopicFilter(topic, at);
    return { topics: [...split.topics], near: { ...split.near } };
  });
}

/** Refuses what MQTT 5, section 4.7, does not allow in a topic filter, and shared subscriptions (M10). */
function checkTopicFilter(filter: unknown, at: string | null): void {
  const fault = topicFilterFault(filter);
  if (fault === null) return;
  throw new UserError("bad-topic-filter", `Topic filter ${JSON.stringify(filter)}: ${fault}`, {
    at,
  });
}

function topicFilterFault(filter: unknown): string | null {
  if (typeof filter !== "string" || filter === "") return "give a text that is not empty";
  if (filter.includes("\0")) return "it holds a null character";
  if (new TextEncoder().encode(filter).length > 65_535) return "it is longer than 65535 bytes";
  if (filter.startsWith("$share/")) {
    return "a shared subscription hands messages to anybody: use splits instead";
  }
  const levels = filter.split("/");
  for (const [index, level] of levels.entries()) {
    if (level.includes("#") && level !== "#") return `"#" must be a whole level`;
    if (level === "#" && index !== levels.length - 1) return `"#" must be the last level`;
    if (level.includes("+") && level !== "+") return `"+" must be a whole level`;
  }
  return null;
}

export interface GeneratorSourceOptions<Out> extends SourceTimeOptions<Out> {
  /** How many splits, or the `near` labels of each; default 1. */
  readonly splits?: number | readonly { readonly near?: Readonly<Record<string, string>> }[];
  /** Record number `position` (from 0) of split `splitIndex`; undefined ends the split. Same arguments,
   * same record: it is called again after a failure. */
  readonly next: (position: number, splitIndex: number) => Out | undefined;
  /** Records per second and split; as fast as it goes unless given. */
  readonly ratePerSecond?: number;
}

/**
 * Makes records of a function; for trying a job out and for tests.
 *
 * @throws {UserError} If an option is missing or out of its range; the error names it.
 *
 * @example
 * ```ts
 * import { ok } from "node:assert/strict";
 * import { generatorSource } from "penstock";
 *
 * const numbers = generatorSource({
 *   next: (position) => position < 100 ? { key: position % 4, position } : undefined,
 *   ratePerSecond: 10,
 * });
 * ok(numbers.label === "generator, 1 split");
 * ```
 */
export function generatorSource<Out>(options: GeneratorSourceOptions<Out>): Source<Out> {
  const at = callSiteOf(generatorSource);
  checkOptionNames("generatorSource", options, {
    known: ["splits", "next", "ratePerSecond", ...SOURCE_TIME_OPTIONS],
    at,
  });
  checkFunction("next", options.next, at);
  const timing = planSourceTime(options, { maxFutureSkew: null, at });
  const { splits = 1, ratePerSecond } = options;
  const count = typeof splits === "number" ? splits : splits.length;
  checkWhole("The number of splits", count, { min: 1, max: SPLITS_MAX, at });
  const descriptor: GeneratorSourceDescriptor = {
    connector: "generator",
    splits: Array.from({ length: count }, (_, index) => ({
      topics: [],
      near: { ...(typeof splits === "number" ? {} : splits[index]?.near) },
    })),
    ...timing,
  };
  return {
    descriptor,
    label: `generator, ${splitText(descriptor.splits)}`,
    spec: {
      connector: "generator",
      splitCount: count,
      next: options.next,
      ratePerSecond: ratePerSecond === undefined
        ? null
        : checkPositive("ratePerSecond", ratePerSecond, at),
      eventTime: options.eventTime ?? null,
      ...specOf(timing),
    },
  };
}

/** The same for the runner. */
export function specOf(
  { eventTime, overload }: SourceTiming,
): Pick<SourceSpec, "time" | "overload"> {
  return {
    ...(eventTime === undefined ? {} : { time: eventTime }),
    ...(overload === undefined ? {} : { overload }),
  };
}

function splitText(splits: readonly SplitDescriptor[]): string {
  return `${splits.length} ${splits.length === 1 ? "split" : "splits"}`;
}
