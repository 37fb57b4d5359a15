import { deepEqual, equal, notEqual } from "node:assert/strict";
import { count } from "drizzle-orm";
import type { AgentId, JobId } from "@shared/ids.ts";
import { API_ROUTES } from "./api_routes.ts";
import { createAgent } from "./db/agent_store.ts";
import { updateOperation } from "./db/operation_store.ts";
import { alarms, audit } from "./db/schema.ts";
import { openTestHub, testGraph, type TestHub } from "../tests/support/hub_app.ts";
import { addHistory } from "../tests/support/job_history.ts";

interface Ids {
  readonly jobId: string;
  readonly operationId: string;
  readonly alarmId: string;
}

interface Case {
  readonly url: string;
  readonly body?: unknown;
  /** Instead of an admin's. */
  readonly token?: string | null;
  /** Another body that the same route would take. */
  readonly other?: unknown;
}

const ALARM_ID = "alarm-1";
const BUNDLE = "module.exports.default = {}";

/** Puts the hub into a state in which every POST can succeed. */
async function prepare(test: TestHub): Promise<Ids> {
  const deployed = await test.call("POST", "/api/v1/jobs", {
    body: { name: "pump-watch", bundle: BUNDLE },
  });
  const { id: operationId, jobId } = await deployed.json() as { id: string; jobId: string };
  await addHistory(test, jobId as JobId);
  const { db } = test.hub;
  const nowMs = test.clock.nowMs();
  await createAgent(db, {
    id: "agent" as AgentId,
    name: "gateway",
    labels: {},
    credentialHash: "x",
    nowMs,
  });
  await db.insert(alarms).values({
    id: ALARM_ID,
    jobId,
    operatorUid: "count",
    sinkUid: "alarms",
    equipment: "pump-1",
    priority: "high",
    text: "Vibration",
    response: "",
    isActive: true,
    raisedAt: new Date(nowMs),
  });
  test.cancelOperation = async (_jobId, id) => {
    await updateOperation(db, id, { status: "cancelled" });
    return { kind: "cancelled" };
  };
  return { jobId, operationId, alarmId: ALARM_ID };
}

const CASES: Readonly<Record<string, (ids: Ids, test: TestHub) => Case | Promise<Case>>> = {
  "/api/v1/jobs": () => ({
    url: "/api/v1/jobs",
    body: { name: "tank-watch", bundle: BUNDLE },
    other: { name: "valve-watch", bundle: BUNDLE },
  }),
  "/api/v1/jobs/{id}/savepoints": ({ jobId }) => ({
    url: `/api/v1/jobs/${jobId}/savepoints`,
    body: { label: "before" },
    other: { label: "after" },
  }),
  "/api/v1/jobs/{id}/rollbacks": ({ jobId }) => ({
    url: `/api/v1/jobs/${jobId}/rollbacks`,
    body: { savepointId: "savepoint", allowGap: true, reason: "bad calibration" },
    other: { savepointId: "savepoint", allowGap: true, reason: "another" },
  }),
  "/api/v1/jobs/{id}/stop": ({ jobId }) => ({
    url: `/api/v1/jobs/${jobId}/stop`,
    body: { savepoint: true },
    other: { savepoint: false },
  }),
  "/api/v1/jobs/{id}/cancel": ({ jobId }) => ({ url: `/api/v1/jobs/${jobId}/cancel`, body: {} }),
  "/api/v1/jobs/{id}/rescale": async (_ids, test) => {
    const graph = testGraph("keyed");
    const edges = graph.edges.map((edge) =>
      edge.to === "count" ? { ...edge, kind: "keyBy" } : edge
    );
    test.graph = { ...graph, edges } as typeof graph;
    const deployed = await test.call("POST", "/api/v1/jobs", {
      body: { name: "keyed", bundle: BUNDLE, parallelism: 1 },
    });
    const { jobId } = await deployed.json() as { jobId: string };
    const url = `/api/v1/jobs/${jobId}/rescale`;
    return { url, body: { parallelism: 2 }, other: { parallelism: 3 } };
  },
  "/api/v1/jobs/{id}/rebalance": ({ jobId }) => ({
    url: `/api/v1/jobs/${jobId}/rebalance`,
    body: {},
  }),
  "/api/v1/operations/{id}/cancel": ({ operationId }) => ({
    url: `/api/v1/operations/${operationId}/cancel`,
    body: {},
  }),
  "/api/v1/agents/{id}/drain": () => ({ url: "/api/v1/agents/agent/drain", body: {} }),
  "/api/v1/agents/{id}/undrain": () => ({ url: "/api/v1/agents/agent/undrain", body: {} }),
  "/api/v1/agents/{id}/replace": () => ({ url: "/api/v1/agents/agent/replace", body: {} }),
  "/api/v1/tokens": () => ({
    url: "/api/v1/tokens",
    body: { role: "operator", name: "night-shift" },
    other: { role: "viewer", name: "night-shift" },
  }),
  "/api/v1/enrol": async (_ids, test) => {
    const made = await test.call("POST", "/api/v1/tokens", { body: {} });
    const { token } = await made.json() as { token: string };
    return { url: "/api/v1/enrol", token, body: { name: "gateway-2" }, other: { name: "other" } };
  },
  "/api/v1/session": (_ids, test) => ({
    url: "/api/v1/session",
    token: null,
    body: { token: test.tokens.operator },
  }),
  "/api/v1/alarms/{id}/ack": ({ alarmId }) => ({
    url: `/api/v1/alarms/${alarmId}/ack`,
    body: { comment: "seen" },
    other: { comment: "seen by me" },
  }),
  "/api/v1/alarms/{id}/shelve": ({ alarmId }) => ({
    url: `/api/v1/alarms/${alarmId}/shelve`,
    body: { for: "1h", reason: "Sensor is being replaced" },
    other: { for: "2h", reason: "Sensor is being replaced" },
  }),
  "/api/v1/alarms/{id}/unshelve": async ({ alarmId }, test) => {
    const url = `/api/v1/alarms/${alarmId}/shelve`;
    await test.call("POST", url, { body: { for: "1h", reason: "Sensor" } });
    return { url: `/api/v1/alarms/${alarmId}/unshelve`, body: {} };
  },
  "/api/v1/alarms/{id}/out-of-service": ({ alarmId }) => ({
    url: `/api/v1/alarms/${alarmId}/out-of-service`,
    body: { reason: "Line is being rebuilt" },
    other: { reason: "Line is idle" },
  }),
  "/api/v1/alarms/{id}/return-to-service": async ({ alarmId }, test) => {
    const url = `/api/v1/alarms/${alarmId}/out-of-service`;
    await test.call("POST", url, { body: { reason: "Line" } });
    return { url: `/api/v1/alarms/${alarmId}/return-to-service`, body: {} };
  },
  "/api/v1/alarms/{id}/comments": ({ alarmId }) => ({
    url: `/api/v1/alarms/${alarmId}/comments`,
    body: { comment: "Bearing ordered" },
    other: { comment: "Bearing came" },
  }),
  "/api/v1/alarms/ack": ({ alarmId }) => ({
    url: "/api/v1/alarms/ack",
    body: { ids: [alarmId] },
    other: { ids: [alarmId], comment: "all" },
  }),
  "/api/v1/alarms/shelve": ({ alarmId }) => ({
    url: "/api/v1/alarms/shelve",
    body: { ids: [alarmId], for: "1h", reason: "Sensor" },
    other: { ids: [alarmId], for: "2h", reason: "Sensor" },
  }),
  "/api/v1/notifications/channels": () => ({
    url: "/api/v1/notifications/channels",
    body: CHANNEL,
    other: { ...CHANNEL, name: "others" },
  }),
  "/api/v1/notifications/channels/{id}/test": async (_ids, test) => {
    const made = await test.call("POST", "/api/v1/notifications/channels", { body: CHANNEL });
    const { id } = await made.json() as { id: string };
    return { url: `/api/v1/notifications/channels/${id}/test`, body: {} };
  },
};

