import { deepEqual, equal, match, ok } from "node:assert/strict";
import { eq } from "drizzle-orm";
import type { OperationView, Page, Problem } from "@shared/api.ts";
import type { GapView, JobDetail, SavepointView } from "@shared/job_api.ts";
import type { DeployPlan, SavepointCompatibility } from "@shared/state_api.ts";
import { KEY_GROUP_COUNT } from "@shared/job_graph.ts";
import { KEY_HASH_ID, type SubtaskSnapshot } from "@shared/manifest.ts";
import { openTestHub, testGraph, type TestHub } from "../../tests/support/hub_app.ts";
import { deleteSpentClaims } from "../db/savepoint_store.ts";
import { blobs, checkpointRegions, checkpoints, jobs, regions, savepoints } from "../db/schema.ts";

const AT = new Date("2026-01-01T00:00:00Z");
const OLD = "job-old";

function snapshot(subtaskId: string, codecVersion = 1): SubtaskSnapshot {
  return {
    version: 1,
    subtaskId,
    keyGroupCount: KEY_GROUP_COUNT,
    keyHash: KEY_HASH_ID,
    operators: [{
      uid: "count",
      states: [{ name: "state", kind: "value", codecVersion }],
      entryCount: 3,
    }],
    splits: [{ sourceUid: "telemetry", splitIndex: 0, position: 100, lastRecordAtMs: 1 }],
    pieces: [{ digest: "a".repeat(64), bytes: 10, sections: [] }],
  } as unknown as SubtaskSnapshot;
}

/** A job with a savepoint at checkpoint 3 of both regions. */
async function addSavepoint(
  test: TestHub,
  how: { desiredState: "running" | "stopped"; codecVersion?: number },
): Promise<void> {
  const { db } = test.hub;
  await db.insert(blobs).values({
    digest: "a".repeat(64),
    bytes: 10,
    state: "stored",
    changedAt: AT,
  });
  await test.call("POST", "/api/v1/jobs", { body: { name: "pump-watch", bundle: "old" } });
  const [made] = await db.select().from(jobs);
  await db.insert(jobs).values({
    ...made!,
    id: OLD,
    name: "old",
    desiredState: how.desiredState,
    stoppedAt: how.desiredState === "stopped" ? AT : null,
  });
  await db.delete(regions);
  await db.delete(jobs).where(eq(jobs.id, made!.id));
  const status = how.desiredState === "stopped" ? "stopped" : "running";
  for (const regionId of ["telemetry.0", "telemetry.1"]) {
    await db.insert(regions).values({ jobId: OLD, regionId, attempt: 1, status });
  }
  await addCheckpoint(test, 3, { isSavepoint: true, codecVersion: how.codecVersion ?? 1 });
  await db.insert(savepoints).values({
    id: "s3",
    jobId: OLD,
    checkpointId: 3,
    owner: "token:x",
    jobName: "old",
    bundleDigest: "b".repeat(64),
    graph: testGraph("old"),
    status: "completed",
    createdAt: AT,
    completedAt: AT,
  });
}

async function addCheckpoint(
  test: TestHub,
  checkpointId: number,
  how: { isSavepoint: boolean; codecVersion?: number; jobId?: string },
): Promise<void> {
  const { db } = test.hub;
  const { jobId = OLD, isSavepoint } = how;
  await db.insert(checkpoints).values({
    jobId,
    checkpointId,
    lineage: 1,
    isSavepoint,
    status: "completed",
    trigger: isSavepoint ? "person" : "periodic",
    triggeredAt: AT,
    endedAt: AT,
  });
  for (const regionId of ["telemetry.0", "telemetry.1"]) {
    await db.insert(checkpointRegions).values({
      jobId,
      checkpointId,
      regionId,
      attempt: 1,
      agentId: "agent",
      status: "completed",
      completedAt: AT,
      snapshots: [snapshot(regionId, how.codecVersion)],
    });
  }
}

const deploy = (test: TestHub, body: Record<string, unknown>) =>
  test.call("POST", "/api/v1/jobs", { body: { name: "new", bundle: "x", ...body } });
const problemOf = async (response: Response) =>
  await response.json() as Problem & Record<string, unknown>;

