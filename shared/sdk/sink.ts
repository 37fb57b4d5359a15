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
import { checkBroker, checkChoice, checkFunction, checkOptionNames } from "./options.ts";

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
  /** What the operator reads; a text made of the record unless given. */
  readonly text?: (record: In) => string;
  /** What the operator is expected to do about it. */
  readonly response?: string;
  /** Only zero is carried out: a detector's `minConsecutive` asks for evidence that lasts. */
  readonly onDelay?: Duration;
}

/** Longest `response`, characters. */
const RESPONSE_LENGTH_MAX = 2_000;

/**
 * Raises and clears alarms at the hub. An `Anomaly` raises at its onset and clears at its end; each
 * other record raises once. A replayed record never rings twice.
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
 *   response: "Look at the valve.",
 * });
 * ok(jumps.label === "alarm, high");
 * ```
 */
export function alarmSink<In>(options: AlarmSinkOptions<In>): Sink<In> {
  const at = callSiteOf(alarmSink);
  checkOptionNames("alarmSink", options, {
    known: ["priority", "text", "response", "onDelay"],
    at,
  });
  const priority = checkChoice("priority", options.priority, {
    allowed: ["low", "medium", "high", "critical"],
    at,
  });
  if (options.text !== undefined) checkFunction("text", options.text, at);
  const { response = "" } = options;
  if (typeof response !== "string" || response.length > RESPONSE_LENGTH_MAX) {
    throw new UserError(
      "bad-option",
      `response is not a text of up to ${RESPONSE_LENGTH_MAX} characters`,
      { at },
    );
  }
  if (durationMs(options.onDelay ?? 0, "onDelay", at) !== 0) {
    throw new UserError(
      "on-delay-unsupported",
      `onDelay is ${
        JSON.stringify(options.onDelay)
      }, but an alarm is raised at once: leave it out ` +
        `and ask the detector for evidence that lasts with minConsecutive`,
      { at },
    );
  }
  return {
    descriptor: { connector: "alarm", priority, delivery: "idempotent", response },
    label: `alarm, ${priority}`,
    spec: { connector: "alarm", priority, response, text: options.text ?? null },
  };
}
