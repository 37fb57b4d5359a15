/// <reference lib="dom" />
/**
 * What a person may do to a whole job: savepoint, stop, cancel, rescale, rebalance; each as an operation
 * that is watched to its end and can be found again by its address.
 *
 * @module
 */
import { useState } from "preact/hooks";
import type { OperationView } from "@shared/api.ts";
import type { JobDetail } from "@shared/job_api.ts";
import { isExchange, KEY_GROUP_COUNT } from "@shared/job_graph.ts";
import { read } from "@shared/hub_client.ts";
import { Confirm } from "../parts/confirm.tsx";
import { plural } from "../format.ts";
import { OperationProgress } from "../parts/operation_progress.tsx";
import { type ApiClient, changeFailure } from "../state/api_client.ts";
import { useServices } from "../state/services.ts";
import { mayOperate } from "../state/session.ts";

type Action = "savepoint" | "stop" | "cancel" | "rescale" | "rebalance";

type JobEndpoint = ApiClient["hub"]["jobs"][":id"];
/** Asks for an operation on the job that `param` names. */
type Ask = (job: JobEndpoint, param: { id: string }) => Promise<{ json(): Promise<unknown> }>;

interface DialogProps {
  readonly job: JobDetail;
  readonly send: (ask: Ask) => Promise<void>;
  readonly onClose: () => void;
}

export function JobActions(props: { readonly job: JobDetail }) {
  const { session } = useServices();
  const { job } = props;
  const [asked, setAsked] = useState<Action | null>(null);
  const send = useSend(job);
  if (!mayOperate(session.session.value)) {
    return <span class="muted">Stopping, rescaling and savepoints need the role operator.</span>;
  }
  if (job.desiredState !== "running") return null;
  const dialog = { job, send, onClose: () => setAsked(null) };
  return (
    <div class="row">
      <button type="button" onClick={() => setAsked("savepoint")}>Savepoint…</button>
      {isScalable(job)
        ? (
          <>
            <button type="button" onClick={() => setAsked("rescale")}>Rescale…</button>
            <button type="button" onClick={() => setAsked("rebalance")}>Rebalance…</button>
          </>
        )
        : null}
      <button type="button" onClick={() => setAsked("stop")}>Stop…</button>
      <button type="button" onClick={() => setAsked("cancel")}>Cancel…</button>
      {asked === null ? null : <DialogOf action={asked} {...dialog} />}
    </div>
  );
}

/** Only stages behind an exchange have a parallelism. */
function isScalable(job: Pick<JobDetail, "graph">): boolean {
  return job.graph.edges.some(isExchange);
}

function useSend(job: JobDetail): DialogProps["send"] {
  const { hub, router, toasts } = useServices();
  return async (ask) => {
    try {
      const operation = await read(ask(hub.jobs[":id"], { id: job.id })) as OperationView;
      router.choose({ operation: operation.id });
    } catch (thrown) {
      toasts.failed(changeFailure("Nothing was changed.", thrown));
    }
  };
}

function DialogOf(props: DialogProps & { readonly action: Action }) {
  switch (props.action) {
    case "savepoint":
      return <SavepointDialog {...props} />;
    case "stop":
      return <StopDialog {...props} />;
    case "cancel":
      return <CancelDialog {...props} />;
    case "rescale":
      return <RescaleDialog {...props} />;
    case "rebalance":
      return <RebalanceDialog {...props} />;
  }
}

function SavepointDialog(props: DialogProps) {
  const [label, setLabel] = useState("");
  return (
    <Confirm
      title={`Take a savepoint of ${props.job.name}`}
      action="Take savepoint"
      onConfirm={() => {
        const json = label.trim() === "" ? {} : { label: label.trim() };
        return props.send((job, param) => job.savepoints.$post({ param, json }));
      }}
      onClose={props.onClose}
    >
      <p>It keeps the state of the whole job until somebody deletes it. The job goes on.</p>
      <label class="field">
        <span>Label (optional)</span>
        <input
          type="text"
          value={label}
          maxLength={200}
          placeholder="before the new threshold"
          onInput={(event) => setLabel(event.currentTarget.value)}
        />
      </label>
    </Confirm>
  );
}

