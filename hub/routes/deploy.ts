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
import { brokersOf, type JobGraph, KEY_GROUP_COUNT, localOnlyUidsOf } from "@shared/job_graph.ts";
import { defaultParallelism, planRegions } from "@shared/regions.ts";
import { requestUpload } from "../db/blob_store.ts";
import {
  BUNDLE_CHECKPOINT,
  BUNDLE_REGION,
  type DeploymentOutcome,
  runningJobNamed,
  storeDeployment,
} from "../db/deployment_store.ts";
import { withReign } from "../db/hub_state_store.ts";
import {
  type DeployQuestion,
  gapsOfStart,
  type JudgedDeployment,
  judgeDeployment,
  problemsOf,
} from "../deploy_plan.ts";
import { checkWindows, windowProblem, type WindowVerdict } from "../window_check.ts";
import {
  type HubApp,
  type HubRequest,
  json,
  jsonBody,
  notFound,
  Refusal,
  type RouteDeps,
  serve,
} from "./http.ts";
import { accept, change } from "./mutation.ts";
import { deployPlanSchema, operationSchema } from "./schemas.ts";

/** Between the upload of a bundle and the commit that refers to it. */
const BUNDLE_PIN_MS = 10 * 60 * 1000;

const deployBody = z.strictObject({
  name: z.string().regex(NAME_PATTERN, "Lower-case letters, digits and dashes, at most 64"),
  bundle: z.string().min(1).openapi({ description: "The job as one CommonJS text" }),
  params: z.record(z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/), z.string().max(10_000))
    .default({}),
  parallelism: z.number().int().min(1).max(KEY_GROUP_COUNT).optional().openapi({
    description: "Subtasks of each keyed stage; left out: one for each split of the largest source",
  }),
  fromSavepoint: z.string().max(64).optional(),
  claim: z.boolean().default(false).openapi({
    description: "The job takes the savepoint over: it is deleted when the job needs it no more",
  }),
  allowNonRestoredState: z.boolean().default(false),
  allowGap: z.boolean().default(false).openapi({
    description: "Start although the brokers do not hold all records since the savepoint any more",
  }),
  checkpointIntervalMs: z.number().int().min(500).max(3_600_000).optional(),
  dryRun: z.boolean().default(false).openapi({ description: "Answer the plan, change nothing" }),
  replaces: z.string().max(64).optional().openapi({
    description: "With dryRun: judge against what this job saved last, as if it were stopped now",
  }),
}).openapi({
  example: {
    name: "pump-watch",
    bundle: "module.exports = …",
    params: {},
    parallelism: 3,
    fromSavepoint: "019af2c5-7b1e-7c3a-9d7c-2f6a4b1e8d90",
    claim: false,
    allowNonRestoredState: false,
    allowGap: false,
    dryRun: false,
  },
});
type DeployBody = z.infer<typeof deployBody>;

const deployRoute = createRoute({
  method: "post",
  path: "/api/v1/jobs",
  tags: ["jobs"],
  summary: "Deploy a job",
  request: { body: jsonBody(deployBody) },
  responses: {
    200: json("dryRun: what it would start from", deployPlanSchema),
    202: json("Accepted: the job starts", operationSchema),
  },
});

export const deployRoutes = [deployRoute] as const;

export function addDeployRoute(app: HubApp, deps: RouteDeps): void {
  serve(app, deps, "operator", deployRoute, async (c) => {
    const body = c.req.valid("json");
    if (body.dryRun) return c.json((await check(deps, body)).judged.plan, 200);
    return await deploy(c, deps, body);
  });
}

function deploy(c: HubRequest, deps: RouteDeps, body: DeployBody): Promise<Response> {
  return change(c, deps, async () => {
    const checked = await check(deps, body);
    const { judged } = checked;
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
          parallelism: judged.plan.parallelism,
          ...(judged.sessionJobId === null ? {} : { sessionJobId: judged.sessionJobId }),
          createdBy: principal.name,
          nowMs,
        },
        bundle: body.bundle,
        regionIds: judged.plan.regions.map(({ regionId }) => regionId as RegionId),
        savepointParts: judged.parts,
        claim: body.claim ? body.fromSavepoint ?? null : null,
        gaps: gapsOf(deps, judged, { jobId, nowMs }),
      });
      refuseOutcome(outcome, body);
      const { fromSavepoint, allowNonRestoredState, claim } = body;
      const { sessions } = judged.plan;
      return await accept(tx, {
        id: hub.random.uuid(),
        kind: "deploy",
        jobId,
        agentId: null,
        request: { fromSavepoint: fromSavepoint ?? null, claim, windows: checked.windows },
        createdBy: principal.name,
        nowMs,
      }, {
        action: "job.deploy",
        subject: `job:${jobId}`,
        fields: {
          name: body.name,
          bundleDigest,
          fromSavepoint: fromSavepoint ?? null,
          claim,
          sessions,
          allowNonRestoredState,
          droppedOperators: judged.dropped,
          straySubtasks: judged.plan.straySubtasks,
        },
      }, () => {
        hub.events.publish("job.created", { jobId }, { jobName: body.name });
        deps.wakeJob(jobId);
      });
    };
  });
}

