/** `penstock tokens …`. Touches the network and the terminal. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type {
  ApiTokenView,
  CreatedApiToken,
  CreatedJoinToken,
  JoinTokenView,
} from "@shared/api.ts";
import { read } from "@shared/hub_client.ts";
import {
  args,
  argument,
  call,
  docs,
  durationSeconds,
  HUB_ALIASES,
  HUB_FLAGS,
  type HubFlags,
  pairs,
  switchFlag,
  textFlag,
} from "../flags.ts";
import { CliError, EXIT_USAGE } from "../hub_api.ts";
import { age, labelText } from "../output.ts";
import { print } from "../terminal.ts";

type CreateFlags = HubFlags & {
  readonly ttl?: number;
  readonly label?: readonly string[];
  readonly role?: "viewer" | "operator" | "admin";
  readonly name?: string;
};

const create = buildCommand({
  docs: docs(
    "Make a join token for one agent, or with --role a token for a person or a program",
    [
      "tokens create --label line=1 > join-token",
      "tokens create --role operator --name shift-lead",
      "tokens create --role viewer --name grafana --ttl 90d",
    ],
    "The secret goes to stdout and is shown this once.",
  ),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      ttl: {
        kind: "parsed",
        parse: durationSeconds,
        optional: true,
        brief: "How long it may be used; a join token 1h at most, one with a role for ever",
        placeholder: "1h",
      },
      role: {
        kind: "enum",
        values: ["viewer", "operator", "admin"],
        optional: true,
        brief: "Role of the person or program",
      },
      name: textFlag("With --role: whom it is for", "N"),
      label: { ...textFlag("Label the agent gets; repeatable", "k=v"), variadic: true },
    },
    aliases: HUB_ALIASES,
  },
  async func(flags: CreateFlags) {
    const { role, name } = flags;
    if (role === undefined && name !== undefined) {
      throw new CliError(
        "--name goes with --role: an agent names itself when it starts",
        EXIT_USAGE,
      );
    }
    if (role !== undefined && flags.label !== undefined) {
      throw new CliError("--label goes with a join token: leave --role out", EXIT_USAGE);
    }
    const { api, out } = call(flags);
    const ttl = flags.ttl === undefined ? {} : { ttlSeconds: flags.ttl };
    if (role !== undefined) {
      const body = { ...ttl, role, ...(name === undefined ? {} : { name }) };
      const token = await read(api.api.tokens.$post({ json: body })) as CreatedApiToken;
      if (!out.isForPeople) return out.value(token);
      print(token.token);
      return out.note(`Role ${token.role}, for ${token.name}; shown this once`);
    }
    const body = { ...ttl, labels: pairs(flags.label) };
    const token = await read(api.api.tokens.$post({ json: body })) as CreatedJoinToken;
    if (!out.isForPeople) return out.value(token);
    print(token.token);
    out.note(
      `Good until ${token.expiresAt}, for one agent. On the gateway:\n  ${token.installCommand}`,
    );
  },
});

const list = buildCommand({
  docs: docs("List join tokens, or with --api those of people and programs", [
    "tokens list",
    "tokens list --api -o json",
  ]),
  parameters: {
    flags: { ...HUB_FLAGS, api: switchFlag("Tokens of people and programs") },
    aliases: HUB_ALIASES,
  },
  async func(flags: HubFlags & { readonly api: boolean }) {
    const { api, out } = call(flags);
    if (flags.api) {
      const found = await api.all((query) =>
        api.api.tokens.$get({ query: { ...query, kind: "api" } })
      );
      return out.rows(found as ApiTokenView[], {
        id: (token) => token.id,
        name: (token) => token.name,
        role: (token) => token.role,
        "made by": (token) => token.createdByName ?? token.createdBy,
        expires: (token) => token.expiresAt ?? "never",
        "last used": (token) => age(token.lastUsedAt),
        revoked: (token) => token.revokedAt,
      });
    }
    const found = await api.all((query) => api.api.tokens.$get({ query }));
    out.rows(found as JoinTokenView[], {
      id: (token) => token.id,
      labels: (token) => labelText(token.labels),
      expires: (token) => token.expiresAt,
      used: (token) => token.usedAt,
      "used by": (token) => token.usedByAgentId,
      revoked: (token) => token.revokedAt,
    });
  },
});

const revoke = buildCommand({
  docs: docs("Revoke a token of either kind", ["tokens revoke TOKEN_ID"]),
  parameters: {
    flags: HUB_FLAGS,
    aliases: HUB_ALIASES,
    positional: args(argument("Token id", "TOKEN_ID")),
  },
  async func(flags: HubFlags, id: string) {
    const { api, out } = call(flags);
    await api.api.tokens[":id"].$delete({ param: { id } });
    out.note(`Token ${id} is revoked`);
  },
});

export const tokens = buildRouteMap({
  docs: { brief: "Tokens for new agents, people and programs" },
  routes: { create, list, revoke },
});