const STOPS = [
  {
    value: "savepoint",
    text: "With a savepoint",
    note: "A later job can go on from it; both happen or nothing does.",
    body: { savepoint: true, drain: false },
  },
  {
    value: "drain",
    text: "With a savepoint, drained first",
    note: "Every open window and timer fires: only when no more records are to come.",
    body: { savepoint: true, drain: true },
  },
  {
    value: "plain",
    text: "Without a savepoint",
    note: "State since the last checkpoint is dropped.",
    body: { savepoint: false, drain: false },
  },
] as const;

function StopDialog(props: DialogProps) {
  const [how, setHow] = useState<typeof STOPS[number]>(STOPS[0]);
  return (
    <Confirm
      title={`Stop ${props.job.name}`}
      action="Stop job"
      isDangerous
      onConfirm={() => props.send((job, param) => job.stop.$post({ param, json: how.body }))}
      onClose={props.onClose}
    >
      <fieldset class="stack">
        <legend class="visually-hidden">How to stop</legend>
        {STOPS.map((stop) => (
          <label key={stop.value} class="check">
            <input
              type="radio"
              name="stop"
              checked={stop.value === how.value}
              onChange={() => setHow(stop)}
            />
            <span class="stack-tight">
              <strong>{stop.text}</strong>
              <span class="muted">{stop.note}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <p>
        Its alarms are no longer watched, and a stopped job does not start again by itself: deploy
        it anew, from the savepoint if it is to go on.
      </p>
    </Confirm>
  );
}

function CancelDialog(props: DialogProps) {
  const [typed, setTyped] = useState("");
  const { job } = props;
  return (
    <Confirm
      title={`Cancel ${job.name}`}
      action="Cancel job"
      isDangerous
      missing={typed === job.name ? null : "Type the job's name first."}
      onConfirm={() => props.send((job, param) => job.cancel.$post({ param }))}
      onClose={props.onClose}
    >
      <p>
        It ends at once, on{" "}
        {plural(job.regionsTotal, "region")}, without a savepoint. To keep its state, stop it with a
        savepoint instead.
      </p>
      <label class="field">
        <span>Type {job.name} to be sure</span>
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

function RescaleDialog(props: DialogProps) {
  const { job } = props;
  const [wanted, setWanted] = useState(String(job.parallelism));
  const parallelism = Number(wanted);
  const isValid = Number.isInteger(parallelism) && parallelism >= 1 &&
    parallelism <= KEY_GROUP_COUNT;
  const missing = !isValid
    ? `Want a whole number from 1 to ${KEY_GROUP_COUNT}.`
    : parallelism === job.parallelism
    ? "That is how many there are."
    : null;
  return (
    <Confirm
      title={`Rescale ${job.name}`}
      action={isValid ? `Run ${plural(parallelism, "subtask")} a stage` : "Rescale"}
      missing={missing}
      onConfirm={() =>
        props.send((job, param) => job.rescale.$post({ param, json: { parallelism } }))}
      onClose={props.onClose}
    >
      <p>
        A checkpoint is taken, the regions with keyed stages stop for a moment, and go on from it
        with their state spread anew. Nothing is lost.
      </p>
      <label class="field">
        <span>Subtasks of each keyed stage, now {job.parallelism}</span>
        <input
          type="number"
          min={1}
          max={KEY_GROUP_COUNT}
          value={wanted}
          onInput={(event) => setWanted(event.currentTarget.value)}
        />
      </label>
    </Confirm>
  );
}

function RebalanceDialog(props: DialogProps) {
  return (
    <Confirm
      title={`Rebalance ${props.job.name}`}
      action="Rebalance"
      onConfirm={() => props.send((job, param) => job.rebalance.$post({ param }))}
      onClose={props.onClose}
    >
      <p>
        Subtasks are spread over the agents there are now; those that are well placed stay. What
        moves stops for a moment and goes on from a checkpoint. Nothing is lost.
      </p>
    </Confirm>
  );
}

/** The operation that the address names, and where its result is found. */
export function JobOperation(props: { readonly jobId: string }) {
  const { router } = useServices();
  const operationId = router.route.value.query["operation"] ?? null;
  if (operationId === null) return null;
  return (
    <section class="section" aria-label="Operation">
      <OperationProgress
        key={operationId}
        operationId={operationId}
        what="Operation"
        jobId={props.jobId}
        onDismiss={() => router.choose({ operation: null })}
      />
    </section>
  );
}
