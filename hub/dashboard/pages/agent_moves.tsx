/// <reference lib="dom" />
/**
 * What would move when an agent goes, and where to, as the hub plans it; changes nothing.
 *
 * @module
 */
import type { AgentMovePlan, AgentView } from "@shared/api.ts";
import { read } from "@shared/hub_client.ts";
import { Loaded } from "../parts/frame.tsx";
import { Badge } from "../parts/marks.tsx";
import { Table } from "../parts/table.tsx";
import { until, useResource } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

export function WhatMoves(props: { readonly agent: AgentView }) {
  const { hub } = useServices();
  const { id } = props.agent;
  const plan = useResource<AgentMovePlan>(id, async (signal) => {
    const asked = { param: { id }, json: { dryRun: true } };
    return await read(hub.agents[":id"].drain.$post(asked, until(signal))) as AgentMovePlan;
  }, []);
  return <Loaded resource={plan}>{(found) => <Moves plan={found} />}</Loaded>;
}

type RegionMove = AgentMovePlan["regions"][number];

function Moves(props: { readonly plan: AgentMovePlan }) {
  const { regions } = props.plan;
  const stranded = regions.filter(({ moves }) => moves === null);
  return (
    <>
      <Table<RegionMove>
        caption="What would move"
        rows={regions}
        rowKey={(row) => `${row.jobId}/${row.regionId}`}
        rowClass={(row) => row.moves === null ? "row-warn" : ""}
        empty="It runs nothing: nothing moves."
        columns={[
          { header: "Job", cell: (row) => <strong>{row.jobName}</strong> },
          { header: "Region", cell: (row) => row.regionId },
          {
            header: "Attempt",
            isNumeric: true,
            cell: (row) => `${row.attempt} → ${row.attempt + 1}`,
          },
          { header: "Where to", isWide: true, cell: (row) => <Targets moves={row.moves} /> },
        ]}
      />
      {stranded.length === 0 ? null : (
        <p class="notice tone-warn">
          Nobody is there to take {stranded.length === regions.length ? "it" : "a part of it"}:{" "}
          that waits until somebody is, and the brokers keep its records as long as their sessions
          last.
        </p>
      )}
    </>
  );
}

function Targets(props: { readonly moves: RegionMove["moves"] }) {
  const { moves } = props;
  if (moves === null) return <Badge mark={{ tone: "warn", text: "nobody" }} />;
  if (moves.length === 0) return <span class="muted">stays where it is</span>;
  return (
    <ul class="plain">
      {moves.map((move) => (
        <li key={move.subtaskId}>
          <span class="muted">{move.subtaskId} to</span> {move.agentName ?? move.agentId}
        </li>
      ))}
    </ul>
  );
}
