/** `penstock agents …`, `penstock tokens …` and `penstock alarms …`. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type {
  AgentView,
  AlarmView,
  ApiTokenView,
  CreatedApiToken,
  CreatedJoinToken,
  JoinTokenView,
  OperationView,
} from "@shared/api.ts";
import {
  durationSeconds,
  HUB_ALIASES,
  HUB_FLAGS,
  hubApi,
  type HubFlags,
  pairs,
  WAIT_FLAGS,
  type WaitFlags,
} from "../flags.ts";
import { CliError, EXIT_NOT_FOUND, type HubApi } from "../hub_api.ts";
import { follow } from "../operations.ts";
import { age, labelText, printOne, printRows, printValue } from "../output.ts";
import { note, print } from "../terminal.ts";

const AGENT = { brief: "Agent id or name", placeholder: "A", parse: String };

const AGENT_COLUMNS = {
  id: (agent: AgentView) => agent.id,
  name: (agent: AgentView) => agent.name,
  status: (agent: AgentView) => agent.status,
  labels: (agent: AgentView) => labelText(agent.labels),
  regions: (agent: AgentView) => agent.regions.length,
  version: (agent: AgentView) => agent.version,
  seen: (agent: AgentView) => age(agent.lastSeenAt),
};

async function findAgent(api: HubApi, idOrName: string): Promise<AgentView> {
  const agents = await api.list<AgentView>("/agents");
  const found = agents.find((agent) => agent.id === idOrName) ??
    agents.find((agent) => agent.name === idOrName && agent.status !== "removed");
  if (found !== undefined) return found;
  throw new CliError(`No agent has the id or name "${idOrName}"`, EXIT_NOT_FOUND);
}

const listAgents = buildCommand({
  docs: { brief: "List the agents" },
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES },
  async func(flags: HubFlags) {
    printRows(await hubApi(flags).list<AgentView>("/agents"), AGENT_COLUMNS, flags.output);
  },
});

const showAgent = buildCommand({
  docs: { brief: "Show one agent and what it runs" },
  parameters: {
    flags: HUB_FLAGS,
    aliases: HUB_ALIASES,
    positional: { kind: "tuple", parameters: [AGENT] },
  },
  async func(flags: HubFlags, name: string) {
    const agent = await findAgent(hubApi(flags), name);
    printOne(agent, AGENT_COLUMNS, flags.output);
    if (flags.output !== "table" || agent.regions.length === 0) return;
    print("");
    printRows(agent.regions, {
      job: (region) => region.jobName,
      region: (region) => region.regionId,
      status: (region) => region.status,
      attempt: (region) => region.attempt,
    }, "table");
  },
});

const drain = buildCommand({
  docs: { brief: "Move an agent's regions to others and give it no new ones" },
  parameters: {
    flags: WAIT_FLAGS,
    aliases: HUB_ALIASES,
    positional: { kind: "tuple", parameters: [AGENT] },
  },
  async func(flags: WaitFlags, name: string) {
    const api = hubApi(flags);
    const agent = await findAgent(api, name);
    const ended = await follow(
      api,
      await api.post<OperationView>(`/agents/${agent.id}/drain`, {}),
      flags,
    );
    if (ended !== null) note(`Agent "${agent.name}" is drained`);
  },
});

const removeAgent = buildCommand({
  docs: { brief: "Revoke an agent's credential and forget it; its regions move" },
  parameters: {
    flags: HUB_FLAGS,
    aliases: HUB_ALIASES,
    positional: { kind: "tuple", parameters: [AGENT] },
  },
  async func(flags: HubFlags, name: string) {
    const api = hubApi(flags);
    const agent = await findAgent(api, name);
    await api.delete(`/agents/${agent.id}`);
    note(`Agent "${agent.name}" is removed`);
  },
});

export const agents = buildRouteMap({
  docs: { brief: "The fleet" },
  routes: { list: listAgents, show: showAgent, drain, remove: removeAgent },
});

type CreateTokenFlags = HubFlags & {
  readonly ttl?: number;
  readonly label?: readonly string[];
  readonly role?: "viewer" | "operator" | "admin";
  readonly name?: string;
};

const createToken = buildCommand({
  docs: {
    brief: "Make a join token for one agent, or with --role a token for a person or a program",
  },
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
      name: {
        kind: "parsed",
        parse: String,
        optional: true,
        brief: "With --role: whom it is for",
        placeholder: "N",
      },
      label: {
        kind: "parsed",
        parse: String,
        optional: true,
        variadic: true,
        brief: "Label the agent gets; repeatable",
        placeholder: "k=v",
      },
    },
    aliases: HUB_ALIASES,
  },
  async func(flags: CreateTokenFlags) {
    const ttl = flags.ttl === undefined ? {} : { ttlSeconds: flags.ttl };
    const { role, name } = flags;
    if (role !== undefined) {
      const body = { ...ttl, role, ...(name === undefined ? {} : { name }) };
      const token = await hubApi(flags).post<CreatedApiToken>("/tokens", body);
      if (flags.output !== "table") return printValue(token, flags.output);
      print(token.token);
      return note(`Role ${token.role}, for ${token.name}; shown this once`);
    }
    const token = await hubApi(flags).post<CreatedJoinToken>("/tokens", {
      ...ttl,
      labels: pairs(flags.label),
    });
    if (flags.output !== "table") return printValue(token, flags.output);
    print(token.token);
    note(
      `Good until ${token.expiresAt}, for one agent. On the gateway:\n  ${token.installCommand}`,
    );
  },
});

const listTokens = buildCommand({
  docs: { brief: "List join tokens, or with --api those of people and programs" },
  parameters: {
    flags: {
      ...HUB_FLAGS,
      api: { kind: "boolean", default: false, brief: "Tokens of people and programs" },
    },
    aliases: HUB_ALIASES,
  },
  async func(flags: HubFlags & { readonly api: boolean }) {
    if (flags.api) {
      return printRows(await hubApi(flags).list<ApiTokenView>("/tokens?kind=api"), {
        id: (token) => token.id,
        name: (token) => token.name,
        role: (token) => token.role,
        "made by": (token) => token.createdByName ?? token.createdBy,
        expires: (token) => token.expiresAt ?? "never",
        "last used": (token) => age(token.lastUsedAt),
        revoked: (token) => token.revokedAt,
      }, flags.output);
    }
    printRows(await hubApi(flags).list<JoinTokenView>("/tokens"), {
      id: (token) => token.id,
      labels: (token) => labelText(token.labels),
      expires: (token) => token.expiresAt,
      used: (token) => token.usedAt,
      "used by": (token) => token.usedByAgentId,
      revoked: (token) => token.revokedAt,
    }, flags.output);
  },
});

const revokeToken = buildCommand({
  docs: { brief: "Revoke a token of either kind" },
  parameters: {
    flags: HUB_FLAGS,
    aliases: HUB_ALIASES,
    positional: {
      kind: "tuple",
      parameters: [{ brief: "Token id", placeholder: "ID", parse: String }],
    },
  },
  async func(flags: HubFlags, id: string) {
    await hubApi(flags).delete(`/tokens/${id}`);
    note(`Token ${id} is revoked`);
  },
});

export const tokens = buildRouteMap({
  docs: { brief: "Tokens for new agents, people and programs" },
  routes: { create: createToken, list: listTokens, revoke: revokeToken },
});

type AlarmFlags = HubFlags & { readonly state: "active" | "unacknowledged" | "all" };

const listAlarms = buildCommand({
  docs: { brief: "List alarms, newest first" },
  parameters: {
    flags: {
      ...HUB_FLAGS,
      state: {
        kind: "enum",
        values: ["active", "unacknowledged", "all"],
        default: "all",
        brief: "Which alarms",
      },
    },
    aliases: HUB_ALIASES,
  },
  async func(flags: AlarmFlags) {
    printRows(await hubApi(flags).list<AlarmView>(`/alarms?state=${flags.state}`), {
      id: (alarm) => alarm.id,
      priority: (alarm) => alarm.priority,
      equipment: (alarm) => alarm.equipment,
      state: (alarm) =>
        `${alarm.isActive ? "active" : "normal"}, ${alarm.isAcknowledged ? "acked" : "unacked"}`,
      raised: (alarm) => age(alarm.raisedAt),
      text: (alarm) => alarm.text,
    }, flags.output);
  },
});

const acknowledge = buildCommand({
  docs: { brief: "Acknowledge an alarm: somebody has seen it" },
  parameters: {
    flags: HUB_FLAGS,
    aliases: HUB_ALIASES,
    positional: {
      kind: "tuple",
      parameters: [{ brief: "Alarm id", placeholder: "ID", parse: String }],
    },
  },
  async func(flags: HubFlags, id: string) {
    await hubApi(flags).post(`/alarms/${encodeURIComponent(id)}/ack`, {});
    note(`Alarm ${id} is acknowledged`);
  },
});

export const alarms = buildRouteMap({
  docs: { brief: "What needs somebody's attention" },
  routes: { list: listAlarms, ack: acknowledge },
});
