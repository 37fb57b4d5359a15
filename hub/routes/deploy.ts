/**
 * POST /jobs: checks a bundle, and stores a job that its loop then runs.
 *
 * Touches the database and the object store; the bundle itself is evaluated in a process of its own.
 * Everything that can be known to fail fails here, before anything is stored (S3, M8).
 *
 * @module
 */
import { createHash } from "node:crypto";
import { createRoute, z } from "@hono/zod-openapi";
import { type Attempt, type Digest, type JobId, NAME_PATTERN, type RegionId } from "@shared/ids.ts";
import { brokersOf, type JobGraph, localOnlyUidsOf } from "@shared/job_graph.ts";
import { planRegions } from "@shared/regions.ts";
import { isRestorable, judgeCompatibility } from "@shared/state_compatibility.ts";
import { requestUpload } from "../db/blob_store.ts";
import {
  BUNDLE_CHECKPOINT,
  BUNDLE_REGION,
  runningJobNamed,
  storeDeployment,
} from "../db/deployment_store.ts";
import { withReign } from "../db/hub_state_store.ts";
import { getSavepoint, type SavepointPart, savepointParts } from "../db/savepoint_store.ts";
import { checkWindows, windowProblem, type WindowVerdict } from "../window_check.ts";
import { type HubApp, json, jsonBody, notFound, Refusal, type RouteDeps, serve } from "./http.ts";
import { accept, change } from "./mutation.ts";
import { operationSchema } from "./schemas.ts";

/** Between the upload of a bundle and the commit that refers to it. */
const BUNDLE_PIN_MS = 10 * 60 * 1000;

const deployBody = z.strictObject({
  name: z.string().regex(NAME_PATTERN, "Lower-case letters, digits and dashes, at most 64"),
  bundle: z.string().min(1).openapi({ description: "The job as one CommonJS text" }),
  params: z.record(z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/), z.string().max(10_000))
    .default({}),
  fromSavepoint: z.string().max(64).optional(),
  allowNonRestoredState: z.boolean().default(false),
  checkpointIntervalMs: z.number().int().min(500).max(3_600_000).optional(),
});
type DeployBody = z.infer<typeof deployBody>;

const deployRoute = createRoute({
  method: "post",
  path: "/api/v1/jobs",
  tags: ["jobs"],
  summary: "Deploy a job",
  request: { body: jsonBody(deployBody) },
  responses: { 202: json("Accepted: the job starts", operationSchema) },
});

export function addDeployRoute(app: HubApp, deps: RouteDeps): void {
  serve(app, deps, "operator", deployRoute, (c) =>
    change(c, deps, async () => {
      const body = c.req.valid("json");
      const checked = await check(deps, body);
      const { hub } = deps;
      const jobId = hub.random.uuid() as JobId;
      const bundleDigest = await keepBundle(deps, jobId, body.bundle);
      const principal = c.get("principal");
      return async (tx) => {
        const nowMs = hub.clock.nowMs();
        const outcome = await storeDeployment(tx, {
          job: {
            id: jobId,
            name: body.name,
            bundleDigest,
            params: body.params,
            graph: checked.graph,
            checkpointIntervalMs: checked.checkpointIntervalMs,
            allowNonRestoredState: body.allowNonRestoredState,
            createdBy: principal.name,
            nowMs,
          },
          bundle: body.bundle,
          regionIds: checked.regionIds,
          savepointParts: checked.parts,
        });
        if (outcome.kind === "name-taken") throw nameTaken(body.name, outcome.jobId);
        if (outcome.kind === "blob-missing") throw blobMissing(body);
        const { fromSavepoint, allowNonRestoredState } = body;
        return await accept(tx, {
          id: hub.random.uuid(),
          kind: "deploy",
          jobId,
          agentId: null,
          request: { fromSavepoint: fromSavepoint ?? null, windows: checked.windows },
          createdBy: principal.name,
          nowMs,
        }, {
          action: "job.deploy",
          subject: `job:${jobId}`,
          fields: {
            name: body.name,
            bundleDigest,
            fromSavepoint: fromSavepoint ?? null,
            allowNonRestoredState,
            droppedOperators: checked.dropped,
          },
        }, () => {
          hub.events.publish("job.created", { jobId }, { jobName: body.name });
          deps.wakeJob(jobId);
        });
      };
    }));
}

interface Checked {
  readonly graph: JobGraph;
  readonly regionIds: readonly RegionId[];
  readonly checkpointIntervalMs: number;
  readonly windows: readonly WindowVerdict[];
  readonly parts: readonly SavepointPart[] | null;
  /** Operators whose saved state the job does not take over. */
  readonly dropped: readonly string[];
}

