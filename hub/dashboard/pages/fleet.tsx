/// <reference lib="dom" />
/**
 * All agents: find one, look into it, and add another.
 *
 * @module
 */
import type { AgentView } from "@shared/api.ts";
import { plural } from "../format.ts";
import { AGENT_STATES } from "../parts/agent_marks.tsx";
import { agentsMatching, AgentTable, worstAgentsFirst } from "../parts/agent_table.tsx";
import { Loaded, LoadedList, PageHead, Section } from "../parts/frame.tsx";
import { agentMark } from "../parts/health.ts";
import { LogLines } from "../parts/log_lines.tsx";
import { Figure } from "../parts/marks.tsx";
import { hrefOf } from "../router.ts";
import { useAnswer, useAnswers } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { mayAdminister } from "../state/session.ts";
import { AgentPanel } from "./agent_panel.tsx";
import { JoinTokens } from "./join_tokens.tsx";

/** Agents report this often; how long one is silent shows without an event. */
const HEARTBEAT_MS = 5_000;

export function FleetPage() {
  const { hub, router, session } = useServices();
  const agents = useAnswers(
    hub.agents,
    { query: { limit: "200" } },
    ["agent", "region"],
    HEARTBEAT_MS,
  );
  const { query } = router.route.value;
  const opened = query["agent"] ?? null;
  const isAdmin = mayAdminister(session.session.value);
  return (
    <>
      <PageHead title="Fleet" />
      {opened === null ? null : <OpenedAgent key={opened} id={opened} />}
      <LoadedList list={agents}>
        {(items) => <Fleet agents={items} isAll={agents.value?.next === null} />}
      </LoadedList>
      {isAdmin ? <JoinTokens /> : null}
      <Section title="Log of the hub and its agents">
        {query["log"] === "open"
          ? <LogLines scope={{}} />
          : (
            <button type="button" class="more" onClick={() => router.choose({ log: "open" })}>
              Show the log
            </button>
          )}
      </Section>
    </>
  );
}

/** By its id, because it may be on a page of the list that is not loaded. */
function OpenedAgent(props: { readonly id: string }) {
  const { hub } = useServices();
  const asked = { param: { id: props.id } };
  const agent = useAnswer(hub.agents[":id"], asked, ["agent", "region"], HEARTBEAT_MS);
  return <Loaded resource={agent}>{(found) => <AgentPanel agent={found} />}</Loaded>;
}

interface FleetProps {
  readonly agents: readonly AgentView[];
  /** Whether there are no more of them. */
  readonly isAll: boolean;
}

function Fleet(props: FleetProps) {
  const { router } = useServices();
  const { agents } = props;
  const { query } = router.route.value;
  const search = query["search"] ?? "";
  const state = AGENT_STATES.find((one) => one === query["state"]) ?? null;
  const found = agentsMatching(agents, search, state).sort(worstAgentsFirst);
  const isFiltered = search !== "" || state !== null;
  return (
    <>
      <StateFigures {...props} />
      <Section
        title={isFiltered ? `Agents: ${found.length} of ${agents.length}` : "Agents"}
        actions={
          <div class="row">
            <label class="field inline">
              <span>Find</span>
              <input
                type="search"
                value={search}
                placeholder="name, version, site=north"
                onInput={(event) => router.choose({ search: event.currentTarget.value })}
              />
            </label>
            <label class="field inline">
              <span>State</span>
              <select
                value={state ?? ""}
                onChange={(event) => router.choose({ state: event.currentTarget.value })}
              >
                <option value="">any</option>
                {AGENT_STATES.map((one) => <option key={one} value={one}>{one}</option>)}
              </select>
            </label>
          </div>
        }
      >
        <AgentTable
          agents={found}
          opened={query["agent"] ?? null}
          onOpen={(agent) => router.choose({ agent: agent.id })}
          empty={isFiltered
            ? "No agent is like that."
            : "No agent yet. An agent appears here as soon as it has enrolled."}
        />
      </Section>
    </>
  );
}

/** How many there are of each state that there is; each leads to them. */
function StateFigures(props: FleetProps) {
  const { router } = useServices();
  const { agents, isAll } = props;
  const { query } = router.route.value;
  const counts = AGENT_STATES
    .map((state) => ({ state, count: agents.filter(({ status }) => status === state).length }))
    .filter(({ state, count }) => count > 0 || state === "online");
  const versions = new Set(agents.flatMap(({ version }) => version ?? []));
  return (
    <dl class="figures" aria-label="Agents by state">
      {counts.map(({ state, count }) => (
        <Figure
          key={state}
          label={state.slice(0, 1).toUpperCase() + state.slice(1)}
          value={count}
          note={`of ${plural(agents.length, "agent")}${isAll ? "" : " loaded"}`}
          tone={count === 0 ? "calm" : agentMark(state).tone}
          href={hrefOf({ kind: "fleet" }, { ...query, state })}
        />
      ))}
      <Figure
        label="Versions"
        value={versions.size}
        note={[...versions].sort().join(", ") || "none known"}
        tone={versions.size > 1 ? "warn" : "calm"}
      />
    </dl>
  );
}
