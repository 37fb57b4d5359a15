/// <reference lib="dom" />
/**
 * Agents with their state, labels, uplink and what they run; those that need a look come first.
 *
 * @module
 */
import type { AgentView } from "@shared/api.ts";
import { NONE, plural } from "../format.ts";
import { AGENT_STATES, AgentState, Labels, Uplink } from "./agent_marks.tsx";
import { agentMark, rowClass } from "./health.ts";
import { Age } from "./marks.tsx";
import { type VirtualColumn, VirtualTable } from "./virtual_table.tsx";

export interface AgentTableProps {
  readonly agents: readonly AgentView[];
  readonly empty: string;
  readonly opened?: string | null;
  readonly onOpen?: (agent: AgentView) => void;
}

/** The worst state first, then by name. */
export function worstAgentsFirst(a: AgentView, b: AgentView): number {
  return AGENT_STATES.indexOf(a.status) - AGENT_STATES.indexOf(b.status) ||
    (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

/** Agents whose name, version, address or labels hold every word of `search`. */
export function agentsMatching(
  agents: readonly AgentView[],
  search: string,
  state: string | null,
): AgentView[] {
  const words = search.toLowerCase().split(/\s+/).filter((word) => word !== "");
  return agents.filter((agent) => {
    if (state !== null && agent.status !== state) return false;
    const labels = Object.entries(agent.labels).map(([name, value]) => `${name}=${value}`);
    const text = [agent.name, agent.version, agent.remoteAddress, ...labels].join(" ")
      .toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

export function AgentTable(props: AgentTableProps) {
  return (
    <VirtualTable<AgentView>
      label="Agents"
      columns={columnsOf(props.onOpen)}
      rows={props.agents}
      total={props.agents.length}
      rowKey={(agent) => agent.id}
      rowClass={(agent) => rowClass(agentMark(agent.status))}
      rowPx={46}
      cardPx={246}
      empty={props.empty}
      openKey={props.opened ?? null}
      {...props.onOpen === undefined ? {} : { onOpen: props.onOpen }}
    />
  );
}

function columnsOf(onOpen: AgentTableProps["onOpen"]): readonly VirtualColumn<AgentView>[] {
  return [
    {
      key: "name",
      header: "Agent",
      width: "minmax(150px, 1.2fr)",
      inCard: "bare",
      cell: (agent) =>
        onOpen === undefined
          ? <strong>{agent.name}</strong>
          : (
            <button type="button" class="link strong" onClick={() => onOpen(agent)}>
              {agent.name}
            </button>
          ),
    },
    {
      key: "state",
      header: "State",
      width: "132px",
      cell: (agent) => <AgentState status={agent.status} />,
    },
    {
      key: "seen",
      header: "Last seen",
      width: "110px",
      cell: (agent) => <Age at={agent.lastSeenAt} />,
    },
    {
      key: "checkpoint",
      header: "Last checkpoint",
      width: "124px",
      cell: (agent) => <Age at={agent.lastCheckpointAt} />,
    },
    {
      key: "uplink",
      header: "Uplink",
      width: "minmax(250px, 1.2fr)",
      cell: (agent) => <Uplink uplink={agent.uplink} />,
    },
    {
      key: "version",
      header: "Version",
      width: "90px",
      cell: (agent) => agent.version ?? NONE,
    },
    {
      key: "labels",
      header: "Labels",
      width: "minmax(120px, 1fr)",
      cell: (agent) => <Labels labels={agent.labels} />,
    },
    {
      key: "runs",
      header: "Runs",
      width: "minmax(120px, 0.8fr)",
      cell: (agent) => <span title={jobsOf(agent)}>{runsText(agent)}</span>,
    },
  ];
}

function runsText(agent: AgentView): string {
  if (agent.regions.length === 0) return "nothing";
  const jobs = new Set(agent.regions.map(({ jobId }) => jobId)).size;
  return `${plural(agent.regions.length, "region")} of ${plural(jobs, "job")}`;
}

function jobsOf(agent: AgentView): string {
  return agent.regions.map(({ jobName, regionId }) => `${jobName} ${regionId}`).join("\n");
}
