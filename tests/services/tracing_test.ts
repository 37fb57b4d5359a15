/** A real hub with OTEL_DENO=true sends checkpoints, savepoints and rollbacks to a receiver: spans with the right parents. */
import { equal, ok } from "node:assert/strict";
import type { OperationView } from "@shared/api.ts";
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

/** What a hub that traces has sent so far, and how to make it do something. */
interface Rig {
  readonly spans: readonly ReceivedSpan[];
  /** The span that `isWanted` finds, as soon as it is there. */
  arrived(what: string, isWanted: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan>;
  /** Result of an operation that has to succeed. */
  run(path: string, body: unknown): Promise<Readonly<Record<string, unknown>>>;
}

async function withTracingHub(test: (rig: Rig) => Promise<void>): Promise<void> {
  const receiver = startReceiver();
  const endpoint = `http://127.0.0.1:${receiver.port}`;
  const environment = { ...ENVIRONMENT, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
  for (const [name, value] of Object.entries(environment)) Deno.env.set(name, value);
  const starting = startSeededHub({ isPlantOnly: true });
  const hub = await starting.finally(() => {
    for (const name of Object.keys(environment)) Deno.env.delete(name);
  });
  const { spans } = receiver;
  try {
    await test({
      spans,
      async arrived(what, isWanted) {
        await waitUntil(what, () => Promise.resolve(spans.some(isWanted)), 120_000);
        return spans.find(isWanted)!;
      },
      async run(path, body) {
        const { id } = await hub.api.post<OperationView>(`/jobs/${hub.jobId}/${path}`, body);
        const ended = await hub.api.operation(id, 30);
        equal(ended.status, "succeeded", JSON.stringify(ended));
        return ended.result!;
      },
    });
  } finally {
    await hub.close();
    await receiver.stop();
  }
}

const below = (spans: readonly ReceivedSpan[], parent: ReceivedSpan) =>
  spans.filter(({ parentSpanId }) => parentSpanId === parent.spanId);

/** A checkpoint or savepoint: subtasks below it, their phases below each. */
function checkSnapshot(spans: readonly ReceivedSpan[], root: ReceivedSpan): void {
  ok((root.parentSpanId ?? "") === "");
  const children = below(spans, root);
  const subtasks = children.filter(({ name }) => name.startsWith("subtask "));
  ok(subtasks.length > 0);
  equal(subtasks.length, children.length);
  for (const subtask of subtasks.filter(({ status }) => status?.code !== 2)) {
    const phases = below(spans, subtask);
    equal(phases.map(({ name }) => name).sort().join(), "alignment,async,start delay,sync");
    for (const one of [subtask, ...phases]) {
      equal(one.traceId, root.traceId);
      ok(BigInt(one.startTimeUnixNano) >= BigInt(root.startTimeUnixNano));
      ok(BigInt(one.endTimeUnixNano) >= BigInt(one.startTimeUnixNano));
    }
  }
}

Deno.test("tracing: checkpoints and savepoints are traces of subtasks and phases, a rollback is one of its phases", () =>
  withTracingHub(async ({ spans, arrived, run }) => {
    const isWhole = (kind: string) => (one: ReceivedSpan) =>
      one.name === kind &&
      spans.some(({ name, traceId }) => name === "async" && traceId === one.traceId);
    checkSnapshot(spans, await arrived("a traced checkpoint", isWhole("checkpoint")));

    const { savepointId } = await run("savepoints", { label: "traced" });
    checkSnapshot(spans, await arrived("a traced savepoint", isWhole("savepoint")));

    await run("rollbacks", { savepointId, allowGap: true, reason: "to be traced" });
    const root = await arrived("a traced rollback", ({ name }) => name === "rollback");
    ok((root.parentSpanId ?? "") === "" && root.status?.code !== 2);
    const phases = below(spans, root);
    ok(phases.some(({ name }) => name === "restoring"), JSON.stringify(phases));
    for (const { traceId, startTimeUnixNano, endTimeUnixNano } of phases) {
      equal(traceId, root.traceId);
      ok(BigInt(startTimeUnixNano) >= BigInt(root.startTimeUnixNano));
      ok(BigInt(endTimeUnixNano) <= BigInt(root.endTimeUnixNano));
    }
  }));
