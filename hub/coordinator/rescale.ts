/**
 * Whether a job can have another parallelism, and which of its regions that concerns.
 *
 * Pure. Regions without a keyed stage are left alone: they run on during a rescale. Region ids do not
 * depend on the parallelism, so what was saved of a region is found again under its id.
 *
 * @module
 */
import type { RegionId } from "@shared/ids.ts";
import { type JobGraph, KEY_GROUP_COUNT } from "@shared/job_graph.ts";
import { planRegions, type RegionPlan } from "@shared/regions.ts";

export interface RescaleQuestion {
  readonly graph: JobGraph;
  readonly desiredState: string;
  /** Present parallelism. */
  readonly current: number;
  /** What was asked; anything. */
  readonly wanted: unknown;
}

export interface RescaleRefusal {
  readonly kind: "refused";
  readonly code: "job-ended" | "bad-parallelism" | "no-keyed-stage" | "parallelism-unchanged";
  /** HTTP status. */
  readonly status: 400 | 409;
  readonly detail: string;
}

export type RescaleAnswer =
  | {
    readonly kind: "plan";
    readonly parallelism: number;
    /** The regions concerned, as they are to be. */
    readonly regions: ReadonlyMap<RegionId, RegionPlan>;
  }
  | RescaleRefusal;

/** The regions to be started anew, or why there are none. */
export function judgeRescale(question: RescaleQuestion): RescaleAnswer {
  const { graph, desiredState, current, wanted } = question;
  if (desiredState !== "running") {
    return refused(
      "job-ended",
      409,
      `The job is ${desiredState}: deploy it from a savepoint instead`,
    );
  }
  const isWhole = typeof wanted === "number" && Number.isInteger(wanted);
  if (!isWhole || wanted < 1 || wanted > KEY_GROUP_COUNT) {
    const detail = `parallelism is ${
      String(wanted)
    }: want a whole number from 1 to ${KEY_GROUP_COUNT}`;
    return refused("bad-parallelism", 400, detail);
  }
  const regions = planRegions(graph, wanted)
    .filter(({ subtasks }) => subtasks.some(({ keyGroups }) => keyGroups !== null));
  if (regions.length === 0) {
    const detail = "The job has no keyed stage: only what follows a keyBy can be rescaled";
    return refused("no-keyed-stage", 409, detail);
  }
  if (wanted === current) {
    return refused("parallelism-unchanged", 409, `The job has parallelism ${current} already`);
  }
  return {
    kind: "plan",
    parallelism: wanted,
    regions: new Map(regions.map((region) => [region.regionId, region])),
  };
}

function refused(
  code: RescaleRefusal["code"],
  status: RescaleRefusal["status"],
  detail: string,
): RescaleRefusal {
  return { kind: "refused", code, status, detail };
}
