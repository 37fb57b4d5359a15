/// <reference lib="dom" />
/**
 * The way back to a savepoint in three steps: whom, what it would do, then reason and consent.
 *
 *   agents ──▶ plan ──reason, consent──▶ [saving the present state] ──▶ rolling back ──▶ result
 *
 * Each step is in the address, so a reload or a colleague sees the same.
 *
 * 1. Nothing is changed before a plan was shown.
 * 2. A plan that loses records needs its own consent; a plan that cannot work cannot be started.
 * 3. The present state is saved first unless a person decides otherwise, and the result leads back to it.
 *
 * @module
 */
import type { OperationView } from "@shared/api.ts";
import type { JobDetail, RollbackPlan } from "@shared/job_api.ts";
import { read } from "@shared/hub_client.ts";
import { countText, durationText } from "../format.ts";
import { Facts, Loaded, Section } from "../parts/frame.tsx";
import { OperationProgress } from "../parts/operation_progress.tsx";
import { AdminOnly, useMayAdminister } from "../parts/permission.tsx";
import { gapRecords, RollbackPlanView } from "../parts/rollback_plan.tsx";
import { hrefOf } from "../router.ts";
import { until, useAnswer, useResource } from "../state/resource.ts";
import { useServices } from "../state/services.ts";
import { ALL_AGENTS, chosenAgents, RollbackAgents } from "./rollback_agents.tsx";
import { RollbackForm } from "./rollback_form.tsx";

export interface RollbackPanelProps {
  readonly job: JobDetail;
  readonly savepointId: string;
  /** Null for a savepoint without one. */
  readonly label: string | null;
}

/** Choices of the panel, all taken away when it is closed. */
const CLOSED = { rollback: null, agents: null, undo: null, rollbackOperation: null } as const;

export function RollbackPanel(props: RollbackPanelProps) {
  const { router } = useServices();
  const { job, label, savepointId } = props;
  const { query } = router.route.value;
  const operationId = query["rollbackOperation"] ?? null;
  const agents = query["agents"] ?? null;
  const step = operationId !== null ? 3 : agents === null ? 1 : 2;
  const close = () => router.choose(CLOSED);
  const mayRollBack = useMayAdminister();
  return (
    <Section
      title={`Roll ${job.name} back to ${label === null ? savepointId : `"${label}"`}`}
      actions={<button type="button" onClick={close}>Close</button>}
    >
      <Steps step={step} />
      {operationId !== null
        ? <Progress job={job} operationId={operationId} onDismiss={close} />
        : !mayRollBack
        ? <AdminOnly what="Rolling back, and seeing what it would do," />
        : agents === null
        ? <RollbackAgents job={job} />
        : <Planned job={job} savepointId={savepointId} label={label} agents={agents} />}
    </Section>
  );
}

const STEPS = ["Choose agents", "See what it would do", "Do it"];

function Steps(props: { readonly step: number }) {
  return (
    <ol class="phases" aria-label="Steps">
      {STEPS.map((text, index) => (
        <li
          key={text}
          class={index + 1 < props.step ? "is-past" : ""}
          aria-current={index + 1 === props.step ? "step" : undefined}
        >
          {index + 1}. {text}
        </li>
      ))}
    </ol>
  );
}

function Planned(props: RollbackPanelProps & { readonly agents: string }) {
  const { hub, router } = useServices();
  const { job, savepointId, agents } = props;
  const selection = agents === ALL_AGENTS ? {} : { agents: chosenAgents(agents) };
  const plan = useResource<RollbackPlan>(`${job.id}#${savepointId}#${agents}`, async (signal) => {
    const asked = {
      param: { id: job.id },
      json: { savepointId, ...selection, dryRun: true },
    };
    return await read(hub.jobs[":id"].rollbacks.$post(asked, until(signal))) as RollbackPlan;
  }, []);
  return (
    <Loaded resource={plan}>
      {(found) => (
        <>
          <div class="row">
            <p class="muted">Nothing has been changed: this is a dry run.</p>
            <button type="button" onClick={() => router.choose({ agents: null })}>
              Choose other agents
            </button>
            <button type="button" onClick={() => plan.reload()}>Plan again</button>
          </div>
          <RollbackPlanView job={job} plan={found} />
          <RollbackForm
            job={job}
            plan={found}
            selection={selection}
            label={props.label}
          />
        </>
      )}
    </Loaded>
  );
}

function Progress(
  props: {
    readonly job: JobDetail;
    readonly operationId: string;
    readonly onDismiss: () => void;
  },
) {
  const { hub } = useServices();
  const { job, operationId } = props;
  const asked = { param: { id: operationId } };
  const operation = useAnswer(hub.operations[":id"], asked, ["operation", "rollback"]);
  return (
    <>
      <OperationProgress
        key={operationId}
        operationId={operationId}
        what="Rollback"
        jobId={job.id}
        onDismiss={props.onDismiss}
        onEnded={() => operation.reload()}
      />
      {operation.value?.status === "succeeded"
        ? <Result job={job} operation={operation.value} />
        : null}
    </>
  );
}

function Result(props: { readonly job: JobDetail; readonly operation: OperationView }) {
  const { router } = useServices();
  const { job, operation } = props;
  const { undo = null, agents = null } = router.route.value.query;
  const plan = operation.result?.["plan"] as RollbackPlan | undefined;
  const lineage = operation.result?.["lineage"];
  const tookMs = operation.result?.["durationMs"];
  return (
    <div class="stack" role="status">
      <Facts
        facts={[
          ["State is now of", `checkpoint ${plan?.checkpointId ?? "of the savepoint"}`],
          ["Lineage", typeof lineage === "number" ? lineage : job.lineage],
          ...typeof tookMs === "number" ? [["Took", durationText(tookMs)] as const] : [],
          ["Records not counted", countText(plan === undefined ? null : gapRecords(plan))],
        ]}
      />
      {undo === null
        ? (
          <p class="muted">
            The state from before was not saved, so this rollback cannot be undone; any other
            savepoint can still be rolled back to.
          </p>
        )
        : (
          <p class="row">
            <a
              class="button"
              href={hrefOf({ kind: "job", jobId: job.id, tab: "savepoints" }, {
                rollback: undo,
                agents,
              })}
            >
              Roll this back…
            </a>
            <span class="muted">
              Goes to the savepoint that was taken just before, on the same agents; its plan comes
              first again.
            </span>
          </p>
        )}
    </div>
  );
}
