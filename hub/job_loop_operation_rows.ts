/**
 * How an operation stands, as its row and its events tell it.
 *
 * Touches the database and the event feed.
 *
 * @module
 */
import { messageOf } from "@shared/errors.ts";
import { withReign } from "./db/hub_state_store.ts";
import { type OperationPatch, updateOperation } from "./db/operation_store.ts";
import type { JobRun, OperationRun } from "./job_run.ts";

/** Why an operation failed, as a problem of the REST API. */
export interface Failure {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
}

/** How far it is; written when that is news. */
export async function report(
  run: JobRun,
  operation: OperationRun,
  progress: { done: number; total: number; phase: string },
): Promise<void> {
  const text = JSON.stringify(progress);
  if (text === operation.progress) return;
  operation.progress = text;
  await write(run, operation, { status: "running", progress });
  run.world.events.push("operation.progress", { jobId: run.job.id }, {
    operationId: operation.record.id,
    kind: operation.record.kind,
    ...progress,
  });
}

/** The operation has ended well. */
export async function succeed(
  run: JobRun,
  operation: OperationRun,
  result: Record<string, unknown>,
  total: number,
): Promise<void> {
  const progress = { done: total, total, phase: "done" };
  await write(run, operation, { status: "succeeded", progress, result });
  endOperation(run, operation, "succeeded", null);
}

/** The operation has ended without effect. */
export async function fail(run: JobRun, operation: OperationRun, failure: Failure): Promise<void> {
  const error = { ...failure, title: `The ${operation.record.kind} failed` };
  await write(run, operation, { status: "failed", error });
  endOperation(run, operation, "failed", failure);
}

/** The operation was given up before it changed anything. */
export async function cancel(run: JobRun, operation: OperationRun): Promise<void> {
  const { total } = operation.record.progress;
  await write(run, operation, {
    status: "cancelled",
    progress: { done: 0, total, phase: "cancelled" },
  });
  endOperation(run, operation, "cancelled", null);
}

/** Forgets an operation whose row says that it has ended, and publishes it. */
export function endOperation(
  run: JobRun,
  operation: OperationRun,
  status: string,
  failure: Failure | null,
): void {
  const { id, kind } = operation.record;
  run.operations.delete(id);
  run.world.logger.info("Operation ended", { jobId: run.job.id, operationId: id, kind, status });
  run.world.events.publish("operation.ended", { jobId: run.job.id }, {
    operationId: id,
    kind,
    status,
    code: failure?.code ?? null,
    detail: failure === null ? null : messageOf(failure.detail),
  });
}

async function write(run: JobRun, operation: OperationRun, patch: OperationPatch): Promise<void> {
  const { db, hubTerm, clock } = run.world;
  const nowMs = clock.nowMs();
  await withReign(
    db,
    hubTerm,
    (tx) => updateOperation(tx, operation.record.id, { ...patch, nowMs }),
  );
}
