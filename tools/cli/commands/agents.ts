/** `penstock agents …`. Touches the network and the terminal. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { AgentView, CreatedJoinToken, OperationView } from "@shared/api.ts";
import {
  AGENT,
  args,
  type Call,
  call,
  consent,
  docs,
  durationSeconds,
  HUB_ALIASES,
  HUB_FLAGS,
  type HubFlags,
  switchFlag,
  WAIT_FLAGS,
  type WaitFlags,
  YES_ALIASES,
  YES_FLAG,
} from "../flags.ts";
import { CliError, EXIT_CONFLICT } from "../hub_api.ts";
import { follow } from "../operations.ts";
import { age, counted, labelText, size } from "../output.ts";
import { note, print } from "../terminal.ts";

const AGENT_COLUMNS = {
  id: (agent: AgentView) => agent.id,
  name: (agent: AgentView) => agent.name,
  status: (agent: AgentView) => agent.status,
  labels: (agent: AgentView) => labelText(agent.labels),
  regions: (agent: AgentView) => agent.regions.length,
  version: (agent: AgentView) => agent.version,
  seen: (agent: AgentView) => age(agent.lastSeenAt),
};
const AGENT_WIDE = {
  checkpoint: (agent: AgentView) => age(agent.lastCheckpointAt),
  "round trip ms": (agent: AgentView) => agent.uplink?.roundTripMs,
  unsent: (agent: AgentView) => agent.uplink ? size(agent.uplink.unsentBytes) : null,
  address: (agent: AgentView) => agent.remoteAddress,
  enrolled: (agent: AgentView) => agent.enrolledAt,
};

const list = buildCommand({
  docs: docs("List the agents", ["agents list", "agents list -o wide", "agents list --removed"]),
  parameters: {
    flags: { ...HUB_FLAGS, removed: switchFlag("Also those that were removed") },
    aliases: HUB_ALIASES,
  },
  async func(flags: HubFlags & { readonly removed: boolean }) {
    const { api, out } = call(flags);
    const agents = await api.list<AgentView>(flags.removed ? "/agents?removed=true" : "/agents");
    out.rows(agents, AGENT_COLUMNS, AGENT_WIDE);
  },
});

const show = buildCommand({
  docs: docs("Show one agent and what it runs", [
    "agents show gateway-1",
    "agents show gateway-1 -o json",
  ]),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES, positional: args(AGENT) },
  async func(flags: HubFlags, name: string) {
    const { api, out } = call(flags);
    const agent = await api.agent(name);
    out.one(agent, { ...AGENT_COLUMNS, ...AGENT_WIDE });
    if (!out.isForPeople || agent.regions.length === 0) return;
    print("");
    out.rows(agent.regions, REGION_COLUMNS);
  },
});

const REGION_COLUMNS = {
  job: (region: AgentView["regions"][number]) => region.jobName,
  region: (region: AgentView["regions"][number]) => region.regionId,
  status: (region: AgentView["regions"][number]) => region.status,
  attempt: (region: AgentView["regions"][number]) => region.attempt,
};

const drain = buildCommand({
  docs: docs("Move an agent's regions to others and give it no new ones", [
    "agents drain gateway-1 --dry-run",
    "agents drain gateway-1",
  ]),
  parameters: {
    flags: { ...WAIT_FLAGS, dryRun: switchFlag("Show which regions would move"), yes: YES_FLAG },
    aliases: YES_ALIASES,
    positional: args(AGENT),
  },
  async func(
    flags: WaitFlags & { readonly dryRun: boolean; readonly yes: boolean },
    name: string,
  ) {
    const { api, out } = call(flags);
    const agent = await api.agent(name);
    if (flags.dryRun) return await printMoves({ api, out }, agent, "drain");
    consent({
      question: `Drain agent "${agent.name}": ${
        counted(agent.regions.length, "region")
      } move. Do it?`,
      isGiven: flags.yes,
      isLossy: false,
    });
    const operation = await api.post<OperationView>(`/agents/${agent.id}/drain`, {});
    const ended = await follow({ api, out }, operation, flags);
    if (ended === null) return;
    if (!out.isForPeople) return out.value(ended);
    note(`Agent "${agent.name}" is drained`);
  },
});

type RemoveFlags = HubFlags & { readonly dryRun: boolean; readonly yes: boolean };

const remove = buildCommand({
  docs: docs(
    "Revoke an agent's credential and forget it; its regions move",
    ["agents remove gateway-1 --dry-run", "agents remove gateway-1 --yes"],
    "Drain it first where it can be: then its regions move with a savepoint of their own, not by recovery.",
  ),
  parameters: {
    flags: { ...HUB_FLAGS, dryRun: switchFlag("Show which regions would move"), yes: YES_FLAG },
    aliases: YES_ALIASES,
    positional: args(AGENT),
  },
  async func(flags: RemoveFlags, name: string) {
    const { api, out } = call(flags);
    const agent = await api.agent(name);
    if (flags.dryRun) return await printMoves({ api, out }, agent, "remove");
    const regions = agent.regions.length === 0
      ? ""
      : ` It runs ${counted(agent.regions.length, "region")}, which move by recovery.`;
    consent({
      question: `Remove agent "${agent.name}" for good?${regions}`,
      isGiven: flags.yes,
      isLossy: true,
    });
    await api.delete(`/agents/${agent.id}`);
    out.note(`Agent "${agent.name}" is removed`);
  },
});

interface MovePlan {
  readonly agent: string;
  readonly regions: AgentView["regions"];
  /** Agents that can take regions. */
  readonly remaining: readonly string[];
}

