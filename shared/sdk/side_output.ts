/**
 * Side outputs: further streams of one operator, told apart by a tag.
 *
 * Pure. An operator writes to a tag with `ctx.emitTo(tag, record)`; `stream.getSideOutput(tag)` reads it. What
 * nobody reads goes nowhere.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import { UID_PATTERN } from "@shared/ids.ts";
import { callSiteOf } from "./call_site.ts";

/** Names one side output and the type of its records; made by `sideOutput`. */
export interface SideOutput<Out> {
  readonly kind: "sideOutput";
  readonly tag: string;
  /** Carries the type alone; never set. A method, so that a stream stays one of any wider record type. */
  takes?(record: Out): void;
}

/** A record that could not be processed. */
export interface DeadLetter {
  /** Operator that could not. */
  readonly uid: string;
  readonly reason: string;
  /** The record; of one that could not be decoded the beginning of its payload, as text. */
  readonly record: unknown;
}

/** Tag under which every source and operator gives what it sets aside. */
const DEAD_LETTERS_TAG = "dead-letters";

/**
 * Names a side output. Two calls with one tag name the same output.
 *
 * @param tag Up to 64 letters, digits, "_", "." and "-", beginning with a letter or digit.
 * @throws {UserError} `bad-tag`.
 *
 * @example
 * ```ts
 * import { ok } from "node:assert/strict";
 * import { alarmSink, defineJob, generatorSource, mqttSink, sideOutput, valueState } from "penstock";
 *
 * const tooHot = sideOutput<{ pump: string }>("too-hot");
 *
 * const job = defineJob("sorted", (job) => {
 *   const sorted = job.source("readings", generatorSource({
 *     next: (position) => ({ pump: `p${position % 3}`, temperature: position % 90 }),
 *   }))
 *     .keyBy((reading) => reading.pump)
 *     .process("sort", {
 *       state: { seen: valueState<number>() },
 *       onRecord(reading, ctx) {
 *         ctx.state.seen.set((ctx.state.seen.get() ?? 0) + 1);
 *         if (reading.temperature > 80) ctx.emitTo(tooHot, { pump: ctx.key });
 *         else ctx.emit({ pump: ctx.key, seen: ctx.state.seen.get() });
 *       },
 *     });
 *   sorted.sink("normal", mqttSink({ broker: "plant", topic: "out/normal" }));
 *   sorted.getSideOutput(tooHot).sink("alarms", alarmSink({ priority: "high" }));
 * });
 *
 * ok(job.build({}).graph.edges.some((edge) => edge.output === "too-hot"));
 * ```
 */
export function sideOutput<Out>(tag: string): SideOutput<Out> {
  if (typeof tag === "string" && UID_PATTERN.test(tag) && tag !== DEAD_LETTERS_TAG) {
    return { kind: "sideOutput", tag };
  }
  throw new UserError(
    "bad-tag",
    `Side output ${
      JSON.stringify(tag)
    } cannot have this tag: use up to 64 letters, digits, "_", "." ` +
      `and "-", beginning with a letter or digit, and not "${DEAD_LETTERS_TAG}"`,
    { at: callSiteOf(sideOutput) },
  );
}

/**
 * Side output of every source and operator with what it set aside: payloads that could not be decoded, and
 * records on which a function threw under `onError: "dead-letter"`.
 *
 * @example
 * ```ts
 * import { ok } from "node:assert/strict";
 * import { deadLetters, defineJob, mqttSink, mqttSource } from "penstock";
 *
 * const job = defineJob("kept", (job) => {
 *   const readings = job.source("telemetry", mqttSource<{ pump: string }>({
 *     broker: "plant",
 *     splits: [{ topics: ["plant/+/telemetry"] }],
 *   }));
 *   readings.sink("copy", mqttSink({ broker: "plant", topic: (r) => `copy/${r.pump}` }));
 *   readings.getSideOutput(deadLetters)
 *     .map("reason", (letter) => ({ reason: letter.reason }))
 *     .sink("bad", mqttSink({ broker: "plant", topic: "bad" }));
 * });
 *
 * ok(job.build({}).graph.edges.some((edge) => edge.output === "dead-letters"));
 * ```
 */
export const deadLetters: SideOutput<DeadLetter> = { kind: "sideOutput", tag: DEAD_LETTERS_TAG };
