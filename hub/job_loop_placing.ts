/**
 * Where a job's regions go: which agents run their subtasks, and when they move.
 *
 * Touches the database, the agents' links and the object store's signatures. Invariants: P6 a region of
 * an agent that may have gone autonomous stays its. P5 regions that span agents never go autonomous. A
 * job without a broker has nothing to exchange records over: each of its regions is on one agent.
 *
 * @module
 */
import { brokersOf } from "@shared/job_graph.ts";
import type { SubtaskPlan } from "@shared/regions.ts";
import { assign, type LiveAgent, type RegionNeed } from "./coordinator/assignment.ts";
import { agentLoads, type Placement } from "./db/region_store.ts";
import { deployRegion } from "./job_loop_deploy.ts";
import { stopRegion } from "./job_loop_regions.ts";
import { agentsOf, isOnAgent, isSpanning, type JobRun, type RegionRun } from "./job_run.ts";

/** Gives every region that waits to agents, where there are any. */
export async function placeRegions(run: JobRun): Promise<void> {
  if (run.job.desiredState !== "running" || !run.world.isFleetBack()) return;
  const nowMs = run.world.clock.monotonicMs();
  const free = [...run.regions.values()].filter((region) => isFree(run, region, nowMs));
  if (free.length === 0) return;
  const needs = [...run.regions.values()].map((region) => needOf(run, region));
  for (const { regionId, agents } of assign(needs, await liveAgents(run))) {
    const region = run.regions.get(regionId)!;
    if (agents !== null && free.includes(region)) {
      await deployRegion(run, region, Object.fromEntries(agents));
    }
  }
}

/** Starts to move one region off an agent that drains, if another agent can take it. */
export async function moveOffDraining(run: JobRun): Promise<void> {
  if (run.job.desiredState !== "running") return;
  const regions = [...run.regions.values()];
  if (regions.some(({ status }) => status === "stopping")) return;
  const { fleet } = run.world;
  const hasTarget = [...fleet.values()].some((a) => !a.isDraining && run.world.isLive(a.agentId));
  if (!hasTarget) return;
  const region = regions.find((candidate) =>
    candidate.status === "running" &&
    agentsOf(candidate).some((agentId) => fleet.get(agentId)?.isDraining === true)
  );
  if (region === undefined) return;
  await stopRegion(run, region, "Its agent drains");
  region.isMoving = true;
}

/** Where the subtasks of `regions` had better be, were they placed anew; null where nobody is there. */
export async function balancedPlacements(
  run: JobRun,
  regions: readonly RegionRun[],
): Promise<ReadonlyMap<RegionRun, Placement | null>> {
  const needs = [...run.regions.values()].map((region): RegionNeed => {
    const isPlaced = isOnAgent(region) && !regions.includes(region);
    return { ...needOf(run, region), isPlaced, subtasks: subtaskNeeds(run, region, true) };
  });
  const placed = new Map(
    assign(needs, await liveAgents(run), { isBalancing: true })
      .map(({ regionId, agents }) => [regionId, agents]),
  );
  return new Map(regions.map((region) => {
    const agents = placed.get(region.regionId) ?? null;
    return [region, agents === null ? null : Object.fromEntries(agents)];
  }));
}

/** Whether a region waits for an agent that may still run it, too long unheard of to be sure (P6). */
export function isPossiblyAutonomous(run: JobRun, region: RegionRun): boolean {
  return region.status === "waiting" && region.agentId !== null && mayContinueAlone(run, region) &&
    run.world.links.verdict(region.agentId) === "possibly-autonomous";
}

/** Waits, its pause is over, and nobody else may still run it beyond the hub's reach. */
function isFree(run: JobRun, region: RegionRun, nowMs: number): boolean {
  if (region.status === "backing-off") {
    return region.retryAtMs === null || nowMs >= region.retryAtMs;
  }
  if (region.status !== "waiting") return false;
  if (region.agentId === null) return true;
  const verdict = run.world.links.verdict(region.agentId);
  return verdict === "reassignable" ||
    (verdict === "possibly-autonomous" && !mayContinueAlone(run, region));
}

/** A source that goes on without the hub acknowledges on checkpoints the hub has not seen (P5). */
function mayContinueAlone(run: JobRun, region: RegionRun): boolean {
  if (isSpanning(region)) return false;
  const uids = new Set(region.plan.subtasks.map(({ sourceUid }) => sourceUid));
  return run.job.graph.operators.some(({ uid, source }) =>
    uids.has(uid) && source?.connector === "mqtt" && source.whenHubAway === "continue"
  );
}

function needOf(run: JobRun, region: RegionRun): RegionNeed {
  const isPlaced = isOnAgent(region);
  // Of a region that is one subtask nothing is left behind where it was: it may as well go elsewhere.
  const keepsPlace = isPlaced || region.plan.subtasks.length > 1 ||
    region.nextCause === "rebalance";
  return {
    regionId: region.regionId,
    near: region.plan.near,
    isPlaced,
    canSpan: brokersOf(run.job.graph).length > 0,
    subtasks: subtaskNeeds(run, region, keepsPlace),
  };
}

function subtaskNeeds(
  run: JobRun,
  region: RegionRun,
  keepsPlace: boolean,
): RegionNeed["subtasks"] {
  return region.plan.subtasks.map((subtask) => ({
    subtaskId: subtask.subtaskId,
    stage: subtask.subtaskId.slice(0, subtask.subtaskId.lastIndexOf(".")),
    near: nearOf(run, subtask),
    runsOn: keepsPlace ? region.placement[subtask.subtaskId] ?? region.agentId : null,
  }));
}

/** Labels of the subtask's own split; a keyed subtask has none. */
function nearOf(run: JobRun, { sourceUid, splitIndex }: SubtaskPlan): Record<string, string> {
  if (sourceUid === null) return {};
  const node = run.job.graph.operators.find(({ uid }) => uid === sourceUid);
  return { ...node?.source?.splits[splitIndex]?.near };
}

async function liveAgents(run: JobRun): Promise<LiveAgent[]> {
  const { world } = run;
  const loads = await agentLoads(world.db, run.job.id);
  return [...world.fleet.values()]
    .filter(({ agentId }) => world.isLive(agentId))
    .map((agent) => ({ ...agent, load: loads.get(agent.agentId) ?? 0 }));
}
