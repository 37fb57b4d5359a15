/**
 * Which agent runs which region.
 *
 * Pure and deterministic: the same fleet and the same regions give the same answer, sorted by region.
 *
 * Invariants (tests/property/coordinator_test.ts):
 *
 *   1  A region that an eligible agent runs stays there: nothing moves because another agent joined.
 *   2  A draining agent gets nothing new.
 *   3  Among eligible agents the one that matches most `near` labels wins, then the least loaded one,
 *      then the smallest id.
 *   4  A region is left without an agent only when no agent is eligible.
 *
 * @module
 */
import type { AgentId, RegionId } from "@shared/ids.ts";

export interface LiveAgent {
  readonly agentId: AgentId;
  readonly labels: Readonly<Record<string, string>>;
  readonly isDraining: boolean;
  /** Regions of other jobs that it runs. */
  readonly load: number;
}

export interface RegionNeed {
  readonly regionId: RegionId;
  readonly near: Readonly<Record<string, string>>;
  /** Agent that runs it and keeps it; null when it needs one. */
  readonly runsOn: AgentId | null;
}

export interface Placement {
  readonly regionId: RegionId;
  /** Null when no agent is eligible. */
  readonly agentId: AgentId | null;
}

/** Places every region of `needs` on `agents`. */
export function assign(
  needs: readonly RegionNeed[],
  agents: readonly LiveAgent[],
): Placement[] {
  const load = new Map(agents.map((agent) => [agent.agentId, agent.load]));
  const add = (id: AgentId) => load.set(id, (load.get(id) ?? 0) + 1);
  const sorted = [...needs].sort((a, b) => a.regionId < b.regionId ? -1 : 1);
  for (const need of sorted) if (need.runsOn !== null) add(need.runsOn);

  const eligible = agents.filter((agent) => !agent.isDraining);
  return sorted.map(({ regionId, near, runsOn }) => {
    if (runsOn !== null) return { regionId, agentId: runsOn };
    const best = [...eligible].sort((a, b) =>
      matches(near, b.labels) - matches(near, a.labels) ||
      load.get(a.agentId)! - load.get(b.agentId)! ||
      (a.agentId < b.agentId ? -1 : 1)
    )[0];
    if (best === undefined) return { regionId, agentId: null };
    add(best.agentId);
    return { regionId, agentId: best.agentId };
  });
}

/** How many labels of `near` an agent carries. */
export function matches(
  near: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
): number {
  return Object.entries(near).filter(([name, value]) => labels[name] === value).length;
}