Deno.test("deploy: a trial run says what each operator and state becomes, and changes nothing (S3)", async () => {
  const test = await openTestHub();
  await addSavepoint(test, { desiredState: "stopped" });
  const response = await deploy(test, { fromSavepoint: "s3", dryRun: true });
  equal(response.status, 200);
  const plan = await response.json() as DeployPlan;
  deepEqual(plan.operators, [{
    uid: "count",
    compatibility: "as-is",
    reason: "Same states, same codecs",
    states: [{ name: "state", compatibility: "as-is", reason: "Same kind, same codec" }],
  }]);
  deepEqual([plan.sessions, plan.needsAllowGap, plan.from?.checkpointId], ["continued", false, 3]);
  equal((await test.hub.db.select().from(jobs)).length, 1);
  await test.close();
});

Deno.test("deploy: a savepoint that does not fit is 409 with every operator, and nothing is touched (S2, S3)", async () => {
  const test = await openTestHub();
  await addSavepoint(test, { desiredState: "stopped", codecVersion: 7 });
  for (const dryRun of [true, false]) {
    const problem = await problemOf(await deploy(test, { fromSavepoint: "s3", dryRun }));
    deepEqual([problem.status, problem.code], [409, "savepoint-incompatible"]);
    match(problem.detail, /operator "count" \(incompatible\): .*value v7: want value v1/);
    const [operator] = problem["operators"] as DeployPlan["operators"];
    deepEqual([operator?.uid, operator?.states[0]?.compatibility], ["count", "incompatible"]);
  }
  equal((await test.hub.db.select().from(jobs)).length, 1);
  await test.close();
});

Deno.test("savepoint: says of each operator whether a job can restore it, and of what version it is (S3)", async () => {
  const test = await openTestHub();
  await addSavepoint(test, { desiredState: "running", codecVersion: 7 });
  const response = await test.call("GET", "/api/v1/savepoints/s3/compatibility");
  equal(response.status, 200);
  const judged = await response.json() as SavepointCompatibility;
  deepEqual([judged.jobId, judged.verdict], [OLD, "incompatible"]);
  deepEqual(judged.operators.map(({ uid, compatibility }) => [uid, compatibility]), [
    ["count", "incompatible"],
  ]);
  const missing = await test.call("GET", "/api/v1/savepoints/none/compatibility");
  equal(missing.status, 404);
  await test.close();
});

Deno.test("deploy: from the savepoint of a job that ended, sources go on with its sessions, once", async () => {
  const test = await openTestHub();
  await addSavepoint(test, { desiredState: "stopped" });
  const accepted = await deploy(test, { fromSavepoint: "s3" });
  equal(accepted.status, 202);
  const { jobId } = await accepted.json() as OperationView;
  const [row] = await test.hub.db.select().from(jobs).where(eq(jobs.id, jobId!));
  equal(row?.sessionJobId, OLD);
  await deploy(test, { name: "beside", fromSavepoint: "s3" });
  const [beside] = await test.hub.db.select().from(jobs).where(eq(jobs.name, "beside"));
  equal(beside?.sessionJobId, null);
  await test.close();
});

Deno.test("deploy: a copy beside the job that still runs reads through sessions of its own", async () => {
  const test = await openTestHub();
  await addSavepoint(test, { desiredState: "running" });
  const plan = await (await deploy(test, { fromSavepoint: "s3", dryRun: true }))
    .json() as DeployPlan;
  equal(plan.sessions, "own");
  await test.close();
});

Deno.test("deploy: a source that reads other topics cannot go on with the old sessions: a gap (P4)", async () => {
  const test = await openTestHub();
  await addSavepoint(test, { desiredState: "stopped" });
  const graph = testGraph("new");
  const [source, ...rest] = graph.operators;
  const splits = [{ topics: ["other/+"], near: {} }, { topics: ["b/+"], near: {} }];
  test.graph = {
    ...graph,
    operators: [{ ...source!, source: { ...source!.source!, splits } as never }, ...rest],
  };
  const problem = await problemOf(await deploy(test, { fromSavepoint: "s3" }));
  deepEqual([problem.status, problem.code], [409, "gap-needs-consent"]);
  match(problem.detail, /other topics/);
  equal((await deploy(test, { fromSavepoint: "s3", allowGap: true })).status, 202);
  const [row] = await test.hub.db.select().from(jobs).where(eq(jobs.name, "new"));
  equal(row?.sessionJobId, null);
  await test.close();
});

