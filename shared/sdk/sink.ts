/**
 * Sinks a job can write to.
 *
 * Pure: a sink is declared here and written by `agent/connectors`.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import type { AlarmPriority, SinkDescriptor } from "@shared/job_graph.ts";
import { callSiteOf } from "./call_site.ts";
import { type Duration, durationMs } from "./duration.ts";
import type { SinkSpec } from "./operator.ts";
import { badOption, checkBroker, checkChoice, checkFunction, checkOptionNames } from "./options.ts";

/** A declared sink for records of type `In`; made by `mqttSink` or `alarmSink`, used by `.sink`. */
export interface Sink<In> {
  readonly spec: SinkSpec;
  readonly descriptor: SinkDescriptor;
  readonly label: string;
  /** Carries the type alone; never set. */
  readonly accepts?: (record: In) => void;
}

export interface MqttSinkOptions<In> {
  /** Name of a broker that the hub knows. */
  readonly broker: string;
  /** Topic of a record, or one topic for all. Without `+` and `#`. */
  readonly topic: string | ((record: In) => string);
  /**
   * `direct` (default) publishes at once: after a failure the same output may come twice.
   * `staged` publishes when the checkpoint that holds the output is complete.
   */
  readonly delivery?: "direct" | "staged";
  /** Makes a payload of a record; JSON unless given. */
  readonly encode?: (record: In) => string | Uint8Array;
  /** Default 1. */
  readonly qos?: 0 | 1;
  /** Whether the broker keeps the last one of each topic for who subscribes later; default false. */
  readonly retain?: boolean;
}

/**
 * Publishes each record to MQTT.
 *
 * @throws {UserError} If an option is missing or out of its range; the error names it.
 *
 * @example
 * ```ts
 * import { ok } from "node:assert/strict";
 * import { mqttSink } from "penstock";
 *
 * const counts = mqttSink<{ equipment: string; n: number }>({
 *   broker: "plant",
 *   topic: (count) => `out/count/${count.equipment}`,
 *   delivery: "staged",
 *   retain: true,
 * });
 * ok(counts.descriptor.delivery === "staged");
 * ```
 */
export function mqttSink<In>(options: MqttSinkOptions<In>): Sink<In> {
  const at = callSiteOf(mqttSink);
  checkOptionNames("mqttSink", options, {
    known: ["broker", "topic", "delivery", "encode", "qos", "retain"],
    at,
  });
  const broker = checkBroker(options.broker, at);
  const delivery = checkChoice("delivery", options.delivery ?? "direct", {
    allowed: ["direct", "staged"],
    at,
  });
  const qos = options.qos ?? 1;
  if (qos !== 0 && qos !== 1) {
    throw new UserError("bad-option", `qos is ${JSON.stringify(qos)}: give 0 or 1`, { at });
  }
  if (delivery === "staged" && qos === 0) {
    throw new UserError("bad-option", "A staged sink needs qos 1: nobody confirms qos 0", { at });
  }
  if (options.encode !== undefined) checkFunction("encode", options.encode, at);
  return {
    descriptor: { connector: "mqtt", broker, delivery },
    label: `mqtt ${broker}, ${delivery}`,
    spec: {
      connector: "mqtt",
      broker,
      topic: topicOf(options.topic, at),
      encode: options.encode ?? null,
      delivery,
      qos,
      isRetained: options.retain ?? false,
    },
  };
}

