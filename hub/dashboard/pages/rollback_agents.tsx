/// <reference lib="dom" />
/**
 * First step of a rollback: the whole job, or the regions of some of its agents.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type { JobDetail } from "@shared/job_api.ts";
import { plural } from "../format.ts";
import { useServices } from "../state/services.ts";

/** What the address says for the whole job. */
export const ALL_AGENTS = "all";

/** Ids of agents in the address, and back. */
export function chosenAgents(text: string): string[] {
  return text.split(",").filter((id) => id !== "");
}

export interface JobAgent {
  readonly id: string;
  readonly name: string;
  readonly regionIds: readonly string[];
}

/** Agents that run a part of `job`, by name, with the regions that would be rolled back with each. */
export function agentsOf(job: Pick<JobDetail, "regions">): JobAgent[] {
  const agents = new Map<string, { id: string; name: string; regionIds: Set<string> }>();
  for (const region of job.regions) {
    for (const one of [region, ...region.subtasks]) {
      if (one.agentId === null) continue;
      const known = agents.get(one.agentId) ??
        { id: one.agentId, name: one.agentName ?? one.agentId, regionIds: new Set<string>() };
      known.regionIds.add(region.regionId);
      agents.set(one.agentId, known);
    }
  }
  return [...agents.values()]
    .map(({ id, name, regionIds }) => ({ id, name, regionIds: [...regionIds].sort() }))
    .sort((a, b) => a.name < b.name ? -1 : 1);
}

/** Agents that are not in `chosen` and are hit all the same, because a region spans them. */
export function alsoHit(agents: readonly JobAgent[], chosen: ReadonlySet<string>): JobAgent[] {
  const regions = new Set(
    agents.filter(({ id }) => chosen.has(id)).flatMap(({ regionIds }) => regionIds),
  );
  return agents.filter(({ id, regionIds }) =>
    !chosen.has(id) && regionIds.some((regionId) => regions.has(regionId))
  );
}

export function RollbackAgents(props: { readonly job: JobDetail }) {
  const { router } = useServices();
  const agents = agentsOf(props.job);
  const [isAll, setIsAll] = useState(true);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const toggle = (id: string, isOn: boolean) => {
    const next = new Set(chosen);
    if (isOn) next.add(id);
    else next.delete(id);
    setChosen(next);
  };
  const next = (event: Event) => {
    event.preventDefault();
    router.choose({ agents: isAll ? ALL_AGENTS : [...chosen].join(",") });
  };
  const others = isAll ? [] : alsoHit(agents, chosen);
  return (
    <form class="stack" onSubmit={next}>
      <fieldset class="stack">
        <legend class="visually-hidden">What is rolled back</legend>
        <label class="check">
          <input type="radio" name="scope" checked={isAll} onChange={() => setIsAll(true)} />
          <span>The whole job, on {plural(agents.length, "agent")}</span>
        </label>
        <label class="check">
          <input type="radio" name="scope" checked={!isAll} onChange={() => setIsAll(false)} />
          <span>Only what runs on some agents</span>
        </label>
      </fieldset>
      {isAll ? null : <AgentChoice agents={agents} chosen={chosen} onToggle={toggle} />}
      {others.length === 0 ? null : (
        <p class="notice tone-warn">
          A region goes back as a whole. {others.map(({ name }) => name).join(", ")}{" "}
          {others.length === 1 ? "runs" : "run"} a part of the same region and{" "}
          {others.length === 1 ? "is" : "are"} rolled back too.
        </p>
      )}
      <div class="row">
        <button type="submit" class="primary" disabled={!isAll && chosen.size === 0}>
          Show what it would do
        </button>
        <span class="muted">Changes nothing yet.</span>
      </div>
    </form>
  );
}

function AgentChoice(
  props: {
    readonly agents: readonly JobAgent[];
    readonly chosen: ReadonlySet<string>;
    readonly onToggle: (id: string, isOn: boolean) => void;
  },
) {
  return (
    <fieldset class="stack indented">
      <legend class="visually-hidden">Agents</legend>
      {props.agents.map((agent) => (
        <label key={agent.id} class="check">
          <input
            type="checkbox"
            checked={props.chosen.has(agent.id)}
            onChange={(event) => props.onToggle(agent.id, event.currentTarget.checked)}
          />
          <span>
            {agent.name} <span class="muted">{agent.regionIds.join(", ")}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}
