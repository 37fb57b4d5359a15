/**
 * What would move when an agent drains or is removed, and where to.
 *
 * Touches the database, only to read. Decides as the job loops do (`coordinator/assignment.ts`), on what is
 * so now; between the plan and the act the fleet may change.
 *
 * @module
 */
import type { AgentMovePlan } from "@shared/api.ts";
import type { AgentId } from "@shared/ids.ts";
import { brokersOf, type JobGraph } from "@shared/job_graph.ts";
import { planRegions, stageOf, type SubtaskPlan } from "@shared/regions.ts";
import { assign, type LiveAgent, type RegionNeed } from "./coordinator/assignment.ts";
import { type AgentRecord, listAgents } from "./db/agent_store.ts";
import { getJobFacts, type JobFacts, listPlacedRegions } from "./db/job_view_store.ts";
import { agentLoads } from "./db/region_store.ts";
import type { HubContext } from "./ports.ts";

/** The plan for one agent that is there. */
export async function planMoves(
  hub: HubContext,
  agent: AgentRecord,
  action: AgentMovePlan["action"],
): Promise<AgentMovePlan> {
  const placed = (await listPlacedRegions(hub.db)).filter((region) => isOn(region, agent.id));
  const fleet = (await listAgents(hub.db))
    .filter(({ id }) => id !== agent.id && hub.live.onlineAgents.has(id));
  const names = new Map(fleet.map(({ id, name }) => [id, name]));
  const regions: AgentMovePlan["regions"][number][] = [];
  for (const jobId of new Set(placed.map((region) => region.jobId))) {
    const job = await getJobFacts(hub.db, jobId);
    if (job === null) continue;
    const loads = await agentLoads(hub.db, jobId);
    const live = fleet.map((one): LiveAgent => ({
      agentId: one.id,
      labels: one.labels,
      isDraining: one.isDraining,
      load: loads.get(one.id) ?? 0,
    }));
    const answers = new Map(
      assign(needsOf(job, agent.id), live).map(({ regionId, agents }) => [regionId, agents]),
    );
    for (const { regionId, attempt, placement } of placed) {
      if (!job.regions.some((one) => one.regionId === regionId && one.jobId === jobId)) continue;
      const agents = answers.get(regionId) ?? null;
      const moves = agents === null ? null : [...agents]
        .filter(([subtaskId, to]) => placement.get(subtaskId)?.id !== to)
        .map(([subtaskId, to]) => ({ subtaskId, agentId: to, agentName: names.get(to) ?? null }));
      regions.push({ jobId, jobName: job.name, regionId, attempt, moves });
    }
  }
  return { agentId: agent.id, agentName: agent.name, action, regions };
}

type Placed = Pick<JobFacts["regions"][number], "agentId" | "placement">;

function isOn({ agentId, placement }: Placed, id: AgentId): boolean {
  return agentId === id || [...placement.values()].some((one) => one.id === id);
}

/** The job's regions, those on `leaving` to be placed anew. */
function needsOf(job: JobFacts, leaving: AgentId): RegionNeed[] {
  const facts = new Map(job.regions.map((region) => [region.regionId, region]));
  return planRegions(job.graph, job.parallelism).flatMap((plan) => {
    const region = facts.get(plan.regionId);
    if (region === undefined || region.agentId === null) return [];
    const isPlaced = !isOn(region, leaving);
    const keepsPlace = isPlaced || plan.subtasks.length > 1;
    return [{
      regionId: plan.regionId,
      near: plan.near,
      isPlaced,
      canSpan: brokersOf(job.graph).length > 0,
      subtasks: plan.subtasks.map((subtask) => ({
        subtaskId: subtask.subtaskId,
        stage: stageOf(subtask.subtaskId),
        near: nearOf(job.graph, subtask),
        runsOn: keepsPlace ? region.placement.get(subtask.subtaskId)?.id ?? region.agentId : null,
      })),
    }];
  });
}

function nearOf(graph: JobGraph, { sourceUid, splitIndex }: SubtaskPlan): Record<string, string> {
  const node = graph.operators.find(({ uid }) => uid === sourceUid);
  return { ...node?.source?.splits[splitIndex]?.near };
}
