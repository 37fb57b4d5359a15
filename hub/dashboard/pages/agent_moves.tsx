/// <reference lib="dom" />
/**
 * What would move when an agent goes, and who is there to take it.
 *
 * @module
 */
import type { AgentView } from "@shared/api.ts";
import { statusMark } from "../parts/health.ts";
import { Badge } from "../parts/marks.tsx";

/** Agents that are there and take new work, those with most of its labels first. */
export function heirsOf(agent: AgentView, fleet: readonly AgentView[]): AgentView[] {
  const shared = (other: AgentView) =>
    Object.entries(agent.labels).filter(([name, value]) => other.labels[name] === value).length;
  return fleet
    .filter(({ id, status }) => id !== agent.id && (status === "online" || status === "restoring"))
    .sort((a, b) => shared(b) - shared(a) || (a.name < b.name ? -1 : 1));
}

const HEIRS_SHOWN = 4;

export function WhatMoves(
  props: { readonly agent: AgentView; readonly fleet: readonly AgentView[] },
) {
  const { agent } = props;
  if (agent.regions.length === 0) return <p>It runs nothing: nothing moves.</p>;
  const heirs = heirsOf(agent, props.fleet);
  const more = heirs.length - HEIRS_SHOWN;
  return (
    <div class="stack">
      <p>
        <strong>What moves:</strong>
      </p>
      <ul class="plain">
        {agent.regions.map((region) => (
          <li key={`${region.jobId}/${region.regionId}`}>
            {region.jobName} {region.regionId}{" "}
            <span class="muted">attempt {region.attempt} → {region.attempt + 1}</span>{" "}
            <Badge mark={statusMark(region.status)} />
          </li>
        ))}
      </ul>
      {heirs.length === 0
        ? (
          <p class="notice tone-warn">
            No other agent is there to take it: it waits until one is, and the brokers keep its
            records as long as their sessions last.
          </p>
        )
        : (
          <p>
            There to take it, best fitting labels first:{" "}
            {heirs.slice(0, HEIRS_SHOWN).map(({ name }) => name).join(", ")}
            {more > 0 ? ` and ${more} more` : ""}. The hub places each part when it moves.
          </p>
        )}
    </div>
  );
}