const CHANNEL = {
  name: "maintenance",
  kind: "email",
  minPriority: "high",
  recipients: ["maintenance@plant.example"],
};

async function effectsOf(test: TestHub): Promise<number> {
  const [row] = await test.hub.db.select({ rows: count() }).from(audit);
  return row!.rows;
}

/** Headers that tell of the answer itself and not of how it came. */
function ownHeaders(answer: Response): Record<string, string> {
  const passing = /^(ratelimit-|x-request-id$|idempotency-replayed$|date$)/;
  return Object.fromEntries([...answer.headers].filter(([name]) => !passing.test(name)));
}

const posts = (API_ROUTES as readonly { method: string; path: string }[])
  .filter(({ method }) => method === "post").map(({ path }) => path);

Deno.test("idempotency: every POST has a case below", () => {
  deepEqual(posts.filter((path) => CASES[path] === undefined), []);
});

for (const path of posts) {
  Deno.test(`idempotency: POST ${path} twice gives one answer and has one effect`, async () => {
    const test = await openTestHub();
    try {
      const ids = await prepare(test);
      const { url, token, body, other } = await CASES[path]!(ids, test);
      const send = (sent: unknown, key: string) =>
        test.call("POST", url, {
          ...(token === undefined ? {} : { token }),
          body: sent,
          headers: { "idempotency-key": key },
        });
      const before = await effectsOf(test);
      const first = await send(body, "key-1");
      const text = await first.text();
      equal(first.ok, true, `${first.status} ${text}`);
      equal(first.headers.has("idempotency-replayed"), false);
      const after = await effectsOf(test);
      notEqual(after, before, "an effect is in the audit log");
      // A day later the answer is the same.
      test.clock.advance(24 * 3_600_000 - 1);
      const again = await send(body, "key-1");
      equal(again.headers.get("idempotency-replayed"), "true");
      deepEqual([again.status, await again.text()], [first.status, text]);
      deepEqual(ownHeaders(again), ownHeaders(first));
      equal(await effectsOf(test), after, "and no second effect");
      if (other === undefined) return;
      const reused = await send(other, "key-1");
      equal(reused.status, 422);
      equal((await reused.json() as { code: string }).code, "idempotency-key-reused");
      equal(await effectsOf(test), after);
    } finally {
      await test.close();
    }
  });
}