async function printMoves(
  { api, out }: Call,
  agent: AgentView,
  verb: "drain" | "remove",
): Promise<void> {
  const remaining = (await api.list<AgentView>("/agents?limit=200"))
    .filter(({ id, status }) => id !== agent.id && status === "online")
    .map(({ name }) => name);
  const plan: MovePlan = { agent: agent.name, regions: agent.regions, remaining };
  if (!out.isForPeople) return out.value(plan);
  if (plan.regions.length === 0) print(`Agent "${agent.name}" runs nothing: no region would move.`);
  else {
    print(`${counted(plan.regions.length, "region")} would move off agent "${agent.name}":`);
    out.rows(plan.regions, REGION_COLUMNS);
  }
  print(
    remaining.length === 0
      ? "No other agent is online: regions would wait for one."
      : `Agents that can take them: ${remaining.join(", ")}`,
  );
  print(`Run it:\n  penstock agents ${verb} ${agent.name}${verb === "remove" ? " --yes" : ""}`);
}

type ReplaceFlags = HubFlags & { readonly ttl?: number; readonly yes: boolean };

const replace = buildCommand({
  docs: docs(
    "Put a new machine in the place of an agent that is gone",
    ["agents replace gateway-1 --yes"],
    "Removes the agent, whose credential ends with it, and makes a join token with its labels. The new machine " +
      "takes the name, so that splits placed near it find it again. Refuses while the agent is online: drain and " +
      "stop it first.",
  ),
  parameters: {
    flags: {
      ...HUB_FLAGS,
      ttl: {
        kind: "parsed",
        parse: durationSeconds,
        optional: true,
        brief: "How long the join token may be used; 1h at most",
        placeholder: "1h",
      },
      yes: YES_FLAG,
    },
    aliases: YES_ALIASES,
    positional: args(AGENT),
  },
  async func(flags: ReplaceFlags, name: string) {
    const { api, out } = call(flags);
    const agent = await api.agent(name);
    if (agent.status === "online" || agent.status === "draining") {
      throw new CliError(
        `Agent "${agent.name}" is ${agent.status}: two machines cannot be one agent. ` +
          `Stop it with \`penstock agents drain ${agent.name}\`, end its process, then repeat`,
        EXIT_CONFLICT,
      );
    }
    consent({
      question: `Remove agent "${agent.name}" for good and let another machine take its place?`,
      isGiven: flags.yes,
      isLossy: true,
    });
    await api.delete(`/agents/${agent.id}`);
    const token = await api.post<CreatedJoinToken>("/tokens", {
      labels: agent.labels,
      ...(flags.ttl === undefined ? {} : { ttlSeconds: flags.ttl }),
    });
    if (!out.isForPeople) return out.value(token);
    print(token.token);
    note(
      `Agent "${agent.name}" is removed. On the new machine, until ${token.expiresAt}:\n` +
        `  ${token.installCommand} --name ${agent.name}`,
    );
  },
});

export const agents = buildRouteMap({
  docs: { brief: "The fleet" },
  routes: { list, show, drain, remove, replace },
});
