/// <reference lib="dom" />
/**
 * Replaces an agent by another gateway: a join token with its labels, then the old one is drained and removed.
 *
 * The new agent has an identity of its own; nothing takes the old one's name or credential silently.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type { AgentView, CreatedJoinToken } from "@shared/api.ts";
import { Labels } from "../parts/agent_marks.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { failureText } from "../state/api_client.ts";
import { useServices } from "../state/services.ts";
import { WhatMoves } from "./agent_moves.tsx";
import { InstallLine } from "./join_tokens.tsx";

export function ReplaceAgent(
  props: {
    readonly agent: AgentView;
    readonly fleet: readonly AgentView[];
    readonly onClose: () => void;
  },
) {
  const { api, toasts } = useServices();
  const { agent } = props;
  const [token, setToken] = useState<CreatedJoinToken | null>(null);
  const create = async () => {
    try {
      setToken(await api.post<CreatedJoinToken>("/tokens", { labels: agent.labels }));
    } catch (thrown) {
      toasts.failed(`No join token was made. ${failureText(thrown)}`);
    }
  };
  return (
    <Dialog title={`Replace ${agent.name}`} onClose={props.onClose}>
      <ol class="steps">
        <li>
          <p>
            Make a join token with its labels: <Labels labels={agent.labels} />
          </p>
          {token === null
            ? <button type="button" class="primary" onClick={create}>Make the token</button>
            : <InstallLine token={token} />}
        </li>
        <li>Run the line on the new gateway and wait until the fleet shows it online.</li>
        <li>
          Drain {agent.name} so that what it runs moves over, then remove it.{" "}
          {agent.status === "offline" ? "It is offline: removing it is enough." : ""}
        </li>
      </ol>
      <WhatMoves agent={agent} fleet={props.fleet} />
      <div class="row">
        <button type="button" onClick={props.onClose}>Close</button>
      </div>
    </Dialog>
  );
}
