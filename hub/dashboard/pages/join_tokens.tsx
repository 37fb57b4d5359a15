/// <reference lib="dom" />
/**
 * Adds agents: the one line to run on a gateway with a fresh token, and the tokens that are out.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type { CreatedJoinToken, JoinTokenView } from "@shared/api.ts";
import { read } from "@shared/hub_client.ts";
import { durationText } from "../format.ts";
import { Labels } from "../parts/agent_marks.tsx";
import { LoadedList, Section } from "../parts/frame.tsx";
import type { Mark } from "../parts/health.ts";
import { Badge, Time, Who } from "../parts/marks.tsx";
import { Table } from "../parts/table.tsx";
import { changeFailure } from "../state/api_client.ts";
import { type ListResource, useAnswers } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

const LIFETIMES = [
  { seconds: 900, text: "15 minutes" },
  { seconds: 3_600, text: "1 hour" },
] as const;

export function JoinTokens() {
  const { hub } = useServices();
  const joins = { query: { kind: "join", limit: "20" } } as const;
  const tokens = useAnswers(hub.tokens, joins, ["agent.enrolled"]);
  return (
    <>
      <AddAgent onCreated={tokens.reload} />
      <Section title="Join tokens">
        <TokenList tokens={tokens as ListResource<JoinTokenView>} />
      </Section>
    </>
  );
}

function AddAgent(props: { readonly onCreated: () => void }) {
  const { hub, toasts } = useServices();
  const [text, setText] = useState("");
  const [ttlSeconds, setTtlSeconds] = useState<number>(LIFETIMES[1].seconds);
  const [token, setToken] = useState<CreatedJoinToken | null>(null);
  const labels = labelsOf(text);
  const create = async (event: Event) => {
    event.preventDefault();
    if (labels === null) return;
    try {
      const made = await read(hub.tokens.$post({ json: { labels, ttlSeconds } }));
      setToken(made as CreatedJoinToken);
      props.onCreated();
    } catch (thrown) {
      toasts.failed(changeFailure("No join token was made.", thrown));
    }
  };
  return (
    <Section title="Add an agent">
      <form class="row" onSubmit={create}>
        <label class="field">
          <span>Labels (optional)</span>
          <input
            type="text"
            value={text}
            placeholder="site=north line=1"
            aria-invalid={labels === null}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <label class="field inline">
          <span>Good for</span>
          <select
            value={ttlSeconds}
            onChange={(event) => setTtlSeconds(Number(event.currentTarget.value))}
          >
            {LIFETIMES.map(({ seconds, text: name }) => (
              <option key={seconds} value={seconds}>{name}</option>
            ))}
          </select>
        </label>
        <button type="submit" class="primary" disabled={labels === null}>Make a join token</button>
        {labels === null ? <span role="status">Labels are written name=value.</span> : null}
      </form>
      {token === null
        ? <p class="muted">One token lets one gateway join, once.</p>
        : <InstallLine token={token} />}
    </Section>
  );
}

/** `site=north, line=1` as labels; null when it is none. */
export function labelsOf(text: string): Record<string, string> | null {
  const labels: Record<string, string> = {};
  for (const pair of text.split(/[\s,]+/).filter((part) => part !== "")) {
    const at = pair.indexOf("=");
    if (at < 1 || at === pair.length - 1) return null;
    labels[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return labels;
}

/** The line to run on the gateway; its secret is shown this once. */
export function InstallLine(
  props: { readonly token: Pick<CreatedJoinToken, "expiresAt" | "installCommand"> },
) {
  const { now, toasts } = useServices();
  const { expiresAt, installCommand } = props.token;
  const leftMs = Date.parse(expiresAt) - now.value;
  const copy = async () => {
    try {
      await globalThis.navigator.clipboard.writeText(installCommand);
      toasts.done("Copied.");
    } catch {
      toasts.failed("The browser does not allow copying. Select the line and copy it yourself.");
    }
  };
  return (
    <div class="stack">
      <p>
        Run this line on the gateway. The token is shown once and {leftMs > 0
          ? (
            <>
              ends in {durationText(leftMs)}, at <Time at={expiresAt} />.
            </>
          )
          : <strong>has ended: make another one.</strong>}
      </p>
      <div class="row">
        <code class="command" tabIndex={0}>{installCommand}</code>
        <button type="button" onClick={copy}>Copy</button>
      </div>
    </div>
  );
}

function TokenList(props: { readonly tokens: ListResource<JoinTokenView> }) {
  const { now } = useServices();
  return (
    <LoadedList list={props.tokens}>
      {(items) => (
        <Table<JoinTokenView>
          caption="Join tokens, newest first"
          isCaptionHidden
          rows={items}
          rowKey={(token) => token.id}
          empty="No join token was made yet."
          columns={[
            { header: "State", cell: (token) => <Badge mark={tokenMark(token, now.value)} /> },
            { header: "Labels", isWide: true, cell: (token) => <Labels labels={token.labels} /> },
            { header: "Made", cell: (token) => <Time at={token.createdAt} /> },
            {
              header: "By",
              cell: (token) => <Who principal={token.createdBy} name={token.createdByName} />,
            },
            { header: "Ends", cell: (token) => <Time at={token.expiresAt} /> },
            {
              header: "Action",
              cell: (token) => <Revoke token={token} onDone={props.tokens.reload} />,
            },
          ]}
        />
      )}
    </LoadedList>
  );
}

export function tokenMark(token: JoinTokenView, nowMs: number): Mark {
  if (token.usedAt !== null) return { tone: "calm", text: "used" };
  if (token.revokedAt !== null) return { tone: "unknown", text: "revoked" };
  if (Date.parse(token.expiresAt) <= nowMs) return { tone: "unknown", text: "ended" };
  return { tone: "active", text: "open" };
}

function Revoke(props: { readonly token: JoinTokenView; readonly onDone: () => void }) {
  const { hub, now, toasts } = useServices();
  const { token } = props;
  if (tokenMark(token, now.value).text !== "open") return <span class="muted">none</span>;
  const revoke = async () => {
    try {
      await hub.tokens[":id"].$delete({ param: { id: token.id } });
      toasts.done("The join token was revoked.");
      props.onDone();
    } catch (thrown) {
      toasts.failed(changeFailure("The token was not revoked.", thrown));
    }
  };
  return <button type="button" onClick={revoke}>Revoke</button>;
}
