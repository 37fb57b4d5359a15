/**
 * How far an attempt of a region has come when several agents run it: as far as the one that is furthest
 * behind.
 *
 * Pure.
 *
 *   deploying ──somebody restores──▶ restoring ──all restored: `run` to all──▶ all running ──▶ running
 *   any agent failed, stopped by itself, restarted or without a lease ──▶ the attempt is over, everywhere
 *
 * Invariants (tests/property/region_reach_test.ts):
 *
 *   C8  No agent is told to run before every agent has restored its part.
 *   2   The region runs only while every agent said so, and has stopped only when every agent has.
 *   3   With one agent the region is where the agent is.
 *
 * @module
 */
import type { AgentId } from "@shared/ids.ts";
import type { RegionStatus } from "@shared/messages.ts";

export type Reach = "deploying" | "restoring" | "restored" | "running";

/** What each agent said last of this attempt; agents that said nothing are left out. */
export type Statuses = ReadonlyMap<AgentId, RegionStatus>;

/** @param agents All that run something of the region; not empty. */
export function reachOf(agents: readonly AgentId[], statuses: Statuses): Reach {
  const said = agents.map((agentId) => statuses.get(agentId));
  const all = (...wanted: readonly RegionStatus[]) =>
    said.every((status) => status !== undefined && wanted.includes(status));
  if (all("running")) return "running";
  if (all("restored", "running")) return "restored";
  return said.every((status) => status === undefined) ? "deploying" : "restoring";
}

/** Agents to be told to run: none before all have restored, then those that do not run yet (C8). */
export function agentsToRun(agents: readonly AgentId[], statuses: Statuses): AgentId[] {
  if (reachOf(agents, statuses) !== "restored") return [];
  return agents.filter((agentId) => statuses.get(agentId) === "restored");
}

/** Whether every agent has ended its part. */
export function haveStopped(agents: readonly AgentId[], statuses: Statuses): boolean {
  return agents.every((agentId) => {
    const status = statuses.get(agentId);
    return status === "stopped" || status === "failed";
  });
}
