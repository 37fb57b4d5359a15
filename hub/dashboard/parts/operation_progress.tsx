/// <reference lib="dom" />
/**
 * Watches one operation of the hub to its end; leaving the page does not stop it.
 *
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import type { OperationView } from "@shared/api.ts";
import { durationText } from "../format.ts";
import { hrefOf } from "../router.ts";
import { changeFailure, failureText, isAbort } from "../state/api_client.ts";
import { useServices } from "../state/services.ts";
import { mayOperate } from "../state/session.ts";
import { statusMark } from "./health.ts";
import { Badge } from "./marks.tsx";

export interface OperationProgressProps {
  readonly operationId: string;
  /** Named in messages until the hub has said what kind it is, such as `Savepoint`. */
  readonly what: string;
  /** Job whose pages the result is shown on; left out where there is none. */
  readonly jobId?: string;
  readonly onDismiss: () => void;
  readonly onEnded?: (operation: OperationView) => void;
}

export function OperationProgress(props: OperationProgressProps) {
  const { operation, failure } = useOperation(props);
  const what = operation === null ? props.what : nameOf(operation.kind);
  const error = operation?.error ?? null;
  const isOver = operation !== null && !isOpen(operation);
  return (
    <div class="operation" aria-live="polite">
      <div class="row">
        <strong>{what}</strong>
        {operation === null ? null : <Badge mark={statusMark(operation.status)} />}
        {operation === null ? null : <Progress operation={operation} />}
        {operation === null || props.jobId === undefined
          ? null
          : <ResultLink operation={operation} jobId={props.jobId} />}
        {operation !== null && !isOver ? <CancelOperation operation={operation} /> : null}
        {isOver || failure !== null
          ? <button type="button" onClick={props.onDismiss}>Dismiss</button>
          : null}
      </div>
      {operation === null ? null : <Phases operation={operation} />}
      {failure === null ? null : <p class="notice tone-bad">{failure}</p>}
      {error === null ? null : <p class="notice tone-bad">{error.detail}</p>}
      <p class="muted">Operation {props.operationId}</p>
    </div>
  );
}

function useOperation(props: OperationProgressProps) {
  const { api, toasts } = useServices();
  const [operation, setOperation] = useState<OperationView | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  useEffect(() => {
    const gone = new AbortController();
    let sawItRun = false;
    const seen = (found: OperationView) => {
      sawItRun ||= isOpen(found);
      setOperation(found);
    };
    const watch = async () => {
      try {
        const ended = await api.follow(props.operationId, seen, gone.signal);
        props.onEnded?.(ended);
        if (!sawItRun) return;
        const what = nameOf(ended.kind);
        if (ended.status === "succeeded") toasts.done(`${what} completed.`);
        else toasts.failed(`${what} failed. ${ended.error?.detail ?? ""}`);
      } catch (thrown) {
        if (!isAbort(thrown)) setFailure(failureText(thrown));
      }
    };
    void watch();
    return () => gone.abort();
  }, [props.operationId]);
  return { operation, failure };
}

export function isOpen(operation: Pick<OperationView, "status">): boolean {
  return operation.status === "pending" || operation.status === "running";
}

function nameOf(kind: string): string {
  return kind.slice(0, 1).toUpperCase() + kind.slice(1);
}

function Progress(props: { readonly operation: OperationView }) {
  const { operation } = props;
  const { status, progress, createdAt, updatedAt, result } = operation;
  if (status === "succeeded") {
    const told = result?.["durationMs"];
    const tookMs = typeof told === "number" ? told : Date.parse(updatedAt) - Date.parse(createdAt);
    return <span>took {durationText(tookMs)}</span>;
  }
  if (!isOpen(operation)) return null;
  return (
    <label class="inline">
      <span>{progress.phase}</span>
      <progress value={progress.done} max={Math.max(1, progress.total)} />
      <span>{progress.done} of {progress.total}</span>
    </label>
  );
}

/** The phases an operation goes through, in order; kinds not named here show the present one alone. */
const PHASES: Readonly<Record<string, readonly string[]>> = {
  rollback: ["stopping", "restoring", "done"],
  rescale: ["waiting", "snapshot", "stopping", "restoring", "done"],
  rebalance: ["waiting", "snapshot", "stopping", "restoring", "done"],
};

function Phases(props: { readonly operation: OperationView }) {
  const { kind, progress, status } = props.operation;
  const phases = PHASES[kind];
  if (phases === undefined) return null;
  const at = status === "succeeded" ? phases.length - 1 : phases.indexOf(progress.phase);
  return (
    <ol class="phases" aria-label="Phases">
      {phases.map((phase, index) => (
        <li
          key={phase}
          class={index < at || status === "succeeded" ? "is-past" : ""}
          aria-current={index === at && status !== "succeeded" ? "step" : undefined}
        >
          {phase}
        </li>
      ))}
    </ol>
  );
}

function CancelOperation(props: { readonly operation: OperationView }) {
  const { hub, session, toasts } = useServices();
  if (!mayOperate(session.session.value)) return null;
  const cancel = async () => {
    try {
      await hub.operations[":id"].cancel.$post({ param: { id: props.operation.id } });
      toasts.done("The operation is being cancelled.");
    } catch (thrown) {
      toasts.failed(changeFailure("It goes on.", thrown));
    }
  };
  return <button type="button" onClick={cancel}>Cancel operation</button>;
}

function ResultLink(props: { readonly operation: OperationView; readonly jobId: string }) {
  const { kind, result, status } = props.operation;
  if (status !== "succeeded") return null;
  const job = { kind: "job", jobId: props.jobId } as const;
  const savepointId = result?.["savepointId"];
  if (typeof savepointId === "string") {
    const href = hrefOf({ ...job, tab: "savepoints" }, { savepoint: savepointId });
    return <a href={href}>Show the savepoint</a>;
  }
  if (kind === "rollback" || kind === "rescale" || kind === "rebalance") {
    return <a href={hrefOf({ ...job, tab: "history" })}>Show the new attempts</a>;
  }
  return null;
}
