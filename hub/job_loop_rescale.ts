/**
 * Rescale and rebalance: which regions they concern, and the switch once those have stopped.
 *
 * Touches the database. Both go on from the checkpoint taken right before, so that hardly a record is
 * read twice; any completed checkpoint of the region would be correct, which is what a hub that died in
 * between makes use of.
 *
 * @module
 */
import type { Attempt, RegionId } from "@shared/ids.ts";
import { judgeRescale } from "./coordinator/rescale.ts";
import type { Placement } from "./db/region_store.ts";
import { commitMove } from "./db/rescale_store.ts";
import type { Failure } from "./job_loop_operation_rows.ts";
import { balancedPlacements } from "./job_loop_placing.ts";
import {
  announceRegion,
  isOnAgent,
  type JobRun,
  type OperationRun,
  type RegionRun,
} from "./job_run.ts";
import type { RegionPlan } from "@shared/regions.ts";

export interface Move {
  readonly kind: "move";
  /** Regions that get a new attempt; empty when nothing has to move. */
  readonly regionIds: readonly RegionId[];
  readonly parallelism: number;
  /** New plans and places, by region; what is left out stays. */
  readonly plans: ReadonlyMap<RegionId, RegionPlan>;
  readonly placements: ReadonlyMap<RegionId, Placement>;
}

/** What the operation is to do as things stand, or why it cannot be done. */
export async function judgeMove(
  run: JobRun,
  operation: OperationRun,
): Promise<Move | (Failure & { readonly kind: "refused" })> {
  const { job } = run;
  if (operation.record.kind === "rebalance") return await judgeRebalance(run, operation);
  const answer = judgeRescale({
    graph: job.graph,
    desiredState: job.desiredState,
    current: job.parallelism,
    wanted: operation.record.request["parallelism"],
  });
  if (answer.kind === "refused") return answer;
  const { parallelism, regions: plans } = answer;
  const regionIds = [...plans.keys()].filter((regionId) => run.regions.has(regionId));
  return { kind: "move", regionIds, parallelism, plans, placements: new Map() };
}

async function judgeRebalance(
  run: JobRun,
  operation: OperationRun,
): Promise<Move | (Failure & { kind: "refused" })> {
  const { job } = run;
  if (job.desiredState !== "running") {
    const detail = `The job is ${job.desiredState}: nothing of it runs`;
    return { kind: "refused", code: "job-ended", status: 409, detail };
  }
  // Once regions were stopped, only those can still go elsewhere.
  const movable = [...run.regions.values()].filter((region) =>
    operation.halt === null ? isOnAgent(region) : region.status === "stopping"
  );
  const wanted = await balancedPlacements(run, movable);
  const moved = [...wanted].flatMap(([region, placement]) =>
    placement !== null && isOtherPlace(region, placement) ? [[region, placement] as const] : []
  );
  return {
    kind: "move",
    regionIds: moved.map(([{ regionId }]) => regionId),
    parallelism: job.parallelism,
    plans: new Map(),
    placements: new Map(moved.map(([{ regionId }, placement]) => [regionId, placement])),
  };
}

function isOtherPlace(region: RegionRun, placement: Placement): boolean {
  return region.plan.subtasks.some(({ subtaskId }) =>
    (region.placement[subtaskId] ?? region.agentId) !== placement[subtaskId]
  );
}

/** The regions wait under new attempts, their plans and places changed. @returns Those that are to run. */
export async function switchMove(
  run: JobRun,
  operation: OperationRun,
  move: Move,
): Promise<RegionId[]> {
  const { world, job } = run;
  const kind = operation.record.kind === "rescale" ? "rescale" : "rebalance";
  // Whatever was stopped for the operation has to begin again, wanted elsewhere still or not.
  const regions = [...run.regions.values()].filter(({ regionId, status }) =>
    status === "stopping" || move.plans.has(regionId)
  );
  const rows = regions.map((region) => ({
    regionId: region.regionId,
    attempt: region.attempt,
    placement: move.placements.get(region.regionId) ?? region.placement,
  }));
  const isCommitted = await commitMove(world.db, world.hubTerm, {
    jobId: job.id,
    operationId: operation.record.id,
    kind,
    parallelism: move.parallelism,
    regions: rows,
    result: {
      parallelism: move.parallelism,
      previousParallelism: job.parallelism,
      regions: rows.map(({ regionId }) => regionId),
      checkpointIds: regions.map(({ lastCompletedId }) => lastCompletedId),
    },
    nowMs: world.clock.nowMs(),
  });
  if (!isCommitted) throw new Error(`The ${kind} of job ${job.id} met another attempt`);
  run.job = { ...job, parallelism: move.parallelism };
  for (const [i, region] of regions.entries()) {
    run.reported.delete(region.regionId);
    Object.assign(region, {
      plan: move.plans.get(region.regionId) ?? region.plan,
      attempt: (region.attempt + 1) as Attempt,
      agentId: null,
      placement: rows[i]!.placement,
      status: "waiting",
      retryAtMs: null,
      nextCause: kind,
    });
    announceRegion(run, region, kind);
  }
  return rows.map(({ regionId }) => regionId);
}
