/**
 * `defineJob`: what a job file exports by default.
 *
 * Pure. The author's function runs once per `build`, in the hub's extractor and in each runner, and
 * must build the same job from the same params each time.
 *
 * @module
 */
import { UserError } from "@shared/errors.ts";
import { NAME_PATTERN } from "@shared/ids.ts";
import { callSiteOf } from "./call_site.ts";
import { JobPlan } from "./job_plan.ts";
import { type EquipmentOptions, equipmentSpec } from "./equipment.ts";
import { type BuiltJob, type JobDefinition, SDK_VERSION } from "./operator.ts";
import type { Source } from "./source.ts";
import { PlannedStream } from "./stream.ts";
import type { Stream } from "./stream_interface.ts";

/** What the author's function builds the job with. */
export interface JobBuilder {
  /** Begins a stream with the records of `source`. */
  source<Out>(uid: string, source: Source<Out>): Stream<Out>;
  /**
   * Says where equipment stands in the plant, for the tree of the dashboard: by its key, or by the topic of
   * its messages. Without it a key such as `site-1/line-2/pump-3` is taken apart at its slashes.
   *
   * @example
   * ```ts
   * import { deepEqual } from "node:assert/strict";
   * import { defineJob, generatorSource, limit, alarmSink } from "penstock";
   *
   * const job = defineJob("tanks", (job) => {
   *   job.equipment({ levels: ["site", "line"], path: (key) => key.split("-").slice(0, 2) });
   *   job.source("levels", generatorSource({ next: () => ({ tank: "north-1-t7", level: 3 }) }))
   *     .keyByLocal((reading) => reading.tank)
   *     .detect("full", limit({ value: (reading) => reading.level, high: 90 }))
   *     .sink("alarms", alarmSink({ priority: "high" }));
   * });
   * deepEqual(job.build({}).graph.levels, ["site", "line"]);
   * ```
   */
  equipment(options: EquipmentOptions): void;
}

/** Parameters given at deployment, `--param k=v`. */
export type JobParams = Readonly<Record<string, string>>;

/**
 * Defines a job. Export the answer by default.
 *
 * @param name Name of the job at the hub: lower-case letters, digits and "-".
 * @param define Builds the streams; called with the params of the deployment.
 * @returns A definition whose `build` throws a `UserError` with the author's line on misuse.
 *
 * @example
 * ```ts
 * import { ok } from "node:assert/strict";
 * import { alarmSink, defineJob, mqttSource, zScore } from "penstock";
 *
 * interface Reading { equipment: string; temperature: number }
 *
 * const job = defineJob("pump-watch", (job, params) => {
 *   job.source("telemetry", mqttSource<Reading>({
 *     broker: "plant",
 *     splits: [{ topics: ["plant/+/telemetry"] }],
 *   }))
 *     .keyByLocal((reading) => reading.equipment)
 *     .detect("drift", zScore({
 *       value: (reading) => reading.temperature,
 *       threshold: Number(params.threshold ?? 4),
 *     }))
 *     .sink("alarms", alarmSink({ priority: "medium" }));
 * });
 *
 * ok(job.build({ threshold: "5" }).graph.operators.length === 3);
 * ```
 */
export function defineJob(
  name: string,
  define: (job: JobBuilder, params: JobParams) => void,
): JobDefinition {
  const at = callSiteOf(defineJob);
  return {
    sdkVersion: SDK_VERSION,
    name,
    build: (params) => buildJob(name, define, { params, at }),
  };
}

function buildJob(
  name: string,
  define: (job: JobBuilder, params: JobParams) => void,
  call: { params: JobParams; at: string | null },
): BuiltJob {
  const { params, at } = call;
  if (typeof name !== "string" || !NAME_PATTERN.test(name)) {
    throw new UserError(
      "bad-job-name",
      `Job name ${
        JSON.stringify(name)
      } is not allowed: use up to 64 lower-case letters, digits and "-"`,
      { at },
    );
  }
  if (typeof define !== "function") {
    throw new UserError("bad-job", `Job "${name}" has no function that builds it`, { at });
  }
  const plan = new JobPlan();
  const answer: unknown = define(builderOf(plan), { ...params });
  if (typeof answer === "object" && answer !== null && "then" in answer) {
    throw new UserError(
      "async-job",
      `The function of job "${name}" is async: make it synchronous`,
      {
        at,
      },
    );
  }
  return plan.finish(name, at);
}

function builderOf(plan: JobPlan): JobBuilder {
  return {
    source: function source<Out>(uid: string, from: Source<Out>): Stream<Out> {
      const at = callSiteOf(source);
      if (from?.spec === undefined || from.descriptor === undefined) {
        throw new UserError(
          "bad-source",
          `Source "${uid}" is not made by mqttSource or generatorSource`,
          { at },
        );
      }
      const node = {
        uid,
        kind: "source",
        label: from.label,
        isKeyed: false,
        states: [],
        source: from.descriptor,
      } as const;
      plan.add(node, { kind: "source", uid, source: from.spec }, { input: null, at });
      return new PlannedStream<Out>(plan, { uid, edge: "forward" });
    },
    equipment: function equipment(options: EquipmentOptions): void {
      plan.equipment = equipmentSpec(options, equipment);
    },
  };
}
