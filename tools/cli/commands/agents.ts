/** `penstock agents …`. Touches the network and the terminal. @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { AgentMovePlan, AgentView, OperationView } from "@shared/api.ts";
import { read } from "@shared/hub_client.ts";
import {
  AGENT,
  args,
  call,
  consent,
  docs,
  durationSeconds,
  HUB_ALIASES,
  HUB_FLAGS,
  type HubFlags,
  said,
  switchFlag,
  WAIT_FLAGS,
  type WaitFlags,
  YES_ALIASES,
  YES_FLAG,
} from "../flags.ts";
import { follow } from "../operations.ts";
import { age, counted, labelText, type Printer, size } from "../output.ts";
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
    const removed = flags.removed ? "true" : "false";
    const agents: AgentView[] = await api.all((query) =>
      api.api.agents.$get({ query: { ...query, removed } })
    );
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
    const asked = { param: { id: agent.id }, json: {} };
    const { drain } = api.api.agents[":id"];
    if (flags.dryRun) {
      const plan = await read(drain.$post({ ...asked, query: { dryRun: "true" } }));
      return printMoves(plan as AgentMovePlan, out);
    }
    consent({
      question: `Drain agent "${agent.name}": ${
        counted(agent.regions.length, "region")
      } move. Do it?`,
      isGiven: flags.yes,
      isLossy: false,
    });
    const operation = await read(drain.$post(asked)) as OperationView;
    const ended = await follow({ api, out }, operation, flags);
    if (ended === null) return;
    if (!out.isForPeople) return out.value(ended);
    note(`Agent "${agent.name}" is drained`);
  },
});

const undrain = buildCommand({
  docs: docs(
    "Let a drained agent get work again",
    ["agents undrain gateway-1", "agents undrain gateway-1 && penstock jobs rebalance pump-watch"],
    "What was moved off it stays where it is until something is placed anew, as by jobs rebalance.",
  ),
  parameters: { flags: HUB_FLAGS, aliases: HUB_ALIASES, positional: args(AGENT) },
  async func(flags: HubFlags, name: string) {
    const { api, out } = call(flags);
    const agent = await api.agent(name);
    await api.api.agents[":id"].undrain.$post({ param: { id: agent.id }, json: {} });
    out.note(`Agent "${agent.name}" gets work again`);
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
    const param = { id: agent.id };
    if (flags.dryRun) {
      const plan = await read(api.api.agents[":id"].$delete({ param, query: { dryRun: "true" } }));
      return printMoves(plan as AgentMovePlan, out);
    }
    const regions = agent.regions.length === 0
      ? ""
      : ` It runs ${counted(agent.regions.length, "region")}, which move by recovery.`;
    consent({
      question: `Remove agent "${agent.name}" for good?${regions}`,
      isGiven: flags.yes,
      isLossy: true,
    });
    await api.api.agents[":id"].$delete({ param });
    out.note(`Agent "${agent.name}" is removed`);
  },
});

/** What the hub says would move, and where to. */
function printMoves(plan: AgentMovePlan, out: Printer): void {
  if (!out.isForPeople) return out.value(plan);
  const { agentName, action, regions } = plan;
  if (regions.length === 0) print(`Agent "${agentName}" runs nothing: no region would move.`);
  else {
    print(`${counted(regions.length, "region")} would move off agent "${agentName}":`);
    out.rows(regions, {
      job: (region) => region.jobName,
      region: (region) => region.regionId,
      attempt: (region) => region.attempt,
      to: (region) =>
        region.moves === null
          ? "nobody can take it: it waits"
          : region.moves.map((move) => `${move.subtaskId} -> ${move.agentName ?? move.agentId}`)
            .join(", "),
    });
  }
  print(`Run it:\n  penstock agents ${action} ${agentName}${action === "remove" ? " --yes" : ""}`);
}

type ReplaceFlags = HubFlags & { readonly ttl?: number };

const replace = buildCommand({
  docs: docs(
    "Let a new machine take the place, name and labels of an agent",
    ["agents replace gateway-1 > join-token", "agents replace gateway-1 --ttl 15m"],
    "Makes a join token for it. The agent of now goes on, and is removed when the new one enrols with the token.",
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
    },
    aliases: HUB_ALIASES,
    positional: args(AGENT),
  },
  async func(flags: ReplaceFlags, name: string) {
    const { api, out } = call(flags);
    const agent = await api.agent(name);
    const json = said({ ttlSeconds: flags.ttl });
    const replacement = await read(
      api.api.agents[":id"].replace.$post({ param: { id: agent.id }, json }),
    );
    if (!out.isForPeople) return out.value(replacement);
    print(replacement.token);
    out.note(
      `Agent "${agent.name}" goes on until the new machine enrols, until ${replacement.expiresAt}. There:\n` +
        `  ${replacement.installCommand}`,
    );
  },
});

export const agents = buildRouteMap({
  docs: { brief: "The fleet" },
  routes: { list, show, drain, undrain, remove, replace },
});
