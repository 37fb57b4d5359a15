/**
 * Traces of checkpoints, savepoints and rollbacks for OpenTelemetry.
 *
 * Touches the database to read phases, and Deno's own exporter, which runs when the process was started with
 * `OTEL_DENO=true`; otherwise nothing listens and nothing is read. Spans are made when what they tell of has
 * ended, with the times it had:
 *
 *   checkpoint | savepoint            rollback
 *     └ subtask                         └ one for each phase
 *         └ start delay, alignment, sync, async
 *
 * @module
 */
import { context, type Span, SpanStatusCode, trace, type Tracer } from "@opentelemetry/api";
import type { CheckpointDetail } from "@shared/job_api.ts";
import { messageOf } from "@shared/errors.ts";
import { findCheckpoint } from "./db/checkpoint_history.ts";
import type { HubContext, HubEvent } from "./ports.ts";

/** Rollbacks under way that are remembered; the oldest goes first. */
const ROLLBACKS_MAX = 100;
const CHECKPOINT_END = /^(checkpoint|savepoint)\.(completed|aborted)$/;
type Subtask = CheckpointDetail["regions"][number]["subtasks"][number];

/** Traces what the hub tells from now on. @returns Ends it. */
export function startTracing(
  hub: Pick<HubContext, "db" | "clock" | "events" | "logger">,
  tracer: Tracer = trace.getTracer("penstock"),
): () => void {
  const rollbacks = new Rollbacks(tracer);
  return hub.events.subscribe((event) => {
    const nowMs = hub.clock.nowMs();
    if (CHECKPOINT_END.test(event.type)) {
      traceCheckpoint(hub, tracer, event).catch((thrown) =>
        hub.logger.warn("Checkpoint was not traced", { error: messageOf(thrown) })
      );
    } else if (event.type === "operation.progress") rollbacks.onProgress(event, nowMs);
    else if (event.type === "operation.ended") rollbacks.onEnd(event, nowMs);
  });
}

async function traceCheckpoint(
  { db }: Pick<HubContext, "db">,
  tracer: Tracer,
  { type, jobId, body }: HubEvent,
): Promise<void> {
  const id = body["checkpointId"];
  if (jobId === null || typeof id !== "number") return;
  const detail = await findCheckpoint(db, jobId, id);
  if (detail === null || detail.endedAt === null) return;
  const startMs = Date.parse(detail.triggeredAt);
  const span = tracer.startSpan(type.split(".")[0]!, {
    root: true,
    startTime: startMs,
    attributes: {
      "penstock.job": String(body["jobName"] ?? jobId),
      "penstock.checkpoint": id,
      "penstock.trigger": detail.trigger,
      "penstock.status": detail.status,
      "penstock.bytes": detail.fullBytes,
    },
  });
  for (const region of detail.regions) {
    for (const subtask of region.subtasks) traceSubtask(tracer, span, subtask, startMs);
    for (const { subtaskId, agentName, reason, detail: said } of region.missing) {
      const missing = childOf(tracer, span, `subtask ${subtaskId}`, startMs);
      missing.setAttribute("penstock.agent", agentName ?? "");
      fail(missing, [reason, said].filter((text) => text !== null).join(": "));
      missing.end(Date.parse(detail.endedAt));
    }
  }
  if (detail.status === "aborted") fail(span, detail.reason ?? "aborted");
  span.end(Date.parse(detail.endedAt));
}

function traceSubtask(tracer: Tracer, parent: Span, subtask: Subtask, startMs: number): void {
  const span = childOf(tracer, parent, `subtask ${subtask.subtaskId}`, startMs);
  span.setAttribute("penstock.agent", subtask.agentName ?? subtask.agentId);
  let atMs = startMs;
  const phases = {
    "start delay": subtask.startDelayMs,
    alignment: subtask.alignmentMs,
    sync: subtask.syncMs,
    async: subtask.asyncMs,
  };
  for (const [name, ms] of Object.entries(phases)) {
    const phase = childOf(tracer, span, name, atMs);
    // An agent's clock may be behind: its start delay is below zero then.
    atMs += Math.max(0, ms);
    phase.end(atMs);
  }
  span.end(atMs);
}

/** Rollbacks under way: one span each, and one for the phase they are in. */
class Rollbacks {
  readonly #tracer: Tracer;
  readonly #open = new Map<string, { readonly span: Span; phase: Span; name: string }>();

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  onProgress({ jobId, body }: HubEvent, nowMs: number): void {
    const { operationId, kind, phase } = body;
    if (kind !== "rollback" || typeof operationId !== "string" || typeof phase !== "string") return;
    const known = this.#open.get(operationId);
    if (known?.name === phase) return;
    const span = known?.span ?? this.#begin(jobId, operationId, nowMs);
    known?.phase.end(nowMs);
    const entry = { span, phase: childOf(this.#tracer, span, phase, nowMs), name: phase };
    this.#open.set(operationId, entry);
    if (this.#open.size > ROLLBACKS_MAX) this.#open.delete(this.#open.keys().next().value!);
  }

  onEnd({ jobId, body }: HubEvent, nowMs: number): void {
    const { operationId, kind, status, detail } = body;
    if (kind !== "rollback" || typeof operationId !== "string") return;
    const known = this.#open.get(operationId);
    this.#open.delete(operationId);
    // One that was refused at once had no phase.
    const span = known?.span ?? this.#begin(jobId, operationId, nowMs);
    if (status === "failed") fail(span, typeof detail === "string" ? detail : "failed");
    known?.phase.end(nowMs);
    span.end(nowMs);
  }

  #begin(jobId: string | null, operationId: string, nowMs: number): Span {
    return this.#tracer.startSpan("rollback", {
      root: true,
      startTime: nowMs,
      attributes: { "penstock.job_id": jobId ?? "", "penstock.operation": operationId },
    });
  }
}

function childOf(tracer: Tracer, parent: Span, name: string, startTime: number): Span {
  return tracer.startSpan(name, { startTime }, trace.setSpan(context.active(), parent));
}

function fail(span: Span, message: string): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}
