/**
 * Which agent runs which subtask.
 *
 * Pure and deterministic: the same fleet and the same needs give the same answer, sorted by region.
 * Without balancing, what has a place keeps it as long as its agent is eligible. With balancing, a
 * subtask keeps its place only if no agent is nearer and its agent does not hold more than its share.
 *
 * Invariants (tests/property/coordinator_test.ts):
 *
 *   1  A region that runs stays: nothing moves because another agent joined.
 *   2  A draining agent gets nothing new, and keeps nothing of a region that is placed anew.
 *   3  Among eligible agents the one that matches most `near` labels wins; then the one that has fewest
 *      subtasks of the same stage, where a region spans agents; then the least loaded, then the smallest
 *      id.
 *   4  A region is left without agents only when no agent is eligible.
 *   5  A region that cannot span agents is on one.
 *   6  Placed anew without balancing, a subtask of a region that can span agents moves only off an agent
 *      that is not eligible. With balancing, agents that are alike differ by one subtask of a stage at
 *      most, and no more move than that needs.
 *
 * @module
 */
import type { AgentId, RegionId, SubtaskId } from "@shared/ids.ts";

export interface LiveAgent {
  readonly agentId: AgentId;
  readonly labels: Readonly<Record<string, string>>;
  readonly isDraining: boolean;
  /** Subtasks of other jobs that it runs. */
  readonly load: number;
}

export interface SubtaskNeed {
  readonly subtaskId: SubtaskId;
  /** Subtasks of one stage are spread over agents. */
  readonly stage: string;
  readonly near: Readonly<Record<string, string>>;
  /** Agent that runs it, or did last and had better keep it; null when any will do. */
  readonly runsOn: AgentId | null;
}

export interface RegionNeed {
  readonly regionId: RegionId;
  /** Union of the labels of its subtasks. */
  readonly near: Readonly<Record<string, string>>;
  /** It runs and is not to be moved. */
  readonly isPlaced: boolean;
  /** Its subtasks may be on different agents. */
  readonly canSpan: boolean;
  /** Not empty. */
  readonly subtasks: readonly SubtaskNeed[];
}

export interface RegionPlacement {
  readonly regionId: RegionId;
  /** Agent of each subtask, in their order; null when no agent is eligible. */
  readonly agents: ReadonlyMap<SubtaskId, AgentId> | null;
}

/** What moves as one: a subtask, or a region that has to be on one agent. */
interface Unit {
  readonly id: string;
  readonly near: Readonly<Record<string, string>>;
  readonly runsOn: AgentId | null;
  readonly size: number;
}

export interface AssignOptions {
  /** Even out what is placed anew, over agents that joined since; otherwise it keeps its places. */
  readonly isBalancing: boolean;
}

/** Places every region of `needs` on `agents`. */
export function assign(
  needs: readonly RegionNeed[],
  agents: readonly LiveAgent[],
  options: AssignOptions = { isBalancing: false },
): RegionPlacement[] {
  const fleet = new Fleet(agents);
  const sorted = [...needs].sort((a, b) => a.regionId < b.regionId ? -1 : 1);
  for (const { isPlaced, subtasks } of sorted) {
    if (isPlaced) { for (const { runsOn } of subtasks) fleet.add(runsOn, 1); }
  }
  const free = sorted.filter(({ isPlaced }) => !isPlaced);
  const whole = free.filter(isWhole).map((need): Unit => ({
    id: need.regionId,
    near: need.near,
    runsOn: commonAgent(need.subtasks),
    size: need.subtasks.length,
  }));
  const fixed = sorted.filter((need) => need.isPlaced && isWhole(need))
    .map(({ subtasks }) => subtasks[0]!.runsOn);
  const wholeOn = spread(whole, fleet, { ...options, isSpreading: false, fixed });
  return sorted.map((need) => {
    const { regionId, subtasks, isPlaced } = need;
    if (isPlaced) return { regionId, agents: placesOf(subtasks, ({ runsOn }) => runsOn) };
    if (isWhole(need)) {
      return { regionId, agents: placesOf(subtasks, () => wholeOn.get(regionId) ?? null) };
    }
    const spreadOn = spreadStages(subtasks, fleet, options);
    return { regionId, agents: placesOf(subtasks, ({ subtaskId }) => spreadOn.get(subtaskId)!) };
  });
}

/** How many labels of `near` an agent carries. */
export function matches(
  near: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
): number {
  return Object.entries(near).filter(([name, value]) => labels[name] === value).length;
}

function isWhole({ canSpan, subtasks }: RegionNeed): boolean {
  return !canSpan || subtasks.length === 1;
}

/** The agent that all of them were on, or null. */
function commonAgent(subtasks: readonly SubtaskNeed[]): AgentId | null {
  const first = subtasks[0]!.runsOn;
  return subtasks.every(({ runsOn }) => runsOn === first) ? first : null;
}

function placesOf(
  subtasks: readonly SubtaskNeed[],
  agentOf: (subtask: SubtaskNeed) => AgentId | null,
): ReadonlyMap<SubtaskId, AgentId> | null {
  const agents = new Map<SubtaskId, AgentId>();
  for (const subtask of subtasks) {
    const agentId = agentOf(subtask);
    if (agentId === null) return null;
    agents.set(subtask.subtaskId, agentId);
  }
  return agents;
}

