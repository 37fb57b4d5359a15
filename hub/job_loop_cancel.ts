/**
 * Gives an operation up at a person's wish, as long as it has changed nothing.
 *
 * Touches the database, and the agents' links where a savepoint is under way. The row says "cancelled"
 * before anything is aborted, so a crash in between leaves an operation that is over and a checkpoint that
 * the next start aborts.
 *
 * @module
 */
import { getOperation } from "./db/operation_store.ts";
import { abortInFlight, feedSchedule } from "./job_loop_checkpoint.ts";
import { cancel } from "./job_loop_operation_rows.ts";
import { takeUpOperations } from "./job_loop_operations.ts";
import type { JobRun, OperationRun } from "./job_run.ts";

export type CancelVerdict =
  | { readonly kind: "cancelled" }
  | { readonly kind: "refused"; readonly code: string; readonly detail: string };

/** Cancels the operation, or says why it has to go on. */
export async function cancelOperation(run: JobRun, operationId: string): Promise<CancelVerdict> {
  if (!run.operations.has(operationId)) await takeUpOperations(run);
  const operation = run.operations.get(operationId);
  if (operation === undefined) return await verdictOfEnded(run, operationId);
  const { inFlight } = run;
  const isSnapshotUnderWay = inFlight?.savepoint?.operationId === operationId ||
    inFlight?.forOperation === operationId;
  const reason = reasonToGoOn(operation, isSnapshotUnderWay);
  if (reason !== null) {
    return { kind: "refused", code: "operation-beyond-cancel", detail: reason };
  }
  await cancel(run, operation);
  await feedSchedule(run, { kind: "withdraw", operationId });
  if (isSnapshotUnderWay) await abortInFlight(run);
  return { kind: "cancelled" };
}

/** Null when nothing was changed for it yet. */
function reasonToGoOn(operation: OperationRun, isSnapshotUnderWay: boolean): string | null {
  const { kind, progress, request } = operation.record;
  if (kind === "deploy") {
    return "A deployment goes on until its regions run: stop or cancel the job";
  }
  if (kind === "cancel") return "The job is being cancelled: there is nothing to go back to";
  const isBegun = operation.halt !== null || progress.phase === "stopping" ||
    progress.phase === "restoring";
  if (isBegun) return `The ${kind} stops regions already: it goes on, so that they run again`;
  if (isSnapshotUnderWay && request["drain"] === true) {
    return "The maximum watermark was sent: windows have fired that cannot be taken back";
  }
  return null;
}

async function verdictOfEnded(run: JobRun, operationId: string): Promise<CancelVerdict> {
  const status = (await getOperation(run.world.db, operationId))?.status ?? "gone";
  return status === "cancelled"
    ? { kind: "cancelled" }
    : { kind: "refused", code: "operation-ended", detail: `The operation has ${status} already` };
}