async function check(deps: RouteDeps, body: DeployBody): Promise<Checked> {
  const { hub } = deps;
  const taken = await runningJobNamed(hub.db, body.name);
  if (taken !== null) throw nameTaken(body.name, taken);
  const graph = { ...await deps.extractGraph(body.bundle, body.params), name: body.name };
  const regionIds = planRegions(graph).map(({ regionId }) => regionId);
  refuseFiles(graph);
  refuseUnknownBrokers(deps, graph);
  const checkpointIntervalMs = body.checkpointIntervalMs ?? hub.config.checkpointIntervalMs;
  const windows = checkWindows(graph, { ...hub.config, checkpointIntervalMs });
  const tooSmall = windows.filter(({ isEnough }) => !isEnough);
  if (tooSmall.length > 0) {
    const detail = tooSmall.map(windowProblem).join(" ");
    throw new Refusal(422, "window-too-small", detail, { windows });
  }
  const saved = body.fromSavepoint === undefined
    ? { parts: null, dropped: [] }
    : await checkSavepoint(deps, body, graph, regionIds);
  return { graph, regionIds, checkpointIntervalMs, windows, ...saved };
}

function refuseFiles(graph: JobGraph): void {
  const uids = localOnlyUidsOf(graph);
  if (uids.length === 0) return;
  throw new Refusal(
    422,
    "local-only",
    `${
      uids.map((uid) => `"${uid}"`).join(", ")
    } would need files of the gateway, which no runner may ` +
      `touch: fileSource and fileSink work with jobs run and testJob. Use mqttSource and mqttSink`,
  );
}

function refuseUnknownBrokers(deps: RouteDeps, graph: JobGraph): void {
  const known = deps.hub.config.brokers.map(({ name }) => name).sort();
  const unknown = brokersOf(graph).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new Refusal(
    422,
    "broker-unknown",
    `The job names ${unknown.map((name) => `"${name}"`).join(", ")}; this hub knows ` +
      `${known.length === 0 ? "no broker" : known.map((name) => `"${name}"`).join(", ")}. ` +
      `Start the hub with --broker NAME=URL, or correct the job`,
  );
}

async function checkSavepoint(
  deps: RouteDeps,
  body: DeployBody,
  graph: JobGraph,
  regionIds: readonly string[],
): Promise<{ parts: SavepointPart[]; dropped: string[] }> {
  const savepoint = await getSavepoint(deps.hub.db, body.fromSavepoint!);
  if (savepoint === null) throw notFound("savepoint", body.fromSavepoint!);
  if (savepoint.status !== "completed") {
    throw new Refusal(
      409,
      "savepoint-not-completed",
      `Savepoint ${savepoint.id} is ${savepoint.status}: only a completed one can be restored`,
    );
  }
  const parts = await savepointParts(deps.hub.db, savepoint);
  const operators = judgeCompatibility(parts.flatMap(({ snapshots }) => snapshots), graph);
  const strayRegions = parts.map(({ regionId }) => regionId as string)
    .filter((regionId) => !regionIds.includes(regionId));
  const isAllowed = isRestorable(operators, body.allowNonRestoredState) &&
    (strayRegions.length === 0 || body.allowNonRestoredState);
  if (!isAllowed) {
    throw new Refusal(
      409,
      "savepoint-incompatible",
      `Savepoint ${savepoint.id} does not fit this job: see operators and strayRegions. State that ` +
        `the job does not have may be dropped with allowNonRestoredState; nothing was changed`,
      { operators, strayRegions },
    );
  }
  const dropped = operators.filter(({ compatibility }) => compatibility === "dropped");
  return {
    parts: parts.filter(({ regionId }) => !strayRegions.includes(regionId)),
    dropped: dropped.map(({ uid }) => uid),
  };
}

/** Pins the bundle's name, then stores its bytes: the sweep leaves it alone until the commit (G1). */
async function keepBundle(deps: RouteDeps, jobId: JobId, bundle: string): Promise<Digest> {
  const { hub } = deps;
  const bytes = new TextEncoder().encode(bundle);
  const digest = createHash("sha256").update(bytes).digest("hex") as Digest;
  const owner = {
    jobId,
    regionId: BUNDLE_REGION,
    attempt: 0 as Attempt,
    checkpointId: BUNDLE_CHECKPOINT,
  };
  const nowMs = hub.clock.nowMs();
  const time = { nowMs, pinUntilMs: nowMs + BUNDLE_PIN_MS };
  const [answer] = await withReign(
    hub.db,
    hub.hubTerm,
    (tx) => requestUpload(tx, owner, [{ digest, bytes: bytes.length }], time),
  );
  if (answer?.kind === "deleting") {
    throw new Refusal(
      503,
      "bundle-being-deleted",
      "An earlier copy of this bundle is being deleted right now: repeat in a few minutes",
      {},
      { "retry-after": "60" },
    );
  }
  if (answer?.kind !== "have") await hub.objects.put(digest, bytes);
  return digest;
}

function nameTaken(name: string, jobId: string): Refusal {
  return new Refusal(
    409,
    "job-name-taken",
    `Job ${jobId} is running under the name "${name}": stop it first, or choose another name`,
    { jobId },
  );
}

function blobMissing(body: DeployBody): Refusal {
  return new Refusal(
    409,
    "object-missing",
    body.fromSavepoint === undefined
      ? "The bundle disappeared from the object store before the job was stored: repeat"
      : `Savepoint ${body.fromSavepoint} names objects that are not stored any more; nothing was changed`,
  );
}