Deno.test("deploy: what was acknowledged after the savepoint is a gap that needs consent (P4)", async () => {
  const test = await openTestHub();
  await addSavepoint(test, { desiredState: "stopped" });
  await addCheckpoint(test, 4, { isSavepoint: false });
  const problem = await problemOf(await deploy(test, { fromSavepoint: "s3" }));
  deepEqual([problem.status, problem.code], [409, "gap-needs-consent"]);
  const accepted = await deploy(test, { fromSavepoint: "s3", allowGap: true });
  equal(accepted.status, 202);
  const { jobId } = await accepted.json() as OperationView;
  const gaps = await (await test.call("GET", `/api/v1/jobs/${jobId}/gaps`)).json() as Page<GapView>;
  deepEqual(gaps.items.map(({ fromPosition, toPosition }) => [fromPosition, toPosition]), [
    [100, null],
    [100, null],
  ]);
  await test.close();
});

Deno.test("deploy: a claimed savepoint goes when its job has a checkpoint of its own, not before (L2)", async () => {
  const test = await openTestHub();
  const { db, hubTerm } = test.hub;
  await addSavepoint(test, { desiredState: "stopped" });
  const accepted = await deploy(test, { fromSavepoint: "s3", claim: true });
  const { jobId } = await accepted.json() as OperationView;
  const savepoint = async () =>
    await (await test.call("GET", "/api/v1/savepoints/s3")).json() as SavepointView;
  equal((await savepoint()).claimedByJobId, jobId);
  const second = await problemOf(
    await deploy(test, { name: "second", fromSavepoint: "s3", claim: true }),
  );
  deepEqual([second.status, second.code], [409, "savepoint-claimed"]);
  deepEqual(await deleteSpentClaims(db, hubTerm, test.clock.nowMs()), []);
  await addCheckpoint(test, 2, { isSavepoint: false, jobId: jobId! });
  deepEqual(await deleteSpentClaims(db, hubTerm, test.clock.nowMs()), []);
  await db.update(checkpoints).set({ isRetained: false }).where(eq(checkpoints.trigger, "restore"));
  deepEqual(await deleteSpentClaims(db, hubTerm, test.clock.nowMs()), ["s3"]);
  equal((await test.call("GET", "/api/v1/savepoints/s3")).status, 404);
  await test.close();
});

Deno.test("deploy: a replacement is judged against what the running job saved last, before it is stopped (S3)", async () => {
  const test = await openTestHub();
  await addSavepoint(test, { desiredState: "running", codecVersion: 7 });
  await test.hub.db.update(regions).set({ lastCompletedId: 3 });
  const refused = await problemOf(
    await deploy(test, { name: "old", replaces: OLD, dryRun: true }),
  );
  equal(refused.code, "savepoint-incompatible");
  await test.hub.db.update(checkpointRegions).set({ snapshots: [snapshot("telemetry.0")] });
  const plan = await (await deploy(test, { name: "old", replaces: OLD, dryRun: true }))
    .json() as DeployPlan;
  deepEqual([plan.from?.jobId, plan.sessions], [OLD, "continued"]);
  equal((await deploy(test, { name: "old", replaces: OLD })).status, 400);
  equal((await deploy(test, { name: "new", claim: true })).status, 400);
  await test.close();
});

Deno.test("scaling: rescale and rebalance are operations, judged first, one at a time", async () => {
  const test = await openTestHub();
  const plain = testGraph("new");
  const exchange = {
    ...plain,
    edges: plain.edges.map((edge) =>
      edge.to === "count" ? { ...edge, kind: "keyBy" as const } : edge
    ),
  };
  test.graph = exchange;
  const { jobId } = await (await deploy(test, { parallelism: 2 })).json() as OperationView;
  const job = await (await test.call("GET", `/api/v1/jobs/${jobId}`)).json() as JobDetail;
  equal(job.parallelism, 2);
  const rescale = (parallelism: unknown) =>
    test.call("POST", `/api/v1/jobs/${jobId}/rescale`, { body: { parallelism } });
  equal((await rescale(129)).status, 400);
  equal((await problemOf(await rescale(2))).code, "parallelism-unchanged");
  const accepted = await rescale(3);
  equal(accepted.status, 202);
  ok(accepted.headers.get("location")?.startsWith("/api/v1/operations/"));
  equal((await accepted.json() as OperationView).kind, "rescale");
  const rebalance = await test.call("POST", `/api/v1/jobs/${jobId}/rebalance`);
  equal((await problemOf(rebalance)).code, "operation-under-way");
  test.graph = testGraph("local");
  const local = await (await deploy(test, { name: "local" })).json() as OperationView;
  const none = await test.call("POST", `/api/v1/jobs/${local.jobId}/rescale`, {
    body: { parallelism: 3 },
  });
  equal((await problemOf(none)).code, "no-keyed-stage");
  equal((await test.call("POST", `/api/v1/jobs/${local.jobId}/rebalance`)).status, 202);
  await test.close();
});
