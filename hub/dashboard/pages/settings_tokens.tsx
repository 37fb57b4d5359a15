/// <reference lib="dom" />
/**
 * Tokens: of people and programs with a role, and one-off ones with which an agent joins.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type {
  ApiTokenView,
  CreatedApiToken,
  CreatedJoinToken,
  JoinTokenView,
} from "@shared/api.ts";
import { read } from "@shared/hub_client.ts";
import { Confirm } from "../parts/confirm.tsx";
import { LoadedList, Section } from "../parts/frame.tsx";
import { Age, Badge, Time } from "../parts/marks.tsx";
import { AdminOnly, useMayAdminister } from "../parts/permission.tsx";
import { SecretNotice } from "../parts/secret.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { failureText } from "../state/api_client.ts";
import { type ListResource, useAnswers } from "../state/resource.ts";
import { useServices } from "../state/services.ts";

const ROLES = ["viewer", "operator", "admin"] as const;
type TokenRole = typeof ROLES[number];

const LIVES = [
  { value: "", text: "does not end" },
  { value: String(7 * 86_400), text: "7 days" },
  { value: String(90 * 86_400), text: "90 days" },
  { value: String(365 * 86_400), text: "a year" },
];

export function SettingsTokens() {
  const mayChange = useMayAdminister();
  if (!mayChange) {
    return (
      <Section title="Tokens">
        <AdminOnly what="Seeing and making tokens" />
      </Section>
    );
  }
  return (
    <>
      <ApiTokens />
      <JoinTokens />
    </>
  );
}

function ApiTokens() {
  const { hub } = useServices();
  const list = useAnswers(hub.tokens, { query: { kind: "api", limit: "100" } }, []);
  const [created, setCreated] = useState<CreatedApiToken | null>(null);
  return (
    <Section title="Of people and programs">
      <ApiTokenForm
        onCreated={(token) => {
          setCreated(token);
          list.reload();
        }}
      />
      {created === null ? null : (
        <SecretNotice
          title={`Token of ${created.name} with the role ${created.role}.`}
          secret={created.token}
          onClose={() => setCreated(null)}
        />
      )}
      <TokenTable
        caption="Tokens of people and programs"
        list={list as ListResource<ApiTokenView>}
        nameOf={(token) => `${token.name} (${token.role})`}
        columns={[
          { header: "Name", cell: ({ name }) => <strong>{name}</strong> },
          { header: "Role", cell: ({ role }) => role },
          { header: "Made by", cell: ({ createdBy, createdByName }) => createdByName ?? createdBy },
          { header: "Made", cell: ({ createdAt }) => <Time at={createdAt} /> },
          { header: "Last used", cell: ({ lastUsedAt }) => <Age at={lastUsedAt} /> },
          { header: "Ends", cell: ({ expiresAt }) => <EndText at={expiresAt} none="never" /> },
        ]}
      />
    </Section>
  );
}

function ApiTokenForm(props: { readonly onCreated: (token: CreatedApiToken) => void }) {
  const { hub, toasts } = useServices();
  const [name, setName] = useState("");
  const [role, setRole] = useState<TokenRole>("operator");
  const [life, setLife] = useState("");
  const create = async (event: Event) => {
    event.preventDefault();
    try {
      const ttl = life === "" ? {} : { ttlSeconds: Number(life) };
      const made = await read(hub.tokens.$post({ json: { name, role, ...ttl } }));
      props.onCreated(made as CreatedApiToken);
      setName("");
    } catch (thrown) {
      toasts.failed(failureText(thrown));
    }
  };
  return (
    <form class="filters" onSubmit={create}>
      <label class="filter">
        <span>Whom it is for</span>
        <input
          type="text"
          required
          value={name}
          placeholder="night-shift"
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </label>
      <label class="filter">
        <span>Role</span>
        <select
          value={role}
          onChange={(event) =>
            setRole(ROLES.find((one) => one === event.currentTarget.value) ?? "viewer")}
        >
          {ROLES.map((one) => <option key={one} value={one}>{one}</option>)}
        </select>
      </label>
      <label class="filter">
        <span>Life</span>
        <select value={life} onChange={(event) => setLife(event.currentTarget.value)}>
          {LIVES.map(({ value, text }) => <option key={value} value={value}>{text}</option>)}
        </select>
      </label>
      <button type="submit" class="primary" disabled={name.trim() === ""}>Make token</button>
    </form>
  );
}

function JoinTokens() {
  const { hub, toasts } = useServices();
  const joins = { query: { kind: "join", limit: "100" } } as const;
  const list = useAnswers(hub.tokens, joins, ["agent.enrolled"]);
  const [created, setCreated] = useState<CreatedJoinToken | null>(null);
  const create = async () => {
    try {
      setCreated(await read(hub.tokens.$post({ json: {} })) as CreatedJoinToken);
      list.reload();
    } catch (thrown) {
      toasts.failed(failureText(thrown));
    }
  };
  return (
    <Section
      title="Of agents to come"
      actions={<button type="button" onClick={create}>Make a join token</button>}
    >
      {created === null ? null : (
        <SecretNotice
          title="Run this line on the gateway within the hour."
          secret={created.installCommand}
          onClose={() => setCreated(null)}
        />
      )}
      <TokenTable
        caption="Join tokens"
        list={list as ListResource<JoinTokenView>}
        nameOf={() => "join token"}
        columns={[
          { header: "Made", cell: ({ createdAt }) => <Time at={createdAt} /> },
          { header: "Made by", cell: ({ createdBy, createdByName }) => createdByName ?? createdBy },
          { header: "Ends", cell: ({ expiresAt }) => <EndText at={expiresAt} none="never" /> },
          {
            header: "Used",
            isWide: true,
            cell: ({ usedAt }) => usedAt === null ? "not yet" : <Time at={usedAt} />,
          },
        ]}
      />
    </Section>
  );
}

interface AnyToken {
  readonly id: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
}

function TokenTable<T extends AnyToken>(
  props: {
    readonly caption: string;
    readonly list: ListResource<T>;
    readonly nameOf: (token: T) => string;
    readonly columns: readonly Column<T>[];
  },
) {
  const [asked, setAsked] = useState<T | null>(null);
  const revoke = useRevoke(props.list.reload);
  const action: Column<T> = {
    header: "Action",
    cell: (token) =>
      token.revokedAt !== null
        ? <Badge mark={{ tone: "unknown", text: "revoked" }} />
        : (
          <button type="button" onClick={() => setAsked(token)}>
            Revoke…<span class="visually-hidden">{props.nameOf(token)}</span>
          </button>
        ),
  };
  return (
    <>
      <LoadedList list={props.list}>
        {(items) => (
          <Table<T>
            caption={props.caption}
            isCaptionHidden
            rows={items}
            rowKey={({ id }) => id}
            empty="There is none."
            columns={[...props.columns, action]}
          />
        )}
      </LoadedList>
      {asked === null ? null : (
        <Confirm
          title={`Revoke ${props.nameOf(asked)}?`}
          action="Revoke"
          isDangerous
          onConfirm={() => revoke(asked.id)}
          onClose={() => setAsked(null)}
        >
          <p>Whoever uses it is turned away from now on. It cannot be brought back.</p>
        </Confirm>
      )}
    </>
  );
}

function useRevoke(done: () => void): (id: string) => Promise<void> {
  const { hub, toasts } = useServices();
  return async (id) => {
    try {
      await hub.tokens[":id"].$delete({ param: { id } });
      toasts.done("Token revoked.");
    } catch (thrown) {
      toasts.failed(failureText(thrown));
    }
    done();
  };
}

function EndText(props: { readonly at: string | null; readonly none: string }) {
  const { now } = useServices();
  if (props.at === null) return <span>{props.none}</span>;
  const isOver = Date.parse(props.at) < now.value;
  return isOver
    ? (
      <span class="muted">
        over since <Time at={props.at} />
      </span>
    )
    : <Time at={props.at} />;
}
