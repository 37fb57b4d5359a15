import { deepEqual, equal } from "node:assert/strict";
import { type Context, type Span, SpanStatusCode, trace, type Tracer } from "@opentelemetry/api";
import { ManualClock } from "@shared/manual_clock.ts";
import type { HubContext, HubEvent } from "./ports.ts";
import { startTracing } from "./tracing.ts";

interface Recorded {
  readonly name: string;
  readonly parent: Recorded | null;
  readonly startMs: number;
  endMs: number | null;
  status: { readonly code: SpanStatusCode; readonly message?: string } | null;
}

/** Keeps the spans that are made of what it is told. */
function rig() {
  const spans: Recorded[] = [];
  const made = new Map<Span, Recorded>();
  const tracer = {
    startSpan(name: string, options: { startTime: number }, context?: Context) {
      const above = context === undefined ? undefined : trace.getSpan(context);
      const parent = above === undefined ? null : made.get(above)!;
      const startMs = options.startTime;
      const one: Recorded = { name, parent, startMs, endMs: null, status: null };
      spans.push(one);
      const span = {
        setStatus: (status: Recorded["status"]) => void (one.status = status),
        setAttribute: () => {},
        end: (atMs: number) => void (one.endMs = atMs),
      } as unknown as Span;
      made.set(span, one);
      return span;
    },
  } as unknown as Tracer;
  let listener: (event: HubEvent) => void = () => {};
  const clock = new ManualClock();
  const hub = {
    clock,
    events: { subscribe: (to: typeof listener) => (listener = to, () => {}) },
  } as unknown as HubContext;
  startTracing(hub, tracer);
  const say = (type: string, body: Record<string, unknown>) =>
    listener({ id: null, at: "", type, jobId: "j", agentId: null, body });
  return { spans, clock, say };
}

Deno.test("tracing: a rollback is one trace with its phases one behind the other", () => {
  const { spans, clock, say } = rig();
  const of = { operationId: "o", kind: "rollback" };
  const startMs = clock.nowMs();
  for (const [phase, done] of [["stopping", 0], ["restoring", 1], ["restoring", 2]] as const) {
    say("operation.progress", { ...of, phase, done, total: 3 });
    say("operation.progress", { operationId: "p", kind: "stop", phase, done, total: 3 });
    clock.advance(100);
  }
  say("operation.ended", { ...of, status: "succeeded", code: null, detail: null });
  deepEqual(
    spans.map(({ name, parent, startMs: at, endMs, status }) => ({
      name,
      parent: parent?.name ?? null,
      from: at - startMs,
      to: endMs! - startMs,
      status,
    })),
    [
      { name: "rollback", parent: null, from: 0, to: 300, status: null },
      { name: "stopping", parent: "rollback", from: 0, to: 100, status: null },
      { name: "restoring", parent: "rollback", from: 100, to: 300, status: null },
    ],
  );
});

Deno.test("tracing: a rollback that failed says why, also before its first phase", () => {
  const { spans, say } = rig();
  const failed = {
    kind: "rollback",
    status: "failed",
    code: "savepoint-gone",
    detail: "An object of the savepoint is missing",
  };
  say("operation.progress", { operationId: "o", kind: "rollback", phase: "stopping" });
  say("operation.ended", { operationId: "o", ...failed });
  say("operation.ended", { operationId: "early", ...failed });
  say("operation.ended", { operationId: "other", ...failed, kind: "stop" });
  const roots = spans.filter(({ parent }) => parent === null);
  equal(roots.length, 2);
  for (const { name, status, endMs } of roots) {
    equal(name, "rollback");
    equal(status?.code, SpanStatusCode.ERROR);
    equal(status?.message, "An object of the savepoint is missing");
    equal(endMs !== null, true);
  }
});
