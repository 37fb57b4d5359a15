/// <reference lib="dom" />
/**
 * Watches one operation of the hub to its end; leaving the page does not stop it.
 *
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import type { OperationView } from "@shared/api.ts";
import { durationText } from "../format.ts";
import { failureText, isAbort } from "../state/api_client.ts";
import { useServices } from "../state/services.ts";
import { statusMark } from "./health.ts";
import { Badge } from "./marks.tsx";

export interface OperationProgressProps {
  readonly operationId: string;
  /** Named in messages, such as `Savepoint`. */
  readonly what: string;
  readonly onDismiss: () => void;
}

export function OperationProgress(props: OperationProgressProps) {
  const { api, toasts } = useServices();
  const [operation, setOperation] = useState<OperationView | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  useEffect(() => {
    const gone = new AbortController();
    let sawItRun = false;
    const seen = (found: OperationView) => {
      sawItRun ||= found.status === "pending" || found.status === "running";
      setOperation(found);
    };
    const watch = async () => {
      try {
        const ended = await api.follow(props.operationId, seen, gone.signal);
        if (!sawItRun) return;
        if (ended.status === "succeeded") toasts.done(`${props.what} completed.`);
        else toasts.failed(`${props.what} failed. ${ended.error?.detail ?? ""}`);
      } catch (thrown) {
        if (!isAbort(thrown)) setFailure(failureText(thrown));
      }
    };
    void watch();
    return () => gone.abort();
  }, [props.operationId]);
  const error = operation?.error ?? null;
  return (
    <div class="operation" aria-live="polite">
      <div class="row">
        <strong>{props.what}</strong>
        {operation === null ? null : <Badge mark={statusMark(operation.status)} />}
        {operation === null ? null : <Progress operation={operation} />}
        {operation?.status === "succeeded" || operation?.status === "failed" || failure !== null
          ? <button type="button" onClick={props.onDismiss}>Dismiss</button>
          : null}
      </div>
      {failure === null ? null : <p class="notice tone-bad">{failure}</p>}
      {error === null ? null : <p class="notice tone-bad">{error.detail}</p>}
      <p class="muted">Operation {props.operationId}</p>
    </div>
  );
}

function Progress(props: { readonly operation: OperationView }) {
  const { status, progress, createdAt, updatedAt, result } = props.operation;
  if (status === "failed") return null;
  if (status === "succeeded") {
    const told = result?.["durationMs"];
    const tookMs = typeof told === "number" ? told : Date.parse(updatedAt) - Date.parse(createdAt);
    return <span>took {durationText(tookMs)}</span>;
  }
  return (
    <label class="inline">
      <span>{progress.phase}</span>
      <progress value={progress.done} max={Math.max(1, progress.total)} />
      <span>{progress.done} of {progress.total}</span>
    </label>
  );
}
