/// <reference lib="dom" />
/**
 * One agent: how it stands, what it runs, what it logged; drain, replace and remove it, after seeing what
 * would move.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type { AgentView } from "@shared/api.ts";
import type { JobDetail } from "@shared/job_api.ts";
import { read } from "@shared/hub_client.ts";
import { NONE, plural } from "../format.ts";
import { AgentState, Labels, Uplink } from "../parts/agent_marks.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { Facts, Loaded, Section } from "../parts/frame.tsx";
import { LogLines } from "../parts/log_lines.tsx";
import { Age, Time } from "../parts/marks.tsx";
import { OperationProgress } from "../parts/operation_progress.tsx";
import { rankSubtasks, subtaskFigures } from "../parts/subtask_figures.ts";
import { SubtaskTable } from "../parts/subtask_table.tsx";
import { useMoment } from "../parts/time_range.tsx";
import { hrefOf } from "../router.ts";
import { changeFailure } from "../state/api_client.ts";
import { until, useResource } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { mayAdminister, mayOperate } from "../state/session.ts";
import { ReplaceAgent } from "./agent_replace.tsx";
import { WhatMoves } from "./agent_moves.tsx";

export interface AgentPanelProps {
  readonly agent: AgentView;
}

export function AgentPanel(props: AgentPanelProps) {
  const { router } = useServices();
  const { agent } = props;
  const { query } = router.route.value;
  const operationId = query["operation"] ?? null;
  return (
    <Section
      title={agent.name}
      actions={
        <span class="row">
          <AgentActions {...props} />
          <button
            type="button"
            onClick={() => router.choose({ agent: null, operation: null, agentLog: null })}
          >
            Close
          </button>
        </span>
      }
    >
      {operationId === null ? null : (
        <OperationProgress
          key={operationId}
          operationId={operationId}
          what="Drain"
          onDismiss={() => router.choose({ operation: null })}
        />
      )}
      <AgentFacts agent={agent} />
      <h3>What it runs</h3>
      <AgentSubtasks agent={agent} />
      {query["agentLog"] === "open"
        ? (
          <>
            <h3>Its log</h3>
            <LogLines scope={{ source: agent.name }} />
          </>
        )
        : (
          <button type="button" class="more" onClick={() => router.choose({ agentLog: "open" })}>
            Show its log
          </button>
        )}
    </Section>
  );
}

function AgentFacts(props: { readonly agent: AgentView }) {
  const { agent } = props;
  return (
    <Facts
      facts={[
        ["State", <AgentState key="state" status={agent.status} />],
        ["Last seen", <Age key="seen" at={agent.lastSeenAt} />],
        ["Last checkpoint", <Age key="checkpoint" at={agent.lastCheckpointAt} />],
        ["Uplink", <Uplink key="uplink" uplink={agent.uplink} />],
        ["Version", agent.version ?? NONE],
        ["Address", agent.remoteAddress ?? NONE],
        ["Labels", <Labels key="labels" labels={agent.labels} />],
        ["Enrolled", <Time key="enrolled" at={agent.enrolledAt} />],
        ["Id", <code key="id">{agent.id}</code>],
      ]}
    />
  );
}

/** Jobs looked into for one agent. */
const JOBS_MAX = 20;

function AgentSubtasks(props: { readonly agent: AgentView }) {
  const { hub } = useServices();
  const moment = useMoment();
  const { agent } = props;
  const jobIds = [...new Set(agent.regions.map(({ jobId }) => jobId))].sort().slice(0, JOBS_MAX);
  const jobs = useResource<readonly JobDetail[]>(
    `jobs ${jobIds.join(",")}`,
    (signal) =>
      Promise.all(
        jobIds.map((id) => read(hub.jobs[":id"].$get({ param: { id } }, until(signal)))),
      ),
    ["region", "job"],
  );
  if (jobIds.length === 0) return <p class="muted">Nothing at the moment.</p>;
  return (
    <Loaded resource={jobs}>
      {(found) => (
        <>
          {found.map((job) => (
            <div key={job.id} class="stack">
              <a href={hrefOf({ kind: "job", jobId: job.id, tab: "graph" })}>{job.name}</a>
              <SubtaskTable
                caption={`Subtasks of ${job.name} on ${agent.name}`}
                subtasks={rankSubtasks(job.graph, subtaskFigures(job, moment), "worst")
                  .filter((subtask) => subtask.agentId === agent.id)}
                past={null}
                empty="None of its subtasks at the moment."
              />
            </div>
          ))}
        </>
      )}
    </Loaded>
  );
}

