/// <reference lib="dom" />
/**
 * All agents; for admins the one line that adds another.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type { AgentView, CreatedJoinToken } from "@shared/api.ts";
import { AgentTable } from "../parts/agent_table.tsx";
import { LoadedList, PageHead, Section } from "../parts/frame.tsx";
import { Time } from "../parts/marks.tsx";
import { failureText } from "../state/api_client.ts";
import { useList } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { mayAdminister } from "../state/session.ts";
import { HEARTBEAT_MS, NO_AGENTS } from "./overview.tsx";

export function FleetPage() {
  const { session } = useServices();
  const agents = useList<AgentView>("/agents?limit=200", ["agent", "region"], HEARTBEAT_MS);
  return (
    <>
      <PageHead title="Fleet" />
      <Section title="Agents">
        <LoadedList list={agents}>
          {(items) => <AgentTable agents={items} empty={NO_AGENTS} />}
        </LoadedList>
      </Section>
      {mayAdminister(session.session.value) ? <AddAgent /> : null}
    </>
  );
}

function AddAgent() {
  const { api, toasts } = useServices();
  const [token, setToken] = useState<CreatedJoinToken | null>(null);
  const create = async () => {
    try {
      setToken(await api.post<CreatedJoinToken>("/tokens", {}));
    } catch (thrown) {
      toasts.failed(`No join token was made. ${failureText(thrown)}`);
    }
  };
  const copy = async (text: string) => {
    try {
      await globalThis.navigator.clipboard.writeText(text);
      toasts.done("Copied.");
    } catch {
      toasts.failed("The browser does not allow copying. Select the line and copy it yourself.");
    }
  };
  return (
    <Section title="Add an agent">
      {token === null
        ? (
          <div class="row">
            <p>Makes a join token for one gateway and the line to run there.</p>
            <button type="button" onClick={create}>Make a join token</button>
          </div>
        )
        : (
          <div class="stack">
            <p>
              Run this line on the gateway. The token is shown once and ends at{" "}
              <Time at={token.expiresAt} />.
            </p>
            <div class="row">
              <code class="command" tabIndex={0}>{token.installCommand}</code>
              <button type="button" onClick={() => copy(token.installCommand)}>Copy</button>
            </div>
          </div>
        )}
    </Section>
  );
}
