/// <reference lib="dom" />
/**
 * Replaces an agent by another machine: a join token bound to its place; the old one goes when the new one
 * enrols, not before.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type { AgentReplacement, AgentView } from "@shared/api.ts";
import { read } from "@shared/hub_client.ts";
import { Labels } from "../parts/agent_marks.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { changeFailure } from "../state/api_client.ts";
import { useServices } from "../state/services.ts";
import { WhatMoves } from "./agent_moves.tsx";
import { InstallLine } from "./join_tokens.tsx";

export function ReplaceAgent(
  props: { readonly agent: AgentView; readonly onClose: () => void },
) {
  const { hub, toasts } = useServices();
  const { agent } = props;
  const [made, setMade] = useState<AgentReplacement | null>(null);
  const create = async () => {
    try {
      setMade(await read(hub.agents[":id"].replace.$post({ param: { id: agent.id } })));
    } catch (thrown) {
      toasts.failed(changeFailure("No join token was made.", thrown));
    }
  };
  return (
    <Dialog title={`Replace ${agent.name}`} onClose={props.onClose}>
      <p>
        The machine that joins with this token takes its name and its labels{" "}
        <Labels labels={agent.labels} />. In that moment {agent.name}{" "}
        is removed: its credential ends and what it runs moves. Until then nothing changes.
      </p>
      <WhatMoves agent={agent} />
      {made === null ? null : <InstallLine token={made} />}
      <div class="row">
        {made === null
          ? <button type="button" class="primary" onClick={create}>Make the token</button>
          : null}
        <button type="button" onClick={props.onClose}>Close</button>
      </div>
    </Dialog>
  );
}