function spreadStages(
  subtasks: readonly SubtaskNeed[],
  fleet: Fleet,
  options: AssignOptions,
): Map<string, AgentId | null> {
  const placed = new Map<string, AgentId | null>();
  for (const stage of new Set(subtasks.map((subtask) => subtask.stage))) {
    const units = subtasks.filter((subtask) => subtask.stage === stage)
      .map(({ subtaskId, near, runsOn }): Unit => ({ id: subtaskId, near, runsOn, size: 1 }));
    for (
      const [id, agentId] of spread(units, fleet, { ...options, isSpreading: true, fixed: [] })
    ) {
      placed.set(id, agentId);
    }
  }
  return placed;
}

interface SpreadOptions extends AssignOptions {
  /** Fewest of these units come before the least load. */
  readonly isSpreading: boolean;
  /** Agents of units like these that stay where they are, one entry for each. */
  readonly fixed: readonly (AgentId | null)[];
}

/** Places units that are alike; null where no agent is eligible. */
function spread(
  units: readonly Unit[],
  fleet: Fleet,
  how: SpreadOptions,
): Map<string, AgentId | null> {
  const placed = new Map<string, AgentId | null>();
  const counts = countsOf(how.fixed);
  const place = ({ id, size }: Unit, agentId: AgentId | null) => {
    placed.set(id, agentId);
    if (agentId === null) return;
    counts.set(agentId, (counts.get(agentId) ?? 0) + 1);
    fleet.add(agentId, size);
  };
  const isCounting = how.isSpreading || how.isBalancing;
  const quota = how.isBalancing ? quotasOf(units, fleet, how.fixed) : null;
  for (const unit of units) {
    const { runsOn } = unit;
    if (runsOn === null || !fleet.isEligible(runsOn)) continue;
    const keeps = quota === null ||
      (fleet.isNearest(unit.near, runsOn) && (counts.get(runsOn) ?? 0) < quota.get(runsOn)!);
    if (keeps) place(unit, runsOn);
  }
  for (const unit of units) {
    if (placed.has(unit.id)) continue;
    place(unit, fleet.best(unit, (agentId) => isCounting ? counts.get(agentId) ?? 0 : 0));
  }
  return new Map(units.map(({ id }) => [id, placed.get(id)!]));
}

/** How many units each eligible agent may have: even shares, the larger ones where most are already. */
function quotasOf(
  units: readonly Unit[],
  fleet: Fleet,
  fixed: SpreadOptions["fixed"],
): Map<AgentId, number> {
  const { eligible } = fleet;
  const total = units.length + fixed.length;
  const share = Math.floor(total / Math.max(1, eligible.length));
  const larger = total % Math.max(1, eligible.length);
  const held = countsOf([
    ...fixed,
    ...units.filter(({ runsOn, near }) => runsOn !== null && fleet.isNearest(near, runsOn))
      .map(({ runsOn }) => runsOn),
  ]);
  const inOrder = [...eligible].sort((a, b) =>
    (held.get(b.agentId) ?? 0) - (held.get(a.agentId) ?? 0) || fleet.compare(a, b)
  );
  return new Map(
    inOrder.map(({ agentId }, rank) => [agentId, share + (rank < larger ? 1 : 0)]),
  );
}

function countsOf(agents: SpreadOptions["fixed"]): Map<AgentId, number> {
  const counts = new Map<AgentId, number>();
  for (const agentId of agents) {
    if (agentId !== null) counts.set(agentId, (counts.get(agentId) ?? 0) + 1);
  }
  return counts;
}

/** The agents, and how much each has got so far. */
class Fleet {
  readonly eligible: readonly LiveAgent[];
  readonly #load: Map<AgentId, number>;

  constructor(agents: readonly LiveAgent[]) {
    this.eligible = agents.filter(({ isDraining }) => !isDraining)
      .sort((a, b) => a.agentId < b.agentId ? -1 : 1);
    this.#load = new Map(agents.map(({ agentId, load }) => [agentId, load]));
  }

  add(agentId: AgentId | null, size: number): void {
    if (agentId !== null) this.#load.set(agentId, (this.#load.get(agentId) ?? 0) + size);
  }

  isEligible(id: AgentId): boolean {
    return this.eligible.some(({ agentId }) => agentId === id);
  }

  /** No eligible agent matches more of `near`. */
  isNearest(near: Readonly<Record<string, string>>, id: AgentId): boolean {
    const mine = this.eligible.find(({ agentId }) => agentId === id);
    return mine !== undefined &&
      this.eligible.every(({ labels }) => matches(near, labels) <= matches(near, mine.labels));
  }

  /** By load, then by id. */
  compare(a: LiveAgent, b: LiveAgent): number {
    return this.#load.get(a.agentId)! - this.#load.get(b.agentId)! ||
      (a.agentId < b.agentId ? -1 : 1);
  }

  /** Where a unit goes; of agents that are alike the one it was on. */
  best(unit: Unit, countOf: (agentId: AgentId) => number): AgentId | null {
    const { near, runsOn } = unit;
    const [best] = [...this.eligible].sort((a, b) =>
      matches(near, b.labels) - matches(near, a.labels) ||
      countOf(a.agentId) - countOf(b.agentId) ||
      Number(b.agentId === runsOn) - Number(a.agentId === runsOn) ||
      this.compare(a, b)
    );
    return best?.agentId ?? null;
  }
}