function topicOf<In>(
  topic: MqttSinkOptions<In>["topic"],
  at: string | null,
): (record: In) => string {
  if (typeof topic === "function") return topic;
  if (typeof topic === "string" && topic !== "" && !/[+#\0]/.test(topic)) return () => topic;
  throw new UserError(
    "bad-topic",
    `topic is ${
      JSON.stringify(topic)
    }: give a topic without "+" and "#", or a function of the record`,
    { at },
  );
}

export interface AlarmSinkOptions<In> {
  readonly priority: AlarmPriority;
  /** What the operator reads; a text made of the record unless given, and where this throws. */
  readonly text?: (record: In) => string;
  /** What usually brings it about. */
  readonly cause?: string;
  /** What comes of it when nobody acts. */
  readonly consequence?: string;
  /** What the operator is expected to do about it. */
  readonly response?: string;
  /** How long the condition must hold before the alarm rings; default none. A shorter excursion never rings. */
  readonly onDelay?: Duration;
  /** How long the condition must be gone before the alarm is over; default none. A new onset within it goes on with the same alarm. */
  readonly offDelay?: Duration;
  /** An alarm that was acknowledged and is still active rings again after this; default never. */
  readonly reAlarm?: Duration;
  /** Silence of the signal is an alarm of its own; default never. Only behind `detect`, whose signal it is. */
  readonly noData?: { readonly after: Duration; readonly priority?: AlarmPriority };
  /** Uids of alarm sinks whose active alarm of the same equipment suppresses this one by design; never in a circle. */
  readonly suppressedBy?: readonly string[];
}

/** Longest `cause`, `consequence` and `response`, characters. */
const ADVICE_LENGTH_MAX = 2_000;
const PRIORITIES: readonly AlarmPriority[] = ["low", "medium", "high", "critical"];

/**
 * Raises and clears alarms at the hub. An `Anomaly` raises at its onset and clears at its end; each
 * other record raises once. A replayed record never rings twice.
 *
 * Delays, re-alarm and silence are carried out by the hub, which also rings and shelves; how close to its
 * limit a signal must come back is the detector's `clearBelow` or `deadband`.
 *
 * @throws {UserError} If an option is missing or out of its range; the error names it.
 *
 * @example
 * ```ts
 * import { ok } from "node:assert/strict";
 * import { alarmSink } from "penstock";
 *
 * const jumps = alarmSink<{ jump: number }>({
 *   priority: "high",
 *   text: (spike) => `jump of ${spike.jump}`,
 *   cause: "A valve that sticks.",
 *   consequence: "The seal wears out within days.",
 *   response: "Look at the valve.",
 *   onDelay: "10s",
 *   offDelay: "1m",
 * });
 * ok(jumps.label === "alarm, high");
 * ```
 */
export function alarmSink<In>(options: AlarmSinkOptions<In>): Sink<In> {
  const at = callSiteOf(alarmSink);
  checkOptionNames("alarmSink", options, {
    known: [
      "priority",
      "text",
      "cause",
      "consequence",
      "response",
      "onDelay",
      "offDelay",
      "reAlarm",
      "noData",
      "suppressedBy",
    ],
    at,
  });
  const priority = checkChoice("priority", options.priority, { allowed: PRIORITIES, at });
  if (options.text !== undefined) checkFunction("text", options.text, at);
  const response = adviceOf("response", options.response ?? "", at);
  return {
    descriptor: {
      connector: "alarm",
      priority,
      delivery: "idempotent",
      response,
      ...alarmDesign(options, at),
    },
    label: `alarm, ${priority}`,
    spec: { connector: "alarm", priority, response, text: options.text ?? null },
  };
}

type AlarmDescriptor = Extract<SinkDescriptor, { connector: "alarm" }>;
type AlarmDesign = Omit<AlarmDescriptor, "connector" | "priority" | "delivery" | "response">;

/** What the hub carries out; what the author did not say is left out. */
function alarmDesign<In>(options: AlarmSinkOptions<In>, at: string | null): AlarmDesign {
  const { cause, consequence, reAlarm, noData, suppressedBy } = options;
  const onDelayMs = durationMs(options.onDelay ?? 0, "onDelay", at);
  const offDelayMs = durationMs(options.offDelay ?? 0, "offDelay", at);
  const reAlarmMs = reAlarm === undefined ? undefined : durationMs(reAlarm, "reAlarm", at);
  if (reAlarmMs === 0) throw badOption("reAlarm", reAlarm, "a duration above 0", at);
  return {
    ...(cause === undefined ? {} : { cause: adviceOf("cause", cause, at) }),
    ...(consequence === undefined ? {} : { consequence: adviceOf("consequence", consequence, at) }),
    ...(onDelayMs === 0 ? {} : { onDelayMs }),
    ...(offDelayMs === 0 ? {} : { offDelayMs }),
    ...(reAlarmMs === undefined ? {} : { reAlarmMs }),
    ...(noData === undefined ? {} : { noData: silenceOf(noData, options.priority, at) }),
    ...(suppressedBy === undefined ? {} : { suppressedBy: suppressorsOf(suppressedBy, at) }),
  };
}

function adviceOf(name: string, text: unknown, at: string | null): string {
  if (typeof text === "string" && text.length <= ADVICE_LENGTH_MAX) return text;
  throw new UserError(
    "bad-option",
    `${name} is not a text of up to ${ADVICE_LENGTH_MAX} characters`,
    { at },
  );
}

function silenceOf(
  noData: NonNullable<AlarmSinkOptions<unknown>["noData"]>,
  priority: AlarmPriority,
  at: string | null,
): NonNullable<AlarmDesign["noData"]> {
  if (typeof noData !== "object" || noData === null) {
    throw badOption("noData", noData, 'such as { after: "5m", priority: "low" }', at);
  }
  checkOptionNames("noData", noData, { known: ["after", "priority"], at });
  const afterMs = durationMs(noData.after, "noData.after", at);
  if (afterMs === 0) throw badOption("noData.after", noData.after, "a duration above 0", at);
  return {
    afterMs,
    priority: checkChoice("noData.priority", noData.priority ?? priority, {
      allowed: PRIORITIES,
      at,
    }),
  };
}

function suppressorsOf(uids: unknown, at: string | null): readonly string[] {
  const isList = Array.isArray(uids) && uids.every((uid) => typeof uid === "string" && uid !== "");
  if (!isList) throw badOption("suppressedBy", uids, "a list of uids of alarm sinks", at);
  return [...uids as string[]];
}