function gapsOf(
  { hub }: RouteDeps,
  { plan, parts }: JudgedDeployment,
  { jobId, nowMs }: { jobId: JobId; nowMs: number },
) {
  const savepointId = plan.from?.savepointId ?? null;
  if (!plan.needsAllowGap || parts === null || savepointId === null) return [];
  return gapsOfStart(parts, { jobId, savepointId, nowMs, newId: () => hub.random.uuid() });
}

function refuseOutcome(outcome: DeploymentOutcome, body: DeployBody): void {
  switch (outcome.kind) {
    case "stored":
      return;
    case "name-taken":
      throw nameTaken(body.name, outcome.jobId);
    case "blob-missing":
      throw blobMissing(body);
    case "claimed":
      throw new Refusal(
        409,
        "savepoint-claimed",
        `Savepoint ${body.fromSavepoint} belongs to job ${outcome.jobId} already: start without claim`,
        { jobId: outcome.jobId },
      );
    case "sessions-taken":
      throw new Refusal(
        409,
        "sessions-taken",
        `Job ${outcome.jobId} has begun to read through the sessions of this savepoint's job: repeat`,
        { jobId: outcome.jobId },
      );
  }
}

interface Checked {
  readonly graph: JobGraph;
  readonly checkpointIntervalMs: number;
  readonly windows: readonly WindowVerdict[];
  readonly judged: JudgedDeployment;
}

async function check(deps: RouteDeps, body: DeployBody): Promise<Checked> {
  const { hub } = deps;
  refuseContradictions(body);
  const taken = await runningJobNamed(hub.db, body.name);
  if (taken !== null && taken !== body.replaces) throw nameTaken(body.name, taken);
  const graph = { ...await deps.extractGraph(body.bundle, body.params), name: body.name };
  const parallelism = body.parallelism ?? defaultParallelism(graph);
  const regions = planRegions(graph, parallelism);
  refuseFiles(graph);
  refuseUnknownBrokers(deps, graph);
  const checkpointIntervalMs = body.checkpointIntervalMs ?? hub.config.checkpointIntervalMs;
  const windows = checkWindows(graph, { ...hub.config, checkpointIntervalMs });
  const tooSmall = windows.filter(({ isEnough }) => !isEnough);
  if (tooSmall.length > 0) {
    const detail = tooSmall.map(windowProblem).join(" ");
    throw new Refusal(422, "window-too-small", detail, { windows });
  }
  const { fromSavepoint = null, replaces = null } = body;
  const judged = await judge(deps, { graph, parallelism, regions, fromSavepoint, replaces });
  if (judged.plan.from !== null) refuseMisfit(judged, body);
  return { graph, checkpointIntervalMs, windows, judged };
}

function refuseContradictions(body: DeployBody): void {
  const wrong = (path: string, message: string) =>
    new Refusal(400, "body-invalid", message, { errors: [{ path, message }] });
  if (body.claim && body.fromSavepoint === undefined) {
    throw wrong("claim", "Only a savepoint can be taken over: name it in fromSavepoint");
  }
  if (body.replaces === undefined) return;
  if (!body.dryRun) {
    throw wrong(
      "replaces",
      "Only with dryRun: stop the job with a savepoint, then deploy from that savepoint",
    );
  }
  if (body.fromSavepoint !== undefined) throw wrong("replaces", "Not together with fromSavepoint");
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

/** @throws {Refusal} 404 and 409, saying for each operator and state what stands against it. */
async function judge(deps: RouteDeps, question: DeployQuestion): Promise<JudgedDeployment> {
  const judgement = await judgeDeployment(deps.hub.db, question);
  switch (judgement.kind) {
    case "not-found":
      throw notFound(judgement.noun, judgement.id);
    case "not-completed":
      throw new Refusal(
        409,
        "savepoint-not-completed",
        `Savepoint ${judgement.id} is ${judgement.status}: only a completed one can be restored`,
      );
    case "plan":
      return judgement;
  }
}

function refuseMisfit(judged: JudgedDeployment, body: DeployBody): void {
  const { plan } = judged;
  const { operators, straySubtasks } = plan;
  const base = plan.from?.savepointId ?? `checkpoint ${plan.from?.checkpointId}`;
  if (!judged.isAllowed(body.allowNonRestoredState)) {
    throw new Refusal(
      409,
      "savepoint-incompatible",
      `Savepoint ${base} does not fit this job: ${
        problemsOf(plan).join("; ")
      }. State that the job ` +
        `does not have may be dropped with allowNonRestoredState; nothing was changed`,
      { operators, straySubtasks },
    );
  }
  if (plan.needsAllowGap && !body.allowGap && !body.dryRun) {
    throw new Refusal(
      409,
      "gap-needs-consent",
      plan.sessions === "own"
        ? `A source reads other topics or another broker than when savepoint ${base} was taken: the job ` +
          `cannot go on with the old sessions, and what waits in them is lost to it. Repeat with ` +
          `allowGap to accept this; nothing was changed`
        : `Job ${plan.from?.jobId} went on after savepoint ${base}: what it has acknowledged since, the ` +
          `brokers do not hold any more. Repeat with allowGap to accept this; nothing was changed`,
    );
  }
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
