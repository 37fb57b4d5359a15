/** A real hub with OTEL_DENO=true sends its checkpoints to a receiver: spans with the right parents. */
import { equal, ok } from "node:assert/strict";
import { waitUntil } from "../support/commands.ts";
import { startSeededHub } from "../support/seeded_hub.ts";

interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status?: { readonly code?: number; readonly message?: string };
}

/** OTLP over HTTP with JSON, as far as spans go. */
function startReceiver(): { port: number; spans: ReceivedSpan[]; stop(): Promise<void> } {
  const spans: ReceivedSpan[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = await request.json();
    for (const resource of body.resourceSpans ?? []) {
      for (const scope of resource.scopeSpans) {
        if (scope.scope?.name === "penstock") spans.push(...scope.spans);
      }
    }
    return Response.json({});
  });
  return { port: server.addr.port, spans, stop: () => server.shutdown() };
}

const ENVIRONMENT = {
  OTEL_DENO: "true",
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
  OTEL_BSP_SCHEDULE_DELAY: "500",
  OTEL_DENO_CONSOLE: "ignore",
};

Deno.test("tracing: a checkpoint is one trace: checkpoint, subtasks, phases; a failed one says why", async () => {
  const receiver = startReceiver();
  const endpoint = `http://127.0.0.1:${receiver.port}`;
  const environment = { ...ENVIRONMENT, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
  for (const [name, value] of Object.entries(environment)) Deno.env.set(name, value);
  const starting = startSeededHub({ isPlantOnly: true });
  const hub = await starting.finally(() => {
    for (const name of Object.keys(environment)) Deno.env.delete(name);
  });
  try {
    const { spans } = receiver;
    const isWhole = (one: ReceivedSpan) =>
      one.name === "checkpoint" &&
      spans.some(({ name, traceId }) => name === "async" && traceId === one.traceId);
    await waitUntil("a traced checkpoint", () => Promise.resolve(spans.some(isWhole)), 120_000);
    const root = spans.find(isWhole)!;
    ok((root.parentSpanId ?? "") === "");
    const children = spans.filter(({ parentSpanId }) => parentSpanId === root.spanId);
    const subtasks = children.filter(({ name }) => name.startsWith("subtask "));
    ok(subtasks.length > 0);
    equal(subtasks.length, children.length);
    for (const subtask of subtasks.filter(({ status }) => status?.code !== 2)) {
      const phases = spans.filter(({ parentSpanId }) => parentSpanId === subtask.spanId);
      equal(phases.map(({ name }) => name).sort().join(), "alignment,async,start delay,sync");
      for (const one of [subtask, ...phases]) {
        equal(one.traceId, root.traceId);
        ok(BigInt(one.startTimeUnixNano) >= BigInt(root.startTimeUnixNano));
        ok(BigInt(one.endTimeUnixNano) >= BigInt(one.startTimeUnixNano));
      }
    }
  } finally {
    await hub.close();
    await receiver.stop();
  }
});
