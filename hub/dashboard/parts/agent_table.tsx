/// <reference lib="dom" />
/**
 * Agents with their state, labels and the regions they run.
 *
 * @module
 */
import type { AgentView } from "@shared/api.ts";
import { NONE } from "../format.ts";
import { hrefOf } from "../router.ts";
import { agentMark, rowClass, statusMark } from "./health.ts";
import { Age, Badge } from "./marks.tsx";
import { Table } from "./table.tsx";

export function AgentTable(
  props: { readonly agents: readonly AgentView[]; readonly empty: string },
) {
  return (
    <Table<AgentView>
      caption="Agents"
      isCaptionHidden
      rows={props.agents}
      rowKey={(agent) => agent.id}
      rowClass={(agent) => rowClass(agentMark(agent.status))}
      empty={props.empty}
      columns={[
        { header: "Agent", isWide: true, cell: (agent) => <strong>{agent.name}</strong> },
        { header: "State", cell: (agent) => <Badge mark={agentMark(agent.status)} /> },
        { header: "Last seen", cell: (agent) => <Age at={agent.lastSeenAt} /> },
        { header: "Version", cell: (agent) => agent.version ?? NONE },
        { header: "Address", cell: (agent) => agent.remoteAddress ?? NONE },
        { header: "Labels", cell: (agent) => <Labels labels={agent.labels} /> },
        { header: "Regions", isWide: true, cell: (agent) => <Regions agent={agent} /> },
      ]}
    />
  );
}

function Labels(props: { readonly labels: Readonly<Record<string, string>> }) {
  const labels = Object.entries(props.labels);
  if (labels.length === 0) return <span class="muted">none</span>;
  return (
    <span class="chips">
      {labels.map(([name, value]) => <span key={name} class="chip">{name}={value}</span>)}
    </span>
  );
}

function Regions(props: { readonly agent: AgentView }) {
  const { regions } = props.agent;
  if (regions.length === 0) return <span class="muted">none</span>;
  return (
    <ul class="plain">
      {regions.map((region) => (
        <li key={`${region.jobId}/${region.regionId}`}>
          <a href={hrefOf({ kind: "job", jobId: region.jobId, tab: "graph" })}>{region.jobName}</a>
          {" "}
          {region.regionId} <span class="muted">attempt {region.attempt}</span>{" "}
          <Badge mark={statusMark(region.status)} />
        </li>
      ))}
    </ul>
  );
}