type Action = "drain" | "replace" | "remove";

function AgentActions(props: AgentPanelProps) {
  const { session } = useServices();
  const { agent } = props;
  const [asked, setAsked] = useState<Action | null>(null);
  const who = session.session.value;
  if (agent.status === "removed" || !mayOperate(who)) return null;
  const close = () => setAsked(null);
  return (
    <>
      {agent.status === "draining"
        ? <Undrain agent={agent} />
        : <button type="button" onClick={() => setAsked("drain")}>Drain…</button>}
      {mayAdminister(who)
        ? (
          <>
            <button type="button" onClick={() => setAsked("replace")}>Replace…</button>
            <button type="button" onClick={() => setAsked("remove")}>Remove…</button>
          </>
        )
        : null}
      {asked === "drain" ? <DrainDialog {...props} onClose={close} /> : null}
      {asked === "remove" ? <RemoveDialog {...props} onClose={close} /> : null}
      {asked === "replace" ? <ReplaceAgent {...props} onClose={close} /> : null}
    </>
  );
}

function Undrain(props: AgentPanelProps) {
  const { hub, toasts } = useServices();
  const { id, name } = props.agent;
  const undrain = async () => {
    try {
      await hub.agents[":id"].undrain.$post({ param: { id }, json: {} });
      toasts.done(`${name} gets work again.`);
    } catch (thrown) {
      toasts.failed(changeFailure(`${name} is still drained.`, thrown));
    }
  };
  return <button type="button" onClick={undrain}>Undrain</button>;
}

function DrainDialog(props: AgentPanelProps & { readonly onClose: () => void }) {
  const { hub, router, toasts } = useServices();
  const { agent } = props;
  const drain = async () => {
    try {
      const { id } = agent;
      const operation = await read(hub.agents[":id"].drain.$post({ param: { id }, json: {} }));
      if ("kind" in operation) router.choose({ operation: operation.id });
    } catch (thrown) {
      toasts.failed(changeFailure(`${agent.name} is not drained.`, thrown));
    }
  };
  return (
    <Confirm
      title={`Drain ${agent.name}`}
      action="Drain"
      onConfirm={drain}
      onClose={props.onClose}
    >
      <p>
        Everything it runs is moved off after a checkpoint, and it gets nothing new. No record is
        lost.
      </p>
      <WhatMoves agent={agent} />
    </Confirm>
  );
}

function RemoveDialog(props: AgentPanelProps & { readonly onClose: () => void }) {
  const { hub, router, toasts } = useServices();
  const { agent } = props;
  const [typed, setTyped] = useState("");
  const remove = async () => {
    try {
      await hub.agents[":id"].$delete({ param: { id: agent.id } });
      toasts.done(`${agent.name} was removed.`);
      router.choose({ agent: null });
    } catch (thrown) {
      toasts.failed(changeFailure(`${agent.name} was not removed.`, thrown));
    }
  };
  return (
    <Confirm
      title={`Remove ${agent.name}`}
      action="Remove agent"
      isDangerous
      missing={typed === agent.name ? null : "Type the agent's name first."}
      onConfirm={remove}
      onClose={props.onClose}
    >
      <p>
        Its credential is revoked and its connection is cut. To come back it needs a new join token.
        {agent.regions.length > 0 && agent.status !== "offline"
          ? ` It still runs ${
            plural(agent.regions.length, "region")
          }: drain it first to move them without a pause.`
          : ""}
      </p>
      <WhatMoves agent={agent} />
      <label class="field">
        <span>Type {agent.name} to be sure</span>
        <input
          type="text"
          value={typed}
          autocomplete="off"
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
      </label>
    </Confirm>
  );
}
