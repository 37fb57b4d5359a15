import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { OperationView, Page, Problem } from "@shared/api.ts";
import type { JobDetail, JobSummary, RollbackPlan } from "@shared/job_api.ts";
import type { AgentId, Attempt, Digest, JobId, RegionId } from "@shared/ids.ts";
import { openTestHub, testGraph, type TestHub } from "../../tests/support/hub_app.ts";
import { addHistory } from "../../tests/support/job_history.ts";
import { listAudit } from "../db/audit_store.ts";
import { beginRequest } from "../db/idempotency_store.ts";
import { updateOperation } from "../db/operation_store.ts";
import { gaps, idempotencyKeys, operations, regions, savepoints } from "../db/schema.ts";

const AT = new Date("2026-01-01T00:00:00Z");
const BUNDLE = "module.exports.default = {}";

async function problemOf(response: Response): Promise<Problem & Record<string, unknown>> {
  return await response.json() as Problem & Record<string, unknown>;
}

async function deploy(test: TestHub, body: Record<string, unknown> = {}): Promise<Response> {
  return await test.call("POST", "/api/v1/jobs", {
    token: test.tokens.operator,
    body: { name: "pump-watch", bundle: BUNDLE, ...body },
  });
}

Deno.test("jobs: deploy, look, stop, roll back", async (t) => {
  const test = await openTestHub();
  const { db } = test.hub;
  let job: JobSummary;

  await t.step("a deployment answers 202 when everything is committed (H2)", async () => {
    const response = await deploy(test, { params: { site: "north" } });
    equal(response.status, 202);
    const operation = await response.json() as OperationView;
    equal(response.headers.get("location"), `/api/v1/operations/${operation.id}`);
    ok(response.headers.has("retry-after"));
    equal(operation.kind, "deploy");
    deepEqual(test.woken, [operation.jobId]);
    const page = await (await test.call("GET", "/api/v1/jobs")).json() as Page<JobSummary>;
    job = page.items[0]!;
    equal(job.status, "starting");
    equal(job.regionsTotal, 2);
    const kept = [...test.objects.values()].map((bytes) => new TextDecoder().decode(bytes));
    deepEqual(kept, [BUNDLE]);
    const [audit] = await listAudit(db, { limit: 1, beforeId: null });
    deepEqual([audit?.action, audit?.subject], ["job.deploy", `job:${job.id}`]);
  });

  await t.step("the detail has graph, regions and guarantee", async () => {
    const detail = await (await test.call("GET", `/api/v1/jobs/${job.id}`)).json() as JobDetail;
    equal(detail.graph.operators.length, 3);
    deepEqual(detail.regions.map(({ regionId }) => regionId), ["telemetry.0", "telemetry.1"]);
    equal(detail.guarantee.asked, "exactly-once");
    equal((await test.call("GET", "/api/v1/jobs/none")).status, 404);
  });

  await t.step("a running job keeps its name to itself", async () => {
    const problem = await problemOf(await deploy(test));
    deepEqual([problem.status, problem.code, problem["jobId"]], [409, "job-name-taken", job.id]);
  });

  await t.step(
    "a broker nobody knows, a window too small and files are refused, with numbers (M8)",
    async () => {
      const other = { name: "other" };
      const graph = testGraph("other");
      const source = graph.operators[0]!.source!;
      const withSource = (change: Record<string, unknown>) => {
        const changed = {
          ...graph.operators[0]!,
          source: { ...source, ...change } as typeof source,
        };
        test.graph = { ...graph, operators: [changed, ...graph.operators.slice(1)] };
      };
      withSource({ broker: "elsewhere" });
      const unknown = await problemOf(await deploy(test, other));
      deepEqual([unknown.status, unknown.code], [422, "broker-unknown"]);
      match(unknown.detail, /"elsewhere".*"plant"/);
      withSource({ peakRate: 50_000 });
      const small = await problemOf(await deploy(test, other));
      deepEqual([small.status, small.code], [422, "window-too-small"]);
      match(small.detail, /25000 messages\/s.*14 s.*525000.*65535/);
      const lines = { connector: "file", path: "in.jsonl", format: "jsonl" } as const;
      withSource(lines);
      const local = await problemOf(await deploy(test, other));
      deepEqual([local.status, local.code], [422, "local-only"]);
      match(local.detail, /fileSource and fileSink work with jobs run and testJob/);
      test.graph = graph;
      equal((await db.select().from(operations)).length, 1);
    },
  );

  await t.step("the same key and body give the stored answer, and one job (H2)", async () => {
    const send = (name: string) =>
      test.call("POST", "/api/v1/jobs", {
        body: { name, bundle: BUNDLE },
        headers: { "idempotency-key": "k1" },
      });
    const first = await send("second");
    const again = await send("second");
    equal(first.status, 202);
    equal(await again.text(), await first.text());
    equal(again.headers.get("location"), first.headers.get("location"));
    equal(again.headers.get("idempotency-replayed"), "true");
    deepEqual([(await send("third")).status], [422]);
  });

  await t.step("a key under way is 409, and a failed request frees its key", async () => {
    const principal = (await listAudit(db, { limit: 1, beforeId: null }))[0]!.principal;
    const [row] = await db.select().from(idempotencyKeys);
    equal(row?.principal, principal);
    const send = (headers: Record<string, string>) =>
      test.call("POST", "/api/v1/jobs/none/cancel", { body: {}, headers });
    equal((await send({ "idempotency-key": "k2" })).status, 404);
    equal((await send({ "idempotency-key": "k2" })).status, 404);
    const { createHash } = await import("node:crypto");
    const requestHash = createHash("sha256").update("POST /api/v1/jobs/none/cancel\n{}").digest(
      "hex",
    );
    await beginRequest(db, { principal, key: "k3", requestHash, nowMs: test.clock.nowMs() });
    const problem = await problemOf(await send({ "idempotency-key": "k3" }));
    deepEqual([problem.status, problem.code], [409, "request-under-way"]);
  });

  await t.step("an operation is waited for until it ended", async () => {
    const [open] = (await (await test.call("GET", `/api/v1/operations?jobId=${job.id}`))
      .json() as Page<OperationView>).items;
    const path = `/api/v1/operations/${open!.id}`;
    let isAnswered = false;
    const waiting = test.call("GET", `${path}?wait=30s`).then((response) => {
      isAnswered = true;
      return response;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    equal(isAnswered, false);
    await updateOperation(db, open!.id, { status: "succeeded", result: { jobId: job.id } });
    test.events.publish("operation.ended", { jobId: job.id }, {});
    const operation = await (await waiting).json() as OperationView;
    equal(operation.status, "succeeded");
    equal(await updateOperation(db, open!.id, { status: "failed" }), false);
  });

  await t.step("a dry run shows the plan and changes nothing (P4, L1)", async () => {
    await addHistory(test, job.id as JobId);
    const response = await test.call("POST", `/api/v1/jobs/${job.id}/rollbacks`, {
      body: { savepointId: "savepoint", dryRun: true },
    });
    equal(response.status, 200);
    const plan = await response.json() as RollbackPlan;
    equal(plan.needsAllowGap, true);
    deepEqual(plan.gaps.map(({ records }) => records), [40, 40]);
    deepEqual(plan.abandonedCheckpointIds, [5]);
    equal((await db.select().from(gaps)).length, 0);
  });

  await t.step("a gap needs consent, a rollback a reason", async () => {
    const rollback = (body: Record<string, unknown>) =>
      test.call("POST", `/api/v1/jobs/${job.id}/rollbacks`, {
        body: { savepointId: "savepoint", reason: "bad bundle", ...body },
      });
    const refused = await problemOf(await rollback({}));
    deepEqual([refused.status, refused.code], [409, "gap-needs-consent"]);
    equal((refused["gaps"] as unknown[]).length, 2);
    equal((await rollback({ allowGap: true, reason: "" })).status, 400);
    equal((await rollback({ savepointId: "none", allowGap: true })).status, 404);
    const accepted = await rollback({ allowGap: true });
    equal(accepted.status, 202);
    equal((await accepted.json() as OperationView).kind, "rollback");
    const [audit] = await listAudit(db, { limit: 1, beforeId: null });
    deepEqual([audit?.action, audit?.reason], ["job.rollback", "bad bundle"]);
    equal((await rollback({ allowGap: true })).status, 409);
  });

  await t.step("a savepoint stays while it is a region's only recovery base (L2)", async () => {
    const remove = () => test.call("DELETE", "/api/v1/savepoints/savepoint");
    await db.update(regions).set({ lastCompletedId: null, restoredFromId: 3 });
    equal((await problemOf(await remove())).code, "savepoint-needed");
    await db.update(regions).set({ lastCompletedId: 5 });
    equal((await remove()).status, 204);
    equal((await remove()).status, 404);
  });

  await t.step(
    "a job starts from a savepoint of another; state it lacks is refused by name",
    async () => {
      await db.insert(savepoints).values({
        id: "other",
        jobId: job.id,
        checkpointId: 5,
        label: null,
        owner: "token:x",
        jobName: "pump-watch",
        bundleDigest: "b".repeat(64),
        graph: testGraph("pump-watch"),
        status: "completed",
        createdAt: AT,
        completedAt: AT,
      });
      const graph = testGraph("from-savepoint");
      const operators = graph.operators.map((node) =>
        node.uid === "count" ? { ...node, uid: "renamed" } : node
      );
      test.graph = { ...graph, operators };
      const refused = await problemOf(await deploy(test, { name: "copy", fromSavepoint: "other" }));
      deepEqual([refused.status, refused.code], [409, "savepoint-incompatible"]);
      ok((refused["operators"] as { uid: string }[]).some(({ uid }) => uid === "count"));
      test.graph = graph;
      const accepted = await deploy(test, { name: "copy", fromSavepoint: "other" });
      equal(accepted.status, 202);
      const { jobId } = await accepted.json() as OperationView;
      const detail = await (await test.call("GET", `/api/v1/jobs/${jobId}`)).json() as JobDetail;
      deepEqual(detail.regions.map(({ restoredFromId }) => restoredFromId), [1, 1]);
    },
  );

  await t.step("checkpoints page by cursor and show the phases", async () => {
    const path = `/api/v1/jobs/${job.id}/checkpoints`;
    type One = Page<{ id: number; durationMs: number; fullBytes: number }>;
    const first = await (await test.call("GET", `${path}?limit=1`)).json() as One;
    deepEqual(first.items.map(({ id }) => id), [5]);
    equal(first.items[0]?.durationMs, 250);
    equal(first.items[0]?.fullBytes, 20);
    const second = await (await test.call("GET", `${path}?limit=1&cursor=${first.next}`))
      .json() as One;
    deepEqual([second.items.map(({ id }) => id), second.next], [[3], null]);
    equal((await test.call("GET", `${path}?cursor=nonsense`)).status, 400);
    equal((await test.call("GET", `${path}/5`)).status, 200);
    equal((await test.call("GET", `${path}/9`)).status, 404);
  });

  await t.step("figures of a region are those of its current attempt", async () => {
    const report = {
      jobId: job.id as JobId,
      regionId: "telemetry.0" as RegionId,
      attempt: 1 as Attempt,
      subtaskId: "telemetry.0" as never,
      recordsIn: 10,
      recordsOut: 10,
      duplicatesDropped: 0,
      deadLetters: 0,
      stateEntries: 3,
      windowUsed: 1,
      windowSize: 100,
      windowSecondsLeft: null,
      busyRatio: 0.5,
      backpressuredRatio: 0,
      idleRatio: 0.5,
      watermarkMs: null,
      eventTimeLagMs: null,
      sourceLagMs: null,
      lateRecords: 0,
      shedRecords: 0,
      futureRecords: 0,
      inputQueued: 0,
      position: 10,
      isConnected: true,
      operators: [],
    };
    test.live.recordMetrics(report, 1_000);
    test.live.recordMetrics({ ...report, recordsIn: 30 }, 3_000);
    const answer = await (await test.call("GET", `/api/v1/jobs/${job.id}/metrics`)).json() as {
      regions: JobDetail["regions"];
    };
    equal(answer.regions[0]?.metrics?.recordsInPerSecond, 10);
    equal(answer.regions[1]?.metrics, null);
  });

  await t.step("the guarantee names what a broker gives, with numbers (M7, M8)", async () => {
    const detailOf = async () =>
      await (await test.call("GET", `/api/v1/jobs/${job.id}`)).json() as JobDetail;
    const fields = { guarantee: "at-least-once", broker: "plant", windowGiven: 20, reason: "r" };
    const profile = { type: "broker-profile", detail: "d", fields } as const;
    test.live.recordBrokerProfile(job.id as JobId, "telemetry.0" as RegionId, profile);
    const { guarantee } = await detailOf();
    deepEqual([guarantee.asked, guarantee.given], ["exactly-once", "at-least-once"]);
    deepEqual(guarantee.reasons.slice(0, 2), [
      "r",
      'Broker "plant" is not measured yet: what it grants is taken at its word',
    ]);
    match(guarantee.reasons[2]!, /at 10 messages\/s .* fills in 2 s.*has to be 184;/);
  });

  await t.step("stop and cancel are asked for once", async () => {
    const stop = () =>
      test.call("POST", `/api/v1/jobs/${job.id}/stop`, { body: { savepoint: true } });
    equal((await stop()).status, 202);
    equal((await problemOf(await stop())).code, "operation-under-way");
    equal((await test.call("POST", `/api/v1/jobs/${job.id}/cancel`)).status, 202);
  });
  await test.close();
});

Deno.test("objects: signed for one method, size and digest (S14, S16)", async (t) => {
  const test = await openTestHub();
  const { signObjectUrl } = await import("@shared/object_url.ts");
  const { createHash } = await import("node:crypto");
  const bytes = new TextEncoder().encode("snapshot");
  const digest = createHash("sha256").update(bytes).digest("hex") as Digest;
  const expiresAtMs = test.clock.nowMs() + 60_000;
  const sign = (method: "GET" | "PUT", sizeBytes: number | null) =>
    signObjectUrl(
      "http://hub.test",
      { method, digest, sizeBytes, expiresAtMs },
      test.deps.signingSecret,
    );
  const send = (url: string, method: string, body?: Uint8Array<ArrayBuffer>) =>
    test.app.request(url, { method, ...(body === undefined ? {} : { body }) }, {
      remoteAddress: "192.0.2.1",
    });

  await t.step("the right bytes are stored and come back", async () => {
    equal((await send(sign("PUT", bytes.length), "PUT", bytes)).status, 200);
    const response = await send(sign("GET", null), "GET");
    deepEqual(new Uint8Array(await response.arrayBuffer()), bytes);
  });

  await t.step(
    "other bytes, more, fewer, another method or a changed address store nothing",
    async () => {
      test.objects.clear();
      const other = new TextEncoder().encode("snapshoT");
      equal((await send(sign("PUT", bytes.length), "PUT", other)).status, 422);
      equal((await send(sign("PUT", 4), "PUT", bytes)).status, 422);
      equal((await send(sign("PUT", 9), "PUT", bytes)).status, 422);
      equal((await send(sign("GET", null), "PUT", bytes)).status, 400);
      equal((await send(sign("PUT", 8).replace("size=8", "size=9"), "PUT", bytes)).status, 403);
      test.clock.advance(60_001);
      equal((await send(sign("PUT", bytes.length), "PUT", bytes)).status, 403);
      equal(test.objects.size, 0);
    },
  );
  await test.close();
});

Deno.test("agents: a drain is an operation, asked for once; undrained, an agent gets work again", async () => {
  const test = await openTestHub();
  const { createAgent } = await import("../db/agent_store.ts");
  await createAgent(test.hub.db, {
    id: "agent" as AgentId,
    name: "gateway",
    labels: {},
    credentialHash: "x",
    nowMs: test.clock.nowMs(),
  });
  const drain = () => test.call("POST", "/api/v1/agents/agent/drain");
  equal((await drain()).status, 202);
  equal((await drain()).status, 409);
  test.live.agentOnline({ agentId: "agent" as AgentId, connectedAtMs: 1, remoteAddress: "x" });
  const status = async () =>
    (await (await test.call("GET", "/api/v1/agents/agent")).json() as { status: string }).status;
  equal(await status(), "draining");
  const undrain = () => test.call("POST", "/api/v1/agents/agent/undrain");
  equal((await undrain()).status, 204);
  equal(await status(), "online");
  const { items } = await (await test.call("GET", "/api/v1/operations")).json() as {
    items: { kind: string; status: string }[];
  };
  deepEqual(items.map(({ kind, status }) => [kind, status]), [["drain", "cancelled"]]);
  equal((await undrain()).status, 204, "what is not draining stays as it is");
  equal((await drain()).status, 202, "it can be drained again");
  equal((await test.call("POST", "/api/v1/agents/none/undrain")).status, 404);
  await test.close();
});
